//! The wire against prost: walking against decoding, and walk, edit, splice against decode, change, encode.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    metrics::v1::{
        Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
        metric::Data, number_data_point,
    },
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span},
};
use portcullis::{
    batch::Signal,
    wire::{Edits, Flow, Leaf, Msg, Visitor, json, splice, walk},
};
use prost::Message;

/// A small generator of numbers, so that every run sees the same batches.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn id(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}

fn text(key: &str, value: impl Into<String>) -> KeyValue {
    pair(key, Value::StringValue(value.into()))
}

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..Default::default() }
}

fn resource() -> Option<Resource> {
    let attributes = vec![
        text("service.name", "checkout"),
        text("service.namespace", "shop"),
        text("service.instance.id", "7b9c3a10-5c1d-4f0e-9d86-0a2b51c0f7aa"),
        text("k8s.pod.name", "checkout-5d9c7b6f4-x2x7q"),
        text("tenant_id", "0f8fad5b-d9cb-469f-a165-70867728950e"),
    ];
    Some(Resource { attributes, ..Default::default() })
}

fn scope() -> Option<InstrumentationScope> {
    Some(InstrumentationScope {
        name: "com.shop.checkout".into(),
        version: "1.4.2".into(),
        ..Default::default()
    })
}

/// 1,000 log records of about 370 bytes.
fn logs() -> ExportLogsServiceRequest {
    let mut n = Numbers(0x9E37_79B9_7F4A_7C15);
    let log_records = (0..1000)
        .map(|i| {
            let time = 1_763_892_000_000_000_000 + i * 1_000_003;
            LogRecord {
                time_unix_nano: time,
                observed_time_unix_nano: time + 512,
                severity_number: 9,
                severity_text: "INFO".into(),
                body: Some(AnyValue {
                    value: Some(Value::StringValue(format!(
                        "placed order {} for cart {:012x} in {} ms, payment provider answered {}",
                        n.below(100_000),
                        n.below(1 << 48),
                        n.below(900),
                        n.below(500)
                    ))),
                }),
                attributes: vec![
                    text("http.request.method", "POST"),
                    text("url.path", format!("/api/v2/orders/{}", n.below(1_000_000))),
                    pair("http.response.status_code", Value::IntValue(200)),
                    text("code.function.name", "com.shop.checkout.Orders.place"),
                    text("thread.name", format!("worker-{}", n.below(64))),
                    text("user.agent.original", "okhttp/4.12.0"),
                ],
                trace_id: n.id(16),
                span_id: n.id(8),
                flags: 1,
                ..Default::default()
            }
        })
        .collect();
    let scope_logs = vec![ScopeLogs { scope: scope(), log_records, ..Default::default() }];
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs { resource: resource(), scope_logs, ..Default::default() }],
    }
}

/// 500 spans, every fourth with an event and a status.
fn traces() -> ExportTraceServiceRequest {
    let mut n = Numbers(0x2545_F491_4F6C_DD1D);
    let spans = (0..500)
        .map(|i| {
            let time = 1_763_892_000_000_000_000 + i * 1_000_003;
            let eventful = i % 4 == 0;
            Span {
                trace_id: n.id(16),
                span_id: n.id(8),
                parent_span_id: n.id(8),
                name: "POST /api/v2/orders/{id}".into(),
                kind: 2,
                start_time_unix_nano: time,
                end_time_unix_nano: time + n.below(1 << 28),
                attributes: vec![
                    text("http.request.method", "POST"),
                    text("http.route", "/api/v2/orders/{id}"),
                    text("url.path", format!("/api/v2/orders/{}", n.below(1_000_000))),
                    pair("http.response.status_code", Value::IntValue(200)),
                    text("server.address", "checkout.shop.svc.cluster.local"),
                    pair("server.port", Value::IntValue(8443)),
                    text(
                        "db.query.text",
                        "SELECT id, total, currency FROM orders WHERE id = ? AND tenant_id = ?",
                    ),
                    text("network.protocol.version", "1.1"),
                ],
                events: eventful
                    .then(|| span::Event {
                        time_unix_nano: time + 5,
                        name: "exception".into(),
                        attributes: vec![
                            text("exception.type", "java.net.SocketTimeoutException"),
                            text("exception.message", "Read timed out after 3000 ms"),
                        ],
                        ..Default::default()
                    })
                    .into_iter()
                    .collect(),
                status: eventful.then(|| Status { message: "Read timed out".into(), code: 2 }),
                flags: 257,
                ..Default::default()
            }
        })
        .collect();
    let scope_spans = vec![ScopeSpans { scope: scope(), spans, ..Default::default() }];
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { resource: resource(), scope_spans, ..Default::default() }],
    }
}

/// 1,000 points: 40 counters, 40 gauges and 20 histograms of 10 points.
fn metrics() -> ExportMetricsServiceRequest {
    let mut n = Numbers(0x0123_4567_89AB_CDEF);
    let metrics = (0..100)
        .map(|i| {
            let point = |i: u64| {
                vec![
                    text("http.request.method", if i.is_multiple_of(2) { "GET" } else { "POST" }),
                    text("http.route", format!("/api/v2/things/{i}")),
                    pair("http.response.status_code", Value::IntValue(200)),
                ]
            };
            let (start, time) = (1_763_892_000_000_000_000, 1_763_892_060_000_000_000);
            let number = |n: &mut Numbers, i| NumberDataPoint {
                attributes: point(i),
                start_time_unix_nano: start,
                time_unix_nano: time,
                value: Some(number_data_point::Value::AsInt(n.below(1 << 40) as i64)),
                ..Default::default()
            };
            let data = match i % 5 {
                0 | 1 => Data::Sum(Sum {
                    data_points: (0..10).map(|i| number(&mut n, i)).collect(),
                    aggregation_temporality: 2,
                    is_monotonic: true,
                }),
                2 | 3 => Data::Gauge(Gauge { data_points: (0..10).map(|i| number(&mut n, i)).collect() }),
                _ => Data::Histogram(Histogram {
                    data_points: (0..10)
                        .map(|i| HistogramDataPoint {
                            attributes: point(i),
                            start_time_unix_nano: start,
                            time_unix_nano: time,
                            count: 120,
                            sum: Some(n.below(1 << 20) as f64 / 7.0),
                            bucket_counts: (0..15).map(|_| n.below(20)).collect(),
                            explicit_bounds: (0..14).map(|i| f64::from(1 << i) / 200.0).collect(),
                            ..Default::default()
                        })
                        .collect(),
                    aggregation_temporality: 2,
                }),
            };
            Metric {
                name: format!("http.server.things.{i}"),
                description: "Things that the server did".into(),
                unit: "{thing}".into(),
                data: Some(data),
                ..Default::default()
            }
        })
        .collect();
    let scope_metrics = vec![ScopeMetrics { scope: scope(), metrics, ..Default::default() }];
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics { resource: resource(), scope_metrics, ..Default::default() }],
    }
}

/// Looks at every text, as the scrubber does, and replaces one text of every twentieth item.
struct Touch<'e> {
    edits: &'e mut Edits,
    every: u32,
    items: u32,
    due: bool,
    seen: usize,
}

impl Visitor for Touch<'_> {
    #[inline(always)]
    fn enter(&mut self, message: Msg, _: &Leaf<'_>) -> Flow {
        if message.is_item() {
            self.items += 1;
            self.due = self.every > 0 && self.items.is_multiple_of(self.every);
        }
        Flow::Walk
    }
    #[inline(always)]
    fn string(&mut self, text: &str, at: &Leaf<'_>) {
        self.seen += text.len();
        if self.due {
            self.due = false;
            self.edits.replace(at, b"[REDACTED:EMAIL]");
        }
    }
}

fn spliced(signal: Signal, bytes: &Bytes, edits: &mut Edits, every: u32) -> Bytes {
    edits.clear();
    let mut touch = Touch { edits, every, items: 0, due: false, seen: 0 };
    walk(signal, bytes, &mut touch).expect("a whole request");
    black_box(touch.seen);
    splice(bytes, edits).expect("places that the walk showed")
}

fn batch<M: Message + Default>(c: &mut Criterion, signal: Signal, request: M) {
    let bytes = Bytes::from(request.encode_to_vec());
    let mut text = Vec::new();
    json::encode(signal, &bytes, &mut text).expect("a whole request");
    let mut edits = Edits::new();
    let mut group = c.benchmark_group(signal.as_str());
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("prost decode", |b| b.iter(|| M::decode(&bytes[..])));
    group.bench_function("walk", |b| b.iter(|| walk(signal, black_box(&bytes), &mut ())));
    group.bench_function("prost decode, encode", |b| {
        b.iter(|| M::decode(&bytes[..]).map(|request| request.encode_to_vec()))
    });
    group.bench_function("walk, splice nothing", |b| b.iter(|| spliced(signal, &bytes, &mut edits, 0)));
    group.bench_function("walk, splice 5 %", |b| b.iter(|| spliced(signal, &bytes, &mut edits, 20)));
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("from JSON", |b| b.iter(|| json::decode(signal, black_box(&text))));
    group.bench_function("to JSON", |b| {
        b.iter(|| {
            text.clear();
            json::encode(signal, &bytes, &mut text)
        })
    });
    group.finish();
}

fn wire(c: &mut Criterion) {
    batch(c, Signal::Logs, logs());
    batch(c, Signal::Traces, traces());
    batch(c, Signal::Metrics, metrics());
}

criterion_group!(benches, wire);
criterion_main!(benches);
