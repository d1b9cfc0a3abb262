//! The whole configuration: one section for each stage of the path.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{admin, buffer, detect, export, identify, receive, scrub, telemetry, transform, usage};

/// `portcullis.yaml`. Every section and every key has a default.
#[derive(Debug, Clone, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where telemetry comes in. A change needs a restart.
    pub receivers: receive::Settings,
    /// Whose an item is. Followed on reload.
    pub identity: identify::Settings,
    /// What is changed on the way, in order. Followed on reload.
    pub transforms: transform::Settings,
    /// Which cross-tenant anomalies are looked for. What feeds observations is followed on reload; sizes,
    /// the findings file and the allowances of senders need a restart.
    pub detect: detect::Settings,
    /// What is taken out. Followed on reload.
    pub scrub: scrub::Settings,
    /// The journal on disk. A change needs a restart.
    pub buffer: buffer::Settings,
    /// Where telemetry goes. None: one line a batch on standard output. A change needs a restart.
    pub destinations: Vec<export::settings::Destination>,
    /// Which tenant's data goes to which destination; the first that fits decides. Followed on reload.
    pub routes: Vec<export::settings::Route>,
    /// The scrape endpoint. A change needs a restart.
    pub prometheus: export::prometheus::Settings,
    /// What tenants have used, for their bills. A change needs a restart.
    pub usage: usage::Settings,
    /// The gate's own logs and traces. A change needs a restart.
    pub telemetry: telemetry::Settings,
    /// Health and reload. A change needs a restart.
    pub admin: admin::Settings,
    /// The process itself. A change needs a restart.
    pub process: Process,
}

/// The process itself.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Process {
    /// Threads that identify, transform and scrub. Default: 0, one for each core but one, at least one.
    pub workers: usize,
    /// Bytes of all requests in flight, compressed and decompressed together. Default: 268435456.
    pub in_flight_bytes: usize,
    /// How long a stop may take before what is left is given up (it stays on disk). Default: `60s`.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub stop_deadline: std::time::Duration,
    /// How often the configuration, the rule packs and the catalogue are looked at for changes. Default: `5s`.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub reload_interval: std::time::Duration,
}

impl Default for Process {
    fn default() -> Self {
        Process {
            workers: 0,
            in_flight_bytes: crate::limits::IN_FLIGHT_BYTES,
            stop_deadline: std::time::Duration::from_secs(60),
            reload_interval: std::time::Duration::from_secs(5),
        }
    }
}

impl Config {
    /// The destinations, or the console where none is configured.
    pub fn destinations(&self) -> Vec<export::settings::Destination> {
        if !self.destinations.is_empty() {
            return self.destinations.clone();
        }
        vec![export::settings::Destination {
            name: "console".into(),
            kind: export::settings::Kind::Console,
            ..Default::default()
        }]
    }

    /// The findings file: a relative one stands in the data directory.
    pub fn findings_file(&self) -> PathBuf {
        under(&self.buffer.directory, &self.detect.findings.file)
    }

    /// The audit file, if there is to be one: a bare name stands in the data directory.
    pub fn audit_file(&self) -> Option<PathBuf> {
        self.telemetry.audit_file.as_deref().map(|file| under(&self.buffer.directory, file))
    }
}

fn under(directory: &Path, file: &Path) -> PathBuf {
    if file.parent().is_none_or(|parent| parent.as_os_str().is_empty()) {
        directory.join(file)
    } else {
        file.to_path_buf()
    }
}
