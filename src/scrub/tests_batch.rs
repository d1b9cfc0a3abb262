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
    let scrubber = Scrubber::compile(settings).unwrap();
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
        ("keep", Action::Keep),
    ] {
        let mut settings = Settings::default();
        for id in ["email", "credit_card", "key_password", "us_ssn"] {
            settings.actions.insert(id.into(), action);
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
