//! 64 bytes and the questions that all rules ask of them, as bit streams: one bit a byte.
//!
//! Here and in [`super::classes`] are the only places of this crate with `unsafe`: the call of code that was
//! compiled for AVX2 or AVX-512, after the processor has been asked for it. Everything behind such a call,
//! loads included, is safe code; the plain path next to it gives the same bits (but for literals, where each
//! may say more than there is).

#[cfg(target_arch = "x86_64")]
mod avx512;

#[cfg(target_arch = "x86_64")]
use super::groups::{Table, by_five};
use super::literals::Literals;

/// Blocks that are looked at in one go.
pub(super) const BLOCKS: usize = 8;

/// 64 bits for each block, one a byte. The compiler makes vectors of them where the processor has such.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Lanes([u64; BLOCKS]);

impl Lanes {
    #[inline(always)]
    fn map2(self, other: Lanes, f: impl Fn(u64, u64) -> u64) -> Lanes {
        // No iterator: the library's code for one is not always compiled into this.
        let mut out = [0; BLOCKS];
        let mut i = 0;
        while i < BLOCKS {
            out[i] = f(self.0[i], other.0[i]);
            i += 1;
        }
        Lanes(out)
    }

    /// The block before each one, the last one of `carry` before the first; these become `carry`, all of them:
    /// that is one instruction where the processor has such registers.
    #[inline(always)]
    pub fn before(self, carry: &mut Lanes) -> Lanes {
        let [a, b, c, d, e, f, g, _] = self.0;
        Lanes([std::mem::replace(carry, self).0[BLOCKS - 1], a, b, c, d, e, f, g])
    }

    /// Moved by `n` bytes towards the end, with what comes over from the block `before` each.
    #[inline(always)]
    pub fn moved(self, before: Lanes, n: u32) -> Lanes {
        self.map2(before, |here, before| (here << n) | (before >> (64 - n)))
    }
}

impl std::ops::BitAnd for Lanes {
    type Output = Lanes;

    #[inline(always)]
    fn bitand(self, other: Lanes) -> Lanes {
        self.map2(other, |a, b| a & b)
    }
}

impl std::ops::BitOr for Lanes {
    type Output = Lanes;

    #[inline(always)]
    fn bitor(self, other: Lanes) -> Lanes {
        self.map2(other, |a, b| a | b)
    }
}

impl std::ops::Not for Lanes {
    type Output = Lanes;

    #[inline(always)]
    fn not(self) -> Lanes {
        self.map2(self, |a, _| !a)
    }
}

impl std::ops::Index<usize> for Lanes {
    type Output = u64;

    #[inline(always)]
    fn index(&self, block: usize) -> &u64 {
        &self.0[block]
    }
}

impl std::ops::IndexMut<usize> for Lanes {
    #[inline(always)]
    fn index_mut(&mut self, block: usize) -> &mut u64 {
        &mut self.0[block]
    }
}

/// What is where in [`BLOCKS`] blocks of 64 bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Planes {
    pub digit: Lanes,
    pub upper: Lanes,
    pub letter: Lanes,
    pub dot: Lanes,
    pub colon: Lanes,
    pub dash: Lanes,
    pub space: Lanes,
    pub plus: Lanes,
    pub at: Lanes,
    /// `=` or `>`.
    pub assign: Lanes,
    /// `)`.
    pub paren: Lanes,
    /// `/` or `_`.
    pub joint: Lanes,
    /// `%`, `&`, `\`, an escape, or not ASCII; not the byte between texts.
    pub encoded: Lanes,
    /// A literal that only begins at a word may start here, if a word does.
    pub literals: Lanes,
    /// Any other literal may start here.
    pub anywhere: Lanes,
}

/// Bytes that are read behind a block, for literals that start in it.
pub(super) const BEHIND: usize = 8;

#[cfg(target_arch = "x86_64")]
pub(super) fn has_avx2() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
        && std::arch::is_x86_feature_detected!("bmi1")
        && std::arch::is_x86_feature_detected!("bmi2")
        && std::arch::is_x86_feature_detected!("popcnt")
}

#[cfg(target_arch = "x86_64")]
pub(super) fn has_avx512() -> bool {
    has_avx2()
        && std::arch::is_x86_feature_detected!("avx512f")
        && std::arch::is_x86_feature_detected!("avx512bw")
        && std::arch::is_x86_feature_detected!("avx512vl")
}

/// As processors with AVX-512 have it since 2019.
#[cfg(target_arch = "x86_64")]
pub(super) fn has_vbmi() -> bool {
    has_avx512()
        && std::arch::is_x86_feature_detected!("avx512vbmi")
        && std::arch::is_x86_feature_detected!("avx512vbmi2")
}

impl Planes {
    /// Looks at the first `blocks` blocks of `bytes`, which go on for [`BEHIND`] bytes or more behind the last.
    #[inline]
    pub fn look(&mut self, bytes: &[u8], literals: &Literals, blocks: usize) {
        if blocks < BLOCKS {
            *self = Planes::default();
        }
        #[cfg(target_arch = "x86_64")]
        if has_vbmi() {
            // SAFETY: the processor has what this function was compiled for, all that it asks of its caller.
            #[allow(unsafe_code)]
            return unsafe { avx512::planes_vbmi(bytes, literals, self, blocks) };
        } else if has_avx512() {
            // SAFETY: the processor has what this function was compiled for, all that it asks of its caller.
            #[allow(unsafe_code)]
            return unsafe { avx512::planes(bytes, literals, self, blocks) };
        } else if has_avx2() {
            // SAFETY: the processor has what this function was compiled for, all that it asks of its caller.
            #[allow(unsafe_code)]
            return unsafe { avx2::planes(bytes, literals, self, blocks) };
        }
        plain::planes(bytes, literals, self, blocks);
    }
}

/// Block `i` and what stands behind it.
#[inline(always)]
fn window(bytes: &[u8], i: usize) -> &[u8; 64 + BEHIND] {
    bytes.get(64 * i..).and_then(<[u8]>::first_chunk).unwrap_or(&[0xFF; 64 + BEHIND])
}

/// Eight bytes as a register's number. No closures over arrays below: the library's code that would call them
/// was compiled for any processor, so they would not be inlined.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn eight(bytes: &[u8], at: usize) -> i64 {
    bytes[at..].first_chunk().map_or(0, |eight| i64::from_le_bytes(*eight))
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::*;

    use super::{BLOCKS, Literals, Planes, Table, by_five, eight, window};

    #[target_feature(enable = "avx2")]
    #[inline]
    fn load(bytes: &[u8; 72], at: usize) -> __m256i {
        let bytes = &bytes[at..];
        _mm256_set_epi64x(eight(bytes, 24), eight(bytes, 16), eight(bytes, 8), eight(bytes, 0))
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn twice(bytes: &[u8; 16]) -> __m256i {
        let (a, b) = (eight(bytes, 0), eight(bytes, 8));
        _mm256_set_epi64x(b, a, b, a)
    }

    /// The registers of one table of groups: for each place the lower and the upper ones.
    type Wide = [[__m256i; 2]; 4];

    #[target_feature(enable = "avx2")]
    #[inline]
    fn wide([a, b, c, d]: &Table) -> Wide {
        let (a, b, c, d) = (by_five(a), by_five(b), by_five(c), by_five(d));
        [
            [twice(&a[0]), twice(&a[1])],
            [twice(&b[0]), twice(&b[1])],
            [twice(&c[0]), twice(&c[1])],
            [twice(&d[0]), twice(&d[1])],
        ]
    }

    /// The groups that have a byte in one place: `lower` is its index if that is in the lower half, with the
    /// highest bit set (which gives 0) if not; `upper` the other way round.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn groups(pair: &[__m256i; 2], lower: __m256i, upper: __m256i) -> __m256i {
        _mm256_or_si256(_mm256_shuffle_epi8(pair[0], lower), _mm256_shuffle_epi8(pair[1], upper))
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn bits(a: __m256i, b: __m256i) -> u64 {
        u64::from(_mm256_movemask_epi8(a) as u32) | u64::from(_mm256_movemask_epi8(b) as u32) << 32
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn is(x: __m256i, byte: u8) -> __m256i {
        _mm256_cmpeq_epi8(x, _mm256_set1_epi8(byte as i8))
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn within(x: __m256i, first: u8, last: u8) -> __m256i {
        let x = _mm256_sub_epi8(x, _mm256_set1_epi8(first as i8));
        _mm256_cmpeq_epi8(_mm256_min_epu8(x, _mm256_set1_epi8((last - first) as i8)), x)
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn planes(bytes: &[u8], literals: &Literals, out: &mut Planes, blocks: usize) {
        let [first, second, third] = &literals.words.tables;
        let (first, second, third) = (wide(first), wide(second), wide(third));
        let [free_first, free_second] = &literals.anywhere.tables;
        let (free_first, free_second) = (wide(free_first), wide(free_second));
        let case = _mm256_set1_epi8(0x20);
        let five = _mm256_set1_epi8(31);
        let (offset, other) = (_mm256_set1_epi8(0x70), _mm256_set1_epi8(-128));
        let zero = _mm256_setzero_si256();
        for i in 0..blocks.min(BLOCKS) {
            let window = window(bytes, i);
            let (a, b) = (load(window, 0), load(window, 32));
            let (fa, fb) = (_mm256_or_si256(a, case), _mm256_or_si256(b, case));
            let either = |x, one, two| _mm256_or_si256(is(x, one), is(x, two));
            let encoded = |x| {
                let marks = _mm256_or_si256(either(x, b'%', 0x1B), either(x, b'&', b'\\'));
                _mm256_or_si256(marks, _mm256_andnot_si256(is(x, 0xFF), x))
            };
            // Places that no group has: of literals that begin at a word, and of others.
            let literal = |start: usize| {
                let all = _mm256_set1_epi8(-1);
                let (mut one, mut two, mut three, mut free, mut more) = (all, all, all, all, all);
                for place in 0..4 {
                    let lower = _mm256_add_epi8(_mm256_and_si256(load(window, start + place), five), offset);
                    let upper = _mm256_xor_si256(lower, other);
                    one = _mm256_and_si256(one, groups(&first[place], lower, upper));
                    two = _mm256_and_si256(two, groups(&second[place], lower, upper));
                    three = _mm256_and_si256(three, groups(&third[place], lower, upper));
                    free = _mm256_and_si256(free, groups(&free_first[place], lower, upper));
                    more = _mm256_and_si256(more, groups(&free_second[place], lower, upper));
                }
                let free = _mm256_or_si256(free, more);
                let words = _mm256_or_si256(_mm256_or_si256(one, two), three);
                (_mm256_cmpeq_epi8(words, zero), _mm256_cmpeq_epi8(free, zero))
            };
            let (literals_a, literals_b) = (literal(0), literal(32));
            out.digit[i] = bits(within(a, b'0', b'9'), within(b, b'0', b'9'));
            out.upper[i] = bits(within(a, b'A', b'Z'), within(b, b'A', b'Z'));
            out.letter[i] = bits(within(fa, b'a', b'z'), within(fb, b'a', b'z'));
            out.dot[i] = bits(is(a, b'.'), is(b, b'.'));
            out.colon[i] = bits(is(a, b':'), is(b, b':'));
            out.dash[i] = bits(is(a, b'-'), is(b, b'-'));
            out.space[i] = bits(is(a, b' '), is(b, b' '));
            out.plus[i] = bits(is(a, b'+'), is(b, b'+'));
            out.at[i] = bits(is(a, b'@'), is(b, b'@'));
            out.assign[i] = bits(either(a, b'=', b'>'), either(b, b'=', b'>'));
            out.paren[i] = bits(is(a, b')'), is(b, b')'));
            out.joint[i] = bits(either(a, b'/', b'_'), either(b, b'/', b'_'));
            out.encoded[i] = bits(encoded(a), encoded(b));
            out.literals[i] = !bits(literals_a.0, literals_b.0);
            out.anywhere[i] = !bits(literals_a.1, literals_b.1);
        }
    }
}

mod plain {
    use super::{BLOCKS, Literals, Planes, window};

    #[inline(always)]
    fn bits(block: &[u8; 64], test: impl Fn(u8) -> bool) -> u64 {
        let flags = block.map(|byte| u8::from(test(byte)));
        let eight = |eight: &[u8; 8]| u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        flags.as_chunks::<8>().0.iter().rev().fold(0, |out, flags| out << 8 | eight(flags))
    }

    pub(super) fn planes(bytes: &[u8], literals: &Literals, out: &mut Planes, blocks: usize) {
        for i in 0..blocks.min(BLOCKS) {
            let window = window(bytes, i);
            let Some(block) = window.first_chunk::<64>() else { return };
            let literals = literals.hits(window);
            out.digit[i] = bits(block, |b| b.wrapping_sub(b'0') < 10);
            out.upper[i] = bits(block, |b| b.wrapping_sub(b'A') < 26);
            out.letter[i] = bits(block, |b| (b | 0x20).wrapping_sub(b'a') < 26);
            out.dot[i] = bits(block, |b| b == b'.');
            out.colon[i] = bits(block, |b| b == b':');
            out.dash[i] = bits(block, |b| b == b'-');
            out.space[i] = bits(block, |b| b == b' ');
            out.plus[i] = bits(block, |b| b == b'+');
            out.at[i] = bits(block, |b| b == b'@');
            out.assign[i] = bits(block, |b| b == b'=' || b == b'>');
            out.paren[i] = bits(block, |b| b == b')');
            out.joint[i] = bits(block, |b| b == b'/' || b == b'_');
            out.encoded[i] = bits(block, |b| matches!(b, b'%' | b'&' | b'\\' | 0x1B | 0x80..=0xFE));
            out.literals[i] = literals;
            out.anywhere[i] = literals;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::literals::Begins, *};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// Scenario: any bytes, with literals among them. Guarantee: the processor's registers of every width
        /// and plain code give the same bits, and none misses a literal.
        #[test]
        fn registers_and_plain_code_agree(
            mut bytes in prop::collection::vec(any::<u8>(), 200),
            places in prop::collection::vec((0usize..3, 0usize..180), 1..6),
        ) {
            let words: [&[u8]; 3] = [b"SG.", b"bearer ", b"://"];
            let begins = [Begins::Anywhere, Begins::AtWord, Begins::Anywhere];
            let literals = Literals::new(
                words.iter().zip(begins).enumerate().map(|(i, (word, at))| (word.to_vec(), i as u16, at)),
            );
            let mut last = Vec::new();
            for (word, at) in places {
                bytes[at..at + words[word].len()].copy_from_slice(words[word]);
                last.push((word, at));
            }
            last.retain(|(word, at)| bytes[*at..].starts_with(words[*word]));
            let mut all = vec![Planes::default()];
            plain::planes(&bytes, &literals, &mut all[0], 2);
            #[cfg(target_arch = "x86_64")]
            #[allow(unsafe_code)]
            {
                if has_avx2() {
                    all.push(Planes::default());
                    // SAFETY: the processor has been asked.
                    unsafe { avx2::planes(&bytes, &literals, &mut all[1], 2) };
                }
                if has_avx512() {
                    all.push(Planes::default());
                    // SAFETY: the processor has been asked.
                    unsafe { avx512::planes(&bytes, &literals, &mut all[2], 2) };
                }
                if has_vbmi() {
                    all.push(Planes::default());
                    // SAFETY: the processor has been asked.
                    unsafe { avx512::planes_vbmi(&bytes, &literals, &mut all[3], 2) };
                }
            }
            for (word, at) in last.iter().filter(|(_, at)| *at < 128) {
                for planes in &all {
                    let plane = if *word == 1 { planes.literals } else { planes.anywhere };
                    prop_assert!(plane[at / 64] >> (at % 64) & 1 == 1);
                }
            }
            for planes in &mut all {
                (planes.literals, planes.anywhere) = (Lanes::default(), Lanes::default());
            }
            for planes in &all[1..] {
                prop_assert_eq!(planes, &all[0]);
            }
        }
    }
}
