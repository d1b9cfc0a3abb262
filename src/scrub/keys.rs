//! Telling keys: a value is sensitive by the name it stands under, whatever its shape. As the key of an
//! attribute, and inside texts of every notation (JSON, logfmt, headers, forms, XML) without parsing them.

mod names;

use regex_automata::{
    Anchored, Input,
    meta::{Cache, Regex},
};

use super::{
    Action, Severity,
    pack::{KeySpec, PackError, Place},
    rule,
    validate::Validator,
};
use crate::limits::{KEY_NAME_BYTES, KEYED_VALUE_BYTES};
pub(super) use names::{Key, Names, Strangers, normal_name};

/// A compiled key rule.
#[derive(Debug)]
pub(super) struct KeyRule {
    pub id: String,
    pub kind: u16,
    pub severity: Severity,
    pub action: Action,
    pub value: Option<Regex>,
    pub validator: Option<Validator>,
    pub whole_line: bool,
    pub attribute_only: bool,
    pub pairs: bool,
    /// The group `value` of `value`, if it has one.
    pub group: Option<usize>,
}

impl KeyRule {
    pub fn compile(spec: &KeySpec, file: &str, place: Place, kind: u16) -> Result<KeyRule, PackError> {
        let error =
            |message: String, hint: &str| PackError::new(file, place, Some(&spec.id), message).hint(hint);
        let value = match &spec.value {
            None => None,
            Some(pattern) => {
                let (hir, _) = rule::parse(pattern).map_err(|(m, h)| error(m, h))?;
                Some(rule::build(&hir).map_err(|m| error(m, "make the pattern smaller"))?)
            }
        };
        let group = value
            .as_ref()
            .and_then(|regex| regex.group_info().to_index(regex_automata::PatternID::ZERO, "value"));
        if spec
            .names
            .iter()
            .chain(&spec.except)
            .any(|n| n.trim_start_matches('=').len() < 3 || n.len() > KEY_NAME_BYTES)
        {
            return Err(error("a name is shorter than 3 bytes or too long".into(), "3 to 64 bytes"));
        }
        if spec.action == Action::Keep && spec.reason.trim().is_empty() {
            return Err(error("`keep` without a reason".into(), "reason: why these values may stay"));
        }
        if matches!(spec.action, Action::Mask { keep: 5.. }) {
            return Err(error("mask keeps more than 4 characters".into(), "keep: 0 to 4"));
        }
        Ok(KeyRule {
            id: spec.id.clone(),
            kind,
            severity: spec.severity,
            action: spec.action,
            value,
            validator: spec.validator,
            whole_line: spec.whole_line,
            attribute_only: spec.attribute_only,
            pairs: spec.pairs,
            group,
        })
    }
}

/// Where the lines and the bare values of one text end, as far as that is known: a crafted text may have very
/// many keys before the end of one value.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    line: Next,
    value: Next,
}

/// The next place of some kind.
#[derive(Debug, Default)]
struct Next {
    /// No such place is in `from..to`.
    from: usize,
    to: usize,
    /// One is at `to`.
    found: bool,
}

impl Next {
    /// How far behind `start` the next place is that `find` finds, or where the longest value ends before it.
    fn after(&mut self, text: &[u8], start: usize, find: impl Fn(&[u8]) -> Option<usize>) -> usize {
        let start = start.min(text.len());
        let limit = text.len().min(start + KEYED_VALUE_BYTES);
        if !(self.from..=self.to).contains(&start) {
            *self = Next { from: start, to: start, found: false };
        }
        if !self.found && self.to < limit {
            match find(&text[self.to..limit]) {
                Some(more) => (self.to, self.found) = (self.to + more, true),
                None => self.to = limit,
            }
        }
        self.to.min(limit) - start
    }
}

/// The value after the separator at `at` of `text`, that stands under `rule`. `ahead` is of this text.
pub(super) fn value_after(
    rule: &KeyRule,
    cache: Option<&mut Cache>,
    ahead: &mut Ahead,
    text: &[u8],
    key: Key,
    at: usize,
) -> Option<(usize, usize)> {
    let separator = text[at];
    let xml = separator == b'>' && key.start > 0 && matches!(text[key.start - 1], b'<' | b':');
    if separator == b'>' && !xml && !text[..at].ends_with(b"-") {
        return None;
    }
    let mut i = at + 1;
    if separator != b'>' {
        match text.get(i) {
            Some(b'>' | b'=') if separator == b'=' => i += 1,
            Some(b'=') => i += 1,
            Some(b':') => return None,
            _ => {}
        }
    }
    let blank = |b: &u8| matches!(b, b' ' | b'\t') || (xml && matches!(b, b'\r' | b'\n'));
    i += text[i..].iter().take(if xml { 40 } else { 5 }).take_while(|b| blank(b)).count();
    if text.get(i) == Some(&b'[') && matches!(text.get(i + 1), Some(b'"' | b'\\' | b'\'')) {
        i += 1;
    }
    if text.get(i) == Some(&b'{') {
        i = inside(text, i)?;
    }
    let slashes = text[i..].iter().take(15).take_while(|b| **b == b'\\').count();
    let quote = text.get(i + slashes).copied().filter(|b| matches!(b, b'"' | b'\'' | b'`'));
    let start = if quote.is_some() { i + slashes + 1 } else { i };
    let rest = &text[start.min(text.len())..];
    let rest = &rest[..rest.len().min(KEYED_VALUE_BYTES)];
    let (extent, line) = match quote {
        Some(quote) => {
            let end = closing(rest, quote, slashes);
            (end, end)
        }
        None => {
            let line = ahead.line.after(text, start, |rest| memchr::memchr2(b'\r', b'\n', rest));
            let stop = |b: &u8| match b {
                b'<' | b'"' | b'\'' | b'`' | b'\\' => true,
                _ => b.is_ascii_whitespace() || b",;&|)}]".contains(b),
            };
            let extent = if xml {
                memchr::memchr(b'<', &rest[..line]).unwrap_or(line)
            } else if rule.whole_line {
                let stop = |b: &u8| matches!(b, b'<' | b'"' | b'\'' | b'`' | b'\\');
                rest[..line].iter().position(stop).unwrap_or(line)
            } else {
                ahead.value.after(text, start, |rest| rest.iter().position(stop)).min(line)
            };
            (extent, line)
        }
    };
    let value = &rest[..extent];
    if is_placeholder(value, quote.is_some()) {
        return None;
    }
    // `access token: expired` is a sentence.
    if key.worded && quote.is_none() && !value.iter().any(u8::is_ascii_digit) {
        return None;
    }
    let (mut from, mut end) = (0, extent);
    if let (Some(regex), Some(cache)) = (&rule.value, cache) {
        let input = Input::new(&rest[..line]).anchored(Anchored::Yes);
        let found = regex.search_half_with(cache, &input)?.offset();
        end = if found < extent && (quote.is_some() || xml) { extent } else { found };
        if let Some(group) = rule.group {
            let mut captures = regex.create_captures();
            regex.search_captures_with(cache, &input, &mut captures);
            from = captures.get_group(group).map_or(0, |span| span.start);
        }
    }
    let counts = end > from
        && !is_replaced(&rest[from..end])
        && rule.validator.is_none_or(|validator| rule.pairs || validator.check(&rest[from..end]));
    counts.then_some((start + from, start + end))
}

/// Names of members that hold what the object around them is called after.
const INSIDE: [&[u8]; 5] = [b"value", b"number", b"id", b"raw", b"secret"];

/// Where the value stands in a small object that begins at `at`: `{"type":"dni","value":"..."}`.
fn inside(text: &[u8], at: usize) -> Option<usize> {
    let object = &text[at..text.len().min(at + OBJECT_BYTES)];
    let object = &object[..object.iter().position(|b| *b == b'}').unwrap_or(object.len())];
    memchr::memchr_iter(b':', object).find_map(|colon| {
        let name = object[..colon].trim_ascii_end();
        let name = name.strip_suffix(b"\"")?;
        let known = INSIDE
            .iter()
            .any(|inside| name.ends_with(inside) && name[..name.len() - inside.len()].ends_with(b"\""));
        let blank = object[colon + 1..].iter().take_while(|b| **b == b' ').count();
        known.then_some(at + colon + 1 + blank)
    })
}

/// The places of the values in a list of `name=value` that the rule's validator takes.
pub(super) fn pairs(rule: &KeyRule, list: &[u8], mut found: impl FnMut(usize, usize)) {
    let mut from = 0;
    for pair in list.split(|b| *b == b';') {
        if let Some(equals) = pair.iter().position(|b| *b == b'=') {
            let (name, value) = (pair[..equals].trim_ascii(), &pair[equals + 1..]);
            let counter = [&b"_g"[..], b"_fbp", b"__utm", b"_hj"].iter().any(|start| name.starts_with(start));
            if !counter && !is_placeholder(value, true) && rule.validator.is_none_or(|v| v.check(value)) {
                found(from + equals + 1, from + pair.len());
            }
        }
        from += pair.len() + 1;
    }
}

/// How far into a small object under a telling key is looked, in bytes.
const OBJECT_BYTES: usize = 256;

/// Where the quoted text ends that began with `slashes` backslashes and `quote`.
fn closing(rest: &[u8], quote: u8, slashes: usize) -> usize {
    let mut run = 0;
    for (i, byte) in rest.iter().enumerate() {
        if *byte == b'\\' {
            run += 1;
            continue;
        }
        if *byte == quote && run <= slashes {
            return i - run;
        }
        run = 0;
    }
    rest.len()
}

/// Whether a value is no secret: empty, a literal of the notation, a variable, or already replaced.
pub(super) fn is_placeholder(value: &[u8], quoted: bool) -> bool {
    const WORDS: [&[u8]; 8] = [b"null", b"none", b"nil", b"true", b"false", b"undefined", b"nan", b"n/a"];
    let trimmed = value.trim_ascii();
    match trimmed {
        [] | [b'?'] | [b'%', b's' | b'd' | b'v'] => true,
        [b'$', b'{', .., b'}'] | [b'{', b'{', .., b'}', b'}'] => true,
        [b'$', digits @ ..] if digits.iter().all(u8::is_ascii_digit) => true,
        [b'{', ..] if !quoted => true,
        [b'[', ..] => is_replaced(trimmed),
        [b'*', ..] => {
            let stars = trimmed.iter().take_while(|b| **b == b'*').count();
            trimmed.len() - stars <= 4
        }
        _ => WORDS.iter().any(|word| trimmed.eq_ignore_ascii_case(word)),
    }
}

/// Whether this is only what `replace` writes, whole or cut off before its `]`.
pub(super) fn is_replaced(value: &[u8]) -> bool {
    let Some(rest) = value.strip_prefix(b"[") else { return false };
    let rest = rest.strip_suffix(b"]").unwrap_or(rest);
    let name = rest.iter().take_while(|b| b.is_ascii_uppercase() || matches!(b, b'_' | b'0'..=b'9')).count();
    let token = |b: &u8| matches!(b, b'a'..=b'p' | b':');
    name >= 2 && rest[name..].len() <= 30 && rest[name..].iter().all(token)
}
