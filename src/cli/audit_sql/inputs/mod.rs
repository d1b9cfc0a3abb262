//! What `audit-sql` reads: logs and lists of statements, one statement at a time.

mod csv;
mod line;
mod otlp;
mod prefix;
mod tally;

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use super::{super::Failure, report::Audit};
use crate::{
    detect::scan::{BOM, packed},
    limits,
};

pub(super) use prefix::Prefix;
pub(super) use tally::Tally;

/// The format of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Told by the name of the file and its first bytes
    Auto,
    /// PostgreSQL's log_destination = csvlog
    Csvlog,
    /// PostgreSQL's log_destination = jsonlog
    Jsonlog,
    /// PostgreSQL's log_destination = stderr, or syslog's text without its head
    Stderr,
    /// CSV with a head, of the view pg_stat_statements
    #[value(name = "pg_stat_statements")]
    PgStatStatements,
    /// OTLP requests: JSON, one a line, or protobuf
    Otlp,
}

/// A statement, and where it comes from.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Entry<'a> {
    pub text: &'a str,
    /// The line on which it begins; 0 where there are none.
    pub line: u64,
    pub count: u64,
    pub user: &'a str,
    pub application: &'a str,
    /// What a log adds: `prepare: PREPARE ..` for an `EXECUTE`.
    pub detail: &'a str,
}

/// Reads one file, `-` for standard input.
///
/// # Errors
/// It cannot be read, or nothing in it is of the format.
pub(super) fn read(path: &Path, format: Format, prefix: &Prefix, audit: &mut Audit) -> Result<(), Failure> {
    let name = path.display().to_string();
    if path == Path::new("-") {
        return input("stdin", io::stdin().lock(), format, prefix, audit);
    }
    let file = File::open(path).map_err(|error| Failure::usage(format!("{name}: {error}")))?;
    input(&name, file, format, prefix, audit)
}

fn input(
    name: &str,
    input: impl Read,
    format: Format,
    prefix: &Prefix,
    audit: &mut Audit,
) -> Result<(), Failure> {
    let mut reader = BufReader::with_capacity(limits::REDACT_BUFFER_BYTES, input);
    let failed = |error: io::Error| Failure::usage(format!("{name}: {error}"));
    audit.file(name);
    let head = reader.fill_buf().map_err(failed)?;
    if let Some(packing) = packed(head) {
        return Err(Failure::usage(format!(
            "{name}: is packed ({packing}), expected a log; unpack it first: {packing} -dc FILE | portcullis audit-sql .. -"
        )));
    }
    if head.starts_with(BOM) {
        reader.consume(BOM.len());
    }
    let head = reader.fill_buf().map_err(failed)?;
    let (empty, guessed) = (head.is_empty(), guess(name, head));
    let format = if format == Format::Auto { guessed } else { format };
    match format {
        _ if empty => Ok(()),
        Format::Csvlog => csv::log(name, reader, audit),
        Format::PgStatStatements => csv::statements(name, reader, audit),
        Format::Jsonlog => line::json(name, reader, audit),
        Format::Otlp => otlp::read(name, reader, audit),
        Format::Stderr | Format::Auto => line::stderr(name, reader, prefix, audit),
    }?;
    audit.tally().judge(name, format, guessed)
}

/// The format, by a file's name and first bytes.
fn guess(name: &str, head: &[u8]) -> Format {
    let text = String::from_utf8_lossy(&head[..head.len().min(4096)]);
    let first = text.lines().next().unwrap_or_default();
    let fields = first.split(',').map(|field| field.trim_matches('"').trim().to_ascii_lowercase());
    let fields: Vec<String> = fields.collect();
    if fields.iter().any(|field| field == "query") && fields.iter().any(|field| field == "calls") {
        return Format::PgStatStatements;
    }
    if text.trim_start().starts_with('{') {
        let otlp = ["resourceSpans", "resourceLogs", "resource_spans"].iter().any(|key| text.contains(key));
        return if otlp { Format::Otlp } else { Format::Jsonlog };
    }
    // A field of a protobuf request, or the length before it.
    if head.first() == Some(&0x0a) && head.get(1).is_some_and(|b| *b != b'\n') || head.starts_with(&[0, 0]) {
        return Format::Otlp;
    }
    let dated = first.as_bytes().get(..4).is_some_and(|year| year.iter().all(u8::is_ascii_digit));
    if (dated && fields.len() >= 20) || name.ends_with(".csv") { Format::Csvlog } else { Format::Stderr }
}

/// One line, without its end, at most [`limits::AUDIT_RECORD_BYTES`] of it. `None` at the end.
fn next_line(name: &str, reader: &mut impl BufRead, line: &mut Vec<u8>) -> Result<Option<bool>, Failure> {
    line.clear();
    let failed = |error: io::Error| Failure::usage(format!("{name}: {error}"));
    let got =
        reader.by_ref().take(limits::AUDIT_RECORD_BYTES as u64).read_until(b'\n', line).map_err(failed)?;
    if got == 0 {
        return Ok(None);
    }
    let whole = line.last() == Some(&b'\n') || got < limits::AUDIT_RECORD_BYTES;
    if !whole {
        // The rest of it is passed over.
        loop {
            let buffer = reader.fill_buf().map_err(failed)?;
            let end = memchr::memchr(b'\n', buffer);
            let length = end.map_or(buffer.len(), |n| n + 1);
            reader.consume(length);
            if end.is_some() || length == 0 {
                break;
            }
        }
    }
    while matches!(line.last(), Some(b'\n' | b'\r')) {
        line.pop();
    }
    Ok(Some(whole))
}

/// The statement in the message of a log: after `statement: `, `execute name: `, with or without a duration before.
/// What is only parsed or bound is executed later, and told then.
fn statement(message: &str) -> Option<&str> {
    let mut rest = message;
    if let Some(after) = rest.strip_prefix("duration: ") {
        rest = after.split_once("  ")?.1;
    }
    if let Some(text) = rest.strip_prefix("statement: ") {
        return Some(text);
    }
    let after = rest.strip_prefix("execute ")?;
    // A further batch of rows of what was executed already.
    if after.starts_with("fetch from ") {
        return None;
    }
    after.split_once(": ").map(|(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: messages as PostgreSQL writes them. Guarantee: the statement of each execution, once.
    #[test]
    fn statements_of_messages() {
        let cases = [
            ("statement: SELECT 1", Some("SELECT 1")),
            ("execute <unnamed>: SELECT $1", Some("SELECT $1")),
            ("execute S_1: SELECT a: b", Some("SELECT a: b")),
            ("duration: 0.123 ms  statement: SELECT 1", Some("SELECT 1")),
            ("duration: 0.123 ms  execute a: SELECT 1", Some("SELECT 1")),
            ("duration: 0.123 ms  bind a: SELECT 1", None),
            ("duration: 0.123 ms  parse a: SELECT 1", None),
            ("duration: 0.123 ms", None),
            ("execute fetch from S_1: SELECT 1", None),
            ("connection received: host=[local]", None),
        ];
        for (message, expected) in cases {
            assert_eq!(statement(message), expected, "{message}");
        }
    }

    /// Scenario: the first bytes of each format. Guarantee: told apart.
    #[test]
    fn formats_are_told_apart() {
        let csv = format!("2026-01-31 10:00:00.000 UTC,\"app\"{}\n", ",".repeat(24));
        let cases: [(&str, &[u8], Format); 7] = [
            ("a", csv.as_bytes(), Format::Csvlog),
            ("a", b"{\"timestamp\":\"x\",\"message\":\"statement: x\"}", Format::Jsonlog),
            ("a", b"{\"resourceSpans\":[]}", Format::Otlp),
            ("a", b"\x0a\x90\x01\x0a", Format::Otlp),
            ("a", b"userid,queryid,query,calls\n", Format::PgStatStatements),
            ("a", b"2026-01-31 10:00:00.000 UTC [1] LOG:  statement: SELECT 1", Format::Stderr),
            ("a.csv", b"", Format::Csvlog),
        ];
        for (name, head, expected) in cases {
            assert_eq!(guess(name, head), expected);
        }
    }
}
