//! The whole gate as one value: started from a configuration, stopped in phases.

use std::{net::SocketAddr, sync::Arc};

use crate::config::{ConfigErrors, Document};

/// Reads the configuration again; called at the start and on every reload.
pub type Load = Arc<dyn Fn() -> Result<Document, ConfigErrors> + Send + Sync>;

/// A running gate.
pub struct Gate {}

impl Gate {
    /// Starts every part; nothing is left running on an error, whose text is for people.
    pub async fn start(load: Load) -> Result<Gate, String> {
        let _ = load;
        Err("not built".into())
    }

    /// Where OTLP/gRPC is served.
    pub fn grpc_address(&self) -> Option<SocketAddr> {
        None
    }

    /// Where OTLP/HTTP and NDJSON are served.
    pub fn http_address(&self) -> Option<SocketAddr> {
        None
    }

    /// Where `/metrics` is served.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        None
    }

    /// Where `/livez`, `/readyz` and `/-/reload` are served.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        None
    }

    /// Reads the configuration again and swaps the policy; on an error the old one stays.
    pub async fn reload(&self) -> Result<(), String> {
        Ok(())
    }

    /// Stops in phases, each with its share of the deadline; whether all that was acknowledged is safe.
    pub async fn stop(self) -> bool {
        true
    }
}
