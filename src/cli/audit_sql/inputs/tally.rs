//! How much of an input was of its format.

use super::{
    super::super::{Failure, say},
    Format,
};

/// What was read of one input.
#[derive(Debug, Default)]
pub(in super::super) struct Tally {
    /// Records of the format.
    pub records: u64,
    /// Of them, those with a statement.
    pub statements: u64,
    /// Records that are none of the format.
    pub odd: u64,
    /// The first of those: its line (0 where there are none), and why.
    pub first: Option<(u64, String)>,
}

impl Tally {
    /// Warns of what was passed over, and of an input that says nothing.
    ///
    /// # Errors
    /// There were records, and none is of the format. An audit that read nothing must not pass for one that
    /// found nothing.
    pub fn judge(&self, name: &str, format: Format, guessed: Format) -> Result<(), Failure> {
        let (word, expected) = about(format);
        if let Some((line, why)) = &self.first {
            let place = if *line == 0 { name.to_owned() } else { format!("{name}:{line}") };
            let all = self.records + self.odd;
            if self.records == 0 {
                let hint = match guessed == format {
                    true if format == Format::Stderr => {
                        "Say --log-line-prefix as SHOW log_line_prefix has it, or another --format".into()
                    }
                    true => "Say another --format if it is something else".into(),
                    false => format!("It looks more like --format {}", about(guessed).0),
                };
                return Err(Failure::usage(format!(
                    "{place}: {why}; read as {word}, none of {all} records could be read. Expected {expected}. {hint}"
                )));
            }
            let odd = self.odd;
            say(&format!(
                "warning: {place}: {why}; {odd} of {all} records are no {word} and were passed over"
            ));
        } else if self.records == 0 {
            say(&format!("warning: {name}: it is empty: nothing was judged"));
        }
        if self.records > 0 && self.statements == 0 {
            say(&format!(
                "warning: {name}: no statements in {} records of {word}; does the server log them (log_statement = all)?",
                self.records
            ));
        }
        Ok(())
    }
}

/// The word for `--format`, and what is expected of such an input.
fn about(format: Format) -> (&'static str, &'static str) {
    match format {
        Format::Csvlog => ("csvlog", "PostgreSQL's csvlog: a time first, 23 columns or more"),
        Format::Jsonlog => {
            ("jsonlog", "PostgreSQL's jsonlog: one object a line, with error_severity and message")
        }
        Format::Stderr | Format::Auto => ("stderr", "lines that begin as --log-line-prefix says"),
        Format::PgStatStatements => {
            ("pg_stat_statements", "CSV with a head, with the columns query and calls")
        }
        Format::Otlp => (
            "otlp",
            "OTLP requests of traces or logs: JSON, one request a line (`jq -c .` writes it so), or protobuf",
        ),
    }
}

/// Why bytes are not the JSON that was expected.
pub(super) fn not_json(bytes: &[u8], otherwise: &'static str) -> &'static str {
    match serde_json::from_slice::<serde::de::IgnoredAny>(bytes) {
        Ok(_) => otherwise,
        Err(error) if error.is_eof() => "the line ends before its JSON does",
        Err(_) => "not JSON",
    }
}
