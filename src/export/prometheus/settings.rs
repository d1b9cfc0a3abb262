//! What an operator can set.

use std::{net::SocketAddr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::limits;

/// The `prometheus` section: the scrape endpoint and what it may hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whether ingested metrics are kept for scraping. Default `true`.
    pub enabled: bool,
    /// Address and port of `/metrics`. Default `127.0.0.1:9464`.
    pub endpoint: SocketAddr,
    /// A series without a new point for this long is no longer shown. Default `5m`.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub expiry: Duration,
    /// Prometheus series of one tenant, unless the catalogue says otherwise; a histogram counts as
    /// its buckets and three more. Default 10000.
    pub series_per_tenant: usize,
    /// Prometheus series of all tenants together. Default 1000000.
    pub series_total: usize,
    /// Labels of one series, beside `tenant_id`. Default 64.
    pub labels: usize,
    /// Length of a label's name, in bytes. Default 256.
    pub label_name_bytes: usize,
    /// Length of a label's value, in bytes. Default 2048.
    pub label_value_bytes: usize,
    /// Most buckets that an exponential histogram is shown with; it is made coarser until it
    /// fits. Default 32.
    pub exponential_buckets: usize,
    /// Whether series carry `otel_scope_*` labels. Default `true`.
    pub scope_labels: bool,
    /// Whether OpenMetrics shows `_created` (older Prometheus servers keep it as a series of its
    /// own). Default `false`.
    pub created: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: true,
            endpoint: SocketAddr::from(([127, 0, 0, 1], 9464)),
            expiry: Duration::from_secs(300),
            series_per_tenant: limits::PROMETHEUS_TENANT_SERIES,
            series_total: limits::PROMETHEUS_SERIES,
            labels: limits::PROMETHEUS_LABELS,
            label_name_bytes: limits::PROMETHEUS_LABEL_NAME_BYTES,
            label_value_bytes: limits::PROMETHEUS_LABEL_VALUE_BYTES,
            exponential_buckets: limits::PROMETHEUS_EXPONENTIAL_BUCKETS,
            scope_labels: true,
            created: false,
        }
    }
}
