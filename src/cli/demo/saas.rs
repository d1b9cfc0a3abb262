//! A small company of five tenants that ships its telemetry with the official OpenTelemetry SDK.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use opentelemetry::{
    Context, Key, KeyValue,
    logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _, Severity},
    metrics::{Counter, Gauge, Histogram, MeterProvider as _},
    trace::{
        Span as _, SpanContext, SpanKind, Status, TraceContextExt as _, Tracer as _, TracerProvider as _,
    },
};
use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter, WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::{
    Resource,
    logs::{BatchLogProcessor, SdkLogger, SdkLoggerProvider},
    metrics::{PeriodicReader, SdkMeterProvider},
    trace::{BatchSpanProcessor, SdkTracer, SdkTracerProvider},
};
use tonic::metadata::{MetadataKey, MetadataMap};

use super::{
    planted::{Planted, pick},
    sample::{MARK, Sample},
};
use crate::identify::factory;

/// Items that wait in an SDK for their batch, at most.
const QUEUE: usize = 100_000;
/// How long an SDK gathers a batch.
const DELAY: Duration = Duration::from_millis(200);
/// How often an SDK sends its metrics.
const COLLECTION: Duration = Duration::from_secs(1);

/// How one sender shows whose data it sends.
#[derive(Default)]
pub struct Identity {
    /// gRPC metadata, such as `authorization`.
    pub headers: Vec<(&'static str, String)>,
    /// Attributes of the resource, such as `tenant_id`.
    pub attributes: Vec<(&'static str, String)>,
}

/// One sender: the SDK of one service of one tenant.
pub struct Sender {
    name: String,
    log_provider: SdkLoggerProvider,
    span_provider: SdkTracerProvider,
    metric_provider: SdkMeterProvider,
    logs: SdkLogger,
    spans: SdkTracer,
    logins: Counter<u64>,
    durations: Histogram<f64>,
    depth: Gauge<i64>,
    /// Log records and spans handed to the SDK.
    pub sent: AtomicU64,
}

impl Sender {
    /// A sender of `service`, to the gate's gRPC endpoint. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// A header that is none, or an exporter that cannot be built.
    pub fn new(name: &str, service: &str, gate: SocketAddr, identity: &Identity) -> Result<Self, String> {
        let wrong =
            |error: opentelemetry_otlp::ExporterBuildError| format!("an exporter of the demo: {error}");
        let mut metadata = MetadataMap::new();
        for (key, value) in &identity.headers {
            let key = MetadataKey::from_static(key);
            let value = value.parse().map_err(|_| "a header of the demo is none".to_owned())?;
            metadata.insert(key, value);
        }
        let endpoint = format!("http://{gate}");
        let attributes = identity.attributes.iter().map(|(key, value)| KeyValue::new(*key, value.clone()));
        let resource = Resource::builder_empty()
            .with_service_name(service.to_owned())
            .with_attributes(attributes)
            .with_attribute(KeyValue::new("deployment.environment.name", "demo"))
            .build();
        let logs = LogExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint.clone())
            .with_metadata(metadata.clone())
            .build()
            .map_err(wrong)?;
        let spans = SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint.clone())
            .with_metadata(metadata.clone())
            .build()
            .map_err(wrong)?;
        let metrics = MetricExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .with_metadata(metadata)
            .build()
            .map_err(wrong)?;
        let log_batches = opentelemetry_sdk::logs::BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_scheduled_delay(DELAY)
            .build();
        let span_batches = opentelemetry_sdk::trace::BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_scheduled_delay(DELAY)
            .build();
        let log_provider = SdkLoggerProvider::builder()
            .with_log_processor(BatchLogProcessor::builder(logs).with_batch_config(log_batches).build())
            .with_resource(resource.clone())
            .build();
        let span_provider = SdkTracerProvider::builder()
            .with_span_processor(BatchSpanProcessor::builder(spans).with_batch_config(span_batches).build())
            .with_resource(resource.clone())
            .build();
        let reader = PeriodicReader::builder(metrics).with_interval(COLLECTION).build();
        let metric_provider = SdkMeterProvider::builder().with_reader(reader).with_resource(resource).build();
        let meter = metric_provider.meter("shop");
        Ok(Sender {
            name: name.to_owned(),
            logs: log_provider.logger("shop"),
            spans: span_provider.tracer("shop"),
            logins: meter.u64_counter("shop.logins").build(),
            durations: meter.f64_histogram("http.server.request.duration").with_unit("s").build(),
            depth: meter.i64_gauge("shop.queue.depth").build(),
            log_provider,
            span_provider,
            metric_provider,
            sent: AtomicU64::new(0),
        })
    }

    /// One log record.
    pub fn log(&self, body: AnyValue, attributes: Vec<(&'static str, AnyValue)>) {
        let mut record = self.logs.create_log_record();
        record.set_timestamp(SystemTime::now());
        record.set_severity_number(Severity::Info);
        record.set_severity_text("INFO");
        record.set_body(body);
        record.add_attributes(attributes);
        self.logs.emit(record);
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    /// One span, under `parent` if there is one; `exception` is the message of an event.
    pub fn span(
        &self,
        name: &'static str,
        kind: SpanKind,
        parent: Option<&SpanContext>,
        attributes: Vec<KeyValue>,
        exception: Option<String>,
    ) -> SpanContext {
        let parent = parent
            .map_or_else(Context::new, |parent| Context::new().with_remote_span_context(parent.clone()));
        let builder = self.spans.span_builder(name).with_kind(kind).with_attributes(attributes);
        let mut span = builder.start_with_context(&self.spans, &parent);
        if let Some(message) = exception {
            span.add_event("exception", vec![KeyValue::new("exception.message", message)]);
            span.set_status(Status::error("failed"));
        }
        span.end();
        self.sent.fetch_add(1, Ordering::Relaxed);
        span.span_context().clone()
    }

    /// A span of a request for one object.
    pub fn request(&self, method: &'static str, object: &str, status: i64) {
        let attributes = vec![
            KeyValue::new("http.route", "/documents/:id"),
            KeyValue::new("url.path", format!("/documents/{object}")),
            KeyValue::new("http.request.method", method),
            KeyValue::new("http.response.status_code", status),
        ];
        self.span("/documents/:id", SpanKind::Server, None, attributes, None);
    }

    /// A few points on every instrument.
    pub fn measure(&self, planted: &Planted, turn: u64) {
        let who = [
            KeyValue::new("user.email", pick(&planted.emails, turn / 8).to_owned()),
            KeyValue::new("client.address", pick(&planted.addresses, turn / 8).to_owned()),
        ];
        self.logins.add(1, &who);
        let route = [
            KeyValue::new("http.route", "/login"),
            KeyValue::new("error.message", format!("card {} declined", pick(&planted.cards, turn / 8))),
        ];
        self.durations.record(0.001 * (turn % 200) as f64, &route);
        self.depth.record((turn % 40) as i64, &[KeyValue::new("queue", "mail")]);
    }

    /// The next piece of everyday traffic: a log record, and with every fourth a span, with every eighth measurements.
    pub fn work(&self, planted: &Planted, turn: u64) {
        let (body, attributes) = everyday(planted, turn);
        self.log(body, attributes);
        if turn.is_multiple_of(4) {
            self.everyday_span(planted, turn);
        }
        if turn.is_multiple_of(8) {
            self.measure(planted, turn);
        }
    }

    fn everyday_span(&self, planted: &Planted, turn: u64) {
        let order = factory::tenant_id(&format!("{}/order/{}", self.name, turn / 4 % 40));
        let email = pick(&planted.emails, turn);
        let attributes = vec![
            KeyValue::new("http.route", "/orders/:id"),
            KeyValue::new("url.path", format!("/orders/{order}")),
            KeyValue::new("url.query", format!("notify={}", email.replace('@', "%40"))),
            KeyValue::new("http.request.method", "GET"),
            KeyValue::new("http.response.status_code", 200),
            KeyValue::new("client.address", pick(&planted.addresses, turn).to_owned()),
            KeyValue::new("user.email", email.to_owned()),
        ];
        let exception = turn.is_multiple_of(12).then(|| {
            format!("duplicate key: (email)=({email}), password={}", pick(&planted.passwords, turn))
        });
        let server = self.span("GET /orders/:id", SpanKind::Server, None, attributes, exception);
        let statement = format!("SELECT * FROM customers WHERE phone = '{}'", pick(&planted.phones, turn));
        let attributes =
            vec![KeyValue::new("db.system.name", "postgresql"), KeyValue::new("db.query.text", statement)];
        self.span("SELECT customers", SpanKind::Client, Some(&server), attributes, None);
    }

    /// Sends a record that is shown before and after.
    pub fn sample(&self, sample: &Sample) {
        match &sample.event {
            None => {
                let own = sample.attributes.iter().map(|(key, value)| (*key, AnyValue::from(value.clone())));
                let mark = (MARK, AnyValue::Int(sample.number));
                self.log(AnyValue::from(sample.text.clone()), own.chain([mark]).collect());
            }
            Some((_, _, message)) => {
                let own = sample.attributes.iter().map(|(key, value)| KeyValue::new(*key, value.clone()));
                let attributes = own.chain([KeyValue::new(MARK, sample.number)]).collect();
                self.span("POST /invitations", SpanKind::Server, None, attributes, Some(message.clone()));
            }
        }
    }

    /// Sends what waits. Blocks.
    pub fn flush(&self) -> bool {
        let done = (self.log_provider.force_flush(), self.span_provider.force_flush());
        done.0.is_ok() && done.1.is_ok()
    }

    /// Sends what waits, metrics a last time too, and stops. Blocks.
    pub fn stop(&self) {
        // Items that were rejected are an error to some exporters; the gate's counters tell of them.
        let _ = self.log_provider.shutdown();
        let _ = self.span_provider.shutdown();
        let _ = self.metric_provider.shutdown();
    }
}

/// A log record of everyday traffic: body and attributes.
fn everyday(planted: &Planted, turn: u64) -> (AnyValue, Vec<(&'static str, AnyValue)>) {
    let text = |text: String| AnyValue::from(text);
    // Every kind of record comes to hold every value.
    let kind = turn % 10;
    let turn = turn + turn / 10;
    let email = pick(&planted.emails, turn);
    let address = pick(&planted.addresses, turn);
    match kind {
        0 => (
            text(format!("POST /login 200 in 12 ms for {email} from {address}")),
            vec![("http.route", text("/login".into())), ("user.email", text(email.into()))],
        ),
        1 => (
            text(format!("payment of 42.00 EUR with card {} accepted", pick(&planted.cards, turn))),
            vec![("customer.phone", text(pick(&planted.phones, turn).into()))],
        ),
        2 => {
            let password = pick(&planted.passwords, turn);
            let line = format!(
                "{{\"event\":\"signup\",\"email\":\"{email}\",\"password\":\"{password}\",\"ip\":\"{address}\"}}"
            );
            (text(line), vec![("code.function", text("Signup#create".into()))])
        }
        3 => {
            let bearer = pick(&planted.bearers, turn);
            let header = text(format!("Bearer {bearer}"));
            (
                text(format!("calling the carrier with Authorization: Bearer {bearer}")),
                vec![("http.request.header.authorization", header)],
            )
        }
        4 => {
            let user = HashMap::from([
                (Key::from_static_str("email"), text(email.into())),
                (Key::from_static_str("phone"), text(pick(&planted.phones, turn).into())),
            ]);
            let body = HashMap::from([
                (Key::from_static_str("event"), text("invited".into())),
                (Key::from_static_str("user"), AnyValue::Map(Box::new(user))),
            ]);
            (AnyValue::Map(Box::new(body)), Vec::new())
        }
        5 => (
            text("a summary was asked of the model".into()),
            vec![
                ("gen_ai.request.model", text("small-1".into())),
                ("gen_ai.prompt", text(pick(&planted.prompts, turn).into())),
            ],
        ),
        6 => {
            let query = email.replace('@', "%40");
            (
                text("mail queued".into()),
                vec![("url.full", text(format!("https://shop.example/confirm?email={query}&step=2")))],
            )
        }
        7 => (
            text(format!("upload with key {} to eu-central failed", pick(&planted.keys, turn))),
            vec![("db.password", text(pick(&planted.passwords, turn).into()))],
        ),
        8 => (text("GET /healthz 200".into()), vec![("http.route", text("/healthz".into()))]),
        _ => (
            text(format!("cache warmed: {} entries", turn % 1000)),
            vec![("cache.entries", AnyValue::Int((turn % 1000) as i64))],
        ),
    }
}
