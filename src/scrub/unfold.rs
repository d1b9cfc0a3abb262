//! What an encoded text means: percent escapes, character references, `\u` escapes, full-width and other
//! digits, invisible characters, numbers in words. Every decoded byte knows where it came from.

/// A decoded text and the way back.
#[derive(Debug, Default)]
pub(super) struct Unfolded {
    pub text: Vec<u8>,
    /// For each decoded byte: where in the original it begins and ends.
    origin: Vec<(u32, u32)>,
}

/// Digits as words.
const SPELLED: [&[u8]; 10] =
    [b"zero", b"one", b"two", b"three", b"four", b"five", b"six", b"seven", b"eight", b"nine"];

/// How many digits in words, one after the other, are a number rather than a manner of speaking.
const SPELLED_DIGITS: usize = 8;

/// What a number in words starts with, as literals for the scan.
pub(super) fn spelled_starts() -> impl Iterator<Item = Vec<u8>> {
    SPELLED.into_iter().flat_map(|word| [b' ', b'-', b','].map(|next| [word, &[next]].concat()))
}

/// The digit that a word at the start of `rest` says, and how long the word is.
fn spelled_digit(rest: &[u8]) -> Option<(u8, usize)> {
    let len = rest.iter().take(6).take_while(|b| b.is_ascii_alphabetic()).count();
    let word = &rest[..len];
    let digit = SPELLED.iter().position(|spelled| spelled.eq_ignore_ascii_case(word))?;
    Some((b'0' + digit as u8, len))
}

/// The digits of a number in words at the start of `rest`, each with its place; none if they are too few.
pub(super) fn spelled(rest: &[u8]) -> impl Iterator<Item = (u8, usize)> {
    let digits = move || {
        let mut at = 0;
        std::iter::from_fn(move || {
            let (digit, len) = spelled_digit(&rest[at..])?;
            let word = at;
            at += len;
            at += rest[at..].iter().take(2).take_while(|b| matches!(b, b' ' | b'-' | b',')).count();
            Some((digit, word))
        })
    };
    let enough = digits().nth(SPELLED_DIGITS - 1).is_some();
    digits().take_while(move |_| enough)
}

/// Begins a terminal's control sequence (ECMA-48, section 5.4): colours of a log that was meant for a screen.
const ESCAPE: u8 = 0x1B;

/// Whether something encoded may start with these bytes.
#[inline]
pub(crate) fn may_start(bytes: &[u8]) -> bool {
    match bytes {
        [b'%', a, b, ..] => a.is_ascii_hexdigit() && b.is_ascii_hexdigit(),
        [b'&', b'#' | b'q' | b'a' | b'l' | b'g', ..] => true,
        [b'\\', b'u' | b'/' | b'x', ..] => true,
        [ESCAPE, b'[', ..] => true,
        [0xC2..=0xF4, next, ..] => next & 0xC0 == 0x80,
        _ => false,
    }
}

impl Unfolded {
    /// Decodes one layer; false if that changes nothing.
    pub fn unfold(&mut self, text: &[u8]) -> bool {
        self.text.clear();
        self.origin.clear();
        let mut changed = false;
        let mut i = 0;
        while i < text.len() {
            let rest = &text[i..];
            if rest[0].is_ascii_alphabetic() && !(i > 0 && text[i - 1].is_ascii_alphanumeric()) {
                let mut last = None;
                for (digit, at) in spelled(rest) {
                    let word = rest[at..].iter().take_while(|b| b.is_ascii_alphabetic()).count();
                    self.put(&[digit], i + at, word);
                    last = Some(at);
                }
                if let Some(last) = last {
                    i += last + rest[last..].iter().take_while(|b| b.is_ascii_alphabetic()).count();
                    changed = true;
                    continue;
                }
            }
            if !may_start(&rest[..rest.len().min(8)]) {
                self.put(&rest[..1], i, 1);
                i += 1;
                continue;
            }
            match step(rest) {
                Some((Some(c), used)) => {
                    let mut buffer = [0; 4];
                    let bytes = c.encode_utf8(&mut buffer).as_bytes();
                    self.put(bytes, i, used);
                    i += used;
                    changed = true;
                }
                Some((None, used)) => {
                    i += used;
                    changed = true;
                }
                None => {
                    self.put(&rest[..1], i, 1);
                    i += 1;
                }
            }
        }
        changed
    }

    fn put(&mut self, bytes: &[u8], at: usize, used: usize) {
        self.text.extend_from_slice(bytes);
        self.origin.extend(std::iter::repeat_n((at as u32, (at + used) as u32), bytes.len()));
    }

    /// The original span of the decoded span `start..end`.
    pub fn origin(&self, start: u32, end: u32) -> (u32, u32) {
        let at = |i: u32| self.origin.get(i as usize).copied().unwrap_or_default();
        (at(start).0, at(end.saturating_sub(1)).1)
    }
}

/// What the encoded thing at the start of `rest` means (`None`: nothing visible) and how long it is.
pub(crate) fn step(rest: &[u8]) -> Option<(Option<char>, usize)> {
    match rest[0] {
        b'%' => {
            let byte = hex(rest.get(1..3)?)?;
            // Bytes over 0x7F would need their neighbours: no rule looks for them.
            (byte < 0x80).then_some((Some(byte as u8 as char), 3))
        }
        b'&' => reference(rest),
        ESCAPE => {
            let parameters = rest.get(2..)?.iter().take(32).take_while(|b| (0x20..0x40).contains(*b)).count();
            rest.get(2 + parameters).filter(|b| (0x40..0x7F).contains(*b))?;
            Some((None, 3 + parameters))
        }
        b'\\' => match rest.get(1)? {
            b'/' => Some((Some('/'), 2)),
            b'x' => hex(rest.get(2..4)?).filter(|n| *n < 0x80).map(|n| (Some(n as u8 as char), 4)),
            b'u' => hex(rest.get(2..6)?).and_then(char::from_u32).map(|c| (fold(c).unwrap_or(Some(c)), 6)),
            _ => None,
        },
        _ => {
            let head = &rest[..rest.len().min(4)];
            let c = head.utf8_chunks().next()?.valid().chars().next()?;
            fold(c).map(|to| (to, c.len_utf8()))
        }
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |n, d| Some(n * 16 + (*d as char).to_digit(16)?))
}

fn reference(rest: &[u8]) -> Option<(Option<char>, usize)> {
    for (name, c) in [("&quot;", '"'), ("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>'), ("&apos;", '\'')] {
        if rest.starts_with(name.as_bytes()) {
            return Some((Some(c), name.len()));
        }
    }
    let end = rest.iter().take(10).position(|b| *b == b';')?;
    let number = match rest.get(1..end)? {
        [b'#', b'x' | b'X', digits @ ..] => hex(digits)?,
        [b'#', digits @ ..] => std::str::from_utf8(digits).ok()?.parse().ok()?,
        _ => return None,
    };
    char::from_u32(number).map(|c| (Some(c), end + 1))
}

/// A look-alike of an ASCII character: `Some(None)` when invisible, `None` when it stands for itself.
fn fold(c: char) -> Option<Option<char>> {
    let digit = |zero: u32| char::from_digit(c as u32 - zero, 10);
    Some(match c as u32 {
        0xAD | 0x200B..=0x200F | 0x2060..=0x2064 | 0xFEFF => None,
        0xA0 | 0x2000..=0x200A | 0x202F | 0x205F | 0x3000 => Some(' '),
        0x2010..=0x2015 | 0x2212 | 0xFE63 => Some('-'),
        n @ 0xFF01..=0xFF5E => char::from_u32(n - 0xFEE0),
        0x660..=0x669 => digit(0x660),
        0x6F0..=0x6F9 => digit(0x6F0),
        0x966..=0x96F => digit(0x966),
        0x9E6..=0x9EF => digit(0x9E6),
        0xE50..=0xE59 => digit(0xE50),
        _ => return None,
    })
}
