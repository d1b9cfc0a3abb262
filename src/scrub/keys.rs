//! Telling keys: a value is sensitive by the name it stands under, whatever its shape. As the key of an
//! attribute, and inside texts of every notation (JSON, logfmt, headers, forms, XML) without parsing them.

use std::collections::{HashMap, HashSet};

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

/// Stands for no rule.
const NONE: u16 = u16::MAX;

/// The names of all key rules.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Normalised name to rule, and whether the whole last segment must be this name.
    names: HashMap<Box<[u8]>, (u16, bool), foldhash::fast::FixedState>,
    /// Fingerprints of how names end: the last 6, 4 or 3 letters and digits, as many as the name has.
    tails: Vec<u64>,
    /// Fingerprints of names' last four letters and digits, and of their last three: what most other keys don't
    /// end in.
    ends: Vec<u64>,
    /// The types, as they stand in what took a value's place: `[SECRET_TOKEN]` is no key.
    kinds: HashSet<Box<[u8]>, foldhash::fast::FixedState>,
}

/// 1 for letters and digits.
static IS_LETTER: [u8; 256] = {
    let mut is = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        is[byte] = (byte as u8).is_ascii_alphanumeric() as u8;
        byte += 1;
    }
    is
};

/// The slot of a name's last four letters or digits, or of its last three behind a 0.
fn end_slot(last: u32) -> usize {
    ((last | 0x2020_2020).wrapping_mul(0x9E37_79B1) >> 17) as usize
}

/// How many letters of a name's end are looked at.
const TAILS: [u32; 3] = [6, 4, 3];

/// The slot of a name's last `len` letters, the last one in the highest byte of `tail`.
fn tail_slot(tail: u64, len: u32) -> usize {
    let tail = (tail | 0x2020_2020_2020_2020) >> (64 - 8 * len);
    (tail.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 49) as usize
}

/// A key's lower-case letters and digits, and where its words begin.
struct Normal {
    text: [u8; KEY_NAME_BYTES],
    len: usize,
    words: u64,
    /// Where the last dotted segment begins.
    segment: usize,
}

fn normalise(key: &[u8]) -> Normal {
    let key = &key[key.len().saturating_sub(KEY_NAME_BYTES)..];
    let mut out = Normal { text: [0; KEY_NAME_BYTES], len: 0, words: 0, segment: 0 };
    let (mut previous, mut before) = (b'_', b'_');
    for &byte in key {
        if byte.is_ascii_alphanumeric() {
            // `userPassword`, and `DBpassword`.
            let hump = (byte.is_ascii_uppercase() && previous.is_ascii_lowercase())
                || (byte.is_ascii_lowercase()
                    && previous.is_ascii_uppercase()
                    && before.is_ascii_uppercase());
            if hump || !previous.is_ascii_alphanumeric() {
                out.words |= 1 << out.len;
            }
            out.text[out.len] = byte.to_ascii_lowercase();
            out.len += 1;
        } else if matches!(byte, b'.' | b'/' | b' ') {
            out.segment = out.len;
        }
        (before, previous) = (previous, byte);
    }
    out
}

/// A name without the number at its end: `password2`.
fn unnumbered(key: &[u8]) -> Option<&[u8]> {
    let digits = key.iter().rev().take(3).take_while(|b| b.is_ascii_digit()).count();
    let name = &key[..key.len() - digits];
    (digits > 0 && name.last().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_')).then_some(name)
}

/// A name as keys are looked up by it: the same for all ways to write it, with `=` in front or without.
pub(super) fn normal_name(name: &str) -> Vec<u8> {
    let normal = normalise(name.as_bytes());
    normal.text[..normal.len].to_vec()
}

impl Names {
    pub fn add(&mut self, name: &str, rule: u16) {
        let exact = name.starts_with('=');
        let normal = normalise(name.as_bytes());
        let text = &normal.text[..normal.len];
        if let Some(len) = TAILS.into_iter().find(|len| text.len() >= *len as usize) {
            self.tails.resize(512, 0);
            let tail = text.iter().fold(0, |tail, byte| tail >> 8 | u64::from(*byte) << 56);
            let slot = tail_slot(tail, len);
            self.tails[slot >> 6] |= 1 << (slot & 63);
        }
        self.ends.resize(512, 0);
        let mut add = |last: u32| {
            let slot = end_slot(last);
            self.ends[slot >> 6] |= 1 << (slot & 63);
        };
        match text {
            // Any letter or digit may stand before a name of three.
            [a, b, c] => (0x20..0x80).for_each(|any| add(u32::from_le_bytes([any, *a, *b, *c]))),
            [.., a, b, c, d] => add(u32::from_le_bytes([*a, *b, *c, *d])),
            _ => {}
        }
        if let [.., a, b, c] = text {
            add(u32::from_le_bytes([0, *a, *b, *c]));
        }
        self.names.entry(text.into()).or_insert((rule, exact));
    }

    /// Makes known a name that is no key, though it ends like one.
    pub fn except(&mut self, name: &str) {
        let normal = normalise(name.as_bytes());
        self.names.insert(normal.text[..normal.len].into(), (NONE, false));
    }

    /// Makes known a type: in brackets its name stands where a value was.
    pub fn add_kind(&mut self, kind: &str) {
        self.kinds.insert(kind.as_bytes().into());
    }

    /// The rule for a key, by its last words, and whether its name counts only as a whole segment.
    pub fn find(&self, key: &[u8]) -> Option<(u16, bool)> {
        self.look_up(key).filter(|(rule, _)| *rule != NONE)
    }

    /// [`Names::find`], with [`NONE`] for a name that is known to be no key.
    fn look_up(&self, key: &[u8]) -> Option<(u16, bool)> {
        let end = key.iter().rposition(u8::is_ascii_alphanumeric)? + 1;
        let key = &key[..end];
        if !self.tail(key) {
            return unnumbered(key).and_then(|name| self.look_up(name));
        }
        let normal = normalise(key);
        let mut words = normal.words;
        while words != 0 {
            let at = words.trailing_zeros() as usize;
            words &= words - 1;
            if let Some(&(rule, exact)) = self.names.get(&normal.text[at..normal.len])
                && (!exact || at == normal.segment)
            {
                return Some((rule, exact));
            }
        }
        None
    }

    /// A glance at the four bytes before the separator at `at`, or before the quote before it: false if no name
    /// ends there.
    #[inline(always)]
    pub fn may_end(&self, text: &[u8], at: usize) -> bool {
        let end = at - usize::from(at > 0 && text[at - 1] == b'"');
        let Some(last) = text[..end].last_chunk::<4>() else { return end > 2 };
        // No branches on what the bytes are: keys are too many and too mixed for a processor to foresee.
        if last[3].is_ascii_digit() {
            return true;
        }
        let letters = last.iter().rev().fold(0, |all, byte| all << 1 | IS_LETTER[usize::from(*byte)]);
        let four = u32::from_le_bytes(*last);
        // Four letters; three; three with something between the first and the others (`_id`); or something else.
        let tails = [four, four & !0xFF, four & !0xFFFF | (four & 0xFF) << 8, 0];
        const WHICH: [usize; 16] = [3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 2, 1, 0];
        let which = WHICH[usize::from(letters & 15)];
        let slot = end_slot(tails[which]);
        let known = self.ends.get(slot >> 6).is_some_and(|ends| ends >> (slot & 63) & 1 != 0);
        which == 3 || known
    }

    /// A cheap test on the last bytes: `key` may be a name.
    fn tail(&self, key: &[u8]) -> bool {
        if self.tails.is_empty() {
            return false;
        }
        let (mut tail, mut letters) = (0u64, 0u32);
        for byte in key.iter().rev().take(12) {
            // Whatever stands between the words of a name is passed over.
            if byte.is_ascii_alphanumeric() {
                tail |= u64::from(*byte) << (56 - 8 * letters);
                letters += 1;
                if letters == TAILS[0] {
                    break;
                }
            }
        }
        TAILS.into_iter().filter(|len| letters >= *len).any(|len| {
            let slot = tail_slot(tail, len);
            self.tails[slot >> 6] >> (slot & 63) & 1 != 0
        })
    }

    /// The key before the separator at `at` of `text`, and its rule. In sentences and tables a key has spaces
    /// (`Tax ID: 12`), so a few words before the last belong to it.
    #[inline]
    pub fn before(&self, text: &[u8], at: usize) -> Option<Key> {
        let mut end = at;
        let mut steps = 0;
        while end > 0
            && steps < 8
            && matches!(text[end - 1], b'"' | b'\'' | b'\\' | b' ' | b']' | b')' | b'`' | b'?' | b'!')
        {
            end -= 1;
            steps += 1;
        }
        let head = &text[..end];
        if end < 3 || !(self.tail(head) || unnumbered(head).is_some_and(|name| self.tail(name))) {
            return None;
        }
        let from = end.saturating_sub(KEY_NAME_BYTES);
        let is_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        let word =
            |end: usize| head[from..end].iter().rposition(|b| !is_name(b)).map_or(from, |i| from + i + 1);
        let last = word(end);
        if head[..last].ends_with(b"[")
            && matches!(text[end], b']' | b':')
            && self.kinds.contains(&head[last..])
        {
            return None;
        }
        let mut start = last;
        for _ in 0..KEY_WORDS {
            let Some(b' ') = head[from..start].last() else { break };
            let more = word(start - 1);
            if more == start - 1 {
                break;
            }
            start = more;
        }
        let alone = self.look_up(&head[last..]).map(|(rule, _)| rule);
        let whole = if start == last { alone } else { self.look_up(&head[start..]).map(|(rule, _)| rule) };
        // What the last word says by itself needs no sentence around it: `user password: hunter`.
        let (rule, worded) = match alone {
            _ if whole == Some(NONE) => return None,
            Some(rule) if rule != NONE => (rule, false),
            _ => (whole?, true),
        };
        Some(Key { rule, start: last, worded })
    }
}

/// Words before the last one of a key.
const KEY_WORDS: usize = 3;

/// A telling key inside a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    /// Its rule.
    pub rule: u16,
    /// Where its last word begins.
    pub start: usize,
    /// Its name is told only by several words with spaces between them, as in a sentence.
    pub worded: bool,
}

/// The value after the separator at `at` of `text`, that stands under `rule`.
pub(super) fn value_after(
    rule: &KeyRule,
    cache: Option<&mut Cache>,
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
            let line = rest.iter().position(|b| matches!(b, b'\r' | b'\n')).unwrap_or(rest.len());
            let stop = |b: &u8| match b {
                b'<' => true,
                _ if xml => false,
                b'"' | b'\'' | b'`' | b'\\' => true,
                _ if rule.whole_line => false,
                _ => b.is_ascii_whitespace() || b",;&|)}]".contains(b),
            };
            (rest[..line].iter().position(stop).unwrap_or(line), line)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: one name in every spelling. Guarantee: all are found, near names are not.
    #[test]
    fn names_are_found_in_every_spelling() {
        let mut names = Names::default();
        names.add("api_key", 1);
        names.add("=token", 2);
        for key in [
            "api_key",
            "API-KEY",
            "apiKey",
            "x-api-key",
            "http.request.header.x-api-key",
            "apikey",
            "myApiKey",
        ] {
            assert_eq!(names.find(key.as_bytes()), Some((1, false)), "{key}");
        }
        assert_eq!(names.find(b"auth.token"), Some((2, true)));
        for key in ["DBapiKey", "api_key2", "apiKey_01"] {
            assert_eq!(names.find(key.as_bytes()), Some((1, false)), "{key}");
        }
        for key in ["page_token", "tokens", "key", "apikeys", "api_keyboard", ""] {
            assert_eq!(names.find(key.as_bytes()), None, "{key}");
        }
    }
}
