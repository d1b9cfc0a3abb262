//! Shapes: from 64 bytes at a time, one bit stream for each byte class, then a rule's necessary shape
//! as a few shifts and ands. Says where a rule *could* match; never says that it does.

use serde::{Deserialize, Serialize};

use super::block::{self, BLOCKS, Lanes, Planes};

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

/// Where in each of [`BLOCKS`](block::BLOCKS) blocks of 64 bytes something may be: one bit a byte.
#[derive(Debug, Default)]
pub(super) struct Hits {
    pub shapes: [Lanes; Shape::COUNT],
    /// Which shapes have a hit at all: one bit each.
    pub present: Lanes,
    /// `:`, `=` or `>` that may stand between a key and its value.
    pub separators: Places,
    /// Behind a run of 12 or more letters and digits: text in base64 or hexadecimal may end there.
    pub runs: Lanes,
    /// Where a literal may start.
    pub literals: Places,
}

impl Hits {
    /// Sets the hits of a shape.
    #[inline(always)]
    fn put(&mut self, shape: Shape, lanes: Lanes) {
        self.shapes[shape as usize] = lanes;
        self.present = self.present | lanes.any(shape as usize);
    }
}

/// Places as numbers: many are judged in a row, without a branch for each bit.
#[derive(Debug)]
pub(super) struct Places {
    places: [u16; Places::ROOM],
    len: usize,
}

impl Default for Places {
    fn default() -> Self {
        Places { places: [0; Places::ROOM], len: 0 }
    }
}

impl Places {
    const ROOM: usize = 64 * BLOCKS + 8;

    /// Those of the bits of `lanes`, of which few blocks have more than `STEP`.
    #[inline(always)]
    fn fill<const STEP: usize>(&mut self, lanes: &Lanes) {
        let mut len = 0;
        for block in 0..BLOCKS {
            let mut bits = lanes[block];
            let end = len + bits.count_ones() as usize;
            let base = 64 * block as u16;
            // More are written than there are: that is cheaper than to ask each time. What is too much is written
            // over.
            while let Some(step) = self.places.get_mut(len..len + STEP) {
                for place in step {
                    *place = base + bits.trailing_zeros() as u16;
                    bits &= bits.wrapping_sub(1);
                }
                len += STEP;
                if len >= end {
                    break;
                }
            }
            len = end;
        }
        self.len = len;
    }

    /// Keeps those that `test` is true of.
    #[inline(always)]
    pub fn keep(&mut self, mut test: impl FnMut(usize) -> bool) {
        let mut kept = 0;
        for i in 0..self.len.min(Places::ROOM) {
            let place = self.places[i];
            self.places[kept] = place;
            kept += usize::from(test(usize::from(place)));
        }
        self.len = kept;
    }

    /// The places, in order.
    #[inline(always)]
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        self.places[..self.len.min(Places::ROOM)].iter().map(|place| usize::from(*place))
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
    fn new(here: Lanes, carry: &mut u64) -> Stream {
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

    /// Block `i` in the high half, the one before it in the low half.
    #[inline]
    fn two(&self, i: usize) -> u128 {
        u128::from(self.here[i]) << 64 | u128::from(self.before[i])
    }
}

/// The streams of a few blocks, and what carries over from those before, so that shapes reach over an edge.
#[derive(Debug, Default)]
pub(super) struct Streams {
    pub hits: Hits,
    word: Stream,
    upper: Stream,
    digit: Stream,
    mark: Stream,
    carry: [u64; 21],
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
        let Streams { hits, carry, .. } = self;
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

        hits.present = Lanes::default();
        hits.literals.fill::<6>(&(planes.literals & letter & !w1 | planes.anywhere));
        hits.separators.fill::<4>(&(colon & !d1 | assign));
        hits.put(Shape::At, at);
        hits.put(Shape::Plus, d.here & pluses.after(1));

        // Digit, dot, digit three times, 2 to 4 bytes apart.
        let edot = Stream::new(dot & d1, c9);
        let e1 = Stream::new(d.here & edot.after(1), c10);
        let e2 = Stream::new(e1.here & e1.within(2, 4), c11);
        hits.put(Shape::Ipv4, e2.here & e2.within(2, 4));

        let k2 = Stream::new(colon & colons.within(1, 5), c12);
        hits.put(Shape::Ipv6, k2.here & k2.within(1, 5));

        // Five separators 3 bytes apart, or two dots with 4 letters or digits between them.
        let dotted = dot & dots.after(5) & w1 & word.after(2) & word.after(3) & w4;
        hits.put(Shape::Mac, colons.five() | dashes.five() | dotted);

        // 3 digits, a separator: seen from some bytes later.
        let two = d.here & d1;
        let three = two & d2;
        let six = d.after(5) & d.after(6);
        let last = sep.after(7) & d.after(8) & d.after(9) & d.after(10);
        hits.put(Shape::Ssn, three & d3 & sep.after(4) & six & last);
        let triples = Stream::new(three & sep.after(3) & d.after(4) & six & last, c20);
        hits.put(Shape::Triples, triples.here | paren & d1 & d2 & d3);
        hits.put(Shape::Dashed, dash & triples.after(1));
        hits.put(Shape::Lettered, !d.here & d1 & d2 & d3 & d.after(4) & six & d.after(7) & (letter | dash));
        hits.put(Shape::Iban, two & upper.after(2) & upper.after(3) & !w4);

        // 13 of digits and single separators, and the run of digits has just ended.
        let t1 = Stream::new(d.here | (dash | space | plus) & d1, c13);
        let t2 = Stream::new(t1.here & t1.after(1), c14);
        let t4 = Stream::new(t2.here & t2.after(2), c15);
        let t13 = Stream::new(t4.here & t4.after(4) & t4.after(8) & t1.after(12), c16);
        hits.put(Shape::Card, t13.after(1) & d1 & !d.here);

        // 12 letters and digits, and the run has just ended.
        let w2 = Stream::new(word.here & w1, c17);
        let w4 = Stream::new(w2.here & w2.after(2), c18);
        let w12 = Stream::new(w4.here & w4.after(4) & w4.after(8), c19);
        hits.runs = w12.after(1) & !word.here;
        (self.word, self.upper, self.digit, self.mark) = (word, upper, d, mark);
    }

    /// The run that ends before place `at` of the blocks, which begin at `base` of `arena`.
    #[inline]
    pub fn run(&self, at: usize, arena: &[u8], base: usize) -> Run {
        let (i, within) = (at / 64, at % 64);
        let below = (1u128 << (64 + within)) - 1;
        let start = 128 - (!self.word.two(i) & below).leading_zeros() as usize;
        if start == 0 {
            return Run::plain(arena, base + at);
        }
        let run = below & (u128::MAX << start);
        let (upper, digit) = (self.upper.two(i) & run, self.digit.two(i) & run);
        let lower = run & !upper & !digit;
        Run { len: 64 + within - start, upper: upper != 0, lower: lower != 0, digit: digit != 0 }
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
