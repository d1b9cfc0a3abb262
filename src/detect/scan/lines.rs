//! Lines of recorded streams.

use std::{
    borrow::Cow,
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::{
    NotScanned, fault,
    packed::{BOM, packed},
};
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

/// What a line is.
pub(super) enum Line<'a> {
    Request(Request<'a>),
    /// A finding, as a scan or a gate writes it.
    Finding,
    /// Something else: why it is no request, without anything of it.
    Odd(&'static str),
}

/// Hands every line that is not empty to `take`, with its number.
pub(super) fn read(
    file: &Path,
    mut take: impl FnMut(u64, Line<'_>) -> Result<(), NotScanned>,
) -> Result<(), NotScanned> {
    let unread = |error| NotScanned::Given(fault(file, "read", &error));
    let broken = |error| NotScanned::Work(fault(file, "read", &error));
    let mut reader = BufReader::with_capacity(1 << 20, File::open(file).map_err(unread)?);
    let head = reader.fill_buf().map_err(unread)?;
    if let Some(packing) = packed(head) {
        return take(
            0,
            Line::Odd(match packing {
                "gzip" => "is packed (gzip); unpack it first",
                "zstd" => "is packed (zstd); unpack it first",
                _ => "is packed (xz); unpack it first",
            }),
        );
    }
    if head.starts_with(BOM) {
        reader.consume(BOM.len());
    }
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        let mut limited = std::io::Read::take(&mut reader, limits::SCAN_LINE_BYTES);
        if limited.read_until(b'\n', &mut line).map_err(broken)? == 0 {
            return Ok(());
        }
        number += 1;
        if line.len() as u64 == limits::SCAN_LINE_BYTES && line.last() != Some(&b'\n') {
            reader.skip_until(b'\n').map_err(broken)?;
            take(number, Line::Odd(TOO_LONG))?;
        } else if !line.trim_ascii().is_empty() {
            let told = match std::str::from_utf8(&line) {
                Ok(text) => told(text.trim()),
                Err(_) => Line::Odd("not UTF-8 text"),
            };
            take(number, told)?;
        }
    }
}

/// Whether the first line of a file is a request.
pub(super) fn begins_with_request(file: &Path) -> bool {
    let mut request = false;
    let first = read(file, |_, line| {
        request = matches!(line, Line::Request(_));
        Err(NotScanned::Given(String::new()))
    });
    first.is_err() && request
}

const TOO_LONG: &str = "longer than 64 MiB";
const _: () = assert!(limits::SCAN_LINE_BYTES == 64 << 20);

/// Says what a line is.
fn told(text: &str) -> Line<'_> {
    #[derive(Deserialize)]
    struct Finding {
        #[serde(rename = "class")]
        _class: IgnoredAny,
        #[serde(rename = "evidence")]
        _evidence: IgnoredAny,
    }
    if let Some(request) = request(text) {
        return Line::Request(request);
    }
    if serde_json::from_str::<Finding>(text).is_ok() {
        return Line::Finding;
    }
    Line::Odd(match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => "JSON, but no request",
        Err(error) if error.is_eof() => "the line ends before its JSON does",
        Err(_) => "not JSON",
    })
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

    /// Scenario: files as they come from other systems and scans. Guarantee: each line is what it is, under its
    /// number; a mark of UTF-8 is no part of the first; of a packed file nothing is taken for a line.
    #[test]
    fn files_of_other_kinds_are_said() {
        let read = |bytes: &[u8]| {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("a.json");
            std::fs::write(&path, bytes).unwrap();
            let mut lines = Vec::new();
            let all = read(&path, |number, line| {
                lines.push((
                    number,
                    match line {
                        Line::Request(_) => "request",
                        Line::Finding => "finding",
                        Line::Odd(why) => why,
                    },
                ));
                Ok(())
            });
            all.unwrap();
            lines
        };
        assert_eq!(
            read(b"\xef\xbb\xbf{\"resourceSpans\":[]}\r\n\r\n{\"resourceLogs\":[]}"),
            [(1, "request"), (3, "request")]
        );
        assert_eq!(
            read(b"{\"resourceSpans\":[\n]}\n"),
            [(1, "the line ends before its JSON does"), (2, "not JSON")]
        );
        assert_eq!(
            read(b"{\"class\":\"x\",\"evidence\":{}}\n[]\n\xff\n"),
            [(1, "finding"), (2, "JSON, but no request"), (3, "not UTF-8 text"),]
        );
        assert_eq!(read(b"\x1f\x8b\x08\x00\n\n"), [(0, "is packed (gzip); unpack it first")]);
        assert_eq!(read(b"\xfd7zXZ\x00\x00"), [(0, "is packed (xz); unpack it first")]);
        assert_eq!(read(b""), []);
    }

    /// Scenario: a line over the limit between two requests. Guarantee: it alone is passed over, with its number.
    #[test]
    fn a_line_too_long_ends_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        let mut bytes = b"{\"resourceLogs\":[]}\n".to_vec();
        bytes.resize(bytes.len() + limits::SCAN_LINE_BYTES as usize + 7, b'x');
        bytes.extend_from_slice(b"\n{\"resourceLogs\":[]}\n");
        std::fs::write(&path, bytes).unwrap();
        let mut odd = Vec::new();
        let mut requests = Vec::new();
        read(&path, |number, line| {
            match line {
                Line::Odd(why) => odd.push((number, why)),
                _ => requests.push(number),
            }
            Ok(())
        })
        .unwrap();
        assert_eq!((odd, requests), (vec![(2, TOO_LONG)], vec![1, 3]));
    }
}
