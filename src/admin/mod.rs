//! What people and probes ask the gate: health, and a small HTTP server for pages such as `/metrics`.

pub mod health;
pub mod server;
pub mod signed;
pub mod tokens;

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

pub use self::{
    health::Readiness,
    server::{Answer, Ask, Handler, serve_http},
};

/// The `admin` section of the configuration.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Address and port of `/livez` and `/readyz`. Default: `127.0.0.1:13133`. `null` turns it off.
    pub endpoint: Option<SocketAddr>,
    /// The API: tenants, usage, quarantine, moves, purge, reload.
    pub api: ApiSettings,
}

/// The admin API.
#[derive(Debug, Clone, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ApiSettings {
    /// Address and port, of this machine alone, for example `127.0.0.1:13134`. Default: none, and no API.
    pub endpoint: Option<SocketAddr>,
    /// The tokens that it takes, each as its SHA-256; `portcullis api-key` makes one.
    pub tokens: Vec<ApiToken>,
}

/// A token of the admin API.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ApiToken {
    /// Whose it is: stands in the audit log.
    pub name: String,
    /// The SHA-256 of the token, 64 hex digits.
    pub sha256: String,
    /// The one tenant (uuid or slug) that it may look at, and nothing else. Default: none, and it may do everything.
    pub tenant: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { endpoint: Some(SocketAddr::from(([127, 0, 0, 1], 13133))), api: ApiSettings::default() }
    }
}
