//! Bytes as the index sees them: what is part of a word, what is not, letters without their case.

use crate::scrub::unfold;

/// Between words.
const GAP: u8 = 0;
/// Part of a word: an ASCII letter or digit, or part of a letter beyond ASCII.
const WORD: u8 = 1;
/// Between words, and may begin an escape.
const ESCAPE: u8 = 2;
/// Begins a character beyond ASCII that may be a space or a mark.
const MARK: u8 = 3;

static CLASS: [u8; 256] = {
    let mut class = [GAP; 256];
    let mut byte = 0;
    while byte < 256 {
        class[byte] = match byte as u8 {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => WORD,
            b'%' | b'\\' | b'&' => ESCAPE,
            0xC2 | 0xE2 | 0xE3 => MARK,
            0x80.. => WORD,
            _ => GAP,
        };
        byte += 1;
    }
    class
};

/// A word's place.
pub(super) type Word = (usize, usize);

/// How long the space or mark at `at` is that parts words; 0 if a word goes on there, or the text ends.
#[inline]
pub(super) fn gap(text: &[u8], at: usize) -> usize {
    match text.get(at) {
        Some(&byte) => match CLASS[usize::from(byte)] {
            WORD => 0,
            MARK => mark(&text[at..]),
            _ => 1,
        },
        None => 0,
    }
}

/// Spaces and marks beyond ASCII: Latin-1's (but its three letters), general punctuation, CJK spaces and stops.
fn mark(text: &[u8]) -> usize {
    match text {
        [0xC2, 0xAA | 0xB5 | 0xBA, ..] => 0,
        [0xC2, 0xA0..=0xBF, ..] => 2,
        [0xE2, 0x80 | 0x81, _, ..] | [0xE3, 0x80, 0x80..=0x83, ..] => 3,
        _ => 0,
    }
}

/// Whether a word goes on at `at`.
#[inline]
pub(super) fn is_word(text: &[u8], at: usize) -> bool {
    at < text.len() && gap(text, at) == 0
}

/// Whether a word ends at `at`: what stands before belongs to one.
pub(super) fn ends_word(text: &[u8], at: usize) -> bool {
    let before = |n: usize| at.checked_sub(n).map(|i| text[i]);
    match before(1) {
        None => false,
        Some(0..0x80) => CLASS[usize::from(text[at - 1])] == WORD,
        Some(_) => {
            !(2..=3).any(|n| matches!(before(n), Some(0xC2 | 0xE2 | 0xE3)) && mark(&text[at - n..]) == n)
        }
    }
}

/// The words of a text, one after the other. `escape` is set where an escape begins between them.
pub(super) struct Words<'a> {
    pub text: &'a [u8],
    pub at: usize,
    pub escape: bool,
}

impl<'a> Words<'a> {
    pub fn new(text: &'a [u8]) -> Self {
        Words { text, at: 0, escape: false }
    }
}

impl Iterator for Words<'_> {
    type Item = Word;

    #[inline]
    fn next(&mut self) -> Option<Word> {
        let text = self.text;
        let mut at = self.at;
        loop {
            match CLASS[usize::from(*text.get(at)?)] {
                WORD => break,
                GAP => at += 1,
                ESCAPE => {
                    self.escape |= unfold::may_start(&text[at..]);
                    at += 1;
                }
                _ => match mark(&text[at..]) {
                    0 => break,
                    len => at += len,
                },
            }
        }
        let start = at;
        at = end(text, start);
        self.at = at;
        Some((start, at))
    }
}

/// Where the word at `at` ends.
#[inline]
pub(super) fn end(text: &[u8], mut at: usize) -> usize {
    loop {
        while at < text.len() && CLASS[usize::from(text[at])] == WORD {
            at += 1;
        }
        if at >= text.len() || CLASS[usize::from(text[at])] != MARK || mark(&text[at..]) > 0 {
            return at;
        }
        at += 1;
    }
}

/// A number for the first letters of a word, its case aside.
#[inline]
pub(super) fn first(word: &[u8]) -> u64 {
    let head = match word.first_chunk::<4>() {
        Some(head) => u32::from_le_bytes(*head),
        None => word.iter().rev().fold(0, |head, byte| head << 8 | u32::from(*byte)),
    };
    u64::from(head | 0x2020_2020)
}

/// The letters and digits so far as one number: [`Letters::finish`] tells one sequence from another, whatever stands between.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Letters(u64);

impl Letters {
    /// Goes on with a word.
    #[inline]
    pub fn add(&mut self, word: &[u8]) {
        for byte in word {
            self.0 = (self.0.rotate_left(5) ^ u64::from(byte.to_ascii_lowercase()))
                .wrapping_mul(0xF135_7AEA_2E62_A9C5);
        }
    }

    /// The number.
    #[inline]
    pub fn finish(self) -> u64 {
        (self.0 ^ self.0 >> 29).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}
