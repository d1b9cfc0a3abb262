//! OTLP: requests of traces or logs whose items say what they asked a database.

use std::io::{BufRead, Read};

use super::{super::super::Failure, super::report::Audit, Entry, next_line, tally::not_json};
use crate::{
    batch::Signal,
    limits,
    wire::{json, view, walk},
};

/// Attributes that hold a statement, the newest name first.
const TEXT: [&str; 2] = ["db.query.text", "db.statement"];
/// Attributes that name the kind of database.
const SYSTEM: [&str; 2] = ["db.system.name", "db.system"];

/// Reads JSON, one request a line, or protobuf: one request, or many with their lengths (4 bytes) before them.
pub(super) fn read(name: &str, mut reader: impl BufRead, audit: &mut Audit) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::usage(format!("{name}: {error}"));
    let first = reader.fill_buf().map_err(failed)?.iter().find(|b| !b.is_ascii_whitespace()).copied();
    if first != Some(b'{') {
        return protobuf(name, reader, audit);
    }
    let mut line = Vec::new();
    let mut number = 0;
    while next_line(name, &mut reader, &mut line)?.is_some() {
        number += 1;
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let logs = memchr::memmem::find(&line, b"\"resourceLogs\"").is_some();
        let signal = if logs { Signal::Logs } else { Signal::Traces };
        match json::decode(signal, &line) {
            // Any object can be read as a request of which nothing is known.
            Ok(bytes) if !bytes.is_empty() || memchr::memmem::find(&line, b"\"resource").is_some() => {
                audit.record();
                items(signal, &bytes, number, audit);
            }
            _ => audit.odd(number, not_json(&line, "JSON, but no request of OTLP")),
        }
    }
    Ok(())
}

fn protobuf(name: &str, mut reader: impl BufRead, audit: &mut Audit) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::usage(format!("{name}: {error}"));
    let mut bytes = Vec::new();
    let prefixed = reader.fill_buf().map_err(failed)?.first() == Some(&0);
    let mut number = 0;
    loop {
        let mut room = limits::AUDIT_REQUEST_BYTES as u64;
        if prefixed {
            let mut length = [0; 4];
            if reader.by_ref().take(4).read(&mut length).map_err(failed)? == 0 {
                return Ok(());
            }
            room = u64::from(u32::from_be_bytes(length));
        }
        number += 1;
        bytes.clear();
        let bound = limits::AUDIT_REQUEST_BYTES as u64;
        reader
            .by_ref()
            .take(room.min(bound) + u64::from(!prefixed))
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        if room > bound || bytes.len() as u64 > bound {
            return Err(Failure::usage(format!("{name}: a request of more than {bound} bytes")));
        }
        // Both signals have the same outer form: it is the one in which statements are found.
        let told = [Signal::Traces, Signal::Logs]
            .into_iter()
            .any(|signal| walk(signal, &bytes, &mut ()).is_ok() && items(signal, &bytes, 0, audit) > 0);
        let readable =
            told || [Signal::Traces, Signal::Logs].iter().any(|s| walk(*s, &bytes, &mut ()).is_ok());
        if !readable {
            return Err(Failure::usage(format!(
                "{name}: request {number} is no OTLP of traces or logs in protobuf; say another --format if it is \
                 something else"
            )));
        }
        audit.record();
        if !prefixed {
            return Ok(());
        }
    }
}

/// Tells the statements of a request; gives their number.
fn items(signal: Signal, bytes: &[u8], line: u64, audit: &mut Audit) -> usize {
    let mut told = 0;
    for group in view::groups(signal, bytes) {
        let service = group.attribute("service.name").and_then(|value| value.as_str()).unwrap_or_default();
        for item in group.items() {
            let get = |keys: &[&str]| keys.iter().find_map(|key| item.attributes().get(key)?.as_str());
            let other =
                get(&SYSTEM).is_some_and(|system| !system.to_ascii_lowercase().starts_with("postgres"));
            let Some(text) = get(&TEXT).filter(|_| !other) else { continue };
            told += 1;
            let user = get(&["db.user"]).unwrap_or_default();
            audit.entry(&Entry { text, line, count: 1, user, application: service, detail: "" });
        }
    }
    told
}
