//! What people and probes ask the gate: health, and a small HTTP server for pages such as `/metrics`.

pub mod health;
pub mod server;

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
}

impl Default for Settings {
    fn default() -> Self {
        Settings { endpoint: Some(SocketAddr::from(([127, 0, 0, 1], 13133))) }
    }
}
