//! `log_line_prefix`: where in a line of a log its prefix ends, and who it names.

use regex::Regex;

/// A prefix, compiled.
#[derive(Debug)]
pub(in super::super) struct Prefix(Regex);

/// The head of a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head<'a> {
    pub user: &'a str,
    pub application: &'a str,
    /// `LOG`, `DETAIL`, `ERROR` and so on.
    pub severity: &'a str,
    pub rest: &'a str,
}

impl Prefix {
    /// Compiles what `SHOW log_line_prefix` says.
    ///
    /// # Errors
    /// It has an escape that PostgreSQL hasn't.
    pub fn new(prefix: &str) -> Result<Self, String> {
        let mut pattern = String::from("^(?:");
        let mut chars = prefix.chars();
        let mut optional = false;
        let mut named = [false; 2];
        while let Some(c) = chars.next() {
            if c != '%' {
                pattern.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
                continue;
            }
            let mut escape = chars.next();
            let mut padded = false;
            // A width: %-10u.
            while escape.is_some_and(|c| c == '-' || c.is_ascii_digit()) {
                padded = true;
                escape = chars.next();
            }
            let space = if padded { " *" } else { "" };
            let once = |seen: &mut bool, name: &str, of: &str| {
                if std::mem::replace(seen, true) { of.to_owned() } else { format!("(?P<{name}>{of})") }
            };
            let of = match escape {
                Some('a') => once(&mut named[1], "application", ".*?"),
                Some('u') => once(&mut named[0], "user", r"[^\n]*?"),
                Some('d' | 'b' | 'i' | 'h' | 'r' | 'L') => ".*?".into(),
                Some('p' | 'P' | 'l' | 'x' | 'Q') => r"-?[0-9]*".into(),
                Some('t' | 'm' | 's') => r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:.]+ [A-Za-z0-9+:/_-]+".into(),
                Some('n') => r"[0-9.]+".into(),
                Some('c') => r"[0-9a-f.]+".into(),
                Some('v') => r"[-0-9/]*".into(),
                Some('e') => r"[0-9A-Z]{5}".into(),
                Some('%') => "%".into(),
                // What follows stands in lines of sessions alone.
                Some('q') if !optional => {
                    optional = true;
                    "(?:".into()
                }
                Some('q') => String::new(),
                other => {
                    let other = other.map_or("nothing".into(), |c| format!("%{c}"));
                    return Err(format!(
                        "log_line_prefix: {other}: no escape of PostgreSQL; see SHOW log_line_prefix"
                    ));
                }
            };
            pattern.push_str(&format!("{space}{of}{space}"));
        }
        if optional {
            pattern.push_str(")?");
        }
        pattern.push_str("(?P<severity>DEBUG[1-5]?|LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC|DETAIL|HINT|QUERY|CONTEXT|STATEMENT|LOCATION|BACKTRACE):  ?)");
        Regex::new(&pattern).map(Prefix).map_err(|error| format!("log_line_prefix: {error}"))
    }

    /// The head of a line; `None` of a line that goes on with the one before.
    pub(super) fn head<'l>(&self, line: &'l str) -> Option<Head<'l>> {
        let found = self.0.captures(line)?;
        let part = |name| found.name(name).map_or("", |part| part.as_str());
        Some(Head {
            user: part("user"),
            application: part("application"),
            severity: part("severity"),
            rest: &line[found.get(0)?.end()..],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: prefixes in use, and lines under them. Guarantee: who and what; a further line is none.
    #[test]
    fn prefixes_are_read() {
        let cases = [
            ("%m [%p] ", "2026-01-31 10:00:00.123 UTC [42] LOG:  statement: SELECT 1", "", ""),
            (
                "%t:%r:%u@%d:[%p]: ",
                "2026-01-31 10:00:00 UTC:10.0.0.1(5432):web@app:[42]:LOG:  statement: SELECT 1",
                "web",
                "",
            ),
            (
                "%t:%r:%u@%d:[%p]: ",
                "2026-01-31 10:00:00 UTC:10.0.0.1(5432):web@app:[42]: LOG:  statement: SELECT 1",
                "web",
                "",
            ),
            (
                "%m [%p] %q%u@%d/%a ",
                "2026-01-31 10:00:00.123 CET [42] web@app/rails c LOG:  statement: SELECT 1",
                "web",
                "rails c",
            ),
            ("%m [%p] %q%u@%d/%a ", "2026-01-31 10:00:00.123 CET [42] LOG:  statement: SELECT 1", "", ""),
            ("%n %-8u|", "1769853600.123 web     |LOG:  statement: SELECT 1", "web", ""),
            ("", "LOG:  statement: SELECT 1", "", ""),
        ];
        for (prefix, line, user, application) in cases {
            let head = Prefix::new(prefix).unwrap().head(line);
            if line.contains("]:LOG") {
                assert_eq!(head, None);
                continue;
            }
            let head = head.unwrap_or_else(|| panic!("{prefix}: {line}"));
            assert_eq!((head.user, head.application), (user, application), "{prefix}");
            assert_eq!((head.severity, head.rest), ("LOG", "statement: SELECT 1"));
        }
        assert!(Prefix::new("%m ").unwrap().head("\tWHERE LOG:  x").is_none());
        assert!(Prefix::new("%y").unwrap_err().contains("%y"));
    }
}
