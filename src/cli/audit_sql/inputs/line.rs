//! Logs line by line: PostgreSQL's jsonlog and stderr.

use std::io::BufRead;

use serde::Deserialize;

use super::{
    super::super::Failure, super::report::Audit, Entry, Prefix, next_line, statement, tally::not_json,
};
use crate::limits;

/// What is read of a line of jsonlog.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Json {
    user: String,
    application_name: String,
    error_severity: String,
    message: String,
    detail: String,
}

/// Reads jsonlog.
pub(super) fn json(name: &str, mut reader: impl BufRead, audit: &mut Audit) -> Result<(), Failure> {
    let mut line = Vec::new();
    let mut number = 0;
    while let Some(whole) = next_line(name, &mut reader, &mut line)? {
        number += 1;
        match serde_json::from_slice::<Json>(&line) {
            // Every record of a server has them.
            Ok(json) if json.error_severity.is_empty() && json.message.is_empty() => {
                audit.odd(number, "JSON without error_severity and message");
            }
            Ok(json) if whole => {
                audit.record();
                if let Some(text) = statement(&json.message) {
                    audit.entry(&Entry {
                        text,
                        line: number,
                        count: 1,
                        user: &json.user,
                        application: &json.application_name,
                        detail: &json.detail,
                    });
                }
            }
            _ if line.iter().all(u8::is_ascii_whitespace) => {}
            _ if !whole => audit.odd(number, TOO_LONG),
            _ => audit.odd(number, not_json(&line, "JSON, but no record of a log")),
        }
    }
    Ok(())
}

const TOO_LONG: &str = "a line of more than 8 MiB";
const _: () = assert!(limits::AUDIT_RECORD_BYTES == 8 << 20);

/// A statement that may go on with the next line.
#[derive(Default)]
struct Open {
    text: String,
    line: u64,
    user: String,
    application: String,
    detail: String,
    /// The lines that follow belong to its detail.
    in_detail: bool,
}

impl Open {
    fn tell(&mut self, audit: &mut Audit) {
        if self.line > 0 {
            audit.entry(&Entry {
                text: &self.text,
                line: self.line,
                count: 1,
                user: &self.user,
                application: &self.application,
                detail: &self.detail,
            });
        }
        self.line = 0;
        self.text.clear();
        self.detail.clear();
        self.in_detail = false;
    }
}

/// Reads the log as people read it.
pub(super) fn stderr(
    name: &str,
    mut reader: impl BufRead,
    prefix: &Prefix,
    audit: &mut Audit,
) -> Result<(), Failure> {
    let mut line = Vec::new();
    let mut number = 0;
    let mut open = Open::default();
    let mut headed = false;
    // The first line that says anything.
    let mut first = 0;
    while next_line(name, &mut reader, &mut line)?.is_some() {
        number += 1;
        let text = String::from_utf8_lossy(&line);
        let Some(head) = prefix.head(&text) else {
            if first == 0 && !text.trim().is_empty() {
                first = number;
            }
            // Lines after the first begin with a tab that PostgreSQL put there.
            let of = if open.in_detail { &mut open.detail } else { &mut open.text };
            if open.line > 0 && of.len() + text.len() < limits::AUDIT_RECORD_BYTES {
                of.push('\n');
                of.push_str(text.strip_prefix('\t').unwrap_or(&text));
            }
            continue;
        };
        headed = true;
        audit.record();
        match head.severity {
            "DETAIL" => {
                open.in_detail = true;
                open.detail.push_str(head.rest);
            }
            "HINT" | "CONTEXT" | "QUERY" | "STATEMENT" | "LOCATION" | "BACKTRACE" => open.in_detail = true,
            _ => {
                open.tell(audit);
                if let Some(text) = statement(head.rest) {
                    open.line = number;
                    open.text.push_str(text);
                    open.user = head.user.into();
                    open.application = head.application.into();
                }
            }
        }
    }
    open.tell(audit);
    if first > 0 && !headed {
        audit.odd(first, "it does not begin as a log line of PostgreSQL does, and no line after it");
    }
    Ok(())
}
