//! OTLP/HTTP and NDJSON over HTTP/1.1 and HTTP/2.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, Method, Request, Response, StatusCode, Version, header};
use http_body::Body;
use hyper::body::Incoming;

use super::{
    body::{self, Compression, Held},
    cors,
    door::{self, Meter, Protocol},
    listener::Peer,
    reply::{self, Encoding, Failure, ReplyBody},
    settings::Cors,
    status::Code,
};
use crate::{
    batch::Signal,
    gateway::{Format, Intake, Submission},
    receipt::Accepted,
};

/// The service behind the HTTP port.
pub(super) struct Http {
    pub intake: Arc<dyn Intake>,
    pub max_recv_bytes: usize,
    pub body_timeout: Duration,
    pub cors: Cors,
}

/// What a path takes.
#[derive(Debug, Clone, Copy)]
enum Route {
    Otlp(Signal),
    Ndjson,
}

impl Route {
    fn of(path: &str) -> Option<Route> {
        Some(match path {
            "/v1/logs" => Route::Otlp(Signal::Logs),
            "/v1/traces" => Route::Otlp(Signal::Traces),
            "/v1/metrics" => Route::Otlp(Signal::Metrics),
            "/ingest/ndjson" => Route::Ndjson,
            _ => return None,
        })
    }

    fn signal(self) -> Signal {
        match self {
            Route::Otlp(signal) => signal,
            Route::Ndjson => Signal::Logs,
        }
    }

    fn format(self, headers: &HeaderMap) -> Option<Format> {
        let media = media_type(headers);
        let is = |names: &[&str]| names.iter().any(|name| media.eq_ignore_ascii_case(name));
        match self {
            Route::Otlp(_) if is(&["application/x-protobuf"]) => Some(Format::Protobuf),
            Route::Otlp(_) if is(&["application/json"]) => Some(Format::Json),
            Route::Ndjson if is(NDJSON) => Some(Format::Ndjson),
            _ => None,
        }
    }
}

const NDJSON: &[&str] = &[
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/x-jsonlines",
    "application/json",
];

fn media_type(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

impl Http {
    pub async fn handle(self: Arc<Self>, mut request: Request<Incoming>, peer: Peer) -> Response<ReplyBody> {
        // A preflight carries no credentials, so it is answered before anything asks for them.
        if let Some(response) = cors::preflight(&self.cors, &request) {
            return response;
        }
        let origin = cors::origin(&self.cors, request.headers());
        let encoding = match media_type(request.headers()) {
            media if media.eq_ignore_ascii_case("application/x-protobuf") => Encoding::Protobuf,
            _ => Encoding::Json,
        };
        let mut response = match self.route(&mut request, &peer).await {
            Ok((signal, accepted)) => reply::http_ok(encoding, signal, &accepted),
            Err(failure) => {
                if can_discard(&request) && failure.reason != reply::SLOW_BODY {
                    body::discard(request.body_mut()).await;
                }
                reply::http_failure(encoding, &failure)
            }
        };
        if let Some(origin) = origin {
            cors::allow(response.headers_mut(), origin);
        }
        response
    }

    async fn route(
        &self,
        request: &mut Request<Incoming>,
        peer: &Peer,
    ) -> Result<(Signal, Accepted), Failure> {
        let route = Route::of(request.uri().path()).ok_or_else(|| {
            let known = "no such path; expected /v1/logs, /v1/traces, /v1/metrics or /ingest/ndjson";
            Failure::new(Code::Unimplemented, StatusCode::NOT_FOUND, "not_found", known)
        })?;
        let meter = Meter::start(route.signal(), Protocol::Http);
        let result = self.serve(route, request, peer, &meter).await;
        meter.done(&result);
        result.map(|accepted| (route.signal(), accepted))
    }

    async fn serve(
        &self,
        route: Route,
        request: &mut Request<Incoming>,
        peer: &Peer,
        meter: &Meter,
    ) -> Result<Accepted, Failure> {
        if request.method() != Method::POST {
            return Err(Failure::new(
                Code::Unimplemented,
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "expected POST",
            ));
        }
        let headers = request.headers();
        let format = route.format(headers).ok_or_else(|| {
            Failure::unsupported(match route {
                Route::Otlp(_) => "expected content-type application/x-protobuf or application/json",
                Route::Ndjson => "expected content-type application/x-ndjson",
            })
        })?;
        let compression = compression(headers)?;
        let credentials = door::credentials(headers, peer, &self.intake)?;
        let intake = door::enter(&self.intake, &credentials).await?;
        let declared = request.body().size_hint().exact();
        let reading = body::read_whole(request.body_mut(), declared, self.max_recv_bytes, intake.as_ref());
        let held = tokio::time::timeout(self.body_timeout, reading)
            .await
            .unwrap_or_else(|_| Err(Failure::slow()))?;
        meter.received(held.bytes.len());
        let Held { bytes, permit } =
            body::decompress(compression, held, self.max_recv_bytes, &intake).await?;
        let submission = Submission { signal: route.signal(), format, body: bytes, credentials, permit };
        intake.submit(submission).await.map_err(Failure::from)
    }
}

/// Whether an unread body stands in the way of the next request, and reading it costs the client nothing new.
fn can_discard(request: &Request<Incoming>) -> bool {
    let waits = request.headers().get(header::EXPECT);
    request.version() < Version::HTTP_2
        && !waits.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
        && !request.body().is_end_stream()
}

fn compression(headers: &HeaderMap) -> Result<Compression, Failure> {
    let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
    let Some(value) = values.next() else { return Ok(Compression::None) };
    let one = if values.next().is_some() { None } else { value.to_str().ok() };
    one.and_then(Compression::named).ok_or_else(|| {
        Failure::unsupported("this content-encoding is not supported; expected one of identity, gzip, zstd")
    })
}
