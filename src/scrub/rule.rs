//! One rule, compiled: how its candidates are found and how a candidate becomes a match.

use regex_automata::{
    meta::{Cache, Regex},
    util::syntax,
};
use regex_syntax::hir::{Hir, Look, literal::Extractor};

use super::{
    Action, Severity,
    classes::Shape,
    coverage::uncovered,
    literals::{self, Begins},
    pack::{PackError, Place, RuleSpec},
    starts::{Bytes, Starts},
    validate::Validator,
};
use crate::limits;

/// How a rule's candidates are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// Every match starts with one of these (lower-case).
    Literals(Vec<Vec<u8>>),
    /// Every match has this shape.
    Shape(Shape),
    /// No filter: the regular expression runs over every text. Correct, and slow.
    None,
}

/// A compiled rule.
#[derive(Debug)]
pub(super) struct Rule {
    pub id: String,
    /// Index into the scrubber's kinds.
    pub kind: u16,
    pub severity: Severity,
    pub action: Action,
    pub filter: Filter,
    pub regex: Regex,
    /// The group `value`, if the pattern has one.
    pub group: Option<usize>,
    /// Where a match may begin.
    pub begins: Begins,
    /// What matches begin with, if they are whole runs.
    pub starts: Starts,
    /// The shortest match, in bytes.
    pub shortest: usize,
    /// The longest match, in bytes.
    pub longest: usize,
    pub validator: Option<Validator>,
    pub context: Words,
    pub unless: Words,
    pub not_near: Words,
}

/// What came of one candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Accepted,
    Validator,
    Context,
    Unless,
    Edge,
}

/// Bytes before a match in which its context words may stand.
const CONTEXT: usize = 48;
/// Bytes before an e-mail address in which the start of a URL is looked for.
const AUTHORITY: usize = 128;
/// Bytes before a match in which its `unless` words must not stand.
const UNLESS: usize = 12;

/// A match can be as long as its text. Only for rules whose literal says where a match starts.
pub(super) const ENDLESS: usize = usize::MAX / 4;

pub(super) fn syntax_config() -> syntax::Config {
    syntax::Config::new().unicode(false).utf8(false)
}

/// Parses a pattern under ASCII rules, and measures it.
pub(super) fn parse(pattern: &str) -> Result<(Hir, usize), (String, &'static str)> {
    let hir = syntax::parse_with(pattern, &syntax_config()).map_err(|e| {
        (format!("the pattern does not parse: {}", last_line(&e.to_string())), "see the regex crate's syntax")
    })?;
    if hir.properties().look_set().contains_word_unicode() {
        return Err(("a Unicode word boundary".into(), "patterns are ASCII: leave out (?u)"));
    }
    match hir.properties().maximum_len() {
        Some(0) => {
            Err(("the pattern matches nothing but the empty text".into(), "require at least one byte"))
        }
        None if hir.properties().minimum_len().is_some_and(|n| n > 0) => Ok((hir, ENDLESS)),
        Some(longest) if longest > limits::MATCH_BYTES => {
            Err((format!("a match can be {longest} bytes long"), "bound the repetitions more tightly"))
        }
        Some(longest) if hir.properties().minimum_len().unwrap_or(0) > 0 => Ok((hir, longest)),
        _ => Err(("the pattern matches the empty text".into(), "require at least one byte")),
    }
}

fn last_line(text: &str) -> String {
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

pub(super) fn build(hir: &Hir) -> Result<Regex, String> {
    Regex::builder()
        .configure(Regex::config().auto_prefilter(false).utf8_empty(false).hybrid_cache_capacity(256 * 1024))
        .build_from_hir(hir)
        .map_err(|e| e.to_string())
}

impl Rule {
    pub fn compile(spec: &RuleSpec, file: &str, place: Place, kind: u16) -> Result<Rule, PackError> {
        let error =
            |message: String, hint: &str| PackError::new(file, place, Some(&spec.id), message).hint(hint);
        let (hir, longest) = parse(&spec.pattern).map_err(|(m, h)| error(m, h))?;
        if spec.action == Action::Keep && spec.reason.trim().is_empty() {
            return Err(error("`keep` without a reason".into(), "reason: why these values may stay"));
        }
        if matches!(spec.action, Action::Mask { keep: 5.. }) {
            return Err(error("mask keeps more than 4 characters".into(), "keep: 0 to 4"));
        }
        let shortest = hir.properties().minimum_len().unwrap_or(0);
        let regex = build(&hir).map_err(|m| error(m, "make the pattern smaller"))?;
        let filter = if let Some(shape) = spec.shape {
            Filter::Shape(shape)
        } else if !spec.literals.is_empty() {
            Filter::Literals(spec.literals.iter().map(|l| l.to_ascii_lowercase().into_bytes()).collect())
        } else {
            derive(&hir)
        };
        if let Filter::Literals(list) = &filter
            && list.iter().any(|l| l.len() < literals::SHORTEST)
        {
            return Err(error("a literal is shorter than 3 bytes".into(), "give longer ones, or a shape"));
        }
        if spec.shape.is_none()
            && !spec.literals.is_empty()
            && let Filter::Literals(list) = &filter
            && let Some(start) = uncovered(&hir, list)
        {
            return Err(error(
                format!(
                    "a match can start with `{}`, which starts with none of `literals`",
                    start.escape_ascii()
                ),
                "such a match would be missed: add that literal, or shorten one to what all matches have",
            ));
        }
        if longest == ENDLESS && matches!(filter, Filter::Shape(_)) {
            return Err(error(
                "a rule with a shape has no longest match".into(),
                "bound every repetition: {1,64} for +",
            ));
        }
        Ok(Rule {
            id: spec.id.clone(),
            kind,
            severity: spec.severity,
            action: spec.action,
            group: regex.group_info().to_index(regex_automata::PatternID::ZERO, "value"),
            regex,
            begins: begins(&hir),
            starts: if filter == Filter::Shape(Shape::Run) { Starts::of(&hir) } else { Starts::default() },
            filter,
            shortest,
            longest,
            validator: spec.validator,
            context: Words::new(&spec.context),
            unless: Words::new(&spec.unless),
            not_near: Words::new(&spec.not_near),
        })
    }

    /// What to replace of the match `start..end` in `text`.
    pub fn value(&self, cache: &mut Cache, text: &[u8], start: usize, end: usize) -> (usize, usize) {
        let Some(group) = self.group else { return (start, end) };
        let input = regex_automata::Input::new(text)
            .range(start..text.len().min(start.saturating_add(self.longest)))
            .anchored(regex_automata::Anchored::Yes);
        let mut captures = self.regex.create_captures();
        self.regex.search_captures_with(cache, &input, &mut captures);
        captures.get_group(group).map_or((start, end), |span| (span.start, span.end))
    }

    /// The word that decided over a value that begins at `start` of `text`: one that speaks against it, or else
    /// one that its rule asks for.
    pub fn word(&self, text: &[u8], start: usize, key: &[u8]) -> Option<&[u8]> {
        let within = |n: usize| &text[start.saturating_sub(n)..start];
        let against =
            || self.unless.found_in(within(UNLESS)).or_else(|| self.not_near.found_in(within(CONTEXT)));
        against().or_else(|| self.context.found_in(within(CONTEXT))).or_else(|| self.context.found_in(key))
    }

    /// Whether the value `start..end` of `text` counts. `key` is the name it stands under, or empty.
    pub fn judge(&self, text: &[u8], start: usize, end: usize, key: &[u8]) -> Verdict {
        let before = &text[..start];
        if let Some(validator) = self.validator {
            if validator.torn(before.last().copied(), &text[end..])
                || (validator == Validator::Email && in_authority(before))
            {
                return Verdict::Edge;
            }
            if !validator.check(&text[start..end]) {
                return Verdict::Validator;
            }
        }
        let within = |n: usize| &before[before.len().saturating_sub(n)..];
        if self.unless.stand_in(within(UNLESS)) || self.not_near.stand_in(within(CONTEXT)) {
            return Verdict::Unless;
        }
        if !self.context.is_empty() && !self.context.stand_in(within(CONTEXT)) && !self.context.stand_in(key)
        {
            return Verdict::Context;
        }
        Verdict::Accepted
    }
}

/// Whether what follows is the password of a URL: `scheme://user:` before it.
fn in_authority(before: &[u8]) -> bool {
    let near = &before[before.len().saturating_sub(AUTHORITY)..];
    let user = near.iter().rposition(|b| matches!(b, b'/' | b'?' | b'#' | b' ' | b'\n' | b'"'));
    user.is_some_and(|at| near[..=at].ends_with(b"://") && near[at..].contains(&b':'))
}

/// Words that are looked for near a match, in any case.
#[derive(Debug, Default)]
pub(super) struct Words {
    list: Vec<Vec<u8>>,
    /// The bytes that they begin with, and those that come next, in both cases.
    starts: [Bytes; 2],
}

impl Words {
    fn new(words: &[String]) -> Words {
        let mut out = Words::default();
        for word in words.iter().filter(|word| !word.is_empty()) {
            let word = word.to_ascii_lowercase().into_bytes();
            for (bytes, byte) in out.starts.iter_mut().zip(&word) {
                bytes.add(*byte);
                bytes.add(byte.to_ascii_uppercase());
            }
            if word.len() == 1 {
                out.starts[1] = Bytes::ALL;
            }
            out.list.push(word);
        }
        out
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All of them, in lower case.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.list.iter().map(Vec::as_slice)
    }

    /// All of them in one line, for people.
    pub fn shown(&self) -> String {
        let words = self.iter().map(|word| String::from_utf8_lossy(word).trim().to_owned());
        words.collect::<Vec<_>>().join(", ")
    }

    /// Whether one of them stands in `text`.
    fn stand_in(&self, text: &[u8]) -> bool {
        self.found_in(text).is_some()
    }

    /// The first of them that stands in `text`, in lower case.
    fn found_in(&self, text: &[u8]) -> Option<&[u8]> {
        let [first, second] = &self.starts;
        let here = |rest: &[u8], word: &[u8]| {
            rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
        };
        let starts = |rest: &[u8]| first.has(rest[0]) && rest.get(1).is_none_or(|byte| second.has(*byte));
        if self.is_empty() {
            return None;
        }
        (0..text.len())
            .filter(|at| starts(&text[*at..]))
            .find_map(|at| self.iter().find(|word| here(&text[at..], word)))
    }
}

/// Where matches begin: at a word, if the pattern starts with a boundary on every branch.
fn begins(hir: &Hir) -> Begins {
    let looks = hir.properties().look_set_prefix();
    if looks.contains(Look::WordAscii) || looks.contains(Look::WordStartAscii) {
        Begins::AtWord
    } else {
        Begins::Anywhere
    }
}

/// The literals with which every match starts, if they are few and long enough.
fn derive(hir: &Hir) -> Filter {
    let mut prefixes = Extractor::new().limit_class(10).limit_total(64).extract(hir);
    prefixes.keep_first_bytes(12);
    let Some(found) = prefixes.literals() else { return Filter::None };
    if found.is_empty() || found.iter().any(|l| l.len() < literals::SHORTEST) {
        return Filter::None;
    }
    let mut list: Vec<Vec<u8>> = found.iter().map(|l| l.as_bytes().to_ascii_lowercase()).collect();
    list.sort();
    list.dedup();
    Filter::Literals(list)
}
