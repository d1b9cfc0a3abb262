//! OTLP out: raw request bytes to a receiver, one attempt at a time.
//!
//! [`Exporter::send`] makes one attempt and says what the receiver said; [`deliver`] splits, retries and
//! halves until every item is taken or refused for good.

mod answer;
pub mod deliver;
mod grpc;
mod headers;
mod http;
#[cfg(test)]
pub(crate) mod receiver;
mod size;
#[cfg(test)]
pub(crate) mod tests;

use std::{io::Write, path::Path, time::Duration};

use bytes::Bytes;
use flate2::{Compression as Level, write::GzEncoder};

pub(crate) use answer::http_status;
pub use answer::{Failure, Partial};
pub(crate) use http::secured;
pub use size::fit;

use super::settings::{Compression, Destination, Protocol};
use crate::{
    batch::{Signal, TenantId},
    limits,
};
use headers::Headers;

/// What the exporter calls itself.
const USER_AGENT: &str = concat!("portcullis/", env!("CARGO_PKG_VERSION"));

/// The tenant that a request's headers name.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    /// Its id.
    pub id: TenantId,
    /// Its slug, if it has one.
    pub slug: Option<&'a str>,
}

/// Sends requests to one destination.
pub struct Exporter {
    transport: Transport,
    compression: Compression,
    headers: Headers,
    timeout: Duration,
}

enum Transport {
    Grpc(grpc::Grpc),
    Http(http::Http),
}

impl std::fmt::Debug for Exporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exporter").field("compression", &self.compression).finish_non_exhaustive()
    }
}

impl Exporter {
    /// An exporter that connects when it first sends. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// A URL, a header or a certificate that is none.
    pub fn new(destination: &Destination) -> Result<Self, String> {
        destination.check()?;
        let named = |what: String| format!("destination `{}`: {what}", destination.name);
        let transport = match destination.protocol {
            Protocol::Grpc => Transport::Grpc(grpc::Grpc::new(destination).map_err(named)?),
            Protocol::HttpProtobuf => Transport::Http(http::Http::new(destination).map_err(named)?),
        };
        Ok(Exporter {
            transport,
            compression: destination.compression,
            headers: Headers::new(&destination.headers).map_err(named)?,
            timeout: destination.timeout,
        })
    }

    /// Whether a header names the tenant, so that requests must hold one tenant's data each.
    pub fn names_tenant(&self) -> bool {
        self.headers.name_tenant()
    }

    /// Compresses a request as the destination wants it, aside where it is large.
    ///
    /// # Errors
    /// The compressor or the runtime is out of order: [`Failure::Retryable`].
    pub async fn encode(&self, request: &Bytes) -> Result<Bytes, Failure> {
        let (compression, request) = (self.compression, request.clone());
        if compression == Compression::None || request.len() < limits::ASIDE_BYTES {
            return compress(compression, &request);
        }
        let aside = tokio::task::spawn_blocking(move || compress(compression, &request));
        aside.await.unwrap_or(Err(Failure::retryable("compression")))
    }

    /// Sends one encoded request, once.
    ///
    /// # Errors
    /// [`Failure`]: whether it may be sent again, and when.
    pub async fn send(
        &self,
        signal: Signal,
        sender: Option<Sender<'_>>,
        encoded: &Bytes,
    ) -> Result<Partial, Failure> {
        let headers = self.headers.render(sender);
        let (encoding, body) = (self.compression.name(), encoded.clone());
        let sent = async {
            match &self.transport {
                Transport::Grpc(grpc) => grpc.send(signal, headers, encoding, body).await,
                Transport::Http(http) => http.send(signal, headers, encoding, body).await,
            }
        };
        tokio::time::timeout(self.timeout, sent).await.unwrap_or(Err(Failure::retryable("timeout")))
    }
}

fn compress(compression: Compression, request: &Bytes) -> Result<Bytes, Failure> {
    let failed = |_| Failure::retryable("compression");
    match compression {
        Compression::None => Ok(request.clone()),
        Compression::Gzip => {
            let mut encoder = GzEncoder::new(Vec::with_capacity(request.len() / 4 + 64), Level::fast());
            encoder.write_all(request).and_then(|()| encoder.finish()).map(Bytes::from).map_err(failed)
        }
        Compression::Zstd => zstd::bulk::compress(request, 1).map(Bytes::from).map_err(failed),
    }
}

/// Reads a file of certificates.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("tls: {} cannot be read: {error}", path.display()))
}
