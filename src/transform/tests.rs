use bytes::Bytes;
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{
        AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value::Value as Any,
    },
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    metrics::v1::{Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use proptest::prelude::*;
use prost::Message;
use serde_json::{Value, json};

use super::*;
use crate::config::{Document, Options};

const TENANT_KEYS: [&str; 3] = ["tenant_id", "tenant.id", "x-scope-orgid"];

fn try_compile(yaml: &str) -> Result<Transforms, String> {
    let text = |errors: Vec<crate::config::ConfigError>| {
        errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let document = Document::parse("t.yaml", yaml, Options::data()).map_err(|e| e.to_string())?;
    let settings: Settings = document.decode_at("/transforms").map_err(|e| e.to_string())?;
    Transforms::compile(&settings, &Aliases::new(TENANT_KEYS), &document, "/transforms").map_err(text)
}

/// One transform with these operations, for all signals.
fn compile(operations: &str) -> Transforms {
    try_compile(&format!("transforms: [{{name: t, do: [{operations}]}}]")).unwrap()
}

fn run(operations: &str, value: Value) -> Value {
    let mut record = Record::from_value(value);
    assert_eq!(compile(operations).apply(Signal::Logs, &mut record, &Context::default()), Verdict::Keep);
    record.to_value()
}

fn batch(transforms: &Transforms, signal: Signal, bytes: Bytes) -> Transformed {
    crate::wire::walk(signal, &bytes, &mut Nothing).unwrap();
    let context = Context { tenant_id: "11111111-1111-4111-8111-111111111111", slug: Some("acme") };
    let done = transforms.apply_batch(signal, bytes, &context, &mut Scratch::default()).unwrap();
    crate::wire::walk(signal, &done.bytes, &mut Nothing).unwrap();
    done
}

struct Nothing;
impl crate::wire::Visitor for Nothing {}

fn val(value: Any) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn pair(key: &str, value: AnyValue) -> KeyValue {
    KeyValue { key: key.into(), value: Some(value), ..Default::default() }
}

fn text(text: &str) -> AnyValue {
    val(Any::StringValue(text.into()))
}

fn logs(records: Vec<LogRecord>) -> ExportLogsServiceRequest {
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(Resource {
                attributes: vec![pair("service.name", text("shop"))],
                ..Default::default()
            }),
            scope_logs: vec![ScopeLogs {
                scope: Some(InstrumentationScope { name: "lib".into(), ..Default::default() }),
                log_records: records,
                ..Default::default()
            }],
            ..Default::default()
        }],
    }
}

fn encode(request: &impl Message) -> Bytes {
    request.encode_to_vec().into()
}

fn records(bytes: &Bytes) -> Vec<LogRecord> {
    let request = ExportLogsServiceRequest::decode(bytes.clone()).unwrap();
    request.resource_logs.into_iter().flat_map(|r| r.scope_logs).flat_map(|s| s.log_records).collect()
}

/// Scenario: every kind of mistake in one file. Guarantee: each has file, line, column, its path and
/// what is expected.
#[test]
fn mistakes_have_a_place() {
    let yaml = r#"transforms:
  - name: a
    signal: traces
    where:
      any:
        - field: bodi
          equals: 1
        - field: attributes.x
          matches: "(x"
        - equals: 2
    do:
      - rename: {from: attributes.a, to: resource.a}
      - set: {field: atributes.a, value: 1}
      - sample: {rate: 1.5}
      - remove: [attributes.x, attributes.Tenant_ID]
      - lowercase: severity_text
      - parse_json: {from: attributes.x, into: scope.name}
  - name: a
    do:
      - coerce: {field: trace_id, to: int}
      - rename: {from: body, to: body.a}
      - copy: {from: body, to: attributes}
"#;
    let errors = try_compile(yaml).unwrap_err();
    for expected in [
        "t.yaml:6:18: transforms[0].where.any[0].field: expected a field that begins with one of body, attributes,",
        "did you mean \"body\"?",
        "t.yaml:9:20: transforms[0].where.any[1].matches: not a regular expression: error: unclosed group",
        "t.yaml:10:11: transforms[0].where.any[2]: equals, in, matches and exists need a field",
        "t.yaml:12:42: transforms[0].do[0].rename.to: the resource is shared",
        "t.yaml:13:22: transforms[0].do[1].set.field: expected a field",
        "did you mean \"attributes\"?",
        "t.yaml:14:24: transforms[0].do[2].sample.rate: expected a share from 0 to 1",
        "t.yaml:15:32: transforms[0].do[3].remove[1]: this attribute names the tenant",
        "t.yaml:16:20: transforms[0].do[4].lowercase: a span has no such field",
        "t.yaml:17:48: transforms[0].do[5].parse_json.into: the scope is shared",
        "t.yaml:18:11: transforms[1].name: another transform has this name",
        "t.yaml:20:25: transforms[1].do[0].coerce.field: ids join records",
        "t.yaml:21:34: transforms[1].do[1].rename.to: a field cannot be moved into itself",
        "t.yaml:22:32: transforms[1].do[2].copy.to: expected one attribute",
    ] {
        assert!(errors.contains(expected), "{expected}\nnot in\n{errors}");
    }
    assert_eq!(errors.lines().count(), 13, "{errors}");
}

/// Scenario: operations and arguments that do not exist. Guarantee: place, and what was meant.
#[test]
fn unknown_operations_have_a_hint() {
    let error =
        try_compile("transforms:\n  - name: a\n    do:\n      - renam: {from: a, to: b}\n").unwrap_err();
    assert!(error.starts_with("t.yaml:4:") && error.contains("did you mean \"rename\"?"), "{error}");
    let error =
        try_compile("transforms:\n  - name: a\n    do:\n      - rename: {frm: a, to: b}\n").unwrap_err();
    assert!(
        error.starts_with(
            "t.yaml:4:18: transforms[0].do[0].rename.frm: unknown field; did you mean \"from\"?"
        ),
        "{error}"
    );
    let error = try_compile("transforms:\n  - name: a\n    were: {}\n    do: [drop]\n").unwrap_err();
    assert!(
        error.contains("t.yaml:3:5: transforms[0].were: unknown field; did you mean \"where\"?"),
        "{error}"
    );
}

/// Scenario: each operation on a plain record. Guarantee: what its documentation says.
#[test]
fn operations_do_what_they_say() {
    let record = |body: Value, attributes: Value| json!({"body": body, "attributes": attributes});
    for (operation, before, after) in [
        (
            "parse_json: {}",
            record(json!("{\"a\": {\"b\": 9007199254740993}}"), json!({})),
            record(json!({"a": {"b": 9_007_199_254_740_993_i64}}), json!({})),
        ),
        ("parse_json: {}", record(json!("not json"), json!({})), record(json!("not json"), json!({}))),
        (
            "parse_json: {into: attributes}",
            record(json!("{\"a\": 1, \"b\": 2, \"Tenant_id\": 3, \"x-scope-orgid\": 4}"), json!({"a": 0})),
            record(
                json!("{\"a\": 1, \"b\": 2, \"Tenant_id\": 3, \"x-scope-orgid\": 4}"),
                json!({"a": 0, "b": 2}),
            ),
        ),
        (
            "parse_json: {from: attributes.j, into: body.x}",
            record(Value::Null, json!({"j": "[1]"})),
            record(json!({"x": [1]}), json!({"j": "[1]"})),
        ),
        (
            "parse_key_value: {}",
            record(json!("u=1 tenant_id=2"), json!({})),
            record(json!("u=1 tenant_id=2"), json!({"u": "1"})),
        ),
        (
            "rename: {from: attributes.a.b, to: body.c}",
            record(json!({}), json!({"a.b": 1})),
            record(json!({"c": 1}), json!({})),
        ),
        (
            "copy: {from: 'attributes[\"a\"].b', to: attributes.c}",
            record(json!(1), json!({"a": {"b": [1]}})),
            record(json!(1), json!({"a": {"b": [1]}, "c": [1]})),
        ),
        (
            "set: {field: attributes.a, value: {b: true}}",
            record(json!(1), json!({})),
            record(json!(1), json!({"a": {"b": true}})),
        ),
        (
            "set: {field: body.a.b, value: 1}",
            record(json!("text"), json!({})),
            record(json!("text"), json!({})),
        ),
        ("set: {field: 'body.a[0]', value: 1}", record(json!({}), json!({})), record(json!({}), json!({}))),
        (
            "remove: [attributes.a, 'body[0]', body.zzz]",
            record(json!([1, 2]), json!({"a": 1, "b": 2})),
            record(json!([2]), json!({"b": 2})),
        ),
        (
            "coerce: {field: attributes.a, to: int}",
            record(json!(1), json!({"a": "7"})),
            record(json!(1), json!({"a": 7})),
        ),
        ("lowercase: body", record(json!("ÄB"), json!({})), record(json!("äb"), json!({}))),
        (
            "keep_only: [attributes.a, 'attributes[\"m\"].x', body.u.id]",
            record(
                json!({"u": {"id": 1, "mail": 2}, "v": 3}),
                json!({"a": 1, "b": 2, "m": {"x": 1, "y": 2}, "tenant_id": "t"}),
            ),
            record(json!({"u": {"id": 1}}), json!({"a": 1, "m": {"x": 1}, "tenant_id": "t"})),
        ),
        ("sample: {rate: 1}", record(json!(1), json!({})), record(json!(1), json!({}))),
    ] {
        assert_eq!(run(operation, before), after, "{operation}");
    }
    assert_eq!(
        run("set: {field: severity_text, value: 5}", json!({"body": 1})),
        json!({"body": 1, "severity_text": "5"})
    );
    assert_eq!(run("copy: {from: body, to: severity_number}", json!({"body": 99})), json!({"body": 99}));
    assert_eq!(
        run(
            "copy: {from: resource.service.name, to: attributes.s}",
            json!({"resource": {"service.name": "x"}, "attributes": {}})
        ),
        json!({"resource": {"service.name": "x"}, "attributes": {"s": "x"}})
    );
}

/// Scenario: a record that would double with every operation. Guarantee: it stops growing.
#[test]
fn copies_cannot_grow_without_bound() {
    let many = [
        "copy: {from: body, to: attributes.a}",
        "copy: {from: 'attributes[\"a\"]', to: 'attributes[\"b\"].x'}",
        "copy: {from: 'attributes[\"b\"]', to: 'attributes[\"a\"].y'}",
    ];
    let operations: Vec<String> =
        (0..60).map(|i| format!("{{{}}}", many[if i == 0 { 0 } else { 1 + i % 2 }])).collect();
    let after = run(&operations.join(", "), json!({"body": {"k": "x".repeat(1000)}}));
    assert!(after.to_string().len() < 3 * crate::limits::TRANSFORM_GROWTH_BYTES);
    let deep = format!("{}1{}", "[".repeat(40), "]".repeat(40));
    assert_eq!(run("parse_json: {}", json!({"body": deep})), json!({"body": deep}));
}

/// Scenario: selectors on one record. Guarantee: they pick it, or not, as documented.
#[test]
fn selectors_pick() {
    let value = json!({
        "resource": {"service.name": "shop"}, "scope": {"name": "lib", "version": "1"},
        "body": {"user": {"id": 7}}, "attributes": {"http.status": 404, "route": "/A"}, "trace_id": "00ff",
    });
    let context = Context { tenant_id: "t-1", slug: Some("acme") };
    for (selector, picks) in [
        ("{}", true),
        ("{tenant: acme}", true),
        ("{tenant: [T-1, x]}", true),
        ("{tenant: other}", false),
        ("{service: shop, tenant: acme}", true),
        ("{service: [other]}", false),
        ("{field: attributes.http.status, equals: 404}", true),
        ("{field: attributes.http.status, equals: 404.0}", true),
        ("{field: attributes.http.status, equals: '404'}", false),
        ("{field: attributes.http.status, in: [1, 404]}", true),
        ("{field: attributes.route, matches: '^/[[:upper:]]$'}", true),
        ("{field: attributes.route, matches: '(?i)a'}", true),
        ("{field: attributes.http.status, matches: '4'}", false),
        ("{field: body.user.id, exists: true}", true),
        ("{field: body.user.mail, exists: false}", true),
        ("{field: trace_id, equals: 00ff}", true),
        ("{not: {field: scope.version, equals: '1'}}", false),
        ("{all: [{service: shop}, {field: name, exists: true}]}", false),
        ("{any: [{service: none}, {field: scope.name, equals: lib}]}", true),
        ("{any: []}", false),
    ] {
        let transforms =
            try_compile(&format!("transforms: [{{name: t, where: {selector}, do: [drop]}}]")).unwrap();
        let verdict = transforms.apply(Signal::Logs, &mut Record::from_value(value.clone()), &context);
        assert_eq!(verdict != Verdict::Keep, picks, "{selector}");
    }
}

/// Scenario: a batch of which one record is picked and changed. Guarantee: that one is as prost
/// would write it, the others keep their bytes.
#[test]
fn only_picked_records_are_rewritten() {
    let odd = val(Any::KvlistValue(KeyValueList {
        values: vec![
            pair("bytes", val(Any::BytesValue(vec![0, 255]))),
            pair("nan", val(Any::DoubleValue(f64::NAN))),
            pair("none", AnyValue::default()),
            pair("big", val(Any::IntValue(i64::MAX))),
            pair("one", val(Any::DoubleValue(1.0))),
            pair("list", val(Any::ArrayValue(ArrayValue { values: vec![val(Any::BytesValue(vec![1]))] }))),
            pair("\0any", text("AA==")),
            pair("gone", text("x")),
        ],
    }));
    let one = LogRecord {
        time_unix_nano: 5,
        severity_number: 9,
        body: Some(odd.clone()),
        attributes: vec![pair("pick", text("me")), pair("b", val(Any::BytesValue(vec![9])))],
        flags: 1,
        trace_id: vec![1; 16],
        ..Default::default()
    };
    let two = LogRecord { body: Some(odd), ..Default::default() };
    let request = logs(vec![two.clone(), one.clone(), two.clone()]);
    let transforms = try_compile(
        "transforms: [{name: t, where: {field: attributes.pick, equals: me}, do: [remove: body.gone, set: {field: attributes.pick, value: 3}, set: {field: event_name, value: e}, copy: {from: 'attributes[\"b\"]', to: attributes.c}]}]",
    )
    .unwrap();
    let done = batch(&transforms, Signal::Logs, encode(&request));
    assert_eq!((done.changed, done.dropped), (1, 0));
    let mut expected = one;
    if let Some(AnyValue { value: Some(Any::KvlistValue(list)) }) = &mut expected.body {
        list.values.pop();
        list.values.sort_by(|a, b| a.key.cmp(&b.key));
    }
    expected.attributes[0] = pair("pick", val(Any::IntValue(3)));
    expected.attributes.push(pair("c", val(Any::BytesValue(vec![9]))));
    expected.event_name = "e".into();
    let mut found = records(&done.bytes);
    if let Some(AnyValue { value: Some(Any::KvlistValue(list)) }) = &mut found[1].body {
        list.values.sort_by(|a, b| a.key.cmp(&b.key));
    }
    // NaN is not equal to itself: the debug texts are.
    assert_eq!(format!("{:?}", found[1]), format!("{expected:?}"));
    assert_eq!(found[0].encode_to_vec(), two.encode_to_vec());
    assert_eq!(format!("{:?}", found[2]), format!("{two:?}"));
}

/// Scenario: records, spans and points are dropped, some scopes and metrics emptied. Guarantee: counts
/// add up, no empty envelope is left, and a request with nothing left has no bytes.
#[test]
fn dropped_items_leave_no_envelopes() {
    let drop_a = try_compile(
        "transforms: [{name: noise, where: {any: [{field: attributes.k, equals: a}]}, do: [drop]}]",
    )
    .unwrap();
    let keyed = |key: &str| vec![pair("k", text(key))];
    let log = |key: &str| LogRecord { attributes: keyed(key), ..Default::default() };
    let done = batch(&drop_a, Signal::Logs, encode(&logs(vec![log("a"), log("b"), log("a")])));
    assert_eq!((done.dropped, done.by_transform), (2, vec![("noise".into(), 2)]));
    assert_eq!(records(&done.bytes), vec![log("b")]);
    assert!(batch(&drop_a, Signal::Logs, encode(&logs(vec![log("a")]))).bytes.is_empty());
    let empty = encode(&logs(vec![]));
    assert_eq!(batch(&drop_a, Signal::Logs, empty.clone()).bytes, empty);

    let span = |key: &str| Span { attributes: keyed(key), name: "n".into(), ..Default::default() };
    let spans = |spans: Vec<Vec<Span>>| ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: spans.into_iter().map(|spans| ScopeSpans { spans, ..Default::default() }).collect(),
            ..Default::default()
        }],
    };
    let done =
        batch(&drop_a, Signal::Traces, encode(&spans(vec![vec![span("a")], vec![span("b"), span("a")]])));
    assert_eq!(done.bytes, encode(&spans(vec![vec![span("b")]])));

    let point = |key: &str| NumberDataPoint { attributes: keyed(key), ..Default::default() };
    let metrics = |metrics: Vec<Vec<NumberDataPoint>>| ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            scope_metrics: vec![ScopeMetrics {
                metrics: metrics
                    .into_iter()
                    .map(|data_points| Metric {
                        name: "m".into(),
                        data: Some(Data::Gauge(Gauge { data_points })),
                        ..Default::default()
                    })
                    .collect(),
                ..Default::default()
            }],
            ..Default::default()
        }],
    };
    let done = batch(
        &drop_a,
        Signal::Metrics,
        encode(&metrics(vec![vec![point("a"), point("a")], vec![point("b"), point("a")], vec![point("a")]])),
    );
    assert_eq!((done.dropped, done.bytes), (4, encode(&metrics(vec![vec![point("b")]]))));
}

/// Scenario: a third of many records is asked for. Guarantee: about a third is kept, the same ones
/// every time, and a trace or a key is never cut in two.
#[test]
fn samples_are_fair_and_stable() {
    let transforms = compile("sample: {rate: 0.3, key: attributes.session}");
    let keep = |value: Value| {
        transforms.apply(Signal::Logs, &mut Record::from_value(value), &Context::default()) == Verdict::Keep
    };
    for shape in [
        (|i| json!({"body": format!("record {i}")})) as fn(u64) -> Value,
        |i| json!({"trace_id": format!("{:032x}", u128::from(i).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))}),
        |i| json!({"attributes": {"session": i}, "body": i % 7}),
    ] {
        let kept = (0..4000).filter(|i| keep(shape(*i))).count();
        assert!((1080..1320).contains(&kept), "{kept}");
    }
    for i in 0..100 {
        assert_eq!(
            keep(json!({"attributes": {"session": i}, "body": "one"})),
            keep(json!({"attributes": {"session": i}, "body": "two", "trace_id": "ff"}))
        );
    }
    assert_eq!(run("sample: {rate: 1}", json!({"body": 1})), json!({"body": 1}));
    let none = compile("sample: {rate: 0}");
    assert_eq!(
        none.apply(Signal::Logs, &mut Record::from_value(json!({})), &Context::default()),
        Verdict::Sampled("t".into())
    );
}

/// Scenario: transforms of one signal only. Guarantee: the bytes of others are the same memory.
#[test]
fn other_signals_are_not_touched() {
    let transforms = try_compile("transforms: [{name: t, signal: traces, do: [drop]}]").unwrap();
    let bytes = encode(&logs(vec![LogRecord::default()]));
    let done = batch(&transforms, Signal::Logs, bytes.clone());
    assert_eq!(done.bytes.as_ptr(), bytes.as_ptr());
    assert!(transforms.is_empty(Signal::Logs) && !transforms.is_empty(Signal::Traces));
}

fn any_value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        Just(AnyValue::default()),
        "[a-c{}\":=, ]{0,8}".prop_map(|s| val(Any::StringValue(s))),
        any::<bool>().prop_map(|v| val(Any::BoolValue(v))),
        any::<i64>().prop_map(|v| val(Any::IntValue(v))),
        any::<f64>().prop_map(|v| val(Any::DoubleValue(v))),
        proptest::collection::vec(any::<u8>(), 0..4).prop_map(|v| val(Any::BytesValue(v))),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3)
                .prop_map(|values| val(Any::ArrayValue(ArrayValue { values }))),
            proptest::collection::vec(("[abc\0]{1,2}", inner), 0..3).prop_map(|pairs| {
                let values = pairs.into_iter().map(|(key, value)| pair(&key, value)).collect();
                val(Any::KvlistValue(KeyValueList { values }))
            }),
        ]
    })
}

fn any_log() -> impl Strategy<Value = LogRecord> {
    (
        proptest::option::of(any_value()),
        proptest::collection::vec(("[abc\0]{1,2}", any_value()), 0..4),
        -2..30i32,
        "[A-Z]{0,3}",
        any::<[u8; 16]>(),
    )
        .prop_map(|(body, attributes, severity_number, severity_text, id)| LogRecord {
            body,
            attributes: attributes.into_iter().map(|(key, value)| pair(&key, value)).collect(),
            severity_number,
            severity_text,
            trace_id: id.to_vec(),
            ..Default::default()
        })
}

fn any_operation() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "parse_json: {}",
        "parse_json: {from: attributes.a, into: attributes}",
        "parse_key_value: {}",
        "parse_key_value: {from: attributes.b, into: body.c, delimiter: ',', separator: ':'}",
        "rename: {from: attributes.a, to: body.a.b}",
        "rename: {from: body, to: attributes.a}",
        "rename: {from: 'attributes[\"a\"].b', to: attributes.b}",
        "copy: {from: body, to: attributes.b}",
        "copy: {from: body, to: severity_text}",
        "set: {field: body.c, value: {a: [1, x, null]}}",
        "set: {field: severity_number, value: 3}",
        "remove: [attributes.a, 'body[0]', body.a.b]",
        "coerce: {field: attributes.a, to: string}",
        "coerce: {field: body, to: int}",
        "lowercase: [severity_text, body]",
        "keep_only: [attributes.a, body.a]",
        "sample: {rate: 0.9}",
    ])
}

fn any_selector() -> impl Strategy<Value = String> {
    let leaf = (
        proptest::sample::select(vec![
            "body",
            "body.a",
            "'body[0]'",
            "attributes.a",
            "'attributes[\"a\"].b'",
            "attributes.bc",
            "severity_text",
            "severity_number",
            "trace_id",
            "resource.service.name",
            "scope.name",
            "scope.version",
            "event_name",
            "name",
        ]),
        proptest::sample::select(vec![
            "exists: true",
            "exists: false",
            "equals: 0",
            "equals: ''",
            "in: [a, 9, true, null]",
            "matches: '[a-s]'",
        ]),
    )
        .prop_map(|(field, test)| format!("{{field: {field}, {test}}}"));
    leaf.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|part| format!("{{not: {part}}}")),
            proptest::collection::vec(inner.clone(), 1..3)
                .prop_map(|parts| format!("{{all: [{}]}}", parts.join(", "))),
            proptest::collection::vec(inner, 1..3)
                .prop_map(|parts| format!("{{any: [{}]}}", parts.join(", "))),
        ]
    })
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[\\PC\0]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("body|attributes|a|b|c|severity_text|\0any", inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Scenario: any records, any operations. Guarantee: sound OTLP comes out, with as many records
    /// as the counts say, and what no operation can touch is as it was.
    #[test]
    fn batches_stay_sound(
        sent in proptest::collection::vec(any_log(), 0..5),
        operations in proptest::collection::vec(any_operation(), 1..5),
    ) {
        let transforms = compile(&operations.join(", "));
        let bytes = encode(&logs(sent.clone()));
        let done = batch(&transforms, Signal::Logs, bytes);
        let kept = records(&done.bytes);
        prop_assert_eq!(kept.len() + (done.dropped + done.sampled) as usize, sent.len());
        for record in kept {
            prop_assert!(sent.iter().any(|one| one.trace_id == record.trace_id));
        }
    }

    /// Scenario: operations that change nothing. Guarantee: the bytes are the same.
    #[test]
    fn operations_without_effect_leave_the_bytes(
        sent in proptest::collection::vec(any_log(), 0..4),
        operation in proptest::sample::select(vec![
            "remove: [attributes.none, body.none]", "rename: {from: attributes.none, to: attributes.a}",
            "copy: {from: scope.version, to: attributes.a}", "coerce: {field: attributes.none, to: int}",
            "lowercase: event_name", "sample: {rate: 1}", "keep_only: [attributes, body]", "parse_json: {from: attributes.none}",
        ]),
    ) {
        let bytes = encode(&logs(sent));
        let done = batch(&compile(operation), Signal::Logs, bytes.clone());
        prop_assert_eq!(done.bytes, bytes);
        prop_assert_eq!(done.changed, 0);
    }

    /// Scenario: a field goes away and comes back. Guarantee: the record means what it meant, types included.
    #[test]
    fn a_rename_and_its_reverse_cancel(sent in proptest::collection::vec(any_log(), 1..4)) {
        let sent: Vec<LogRecord> = sent.into_iter().map(|mut log| {
            let mut seen = std::collections::BTreeSet::new();
            log.attributes.retain(|pair| seen.insert(pair.key.clone()));
            log
        }).collect();
        let there = "rename: {from: attributes.a, to: attributes.moved}, rename: {from: attributes.moved, to: attributes.a}";
        let done = batch(&compile(there), Signal::Logs, encode(&logs(sent.clone())));
        let sorted = |mut log: LogRecord| {
            log.attributes.sort_by(|a, b| a.key.cmp(&b.key));
            log.attributes.iter_mut().for_each(|pair| pair.value.iter_mut().for_each(settle));
            format!("{log:?}")
        };
        let before: Vec<String> = sent.into_iter().map(sorted).collect();
        let after: Vec<String> = records(&done.bytes).into_iter().map(sorted).collect();
        prop_assert_eq!(before, after);
    }

    /// Scenario: any selector on any record. Guarantee: it reads bytes and values alike.
    #[test]
    fn selectors_see_the_same_in_bytes_and_in_values(log in any_log(), selector in any_selector()) {
        let transforms = try_compile(&format!("transforms: [{{name: t, where: {selector}, do: [drop]}}]")).unwrap();
        let bytes = encode(&logs(vec![log]));
        // The first transform changes nothing but makes values of the record.
        let second = try_compile(&format!(
            "transforms: [{{name: s, do: [sample: {{rate: 1}}]}}, {{name: t, where: {selector}, do: [drop]}}]"
        )).unwrap();
        let raw = batch(&transforms, Signal::Logs, bytes.clone()).dropped;
        prop_assert_eq!(raw, batch(&second, Signal::Logs, bytes).dropped);
    }

    /// Scenario: any JSON as a record. Guarantee: no panic, and reading it back is the same JSON twice.
    #[test]
    fn any_json_is_survived(value in any_json(), operations in proptest::collection::vec(any_operation(), 1..6)) {
        let transforms = compile(&operations.join(", "));
        let run = |value: Value| {
            let mut record = Record::from_value(value);
            let verdict = transforms.apply(Signal::Logs, &mut record, &Context::default());
            (verdict, record.to_value())
        };
        prop_assert_eq!(run(value.clone()), run(value));
    }
}

/// Puts the members of maps in order, the last of a name only: as a map of JSON has them.
fn settle(value: &mut AnyValue) {
    match &mut value.value {
        Some(Any::ArrayValue(list)) => list.values.iter_mut().for_each(settle),
        Some(Any::KvlistValue(list)) => {
            let mut members = std::collections::BTreeMap::new();
            for pair in std::mem::take(&mut list.values) {
                members.insert(pair.key.clone(), pair);
            }
            list.values = members.into_values().collect();
            list.values.iter_mut().for_each(|pair| pair.value.iter_mut().for_each(settle));
        }
        _ => {}
    }
}
