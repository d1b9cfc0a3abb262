//! CSV: PostgreSQL's csvlog, and pg_stat_statements.

use std::io::{self, BufRead};

use super::{super::super::Failure, super::report::Audit, Entry, statement};
use crate::limits;

/// Columns of csvlog, the same since PostgreSQL 9.
const USER: usize = 1;
const MESSAGE: usize = 13;
const DETAIL: usize = 14;
const APPLICATION: usize = 22;

/// Records of CSV; fields in quotes may hold line ends.
struct Records<R> {
    reader: R,
    /// The fields of a record, one after the other, and where each ends.
    text: Vec<u8>,
    ends: Vec<usize>,
    /// Of the present record, and of the next.
    line: u64,
    next: u64,
}

impl<R: BufRead> Records<R> {
    fn new(reader: R) -> Self {
        Records { reader, text: Vec::new(), ends: Vec::new(), line: 0, next: 1 }
    }

    /// Reads one record. Whether there was one.
    fn read(&mut self) -> io::Result<bool> {
        self.text.clear();
        self.ends.clear();
        self.line = self.next;
        let (mut quoted, mut closed, mut any) = (false, false, false);
        loop {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                if any {
                    self.ends.push(self.text.len());
                }
                return Ok(any);
            }
            let mut done = false;
            let mut used = 0;
            for &byte in buffer {
                used += 1;
                any = true;
                self.next += u64::from(byte == b'\n');
                // After a quote that closed: another one stands for itself.
                let again = std::mem::take(&mut closed) && byte == b'"';
                match byte {
                    b'"' if quoted => (quoted, closed) = (false, true),
                    b'"' => {
                        quoted = true;
                        if again && self.text.len() < limits::AUDIT_RECORD_BYTES {
                            self.text.push(b'"');
                        }
                    }
                    b',' if !quoted => self.ends.push(self.text.len()),
                    b'\n' if !quoted => {
                        self.ends.push(self.text.len());
                        done = true;
                        break;
                    }
                    b'\r' if !quoted => {}
                    byte if self.text.len() < limits::AUDIT_RECORD_BYTES => self.text.push(byte),
                    // The judge looks at less than is kept.
                    _ => {}
                }
            }
            self.reader.consume(used);
            if done {
                return Ok(true);
            }
        }
    }

    /// Whether it is an empty line.
    fn blank(&self) -> bool {
        self.ends.len() == 1 && self.text.iter().all(u8::is_ascii_whitespace)
    }

    fn field(&self, n: usize) -> &[u8] {
        let start = n.checked_sub(1).and_then(|n| self.ends.get(n)).copied().unwrap_or(0);
        self.ends.get(n).map_or(&[], |end| &self.text[start..*end])
    }
}

/// Whether a field begins as a time does: `2026-01-31 `.
fn dated(field: &[u8]) -> bool {
    let form = b"0000-00-00 ";
    field.len() > form.len()
        && form.iter().zip(field).all(|(f, b)| if *f == b'0' { b.is_ascii_digit() } else { b == f })
}

/// Reads csvlog.
pub(super) fn log(name: &str, reader: impl BufRead, audit: &mut Audit) -> Result<(), Failure> {
    let mut records = Records::new(reader);
    while records.read().map_err(|error| Failure::usage(format!("{name}: {error}")))? {
        if records.blank() {
            continue;
        }
        let columns = records.ends.len();
        if columns <= MESSAGE {
            audit.odd(records.line, format_args!("a record of {columns} columns"));
            continue;
        }
        if !dated(records.field(0)) {
            audit.odd(records.line, "a record that does not begin with a time");
            continue;
        }
        audit.record();
        let text = |n| String::from_utf8_lossy(records.field(n));
        let message = text(MESSAGE);
        let Some(statement) = statement(&message) else { continue };
        audit.entry(&Entry {
            text: statement,
            line: records.line,
            count: 1,
            user: &text(USER),
            application: &text(APPLICATION),
            detail: &text(DETAIL),
        });
    }
    Ok(())
}

/// Reads pg_stat_statements as CSV with a head.
pub(super) fn statements(name: &str, reader: impl BufRead, audit: &mut Audit) -> Result<(), Failure> {
    let mut records = Records::new(reader);
    let failed = |error: io::Error| Failure::usage(format!("{name}: {error}"));
    records.read().map_err(failed)?;
    let head: Vec<String> = (0..records.ends.len())
        .map(|n| String::from_utf8_lossy(records.field(n)).trim().to_ascii_lowercase())
        .collect();
    let column = |names: &[&str]| head.iter().position(|field| names.contains(&field.as_str()));
    let (Some(query), calls) = (column(&["query"]), column(&["calls"])) else {
        return Err(Failure::usage(format!(
            "{name}:1: no column `query`; expected the head of pg_stat_statements as CSV, with `query` and `calls`"
        )));
    };
    let user = column(&["rolname", "usename", "user"]);
    while records.read().map_err(failed)? {
        if records.blank() {
            continue;
        }
        let columns = records.ends.len();
        if columns <= query {
            audit.odd(
                records.line,
                format_args!("a record of {columns} columns, where the head has {}", head.len()),
            );
            continue;
        }
        audit.record();
        let text = |n| String::from_utf8_lossy(records.field(n));
        audit.entry(&Entry {
            text: &text(query),
            line: records.line,
            count: calls.and_then(|n| text(n).trim().parse().ok()).unwrap_or(1),
            user: &user.map(text).unwrap_or_default(),
            ..Entry::default()
        });
    }
    Ok(())
}
