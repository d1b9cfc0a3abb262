//! Lines of recorded streams.

use std::{
    borrow::Cow,
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::fault;
use crate::{batch::Signal, limits, wire::view};

/// One export request.
pub(super) struct Request<'a> {
    pub signal: Signal,
    /// When it came, in nanoseconds since the epoch; not known of plain OTLP/JSON.
    pub at: Option<u64>,
    /// The tenant of the token that it came with.
    pub token_tenant: Option<Cow<'a, str>>,
    /// OTLP/JSON.
    pub json: &'a str,
}

/// A line of a recorded stream.
#[derive(Deserialize)]
struct Recorded<'a> {
    signal: Signal,
    #[serde(borrow)]
    auth_tid: Option<Cow<'a, str>>,
    at: u64,
    #[serde(borrow)]
    request: &'a RawValue,
}

/// A line as the Collector's file exporter writes it: one of these is there.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Exported<'a> {
    #[serde(borrow)]
    resource_spans: Option<&'a RawValue>,
    #[serde(borrow)]
    resource_logs: Option<&'a RawValue>,
    #[serde(borrow)]
    resource_metrics: Option<&'a RawValue>,
}

/// Hands every line to `take`: the request, or nothing where it is none.
pub(super) fn read(
    file: &Path,
    mut take: impl FnMut(Option<Request<'_>>) -> Result<(), String>,
) -> Result<(), String> {
    let mut reader =
        BufReader::with_capacity(1 << 20, File::open(file).map_err(|error| fault(file, "read", &error))?);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut limited = std::io::Read::take(&mut reader, limits::SCAN_LINE_BYTES);
        let n = limited.read_until(b'\n', &mut line).map_err(|error| fault(file, "read", &error))?;
        if n == 0 {
            return Ok(());
        }
        if n as u64 == limits::SCAN_LINE_BYTES {
            return Err(format!(
                "{}: a line is longer than {} MiB",
                file.display(),
                limits::SCAN_LINE_BYTES >> 20
            ));
        }
        let text = std::str::from_utf8(&line).unwrap_or_default().trim();
        if !text.is_empty() {
            take(request(text))?;
        } else if !line.trim_ascii().is_empty() {
            take(None)?;
        }
    }
}

fn request(text: &str) -> Option<Request<'_>> {
    if let Some(request) = headed(text) {
        return Some(request);
    }
    if let Ok(line) = serde_json::from_str::<Recorded<'_>>(text) {
        let (signal, at, json) = (line.signal, Some(line.at), line.request.get());
        return Some(Request { signal, at, token_tenant: line.auth_tid, json });
    }
    let line = serde_json::from_str::<Exported<'_>>(text).ok()?;
    let signal = match (line.resource_spans, line.resource_logs, line.resource_metrics) {
        (Some(_), _, _) => Signal::Traces,
        (_, Some(_), _) => Signal::Logs,
        (_, _, Some(_)) => Signal::Metrics,
        _ => return None,
    };
    Some(Request { signal, at: None, token_tenant: None, json: text })
}

/// A line whose request stands last, as recorders write it: the request is then read once and not twice.
fn headed(text: &str) -> Option<Request<'_>> {
    #[derive(Deserialize)]
    struct Head<'a> {
        signal: Signal,
        #[serde(borrow)]
        auth_tid: Option<Cow<'a, str>>,
        at: u64,
    }
    const KEY: &str = "\"request\":";
    let at = memchr::memmem::find(text.as_bytes(), KEY.as_bytes())?;
    let head = text[..at].trim_end().strip_suffix(',')?;
    let json = text[at + KEY.len()..].strip_suffix('}')?.trim();
    // The request is an object whose end is that of the line: no key stands behind it.
    if head.len() > limits::SCAN_HEAD_BYTES || !json.ends_with('}') || !json.starts_with('{') {
        return None;
    }
    let mut closed = String::with_capacity(head.len() + 1);
    closed.extend([head, "}"]);
    let head: Head<'_> = serde_json::from_str(&closed).ok()?;
    let token_tenant = head.auth_tid.map(|text| Cow::Owned(text.into_owned()));
    Some(Request { signal: head.signal, at: Some(head.at), token_tenant, json })
}

/// The newest time that an item names.
pub(super) fn newest(signal: Signal, bytes: &[u8]) -> u64 {
    view::groups(signal, bytes)
        .flat_map(|group| group.items().map(|item| item.time_unix_nano()))
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: a recorded line, a line of a file exporter, a line of something else. Guarantee: each is what
    /// it is.
    #[test]
    fn lines_are_told_apart() {
        let recorded = r#"{"signal":"logs","auth_tid":null,"at":7,"request":{"resourceLogs":[]}}"#;
        let request = request(recorded).unwrap();
        assert_eq!(
            (request.signal, request.at, request.json),
            (Signal::Logs, Some(7), r#"{"resourceLogs":[]}"#)
        );
        let behind = r#"{"signal":"logs","at":7,"request":{"resourceLogs":[]},"x":{}}"#;
        assert_eq!(super::request(behind).unwrap().json.len(), r#"{"resourceLogs":[]},"x":{}"#.len());
        let exported = super::request(r#"{"resourceSpans":[]}"#).unwrap();
        assert_eq!((exported.signal, exported.at), (Signal::Traces, None));
        assert!(super::request(r#"{"a":1}"#).is_none() && super::request("[").is_none());
    }
}
