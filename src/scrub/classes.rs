//! Shapes: from 64 bytes at a time, one bit stream for each byte class, then a rule's necessary shape
//! as a few shifts and ands. Says where a rule *could* match; never says that it does.

use serde::{Deserialize, Serialize};

use super::{
    block::{self, Lanes, Planes},
    places::Places,
};

/// A necessary shape of a rule's matches. The closed set that a pack can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
    /// 3, 3 and 4 digits with single separators, or 3 digits in parentheses.
    Triples,
    /// 3, 3 and 3 digits with single separators, and `-`.
    Dashed,
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
    pub const COUNT: usize = 13;
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
        Shape::Dashed,
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
            Shape::Dashed => 11,
            Shape::Iban => 3,
            Shape::Token => 256,
            Shape::Lettered => 11,
            Shape::Run => 0,
        }
    }
}

impl Shape {
    /// A closer look at the hit at `at`: false if no match has its last hit there.
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
            // Hexadecimal digits, four at most, between this colon and the two before it.
            Shape::Ipv6 => {
                let mut rest = &text[..at.min(text.len())];
                (0..2).all(|_| {
                    let group = rest.iter().rev().take(5).take_while(|b| b.is_ascii_hexdigit()).count();
                    rest = &rest[..rest.len() - group];
                    group < 5 && rest.split_off_last() == Some(&b':')
                })
            }
            // Pairs of hexadecimal digits before each separator, or four digits before the second dot.
            Shape::Mac => {
                let hex = |from: usize, n: usize| {
                    let start = at.checked_sub(from);
                    start.is_some_and(|start| text[start..start + n].iter().all(u8::is_ascii_hexdigit))
                };
                match text.get(at) {
                    Some(b'.') => hex(4, 4) && hex(9, 4),
                    _ => next.is_ascii_hexdigit() && (1..=5).all(|pair| hex(3 * pair - 1, 2)),
                }
            }
            // Eleven more upper-case letters and digits, with single spaces.
            Shape::Iban => {
                let mut count = 0;
                let mut spaced = false;
                for byte in text[at.min(text.len())..].iter().skip(1) {
                    match byte {
                        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => (count, spaced) = (count + 1, false),
                        b' ' | b'-' if !spaced => spaced = true,
                        _ => break,
                    }
                    if count == 11 {
                        return true;
                    }
                }
                false
            }
            Shape::Triples => match text.get(at) {
                Some(b')') => at >= 4 && text[at - 4] == b'(',
                _ => next.is_ascii_digit(),
            },
            _ => true,
        }
    }
}

/// Where something may be in each of [`block::BLOCKS`] blocks of 64 bytes: one bit a byte.
#[derive(Debug, Default)]
struct Bits {
    shapes: [Lanes; Shape::COUNT],
    separators: Lanes,
    runs: Lanes,
    literals: Lanes,
}

impl Bits {
    /// Sets the hits of a shape.
    #[inline(always)]
    fn put(&mut self, shape: Shape, lanes: Lanes) {
        self.shapes[shape as usize] = lanes;
    }
}

/// The same as places.
#[derive(Debug, Default)]
pub(super) struct Hits {
    /// Which shapes have a hit at all: one bit each.
    pub present: u64,
    /// The hits of those shapes; what others have here is old.
    pub shapes: [Places; Shape::COUNT],
    /// `:`, `=` or `>` that may stand between a key and its value.
    pub separators: Places,
    /// Behind a run of 12 or more letters and digits: text in base64 or hexadecimal may end there.
    pub runs: Places,
    /// Where a literal may start.
    pub literals: Places,
    /// Where something encoded may start.
    pub encoded: Places,
}

impl Hits {
    /// Makes places of all bits. `encoded` is a plane.
    #[inline(always)]
    fn list(&mut self, bits: &Bits, encoded: &Lanes) {
        self.literals.fill::<3>(&bits.literals);
        self.separators.fill::<3>(&bits.separators);
        self.runs.fill::<2>(&bits.runs);
        self.encoded.fill::<1>(encoded);
        self.present = 0;
        let mut shape = 0;
        while shape < Shape::COUNT {
            if bits.shapes[shape] != Lanes::default() {
                self.present |= 1 << shape;
                self.shapes[shape].fill::<2>(&bits.shapes[shape]);
            }
            shape += 1;
        }
    }
}

/// A bit stream: some blocks, and the one before each of them.
#[derive(Debug, Clone, Copy, Default)]
struct Stream {
    here: Lanes,
    before: Lanes,
}

impl Stream {
    #[inline(always)]
    fn new(here: Lanes, carry: &mut Lanes) -> Stream {
        Stream { here, before: here.before(carry) }
    }

    /// Moved by `n` bytes towards the end.
    #[inline(always)]
    fn after(&self, n: u32) -> Lanes {
        self.here.moved(self.before, n)
    }

    /// [`Stream::after`] for every distance from `first` to `last`, together.
    #[inline(always)]
    fn within(&self, first: u32, last: u32) -> Lanes {
        let mut out = self.after(first);
        for n in first + 1..=last {
            out = out | self.after(n);
        }
        out
    }

    /// Here and at four places before, 3 bytes apart.
    #[inline(always)]
    fn five(&self) -> Lanes {
        self.here & self.after(3) & self.after(6) & self.after(9) & self.after(12)
    }

    /// The 64 places before place `at` of the blocks, the last one in the highest bit.
    #[inline]
    fn last(&self, at: usize) -> u64 {
        let (i, within) = (at / 64, at % 64);
        self.here[i] << 1 << (63 - within) | self.before[i] >> within
    }

    /// Block `i` in the high half, the one before it in the low half.
    #[inline]
    fn two(&self, i: usize) -> u128 {
        u128::from(self.here[i]) << 64 | u128::from(self.before[i])
    }
}

/// The streams of a few blocks, and what carries over from those before, so that shapes reach over an edge.
#[derive(Debug, Default)]
pub(super) struct Streams {
    bits: Bits,
    pub hits: Hits,
    pub letters: Letters,
    carry: [Lanes; 21],
}

/// What runs of letters and digits are made of.
#[derive(Debug, Default)]
pub(super) struct Letters {
    word: Stream,
    upper: Stream,
    digit: Stream,
    mark: Stream,
}

/// A run of letters and digits, seen from its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    /// How long it is, in bytes.
    pub len: usize,
    pub upper: bool,
    pub lower: bool,
    pub digit: bool,
}

impl Run {
    /// The run before place `at` of `text`, byte for byte.
    pub fn plain(text: &[u8], at: usize) -> Run {
        let len = text[..at].iter().rev().take_while(|b| b.is_ascii_alphanumeric()).count();
        let has = |test: fn(&u8) -> bool| text[at - len..at].iter().any(test);
        Run {
            len,
            upper: has(u8::is_ascii_uppercase),
            lower: has(u8::is_ascii_lowercase),
            digit: has(u8::is_ascii_digit),
        }
    }
}

impl Streams {
    /// Forgets the blocks before.
    pub fn clear(&mut self) {
        self.carry = Default::default();
    }

    /// Goes on to the next blocks.
    #[inline]
    pub fn next(&mut self, planes: &Planes) {
        #[cfg(target_arch = "x86_64")]
        if block::has_vbmi() {
            // SAFETY: the processor has what this function was compiled for, all that it asks of its caller.
            #[allow(unsafe_code)]
            return unsafe { self.next_vbmi(planes) };
        } else if block::has_avx512() {
            // SAFETY: the processor has what this function was compiled for, all that it asks of its caller.
            #[allow(unsafe_code)]
            return unsafe { self.next_avx512(planes) };
        } else if block::has_avx2() {
            // SAFETY: the processor has what this function was compiled for, all that it asks of its caller.
            #[allow(unsafe_code)]
            return unsafe { self.next_avx2(planes) };
        }
        self.next_plain(planes);
    }

    /// With shifts over two registers at once.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi1,bmi2,popcnt")]
    fn next_vbmi(&mut self, planes: &Planes) {
        self.next_plain(planes);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,bmi1,bmi2,popcnt")]
    fn next_avx512(&mut self, planes: &Planes) {
        self.next_plain(planes);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
    fn next_avx2(&mut self, planes: &Planes) {
        self.next_plain(planes);
    }

    /// The same for all: what the compiler makes of it differs.
    #[inline(always)]
    fn next_plain(&mut self, planes: &Planes) {
        let Planes { letter, dot, colon, dash, space, plus, at, assign, paren, joint, .. } = *planes;
        let Streams { bits, hits, carry, letters } = self;
        let [c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15, c16, c17, c18, c19, c20] =
            carry;
        let d = Stream::new(planes.digit, c0);
        let upper = Stream::new(planes.upper, c1);
        let word = Stream::new(planes.digit | letter, c2);
        let mark = Stream::new(plus | dash | joint, c3);
        let dots = Stream::new(dot, c4);
        let colons = Stream::new(colon, c5);
        let dashes = Stream::new(dash, c6);
        let pluses = Stream::new(plus, c7);
        let sep = Stream::new(dash | space | dot, c8);
        let (d1, d2, d3) = (d.after(1), d.after(2), d.after(3));
        let (w1, w4) = (word.after(1), word.after(4));

        bits.literals = planes.literals & word.here & !w1 | planes.anywhere;
        bits.separators = colon & !d1 | assign;
        bits.put(Shape::At, at);
        bits.put(Shape::Plus, d.here & pluses.after(1));

        // Digit, dot, digit three times, 2 to 4 bytes apart.
        let edot = Stream::new(dot & d1, c9);
        let e1 = Stream::new(d.here & edot.after(1), c10);
        let e2 = Stream::new(e1.here & e1.within(2, 4), c11);
        bits.put(Shape::Ipv4, e2.here & e2.within(2, 4));

        let k2 = Stream::new(colon & colons.within(1, 5), c12);
        bits.put(Shape::Ipv6, k2.here & k2.within(1, 5));

        // Five separators 3 bytes apart, or two dots with 4 letters or digits between them.
        let dotted = dot & dots.after(5) & w1 & word.after(2) & word.after(3) & w4;
        bits.put(Shape::Mac, colons.five() | dashes.five() | dotted);

        // 3 digits, a separator: seen from some bytes later.
        let two = d.here & d1;
        let three = two & d2;
        let six = d.after(5) & d.after(6);
        let last = sep.after(7) & d.after(8) & d.after(9) & d.after(10);
        bits.put(Shape::Ssn, three & d3 & sep.after(4) & six & last);
        let triples = Stream::new(three & sep.after(3) & d.after(4) & six & last, c20);
        bits.put(Shape::Triples, triples.here | paren & d1 & d2 & d3);
        bits.put(Shape::Dashed, dash & triples.after(1));
        let seven = d1 & d2 & d3 & d.after(4) & six & d.after(7);
        let nine = d.after(8) & d.after(9);
        bits.put(Shape::Lettered, seven & !nine & (letter | dash));
        bits.put(Shape::Iban, two & upper.after(2) & upper.after(3) & !w4);

        // 13 of digits and single separators, and the run of digits has just ended.
        let t1 = Stream::new(d.here | (dash | space | plus) & d1, c13);
        let t2 = Stream::new(t1.here & t1.after(1), c14);
        let t4 = Stream::new(t2.here & t2.after(2), c15);
        let t13 = Stream::new(t4.here & t4.after(4) & t4.after(8) & t1.after(12), c16);
        bits.put(Shape::Card, t13.after(1) & d1 & !d.here);

        // 12 letters and digits, and the run has just ended.
        let w2 = Stream::new(word.here & w1, c17);
        let w4 = Stream::new(w2.here & w2.after(2), c18);
        let w12 = Stream::new(w4.here & w4.after(4) & w4.after(8), c19);
        bits.runs = w12.after(1) & !word.here;
        *letters = Letters { word, upper, digit: d, mark };
        // From memory: or else the compiler takes all that is above apart, to have each block's bits at hand.
        hits.list(std::hint::black_box(bits), &planes.encoded);
    }
}

impl Letters {
    /// The run that ends before place `at` of the blocks, which begin at `base` of `arena`.
    #[inline]
    pub fn run(&self, at: usize, arena: &[u8], base: usize) -> Run {
        let len = (!self.word.last(at)).leading_zeros();
        if !(1..64).contains(&len) {
            return Run::plain(arena, base + at);
        }
        let run = u64::MAX << (64 - len);
        let (upper, digit) = (self.upper.last(at) & run, self.digit.last(at) & run);
        let lower = run & !upper & !digit;
        Run { len: len as usize, upper: upper != 0, lower: lower != 0, digit: digit != 0 }
    }

    /// How many letters, digits and marks of base64 stand before place `at` of the blocks, if they don't go far
    /// back.
    #[inline]
    pub fn token(&self, at: usize) -> Option<usize> {
        let (i, within) = (at / 64, at % 64);
        let below = (1u128 << (64 + within)) - 1;
        let start = 128 - (!(self.word.two(i) | self.mark.two(i)) & below).leading_zeros() as usize;
        (start > 0).then_some(64 + within - start)
    }
}
