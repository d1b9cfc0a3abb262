//! The `receivers` section of the configuration.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use crate::limits;

/// Where data comes in. A receiver that is `null` does not listen.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// OTLP over gRPC. Default: on, at 127.0.0.1:4317. `null` turns it off.
    pub grpc: Option<Grpc>,
    /// OTLP over HTTP, and NDJSON. Default: on, at 127.0.0.1:4318. `null` turns it off.
    pub http: Option<Http>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { grpc: Some(Grpc::default()), http: Some(Http::default()) }
    }
}

/// The OTLP/gRPC receiver.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Grpc {
    /// Address and port to listen on. Default: `127.0.0.1:4317`.
    pub endpoint: SocketAddr,
    /// Largest message, in bytes, on the wire and again after decompression. Default and maximum: 67108864 (64 MiB).
    pub max_recv_bytes: usize,
    /// TLS from files. Default: none, plain text.
    pub tls: Option<Tls>,
    /// Bounds on connections.
    pub connection: Connection,
}

impl Default for Grpc {
    fn default() -> Self {
        Grpc {
            endpoint: SocketAddr::from(([127, 0, 0, 1], 4317)),
            max_recv_bytes: limits::REQUEST_BYTES,
            tls: None,
            connection: Connection::default(),
        }
    }
}

/// The OTLP/HTTP receiver: `POST /v1/logs`, `/v1/traces`, `/v1/metrics` and `/ingest/ndjson`.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Address and port to listen on. Default: `127.0.0.1:4318`.
    pub endpoint: SocketAddr,
    /// Largest body, in bytes, on the wire and again after decompression. Default and maximum: 67108864 (64 MiB).
    pub max_recv_bytes: usize,
    /// TLS from files. Default: none, plain text.
    pub tls: Option<Tls>,
    /// Cross-origin requests from browsers. Default: none are allowed.
    pub cors: Cors,
    /// Bounds on connections.
    pub connection: Connection,
}

impl Default for Http {
    fn default() -> Self {
        Http {
            endpoint: SocketAddr::from(([127, 0, 0, 1], 4318)),
            max_recv_bytes: limits::REQUEST_BYTES,
            tls: None,
            cors: Cors::default(),
            connection: Connection::default(),
        }
    }
}

/// Cross-origin resource sharing.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cors {
    /// Origins that may send, such as `https://app.example.com`; one `*` in an entry matches any text,
    /// and `*` alone every origin. Default: empty, which turns cross-origin requests off.
    pub allowed_origins: Vec<String>,
    /// Request headers that may be sent beside `content-type`, `content-encoding`, `traceparent` and `tracestate`;
    /// `*` allows whatever the browser asks for. Default: empty.
    pub allowed_headers: Vec<String>,
    /// How long a browser may keep the answer to a preflight. Default: `2h`.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub max_age: Duration,
}

impl Default for Cors {
    fn default() -> Self {
        Cors { allowed_origins: vec![], allowed_headers: vec![], max_age: Duration::from_secs(7200) }
    }
}

/// TLS from PEM files. They are read again every `reload_interval`, and open connections stay.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate chain, leaf first (PEM).
    pub cert_file: PathBuf,
    /// The private key (PEM: PKCS#8, PKCS#1 or SEC1).
    pub key_file: PathBuf,
    /// Authorities of client certificates (PEM). Given: every client must show a certificate (mTLS). Default: none.
    #[serde(default)]
    pub client_ca_file: Option<PathBuf>,
    /// How often the files are looked at. Default: `10s`.
    #[serde(default = "reload_interval", with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub reload_interval: Duration,
}

fn reload_interval() -> Duration {
    Duration::from_secs(10)
}

/// Bounds on the connections of one listener.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Connection {
    /// Connections open at once; more wait in the backlog of the kernel. Default and maximum: 4096.
    pub max: usize,
    /// HTTP/2 streams open at once on one connection. Default and maximum: 128.
    pub max_streams: u32,
    /// Time for a TLS handshake, for a connection's first bytes, and for the head of an HTTP/1.1 request. Default: `10s`.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub header_timeout: Duration,
    /// Time for a whole body to arrive. Default: `30s`.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub body_timeout: Duration,
    /// A connection without a request for this long is closed. Default: `5m`.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub idle_timeout: Duration,
    /// Age at which a connection is told to go away (HTTP/2 GOAWAY), so that load spreads; `0s` is never. Default: `30m`.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub max_age: Duration,
    /// Time that a connection told to go away has for its open requests. Default: `30s`.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub max_age_grace: Duration,
    /// Interval of HTTP/2 keepalive pings; `0s` turns them off. Default: `1m`.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub keepalive_interval: Duration,
    /// Time for the answer to a keepalive ping. Default: `20s`.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub keepalive_timeout: Duration,
}

impl Default for Connection {
    fn default() -> Self {
        let secs = Duration::from_secs;
        Connection {
            max: limits::CONNECTIONS,
            max_streams: limits::STREAMS_PER_CONNECTION,
            header_timeout: secs(10),
            body_timeout: secs(30),
            idle_timeout: secs(300),
            max_age: secs(1800),
            max_age_grace: secs(30),
            keepalive_interval: secs(60),
            keepalive_timeout: secs(20),
        }
    }
}

impl Settings {
    /// Holds every number to its bound.
    ///
    /// # Errors
    /// Names the key, and says what is expected.
    pub fn validate(&self) -> Result<(), String> {
        if let Some(grpc) = &self.grpc {
            check("receivers.grpc", grpc.max_recv_bytes, &grpc.connection)?;
        }
        if let Some(http) = &self.http {
            check("receivers.http", http.max_recv_bytes, &http.connection)?;
        }
        Ok(())
    }
}

fn check(at: &str, bytes: usize, connection: &Connection) -> Result<(), String> {
    within(at, "max_recv_bytes", bytes, limits::REQUEST_BYTES)?;
    within(at, "connection.max", connection.max, limits::CONNECTIONS)?;
    within(
        at,
        "connection.max_streams",
        connection.max_streams as usize,
        limits::STREAMS_PER_CONNECTION as usize,
    )?;
    for (key, value) in [
        ("header_timeout", connection.header_timeout),
        ("body_timeout", connection.body_timeout),
        ("idle_timeout", connection.idle_timeout),
        ("keepalive_timeout", connection.keepalive_timeout),
    ] {
        if value.is_zero() {
            return Err(format!("{at}.connection.{key}: expected a duration above zero, such as 10s"));
        }
    }
    Ok(())
}

fn within(at: &str, key: &str, value: usize, max: usize) -> Result<(), String> {
    if (1..=max).contains(&value) {
        return Ok(());
    }
    Err(format!("{at}.{key}: expected 1 to {max}, found {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Settings, String> {
        let settings: Settings = serde_json::from_str(json).map_err(|error| error.to_string())?;
        settings.validate().map(|()| settings)
    }

    /// Scenario: nothing, null, a part, and nonsense. Guarantee: defaults on loopback, off, the rest stays default,
    /// and an error that names the key.
    #[test]
    fn settings_have_defaults_and_bounds() {
        let all = read("{}").unwrap();
        assert_eq!(all.grpc.unwrap().endpoint.to_string(), "127.0.0.1:4317");
        assert_eq!(all.http.unwrap().endpoint.to_string(), "127.0.0.1:4318");
        assert!(read(r#"{"grpc":null}"#).unwrap().grpc.is_none());
        let part = read(r#"{"http":{"connection":{"idle_timeout":"1m"}}}"#).unwrap().http.unwrap();
        assert_eq!(part.connection.idle_timeout, Duration::from_secs(60));
        assert_eq!(part.connection.max, limits::CONNECTIONS);
        for (bad, key) in [
            (r#"{"grpc":{"max_recv_bytes":0}}"#, "receivers.grpc.max_recv_bytes"),
            (r#"{"http":{"max_recv_bytes":67108865}}"#, "receivers.http.max_recv_bytes"),
            (r#"{"http":{"connection":{"max":0}}}"#, "receivers.http.connection.max"),
            (r#"{"http":{"connection":{"body_timeout":"0s"}}}"#, "body_timeout"),
            (r#"{"http":{"compresion":1}}"#, "compresion"),
        ] {
            let error = read(bad).unwrap_err();
            assert!(error.contains(key), "{error}");
        }
    }
}
