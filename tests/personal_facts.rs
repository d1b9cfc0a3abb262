//! What detection is told of personal data in fields, from the bytes of a request on.

use opentelemetry_proto::tonic::{
    collector::logs::v1::ExportLogsServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value::Value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    resource::v1::Resource,
};
use portcullis::{
    batch::Signal,
    config::{Document, Options},
    detect::{Observation, fact::Fact},
    gateway::{
        Format,
        path::{self, Request, Scratch},
    },
    identify::{Admission, catalogue, factory, traces::Traces},
    policy::Policy,
};
use prost::Message;

fn pair(key: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(Value::StringValue(value.into())) };
    KeyValue { key: key.into(), value: Some(value), ..KeyValue::default() }
}

fn request(tenant: &str, payload: &str) -> bytes::Bytes {
    let record = LogRecord {
        attributes: vec![pair("payload", payload), pair("other", "words of a program")],
        trace_id: vec![0xab; 16],
        ..LogRecord::default()
    };
    let group = ResourceLogs {
        resource: Some(Resource {
            attributes: vec![pair("service.name", "worker"), pair("tenant_id", tenant)],
            ..Resource::default()
        }),
        scope_logs: vec![ScopeLogs { log_records: vec![record], ..ScopeLogs::default() }],
        ..ResourceLogs::default()
    };
    ExportLogsServiceRequest { resource_logs: vec![group] }.encode_to_vec().into()
}

/// Scenario: three clean records of a tenant, then one with an address in a field. Guarantee: the clean ones say nothing
/// of it; the last gives one observation of that tenant, service and trace, with one fact of that field and the clean
/// texts before, and the address is nowhere in it.
#[test]
fn a_find_becomes_one_fact_of_its_tenant() {
    let here = tempfile::tempdir().unwrap();
    let text = format!("buffer: {{ directory: {} }}\nidentity: {{ mode: enforce }}\n", here.path().display());
    let document = Document::parse("bed", &text, Options::data()).unwrap();
    let listed = [factory::tenant("acme")];
    let catalogue = catalogue::parse("bed", &factory::catalogue(&listed)).unwrap();
    let policy = Policy::compile(&document, catalogue, None).unwrap();
    let (admission, mut scratch) = (Admission::default(), Scratch::default());
    let traces = std::sync::Arc::new(Traces::new(1 << 20));
    let mut facts = |payload: &str| {
        let request = Request {
            signal: Signal::Logs,
            format: Format::Protobuf,
            body: request("acme", payload),
            claims: None,
            headers: &[],
            baggage: None,
            entered: None,
            traces: &traces,
            may_wait: false,
            now: 1_772_694_000_000_000_000,
        };
        let mut seen: Vec<Observation> = Vec::new();
        let looked = path::run(&policy, &admission, &mut scratch, request, |more| seen.extend(more)).unwrap();
        let path::Looked::Done(done) = looked else { panic!("it waits, though nobody inherits") };
        assert_eq!(done.accepted.len(), 1);
        let personal = |o: &Observation| o.facts.iter().any(|fact| matches!(fact, Fact::Personal { .. }));
        seen.retain(personal);
        (seen, done.accepted[0].batch.tenant)
    };
    for _ in 0..3 {
        assert!(facts("[FILTERED]").0.is_empty());
    }
    let (seen, tenant) = facts("jane@example.com");
    assert_eq!(seen.len(), 1);
    assert_eq!((&*seen[0].service, seen[0].tenant, seen[0].trace), ("worker", Some(tenant), [0xab; 16]));
    let [Fact::Personal { field, clean: 3, found: 1, .. }] = &seen[0].facts[..] else {
        panic!("{:?}", seen[0].facts)
    };
    assert_eq!(&**field, "payload");
    assert!(!format!("{seen:?}").contains("jane"));
}
