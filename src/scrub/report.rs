//! Runs the examples of rules: each rule must find something in its own, and nothing in its counter-examples.

use super::{Pack, PackError, Scratch, Scrubber, Settings, pack::Place};

/// An example that did not come out as its rule says.
#[derive(Debug, Clone)]
pub struct ExampleFailure {
    /// The pack.
    pub file: String,
    /// Where the rule begins.
    pub line: usize,
    /// The rule.
    pub rule: String,
    /// Its number in its list, from 1.
    pub number: usize,
    /// Whether it is one of `match` (something should be found) or of `no_match`.
    pub expected: bool,
}

impl ExampleFailure {
    /// Which example, and what is wrong with it; never its text, which may look like a secret.
    pub fn said(&self) -> String {
        let (list, what) = match self.expected {
            true => ("match", "the rule finds nothing in it"),
            false => ("no_match", "the rule finds something in it"),
        };
        format!("{list} {}: {what}", self.number)
    }
}

impl From<&ExampleFailure> for PackError {
    fn from(failure: &ExampleFailure) -> PackError {
        let place = Place { line: failure.line, column: 1 };
        PackError::new(&failure.file, place, Some(&failure.rule), failure.said())
            .hint("mend the rule or its example; `portcullis test` shows all that fail")
    }
}

/// What came of all examples.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Examples that were run.
    pub examples: usize,
    /// Rules that have examples.
    pub rules: usize,
    /// Those that failed.
    pub failures: Vec<ExampleFailure>,
}

/// Runs every rule's own examples, against all packs together.
///
/// # Errors
/// The packs do not compile.
pub fn run_examples(packs: &[Pack]) -> Result<Report, PackError> {
    let scrubber = Scrubber::from_packs(packs, &Settings::default())?;
    let mut scratch = Scratch::default();
    let mut report = Report::default();
    for pack in packs {
        let rules = pack.rules.iter().map(|(r, p)| (&r.id, &r.matches, &r.no_match, p));
        let keys = pack.keys.iter().map(|(r, p)| (&r.id, &r.matches, &r.no_match, p));
        for (id, yes, no, place) in rules.chain(keys) {
            report.rules += 1;
            let all =
                yes.iter().enumerate().map(|e| (e, true)).chain(no.iter().enumerate().map(|e| (e, false)));
            for ((number, text), expected) in all {
                report.examples += 1;
                if scrubber.finds_by(&mut scratch, id, text) != expected {
                    report.failures.push(ExampleFailure {
                        file: pack.file.clone(),
                        line: place.line,
                        rule: id.clone(),
                        number: number + 1,
                        expected,
                    });
                }
            }
        }
    }
    Ok(report)
}

impl Scrubber {
    /// Whether rule `id` has a part in what is found in `text`.
    fn finds_by(&self, scratch: &mut Scratch, id: &str, text: &str) -> bool {
        self.spans(scratch, text.as_bytes(), b"").iter().any(|find| self.engine.id(find.source) == id)
    }
}
