//! What an operator can set.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

/// The `telemetry` section: what the gate says of itself. Own metrics are always on `/metrics`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Own logs on stderr.
    pub log: LogSettings,
    /// Own traces and logs to an OTLP endpoint.
    pub otlp: OtlpSettings,
    /// A file of JSON lines that say who did what to whose data; a bare name stands in the data directory; null: none.
    /// Rotated once at 16 MiB. A change needs a restart. Default: none; the log has every line.
    pub audit_file: Option<PathBuf>,
}

/// How own logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Own logs on stderr.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// `text` or `json`. Default `text`.
    pub format: LogFormat,
    /// The least level shown (`error`, `warn`, `info`, `debug`, `trace`), or directives such as
    /// `info,portcullis::buffer=debug`. The environment's `RUST_LOG` goes before it.
    /// Default `info`.
    pub level: String,
}

impl Default for LogSettings {
    fn default() -> Self {
        LogSettings { format: LogFormat::default(), level: "info".into() }
    }
}

/// Own traces and logs to an OTLP endpoint over gRPC. `OTEL_EXPORTER_OTLP_*`,
/// `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER` and
/// `OTEL_SDK_DISABLED` mean what the OpenTelemetry specification says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OtlpSettings {
    /// Whether anything is sent. Default `false`.
    pub enabled: bool,
    /// Where to, as a URL; without it the environment's, or `http://localhost:4317`. Default none.
    pub endpoint: Option<String>,
    /// Whether traces are sent. Default `true`.
    pub traces: bool,
    /// Whether logs are sent. Default `true`.
    pub logs: bool,
    /// Share of own traces that is kept, 0 to 1. Default 0.01.
    pub sample_ratio: f64,
    /// Time for one send; without it the environment's, or 10 s. Default none.
    #[serde(with = "optional_duration")]
    #[schemars(with = "Option<String>")]
    pub timeout: Option<Duration>,
}

impl Default for OtlpSettings {
    fn default() -> Self {
        OtlpSettings {
            enabled: false,
            endpoint: None,
            traces: true,
            logs: true,
            sample_ratio: 0.01,
            timeout: None,
        }
    }
}

mod optional_duration {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer, de::Error as _};

    use crate::config::duration;

    pub fn serialize<S: Serializer>(value: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        value.map(duration::format).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|t| duration::parse(&t)).transpose().map_err(D::Error::custom)
    }
}
