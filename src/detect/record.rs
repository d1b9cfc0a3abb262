//! A finding as an OTLP log record, so that it travels where logs travel.

use bytes::Bytes;
use opentelemetry_proto::tonic::{
    collector::logs::v1::ExportLogsServiceRequest,
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    resource::v1::Resource,
};
use prost::Message;

use super::{few::Few, finding::Finding, fingerprint::Fingerprint};

/// `event.name` of a finding's record.
pub const EVENT_NAME: &str = "portcullis.finding";

/// One `ExportLogsServiceRequest` with one record.
pub fn otlp(finding: &Finding) -> Bytes {
    let tenant = finding.tenant.to_string();
    let mut attributes = vec![
        text("event.name", EVENT_NAME),
        text("tenant_id", &tenant),
        text("portcullis.finding.id", &finding.id_hex()),
        text("portcullis.finding.status", finding.status.as_str()),
        text("portcullis.finding.class", finding.class.as_str()),
        text("portcullis.finding.severity", finding.severity.as_str()),
        text("portcullis.finding.confidence", finding.confidence.as_str()),
        number("portcullis.finding.count", finding.count),
        number("portcullis.finding.first_seen", finding.first_seen),
        number("portcullis.finding.last_seen", finding.last_seen),
    ];
    let listed = |texts: Vec<String>| (!texts.is_empty()).then(|| texts.join(","));
    let prints = |few: &Few<Fingerprint, 4>| listed(few.iter().map(|print| print.to_string()).collect());
    let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let optional = [
        (
            "portcullis.finding.also",
            listed(finding.also.iter().map(|class| class.as_str().to_owned()).collect()),
        ),
        (
            "portcullis.finding.tenants",
            listed(finding.tenants.iter().map(|tenant| tenant.to_string()).collect()),
        ),
        ("portcullis.finding.statement_id", finding.statement_id.map(|id| format!("{id:016x}"))),
        ("portcullis.finding.other_tenant_id", finding.other.map(|other| other.to_string())),
        ("portcullis.finding.service", said(&finding.service)),
        ("portcullis.finding.route", said(&finding.route)),
        ("portcullis.finding.field", said(&finding.field)),
        ("portcullis.finding.statement", finding.statement.as_deref().and_then(said)),
        ("portcullis.finding.trace_id", listed(finding.traces_hex())),
        ("portcullis.finding.resource_id", prints(&finding.objects)),
        ("portcullis.finding.principal", prints(&finding.principals)),
    ];
    for (key, value) in optional {
        attributes.extend(value.map(|value| text(key, &value)));
    }
    if finding.merged > 0 {
        attributes.push(number("portcullis.finding.merged", finding.merged));
    }
    // The record has no trace id of its own: it tells about that trace, it is not part of it.
    let record = LogRecord {
        time_unix_nano: finding.at,
        observed_time_unix_nano: finding.at,
        severity_number: finding.severity.number(),
        severity_text: finding.severity.as_str().to_ascii_uppercase(),
        body: Some(string(&finding.summary())),
        event_name: EVENT_NAME.to_owned(),
        attributes,
        ..LogRecord::default()
    };
    let scope = InstrumentationScope { name: "portcullis.detect".to_owned(), ..Default::default() };
    let resource = Resource {
        attributes: vec![text("service.name", "portcullis"), text("tenant_id", &tenant)],
        ..Resource::default()
    };
    let request = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(resource),
            scope_logs: vec![ScopeLogs {
                scope: Some(scope),
                log_records: vec![record],
                ..Default::default()
            }],
            ..ResourceLogs::default()
        }],
    };
    request.encode_to_vec().into()
}

fn string(value: &str) -> AnyValue {
    AnyValue { value: Some(Value::StringValue(value.to_owned())) }
}

fn text(key: &str, value: &str) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(string(value)), ..Default::default() }
}

fn number(key: &str, value: u64) -> KeyValue {
    let value = AnyValue { value: Some(Value::IntValue(i64::try_from(value).unwrap_or(i64::MAX))) };
    KeyValue { key: key.to_owned(), value: Some(value), ..Default::default() }
}
