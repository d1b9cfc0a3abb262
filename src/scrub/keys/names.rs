//! The names of keys, and whose they are: told by their last words, in every spelling.

use std::collections::{HashMap, HashSet};

use crate::limits::KEY_NAME_BYTES;

/// Stands for no rule.
const NONE: u16 = u16::MAX;

/// The names of all key rules.
#[derive(Debug)]
pub(in crate::scrub) struct Names {
    /// Normalised name to rules.
    names: HashMap<Box<[u8]>, Owners, foldhash::fast::FixedState>,
    /// Fingerprints of how names end: the last 6, 4 or 3 letters and digits, as many as the name has.
    tails: Box<[u64; 512]>,
    /// The same of the last 4 of all longer names.
    ends: Box<[u64; 512]>,
    /// The types, as they stand in what took a value's place: `[SECRET_TOKEN]` is no key.
    kinds: HashSet<Box<[u8]>, foldhash::fast::FixedState>,
    /// Whether some name ends in three digits.
    numbered: bool,
}

/// Whose a name is. One rule may have it as a whole segment, another one as the last words of any key.
#[derive(Debug, Default)]
struct Owners {
    segment: Option<u16>,
    words: Option<u16>,
}

fn is_in(set: &[u64; 512], slot: usize) -> bool {
    set[slot >> 6 & 511] >> (slot & 63) & 1 != 0
}

/// Ends of texts that were found to be no name's, some of them: most keys come again and again.
#[derive(Debug)]
pub(in crate::scrub) struct Strangers {
    /// By six bytes.
    six: [u64; 1 << Strangers::BITS],
    /// By eight, where six don't tell.
    eight: [u64; 1 << Strangers::BITS],
}

impl Default for Strangers {
    fn default() -> Self {
        // No six bytes are this, and no name is in eight such.
        let none = [u64::MAX; 1 << Strangers::BITS];
        Strangers { six: none, eight: none }
    }
}

impl Strangers {
    const BITS: u32 = 9;

    #[inline(always)]
    fn slot(end: u64) -> usize {
        (end.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - Strangers::BITS)) as usize
    }

    /// [`Names::may_end`], from memory where it has been asked of the last bytes before.
    #[inline(always)]
    pub fn may_end(&mut self, names: &Names, before: &[u8; 8]) -> bool {
        if !names.numbered && ends_in_number(before) {
            return false;
        }
        let eight = u64::from_le_bytes(*before);
        let six = eight >> 16;
        let (known, also) = (&mut self.six[Strangers::slot(six)], &mut self.eight[Strangers::slot(eight)]);
        if *known == six || *also == eight {
            return false;
        }
        if !names.may_end(&before[2..]) {
            *known = six;
            return false;
        }
        let may = names.may_end(before);
        if !may {
            *also = eight;
        }
        may
    }
}

/// Whether four digits or more stand at the end, but for a bracket or the like. Such numbers are ever new, so it
/// would be no use to remember them.
#[inline(always)]
fn ends_in_number(before: &[u8; 8]) -> bool {
    let closed = matches!(before[7], b']' | b')' | b'"' | b'\'' | b' ');
    let last = u64::from_le_bytes(*before) >> if closed { 24 } else { 32 };
    let x = last as u32 ^ 0x3030_3030;
    (((x & 0x7F7F_7F7F) + 0x7676_7676) | x) & 0x8080_8080 == 0
}

/// How many letters of a name's end are looked at.
const TAILS: [u32; 3] = [6, 4, 3];

/// The slot of a name's last `len` letters, the last one in the highest byte of `tail`.
fn tail_slot(tail: u64, len: u32) -> usize {
    let tail = (tail | 0x2020_2020_2020_2020) >> (64 - 8 * len);
    (tail.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 49) as usize
}

/// Whether this may be part of a key without spaces.
fn is_name(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
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
pub(in crate::scrub) fn normal_name(name: &str) -> Vec<u8> {
    let normal = normalise(name.as_bytes());
    normal.text[..normal.len].to_vec()
}

impl Default for Names {
    fn default() -> Self {
        Names {
            names: HashMap::default(),
            tails: Box::new([0; 512]),
            ends: Box::new([0; 512]),
            kinds: HashSet::default(),
            numbered: false,
        }
    }
}

impl Names {
    pub fn add(&mut self, name: &str, rule: u16) {
        let exact = name.starts_with('=');
        let normal = normalise(name.as_bytes());
        let text = &normal.text[..normal.len];
        self.numbered |= text.last_chunk::<3>().is_some_and(|last| last.iter().all(u8::is_ascii_digit));
        if let Some(len) = TAILS.into_iter().find(|len| text.len() >= *len as usize) {
            let tail = text.iter().fold(0, |tail, byte| tail >> 8 | u64::from(*byte) << 56);
            let slot = tail_slot(tail, len);
            self.tails[slot >> 6] |= 1 << (slot & 63);
            if len > 3 {
                let slot = tail_slot(tail, 4);
                self.ends[slot >> 6] |= 1 << (slot & 63);
            }
        }
        let owners = self.names.entry(text.into()).or_default();
        if exact { &mut owners.segment } else { &mut owners.words }.get_or_insert(rule);
    }

    /// Makes known a name that is no key, though it ends like one.
    pub fn except(&mut self, name: &str) {
        let normal = normalise(name.as_bytes());
        let owners = Owners { segment: None, words: Some(NONE) };
        self.names.insert(normal.text[..normal.len].into(), owners);
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
            let Some(owners) = self.names.get(&normal.text[at..normal.len]) else { continue };
            let segment = owners.segment.filter(|_| at == normal.segment).map(|rule| (rule, true));
            if let Some(found) = segment.or(owners.words.map(|rule| (rule, false))) {
                return Some(found);
            }
        }
        None
    }

    /// A glance at some bytes before a separator: false if no name ends there, by the same last letters and
    /// digits that [`Names::before`] asks for.
    pub fn may_end(&self, before: &[u8]) -> bool {
        let mut letters = [0; 8];
        let mut len = 0;
        // Whether all of the key has been seen.
        let mut whole = false;
        for byte in before.iter().rev().take(8) {
            if byte.is_ascii_alphanumeric() {
                letters[7 - len] = *byte;
                len += 1;
            } else if len > 0 && !is_name(byte) && *byte != b' ' {
                whole = true;
                break;
            }
        }
        // A number that may not belong to the name.
        let end = before.iter().rposition(u8::is_ascii_alphanumeric).map_or(0, |last| last + 1);
        let digits = before[..end].iter().rev().take_while(|b| b.is_ascii_digit()).count();
        let letter = |b: &u8| b.is_ascii_alphabetic() || *b == b'_';
        if matches!(digits, 1..=3) && before[..end - digits].last().is_none_or(letter) {
            return true;
        }
        let tail = u64::from_le_bytes(letters);
        let known = |n: u32| len >= n as usize && is_in(&self.tails, tail_slot(tail, n));
        if whole || len >= TAILS[0] as usize {
            return TAILS.into_iter().any(known);
        }
        len < 4 || known(3) || is_in(&self.ends, tail_slot(tail, 4))
    }

    /// A cheap test on the last bytes: `key` may be a name.
    fn tail(&self, key: &[u8]) -> bool {
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
        TAILS.into_iter().filter(|len| letters >= *len).any(|len| is_in(&self.tails, tail_slot(tail, len)))
    }

    /// The key before the separator at `at` of `text`, and its rule. In sentences and tables a key has spaces
    /// (`Tax ID: 12`), so a few words before the last belong to it.
    #[inline]
    pub fn before(&self, text: &[u8], at: usize) -> Option<Key> {
        let mut end = at;
        let mut steps = 0;
        // `:::=` and `?=` assign, too.
        let assigns = text.get(at) == Some(&b'=');
        let between = |byte: u8| match byte {
            b'"' | b'\'' | b'\\' | b' ' | b']' | b')' | b'`' | b'?' | b'!' => true,
            b':' => assigns,
            _ => false,
        };
        while end > 0 && steps < 8 && between(text[end - 1]) {
            end -= 1;
            steps += 1;
        }
        let head = &text[..end];
        if end < 3 || !(self.tail(head) || unnumbered(head).is_some_and(|name| self.tail(name))) {
            return None;
        }
        let from = end.saturating_sub(KEY_NAME_BYTES);
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
        // What the last word says by itself needs no sentence around it: `user password: hunter`; but more words
        // can say something else: `KE PIN: P012345678Z`.
        let (rule, worded) = match alone {
            _ if whole == Some(NONE) => return None,
            Some(rule) if whole.is_some_and(|whole| whole != rule) => (whole?, true),
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
pub(in crate::scrub) struct Key {
    /// Its rule.
    pub rule: u16,
    /// Where its last word begins.
    pub start: usize,
    /// Its name is told only by several words with spaces between them, as in a sentence.
    pub worded: bool,
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
    /// Scenario: a rule has a name as a whole segment, another one in general. Guarantee: whichever comes first,
    /// the segment is the one's, what ends in the name is the other's.
    #[test]
    fn a_name_can_be_one_rule_s_as_a_segment_and_another_s_in_general() {
        for order in [["=pass", "pass"], ["pass", "=pass"]] {
            let mut names = Names::default();
            for name in order {
                names.add(name, u16::from(name == "pass"));
            }
            for key in ["pass", "PASS", "db.pass"] {
                assert_eq!(names.find(key.as_bytes()), Some((0, true)), "{key}");
            }
            for key in ["db_pass", "userPass", "auth.user-pass"] {
                assert_eq!(names.find(key.as_bytes()), Some((1, false)), "{key}");
            }
            names.except("pass");
            assert_eq!(names.find(b"pass").or(names.find(b"db_pass")), None);
        }
    }

    /// Scenario: keys in all surroundings. Guarantee: the glance denies none that is found.
    #[test]
    fn a_glance_denies_no_key() {
        let mut names = Names::default();
        ["api_key", "cvv2", "pin", "=pan", "tax_id"].iter().for_each(|name| names.add(name, 1));
        let mut found = 0;
        for key in ["api_key", "API-KEY", "cvv2", "pin", "pan", "tax id", "taxId", "id", "n"] {
            for before in ["", "x", "x ", "my_", "a.b.", "{\"", "\u{e9}", "12_", "&", "value, "] {
                for after in ["", "1", "_12", "_123", "1_2", "123", "_1234", "9_"] {
                    for close in ["", "\"", "']", " ", "\\\"", "/"] {
                        let text = ["........", before, key, after, close].concat();
                        if names.before(text.as_bytes(), text.len()).is_some() {
                            found += 1;
                            let end = text.as_bytes().last_chunk().unwrap();
                            assert!(Strangers::default().may_end(&names, end), "{text}");
                        }
                    }
                }
            }
        }
        assert!(found > 500, "{found}");
    }
}
