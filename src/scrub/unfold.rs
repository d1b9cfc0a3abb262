//! What an encoded text means: percent escapes, character references, `\u` escapes, full-width and other
//! digits, invisible characters. Every decoded byte knows where it came from.

/// A decoded text and the way back.
#[derive(Debug, Default)]
pub(super) struct Unfolded {
    pub text: Vec<u8>,
    /// For each decoded byte: where in the original it begins; one more for the end.
    origin: Vec<u32>,
}

/// Whether something encoded may start with these bytes.
#[inline]
pub(super) fn may_start(bytes: &[u8]) -> bool {
    match bytes {
        [b'%', a, b, ..] => a.is_ascii_hexdigit() && b.is_ascii_hexdigit(),
        [b'&', b'#' | b'q' | b'a' | b'l' | b'g', ..] => true,
        [b'\\', b'u' | b'/' | b'x', ..] => true,
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
            if !may_start(&rest[..rest.len().min(8)]) {
                self.put(&rest[..1], i);
                i += 1;
                continue;
            }
            match step(rest) {
                Some((Some(c), used)) => {
                    let mut buffer = [0; 4];
                    let bytes = c.encode_utf8(&mut buffer).as_bytes();
                    self.put(bytes, i);
                    i += used;
                    changed = true;
                }
                Some((None, used)) => {
                    i += used;
                    changed = true;
                }
                None => {
                    self.put(&rest[..1], i);
                    i += 1;
                }
            }
        }
        self.origin.push(text.len() as u32);
        changed
    }

    fn put(&mut self, bytes: &[u8], at: usize) {
        self.text.extend_from_slice(bytes);
        self.origin.extend(std::iter::repeat_n(at as u32, bytes.len()));
    }

    /// The original span of the decoded span `start..end`.
    pub fn origin(&self, start: u32, end: u32) -> (u32, u32) {
        let last = self.origin.last().copied().unwrap_or(0);
        let at = |i: u32| self.origin.get(i as usize).copied().unwrap_or(last);
        (at(start), at(end))
    }
}

/// What the encoded thing at the start of `rest` means (`None`: nothing visible) and how long it is.
fn step(rest: &[u8]) -> Option<(Option<char>, usize)> {
    match rest[0] {
        b'%' => {
            let byte = hex(rest.get(1..3)?)?;
            // Bytes over 0x7F would need their neighbours: no rule looks for them.
            (byte < 0x80).then_some((Some(byte as u8 as char), 3))
        }
        b'&' => reference(rest),
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
