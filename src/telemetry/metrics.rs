//! Own metrics: the recorder, what each metric means, and labels that stay bounded.

use std::{
    collections::HashMap,
    sync::{LazyLock, PoisonError, RwLock},
    thread,
    time::Duration,
};

use metrics::{Counter, SharedString, Unit};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use crate::{
    batch::{Signal, TenantId},
    limits,
};

/// The kinds of metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only rises.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Buckets.
    Histogram,
}

/// One own metric: its name, unit and meaning.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// The name on `/metrics`.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Its unit.
    pub unit: Unit,
    /// What it says, as `# HELP`.
    pub help: &'static str,
}

const fn counter(name: &'static str, unit: Unit, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, unit, help }
}

const fn gauge(name: &'static str, unit: Unit, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, unit, help }
}

const fn histogram(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Histogram, unit: Unit::Seconds, help }
}

/// Every metric of the gate. Dashboards, alerts and the reference are held against this table.
pub const METRICS: &[Metric] = &[
    counter(
        "portcullis_observed_items_total",
        Unit::Count,
        "Items let through in observe mode that enforce mode would have rejected, by reason.",
    ),
    counter(
        "portcullis_received_items_total",
        Unit::Count,
        "Log records, spans and data points that came in.",
    ),
    counter(
        "portcullis_accepted_items_total",
        Unit::Count,
        "Items acknowledged: scrubbed and durable, or delivered.",
    ),
    counter(
        "portcullis_rejected_items_total",
        Unit::Count,
        "Items refused for good (partial success), by reason.",
    ),
    counter("portcullis_dropped_items_total", Unit::Count, "Items that a policy dropped, by reason."),
    counter("portcullis_refused_requests_total", Unit::Count, "Requests not taken at all, by reason."),
    counter(
        "portcullis_throttled_requests_total",
        Unit::Count,
        "Requests refused for the time being since their tenant was over a limit, by the limit's name.",
    ),
    counter(
        "portcullis_cut_attributes_total",
        Unit::Count,
        "Attributes over their tenant's limits: dropped, or their texts cut short.",
    ),
    counter("portcullis_received_bytes_total", Unit::Bytes, "Bytes of request bodies, after decompression."),
    histogram("portcullis_request_duration_seconds", "Time from a request's first byte to its answer."),
    counter("portcullis_redacted_values_total", Unit::Count, "Values redacted, by type of data and action."),
    counter(
        "portcullis_user_sentences_total",
        Unit::Count,
        "Sentences that people wrote, seen in fields where no rule expects them.",
    ),
    counter(
        "portcullis_pseudonyms_without_key_total",
        Unit::Count,
        "Pseudonyms that became redactions, since the tenant's salt could not be read or written.",
    ),
    gauge(
        "portcullis_catalogue_source_up",
        Unit::Count,
        "1 while the URL or database of tenants answers, else 0.",
    ),
    counter("portcullis_unknown_fields_total", Unit::Count, "Protobuf fields that no schema names, dropped."),
    counter("portcullis_findings_total", Unit::Count, "Leak findings raised, by class and severity."),
    gauge("portcullis_findings_open", Unit::Count, "Findings that go on, by class and severity."),
    counter(
        "portcullis_findings_suppressed_total",
        Unit::Count,
        "Findings that a suppression held back, by class.",
    ),
    gauge("portcullis_suppressions", Unit::Count, "Suppressions, by state: active, expired, unused."),
    counter("portcullis_suppressions_expired_total", Unit::Count, "Suppressions that came to their end."),
    counter("portcullis_webhook_sent_total", Unit::Count, "Findings that the webhook took."),
    counter(
        "portcullis_webhook_failed_total",
        Unit::Count,
        "Attempts of the webhook that failed, by reason.",
    ),
    counter(
        "portcullis_webhook_dropped_total",
        Unit::Count,
        "Findings that the webhook did not take and that are not sent again, by reason.",
    ),
    gauge("portcullis_webhook_queue", Unit::Count, "Findings that wait for the webhook."),
    gauge("portcullis_detector_state_entries", Unit::Count, "Entries in a detector's state."),
    counter(
        "portcullis_detector_evicted_total",
        Unit::Count,
        "Entries that a detector forgot to stay in its bound.",
    ),
    counter(
        "portcullis_detector_cold_total",
        Unit::Count,
        "Judgements that a detector withheld, since too little is known of what is usual.",
    ),
    counter(
        "portcullis_detector_blind_seconds_total",
        Unit::Seconds,
        "Time in which a detector shed observations.",
    ),
    counter("portcullis_exporter_sent_items_total", Unit::Count, "Items that a destination took."),
    counter(
        "portcullis_exporter_send_failed_total",
        Unit::Count,
        "Failed sends, by reason; they are tried again.",
    ),
    counter(
        "portcullis_exporter_rejected_items_total",
        Unit::Count,
        "Items that a destination refused for good.",
    ),
    gauge(
        "portcullis_exporter_last_success_timestamp_seconds",
        Unit::Seconds,
        "When a destination last took data, in seconds since the epoch.",
    ),
    gauge("portcullis_exporter_queue_bytes", Unit::Bytes, "Bytes that wait for a destination."),
    gauge("portcullis_exporter_queue_capacity_bytes", Unit::Bytes, "Bytes that may wait for a destination."),
    gauge("portcullis_exporter_queue_oldest_seconds", Unit::Seconds, "Age of what has waited longest."),
    gauge("portcullis_journal_bytes", Unit::Bytes, "Bytes of the journal on disk."),
    gauge("portcullis_journal_capacity_bytes", Unit::Bytes, "Bytes that the journal may use."),
    gauge("portcullis_journal_segments", Unit::Count, "Segment files of the journal."),
    histogram("portcullis_journal_fsync_seconds", "Time of one fsync of the journal."),
    counter(
        "portcullis_journal_corrupt_records_total",
        Unit::Count,
        "Records that failed their checksum, set aside.",
    ),
    counter("portcullis_journal_failures_total", Unit::Count, "Disk operations that failed, by operation."),
    gauge("portcullis_quarantined_items", Unit::Count, "Items kept scrubbed in quarantine, by reason."),
    gauge("portcullis_in_flight_bytes", Unit::Bytes, "Bytes of requests that are not answered yet."),
    gauge(
        "portcullis_in_flight_capacity_bytes",
        Unit::Bytes,
        "Bytes of requests that may be unanswered at once.",
    ),
    gauge(
        "portcullis_tenant_last_item_timestamp_seconds",
        Unit::Seconds,
        "When a tenant last sent an item, in seconds since the epoch.",
    ),
    gauge("portcullis_tenant_limit", Unit::Count, "A tenant's limit, by its name."),
    gauge(
        "portcullis_shared_limits_up",
        Unit::Count,
        "1 while the Redis server that limits are shared through answers, else 0.",
    ),
    gauge("portcullis_shared_limits_gates", Unit::Count, "Gates that share limits, as known last."),
    gauge("portcullis_shared_limits_tenants", Unit::Count, "Tenants whose limits are being shared."),
    histogram("portcullis_shared_limits_seconds", "Time of one round of sharing limits."),
    counter("portcullis_shared_limits_failures_total", Unit::Count, "Rounds of sharing limits that failed."),
    gauge("portcullis_held_bytes", Unit::Bytes, "Bytes of a tenant's data held on the disk while it moves."),
    gauge("portcullis_prometheus_series", Unit::Count, "Series that a tenant has on the scrape endpoint."),
    counter(
        "portcullis_prometheus_rejected_samples_total",
        Unit::Count,
        "Data points not shown on the scrape endpoint, by reason.",
    ),
    gauge(
        "portcullis_config_last_reload_successful",
        Unit::Count,
        "Whether the last reload was taken (1) or not (0).",
    ),
    gauge(
        "portcullis_config_last_reload_timestamp_seconds",
        Unit::Seconds,
        "When a reload was last taken, in seconds since the epoch.",
    ),
    gauge("portcullis_config_info", Unit::Count, "Always 1; the hash names the configuration in use."),
    counter(
        "portcullis_impersonated_items_total",
        Unit::Count,
        "Items accepted for a tenant that is not their sender's own.",
    ),
    counter(
        "portcullis_inherited_items_total",
        Unit::Count,
        "Items accepted for the tenant of their trace, since nothing named theirs.",
    ),
    counter(
        "portcullis_inherit_waits_total",
        Unit::Count,
        "Requests that waited for the tenants of their traces, or had no room to, by outcome.",
    ),
    counter(
        "portcullis_audit_lost_total",
        Unit::Count,
        "Audit lines that are not in the audit file, since it could not take them.",
    ),
    gauge("portcullis_build_info", Unit::Count, "Always 1; the version of this build."),
    gauge("portcullis_catalogue_tenants", Unit::Count, "Tenants in the catalogue."),
    gauge("portcullis_catalogue_age_seconds", Unit::Seconds, "Age of the catalogue in use."),
    counter(
        "portcullis_usage_items_total",
        Unit::Count,
        "Items accepted for destinations, as they are billed: counted once, from the journal.",
    ),
    counter(
        "portcullis_usage_bytes_in_total",
        Unit::Bytes,
        "Bytes of request bodies that held accepted or dropped items, as they are billed.",
    ),
    counter(
        "portcullis_usage_delivered_items_total",
        Unit::Count,
        "Items that a destination took, as they are billed.",
    ),
    counter(
        "portcullis_usage_bytes_out_total",
        Unit::Bytes,
        "Bytes of the items that a destination took, before compression, as they are billed.",
    ),
    counter(
        "portcullis_usage_undeliverable_items_total",
        Unit::Count,
        "Accepted items that a destination refused for good, as they are billed.",
    ),
    counter(
        "portcullis_usage_dropped_items_total",
        Unit::Count,
        "Items that a policy dropped, by reason, as they are billed.",
    ),
    counter(
        "portcullis_usage_rejected_items_total",
        Unit::Count,
        "Items refused for good, by reason, as they are billed.",
    ),
    counter("portcullis_usage_redacted_values_total", Unit::Count, "Values taken out, as they are billed."),
    counter(
        "portcullis_usage_failures_total",
        Unit::Count,
        "Times that usage could not be counted or kept; nothing is lost, it is tried again.",
    ),
    counter(
        "portcullis_log_events_suppressed_total",
        Unit::Count,
        "Own log lines not written, because their call site had written too many.",
    ),
];

/// Bounds for answers to clients, in seconds.
const REQUEST_BUCKETS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Bounds for disk writes, in seconds.
const FSYNC_BUCKETS: &[f64] =
    &[0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0];

/// How often the recorder folds its histograms together.
const UPKEEP: Duration = Duration::from_secs(5);

/// A recorder that is not installed: for tests, with `metrics::with_local_recorder`.
///
/// # Errors
/// The recorder's own, if a table of bounds were empty.
pub fn builder() -> Result<PrometheusBuilder, BuildError> {
    PrometheusBuilder::new()
        .set_buckets(REQUEST_BUCKETS)?
        .set_buckets_for_metric(Matcher::Full("portcullis_journal_fsync_seconds".into()), FSYNC_BUCKETS)
}

/// Installs the recorder for the process, describes every metric and starts its upkeep.
///
/// # Errors
/// A recorder is already installed.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let handle = builder()?.install_recorder()?;
    describe();
    metrics::gauge!("portcullis_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    let upkeep = handle.clone();
    // Without this thread histograms would only be folded on a scrape.
    let _ = thread::Builder::new().name("metrics-upkeep".into()).spawn(move || {
        loop {
            thread::sleep(UPKEEP);
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}

/// The process's own metrics: installed by the first call, shared by all gates of the process.
///
/// # Errors
/// Another recorder is installed already.
pub fn shared() -> Result<PrometheusHandle, String> {
    static HANDLE: std::sync::OnceLock<Result<PrometheusHandle, String>> = std::sync::OnceLock::new();
    HANDLE.get_or_init(|| install().map_err(|error| error.to_string())).clone()
}

/// Tells the recorder in use what each metric means.
pub fn describe() {
    for metric in METRICS {
        match metric.kind {
            Kind::Counter => metrics::describe_counter!(metric.name, metric.unit, metric.help),
            Kind::Gauge => metrics::describe_gauge!(metric.name, metric.unit, metric.help),
            Kind::Histogram => metrics::describe_histogram!(metric.name, metric.unit, metric.help),
        }
    }
}

/// The label of tenants past the bound.
const OTHER: SharedString = SharedString::const_str("other");

/// Tenants that have a label of their own.
#[derive(Debug, Default)]
struct TenantLabels(HashMap<TenantId, SharedString, foldhash::fast::RandomState>);

impl TenantLabels {
    fn get(&self, tenant: TenantId, limit: usize) -> Option<SharedString> {
        match self.0.get(&tenant) {
            Some(label) => Some(label.clone()),
            None if self.0.len() >= limit => Some(OTHER),
            None => None,
        }
    }

    fn insert(&mut self, tenant: TenantId, limit: usize) -> SharedString {
        self.get(tenant, limit).unwrap_or_else(|| {
            let label = SharedString::from_shared(tenant.to_string().into());
            self.0.insert(tenant, label.clone());
            label
        })
    }
}

static TENANT_LABELS: LazyLock<RwLock<TenantLabels>> = LazyLock::new(RwLock::default);

/// The value of `tenant_id` on own metrics: the tenant's uuid for the first
/// [`limits::TENANT_LABELS`] tenants that this process meets, then `other`. No allocation for a
/// tenant that is known.
pub fn tenant_label(tenant: TenantId) -> SharedString {
    let limit = limits::TENANT_LABELS;
    let known = TENANT_LABELS.read().unwrap_or_else(PoisonError::into_inner).get(tenant, limit);
    known.unwrap_or_else(|| {
        TENANT_LABELS.write().unwrap_or_else(PoisonError::into_inner).insert(tenant, limit)
    })
}

/// One worker's handles of a counter with the labels `signal` and `tenant_id`: counting takes one
/// look-up in a small map, without a lock or an allocation.
pub struct TenantCounters {
    name: &'static str,
    handles: HashMap<(Signal, TenantId), Counter, foldhash::fast::RandomState>,
}

impl std::fmt::Debug for TenantCounters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TenantCounters")
            .field("name", &self.name)
            .field("handles", &self.handles.len())
            .finish()
    }
}

impl TenantCounters {
    /// No handle yet; `name` is one of [`METRICS`].
    pub fn new(name: &'static str) -> TenantCounters {
        TenantCounters { name, handles: HashMap::default() }
    }

    /// Adds `n`.
    pub fn add(&mut self, signal: Signal, tenant: TenantId, n: u64) {
        if let Some(counter) = self.handles.get(&(signal, tenant)) {
            return counter.increment(n);
        }
        // Handles are cheap to make again; forgetting all of them keeps the bound simple.
        if self.handles.len() >= limits::CACHED_COUNTERS {
            self.handles.clear();
        }
        let counter =
            metrics::counter!(self.name, "signal" => signal.as_str(), "tenant_id" => tenant_label(tenant));
        counter.increment(n);
        self.handles.insert((signal, tenant), counter);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn tenant(n: u128) -> TenantId {
        TenantId(Uuid::from_u128(n))
    }

    /// Scenario: more tenants than labels. Guarantee: the first keep theirs, the rest are "other".
    #[test]
    fn tenant_labels_are_bounded() {
        let mut labels = TenantLabels::default();
        for n in 1..=5 {
            labels.insert(tenant(n), 3);
        }
        assert_eq!(labels.get(tenant(3), 3).unwrap(), tenant(3).to_string().into());
        assert_eq!(labels.get(tenant(5), 3).unwrap(), "other".into());
        assert_eq!(labels.0.len(), 3);
    }

    /// Scenario: a counter by tenant through cached handles. Guarantee: all counts arrive, with help.
    #[test]
    fn cached_counters_count() {
        let recorder = builder().unwrap().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            describe();
            let mut counters = TenantCounters::new("portcullis_accepted_items_total");
            for _ in 0..3 {
                counters.add(Signal::Logs, tenant(1), 2);
            }
            metrics::histogram!("portcullis_journal_fsync_seconds").record(0.002);
        });
        let text = recorder.handle().render();
        let line =
            format!("portcullis_accepted_items_total{{signal=\"logs\",tenant_id=\"{}\"}} 6\n", tenant(1));
        assert!(text.contains(&line), "{text}");
        assert!(text.contains("# HELP portcullis_accepted_items_total Items"), "{text}");
        assert!(text.contains("portcullis_journal_fsync_seconds_bucket{le=\"0.0025\"} 1"), "{text}");
    }

    /// Scenario: the table. Guarantee: names follow the conventions and are there once.
    #[test]
    fn names_follow_the_conventions() {
        let mut names = std::collections::HashSet::new();
        for metric in METRICS {
            assert!(names.insert(metric.name), "{} twice", metric.name);
            assert!(metric.name.starts_with("portcullis_"));
            assert_eq!(metric.kind == Kind::Counter, metric.name.ends_with("_total"), "{}", metric.name);
            assert!(metric.help.ends_with('.'), "{}", metric.name);
        }
    }
}
