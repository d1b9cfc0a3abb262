//! From OTLP bytes to findings: what is read of them, and what is not repeated.

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    metrics::v1::{Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric::Data},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::detect::{Context, Directory, Extractor, NoDirectory, observe_batch, record};

fn pair(key: &str, value: &str) -> KeyValue {
    let value = match value.parse::<i64>() {
        Ok(number) => Value::IntValue(number),
        Err(_) => Value::StringValue(value.to_owned()),
    };
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..Default::default() }
}

fn pairs(list: &[(&str, &str)]) -> Vec<KeyValue> {
    list.iter().map(|(key, value)| pair(key, value)).collect()
}

fn resource(list: &[(&str, &str)]) -> Option<Resource> {
    Some(Resource { attributes: pairs(list), ..Default::default() })
}

fn spans(of: &[(&str, &str)], span: Span) -> Vec<u8> {
    let scope_spans = vec![ScopeSpans { spans: vec![span], ..Default::default() }];
    let group = ResourceSpans { resource: resource(of), scope_spans, ..Default::default() };
    ExportTraceServiceRequest { resource_spans: vec![group] }.encode_to_vec()
}

fn logs(of: &[(&str, &str)], scope: &[(&str, &str)], records: Vec<LogRecord>) -> Vec<u8> {
    let scope = Some(InstrumentationScope { attributes: pairs(scope), ..Default::default() });
    let scope_logs = vec![ScopeLogs { scope, log_records: records, ..Default::default() }];
    let group = ResourceLogs { resource: resource(of), scope_logs, ..Default::default() };
    ExportLogsServiceRequest { resource_logs: vec![group] }.encode_to_vec()
}

fn log(list: &[(&str, &str)]) -> LogRecord {
    LogRecord { attributes: pairs(list), trace_id: vec![3; 16], time_unix_nano: 77, ..Default::default() }
}

fn server(list: &[(&str, &str)]) -> Span {
    Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        parent_span_id: vec![4; 8],
        kind: 2,
        end_time_unix_nano: START + 5,
        attributes: pairs(list),
        name: "canary-name person@example.org".to_owned(),
        ..Default::default()
    }
}

fn context(claim: Option<u128>, directory: &dyn Directory) -> Context<'_> {
    Context {
        at: START,
        claimed: claim.map(tenant),
        fallback: None,
        baggage: None,
        directory,
        mentions: None,
    }
}

fn seen_by(settings: &Settings, signal: Signal, bytes: &[u8], claim: Option<u128>) -> Vec<Observation> {
    let rules = Rules::new(settings, key()).unwrap();
    let mut out = Vec::new();
    observe_batch(signal, bytes, &rules, context(claim, &NoDirectory), &mut Extractor::default(), &mut out);
    out
}

fn asked(o: &Observation) -> Vec<Fingerprint> {
    let ids = o.facts.iter().filter_map(|fact| match fact {
        Fact::Object { id, access: Access::Asked } => Some(*id),
        _ => None,
    });
    ids.collect()
}

fn seen(signal: Signal, bytes: &[u8], claim: Option<u128>) -> Vec<Observation> {
    seen_by(&Settings::default(), signal, bytes, claim)
}

/// Scenario: a server span with every mapped attribute. Guarantee: each part of it is read.
#[test]
fn a_server_span_is_read_whole() {
    let object = uuid::Uuid::from_u128(9).to_string();
    let bytes = spans(
        &[("service.name", "web-api"), ("tenant.id", &tenant(1).to_string())],
        server(&[
            ("http.route", "/v1/things/:id/parts/{part}"),
            ("url.path", &format!("/v1/things/{object}/parts/12")),
            ("http.request.method", "DELETE"),
            ("http.response.status_code", "204"),
            ("enduser.id", "someone"),
        ]),
    );
    let seen = seen(Signal::Traces, &bytes, Some(1));
    let [o] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!((o.trace, o.span, o.parent, o.kind), ([1; 16], [2; 8], [4; 8], SpanKind::Server));
    assert_eq!((o.time, o.status, o.method), (START + 5, 204, Method::Write));
    assert_eq!((o.tenant, &*o.service), (Some(tenant(1)), "web-api"));
    assert_eq!(o.principals().next(), Some(key().of(Domain::Principal, b"someone")));
    // The uuid counts, the small number never does.
    let uuid = key().of(Domain::Object, uuid::Uuid::from_u128(9).as_bytes());
    assert_eq!(asked(o), [uuid]);
    let route = o.route.as_ref().unwrap();
    assert_eq!(route.id, key().of(Domain::Route, b"/v1/things/:id/parts/{part}"));
    assert_eq!(&*route.shown, "/v1/things/:id/parts/{part}");
}

/// Scenario: small numbers, words and short codes where ids stand; uuids without a route, in a
/// whole URL and in a query. Guarantee: only ids that tell tenants apart are objects.
#[test]
fn only_ids_that_tell_tenants_apart_are_objects() {
    let object = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
    let count =
        |list: &[(&str, &str)]| asked(&seen(Signal::Traces, &spans(&[], server(list)), None)[0]).len();
    for id in ["7", "123456789", "summary", "a-fairly-long-article-slug", "2026-03-05", "abc123"] {
        let path = format!("/v1/things/{id}");
        assert_eq!(count(&[("http.route", "/v1/things/:id"), ("url.path", &path)]), 0, "{id}");
    }
    for id in
        [object, "6F9619FF8B864D01B42D00CF4FC964FF", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "507f1f77bcf86cd799439011"]
    {
        let path = format!("/v1/things/{id}");
        assert_eq!(count(&[("http.route", "/v1/things/:id"), ("url.path", &path)]), 1, "{id}");
        assert_eq!(count(&[("url.full", &format!("https://api.example.org{path}?x=1"))]), 1, "{id}");
    }
    let fixed = format!("/v1/{object}/things");
    assert_eq!(count(&[("http.route", &fixed), ("url.path", &fixed)]), 0, "a fixed part of the route");
    let query = format!("thing_id={object}&n=5");
    assert_eq!(count(&[("http.route", "/v1/things"), ("url.path", "/v1/things"), ("url.query", &query)]), 1);
}

/// Scenario: plain log records beside one of another tenant, one in a declared scope, one of a
/// suspended resource. Guarantee: only those that say something become observations.
#[test]
fn plain_records_are_passed_over() {
    let (own, other) = (tenant(1).to_string(), tenant(2).to_string());
    let plain = || vec![log(&[("exception.type", "x"), ("n", "5")]), log(&[("tenant_id", &own)])];
    assert!(seen(Signal::Logs, &logs(&[("tenant.id", &own)], &[], plain()), Some(1)).is_empty());
    let mut records = plain();
    records.push(log(&[("tenant_id", &other)]));
    let found = seen(Signal::Logs, &logs(&[("tenant.id", &own)], &[], records), Some(1));
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].trace, found[0].time), ([3; 16], 77));
    assert_eq!(seen(Signal::Logs, &logs(&[], &[("tenant", &other)], plain()), Some(1)).len(), 2);
    assert_eq!(seen(Signal::Logs, &logs(&[("org_id", &other)], &[], plain()), Some(1)).len(), 2);

    struct Suspended;
    impl Directory for Suspended {
        fn named(&self, slug: &str) -> Option<TenantId> {
            (slug == "acme").then(|| tenant(1))
        }
        fn state(&self, _: TenantId) -> TenantState {
            TenantState::Suspended
        }
    }
    let rules = Rules::new(&Settings::default(), key()).unwrap();
    let mut out = Vec::new();
    let bytes = logs(&[("tenant.slug", "ACME")], &[], plain());
    observe_batch(
        Signal::Logs,
        &bytes,
        &rules,
        context(None, &Suspended),
        &mut Extractor::default(),
        &mut out,
    );
    assert_eq!(out.len(), 2);
    assert!(out.iter().all(|o| o.tenant == Some(tenant(1)) && o.state == TenantState::Suspended));
}

/// Scenario: a data point of B under A's token, in the usual forms of a uuid. Guarantee: seen.
#[test]
fn data_points_declare_tenants_in_every_form() {
    let upper = tenant(2).to_string().to_uppercase();
    for form in [upper.clone(), format!("{{{upper}}}"), format!("urn:uuid:{}", tenant(2))] {
        let point = NumberDataPoint { attributes: pairs(&[("tenantId", &form)]), ..Default::default() };
        let sum = Sum { data_points: vec![point], ..Default::default() };
        let metric = Metric { data: Some(Data::Sum(sum)), ..Default::default() };
        let scope_metrics = vec![ScopeMetrics { metrics: vec![metric], ..Default::default() }];
        let group = ResourceMetrics { scope_metrics, ..Default::default() };
        let bytes = ExportMetricsServiceRequest { resource_metrics: vec![group] }.encode_to_vec();
        let found = seen(Signal::Metrics, &bytes, Some(1));
        assert_eq!(found.len(), 1, "{form}");
        assert_eq!(found[0].declared.first(), Some(tenant(2)));
    }
}

/// Scenario: a canary in every value of an incident's span, mapped or not. Guarantee: no part of
/// it in the finding's line or record, nor in how an observation shows itself.
#[test]
fn nothing_of_a_value_is_in_a_finding() {
    const CANARY: &str = "cnry-4b17d02fa96c4e83b5d1 Ludmila Lovelace ludmila@example.org";
    let mut settings = Settings::default();
    settings.mapping.object.push("thing.id".to_owned());
    let mapping = settings.mapping.clone();
    let keys = [
        mapping.principal,
        mapping.route,
        mapping.path,
        mapping.query,
        mapping.method,
        mapping.object,
        mapping.job,
    ];
    let object = "4b17d02f-3d5e-4df5-a1a3-4b17d02f3d5e";
    let owner = tenant(2).to_string();
    let path = format!("/v1/{CANARY}/{object}");
    let mut attributes: Vec<(&str, &str)> = keys.iter().flatten().map(|key| (key.as_str(), CANARY)).collect();
    attributes.retain(|(key, _)| *key != "url.path");
    attributes.extend([("url.path", path.as_str()), ("tenant_id", owner.as_str()), (CANARY, CANARY)]);
    let bytes = spans(&[("service.name", CANARY)], server(&attributes));
    let seen = seen_by(&settings, Signal::Traces, &bytes, Some(1));
    let found = told(&settings, seen.clone());
    assert_eq!(classes(&found), ["token_tenant_mismatch"]);
    let record = record::otlp(&found[0]);
    let shown = format!("{seen:?} {found:?} {} {}", found[0].json(), String::from_utf8_lossy(&record));
    for part in CANARY.split([' ', '-', '@']).chain([object, "4b17d02f", "canary"]) {
        assert!(!shown.contains(part), "{part} in {shown}");
    }
    // The record is a whole request that an OTLP end reads.
    let read = ExportLogsServiceRequest::decode(record).unwrap();
    let record = &read.resource_logs[0].scope_logs[0].log_records[0];
    assert_eq!((record.event_name.as_str(), record.severity_number), ("portcullis.finding", 17));
}

proptest! {
    /// Scenario: bytes that nobody checked, and hostile text in mapped attributes. Guarantee: no
    /// panic, and bounded observations.
    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300), text in "[/:{}?#&=%a-f0-9-]{0,80}") {
        for signal in Signal::ALL {
            prop_assert!(seen(signal, &bytes, Some(1)).len() <= bytes.len());
        }
        let keys = ["http.route", "url.path", "url.full", "url.query", "tenant.id", "enduser.id", "resource.id"];
        for given in keys {
            let list: Vec<_> = keys.iter().map(|k| (*k, if *k == given { text.as_str() } else { "/a/:b" })).collect();
            prop_assert_eq!(seen(Signal::Traces, &spans(&[(given, &text)], server(&list)), None).len(), 1);
        }
    }
}

/// Scenario: a sender without a token says in a header that its data is 1's; a record declares 2, another 1, a third
/// nothing. Under a token of 1, a service has recorded a claim of 2. Guarantee: the contradictions are told, once each,
/// with both tenants, and nothing else is.
#[test]
fn headers_and_claims_are_held_against_what_is_declared() {
    let (one, two) = (tenant(1).to_string(), tenant(2).to_string());
    let read = |context: Context<'_>, records: Vec<LogRecord>| {
        let settings = Settings::default();
        let rules = Rules::new(&settings, key()).unwrap();
        let mut out = Vec::new();
        observe_batch(
            Signal::Logs,
            &logs(&[], &[], records),
            &rules,
            context,
            &mut Extractor::default(),
            &mut out,
        );
        told(&settings, out)
    };
    let header = Context { fallback: Some(tenant(1)), ..context(None, &NoDirectory) };
    let agree = vec![log(&[("tenant_id", &one)]), log(&[("note", "nothing")])];
    assert!(read(header, agree.clone()).is_empty());
    let told = read(header, [agree, vec![log(&[("tenant_id", &two)])]].concat());
    assert_eq!(classes(&told), ["token_tenant_mismatch"]);
    assert_eq!((told[0].tenant, told[0].other), (tenant(1), Some(tenant(2))));
    let told = read(context(Some(1), &NoDirectory), vec![log(&[("tenant_id", &one), ("jwt.tid", &two)])]);
    assert_eq!(classes(&told), ["token_tenant_mismatch"]);
    assert_eq!((told[0].tenant, told[0].other), (tenant(1), Some(tenant(2))));
}
