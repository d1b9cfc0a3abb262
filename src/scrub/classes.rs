//! Shapes: from 64 bytes at a time, one bit stream for each byte class, then a rule's necessary shape
//! as a few shifts and ands. Says where a rule *could* match; never says that it does.

use serde::Deserialize;

use super::block::Planes;

/// A necessary shape of a rule's matches. The closed set that a pack can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// An `@` after a word character.
    At,
    /// Three dots, each between digits and 2 to 4 bytes apart.
    Ipv4,
    /// Three colons, each 1 to 5 bytes apart.
    Ipv6,
    /// Five `:` or `-`, 3 bytes apart; or two dots, 5 bytes apart.
    Mac,
    /// 3, 2 and 4 digits with single separators.
    Ssn,
    /// 13 or more digits with single spaces, dashes or `+`, where a run of digits ends.
    Card,
    /// `+` and a digit.
    Plus,
    /// 3, 3 and 3 digits with single separators, or 3 digits in parentheses.
    Triples,
    /// Two upper-case letters and two digits, not after a word character.
    Iban,
    /// A run of 12 or more letters and digits behind `_` or `-`, of both cases and with digits in it.
    Token,
    /// Seven or eight digits, and then a letter, or `-` and a letter.
    Lettered,
    /// The match is a whole run of 12 or more letters and digits.
    Run,
}

impl Shape {
    /// How many shapes there are.
    pub const COUNT: usize = 12;
    /// All shapes, in the order of their numbers.
    pub const ALL: [Shape; Shape::COUNT] = [
        Shape::At,
        Shape::Ipv4,
        Shape::Ipv6,
        Shape::Mac,
        Shape::Ssn,
        Shape::Card,
        Shape::Plus,
        Shape::Triples,
        Shape::Iban,
        Shape::Token,
        Shape::Lettered,
        Shape::Run,
    ];

    /// The farthest that a match can start before the first hit inside it, in bytes. Patterns of
    /// this shape must keep to it.
    pub const fn before(self) -> usize {
        match self {
            Shape::At => 64,
            Shape::Ipv4 => 12,
            Shape::Ipv6 => 15,
            Shape::Mac => 14,
            Shape::Ssn => 10,
            Shape::Card => 37,
            Shape::Plus => 1,
            Shape::Triples => 16,
            Shape::Iban => 3,
            Shape::Token => 256,
            Shape::Lettered => 11,
            Shape::Run => 0,
        }
    }
}

impl Shape {
    /// A closer look at the hit at `at`, still far cheaper than an automaton: false if no match has its
    /// last hit there.
    #[inline]
    pub(super) fn plausible(self, text: &[u8], at: usize) -> bool {
        let next = text.get(at + 1).copied().unwrap_or(0);
        match self {
            Shape::At => {
                let run = text.get(at + 1..).unwrap_or_default().iter().take(512);
                let mut previous = b'-';
                next.is_ascii_alphanumeric()
                    && run.take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.')).any(|b| {
                        let found = previous == b'.' && b.is_ascii_alphabetic();
                        previous = *b;
                        found
                    })
            }
            Shape::Card => {
                let (mut digits, mut separated) = (0, false);
                for byte in text[at.saturating_sub(64)..at].iter().rev() {
                    match byte {
                        b'0'..=b'9' => (digits, separated) = (digits + 1, false),
                        b' ' | b'-' | b'+' if !separated => separated = true,
                        _ => break,
                    }
                    if digits == 13 {
                        return true;
                    }
                }
                false
            }
            Shape::Token => {
                let head = &text[..at.min(text.len())];
                let run = head.iter().rposition(|b| !b.is_ascii_alphanumeric());
                let Some(joint) = run.filter(|joint| matches!(head[*joint], b'_' | b'-')) else {
                    return false;
                };
                let has = |test: fn(&u8) -> bool| head[joint + 1..].iter().any(test);
                has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit)
            }
            Shape::Lettered => {
                let digits =
                    text[..at.min(text.len())].iter().rev().take(9).take_while(|b| b.is_ascii_digit());
                let letter =
                    if text.get(at) == Some(&b'-') { next } else { text.get(at).copied().unwrap_or(0) };
                letter.is_ascii_alphabetic() && matches!(digits.count(), 7 | 8)
            }
            Shape::Triples => text.get(at) == Some(&b')') || next.is_ascii_digit() || next == b'-',
            _ => true,
        }
    }
}

/// Where in a block of 64 bytes something may be: one bit a byte.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Hits {
    pub shapes: [u64; Shape::COUNT],
    /// `:`, `=` or `>` that may stand between a key and its value.
    pub separators: u64,
    /// Behind a run of 12 or more letters and digits: text in base64 or hexadecimal may end there.
    pub runs: u64,
    /// Bytes that say that something is encoded: `%`, `&`, `\`, or not ASCII.
    pub encoded: u64,
}

/// The streams of the block before, so that shapes reach over its edge.
#[derive(Debug, Clone, Default)]
pub(super) struct Streams {
    prev: [u64; 19],
}

impl Streams {
    /// `cur` with the block before it, moved by `n` bytes towards the end.
    #[inline(always)]
    fn after<const SLOT: usize>(&self, cur: u64, n: u32) -> u64 {
        (cur << n) | (self.prev[SLOT] >> (64 - n))
    }

    /// Looks at the planes of the next 64 bytes.
    #[inline(always)]
    pub fn next(&mut self, planes: &Planes) -> Hits {
        const D: usize = 0;
        const DOT: usize = 1;
        const COLON: usize = 2;
        const DASH: usize = 3;
        const SEP: usize = 4;
        const UPPER: usize = 5;
        const WORD: usize = 6;
        const PLUS: usize = 7;
        const EDOT: usize = 8;
        const E1: usize = 9;
        const E2: usize = 10;
        const T1: usize = 11;
        const T2: usize = 12;
        const T4: usize = 13;
        const K2: usize = 14;
        const T13: usize = 15;
        const W2: usize = 16;
        const W4: usize = 17;
        const W12: usize = 18;

        let Planes { digit: d, upper, letter, dot, colon, dash, space, plus, at, assign, paren, .. } =
            *planes;
        let word = d | letter;
        let sep = dash | space | dot;

        let d1 = self.after::<D>(d, 1);
        let d2 = self.after::<D>(d, 2);
        let d3 = self.after::<D>(d, 3);
        let mut hits = Hits { encoded: planes.encoded, ..Hits::default() };
        hits.shapes[Shape::At as usize] = at;

        // digit dot digit, three times, 2 to 4 bytes apart
        let edot = dot & d1;
        let e1 = d & self.after::<EDOT>(edot, 1);
        let near = |s: &Self, e, slot: usize| {
            let p = s.prev[slot];
            (e << 2) | (p >> 62) | (e << 3) | (p >> 61) | (e << 4) | (p >> 60)
        };
        let e2 = e1 & near(self, e1, E1);
        hits.shapes[Shape::Ipv4 as usize] = e2 & near(self, e2, E2);

        let within5 = |s: &Self, c: u64, slot: usize| {
            let p = s.prev[slot];
            (1..=5).fold(0, |out, n| out | (c << n) | (p >> (64 - n)))
        };
        let k2 = colon & within5(self, colon, COLON);
        hits.shapes[Shape::Ipv6 as usize] = k2 & within5(self, k2, K2);

        let w = |n| self.after::<WORD>(word, n);
        let four = w(1) & w(2) & w(3) & w(4);
        let c3 = self.after::<COLON>(colon, 3) & self.after::<COLON>(colon, 6);
        let c12 = self.after::<COLON>(colon, 9) & self.after::<COLON>(colon, 12);
        let m3 = self.after::<DASH>(dash, 3) & self.after::<DASH>(dash, 6);
        let m12 = self.after::<DASH>(dash, 9) & self.after::<DASH>(dash, 12);
        hits.shapes[Shape::Mac as usize] =
            (colon & c3 & c12) | (dash & m3 & m12) | (dot & self.after::<DOT>(dot, 5) & four);

        // 3 digits, a separator: seen from n bytes later
        let s = |n| self.after::<SEP>(sep, n);
        let dd = |n| self.after::<D>(d, n);
        let two = d & d1;
        let tail3 = two & d2;
        hits.shapes[Shape::Ssn as usize] = tail3 & d3 & s(4) & dd(5) & dd(6) & s(7) & dd(8) & dd(9) & dd(10);
        let round = paren & d1 & d2 & d3;
        hits.shapes[Shape::Triples as usize] =
            (tail3 & s(3) & dd(4) & dd(5) & dd(6) & s(7) & dd(8) & dd(9) & dd(10)) | round;

        // 13 of digits and single separators, and the run of digits has just ended
        let t1 = d | ((dash | space | plus) & d1);
        let t2 = t1 & self.after::<T1>(t1, 1);
        let t4 = t2 & self.after::<T2>(t2, 2);
        let t8 = t4 & self.after::<T4>(t4, 4);
        let t12 = t8 & self.after::<T4>(t4, 8);
        let t13 = t12 & self.after::<T1>(t1, 12);
        hits.shapes[Shape::Card as usize] = self.after::<T13>(t13, 1) & d1 & !d;

        hits.shapes[Shape::Plus as usize] = d & self.after::<PLUS>(plus, 1);
        hits.shapes[Shape::Iban as usize] = two
            & self.after::<UPPER>(upper, 2)
            & self.after::<UPPER>(upper, 3)
            & !self.after::<WORD>(word, 4);
        hits.separators = (colon & !d1) | assign;

        // 12 letters and digits, and the run has just ended
        let w2 = word & w(1);
        let w4 = w2 & self.after::<W2>(w2, 2);
        let w8 = w4 & self.after::<W4>(w4, 4);
        let w12 = w8 & self.after::<W4>(w4, 8);
        hits.runs = self.after::<W12>(w12, 1) & !word;
        hits.shapes[Shape::Lettered as usize] =
            !d & d1 & d2 & d3 & dd(4) & dd(5) & dd(6) & dd(7) & (letter | dash);
        hits.shapes[Shape::Token as usize] = hits.runs;
        hits.shapes[Shape::Run as usize] = hits.runs;

        self.prev =
            [d, dot, colon, dash, sep, upper, word, plus, edot, e1, e2, t1, t2, t4, k2, t13, w2, w4, w12];
        hits
    }
}
