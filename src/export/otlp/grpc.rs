//! OTLP/gRPC over tonic's channel. The bytes are framed here: there is nothing to encode or decode, and
//! the compressors are those of the rest of the gate.

use base64::{Engine, alphabet, engine};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, Version};
use http_body_util::{BodyExt, Full, Limited};
use tonic::{
    client::GrpcService,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

use super::{
    USER_AGENT,
    answer::{self, Failure, Partial},
    read,
};
use crate::{batch::Signal, export::settings::Destination, limits};

use std::time::Duration;

/// Base64 of binary metadata: with or without padding.
const BASE64: engine::GeneralPurpose = engine::GeneralPurpose::new(
    &alphabet::STANDARD,
    engine::GeneralPurposeConfig::new().with_decode_padding_mode(engine::DecodePaddingMode::Indifferent),
);

pub(super) struct Grpc {
    channel: Channel,
    origin: Uri,
}

impl Grpc {
    pub fn new(destination: &Destination) -> Result<Self, String> {
        let wrong = |_| "endpoint: expected a URL as http://host:4317".to_string();
        let uri = destination.endpoint.parse::<Uri>().map_err(|error| wrong(error.to_string()))?;
        let mut endpoint = Endpoint::from(uri.clone())
            .connect_timeout(destination.timeout)
            .tcp_nodelay(true)
            .tcp_keepalive(Some(Duration::from_secs(60)))
            .http2_keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(20))
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(4 << 20)
            .user_agent(USER_AGENT)
            .map_err(|error| wrong(error.to_string()))?;
        if uri.scheme_str() == Some("https") {
            let tls = &destination.tls;
            let mut config = ClientTlsConfig::new();
            config = match &tls.ca_file {
                Some(file) => config.ca_certificate(Certificate::from_pem(read(file)?)),
                None => config.with_native_roots(),
            };
            if let (Some(cert), Some(key)) = (&tls.cert_file, &tls.key_file) {
                config = config.identity(Identity::from_pem(read(cert)?, read(key)?));
            }
            endpoint = endpoint.tls_config(config).map_err(|error| format!("tls: {}", chain(&error)))?;
        }
        Ok(Grpc { channel: endpoint.connect_lazy(), origin: uri })
    }

    pub async fn send(
        &self,
        signal: Signal,
        headers: HeaderMap,
        encoding: Option<&'static str>,
        body: Bytes,
    ) -> Result<Partial, Failure> {
        let request = self.request(signal, headers, encoding, &body).ok_or(Failure::TooLarge)?;
        let mut channel = self.channel.clone();
        std::future::poll_fn(|context| GrpcService::poll_ready(&mut channel, context))
            .await
            .map_err(|_| Failure::retryable("connect"))?;
        let sent = GrpcService::call(&mut channel, request).await;
        let response = sent.map_err(|error| {
            tracing::debug!(error = %chain(&error), "a request did not reach its receiver");
            Failure::retryable("connect")
        })?;
        let (head, body) = response.into_parts();
        if head.status != StatusCode::OK {
            // Something between that speaks no gRPC.
            return Err(answer::http_status(head.status, &head.headers));
        }
        if let Some(failure) = failure(&head.headers) {
            return failure;
        }
        let body = Limited::new(body, limits::RESPONSE_BYTES).collect().await;
        let body = body.map_err(|_| Failure::retryable("connection_lost"))?;
        let trailers = body.trailers().cloned().unwrap_or_default();
        match failure(&trailers) {
            // No status at all: the stream was cut, and nobody knows.
            None => Err(Failure::retryable("connection_lost")),
            Some(Err(failure)) => Err(failure),
            Some(Ok(_)) => Ok(message(&body.to_bytes())),
        }
    }

    /// The request of gRPC; `None` where its body is longer than a frame can say.
    fn request(
        &self,
        signal: Signal,
        headers: HeaderMap,
        encoding: Option<&'static str>,
        body: &Bytes,
    ) -> Option<Request<tonic::body::Body>> {
        let mut frame = BytesMut::with_capacity(5 + body.len());
        frame.extend_from_slice(&[u8::from(encoding.is_some())]);
        frame.extend_from_slice(&u32::try_from(body.len()).ok()?.to_be_bytes());
        frame.extend_from_slice(body);
        let mut parts = self.origin.clone().into_parts();
        parts.path_and_query = Some(http::uri::PathAndQuery::from_static(path(signal)));
        let mut request = Request::new(tonic::body::Body::new(Full::new(frame.freeze())));
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = Uri::from_parts(parts).ok()?;
        *request.headers_mut() = headers;
        let own = request.headers_mut();
        own.insert("te", HeaderValue::from_static("trailers"));
        own.insert("content-type", HeaderValue::from_static("application/grpc"));
        own.insert("grpc-accept-encoding", HeaderValue::from_static("identity"));
        if let Some(encoding) = encoding {
            own.insert("grpc-encoding", HeaderValue::from_static(encoding));
        }
        Some(request)
    }
}

const fn path(signal: Signal) -> &'static str {
    match signal {
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    }
}

/// What headers or trailers say of the outcome; `None` where they say nothing.
fn failure(headers: &HeaderMap) -> Option<Result<Partial, Failure>> {
    let code = headers.get("grpc-status")?.to_str().ok().and_then(|code| code.parse().ok()).unwrap_or(2);
    if code == 0 {
        return Some(Ok(Partial::default()));
    }
    let details = headers.get("grpc-status-details-bin").and_then(|value| BASE64.decode(value).ok());
    Some(Err(answer::grpc_status(code, details.as_deref())))
}

/// Reads the one message of a response.
fn message(body: &[u8]) -> Partial {
    match body {
        [0, a, b, c, d, message @ ..] => {
            let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
            answer::partial(&message[..length.min(message.len())])
        }
        _ => Partial::default(),
    }
}

/// An error with what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
