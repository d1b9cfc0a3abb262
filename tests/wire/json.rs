//! OTLP/JSON: against prost, against written examples, against hostile text.

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::any_value::Value,
    metrics::v1::{metric::Data, number_data_point},
};
use portcullis::{
    batch::Signal,
    limits,
    wire::{
        Fault, Msg,
        json::{decode, encode},
        put,
        schema::Kind,
        walk,
    },
};
use proptest::prelude::*;
use prost::Message;

use crate::make;

fn to_json(signal: Signal, bytes: &[u8]) -> String {
    let mut out = Vec::new();
    encode(signal, bytes, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn assert_same(signal: Signal, left: &[u8], right: &[u8]) {
    match signal {
        Signal::Logs => assert_eq!(
            ExportLogsServiceRequest::decode(left).unwrap(),
            ExportLogsServiceRequest::decode(right).unwrap()
        ),
        Signal::Traces => assert_eq!(
            ExportTraceServiceRequest::decode(left).unwrap(),
            ExportTraceServiceRequest::decode(right).unwrap()
        ),
        Signal::Metrics => assert_eq!(
            ExportMetricsServiceRequest::decode(left).unwrap(),
            ExportMetricsServiceRequest::decode(right).unwrap()
        ),
    }
}

fn fault(signal: Signal, json: &[u8]) -> Fault {
    let error = decode(signal, json).expect_err(&String::from_utf8_lossy(json));
    assert!(error.offset <= json.len(), "{error}");
    error.fault
}

/// A log record of the given JSON fields, decoded.
fn record(fields: &str) -> opentelemetry_proto::tonic::logs::v1::LogRecord {
    let json = format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{{fields}}}]}}]}}]}}"#);
    let bytes = decode(Signal::Logs, json.as_bytes()).unwrap_or_else(|error| panic!("{error}: {json}"));
    walk(Signal::Logs, &bytes, &mut ()).unwrap();
    let request = ExportLogsServiceRequest::decode(bytes).unwrap();
    request.resource_logs[0].scope_logs[0].log_records[0].clone()
}

fn record_fault(fields: &str) -> Fault {
    fault(
        Signal::Logs,
        format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{{fields}}}]}}]}}]}}"#).as_bytes(),
    )
}

fn body(json: &str) -> Option<Value> {
    record(&format!(r#""body":{json}"#)).body.unwrap().value
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Scenario: any request, to JSON and back. Guarantee: prost reads the same request, the walker passes it,
    /// and a second round changes nothing.
    #[test]
    fn round_trips((signal, bytes) in make::request()) {
        let json = to_json(signal, &bytes);
        let back = decode(signal, json.as_bytes()).unwrap();
        let before = walk(signal, &bytes, &mut ()).unwrap();
        prop_assert_eq!(walk(signal, &back, &mut ()).unwrap(), before);
        assert_same(signal, &bytes, &back);
        prop_assert_eq!(to_json(signal, &back), json);
    }

    /// Scenario: two requests' bytes joined at the level of one group, so that its singular fields stand twice.
    /// Guarantee: JSON shows what prost makes of them: last scalar, merged message, last member of a oneof.
    #[test]
    fn duplicates_are_read_as_prost_reads_them((signal, a) in make::request(), (other, b) in make::request()) {
        prop_assume!(signal == other);
        let mut joined = Vec::new();
        put::bytes(&mut joined, 1, &[inner(&a), inner(&b)].concat());
        let json = to_json(signal, &joined);
        assert_same(signal, &joined, &decode(signal, json.as_bytes()).unwrap());
    }

    /// Scenario: a request's JSON with one byte changed, or cut. Guarantee: an error or bytes that the walker
    /// passes; never a panic.
    #[test]
    fn damaged_text_never_panics((signal, bytes) in make::request(), at: prop::sample::Index, byte: u8, cut: bool) {
        let mut json = to_json(signal, &bytes).into_bytes();
        let at = at.index(json.len());
        if cut {
            json.truncate(at);
            prop_assert!(decode(signal, &json).is_err());
        } else {
            json[at] = byte;
            if let Ok(bytes) = decode(signal, &json) {
                prop_assert!(walk(signal, &bytes, &mut ()).is_ok());
            }
        }
    }

    /// Scenario: any bytes. Guarantee: neither direction panics, and a failed encode leaves its output as it was.
    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        for signal in Signal::ALL {
            let _ = decode(signal, &bytes);
            let mut out = b"before".to_vec();
            if encode(signal, &bytes, &mut out).is_err() {
                prop_assert_eq!(&out, b"before");
            }
        }
    }

    /// Scenario: any double. Guarantee: JSON carries it to the last bit.
    #[test]
    fn doubles_are_exact(value: f64) {
        prop_assume!(value.is_finite());
        let Some(Value::DoubleValue(read)) = body(&format!(r#"{{"doubleValue":{value:e}}}"#)) else { panic!() };
        prop_assert_eq!(read.to_bits(), value.to_bits());
    }
}

/// The content of the first group of a request.
fn inner(request: &[u8]) -> &[u8] {
    portcullis::wire::view::RawField::read(request, 0, request.len()).map_or(&[], |field| field.content())
}

/// Scenario: a message of every kind with its oneof set twice, the members taking turns. Guarantee: as prost:
/// the last member counts, and a message member merges with its own run only.
#[test]
fn the_last_member_of_a_oneof_counts() {
    let any = |parts: &[(u32, &[u8])]| {
        let mut out = Vec::new();
        for (field, content) in parts {
            put::bytes(&mut out, *field, content);
        }
        out
    };
    let text = |text: &str| any(&[(1, text.as_bytes())]);
    let array = |text_: &str| any(&[(1, &text(text_))]);
    for value in [
        any(&[(1, b"a"), (5, &array("b"))]),
        any(&[(5, &array("b")), (1, b"a")]),
        any(&[(5, &array("a")), (5, &array("b"))]),
        any(&[(5, &array("a")), (1, b"x"), (5, &array("b")), (5, &array("c"))]),
        any(&[(1, b"x"), (5, &array("a")), (6, b""), (7, b"q")]),
    ] {
        let mut request = value;
        for field in [5, 2, 2, 1] {
            request = any(&[(field, &request)]);
        }
        let json = to_json(Signal::Logs, &request);
        assert_same(Signal::Logs, &request, &decode(Signal::Logs, json.as_bytes()).unwrap());
    }
}

/// Scenario: every field of the table, alone in its message, with a value that is not the default. Guarantee: it
/// survives protobuf, JSON, protobuf, byte for byte.
#[test]
fn every_field_of_the_table_survives() {
    for signal in Signal::ALL {
        let mut met = 0;
        each(signal, Msg::request(signal), &mut vec![], &mut met);
        assert!(met > 30, "{signal:?}: {met}");
    }
}

fn each(signal: Signal, message: Msg, path: &mut Vec<(Msg, u32)>, met: &mut usize) {
    for field in message.fields() {
        let mut bytes = Vec::new();
        match field.kind {
            Kind::Message(child) => {
                if path.iter().filter(|(open, _)| *open == child).count() < 2 {
                    path.push((message, field.number));
                    each(signal, child, path, met);
                    path.pop();
                }
                bytes = Vec::new();
                put::bytes(&mut bytes, field.number, &[]);
            }
            Kind::Double => put::fixed64(&mut bytes, field.number, 1.5f64.to_bits()),
            Kind::Bool => put::uint(&mut bytes, field.number, 1),
            kind if kind.wire() == 2 => put::bytes(&mut bytes, field.number, b"\x01\x7f"),
            kind if kind.wire() == 1 => put::fixed64(&mut bytes, field.number, 0x0102_0304_0506_0708),
            kind if kind.wire() == 5 => {
                put::tag(&mut bytes, field.number, 5);
                bytes.extend_from_slice(&[9, 8, 7, 6]);
            }
            _ => put::uint(&mut bytes, field.number, 77),
        }
        if field.kind.packable() && field.label == portcullis::wire::schema::Label::Many {
            let mut content = Vec::new();
            if field.kind.wire() == 0 {
                portcullis::wire::varint::write(&mut content, 300);
            } else {
                content.extend_from_slice(&2.5f64.to_le_bytes());
            }
            bytes.clear();
            put::bytes(&mut bytes, field.number, &content);
        }
        for (_, number) in path.iter().rev() {
            let content = std::mem::take(&mut bytes);
            put::bytes(&mut bytes, *number, &content);
        }
        let json = to_json(signal, &bytes);
        let back = decode(signal, json.as_bytes()).unwrap_or_else(|error| panic!("{error}: {json}"));
        assert_eq!(&back[..], &bytes[..], "{message:?} {}: {json}", field.json);
        *met += 1;
    }
}

/// Scenario: logs as the protocol's examples write them. Guarantee: each field lands where prost reads it.
#[test]
fn reads_logs() {
    let json = br#"{"resourceLogs":[{
      "resource":{"attributes":[{"key":"service.name","value":{"stringValue":"my.service"}}]},
      "scopeLogs":[{"scope":{"name":"my.library","version":"1.0.0"},"logRecords":[{
        "timeUnixNano":"1544712660300000000","observedTimeUnixNano":1544712660300000000,
        "severityNumber":10,"severityText":"Information",
        "traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"eee19b7ec3c1b174",
        "body":{"stringValue":"Example log record"},"futureField":{"a":[1,{"b":null}]},
        "attributes":[
          {"key":"boolean.attribute","value":{"boolValue":true}},
          {"key":"int.attribute","value":{"intValue":"10"}},
          {"key":"double.attribute","value":{"doubleValue":637.704}},
          {"key":"array.attribute","value":{"arrayValue":{"values":[{"stringValue":"many"},{},null]}}},
          {"key":"map.attribute","value":{"kvlistValue":{"values":[{"key":"k","value":{"bytesValue":"_-8"}}]}}}
        ]}]}]}]}"#;
    let bytes = decode(Signal::Logs, json).unwrap();
    let request = ExportLogsServiceRequest::decode(bytes).unwrap();
    let group = &request.resource_logs[0];
    assert_eq!(group.resource.as_ref().unwrap().attributes[0].key, "service.name");
    let record = &group.scope_logs[0].log_records[0];
    assert_eq!(record.time_unix_nano, 1_544_712_660_300_000_000);
    assert_eq!(record.observed_time_unix_nano, record.time_unix_nano);
    assert_eq!(record.severity_number, 10);
    assert_eq!(record.trace_id[..3], [0x5b, 0x8e, 0xff]);
    assert_eq!((record.trace_id.len(), record.span_id.len()), (16, 8));
    let value = |i: usize| record.attributes[i].value.clone().unwrap().value.unwrap();
    assert_eq!(value(0), Value::BoolValue(true));
    assert_eq!(value(1), Value::IntValue(10));
    assert_eq!(value(2), Value::DoubleValue(637.704));
    let Value::ArrayValue(array) = value(3) else { panic!("not an array") };
    assert_eq!(array.values.len(), 3);
    let Value::KvlistValue(list) = value(4) else { panic!("not a list") };
    assert_eq!(list.values[0].value.clone().unwrap().value, Some(Value::BytesValue(vec![0xff, 0xef])));
}

/// Scenario: a trace as the protocol's examples write it. Guarantee: each field lands where prost reads it.
#[test]
fn reads_traces() {
    let json = br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{
      "traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","parentSpanId":"",
      "name":"I'm a server span \u00e9\ud83d\ude00","startTimeUnixNano":"1544712660000000000",
      "endTimeUnixNano":"1544712661000000000","kind":2,"flags":257,"droppedEventsCount":"3",
      "events":[{"timeUnixNano":"1","name":"e","attributes":null}],
      "links":[{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174"}],
      "status":{"code":2,"message":"no"}}]}]}]}"#;
    let request = ExportTraceServiceRequest::decode(decode(Signal::Traces, json).unwrap()).unwrap();
    let span = &request.resource_spans[0].scope_spans[0].spans[0];
    assert_eq!(span.name, "I'm a server span é😀");
    assert!(span.parent_span_id.is_empty());
    assert_eq!((span.kind, span.flags, span.dropped_events_count), (2, 257, 3));
    assert_eq!(span.end_time_unix_nano, 1_544_712_661_000_000_000);
    assert_eq!(span.events[0].name, "e");
    assert_eq!(span.links[0].span_id.len(), 8);
    assert_eq!(span.status.as_ref().unwrap().code, 2);
}

/// Scenario: metrics of all five kinds as the protocol's examples write them. Guarantee: each field lands where
/// prost reads it, an explicit zero of an optional field included.
#[test]
fn reads_metrics() {
    let json = br#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[
      {"name":"my.counter","unit":"1","sum":{"aggregationTemporality":1,"isMonotonic":true,"dataPoints":[
        {"asDouble":5,"startTimeUnixNano":"1","timeUnixNano":"2",
         "exemplars":[{"asInt":"-4","traceId":"5b8efff798038103d269b633813fc60c"}]}]}},
      {"name":"my.gauge","gauge":{"dataPoints":[{"asInt":"9223372036854775807"},{"asDouble":"NaN"},{"asDouble":"-Infinity"}]}},
      {"name":"my.histogram","histogram":{"aggregationTemporality":1,"dataPoints":[
        {"count":2,"sum":2,"bucketCounts":["1",1],"explicitBounds":[1,"2.5"],"min":0,"max":2}]}},
      {"name":"my.exponential","exponentialHistogram":{"aggregationTemporality":1,"dataPoints":[
        {"count":3,"sum":10,"scale":-1,"zeroCount":"1","positive":{"offset":-7,"bucketCounts":[0,"300"]},
         "zeroThreshold":1e-128}]}},
      {"name":"my.summary","summary":{"dataPoints":[{"count":1,"quantileValues":[{"quantile":0.5,"value":2}]}]}}
    ]}]}]}"#;
    let bytes = decode(Signal::Metrics, json).unwrap();
    assert_eq!(walk(Signal::Metrics, &bytes, &mut ()).unwrap().items, 7);
    let request = ExportMetricsServiceRequest::decode(bytes).unwrap();
    let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
    let data = |i: usize| metrics[i].data.clone().unwrap();
    let Data::Sum(sum) = data(0) else { panic!("not a sum") };
    assert!(sum.is_monotonic);
    assert_eq!(sum.data_points[0].value, Some(number_data_point::Value::AsDouble(5.0)));
    let Data::Gauge(gauge) = data(1) else { panic!("not a gauge") };
    assert_eq!(gauge.data_points[0].value, Some(number_data_point::Value::AsInt(i64::MAX)));
    assert!(matches!(gauge.data_points[1].value, Some(number_data_point::Value::AsDouble(v)) if v.is_nan()));
    assert_eq!(gauge.data_points[2].value, Some(number_data_point::Value::AsDouble(f64::NEG_INFINITY)));
    let Data::Histogram(histogram) = data(2) else { panic!("not a histogram") };
    let point = &histogram.data_points[0];
    assert_eq!(
        (point.bucket_counts.as_slice(), point.explicit_bounds.as_slice()),
        (&[1, 1][..], &[1.0, 2.5][..])
    );
    assert_eq!((point.min, point.max, point.sum), (Some(0.0), Some(2.0), Some(2.0)));
    let Data::ExponentialHistogram(exponential) = data(3) else { panic!("not exponential") };
    let point = &exponential.data_points[0];
    assert_eq!((point.scale, point.zero_count, point.zero_threshold, point.min), (-1, 1, 1e-128, None));
    let positive = point.positive.as_ref().unwrap();
    assert_eq!((positive.offset, positive.bucket_counts.as_slice()), (-7, &[0, 300][..]));
    let Data::Summary(summary) = data(4) else { panic!("not a summary") };
    assert_eq!(summary.data_points[0].quantile_values[0].value, 2.0);
}

/// Scenario: a log record with one of each. Guarantee: this text, to the letter.
#[test]
fn writes_the_mapping() {
    let text = r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"a\"\n","value":{"intValue":"-7"}}],"droppedAttributesCount":2},"scopeLogs":[{"logRecords":[{"timeUnixNano":"5","severityNumber":9,"body":{"doubleValue":0.1},"attributes":[{"key":"b","value":{"bytesValue":"AP8="}},{"key":"n","value":{"doubleValue":"NaN"}},{"key":"e","value":{}}],"flags":1,"traceId":"5b8efff798038103d269b633813fc60c"}],"schemaUrl":"s"}]}]}"#;
    assert_eq!(to_json(Signal::Logs, &decode(Signal::Logs, text.as_bytes()).unwrap()), text);
}

/// Scenario: no fields at all. Guarantee: an empty request, both ways.
#[test]
fn an_empty_request_is_a_request() {
    for text in ["{}", " { } ", r#"{"resourceLogs":[]}"#, r#"{"resourceLogs":null}"#, r#"{"x":1,"x":[]}"#] {
        assert!(decode(Signal::Logs, text.as_bytes()).unwrap().is_empty());
    }
    assert_eq!(to_json(Signal::Logs, b""), "{}");
}

/// Scenario: numbers written in the ways that JSON writers choose. Guarantee: read where whole and in range.
#[test]
fn numbers_are_read_in_all_spellings() {
    for (json, value) in [("7", 7), ("\"7\"", 7), ("7.0", 7), ("7e2", 700), ("\"-7\"", -7), ("-0", 0)] {
        assert_eq!(body(&format!(r#"{{"intValue":{json}}}"#)), Some(Value::IntValue(value)), "{json}");
    }
    for (json, value) in [("7", 7.0), ("\"7.5\"", 7.5), ("-1e-3", -1e-3), ("\"Infinity\"", f64::INFINITY)] {
        assert_eq!(body(&format!(r#"{{"doubleValue":{json}}}"#)), Some(Value::DoubleValue(value)), "{json}");
    }
    assert_eq!(record(r#""severityNumber":"17""#).severity_number, 17);
    assert_eq!(record(r#""timeUnixNano":"18446744073709551615""#).time_unix_nano, u64::MAX);
    for json in [
        r#""body":{"intValue":7.5}"#,
        r#""body":{"intValue":9223372036854775808}"#,
        r#""body":{"intValue":"-9223372036854775809"}"#,
        r#""body":{"intValue":"NaN"}"#,
        r#""body":{"intValue":""}"#,
        r#""body":{"intValue":1e300}"#,
        r#""body":{"doubleValue":"nan"}"#,
        r#""body":{"doubleValue":"1e999"}"#,
        r#""body":{"doubleValue":true}"#,
        r#""timeUnixNano":-1"#,
        r#""timeUnixNano":"18446744073709551616""#,
        r#""flags":4294967296"#,
        r#""droppedAttributesCount":-1"#,
        r#""severityNumber":"SEVERITY_NUMBER_INFO""#,
        r#""severityNumber":2147483648"#,
    ] {
        assert_eq!(record_fault(json), Fault::JsonType, "{json}");
    }
    assert_eq!(record_fault(r#""body":{"doubleValue":1e999}"#), Fault::Json);
}

/// Scenario: base64 of both alphabets, padded and not; broken base64 and hex. Guarantee: the first are read, the
/// second refused.
#[test]
fn bytes_and_ids() {
    for text in ["+/8=", "+/8", "-_8=", "-_8", r"+\/8="] {
        assert_eq!(body(&format!(r#"{{"bytesValue":"{text}"}}"#)), Some(Value::BytesValue(vec![0xfb, 0xff])));
    }
    assert_eq!(body(r#"{"bytesValue":""}"#), Some(Value::BytesValue(vec![])));
    for json in [
        r#""body":{"bytesValue":"+_8="}"#,
        r#""body":{"bytesValue":"A"}"#,
        r#""body":{"bytesValue":"A=A="}"#,
        r#""body":{"bytesValue":[1]}"#,
        r#""traceId":"5b8efff798038103d269b633813fc6+0""#,
        r#""traceId":"5b8efff798038103d269b633813fc60""#,
        r#""traceId":"W47/95gDgQPSabYzgT/GDA==""#,
        r#""spanId":"+1""#,
        r#""spanId":"éé""#,
        r#""spanId":12"#,
    ] {
        assert!(matches!(record_fault(json), Fault::JsonType | Fault::Json), "{json}");
    }
}

/// Scenario: values of types that their fields do not have. Guarantee: refused as such.
#[test]
fn wrong_types_are_refused() {
    for json in [
        "null",
        "[]",
        "7",
        "\"x\"",
        "true",
        r#"{"resourceLogs":{}}"#,
        r#"{"resourceLogs":[null]}"#,
        r#"{"resourceLogs":[[]]}"#,
        r#"{"resourceLogs":"x"}"#,
        r#"{"resourceLogs":[{"resource":[]}]}"#,
        r#"{"resourceLogs":[{"schemaUrl":1}]}"#,
        r#"{"resourceLogs":[{"schemaUrl":{}}]}"#,
    ] {
        assert_eq!(fault(Signal::Logs, json.as_bytes()), Fault::JsonType, "{json}");
    }
    let point = |fields: &str| {
        format!(
            r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"histogram":{{"dataPoints":[{{{fields}}}]}}}}]}}]}}]}}"#
        )
    };
    for fields in [
        r#""bucketCounts":1"#,
        r#""bucketCounts":[null]"#,
        r#""bucketCounts":[[1]]"#,
        r#""bucketCounts":[{}]"#,
        r#""bucketCounts":[true]"#,
        r#""explicitBounds":["x"]"#,
    ] {
        assert_eq!(fault(Signal::Metrics, point(fields).as_bytes()), Fault::JsonType, "{fields}");
    }
}

/// Scenario: text that is not JSON, or not text. Guarantee: refused, with a place and without a word of the data.
#[test]
fn broken_text_is_refused() {
    for json in [
        "",
        "{",
        "{}{}",
        "{} x",
        r#"{"resourceLogs":}"#,
        r#"{"resourceLogs":[{}"#,
        r#"{"a":NaN}"#,
        r#"{"resourceLogs":[{"schemaUrl":"\ud800"}]}"#,
        r#"{"resourceLogs":[{"schemaUrl":"\ud800\u0041"}]}"#,
        r#"{"resourceLogs":[{"schemaUrl":"\udc00"}]}"#,
        "{\"resourceLogs\":[{\"schemaUrl\":\"\n\"}]}",
        r#"{'resourceLogs':[]}"#,
        r#"{resourceLogs:[]}"#,
        r#"{"resourceLogs":[],}"#,
    ] {
        assert_eq!(fault(Signal::Logs, json.as_bytes()), Fault::Json, "{json}");
    }
    assert_eq!(fault(Signal::Logs, b"{\"resourceLogs\":[{\"schemaUrl\":\"\xff\"}]}"), Fault::Utf8);
    assert_eq!(fault(Signal::Logs, b"{\"a\xc0\x80\":1}"), Fault::Utf8);
    let error = decode(Signal::Logs, b"{\"resourceLogs\":[\n{\"schemaUrl\":\n4929123123123}]}").unwrap_err();
    assert_eq!((error.message, error.field), ("ResourceLogs", 3));
    assert!((18..=46).contains(&error.offset), "{error}");
    assert!(!error.to_string().contains("4929"), "{error}");
}

/// Scenario: a key that stands twice, or two members of one oneof. Guarantee: refused: two readers of JSON could
/// each see another value.
#[test]
fn a_field_set_twice_is_refused() {
    for json in [
        r#""severityText":"a","severityText":"b""#,
        r#""attributes":[],"attributes":[]"#,
        r#""body":{"stringValue":"a","intValue":1}"#,
        r#""body":{"stringValue":"a","stringValue":"a"}"#,
        r#""body":{"\u0073tringValue":"a","stringValue":"a"}"#,
    ] {
        assert_eq!(record_fault(json), Fault::JsonTwice, "{json}");
    }
    assert_eq!(body(r#"{"stringValue":null,"intValue":1}"#), Some(Value::IntValue(1)));
}

/// Scenario: values nested to the limit, past it, and without end, known fields and unknown ones. Guarantee: what
/// the walker takes JSON takes; past it an error, and no overflow of the stack.
#[test]
fn depth_is_bounded() {
    // Four messages around the record, one for the body, two for each level.
    for (shape, open, close) in [
        ("array", r#"{"arrayValue":{"values":["#, "]}}"),
        ("list", r#"{"kvlistValue":{"values":[{"value":"#, "}]}}"),
    ] {
        let nest = |levels: usize| {
            let body = [open.repeat(levels), "{}".to_string(), close.repeat(levels)].concat();
            format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"body":{body}}}]}}]}}]}}"#)
        };
        let each = if shape == "array" { 2 } else { 3 };
        let most = (limits::DEPTH - 5) / each;
        let bytes = decode(Signal::Logs, nest(most).as_bytes()).unwrap();
        walk(Signal::Logs, &bytes, &mut ()).unwrap();
        assert_eq!(to_json(Signal::Logs, &bytes), nest(most));
        for levels in [most + 1, 1000, 100_000] {
            assert_eq!(fault(Signal::Logs, nest(levels).as_bytes()), Fault::Depth, "{shape}");
        }
    }
    assert!(decode(Signal::Logs, format!(r#"{{"x":{}"#, "[".repeat(1_000_000)).as_bytes()).is_err());
    assert!(decode(Signal::Logs, "[".repeat(1_000_000).as_bytes()).is_err());
}
