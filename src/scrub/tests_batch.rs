use bytes::Bytes;
use opentelemetry_proto::tonic::{
    collector::logs::v1::ExportLogsServiceRequest,
    common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value::Value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    resource::v1::Resource,
};
use prost::Message;

use super::*;
use crate::batch::{Batch, Signal, TenantId};

fn any(value: Value) -> Option<AnyValue> {
    Some(AnyValue { value: Some(value) })
}

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: any(value), ..Default::default() }
}

fn text(text: &str) -> Value {
    Value::StringValue(text.into())
}

fn request(attributes: Vec<KeyValue>, body: Value) -> ExportLogsServiceRequest {
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(Resource {
                attributes: vec![pair("host.mac", text("00:1b:44:11:3a:b7"))],
                ..Default::default()
            }),
            scope_logs: vec![ScopeLogs {
                scope: Some(InstrumentationScope {
                    name: "mail to a@example.com".into(),
                    ..Default::default()
                }),
                log_records: vec![LogRecord {
                    attributes,
                    body: any(body),
                    trace_id: vec![0x11; 16],
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        }],
    }
}

fn run(request: &ExportLogsServiceRequest, settings: &Settings) -> (Bytes, Bytes, Tally) {
    let before = Bytes::from(request.encode_to_vec());
    let tenant = TenantId(uuid::Uuid::from_u128(7));
    let master = MasterKey::new(&[7; 32], 1).unwrap();
    let scrubber = Scrubber::new(settings).unwrap();
    let mut tally = Tally::default();
    let batch = Batch::raw(Signal::Logs, tenant, 1, before.clone());
    let clean = scrubber.scrub_batch(&mut Scratch::default(), batch, &master, &mut tally).unwrap();
    (before, clean.bytes, tally)
}

fn everywhere() -> ExportLogsServiceRequest {
    request(
        vec![
            pair("http.url", text("https://u:pw123@h/p?email=j%40example.com&X-Amz-Signature=0011223344")),
            pair("db.password", text("anything")),
            pair("error.code", Value::IntValue(503)),
            pair("pwd", text("[AB:My secret")),
            pair("card", Value::IntValue(4_111_111_111_111_111)),
            pair("card.float", Value::DoubleValue(4_111_111_111_111_111.0)),
            pair("count", Value::IntValue(1_732_357_768_000_000_000)),
            pair("cvv", Value::IntValue(123)),
            pair("raw", Value::BytesValue(b"mail a@example.com\xff".to_vec())),
            pair("gen_ai.prompt", text("what people wrote")),
            pair("b@example.com", text("in a key")),
            pair(
                "list",
                Value::ArrayValue(ArrayValue {
                    values: vec![AnyValue { value: Some(text("c@example.com")) }],
                }),
            ),
            pair(
                "map",
                Value::KvlistValue(KeyValueList {
                    values: vec![pair("api_key", text("k1")), pair("ok", text("fine"))],
                }),
            ),
            pair("tenant_id", text("00000000-0000-0000-0000-000000000007")),
        ],
        text(
            r#"{"user":{"ssn":"219-09-9999","password":"x y"},"id":"550e8400-e29b-41d4-a716-446655440000"}"#,
        ),
    )
}

/// Scenario: values in every kind and place of a log request. Guarantee: each outcome is as recorded.
#[test]
fn a_batch_is_scrubbed_everywhere() {
    let (_, after, tally) = run(&everywhere(), &Settings::default());
    let after = ExportLogsServiceRequest::decode(after).unwrap();
    insta::assert_debug_snapshot!(after);
    assert!(tally.total() >= 14, "{}", tally.total());
}

/// Scenario: the same with every action. Guarantee: each outcome is as recorded; a pseudonym carries its key's id.
#[test]
fn every_action_has_its_outcome() {
    for (name, action) in [
        ("mask", Action::Mask { keep: 4 }),
        ("pseudonym", Action::Pseudonym),
        ("drop", Action::Drop),
        ("shadow", Action::Shadow),
        ("keep", Action::Keep),
    ] {
        let mut settings = Settings::default();
        for id in ["email", "credit_card", "key_password", "us_ssn"] {
            if action == Action::Keep {
                settings.keep.insert(id.into(), "needed by support".into());
            } else {
                settings.actions.insert(id.into(), action);
            }
        }
        let (_, after, _) = run(&everywhere(), &settings);
        let after = ExportLogsServiceRequest::decode(after).unwrap();
        insta::assert_debug_snapshot!(name, after.resource_logs[0].scope_logs[0].log_records[0]);
    }
}

/// Scenario: a batch with nothing in it. Guarantee: the very same bytes, not a copy.
#[test]
fn a_clean_batch_is_not_copied() {
    let mut request =
        request(vec![pair("http.status_code", Value::IntValue(200))], text("request served in 12.5 ms"));
    request.resource_logs[0].resource = None;
    request.resource_logs[0].scope_logs[0].scope = None;
    let (before, after, tally) = run(&request, &Settings::default());
    assert_eq!(before.as_ptr(), after.as_ptr());
    assert_eq!(tally.total(), 0);
}

fn scrub_raw(signal: Signal, before: Vec<u8>, scratch: &mut Scratch, scrubber: &Scrubber) -> (Bytes, Tally) {
    let tenant = TenantId(uuid::Uuid::from_u128(7));
    let master = MasterKey::new(&[7; 32], 1).unwrap();
    let mut tally = Tally::default();
    let batch = Batch::raw(signal, tenant, 1, Bytes::from(before));
    let clean = scrubber.scrub_batch(scratch, batch, &master, &mut tally).unwrap();
    (clean.bytes, tally)
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|w| w == text.as_bytes())
}

/// Scenario: values in a span's name, attributes, events, links and status. Guarantee: none leaves.
#[test]
fn a_trace_is_scrubbed_everywhere() {
    use opentelemetry_proto::tonic::{
        collector::trace::v1::ExportTraceServiceRequest,
        trace::v1::{
            ResourceSpans, ScopeSpans, Span, Status,
            span::{Event, Link},
        },
    };
    let span = Span {
        name: "GET /users/a1@example.com".into(),
        trace_state: "vendor=a2@example.com".into(),
        attributes: vec![pair("peer", text("a3@example.com"))],
        events: vec![Event {
            name: "sent to a4@example.com".into(),
            attributes: vec![pair("exception.message", text("no such user a5@example.com"))],
            ..Default::default()
        }],
        links: vec![Link { attributes: vec![pair("l", text("a6@example.com"))], ..Default::default() }],
        status: Some(Status { message: "a7@example.com failed".into(), ..Default::default() }),
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        ..Default::default()
    };
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![ScopeSpans { spans: vec![span], ..Default::default() }],
            ..Default::default()
        }],
    };
    let scrubber = Scrubber::new(&Settings::default()).unwrap();
    let (after, tally) =
        scrub_raw(Signal::Traces, request.encode_to_vec(), &mut Scratch::default(), &scrubber);
    assert!(!has(&after, "@example.com"));
    assert_eq!(tally.total(), 7);
    let after = ExportTraceServiceRequest::decode(after).unwrap();
    let span = &after.resource_spans[0].scope_spans[0].spans[0];
    assert_eq!((span.name.as_str(), span.trace_id.as_slice()), ("GET /users/[EMAIL]", &[1u8; 16][..]));
}

/// Scenario: values in a metric's description, points and exemplars. Guarantee: none leaves, numbers stay.
#[test]
fn a_metric_is_scrubbed_everywhere() {
    use opentelemetry_proto::tonic::{
        collector::metrics::v1::ExportMetricsServiceRequest,
        metrics::v1::{
            Exemplar, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric::Data,
            number_data_point,
        },
    };
    let point = NumberDataPoint {
        attributes: vec![pair("user", text("b1@example.com"))],
        exemplars: vec![Exemplar {
            filtered_attributes: vec![pair("who", text("b2@example.com"))],
            ..Default::default()
        }],
        value: Some(number_data_point::Value::AsInt(4_111_111_111_111_111)),
        ..Default::default()
    };
    let metric = Metric {
        name: "logins".into(),
        description: "as b3@example.com wanted".into(),
        data: Some(Data::Sum(Sum { data_points: vec![point], ..Default::default() })),
        ..Default::default()
    };
    let request = ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            scope_metrics: vec![ScopeMetrics { metrics: vec![metric], ..Default::default() }],
            ..Default::default()
        }],
    };
    let scrubber = Scrubber::new(&Settings::default()).unwrap();
    let (after, tally) =
        scrub_raw(Signal::Metrics, request.encode_to_vec(), &mut Scratch::default(), &scrubber);
    assert!(!has(&after, "@example.com"));
    assert_eq!(tally.total(), 3);
    let after = ExportMetricsServiceRequest::decode(after).unwrap();
    let Some(Data::Sum(sum)) = &after.resource_metrics[0].scope_metrics[0].metrics[0].data else { panic!() };
    assert_eq!(sum.data_points[0].value, Some(number_data_point::Value::AsInt(4_111_111_111_111_111)));
}

/// Scenario: a field that no schema knows holds an address. Guarantee: the field is gone, and counted.
#[test]
fn unknown_fields_do_not_pass() {
    let mut before = request(vec![], text("fine")).encode_to_vec();
    let value = b"c1@example.com";
    before.extend([0xFA, 0x07, value.len() as u8]);
    before.extend(value);
    let scrubber = Scrubber::new(&Settings::default()).unwrap();
    let (after, tally) = scrub_raw(Signal::Logs, before, &mut Scratch::default(), &scrubber);
    assert!(!has(&after, "c1@example.com"));
    assert_eq!(tally.unknown_fields, 1);
}

/// Scenario: one key twice in a record, and the same keys in later batches, under other rules too.
/// Guarantee: every value is judged, and what is remembered of a key is never another scrubber's verdict.
#[test]
fn repeated_keys_are_judged_every_time() {
    let before = request(
        vec![
            pair("api_key", text("first-value")),
            pair("api_key", text("second-value")),
            pair("d1@example.com", text("a key that is an address")),
            pair("note", text("d2@example.com")),
            pair("note", text("d3@example.com")),
        ],
        text("fine"),
    )
    .encode_to_vec();
    let scrubber = Scrubber::new(&Settings::default()).unwrap();
    let mut scratch = Scratch::default();
    for _ in 0..3 {
        let (after, _) = scrub_raw(Signal::Logs, before.clone(), &mut scratch, &scrubber);
        for value in ["first-value", "second-value", "@example.com"] {
            assert!(!has(&after, value), "{value}");
        }
    }
    let settings = Settings {
        disable: ["key_secret", "key_any_key", "email"].map(String::from).to_vec(),
        ..Settings::default()
    };
    let other = Scrubber::new(&settings).unwrap();
    let (after, _) = scrub_raw(Signal::Logs, before.clone(), &mut scratch, &other);
    assert!(has(&after, "first-value") && has(&after, "d1@example.com"));
    let (after, _) = scrub_raw(Signal::Logs, before, &mut scratch, &scrubber);
    assert!(!has(&after, "first-value") && !has(&after, "d1@example.com"));
}

/// Scenario: attributes whose names end like a secret's, with values that are none, and one that is.
/// Guarantee: only the one goes; counts stay numbers.
#[test]
fn names_that_end_like_secrets_are_judged_by_their_values() {
    let scrubber = Scrubber::new(&Settings::default()).unwrap();
    let before = request(
        vec![
            pair("gen_ai.usage.cached_tokens", Value::IntValue(1_234_567)),
            pair("messaging.kafka.message.key", text("order-17")),
            pair("net.auth", text("oauth2")),
            pair("shop.vid", text("front page")),
            pair("acme.token", text("9hb3HBm31nXZGuzuJc5c")),
            pair("http.request.header.cookie", text("sid=short")),
        ],
        text("fine"),
    )
    .encode_to_vec();
    let (after, _) = scrub_raw(Signal::Logs, before, &mut Scratch::default(), &scrubber);
    for kept in ["order-17", "oauth2", "front page"] {
        assert!(has(&after, kept), "{kept}");
    }
    assert!(!has(&after, "9hb3HBm31nXZGuzuJc5c") && !has(&after, "sid=short"));
    let request = ExportLogsServiceRequest::decode(&after[..]).unwrap();
    let record = &request.resource_logs[0].scope_logs[0].log_records[0];
    let tokens = record.attributes.iter().find(|a| a.key.ends_with("tokens")).unwrap();
    assert_eq!(tokens.value.as_ref().unwrap().value, Some(Value::IntValue(1_234_567)));
}

/// Scenario: a service's records whose bodies turn into what people wrote, with policy off, report and redact.
/// Guarantee: off sees nothing; report finds the field by its name and changes nothing; redact replaces sentences in
/// that field alone, and messages in it stay.
#[test]
fn sentences_of_people_are_found_where_no_rule_expects_them() {
    let nouns = ["order", "invoice", "parcel", "refund", "chair", "lamp", "table", "coat", "book", "phone"];
    let said = |i: usize| {
        let begin = [
            "Hello,",
            "I think that",
            "Sorry but",
            "Could you tell me if",
            "We were told that",
            "My wife says",
        ];
        let end = [
            "is not what I have asked you for",
            "was lost and I need it",
            "should be for my mother",
            "came too late for us",
        ];
        let more =
            ["", "and please call me", "or is it in the shop", "as it was with the last one", "at our house"];
        format!("{} the {} {} {}", begin[i % 6], nouns[i % 10], end[i / 6 % 4], more[i / 24 % 5])
    };
    for (free_text, found, replaced) in
        [(FreeText::Off, 0, false), (FreeText::Report, 1, false), (FreeText::Redact, 1, true)]
    {
        let scrubber = Scrubber::new(&Settings { free_text, ..Settings::default() }).unwrap();
        let mut scratch = Scratch::default();
        let (mut last, mut fields, mut sentences) = (Bytes::new(), Vec::new(), 0);
        for i in 0..200 {
            let mut batch = request(vec![pair("step", text("the cart was read from cache"))], text(&said(i)));
            batch.resource_logs[0].resource.as_mut().unwrap().attributes =
                vec![pair("service.name", text("desk"))];
            let (bytes, tally) = scrub_raw(Signal::Logs, batch.encode_to_vec(), &mut scratch, &scrubber);
            (last, sentences) = (bytes, sentences + tally.content.sentences);
            fields.extend(tally.content.found);
        }
        assert_eq!(fields.len(), found, "{fields:?}");
        assert!(fields.iter().all(|f| f.service == "desk" && f.key == "body"), "{fields:?}");
        assert_eq!(sentences > 100, found == 1, "{sentences}");
        assert_eq!(has(&last, &said(199)), !replaced);
        assert_eq!(has(&last, "[CONTENT]"), replaced);
        assert!(has(&last, "the cart was read from cache"));
    }
}
