//! What a client is told: an outcome becomes a gRPC or an HTTP response.

use std::{
    borrow::Cow,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};

use super::status::{self, Code};
use crate::{
    batch::Signal,
    limits,
    receipt::{Accepted, Refusal},
};

/// Encodings that a request may use, as both protocols announce them.
pub const ENCODINGS: &str = "identity,gzip,zstd";

/// A whole response body, with trailers for gRPC.
#[derive(Debug, Default)]
pub struct ReplyBody {
    data: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl ReplyBody {
    /// A body of these bytes.
    pub fn new(data: impl Into<Bytes>) -> Self {
        ReplyBody { data: Some(data.into()).filter(|d: &Bytes| !d.is_empty()), trailers: None }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = self.data.take().map(Frame::data);
        Poll::Ready(data.or_else(|| self.trailers.take().map(Frame::trailers)).map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.data.as_ref().map_or(0, Bytes::len) as u64)
    }
}

/// The reason of a body that did not arrive in time.
pub(crate) const SLOW_BODY: &str = "body_timeout";

/// A request that was not served, in the terms of both protocols.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub code: Code,
    pub http: StatusCode,
    pub message: Cow<'static, str>,
    /// Already with jitter.
    pub retry_after: Option<Duration>,
    /// The metric label.
    pub reason: &'static str,
}

impl Failure {
    /// A failure that the same request will always meet.
    pub fn new(
        code: Code,
        http: StatusCode,
        reason: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Failure { code, http, message: message.into(), retry_after: None, reason }
    }

    /// The protocol itself was broken inside a stream.
    pub fn broken(message: impl Into<Cow<'static, str>>) -> Self {
        Failure::new(Code::Internal, StatusCode::BAD_REQUEST, "bad_data", message)
    }

    /// A content type or an encoding that is not spoken here.
    pub fn unsupported(message: impl Into<Cow<'static, str>>) -> Self {
        Failure::new(Code::Unimplemented, StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported", message)
    }

    /// The body did not arrive in time. Retryable: the data is still with the client.
    pub fn slow() -> Self {
        let refusal = Refusal::Unavailable {
            message: "the body did not arrive in time; send it again".into(),
            retry_after: Duration::from_secs(1),
        };
        Failure { reason: SLOW_BODY, ..refusal.into() }
    }

    /// The client's own deadline passed first.
    pub fn deadline() -> Self {
        Failure::new(
            Code::DeadlineExceeded,
            StatusCode::GATEWAY_TIMEOUT,
            "deadline_exceeded",
            "the deadline of the request passed before its data was durable",
        )
    }

    /// The message, cut to what fits in a header.
    fn short(&self) -> &str {
        cut(&self.message, limits::REPLY_MESSAGE_BYTES)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let (code, http) = match &refusal {
            Refusal::BadData(_) => (Code::InvalidArgument, StatusCode::BAD_REQUEST),
            Refusal::Unauthenticated(_) => (Code::Unauthenticated, StatusCode::UNAUTHORIZED),
            Refusal::PermissionDenied(_) => (Code::PermissionDenied, StatusCode::FORBIDDEN),
            Refusal::TooLarge(_) => (Code::ResourceExhausted, StatusCode::PAYLOAD_TOO_LARGE),
            Refusal::Throttled { .. } => (Code::ResourceExhausted, StatusCode::TOO_MANY_REQUESTS),
            Refusal::Unavailable { .. } => (Code::Unavailable, StatusCode::SERVICE_UNAVAILABLE),
        };
        let reason = refusal.reason();
        let (message, retry_after) = match refusal {
            Refusal::BadData(m)
            | Refusal::Unauthenticated(m)
            | Refusal::PermissionDenied(m)
            | Refusal::TooLarge(m) => (m, None),
            Refusal::Throttled { message, retry_after } | Refusal::Unavailable { message, retry_after } => {
                (message, Some(jitter(retry_after)))
            }
        };
        Failure { code, http, message: message.into(), retry_after, reason }
    }
}

/// Adds up to half again, so that clients refused together do not come back together.
fn jitter(base: Duration) -> Duration {
    let random = u32::from_le_bytes(uuid::Uuid::new_v4().into_bytes()[..4].try_into().unwrap_or_default());
    base.saturating_add(base.mul_f64(f64::from(random) / f64::from(u32::MAX) / 2.0))
}

/// At most `max` bytes of a text, at a character's edge.
fn cut(text: &str, max: usize) -> &str {
    let mut end = max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

// gRPC -------------------------------------------------------------------------------------

/// A gRPC response with one message.
pub(crate) fn grpc_ok(message: &[u8]) -> Response<ReplyBody> {
    let mut framed = Vec::with_capacity(message.len() + 5);
    framed.push(0);
    framed.extend_from_slice(&(message.len() as u32).to_be_bytes());
    framed.extend_from_slice(message);
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let mut response = grpc_head();
    *response.body_mut() = ReplyBody { data: Some(framed.into()), trailers: Some(trailers) };
    response
}

/// A trailers-only gRPC response.
pub(crate) fn grpc_failure(failure: &Failure) -> Response<ReplyBody> {
    let mut response = grpc_head();
    let headers = response.headers_mut();
    headers.insert("grpc-status", HeaderValue::from(failure.code as u16));
    put(headers, "grpc-message", &percent(failure.short()));
    let details = status::encode(failure.code, failure.short(), failure.retry_after);
    put(headers, "grpc-status-details-bin", &STANDARD_NO_PAD.encode(details));
    response
}

fn grpc_head() -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::default());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response.headers_mut().insert("grpc-accept-encoding", HeaderValue::from_static(ENCODINGS));
    response
}

/// Percent-encoding as gRPC has it: all but printable ASCII, and `%`.
fn percent(text: &str) -> String {
    const SET: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS.add(b'%');
    percent_encoding::utf8_percent_encode(text, SET).to_string()
}

fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

// HTTP -------------------------------------------------------------------------------------

/// How the body of an HTTP reply is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Protobuf,
    Json,
}

impl Encoding {
    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Encoding::Protobuf => "application/x-protobuf",
            Encoding::Json => "application/json",
        })
    }
}

/// A 200, with the partial success if there is one.
pub(crate) fn http_ok(encoding: Encoding, signal: Signal, accepted: &Accepted) -> Response<ReplyBody> {
    let body = match encoding {
        Encoding::Protobuf => status::response(accepted),
        Encoding::Json => status::response_json(signal, accepted),
    };
    http(StatusCode::OK, encoding, body)
}

/// An error, with a `google.rpc.Status` as its body.
pub(crate) fn http_failure(encoding: Encoding, failure: &Failure) -> Response<ReplyBody> {
    let body = match encoding {
        Encoding::Protobuf => status::encode(failure.code, failure.short(), failure.retry_after),
        Encoding::Json => status::to_json(failure.code, failure.short(), failure.retry_after),
    };
    let mut response = http(failure.http, encoding, body);
    let headers = response.headers_mut();
    if let Some(delay) = failure.retry_after {
        // Whole seconds, rounded up: the header has no smaller unit.
        let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    match failure.http {
        StatusCode::UNAUTHORIZED => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            headers.insert(header::ALLOW, HeaderValue::from_static("POST, OPTIONS"));
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(ENCODINGS));
        }
        _ => {}
    }
    response
}

fn http(status: StatusCode, encoding: Encoding, body: Vec<u8>) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, encoding.content_type());
    response
}

#[cfg(test)]
#[path = "reply_tests.rs"]
mod tests;
