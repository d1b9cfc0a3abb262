//! Bytes as the index sees them: what is part of a word, what is not, letters without their case.

/// Between words.
const GAP: u8 = 0;
/// Part of a word: an ASCII letter or digit, or part of a letter beyond ASCII.
const WORD: u8 = 1;
/// Begins a character beyond ASCII that may be a space or a mark.
const MARK: u8 = 2;

static CLASS: [u8; 256] = {
    let mut class = [GAP; 256];
    let mut byte = 0;
    while byte < 256 {
        class[byte] = match byte as u8 {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => WORD,
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

/// Bytes that are looked at together.
const BLOCK: usize = 64;

/// The words of a text, one after the other.
pub(super) struct Words<'a> {
    text: &'a [u8],
    /// From where on the next one is looked for.
    pub at: usize,
    /// Where the block in hand begins; a bit for each of its bytes, set in words.
    block: usize,
    bits: u64,
}

impl<'a> Words<'a> {
    pub fn new(text: &'a [u8]) -> Self {
        Words { text, at: 0, block: usize::MAX, bits: 0 }
    }

    /// The first byte from `at` on that is in a word or, with `flip` all ones, in none; the text's end, if none is.
    #[inline]
    fn seek(&mut self, mut at: usize, flip: u64) -> usize {
        while at < self.text.len() {
            let block = at & !(BLOCK - 1);
            if block != self.block {
                (self.block, self.bits) = (block, in_words(self.text, block));
            }
            let bits = (self.bits ^ flip) >> (at - block);
            if bits != 0 {
                return at + bits.trailing_zeros() as usize;
            }
            at = block + BLOCK;
        }
        self.text.len()
    }
}

impl Iterator for Words<'_> {
    type Item = Word;

    #[inline]
    fn next(&mut self) -> Option<Word> {
        let start = self.seek(self.at, 0);
        self.at = self.seek(start, !0);
        (start < self.text.len()).then_some((start, self.at))
    }
}

/// A bit for each byte of the block at `at`, set for those in words; none behind the text's end.
fn in_words(text: &[u8], at: usize) -> u64 {
    let rest = &text[at..];
    let mut last = [0; BLOCK];
    let block = rest.first_chunk().unwrap_or_else(|| {
        last[..rest.len()].copy_from_slice(rest);
        &last
    });
    let (mut bits, mut beyond) = (0, 0);
    for (number, eight) in block.as_chunks().0.iter().enumerate() {
        let eight = u64::from_le_bytes(*eight);
        beyond |= eight;
        bits |= word_bits(eight) << (8 * number);
    }
    // A mark may begin in the block before.
    let from = at.saturating_sub(2);
    if beyond & each(0x80) != 0 || text[from..at].iter().any(|byte| !byte.is_ascii()) {
        let to = text.len().min(at + BLOCK);
        for lead in (from..to).filter(|lead| CLASS[usize::from(text[*lead])] == MARK) {
            for part in (lead..lead + mark(&text[lead..])).filter(|part| (at..at + BLOCK).contains(part)) {
                bits &= !(1 << (part - at));
            }
        }
    }
    bits
}

/// A byte, eight times.
const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// A bit for each of eight bytes, set for ASCII letters and digits and all beyond ASCII. Arithmetic on all eight at
/// once: no sum leaves its byte, and a byte's top bit says whether it has reached a bound.
#[inline]
fn word_bits(eight: u64) -> u64 {
    let low = eight & each(0x7F);
    let lower = low | each(0x20);
    let digit = (low + each(0x80 - b'0')) & !(low + each(0x7F - b'9'));
    let letter = (lower + each(0x80 - b'a')) & !(lower + each(0x7F - b'z'));
    let top = (digit | letter | eight) & each(0x80);
    // The top bits side by side.
    (top >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
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

/// A number for the first letters of the word at `start..end`, its case aside.
#[inline]
pub(super) fn first(text: &[u8], start: usize, end: usize) -> u64 {
    let len = (end - start).min(4);
    let head = match text[start..].first_chunk::<4>() {
        Some(head) => u32::from_le_bytes(*head) & u32::MAX >> (8 * (4 - len)),
        None => text[start..start + len].iter().rev().fold(0, |head, byte| head << 8 | u32::from(*byte)),
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The words, byte by byte.
    fn plainly(text: &[u8]) -> Vec<Word> {
        let (mut words, mut at) = (Vec::new(), 0);
        while at < text.len() {
            match gap(text, at) {
                0 => {
                    let start = at;
                    at = end(text, at);
                    words.push((start, at));
                }
                len => at += len,
            }
        }
        words
    }

    proptest! {
        /// Scenario: texts of some blocks, with letters and marks of one to four bytes over their borders. Guarantee:
        /// blocks have the words that a walk from byte to byte has, and their first letters are those of the word alone.
        #[test]
        fn blocks_have_the_words_of_a_walk(
            pieces in proptest::collection::vec(prop_oneof!["[ -~]{0,70}", "[a-z]{0,70}", "[\u{80}-\u{2FF}\u{2000}-\u{207F}\u{3000}-\u{3004}]{0,9}", any::<String>()], 0..8),
        ) {
            let text = pieces.concat().into_bytes();
            let words: Vec<Word> = Words::new(&text).collect();
            prop_assert_eq!(&words, &plainly(&text));
            for (start, end) in words {
                let word = &text[start..end];
                prop_assert_eq!(first(&text, start, end), first(word, 0, word.len()));
            }
        }
    }

    /// Scenario: every byte at every place of a block. Guarantee: letters, digits and bytes beyond ASCII are in words,
    /// whatever stands beside them.
    #[test]
    fn each_byte_at_each_place() {
        for byte in 0..=u8::MAX {
            for place in 0..8 {
                for beside in [0, 0x7F, 0xFF] {
                    let mut eight = [beside; 8];
                    eight[place] = byte;
                    let expected = byte.is_ascii_alphanumeric() || !byte.is_ascii();
                    assert_eq!(
                        word_bits(u64::from_le_bytes(eight)) >> place & 1 == 1,
                        expected,
                        "{byte} at {place}"
                    );
                }
            }
        }
    }
}
