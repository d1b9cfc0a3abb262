//! OTLP/gRPC: unary exports framed by hand, so that a message stays raw bytes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use hyper::body::Incoming;

use super::{
    body::{self, Compression, Held},
    door::{self, Meter, Protocol},
    listener::Peer,
    reply::{self, Failure, ReplyBody},
    status::{self, Code},
};
use crate::{
    batch::Signal,
    gateway::{Format, Intake, Submission},
    receipt::Accepted,
};

const HEALTH_CHECK: &str = "/grpc.health.v1.Health/Check";
/// A health request holds one service name.
const HEALTH_REQUEST_BYTES: usize = 1024;

/// The service behind the gRPC port.
pub(super) struct Grpc {
    pub intake: Arc<dyn Intake>,
    pub max_recv_bytes: usize,
    pub body_timeout: Duration,
    pub serving: Arc<AtomicBool>,
}

impl Grpc {
    pub async fn handle(self: Arc<Self>, mut request: Request<Incoming>, peer: Peer) -> Response<ReplyBody> {
        if let Some(response) = refuse_other_protocols(&request) {
            if request.version() < Version::HTTP_2 {
                body::discard(request.body_mut()).await;
            }
            return response;
        }
        let answer = async {
            match request.uri().path() {
                HEALTH_CHECK => self.health(request).await,
                path => match signal_of(path) {
                    Some(signal) => self.export(signal, request, &peer).await,
                    None => {
                        Err(Failure::unsupported("no such method; this port serves the OTLP export services"))
                    }
                },
            }
        };
        match answer.await {
            Ok(message) => reply::grpc_ok(&message),
            Err(failure) => reply::grpc_failure(&failure),
        }
    }

    async fn export(
        &self,
        signal: Signal,
        request: Request<Incoming>,
        peer: &Peer,
    ) -> Result<Vec<u8>, Failure> {
        let meter = Meter::start(signal, Protocol::Grpc);
        let served = self.serve(signal, request, peer, &meter);
        let result = served.await;
        meter.done(&result);
        Ok(status::response(&result?))
    }

    async fn serve(
        &self,
        signal: Signal,
        request: Request<Incoming>,
        peer: &Peer,
        meter: &Meter,
    ) -> Result<Accepted, Failure> {
        let (head, mut body) = request.into_parts();
        let deadline = deadline(&head.headers)?;
        let work = async {
            let compression = compression(&head.headers)?;
            let credentials = door::credentials(&head.headers, peer, &self.intake)?;
            let intake = door::enter(&self.intake, &credentials).await?;
            let reading = body::read_framed(&mut body, self.max_recv_bytes, intake.as_ref());
            let (compressed, held) = tokio::time::timeout(self.body_timeout, reading)
                .await
                .unwrap_or_else(|_| Err(Failure::slow()))?;
            meter.received(held.bytes.len() + 5);
            let Held { bytes, permit } = self.decompress(compressed, compression, held, &intake).await?;
            let submission =
                Submission { signal, format: Format::Protobuf, body: bytes, credentials, permit };
            intake.submit(submission).await.map_err(Failure::from)
        };
        match deadline {
            None => work.await,
            Some(deadline) => {
                tokio::time::timeout(deadline, work).await.unwrap_or_else(|_| Err(Failure::deadline()))
            }
        }
    }

    async fn decompress(
        &self,
        compressed: bool,
        compression: Compression,
        held: Held,
        intake: &Arc<dyn Intake>,
    ) -> Result<Held, Failure> {
        match (compressed, compression) {
            (false, _) => Ok(held),
            (true, Compression::None) => Err(Failure::broken(
                "the message is flagged as compressed, but grpc-encoding names no encoding",
            )),
            (true, _) => body::decompress(compression, held, self.max_recv_bytes, intake).await,
        }
    }

    /// `grpc.health.v1.Health/Check`, for the whole server and for each export service.
    async fn health(&self, mut request: Request<Incoming>) -> Result<Vec<u8>, Failure> {
        let reading = body::read_framed(request.body_mut(), HEALTH_REQUEST_BYTES, self.intake.as_ref());
        let (_, held) = tokio::time::timeout(self.body_timeout, reading)
            .await
            .unwrap_or_else(|_| Err(Failure::slow()))?;
        let known = match held.bytes.as_ref() {
            [] => true,
            // Field 1, a string shorter than 128 bytes.
            [0x0a, length, name @ ..] if usize::from(*length) == name.len() => {
                name.is_empty() || SERVICES.iter().any(|(service, _)| service.as_bytes() == name)
            }
            _ => false,
        };
        if !known {
            return Err(Failure::new(Code::NotFound, StatusCode::NOT_FOUND, "not_found", "no such service"));
        }
        // ServingStatus: 1 is SERVING, 2 is NOT_SERVING.
        Ok(vec![0x08, if self.serving.load(Relaxed) { 1 } else { 2 }])
    }
}

const SERVICES: [(&str, Signal); 3] = [
    ("opentelemetry.proto.collector.logs.v1.LogsService", Signal::Logs),
    ("opentelemetry.proto.collector.trace.v1.TraceService", Signal::Traces),
    ("opentelemetry.proto.collector.metrics.v1.MetricsService", Signal::Metrics),
];

fn signal_of(path: &str) -> Option<Signal> {
    let service = path.strip_prefix('/')?.strip_suffix("/Export")?;
    SERVICES.iter().find(|(name, _)| *name == service).map(|(_, signal)| *signal)
}

/// Answers in plain HTTP what is not gRPC at all.
fn refuse_other_protocols(request: &Request<Incoming>) -> Option<Response<ReplyBody>> {
    let (status, text) = if request.version() < Version::HTTP_2 {
        (
            StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            "this port speaks gRPC over HTTP/2; OTLP/HTTP is on another port\n",
        )
    } else if request.method() != Method::POST {
        (StatusCode::METHOD_NOT_ALLOWED, "gRPC requests are POST\n")
    } else if !is_grpc(request.headers()) {
        (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "expected content-type application/grpc or application/grpc+proto\n",
        )
    } else {
        return None;
    };
    let mut response = Response::new(ReplyBody::new(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    }
    Some(response)
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = value.split(';').next().unwrap_or_default().trim();
    media.eq_ignore_ascii_case("application/grpc") || media.eq_ignore_ascii_case("application/grpc+proto")
}

fn compression(headers: &HeaderMap) -> Result<Compression, Failure> {
    let Some(value) = headers.get("grpc-encoding") else { return Ok(Compression::None) };
    value.to_str().ok().and_then(Compression::named).ok_or_else(|| {
        Failure::unsupported("this grpc-encoding is not supported; expected identity, gzip or zstd")
    })
}

/// `grpc-timeout`: at most eight digits and a unit.
fn deadline(headers: &HeaderMap) -> Result<Option<Duration>, Failure> {
    let Some(value) = headers.get("grpc-timeout") else { return Ok(None) };
    parse_timeout(value.as_bytes()).map(Some).ok_or_else(|| {
        Failure::broken("grpc-timeout is not a timeout; expected one to eight digits and H, M, S, m, u or n")
    })
}

fn parse_timeout(text: &[u8]) -> Option<Duration> {
    let (unit, digits) = text.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(match unit {
        b'H' => Duration::from_secs(number * 3600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: timeouts as clients write them. Guarantee: exact, and nonsense is refused.
    #[test]
    fn timeouts_are_exact() {
        assert_eq!(parse_timeout(b"10S"), Some(Duration::from_secs(10)));
        assert_eq!(parse_timeout(b"99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        assert_eq!(parse_timeout(b"250m"), Some(Duration::from_millis(250)));
        for bad in [&b""[..], b"S", b"10", b"123456789S", b"-1S", b"1x", b"\xff"] {
            assert_eq!(parse_timeout(bad), None, "{bad:?}");
        }
    }
}
