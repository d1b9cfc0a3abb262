//! Destinations, and which tenant's data goes to which.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{batch::Signal, config::Secret, identify::Isolation, limits};

/// One place that data is sent to.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Destination {
    /// Its name in routes, metrics and the journal's cursors: letters, digits, `-` and `_`.
    pub name: String,
    /// What it is. Default: `otlp`.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Base URL: `http://host:4317` for gRPC; for HTTP `/v1/<signal>` is appended. Default: `http://localhost:4317`.
    pub endpoint: String,
    /// URL of one signal (`logs`, `traces`, `metrics`), used as it is; HTTP only.
    pub endpoints: BTreeMap<Signal, String>,
    /// How requests are sent. Default: `grpc`.
    pub protocol: Protocol,
    /// How requests are compressed. Default: `gzip`.
    pub compression: Compression,
    /// Headers (gRPC metadata) of every request; `{tenant_id}` and `{tenant_slug}` stand for the tenant's,
    /// and requests then hold one tenant's data each. A tenant without a slug has its id for it.
    pub headers: BTreeMap<String, Secret>,
    /// How long one request may take. Default: `10s`.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub timeout: Duration,
    /// Certificates; without them the system's authorities are trusted.
    pub tls: Tls,
    /// The largest request, in bytes before compression; larger ones are split. Default: 4194304 (4 MiB).
    pub max_request_bytes: usize,
    /// How long small requests wait for others to join them. Default: `200ms`.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub linger: Duration,
    /// Requests on the wire at once. Default: 4.
    pub in_flight: usize,
    /// Whether requests hold one tenant's data each, also where no header names the tenant. Default: false.
    pub one_tenant: bool,
    /// What is done about a request that fails.
    pub retry: Retry,
    /// For `console`: whether every record is shown, as OTLP/JSON; else one line a batch. Default: false.
    pub verbose: bool,
}

impl Default for Destination {
    fn default() -> Self {
        Destination {
            name: String::new(),
            kind: Kind::default(),
            endpoint: "http://localhost:4317".into(),
            endpoints: BTreeMap::new(),
            protocol: Protocol::default(),
            compression: Compression::default(),
            headers: BTreeMap::new(),
            timeout: Duration::from_secs(10),
            tls: Tls::default(),
            max_request_bytes: 4 * limits::MIB,
            linger: Duration::from_millis(200),
            in_flight: 4,
            one_tenant: false,
            retry: Retry::default(),
            verbose: false,
        }
    }
}

impl Destination {
    /// Holds the settings against each other.
    ///
    /// # Errors
    /// Says which setting of which destination is wrong, and what is expected.
    pub fn check(&self) -> Result<(), String> {
        let name = &self.name;
        let wrong = |what: &str| Err(format!("destination `{name}`: {what}"));
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
            return wrong("name: expected 1 to 64 letters, digits, `-` and `_`");
        }
        if self.max_request_bytes < 4096 || self.max_request_bytes > limits::REQUEST_BYTES {
            return wrong("max_request_bytes: expected 4096 to 67108864");
        }
        if self.in_flight == 0 || self.in_flight > limits::EXPORT_IN_FLIGHT {
            return wrong("in_flight: expected 1 to 64");
        }
        if self.timeout.is_zero() {
            return wrong("timeout: expected more than 0");
        }
        if self.tls.cert_file.is_some() != self.tls.key_file.is_some() {
            return wrong("tls: cert_file and key_file go together");
        }
        if self.kind == Kind::Otlp {
            for url in std::iter::once(&self.endpoint).chain(self.endpoints.values()) {
                if !url.starts_with("http://") && !url.starts_with("https://") {
                    return wrong("endpoint: expected a URL that begins with http:// or https://");
                }
            }
            if self.protocol == Protocol::Grpc && !self.endpoints.is_empty() {
                return wrong("endpoints: for http/protobuf only; gRPC has one endpoint for all signals");
            }
        }
        self.retry.check().or_else(|what| wrong(&what))
    }
}

/// What a destination is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An OTLP receiver.
    #[default]
    Otlp,
    /// The standard output.
    Console,
}

/// How OTLP is spoken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Protocol {
    /// OTLP/gRPC.
    #[default]
    #[serde(rename = "grpc")]
    Grpc,
    /// OTLP/HTTP with protobuf.
    #[serde(rename = "http/protobuf")]
    HttpProtobuf,
}

/// How requests are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip: every receiver takes it.
    #[default]
    Gzip,
    /// zstd: less work for a better ratio, where the receiver takes it.
    Zstd,
}

impl Compression {
    /// Its name in `content-encoding` and `grpc-encoding`; none for none.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Compression::None => None,
            Compression::Gzip => Some("gzip"),
            Compression::Zstd => Some("zstd"),
        }
    }
}

/// Certificates of a connection. The receiver's certificate is always verified.
#[derive(Debug, Clone, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// PEM file with the authorities that are trusted instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// PEM file with the client's certificate (mTLS).
    pub cert_file: Option<PathBuf>,
    /// PEM file with the client's key (mTLS).
    pub key_file: Option<PathBuf>,
}

/// What is done about a request that fails and may be sent again.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// The longest first pause. Default: `1s`.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub initial: Duration,
    /// The longest pause of all, unless the receiver asks for a longer one. Default: `30s`.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub max: Duration,
    /// After how long a request is given up and goes to the quarantine; `0s`: never. Default: `0s`.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub max_elapsed: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Retry { initial: Duration::from_secs(1), max: Duration::from_secs(30), max_elapsed: Duration::ZERO }
    }
}

impl Retry {
    fn check(&self) -> Result<(), String> {
        if self.initial.is_zero() || self.initial > self.max {
            return Err("retry: expected 0 < initial <= max".into());
        }
        Ok(())
    }
}

/// Which data goes where. Of the routes the first that fits decides; one without selectors fits all.
#[derive(Debug, Clone, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Route {
    /// Tenants, by id or slug; empty: any.
    pub tenants: Vec<String>,
    /// Isolation tiers; empty: any.
    pub isolation: Vec<Isolation>,
    /// Signals; empty: all.
    pub signals: Vec<Signal>,
    /// Names of the destinations that the data goes to, to each of them.
    pub destinations: Vec<String>,
}

impl Route {
    /// Whether the route fits whatever comes.
    pub fn fits_all(&self) -> bool {
        self.tenants.is_empty() && self.isolation.is_empty() && self.signals.is_empty()
    }
}
