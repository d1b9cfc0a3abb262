//! Own traces and logs over OTLP.

use std::time::Duration;

use opentelemetry::{Key, KeyValue};
use opentelemetry_otlp::{LogExporter, SpanExporter, WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::{
    Resource,
    logs::SdkLoggerProvider,
    trace::{Sampler, SdkTracerProvider},
};
use tonic::metadata::{MetadataMap, MetadataValue};

use super::settings::OtlpSettings;

/// The header (gRPC metadata) on everything that the gate sends of itself. A receiver that sees it
/// makes no span and no log line of the request, so a gate that exports to itself falls silent
/// instead of speaking of its own speaking. It grants nothing.
pub const SELF_HEADER: &str = "x-portcullis-self";

/// The providers in use.
#[derive(Debug, Default)]
pub struct Providers {
    /// Traces, if they are sent.
    pub traces: Option<SdkTracerProvider>,
    /// Logs, if they are sent.
    pub logs: Option<SdkLoggerProvider>,
}

impl Providers {
    /// Providers as `settings` say; none, if off. Needs a tokio runtime around it.
    ///
    /// # Errors
    /// The endpoint, a header or a certificate of the environment is not usable.
    pub fn new(settings: &OtlpSettings) -> Result<Providers, String> {
        let disabled = std::env::var("OTEL_SDK_DISABLED").is_ok_and(|v| v.eq_ignore_ascii_case("true"));
        if !settings.enabled || disabled {
            return Ok(Providers::default());
        }
        if tokio::runtime::Handle::try_current().is_err() {
            return Err("telemetry.otlp: started outside of the runtime".into());
        }
        if !(0.0..=1.0).contains(&settings.sample_ratio) {
            return Err("telemetry.otlp.sample_ratio: expected a number from 0 to 1".into());
        }
        let resource = resource();
        let mut providers = Providers::default();
        if settings.traces {
            let exporter = configure(SpanExporter::builder().with_tonic(), settings)
                .build()
                .map_err(|e| format!("telemetry.otlp: no exporter for traces: {e}"))?;
            let mut builder =
                SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.clone());
            if std::env::var_os("OTEL_TRACES_SAMPLER").is_none() {
                let ratio = Sampler::TraceIdRatioBased(settings.sample_ratio);
                builder = builder.with_sampler(Sampler::ParentBased(Box::new(ratio)));
            }
            providers.traces = Some(builder.build());
        }
        if settings.logs {
            let exporter = configure(LogExporter::builder().with_tonic(), settings)
                .build()
                .map_err(|e| format!("telemetry.otlp: no exporter for logs: {e}"))?;
            let builder = SdkLoggerProvider::builder().with_batch_exporter(exporter).with_resource(resource);
            providers.logs = Some(builder.build());
        }
        Ok(providers)
    }

    /// Sends what is left, in `deadline` for all. Blocks. Whether everything got out.
    pub fn shutdown(self, deadline: Duration) -> bool {
        let started = std::time::Instant::now();
        let left = || deadline.saturating_sub(started.elapsed());
        let traces = self.traces.is_none_or(|p| p.shutdown_with_timeout(left()).is_ok());
        let logs = self.logs.is_none_or(|p| p.shutdown_with_timeout(left()).is_ok());
        traces && logs
    }
}

/// Settings go before the environment only where they are given.
fn configure<B: WithExportConfig + WithTonicConfig>(mut builder: B, settings: &OtlpSettings) -> B {
    let mut metadata = MetadataMap::new();
    metadata.insert(SELF_HEADER, MetadataValue::from_static("1"));
    builder = builder.with_metadata(metadata);
    if let Some(endpoint) = &settings.endpoint {
        builder = builder.with_endpoint(endpoint.clone());
    }
    if let Some(timeout) = settings.timeout {
        builder = builder.with_timeout(timeout);
    }
    builder
}

/// The environment's resource; the service is `portcullis` unless it says otherwise.
fn resource() -> Resource {
    let given = Resource::builder().build();
    let mut builder = Resource::builder();
    let unnamed = |v: opentelemetry::Value| v.as_str().starts_with("unknown_service");
    if given.get(&Key::from_static_str("service.name")).is_none_or(unnamed) {
        builder = builder.with_service_name("portcullis");
    }
    if given.get(&Key::from_static_str("service.version")).is_none() {
        builder = builder.with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    }
    if given.get(&Key::from_static_str("service.instance.id")).is_none() {
        builder =
            builder.with_attribute(KeyValue::new("service.instance.id", uuid::Uuid::new_v4().to_string()));
    }
    builder.build()
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::{Arc, Mutex},
        time::Instant,
    };

    use bytes::Bytes;
    use http_body_util::{BodyExt as _, Full};
    use hyper::service::service_fn;
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use opentelemetry::trace::{Tracer as _, TracerProvider as _};
    use tokio::net::TcpListener;

    use super::*;

    /// The empty gRPC message.
    const EMPTY: Bytes = Bytes::from_static(&[0; 5]);

    fn settings(address: std::net::SocketAddr) -> OtlpSettings {
        OtlpSettings {
            enabled: true,
            endpoint: Some(format!("http://{address}")),
            sample_ratio: 1.0,
            timeout: Some(Duration::from_secs(5)),
            ..OtlpSettings::default()
        }
    }

    /// Scenario: export is on, a span ends, the gate stops. Guarantee: the span arrives, marked as
    /// the gate's own.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn spans_arrive_and_are_marked() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<(String, bool, usize)>>> = Arc::default();
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let log = Arc::clone(&log);
                let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                    let log = Arc::clone(&log);
                    async move {
                        let (parts, body) = request.into_parts();
                        let body = body.collect().await.map(|b| b.to_bytes().len()).unwrap_or(0);
                        let marked = parts.headers.contains_key(SELF_HEADER);
                        log.lock().unwrap().push((parts.uri.path().to_owned(), marked, body));
                        let mut trailers = http::HeaderMap::new();
                        trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
                        let body = Full::new(EMPTY).with_trailers(std::future::ready(Some(Ok(trailers))));
                        Ok::<_, Infallible>(
                            http::Response::builder()
                                .header("content-type", "application/grpc")
                                .body(body)
                                .unwrap(),
                        )
                    }
                });
                let http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                tokio::spawn(http2.serve_connection(TokioIo::new(stream), service));
            }
        });
        let providers = Providers::new(&settings(address)).unwrap();
        let tracer = providers.traces.as_ref().unwrap().tracer("test");
        tracer.in_span("work", |_| ());
        let done = tokio::task::spawn_blocking(|| providers.shutdown(Duration::from_secs(5))).await.unwrap();
        let seen = seen.lock().unwrap();
        assert!(done, "{seen:?}");
        let path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
        assert!(seen.iter().any(|(p, marked, len)| p == path && *marked && *len > 50), "{seen:?}");
    }

    /// Scenario: the endpoint takes connections and never answers. Guarantee: the stop keeps its
    /// deadline and says that something was lost.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_silent_endpoint_does_not_hold_the_stop() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let providers = Providers::new(&settings(listener.local_addr().unwrap())).unwrap();
        providers.traces.as_ref().unwrap().tracer("test").in_span("work", |_| ());
        let started = Instant::now();
        let done =
            tokio::task::spawn_blocking(|| providers.shutdown(Duration::from_millis(300))).await.unwrap();
        assert!(!done);
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    }

    /// Scenario: export is off, or its settings are wrong. Guarantee: nothing runs; the key is named.
    #[test]
    fn off_is_off_and_errors_name_the_key() {
        let off = Providers::new(&OtlpSettings::default()).unwrap();
        assert!(off.traces.is_none() && off.logs.is_none() && off.shutdown(Duration::ZERO));
        let on = OtlpSettings { enabled: true, ..OtlpSettings::default() };
        assert!(Providers::new(&on).unwrap_err().contains("telemetry.otlp"));
    }
}
