//! Batches of log records, encoded before the clock starts.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
    time::SystemTime,
};

use bytes::Bytes;
use opentelemetry_proto::tonic::{
    collector::logs::v1::ExportLogsServiceRequest,
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    resource::v1::Resource,
};
use prost::Message;

/// Most lines that are read of a corpus.
const LINES: usize = 200_000;
/// Most bytes that are taken of a line.
const LINE_BYTES: usize = 4096;

/// The lines of a corpus.
///
/// # Errors
/// The file cannot be read, or has no lines.
pub fn corpus(file: &Path) -> Result<Vec<String>, String> {
    let wrong = |error: std::io::Error| format!("{}: {error}", file.display());
    let mut reader = BufReader::new(File::open(file).map_err(wrong)?);
    let (mut lines, mut line) = (Vec::new(), Vec::new());
    while lines.len() < LINES {
        line.clear();
        if reader.read_until(b'\n', &mut line).map_err(wrong)? == 0 {
            break;
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        if !text.is_empty() {
            lines.push(text.chars().take(LINE_BYTES).collect());
        }
    }
    if lines.is_empty() { Err(format!("{}: no lines", file.display())) } else { Ok(lines) }
}

/// Lines of about 140 bytes; two in a hundred hold something to take out.
pub fn generated() -> Vec<String> {
    (0..20_000u64)
        .map(|n| {
            let (a, b) = (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40, n * 37 % 1000);
            match n % 50 {
                0 => format!("INFO  orders.Mailer - receipt for order {a} sent to ada.lovelace{n}@mailbox-sample.org in {b} ms, attempt 1 of 3, template receipt-v2"),
                25 => format!("WARN  net.Gateway - connection from 94.23.{}.{} closed by peer after {b} ms, {a} bytes read, keepalive expired, worker 7", a % 250, b % 250),
                x if x % 4 == 1 => format!("INFO  orders.Checkout - placed order {a} in {b}.{:03} ms status=200 lines={} currency=EUR warehouse=north-{} cache=hit", a % 1000, b % 9, b % 5),
                x if x % 4 == 2 => format!("{{\"level\":\"info\",\"msg\":\"cache refreshed\",\"keys\":{a},\"took_us\":{b},\"node\":\"cache-{}\",\"epoch\":{},\"shard\":\"s{}\"}}", b % 9, a % 77, b % 16),
                x if x % 4 == 3 => format!("DEBUG jobs.Runner - picked job {a} of queue default after {b} ms, {} waiting, thread pool-{}-thread-{}, retries left 3", b % 40, b % 4, b % 12),
                _ => format!("INFO  http.Access - GET /api/v2/projects/{a}/tasks?page={} 200 {b} ms {} bytes worker={} upstream=app-{}", b % 20, a % 90_000, b % 8, b % 3),
            }
        })
        .collect()
}

/// `count` encoded requests of `records` log records each, the tenants in turn; `tenant` as attribute
/// of the resource where there is one.
pub fn encode(lines: &[String], count: usize, records: usize, tenants: &[String]) -> Vec<Bytes> {
    let mut line = lines.iter().cycle();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
    (0..count)
        .map(|batch| {
            let mut attributes = vec![
                text("service.name", "checkout"),
                text("service.version", "4.12.0"),
                text("host.name", "node-17.eu-central.internal"),
                text("deployment.environment.name", "production"),
            ];
            if !tenants.is_empty() {
                attributes.push(text("tenant_id", &tenants[batch % tenants.len()]));
            }
            let log_records = (0..records)
                .map(|number| {
                    let serial = (batch * records + number) as u64 + 1;
                    record(line.next().map_or("", String::as_str), now + serial, serial)
                })
                .collect();
            let scope = InstrumentationScope { name: "bench".into(), ..Default::default() };
            let scope_logs = vec![ScopeLogs { scope: Some(scope), log_records, ..Default::default() }];
            let resource = Some(Resource { attributes, ..Default::default() });
            let group = ResourceLogs { resource, scope_logs, ..Default::default() };
            ExportLogsServiceRequest { resource_logs: vec![group] }.encode_to_vec().into()
        })
        .collect()
}

fn record(line: &str, time: u64, serial: u64) -> LogRecord {
    let trace = u128::from(serial).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    LogRecord {
        time_unix_nano: time,
        observed_time_unix_nano: time + 1000,
        severity_number: 9,
        severity_text: "INFO".into(),
        body: Some(AnyValue { value: Some(Value::StringValue(line.to_owned())) }),
        attributes: vec![
            text("log.file.path", "/var/log/checkout/current.log"),
            text("thread.name", &format!("pool-1-thread-{}", serial % 32)),
            text("code.function.name", "Checkout::PlaceOrder"),
            integer("log.record.sequence", serial),
        ],
        trace_id: trace.to_be_bytes().to_vec(),
        span_id: serial.to_be_bytes().to_vec(),
        ..Default::default()
    }
}

pub(super) fn text(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(value.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..Default::default() }
}

pub(super) fn integer(key: &str, value: u64) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::IntValue(value as i64)) });
    KeyValue { key: key.to_owned(), value, ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: batches for two tenants. Guarantee: they decode, differ, name their tenants in turn, and a
    /// record has the size that is promised.
    #[test]
    fn batches_are_as_promised() {
        let tenants = ["one".to_owned(), "two".to_owned()];
        let batches = encode(&generated(), 4, 500, &tenants);
        assert!(batches[0] != batches[1] && batches[0] != batches[2]);
        for (number, batch) in batches.iter().enumerate() {
            let request = ExportLogsServiceRequest::decode(&batch[..]).unwrap();
            assert_eq!(request.resource_logs[0].scope_logs[0].log_records.len(), 500);
            let named = request.resource_logs[0].resource.as_ref().unwrap().attributes.last().unwrap();
            assert_eq!(*named, text("tenant_id", &tenants[number % 2]));
            assert!((330..420).contains(&(batch.len() / 500)), "{}", batch.len() / 500);
        }
    }
}
