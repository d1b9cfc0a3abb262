//! Why something was found, and why something else was not. Never the value.

use super::{Action, Scratch, Scrubber, Severity, Tenant, Validator, rule::Verdict, scan::Source};

/// One find, explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule's id.
    pub rule: String,
    /// What was found: its type.
    pub kind: String,
    /// How bad a leak of it is.
    pub severity: Severity,
    /// What happens to it.
    pub action: Action,
    /// Where it begins, in bytes.
    pub start: usize,
    /// Where it ends, in bytes.
    pub end: usize,
    /// Whether the name of its key told, rather than its shape.
    pub by_key: bool,
    /// The validator that said yes, if its rule has one.
    pub validator: Option<String>,
    /// The word near it that its rule asked for, if it asked for one.
    pub word: Option<String>,
}

/// Something that looked like a find and was not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NearMiss {
    /// The rule's id.
    pub rule: String,
    /// Where it begins, in bytes.
    pub start: usize,
    /// Where it ends, in bytes.
    pub end: usize,
    /// Why it does not count.
    pub reason: String,
}

/// All that is to say of one text.
#[derive(Debug, Clone, Default)]
pub struct Explanation {
    /// Finds, in order; they may overlap (the strongest action wins).
    pub findings: Vec<Finding>,
    /// Patterns that matched and did not count.
    pub near_misses: Vec<NearMiss>,
    /// The text as it would leave.
    pub scrubbed: String,
}

impl Scrubber {
    /// Explains what happens to a text that stands under `key` (empty: none).
    pub fn explain(&self, text: &str, key: &str) -> Explanation {
        let mut scratch = Scratch::default();
        let engine = &self.engine;
        let mut out = Explanation::default();
        let mut finds = self.spans(&mut scratch, text.as_bytes(), key.as_bytes());
        if let Some(telling) = engine.key(key.as_bytes())
            && engine.tells(telling, text.as_bytes())
        {
            let source = telling.source;
            finds.insert(0, super::scan::Find { text: 0, start: 0, end: text.len() as u32, source });
        }
        for find in finds {
            let severity = match find.source {
                Source::Rule(i) => engine.rules[usize::from(i)].severity,
                Source::Key(i) => engine.keys[usize::from(i)].severity,
                Source::Prose => Severity::Medium,
            };
            let (validator, word) = match find.source {
                Source::Rule(i) => {
                    let rule = &engine.rules[usize::from(i)];
                    (rule.validator, rule.word(text.as_bytes(), find.start as usize, key.as_bytes()))
                }
                Source::Key(i) => (engine.keys[usize::from(i)].validator, None),
                Source::Prose => (None, None),
            };
            out.findings.push(Finding {
                validator: validator.map(Validator::name),
                word: word.map(|word| String::from_utf8_lossy(word).trim().to_owned()),
                rule: engine.id(find.source).to_owned(),
                kind: engine.kinds[usize::from(engine.kind(find.source))].clone(),
                severity,
                action: engine.action(find.source),
                start: find.start as usize,
                end: find.end as usize,
                by_key: matches!(find.source, Source::Key(_)),
            });
        }
        for rule in &engine.rules {
            let mut cache = rule.regex.create_cache();
            for found in rule.regex.find_iter(text.as_bytes()) {
                let (start, end) = rule.value(&mut cache, text.as_bytes(), found.start(), found.end());
                let validator = rule.validator.map(Validator::name).unwrap_or_default();
                let word = || {
                    let word = rule.word(text.as_bytes(), start, key.as_bytes()).unwrap_or_default();
                    String::from_utf8_lossy(word).trim().to_owned()
                };
                let reason = match rule.judge(text.as_bytes(), start, end, key.as_bytes()) {
                    Verdict::Accepted => continue,
                    Verdict::Validator => format!("the validator {validator} says no"),
                    Verdict::Context => {
                        format!("none of its context words is near ({})", rule.context.shown())
                    }
                    Verdict::Unless => format!("the word `{}` before it speaks against it", word()),
                    Verdict::Edge => "it is part of something longer".to_owned(),
                };
                out.near_misses.push(NearMiss { rule: rule.id.clone(), start, end, reason });
            }
        }
        let none: Option<Tenant<'_>> = None;
        out.scrubbed = self.scrub_with(&mut scratch, text, key, none, None).into_owned();
        out
    }
}
