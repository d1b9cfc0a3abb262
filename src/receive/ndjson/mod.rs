//! NDJSON: one JSON object a line becomes one OTLP log record.
//!
//! | keys of the object, the first one found is taken | becomes |
//! |---|---|
//! | `timestamp`, `time`, `@timestamp`, `ts` | `time_unix_nano`: RFC 3339 with an offset, or a number since 1970 in s, ms, us or ns, told apart by its size |
//! | `level`, `severity`, `severity_text`, `log.level` | `severity_text`, and `severity_number` where the word is known (`warn` is 13) or is a number of pino or bunyan (40 is 13) |
//! | `severity_number` | `severity_number`, 1 to 24 |
//! | `message`, `msg` of any type; `log`, `event` if text | the body |
//! | `trace_id`, `traceId`, `trace.id`; `span_id`, `spanId`, `span.id` | the ids, if hex of the right length and not all zero |
//! | `service.name`, `service` if text | `service.name` of the resource |
//! | everything else, tenants among it | an attribute under its own key; objects become key-value lists, arrays become arrays |
//!
//! A key whose value does not fit its rule is not lost: it stays as an attribute. `observed_time_unix_nano`
//! is the time of the call. Of a key that stands twice in one object, the last counts. Whole numbers beyond
//! 64 signed bits become text. Empty lines are skipped. A line that is not a JSON object, is longer than
//! [`limits::NDJSON_LINE_BYTES`], or is nested deeper than [`MAX_NESTING`] is rejected alone, and reported
//! by its number, never by its text. Past [`limits::NDJSON_SERVICES`] services in one request, `service.name`
//! stays on the record.

mod time;
mod value;

use std::collections::HashMap;

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::{limits, receipt::Refusal, wire::put};

/// Levels of objects and arrays in a line. One level is three protobuf messages, and the record itself lies
/// in six, so that all of it stays within [`limits::DEPTH`].
pub const MAX_NESTING: usize = (limits::DEPTH - 8) / 3;

/// What a body became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transcoded {
    /// An `ExportLogsServiceRequest`; empty if no line was good.
    pub bytes: Bytes,
    /// Log records in `bytes`.
    pub items: u32,
    /// Lines that were not taken.
    pub rejected_lines: u32,
    /// The first of them.
    pub first_error: Option<LineError>,
}

/// Why a line was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineError {
    /// Its number, from 1.
    pub line: u32,
    /// What was expected; never its text.
    pub reason: &'static str,
}

impl std::fmt::Display for LineError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

/// Turns NDJSON into an `ExportLogsServiceRequest`.
///
/// # Errors
/// [`Refusal::TooLarge`] if the result is over [`limits::REQUEST_BYTES`].
pub fn transcode(body: &[u8]) -> Result<Transcoded, Refusal> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    transcode_at(body, u64::try_from(since.as_nanos()).unwrap_or(0))
}

/// [`transcode`] at a given time, in nanoseconds since 1970.
///
/// # Errors
/// As [`transcode`].
pub fn transcode_at(body: &[u8], observed: u64) -> Result<Transcoded, Refusal> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let mut resources = Resources::default();
    let mut record = Vec::new();
    let (mut items, mut rejected_lines, mut first_error, mut size) = (0, 0, None, 0);
    for (line, number) in body.split(|byte| *byte == b'\n').zip(1..) {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        match parse(line) {
            Ok(object) => {
                record.clear();
                let service = write_record(object, observed, &mut record);
                size += record.len() + resources.push(service, &record);
                if size > limits::REQUEST_BYTES {
                    return Err(Refusal::TooLarge(format!(
                        "the events are over the limit of {} bytes as log records; send fewer lines",
                        limits::REQUEST_BYTES
                    )));
                }
                items += 1;
            }
            Err(reason) => {
                rejected_lines += 1;
                first_error.get_or_insert(LineError { line: number, reason });
            }
        }
    }
    Ok(Transcoded { bytes: resources.finish().into(), items, rejected_lines, first_error })
}

fn parse(line: &[u8]) -> Result<Map<String, Value>, &'static str> {
    if line.len() > limits::NDJSON_LINE_BYTES {
        return Err("longer than 1 MiB");
    }
    let object = match serde_json::from_slice(line) {
        Ok(Value::Object(object)) => object,
        Ok(_) => return Err("expected a JSON object"),
        Err(_) => return Err("expected JSON"),
    };
    if object.values().any(|value| deeper_than(value, MAX_NESTING)) {
        return Err("nested too deep");
    }
    Ok(object)
}

fn deeper_than(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(values) => levels == 0 || values.iter().any(|v| deeper_than(v, levels - 1)),
        Value::Object(values) => levels == 0 || values.values().any(|v| deeper_than(v, levels - 1)),
        _ => false,
    }
}

/// The log records of each service, in order of appearance. The entry without a name has no resource.
#[derive(Default)]
struct Resources {
    index: HashMap<Option<String>, usize>,
    scopes: Vec<(Option<String>, Vec<u8>)>,
}

impl Resources {
    /// Appends a record; returns the bytes that its envelope takes at most.
    fn push(&mut self, mut service: Option<String>, record: &[u8]) -> usize {
        let mut extra = 6;
        let mut with_service = None;
        if service.is_some()
            && self.scopes.len() >= limits::NDJSON_SERVICES
            && !self.index.contains_key(&service)
        {
            let mut record = record.to_vec();
            put::attribute(
                &mut record,
                LOG_ATTRIBUTES,
                "service.name",
                service.as_deref().unwrap_or_default(),
            );
            with_service = Some(record);
            service = None;
        }
        let record = with_service.as_deref().unwrap_or(record);
        let at = *self.index.entry(service).or_insert_with_key(|service| {
            extra += service.as_ref().map_or(0, String::len) + 64;
            self.scopes.push((service.clone(), Vec::new()));
            self.scopes.len() - 1
        });
        if let Some((_, scope)) = self.scopes.get_mut(at) {
            put::bytes(scope, 2, record);
        }
        extra
    }

    fn finish(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.scopes.iter().map(|(_, scope)| scope.len() + 128).sum());
        for (service, scope) in self.scopes {
            let mut group = Vec::with_capacity(scope.len() + 128);
            if let Some(service) = service {
                let mut resource = Vec::new();
                put::attribute(&mut resource, 1, "service.name", &service);
                put::bytes(&mut group, 1, &resource);
            }
            put::bytes(&mut group, 2, &scope);
            drop(scope);
            put::bytes(&mut out, 1, &group);
        }
        out
    }
}

/// Field number of `LogRecord.attributes`.
const LOG_ATTRIBUTES: u32 = 6;

/// Writes one `LogRecord`, and returns its service.
fn write_record(mut object: Map<String, Value>, observed: u64, out: &mut Vec<u8>) -> Option<String> {
    if let Some(nanos) = take(&mut object, &["timestamp", "time", "@timestamp", "ts"], time::nanos) {
        put::fixed64(out, 1, nanos);
    }
    let level = take(&mut object, &["level", "severity", "severity_text", "log.level"], level);
    let number = take(&mut object, &["severity_number"], |v| v.as_u64().filter(|n| (1..=24).contains(n)));
    if let Some(number) = number.or_else(|| level.as_ref().and_then(|(_, number)| *number)) {
        put::uint(out, 2, number);
    }
    if let Some((text, _)) = level {
        put::bytes(out, 3, text.as_bytes());
    }
    let any = |value: &Value| Some(value.clone());
    let text = |value: &Value| value.is_string().then(|| value.clone());
    let body =
        take(&mut object, &["message", "msg"], any).or_else(|| take(&mut object, &["log", "event"], text));
    if let Some(body) = body {
        value::any_value(out, 5, &body);
    }
    let trace_id = take(&mut object, &["trace_id", "traceId", "trace.id"], id::<16>);
    let span_id = take(&mut object, &["span_id", "spanId", "span.id"], id::<8>);
    let service = take(&mut object, &["service.name", "service"], |v| {
        v.as_str().filter(|name| !name.is_empty()).map(str::to_owned)
    });
    for (key, value) in &object {
        value::key_value(out, LOG_ATTRIBUTES, key, value);
    }
    if let Some(id) = trace_id {
        put::bytes(out, 9, &id);
    }
    if let Some(id) = span_id {
        put::bytes(out, 10, &id);
    }
    put::fixed64(out, 11, observed);
    service
}

/// Takes the first of `keys` whose value fits.
fn take<T>(object: &mut Map<String, Value>, keys: &[&str], fit: impl Fn(&Value) -> Option<T>) -> Option<T> {
    let (key, value) = keys.iter().find_map(|key| Some((*key, fit(object.get(*key)?)?)))?;
    object.remove(key);
    Some(value)
}

/// The text of a level, and its number if it is known.
fn level(value: &Value) -> Option<(String, Option<u64>)> {
    if let Some(number) = value.as_u64() {
        let known = match number {
            10 => 1,
            20 => 5,
            30 => 9,
            40 => 13,
            50 => 17,
            60 => 21,
            _ => return None,
        };
        return Some((number.to_string(), Some(known)));
    }
    let text = value.as_str().filter(|text| !text.is_empty())?;
    let number = match text.to_ascii_lowercase().as_str() {
        "trace" => Some(1),
        "debug" | "dbg" => Some(5),
        "info" | "information" | "informational" => Some(9),
        "notice" => Some(10),
        "warn" | "warning" => Some(13),
        "error" | "err" => Some(17),
        "critical" | "crit" => Some(18),
        "alert" => Some(19),
        "fatal" | "panic" => Some(21),
        "emergency" | "emerg" => Some(22),
        _ => None,
    };
    Some((text.to_owned(), number))
}

/// `N` bytes as hex of any case, not all zero.
fn id<const N: usize>(value: &Value) -> Option<[u8; N]> {
    let text = value.as_str()?.as_bytes();
    if text.len() != 2 * N {
        return None;
    }
    let mut id = [0; N];
    for (byte, pair) in id.iter_mut().zip(text.chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = (digit(0)? << 4 | digit(1)?) as u8;
    }
    (id != [0; N]).then_some(id)
}

#[cfg(test)]
mod tests;
