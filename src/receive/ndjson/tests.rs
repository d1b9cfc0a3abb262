use opentelemetry_proto::tonic::{
    collector::logs::v1::ExportLogsServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value::Value as Any},
    logs::v1::LogRecord,
};
use prop::collection::{btree_map, vec};
use proptest::prelude::*;
use prost::Message;
use serde_json::json;

use super::*;

fn decode(bytes: &[u8]) -> ExportLogsServiceRequest {
    ExportLogsServiceRequest::decode(bytes).unwrap()
}

fn only_record(line: &str) -> LogRecord {
    let done = transcode_at(line.as_bytes(), 7).unwrap();
    assert_eq!((done.items, done.rejected_lines), (1, 0));
    decode(&done.bytes).resource_logs.remove(0).scope_logs.remove(0).log_records.remove(0)
}

fn get<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Any> {
    attributes.iter().find(|pair| pair.key == key)?.value.as_ref()?.value.as_ref()
}

fn text(value: &str) -> Any {
    Any::StringValue(value.into())
}

/// Scenario: an event with every known key. Guarantee: each lands in its field, as prost reads it.
#[test]
fn known_keys_become_fields() {
    let line = json!({
        "timestamp": "2024-02-29T12:34:56.5Z", "level": "WARN", "message": "slow", "service": "billing",
        "trace_id": "0102030405060708090A0b0c0d0e0f10", "spanId": "0102030405060708",
        "tenant_id": "t-1", "http": { "status": 503, "tags": ["a", 1, null, true, 0.5] },
    });
    let done = transcode_at(line.to_string().as_bytes(), 7).unwrap();
    let request = decode(&done.bytes);
    assert_eq!(request.encode_to_vec(), done.bytes, "canonical");
    let group = &request.resource_logs[0];
    assert_eq!(get(&group.resource.as_ref().unwrap().attributes, "service.name"), Some(&text("billing")));
    let record = &group.scope_logs[0].log_records[0];
    assert_eq!(record.time_unix_nano, 1_709_210_096_500_000_000);
    assert_eq!(record.observed_time_unix_nano, 7);
    assert_eq!((record.severity_number, record.severity_text.as_str()), (13, "WARN"));
    assert_eq!(record.body, Some(AnyValue { value: Some(text("slow")) }));
    assert_eq!(record.trace_id, (1..=16).collect::<Vec<u8>>());
    assert_eq!(record.span_id, (1..=8).collect::<Vec<u8>>());
    assert_eq!(record.attributes.len(), 2);
    assert_eq!(get(&record.attributes, "tenant_id"), Some(&text("t-1")));
    let Some(Any::KvlistValue(http)) = get(&record.attributes, "http") else { panic!("a key-value list") };
    assert_eq!(get(&http.values, "status"), Some(&Any::IntValue(503)));
    let Some(Any::ArrayValue(tags)) = get(&http.values, "tags") else { panic!("an array") };
    let tags: Vec<_> = tags.values.iter().map(|any| any.value.clone()).collect();
    let half = Any::DoubleValue(0.5);
    assert_eq!(tags, [Some(text("a")), Some(Any::IntValue(1)), None, Some(Any::BoolValue(true)), Some(half)]);
}

/// Scenario: known keys with values that do not fit. Guarantee: nothing is lost, all stay attributes.
#[test]
fn what_does_not_fit_stays_an_attribute() {
    let record = only_record(
        r#"{"time":"noon","level":7,"event":{"a":1},"trace_id":"00","span_id":"0000000000000000","service":{"n":1},"big":18446744073709551615,"msg":"m","message":"n"}"#,
    );
    let mut keys: Vec<_> = record.attributes.iter().map(|pair| pair.key.as_str()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["big", "event", "level", "msg", "service", "span_id", "time", "trace_id"]);
    assert_eq!(get(&record.attributes, "big"), Some(&text("18446744073709551615")));
    assert_eq!(record.body, Some(AnyValue { value: Some(text("n")) }));
    assert_eq!((record.time_unix_nano, record.severity_number), (0, 0));
}

/// Scenario: good and bad lines together. Guarantee: the good ones are kept, the bad ones counted, and the
/// report has the number of the first and nothing of its text.
#[test]
fn a_bad_line_is_rejected_alone() {
    let deep = format!(r#"{{"a":{}1{}}}"#, "[".repeat(MAX_NESTING + 1), "]".repeat(MAX_NESTING + 1));
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(limits::NDJSON_LINE_BYTES));
    let body = format!("\u{feff}{{\"msg\":1}}\r\n\n  \nsecret-4111\n[1]\n{deep}\n{long}\n{{\"msg\":2}}");
    let done = transcode_at(body.as_bytes(), 7).unwrap();
    assert_eq!((done.items, done.rejected_lines), (2, 4));
    let error = done.first_error.unwrap();
    assert_eq!(error.line, 4);
    assert!(!error.to_string().contains("secret"));
    assert_eq!(transcode(b"").unwrap().bytes.len(), 0);
    assert_eq!(transcode_at(b"{\"a\":\"\xff\"}", 7).unwrap().rejected_lines, 1);
}

/// Scenario: more services than resources are made for. Guarantee: no record and no service is lost.
#[test]
fn services_past_the_limit_stay_on_the_record() {
    let lines: String =
        (0..limits::NDJSON_SERVICES + 5).map(|n| format!("{{\"service\":\"s{n}\"}}\n")).collect();
    let done = transcode_at(lines.as_bytes(), 7).unwrap();
    let request = decode(&done.bytes);
    assert_eq!(done.items as usize, limits::NDJSON_SERVICES + 5);
    let records = request.resource_logs.iter().flat_map(|g| &g.scope_logs).flat_map(|s| &s.log_records);
    assert_eq!(records.filter(|r| get(&r.attributes, "service.name").is_some()).count(), 5);
    assert_eq!(request.resource_logs.len(), limits::NDJSON_SERVICES + 1);
}

/// Scenario: lists and objects nested as deep as is taken. Guarantee: the strict walker takes the result too.
#[test]
fn the_deepest_line_passes_the_walker() {
    for (open, close) in [("[", "]"), ("{\"k\":", "}")] {
        let line = format!(r#"{{"msg":"m","a":{}1{}}}"#, open.repeat(MAX_NESTING), close.repeat(MAX_NESTING));
        let done = transcode_at(line.as_bytes(), 7).unwrap();
        assert_eq!((done.items, done.rejected_lines), (1, 0));
        let stats = crate::wire::walk(crate::batch::Signal::Logs, &done.bytes, &mut ()).unwrap();
        assert_eq!((stats.items, stats.unknown), (1, 0));
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|n| json!(f64::from(n) / 8.0)),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            btree_map("[a-z]{0,4}", inner, 0..5).prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

/// The same value as prost would hold it.
fn oracle(value: &Value) -> AnyValue {
    use opentelemetry_proto::tonic::common::v1::{ArrayValue, KeyValueList};
    let pair = |(key, value): (&String, &Value)| KeyValue {
        key: key.clone(),
        value: Some(oracle(value)),
        ..KeyValue::default()
    };
    let value = match value {
        Value::Null => None,
        Value::Bool(flag) => Some(Any::BoolValue(*flag)),
        Value::Number(n) if n.is_i64() => n.as_i64().map(Any::IntValue),
        Value::Number(n) => n.as_f64().map(Any::DoubleValue),
        Value::String(text) => Some(Any::StringValue(text.clone())),
        Value::Array(values) => {
            Some(Any::ArrayValue(ArrayValue { values: values.iter().map(oracle).collect() }))
        }
        Value::Object(values) => {
            Some(Any::KvlistValue(KeyValueList { values: values.iter().map(pair).collect() }))
        }
    };
    AnyValue { value }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Scenario: any JSON under an unknown key. Guarantee: prost reads exactly the same value back.
    #[test]
    fn any_value_matches_prost(value in any_json()) {
        let record = only_record(&json!({ "x": value }).to_string());
        prop_assert_eq!(record.attributes[0].value.clone().unwrap(), oracle(&value));
    }

    /// Scenario: any bytes at all. Guarantee: no panic, valid protobuf, and every line is accounted for.
    #[test]
    fn any_bytes_are_answered(body in vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b'{'), Just(b'}'), Just(b'"')], 0..300)) {
        let done = transcode_at(&body, 7).unwrap();
        let records: usize =
            decode(&done.bytes).resource_logs.iter().flat_map(|g| &g.scope_logs).map(|s| s.log_records.len()).sum();
        prop_assert_eq!(records, done.items as usize);
        let stripped = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&body);
        let lines = stripped.split(|b| *b == b'\n').filter(|l| !l.trim_ascii().is_empty()).count();
        prop_assert_eq!(lines, (done.items + done.rejected_lines) as usize);
    }
}
