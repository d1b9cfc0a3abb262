//! Asks the admin API of a running gate.

use std::path::PathBuf;

use reqwest::Method;
use serde_json::Value;

use super::Failure;
use crate::config::{Config, Secret};

/// Where the gate's admin API is, and who asks.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct GateArgs {
    /// The admin API; without it, `admin.api.endpoint` of the configuration
    #[arg(long, value_name = "URL")]
    pub gate: Option<String>,
    /// A file with the token; without it, PORTCULLIS_ADMIN_TOKEN of the environment
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

impl GateArgs {
    /// Asks, and gives what is answered.
    ///
    /// # Errors
    /// There is no API or no token; what the gate says against it.
    pub fn ask(&self, config: &Config, method: Method, path: &str, body: &Value) -> Result<Value, Failure> {
        let base = match (&self.gate, config.admin.api.endpoint) {
            (Some(url), _) => url.trim_end_matches('/').to_owned(),
            (None, Some(endpoint)) => format!("http://{endpoint}"),
            (None, None) => {
                return Err(Failure::usage(
                    "where is the gate's admin API? give --gate URL, or admin.api.endpoint in the configuration",
                ));
            }
        };
        let given = std::env::var("PORTCULLIS_ADMIN_TOKEN").ok().map(Secret::new);
        let token = Secret::resolve(
            given.as_ref().filter(|_| self.token_file.is_none()),
            self.token_file.as_deref(),
        )?
        .ok_or_else(|| Failure::usage("no token; give --token-file FILE, or set PORTCULLIS_ADMIN_TOKEN"))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::io("the runtime", &error))?;
        let (status, text) = runtime.block_on(async {
            let client = reqwest::Client::new();
            let request = client
                .request(method, format!("{base}{path}"))
                .bearer_auth(token.expose().trim())
                .header("content-type", "application/json")
                .body(body.to_string());
            let away = |error: reqwest::Error| {
                let why = if error.is_connect() { "nobody listens there" } else { "the answer broke off" };
                Failure::failed(format!("{base}: {why}; is the gate running, with admin.api.endpoint set?"))
            };
            let answer = request.send().await.map_err(away)?;
            let status = answer.status();
            Ok::<_, Failure>((status, answer.text().await.map_err(away)?))
        })?;
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        if !status.is_success() {
            let why = value["detail"].as_str().unwrap_or("it is no admin API of a gate");
            return Err(Failure::failed(format!("{base}: {status}: {why}")));
        }
        Ok(value)
    }
}
