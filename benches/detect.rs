//! What detection costs: taking observations from a batch of spans beside the rest of the path, and judging them.
//!
//! `cargo bench --bench detect`. The last lines say what a million objects with their owners take in memory.

use std::{hint::black_box, sync::Arc};

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value::Value},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use portcullis::{
    batch::{Batch, Signal, TenantId},
    detect::{self, Context, Extractor, Key, NoDirectory, Observation, Rules, Settings, Shard},
    identify,
    scrub::{MasterKey, Scratch, Scrubber, Tally},
    wire::{self, Aliases, Survey},
};
use prost::Message;

const REQUESTS: u64 = 100;
const SPANS: u64 = 4 * REQUESTS;
const START: u64 = 1_772_694_000_000_000_000;

fn tenant(n: u64) -> TenantId {
    TenantId(uuid::Uuid::from_u128(0xaaaa_0000_0000_4000_8000_0000_0000_0000 + u128::from(n)))
}

fn pair(key: &str, value: &str) -> KeyValue {
    let value = match value.parse::<i64>() {
        Ok(number) => Value::IntValue(number),
        Err(_) => Value::StringValue(value.to_owned()),
    };
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..Default::default() }
}

/// Requests of a product: a server span, a cache's, and two of the database, each.
fn spans(first: u64) -> Bytes {
    let mut spans = Vec::new();
    for n in first..first + REQUESTS {
        let (owner, object) =
            (tenant(n % 50).to_string(), uuid::Uuid::from_u128(u128::from(n % 20_000)).to_string());
        let span = |id: u64, parent: u64, kind: i32, attributes: &[(&str, &str)]| Span {
            trace_id: u128::from(n + 1).to_be_bytes().to_vec(),
            span_id: (n * 4 + id).to_be_bytes().to_vec(),
            parent_span_id: if parent == 0 { Vec::new() } else { (n * 4 + parent).to_be_bytes().to_vec() },
            kind,
            start_time_unix_nano: START + n * 1_000_000,
            end_time_unix_nano: START + n * 1_000_000 + id,
            attributes: attributes.iter().map(|(key, value)| pair(key, value)).collect(),
            name: "work".to_owned(),
            ..Default::default()
        };
        let statement = r#"SELECT "documents".* FROM "documents" WHERE "documents"."tenant_id" = $1 AND "documents"."id" = $2 LIMIT $3"#;
        spans.extend([
            span(
                1,
                0,
                2,
                &[
                    ("http.request.method", "GET"),
                    ("http.route", "/v1/documents/:id"),
                    ("http.response.status_code", "200"),
                    ("url.path", &format!("/v1/documents/{object}")),
                    ("enduser.id", &format!("user-{}", n % 500)),
                    ("session.id", &format!("session-{}", n % 700)),
                    ("tenant.id", &owner),
                    ("user_agent.original", "app/5.1"),
                ],
            ),
            span(
                2,
                1,
                3,
                &[
                    ("db.system.name", "redis"),
                    ("cache.key", &format!("t:{owner}:documents/{object}")),
                    ("cache.hit", "true"),
                    ("db.operation.name", "GET"),
                    ("server.address", "cache"),
                ],
            ),
            span(
                3,
                1,
                3,
                &[
                    ("db.system.name", "postgresql"),
                    ("db.query.text", statement),
                    ("db.client.connection.id", "web:0"),
                    ("db.query.parameter.0", &owner),
                    ("db.query.parameter.1", &object),
                    ("db.query.parameter.2", "1"),
                ],
            ),
            span(
                4,
                1,
                3,
                &[
                    ("db.system.name", "postgresql"),
                    ("db.client.connection.id", "web:0"),
                    ("db.namespace", "product"),
                    (
                        "db.query.text",
                        &format!(
                            "SELECT * FROM notes WHERE tenant_id = '{owner}' AND document_id = '{object}'"
                        ),
                    ),
                ],
            ),
        ]);
    }
    let resource = Some(Resource { attributes: vec![pair("service.name", "web")], ..Default::default() });
    let scope_spans = vec![ScopeSpans { spans, ..Default::default() }];
    let group = ResourceSpans { resource, scope_spans, ..Default::default() };
    ExportTraceServiceRequest { resource_spans: vec![group] }.encode_to_vec().into()
}

fn observe(rules: &Rules, extractor: &mut Extractor, bytes: &[u8], at: u64) -> Vec<Observation> {
    let context =
        Context { at, claimed: None, fallback: None, baggage: None, directory: &NoDirectory, mentions: None };
    let mut out = Vec::new();
    detect::observe_batch(Signal::Traces, bytes, rules, context, extractor, &mut out);
    out
}

fn path(c: &mut Criterion) {
    let rules = Rules::new(&Settings::default(), Key::new([7; 16])).expect("default settings");
    let aliases = Aliases::new(&identify::Settings::default().aliases);
    let scrubber = Scrubber::new(&scrub_settings()).expect("the built-in packs");
    let master = MasterKey::new(&[7; 32], 1).expect("a key of 32 bytes");
    let (mut survey, mut scratch, mut extractor) =
        (Survey::default(), Scratch::default(), Extractor::default());
    let batch = spans(0);
    let mut group = c.benchmark_group("spans");
    group.throughput(Throughput::Elements(SPANS));
    group.bench_function("survey and scrub", |b| {
        b.iter(|| {
            wire::survey(Signal::Traces, &batch, &aliases, &mut survey).expect("a good batch");
            let raw = Batch::raw(Signal::Traces, tenant(1), SPANS as u32, batch.clone());
            let clean = scrubber.scrub_batch(&mut scratch, raw, &master, &mut Tally::default());
            black_box(clean.expect("a good batch").bytes.len())
        });
    });
    group.bench_function("observe", |b| {
        b.iter(|| black_box(observe(&rules, &mut extractor, &batch, START).len()));
    });
    group.finish();
}

fn scrub_settings() -> portcullis::scrub::Settings {
    portcullis::scrub::Settings::default()
}

fn judge(c: &mut Criterion) {
    let settings = Settings::default();
    let rules = Arc::new(Rules::new(&settings, Key::new([7; 16])).expect("default settings"));
    let mut extractor = Extractor::default();
    let mut shard = Shard::new(&settings, &rules);
    let mut n = 0;
    let mut group = c.benchmark_group("spans");
    group.throughput(Throughput::Elements(SPANS));
    group.bench_function("judge", |b| {
        b.iter_batched(
            || {
                n += REQUESTS;
                observe(&rules, &mut extractor, &spans(n), START + n * 1_000_000)
            },
            |observations| {
                let at = observations[0].at;
                observations.into_iter().for_each(|o| shard.observe(o));
                black_box(shard.advance(at).len())
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

/// Resident memory in MiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn memory() {
    let settings = Settings { object_capacity: 2_000_000, entity_capacity: 400_000, ..Settings::default() };
    let rules = Arc::new(Rules::new(&settings, Key::new([7; 16])).expect("default settings"));
    let (mut shard, before) = (Shard::new(&settings, &rules), resident());
    for n in 0..1_000_000u64 {
        let mut o = Observation::new(START + n * 10_000, Signal::Traces);
        o.tenant = Some(tenant(n % 1000));
        o.kind = detect::observation::SpanKind::Server;
        o.status = 200;
        let print = |domain, n: u64| rules.key().of(domain, &n.to_le_bytes());
        o.route = Some(detect::observation::Route {
            id: print(detect::fingerprint::Domain::Route, n % 50),
            shown: Arc::from("/v1/documents/:id"),
        });
        o.facts = vec![
            detect::fact::Fact::Principal(print(detect::fingerprint::Domain::Principal, n % 100_000)),
            detect::fact::Fact::Session(print(detect::fingerprint::Domain::Session, n % 200_000)),
            detect::fact::Fact::Object {
                id: print(detect::fingerprint::Domain::Object, n),
                access: detect::fact::Access::Asked,
            },
        ];
        let at = o.at;
        shard.observe(o);
        if n % 1000 == 0 {
            black_box(shard.advance(at));
        }
    }
    println!("{} entries in {} MiB", shard.entries(), resident().saturating_sub(before));
}

criterion_group!(benches, path, judge);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
    memory();
}
