use opentelemetry_proto::tonic::{
    collector::{logs::v1::ExportLogsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList, any_value::Value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    resource::v1::Resource,
    trace::v1::{
        ResourceSpans, ScopeSpans, Span,
        span::{Event, Link},
    },
};
use proptest::prelude::*;
use prost::Message as _;

use super::*;

fn wrap(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(wrap(value)), ..Default::default() }
}

fn text(key: &str, value: &str) -> KeyValue {
    pair(key, Value::StringValue(value.into()))
}

fn logs(records: Vec<LogRecord>) -> Bytes {
    let resource =
        Some(Resource { attributes: vec![text("host.name", &"h".repeat(50)); 9], ..Default::default() });
    let scope_logs = vec![ScopeLogs { log_records: records, ..Default::default() }];
    let resource_logs = vec![ResourceLogs { resource, scope_logs, ..Default::default() }];
    ExportLogsServiceRequest { resource_logs }.encode_to_vec().into()
}

fn records(bytes: &Bytes) -> Vec<LogRecord> {
    let mut request = ExportLogsServiceRequest::decode(&bytes[..]).unwrap();
    let group = request.resource_logs.remove(0);
    assert_eq!(group.resource.unwrap().attributes, vec![text("host.name", &"h".repeat(50)); 9]);
    group.scope_logs.into_iter().flat_map(|scope| scope.log_records).collect()
}

fn cut_to(signal: Signal, bytes: &Bytes, most: Option<u32>, longest: Option<u32>) -> (Bytes, Cuts) {
    cut(signal, bytes, most, longest, &mut Edits::new()).unwrap()
}

/// Scenario: five attributes where three may be, two dropped already by the SDK. Guarantee: the first three stay, the
/// count says four, body and resource are as they were.
#[test]
fn attributes_past_the_number_are_dropped_and_counted() {
    let attributes: Vec<_> = (0..5).map(|n| text(&format!("k{n}"), "v")).collect();
    let body = Some(wrap(Value::StringValue("b".repeat(500))));
    let record = LogRecord { attributes, dropped_attributes_count: 2, body, flags: 1, ..Default::default() };
    let small = LogRecord { attributes: vec![text("k", "v")], ..Default::default() };
    let (out, cuts) = cut_to(Signal::Logs, &logs(vec![record.clone(), small.clone()]), Some(3), Some(4));
    let expected =
        LogRecord { attributes: record.attributes[..3].to_vec(), dropped_attributes_count: 4, ..record };
    assert_eq!(records(&out), [expected, small]);
    assert_eq!(cuts, Cuts { dropped: 2, shortened: 0 });
}

/// Scenario: long texts, alone, in a list, in a map, as bytes, and one whose limit falls inside a character.
/// Guarantee: each is cut to the limit at the boundary of a character; the rest of the value stays.
#[test]
fn long_values_are_cut_at_a_character() {
    let list = Value::ArrayValue(ArrayValue {
        values: vec![wrap(Value::StringValue("abcdefgh".into())), wrap(Value::IntValue(7))],
    });
    let map = Value::KvlistValue(KeyValueList {
        values: vec![text("a long inner key", "abcdefgh"), text("s", "ok")],
    });
    let attributes = vec![
        text("plain", "abcdefgh"),
        text("umlaut", "abcdü"),
        pair("list", list),
        pair("map", map),
        pair("bytes", Value::BytesValue(vec![0xbf; 8])),
        pair("number", Value::IntValue(i64::MAX)),
    ];
    let record = LogRecord { attributes, ..Default::default() };
    let (out, cuts) = cut_to(Signal::Logs, &logs(vec![record]), None, Some(5));
    let got = records(&out).remove(0);
    assert_eq!(got.dropped_attributes_count, 0);
    let list = Value::ArrayValue(ArrayValue {
        values: vec![wrap(Value::StringValue("abcde".into())), wrap(Value::IntValue(7))],
    });
    let map =
        Value::KvlistValue(KeyValueList { values: vec![text("a long inner key", "abcde"), text("s", "ok")] });
    let expected = [
        text("plain", "abcde"),
        text("umlaut", "abcd"),
        pair("list", list),
        pair("map", map),
        pair("bytes", Value::BytesValue(vec![0xbf; 5])),
        pair("number", Value::IntValue(i64::MAX)),
    ];
    assert_eq!(got.attributes, expected);
    assert_eq!(cuts.shortened, 5);
}

/// Scenario: a span with too much on itself, an event and a link. Guarantee: each is cut, with a count of its own.
#[test]
fn spans_events_and_links_are_cut() {
    let attributes: Vec<_> = (0..4).map(|n| text(&format!("k{n}"), "abcdefgh")).collect();
    let events = vec![Event { attributes: attributes.clone(), name: "e".into(), ..Default::default() }];
    let links =
        vec![Link { attributes: attributes.clone(), trace_state: "t=1".into(), ..Default::default() }];
    let span = Span { attributes, events, links, name: "s".into(), ..Default::default() };
    let scope_spans = vec![ScopeSpans { spans: vec![span], ..Default::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..Default::default() }];
    let bytes = ExportTraceServiceRequest { resource_spans }.encode_to_vec().into();
    let (out, cuts) = cut_to(Signal::Traces, &bytes, Some(1), Some(2));
    let mut request = ExportTraceServiceRequest::decode(&out[..]).unwrap();
    let span = request.resource_spans.remove(0).scope_spans.remove(0).spans.remove(0);
    let left = vec![text("k0", "ab")];
    assert_eq!((&span.attributes, span.dropped_attributes_count, &*span.name), (&left, 3, "s"));
    assert_eq!((&span.events[0].attributes, span.events[0].dropped_attributes_count), (&left, 3));
    assert_eq!((&span.links[0].attributes, span.links[0].dropped_attributes_count), (&left, 3));
    assert_eq!((&*span.events[0].name, &*span.links[0].trace_state), ("e", "t=1"));
    assert_eq!(cuts, Cuts { dropped: 9, shortened: 3 });
}

/// Scenario: nothing is over. Guarantee: no copy.
#[test]
fn what_is_within_is_not_copied() {
    let bytes = logs(vec![LogRecord { attributes: vec![text("k", "abc")], ..Default::default() }]);
    let (out, cuts) = cut_to(Signal::Logs, &bytes, Some(1), Some(3));
    assert_eq!((out.as_ptr(), cuts), (bytes.as_ptr(), Cuts::default()));
}

fn any_value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        "[a-zü€𝄞]{0,12}".prop_map(|text| wrap(Value::StringValue(text))),
        any::<i64>().prop_map(|number| wrap(Value::IntValue(number))),
        proptest::collection::vec(any::<u8>(), 0..12).prop_map(|bytes| wrap(Value::BytesValue(bytes))),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3)
                .prop_map(|values| wrap(Value::ArrayValue(ArrayValue { values }))),
            proptest::collection::vec(("[a-z]{0,9}", inner), 0..3).prop_map(|pairs| {
                let values = pairs
                    .into_iter()
                    .map(|(key, value)| KeyValue { key, value: Some(value), ..Default::default() })
                    .collect();
                wrap(Value::KvlistValue(KeyValueList { values }))
            }),
        ]
    })
}

/// The same by way of decoding.
fn shortened(value: &mut AnyValue, longest: usize) {
    match &mut value.value {
        Some(Value::StringValue(text)) => text.truncate(text.floor_char_boundary(longest)),
        Some(Value::BytesValue(bytes)) => bytes.truncate(longest),
        Some(Value::ArrayValue(list)) => list.values.iter_mut().for_each(|value| shortened(value, longest)),
        Some(Value::KvlistValue(map)) => {
            map.values.iter_mut().filter_map(|pair| pair.value.as_mut()).for_each(|v| shortened(v, longest));
        }
        _ => {}
    }
}

proptest! {
    /// Scenario: any records and limits. Guarantee: the same as cutting the decoded form.
    #[test]
    fn cutting_bytes_is_cutting_what_they_mean(
        given in proptest::collection::vec(proptest::collection::vec(any_value(), 0..6), 0..4),
        most in proptest::option::of(1u32..5), longest in proptest::option::of(1u32..9), before in 0u32..3,
    ) {
        let record = |values: Vec<AnyValue>| LogRecord {
            attributes: values
                .into_iter()
                .map(|value| KeyValue { key: "k".into(), value: Some(value), ..Default::default() })
                .collect(),
            dropped_attributes_count: before,
            flags: 3,
            ..Default::default()
        };
        let mut expected: Vec<_> = given.into_iter().map(record).collect();
        let bytes = logs(expected.clone());
        for record in &mut expected {
            let keep = most.map_or(usize::MAX, |most| most as usize).min(record.attributes.len());
            record.dropped_attributes_count += (record.attributes.len() - keep) as u32;
            record.attributes.truncate(keep);
            for pair in &mut record.attributes {
                if let (Some(value), Some(longest)) = (&mut pair.value, longest) {
                    shortened(value, longest as usize);
                }
            }
        }
        prop_assert_eq!(records(&cut_to(Signal::Logs, &bytes, most, longest).0), expected);
    }

    /// Scenario: bytes that nobody checked. Guarantee: no panic.
    #[test]
    fn noise_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = cut(Signal::Traces, &bytes.into(), Some(1), Some(1), &mut Edits::new());
    }
}
