//! What is wrong with rules, or hardly meant, though nothing fails.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use regex_syntax::hir::{Class, Hir, HirKind};

use super::{
    Filter, Settings, keys,
    keys::KeyRule,
    pack::{KeySpec, Pack, PackError, Place, RuleSpec},
    rule::{self, Rule},
};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Good to know.
    Note,
    /// Hardly meant.
    Warning,
    /// The packs can't be used.
    Error,
}

impl Level {
    /// The name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Level::Note => "note",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}

/// Something about a rule.
#[derive(Debug, Clone)]
pub struct Lint {
    /// How bad it is.
    pub level: Level,
    /// What it is, and where.
    pub problem: PackError,
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PackError { file, line, column, .. } = &self.problem;
        write!(f, "{file}:{line}:{column}: {}: {}", self.level.as_str(), self.problem.text())
    }
}

/// Looks at all rules of some packs that `settings` don't switch off, alone and together.
pub fn lint(packs: &[Pack], settings: &Settings) -> Vec<Lint> {
    let mut linter =
        Linter { off: settings.disable.iter().map(String::as_str).collect(), ..Linter::default() };
    packs.iter().for_each(|pack| linter.pack(pack));
    let Linter { mut found, .. } = linter;
    // What only shows when all are put together, two rules of one id for example.
    if found.iter().all(|lint| lint.level < Level::Error)
        && let Err(problem) = super::Scrubber::from_packs(packs, settings)
    {
        found.push(Lint { level: Level::Error, problem });
    }
    found
}

/// A rule that was looked at before: its id and where it is.
type Earlier<'p> = (&'p str, &'p str, Place);

#[derive(Default)]
struct Linter<'p> {
    off: HashSet<&'p str>,
    found: Vec<Lint>,
    /// By all that makes them find the same: rules by shape.
    patterns: HashMap<String, Earlier<'p>>,
    /// Literals of rules by shape, in lower case, with their types.
    literals: Vec<(Vec<Vec<u8>>, &'p str, Earlier<'p>)>,
    /// By a key's letters and digits: who has it.
    /// By whether they are whole segments, and name.
    names: HashMap<(bool, Vec<u8>), Earlier<'p>>,
}

impl<'p> Linter<'p> {
    fn pack(&mut self, pack: &'p Pack) {
        let start = self.found.len();
        for (spec, place) in &pack.rules {
            if !self.off.contains(spec.id.as_str()) {
                self.rule(spec, (&spec.id, &pack.file, *place));
            }
        }
        for (spec, place) in &pack.keys {
            if !self.off.contains(spec.id.as_str()) {
                self.key(spec, (&spec.id, &pack.file, *place));
            }
        }
        self.found[start..].sort_by_key(|lint| (lint.problem.line, lint.problem.column));
    }

    fn say(&mut self, level: Level, at: Earlier<'p>, message: impl Into<String>, hint: &str) {
        let (id, file, place) = at;
        let problem = PackError::new(file, place, Some(id), message).hint(hint);
        self.found.push(Lint { level, problem });
    }

    fn rule(&mut self, spec: &'p RuleSpec, at: Earlier<'p>) {
        let (id, file, place) = at;
        self.texts(at, &spec.description, &spec.matches, &spec.no_match, true);
        match Rule::compile(spec, file, place, 0) {
            Err(problem) => self.found.push(Lint { level: Level::Error, problem }),
            Ok(rule) => {
                if rule.filter == Filter::None {
                    self.say(
                        Level::Warning,
                        at,
                        "no filter: the pattern runs over every text",
                        "give `literals` that all matches start with, or a `shape`",
                    );
                }
                if rule.longest == rule::ENDLESS {
                    // Where a literal says where to look, it is looked at once.
                    let level = if rule.filter == Filter::None { Level::Warning } else { Level::Note };
                    self.say(
                        level,
                        at,
                        "an unbounded repetition: a match can be as long as its text",
                        "{1,64} for +, {0,64} for *",
                    );
                }
                if spec.shape.is_none()
                    && let Filter::Literals(list) = rule.filter
                {
                    self.literals(list, &spec.kind, at);
                }
            }
        }
        if spec.shape.is_some() && !spec.literals.is_empty() {
            self.say(
                Level::Warning,
                at,
                "`literals` beside a `shape` are not looked at",
                "leave one of them out",
            );
        }
        self.nested(&spec.pattern, at);
        // The same words near it may be asked for in another order; that is not the same rule to us.
        let same =
            format!("{:?}", (&spec.pattern, spec.validator, &spec.context, &spec.unless, &spec.not_near));
        if let Some((other, file, place)) = self.patterns.insert(same, at).filter(|(other, ..)| *other != id)
        {
            let message = format!("finds the same as rule {other} ({file}:{})", place.line);
            self.say(Level::Warning, at, message, "leave one of them out");
        }
    }

    /// Rules of one type with the same literals: which of them found a value is hard to tell for people.
    fn literals(&mut self, list: Vec<Vec<u8>>, kind: &'p str, at: Earlier<'p>) {
        let covers = |all: &[Vec<u8>], some: &[Vec<u8>]| some.iter().all(|text| all.contains(text));
        let wider = self.literals.iter().find(|(all, other, _)| *other == kind && covers(all, &list));
        if let Some((_, _, (other, file, place))) = wider {
            let message = format!("all its literals are also those of rule {other} ({file}:{})", place.line);
            let hint = "if that rule finds the same, this one has nothing to do";
            self.say(Level::Note, at, message, hint);
        }
        self.literals.push((list, kind, at));
    }

    fn key(&mut self, spec: &'p KeySpec, at: Earlier<'p>) {
        let (id, file, place) = at;
        // An attribute's own key is in no text, so such a rule has nothing to match in one.
        self.texts(at, &spec.description, &spec.matches, &spec.no_match, !spec.attribute_only);
        if let Err(problem) = KeyRule::compile(spec, file, place, 0) {
            self.found.push(Lint { level: Level::Error, problem });
        }
        if let Some(value) = &spec.value {
            self.nested(value, at);
        }
        for name in &spec.names {
            let earlier = *self.names.entry((name.starts_with('='), keys::normal_name(name))).or_insert(at);
            let (other, file, place) = earlier;
            if other != id {
                let message =
                    format!("the name {name} is already that of rule {other} ({file}:{})", place.line);
                self.say(Level::Warning, at, message, "the first rule has it: leave it out here");
            }
        }
    }

    fn texts(&mut self, at: Earlier<'p>, description: &str, yes: &[String], no: &[String], can_match: bool) {
        if description.trim().is_empty() {
            self.say(Level::Warning, at, "no description", "one sentence: what it finds");
        }
        if can_match && yes.is_empty() {
            self.say(Level::Warning, at, "`match` has no example", "give a text in which it finds something");
        }
        if no.is_empty() {
            let hint = "give a text that looks alike and must stay";
            self.say(Level::Warning, at, "`no_match` has no example", hint);
        }
    }

    fn nested(&mut self, pattern: &str, at: Earlier<'p>) {
        // One that does not parse is an error already.
        if rule::parse(pattern).is_ok_and(|(hir, _)| has_nested(&hir)) {
            self.say(
                Level::Note,
                at,
                "a repetition inside a repetition of the same bytes",
                "linear here; other engines that run the same pattern may take exponential time",
            );
        }
    }
}

/// How often something must be repeated for a backtracking engine to notice.
const MANY: u32 = 10;

/// Whether a text can be divided among the turns of a repetition in many ways.
fn has_nested(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Repetition(outer) => {
            outer.max.is_none_or(|max| max >= MANY) && is_ambiguous(&outer.sub) || has_nested(&outer.sub)
        }
        HirKind::Capture(capture) => has_nested(&capture.sub),
        HirKind::Concat(list) | HirKind::Alternation(list) => list.iter().any(has_nested),
        _ => false,
    }
}

/// Whether one turn holds a repetition and nothing that must be of other bytes.
fn is_ambiguous(turn: &Hir) -> bool {
    match turn.kind() {
        HirKind::Repetition(inner) => inner.max.is_none_or(|max| max > inner.min && max >= MANY),
        HirKind::Capture(capture) => is_ambiguous(&capture.sub),
        HirKind::Alternation(list) => list.iter().any(is_ambiguous),
        HirKind::Concat(list) => list.iter().enumerate().any(|(at, part)| {
            let bytes = all_bytes(part);
            let mut others = list.iter().enumerate().filter(|(other, _)| *other != at);
            is_ambiguous(part) && others.all(|(_, other)| can_be_of(other, &bytes))
        }),
        _ => false,
    }
}

/// Which bytes a pattern is made of.
fn all_bytes(hir: &Hir) -> [bool; 256] {
    let mut out = [false; 256];
    match hir.kind() {
        HirKind::Literal(literal) => literal.0.iter().for_each(|byte| out[usize::from(*byte)] = true),
        HirKind::Class(Class::Bytes(class)) => {
            for range in class.ranges() {
                (range.start()..=range.end()).for_each(|byte| out[usize::from(byte)] = true);
            }
        }
        HirKind::Repetition(repetition) => out = all_bytes(&repetition.sub),
        HirKind::Capture(capture) => out = all_bytes(&capture.sub),
        HirKind::Concat(list) | HirKind::Alternation(list) => {
            for bytes in list.iter().map(all_bytes) {
                out.iter_mut().zip(bytes).for_each(|(out, has)| *out |= has);
            }
        }
        _ => {}
    }
    out
}

/// Whether a pattern can match a text of only these bytes.
fn can_be_of(hir: &Hir, bytes: &[bool; 256]) -> bool {
    match hir.kind() {
        HirKind::Literal(literal) => literal.0.iter().all(|byte| bytes[usize::from(*byte)]),
        HirKind::Class(_) => all_bytes(hir).iter().zip(bytes).any(|(one, other)| *one && *other),
        HirKind::Repetition(repetition) => repetition.min == 0 || can_be_of(&repetition.sub, bytes),
        HirKind::Capture(capture) => can_be_of(&capture.sub, bytes),
        HirKind::Concat(list) => list.iter().all(|part| can_be_of(part, bytes)),
        HirKind::Alternation(list) => list.iter().any(|part| can_be_of(part, bytes)),
        HirKind::Empty | HirKind::Look(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scrub::{BUILTIN, pack};

    fn lints(text: &str) -> Vec<String> {
        let packs = [pack::read("pack.yaml", text).unwrap()];
        lint(&packs, &Settings::default()).iter().map(Lint::to_string).collect()
    }

    fn rule(id: &str, pattern: &str, more: &str) -> String {
        format!(
            "  - {{ id: {id}, type: X1, description: d, severity: low, pattern: '{pattern}', match: [a], \
             no_match: [b]{more} }}\n"
        )
    }

    /// Scenario: the built-in packs. Guarantee: nothing in them is worse than a note.
    #[test]
    fn built_in_packs_are_clean() {
        let packs: Vec<_> = BUILTIN.iter().map(|(file, text)| pack::read(file, text).unwrap()).collect();
        let bad = lint(&packs, &Settings::default()).into_iter().filter(|lint| lint.level > Level::Note);
        let bad: Vec<_> = bad.map(|lint| lint.to_string()).collect();
        assert!(bad.is_empty(), "{}", bad.join("\n"));
    }

    /// Scenario: a rule for each mistake. Guarantee: each is told with its place and its rule, and what is good
    /// is not spoken of.
    #[test]
    fn mistakes_are_told() {
        let cases = [
            (rule("good", r"tok_\d{8}", ""), None),
            (rule("slow", r"\d{8}x", ""), Some("pack.yaml:2:5: warning: rule slow: no filter")),
            (rule("long", r"tok_\d+", ""), Some("pack.yaml:2:5: note: rule long: an unbounded repetition")),
            (
                rule("nest", r"tok(?:_?[a-z]{1,20}){1,30}", ""),
                Some("pack.yaml:2:5: note: rule nest: a repetition"),
            ),
            (rule("both", r"\+\d{8}", ", shape: plus, literals: [tok]"), Some("`literals` beside a `shape`")),
            (
                rule("gap", r"(?:tok|key)_\d{8}", ", literals: [tok_]"),
                Some("pack.yaml:2:5: error: rule gap: a match can start with `key_`"),
            ),
            (rule("bad", r"(", ""), Some("pack.yaml:2:5: error: rule bad: the pattern does not parse")),
            (
                rule("void", r"(?:tok_)?", ""),
                Some("pack.yaml:2:5: error: rule void: the pattern matches the empty text"),
            ),
        ];
        for (text, expected) in cases {
            let said = lints(&format!("rules:\n{text}"));
            match expected {
                None => assert!(said.is_empty(), "{said:?}"),
                Some(expected) => {
                    assert!(said.len() == 1 && said[0].contains(expected), "{expected}: {said:?}")
                }
            }
        }
    }

    /// Scenario: rules that get in each other's way. Guarantee: the later one is told, with the earlier one's place.
    #[test]
    fn rules_are_compared() {
        let text = ["rules:\n", &rule("one", "tok_x{8}", ""), &rule("two", "tok_x{8}", ", context: [near]")];
        let said = lints(&text.concat());
        assert!(
            said.len() == 1 && said[0].starts_with("pack.yaml:3:5: note: rule two: all its literals"),
            "{said:?}"
        );
        let text = ["rules:\n", &rule("one", "tok_x{8}", ""), &rule("two", "tok_x{8}", "")].concat();
        let said = lints(&text);
        assert!(
            said.iter().any(|said| said.contains("rule two: finds the same as rule one (pack.yaml:2)")),
            "{said:?}"
        );
        let said = lints(&["rules:\n", &rule("one", "tok_x{8}", ""), &rule("one", "key_x{8}", "")].concat());
        assert!(said.len() == 1 && said[0].contains("another rule has this id"), "{said:?}");
        let key = |id: &str, names: &str| {
            format!(
                "  - {{ id: {id}, type: X1, severity: low, names: [{names}], attribute_only: true, no_match: [b] }}\n"
            )
        };
        let said = lints(
            &["keys:\n", &key("one", "user_pass"), &key("two", "userPass, '=user_pass', other")].concat(),
        );
        let claimed: Vec<_> = said.iter().filter(|said| said.contains("the name")).collect();
        assert!(
            claimed.len() == 1 && claimed[0].contains("the name userPass is already that of rule one"),
            "{said:?}"
        );
        assert_eq!(said.iter().filter(|said| said.contains("no description")).count(), 2, "{said:?}");
    }

    /// Scenario: repetitions in repetitions. Guarantee: only those are told whose turns can be divided in many ways.
    #[test]
    fn only_ambiguous_repetitions_are_nested() {
        for (pattern, expected) in [
            (r"(?:a+)+b", true),
            (r"(?:a+b?)*c", true),
            (r"(?:[ab][a-c]+)+d", true),
            (r"(?:x|a*a)+d", true),
            (r"(?:\.[a-z]+)+", false),
            (r"(?:[a-z]{4} ?){2,20}", false),
            (r"(?:a{1,3}){1,20}b", false),
            (r"(?:a+){1,3}b", false),
        ] {
            let (hir, _) = rule::parse(pattern).unwrap();
            assert_eq!(has_nested(&hir), expected, "{pattern}");
        }
    }
}
