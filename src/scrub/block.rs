//! 64 bytes and the questions that all rules ask of them, as bit streams: one bit a byte.
//!
//! The one place of this crate with `unsafe`: the call of code that was compiled for AVX2, after the
//! processor has been asked for it. Everything behind that call, loads included, is safe code; the plain
//! path next to it gives the same bits (but for `literals`, where both may say more than there is).

use super::literals::Literals;

/// What is where in 64 bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Planes {
    pub digit: u64,
    pub upper: u64,
    pub letter: u64,
    pub dot: u64,
    pub colon: u64,
    pub dash: u64,
    pub space: u64,
    pub plus: u64,
    pub at: u64,
    /// `=` or `>`.
    pub assign: u64,
    /// `)`.
    pub paren: u64,
    /// `%`, `&`, `\`, or not ASCII; not the byte between texts.
    pub encoded: u64,
    /// A literal may start here.
    pub literals: u64,
}

/// Blocks that are looked at in one go.
pub(super) const BLOCKS: usize = 32;

/// The planes of `bytes`, which go on for 8 bytes or more behind the last block.
#[inline]
pub(super) fn planes(bytes: &[u8], literals: &Literals, out: &mut [Planes]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, the only thing that this function asks of its caller.
        #[allow(unsafe_code)]
        unsafe {
            avx2::planes(bytes, literals, out);
        }
        return;
    }
    plain::planes(bytes, literals, out);
}

/// Literals by the nibbles of their first four bytes, in 16 groups: two tables of 8 bits.
#[derive(Debug, Default)]
pub(super) struct Nibbles {
    /// For each table and place: the groups of each low nibble, and of each high one.
    tables: [[[[u8; 16]; 2]; 4]; 2],
}

impl Nibbles {
    /// From folded literals in order, so that neighbours have much in common.
    pub fn new(sorted: &[[Option<u8>; 4]]) -> Nibbles {
        let mut out = Nibbles::default();
        let size = sorted.len().div_ceil(16).max(1);
        for (group, literals) in sorted.chunks(size).enumerate() {
            let (table, bit) = (&mut out.tables[group / 8], 1u8 << (group % 8));
            for (place, byte) in literals.iter().flat_map(|l| l.iter().enumerate()) {
                let [low, high] = &mut table[place];
                match byte {
                    Some(byte) => {
                        low[usize::from(byte & 15)] |= bit;
                        high[usize::from(byte >> 4)] |= bit;
                    }
                    None => low.iter_mut().chain(high).for_each(|groups| *groups |= bit),
                }
            }
        }
        out
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::*;

    use super::{Literals, Planes};

    #[target_feature(enable = "avx2")]
    #[inline]
    fn load(bytes: &[u8; 32]) -> __m256i {
        let [a, b, c, d] =
            std::array::from_fn(|i| i64::from_le_bytes(std::array::from_fn(|k| bytes[8 * i + k])));
        _mm256_set_epi64x(d, c, b, a)
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn twice(bytes: &[u8; 16]) -> __m256i {
        let [a, b] = std::array::from_fn(|i| i64::from_le_bytes(std::array::from_fn(|k| bytes[8 * i + k])));
        _mm256_set_epi64x(b, a, b, a)
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
    pub(super) fn planes(bytes: &[u8], literals: &Literals, out: &mut [Planes]) {
        let tables =
            literals.nibbles.tables.map(|table| table.map(|pair| pair.map(|nibbles| twice(&nibbles))));
        let case = _mm256_set1_epi8(0x20);
        let nibble = _mm256_set1_epi8(15);
        let zero = _mm256_setzero_si256();
        for (i, out) in out.iter_mut().enumerate() {
            let Some(window) = bytes.get(64 * i..).and_then(|rest| rest.first_chunk::<72>()) else { return };
            let at = |from: usize| window[from..].first_chunk().map_or(zero, |bytes| load(bytes));
            let (a, b) = (at(0), at(32));
            let (fa, fb) = (_mm256_or_si256(a, case), _mm256_or_si256(b, case));
            let encoded = |x| {
                let marks = _mm256_or_si256(is(x, b'%'), _mm256_or_si256(is(x, b'&'), is(x, b'\\')));
                _mm256_or_si256(marks, _mm256_andnot_si256(is(x, 0xFF), x))
            };
            let assign = |x| _mm256_or_si256(is(x, b'='), is(x, b'>'));
            let literal = |start: usize| {
                let (mut one, mut two) = (_mm256_set1_epi8(-1), _mm256_set1_epi8(-1));
                for place in 0..4 {
                    let x = _mm256_or_si256(at(start + place), case);
                    let low = _mm256_and_si256(x, nibble);
                    let high = _mm256_and_si256(_mm256_srli_epi16::<4>(x), nibble);
                    let groups = |table: &[[__m256i; 2]; 4]| {
                        let [lows, highs] = table[place];
                        _mm256_and_si256(_mm256_shuffle_epi8(lows, low), _mm256_shuffle_epi8(highs, high))
                    };
                    one = _mm256_and_si256(one, groups(&tables[0]));
                    two = _mm256_and_si256(two, groups(&tables[1]));
                }
                _mm256_cmpeq_epi8(_mm256_or_si256(one, two), zero)
            };
            *out = Planes {
                digit: bits(within(a, b'0', b'9'), within(b, b'0', b'9')),
                upper: bits(within(a, b'A', b'Z'), within(b, b'A', b'Z')),
                letter: bits(within(fa, b'a', b'z'), within(fb, b'a', b'z')),
                dot: bits(is(a, b'.'), is(b, b'.')),
                colon: bits(is(a, b':'), is(b, b':')),
                dash: bits(is(a, b'-'), is(b, b'-')),
                space: bits(is(a, b' '), is(b, b' ')),
                plus: bits(is(a, b'+'), is(b, b'+')),
                at: bits(is(a, b'@'), is(b, b'@')),
                assign: bits(assign(a), assign(b)),
                paren: bits(is(a, b')'), is(b, b')')),
                encoded: bits(encoded(a), encoded(b)),
                literals: !bits(literal(0), literal(32)),
            };
        }
    }
}

mod plain {
    use super::{Literals, Planes};

    #[inline(always)]
    fn bits(block: &[u8; 64], test: impl Fn(u8) -> bool) -> u64 {
        let flags = block.map(|byte| u8::from(test(byte)));
        let eight = |eight: &[u8; 8]| u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        flags.as_chunks::<8>().0.iter().rev().fold(0, |out, flags| out << 8 | eight(flags))
    }

    pub(super) fn planes(bytes: &[u8], literals: &Literals, out: &mut [Planes]) {
        for (i, out) in out.iter_mut().enumerate() {
            let Some(window) = bytes.get(64 * i..).and_then(|rest| rest.first_chunk::<72>()) else { return };
            let Some(block) = window.first_chunk::<64>() else { return };
            *out = Planes {
                digit: bits(block, |b| b.wrapping_sub(b'0') < 10),
                upper: bits(block, |b| b.wrapping_sub(b'A') < 26),
                letter: bits(block, |b| (b | 0x20).wrapping_sub(b'a') < 26),
                dot: bits(block, |b| b == b'.'),
                colon: bits(block, |b| b == b':'),
                dash: bits(block, |b| b == b'-'),
                space: bits(block, |b| b == b' '),
                plus: bits(block, |b| b == b'+'),
                at: bits(block, |b| b == b'@'),
                assign: bits(block, |b| b == b'=' || b == b'>'),
                paren: bits(block, |b| b == b')'),
                encoded: bits(block, |b| matches!(b, b'%' | b'&' | b'\\' | 0x80..=0xFE)),
                literals: literals.hits(window),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// Scenario: any bytes, with literals among them. Guarantee: the processor's registers and plain code
        /// give the same bits, and neither misses a literal.
        #[test]
        fn registers_and_plain_code_agree(
            mut bytes in prop::collection::vec(any::<u8>(), 200),
            places in prop::collection::vec((0usize..3, 0usize..180), 1..6),
        ) {
            let words: [&[u8]; 3] = [b"SG.", b"bearer ", b"://"];
            let literals = Literals::new(words.iter().enumerate().map(|(i, word)| (word.to_vec(), i as u16)));
            let mut last = Vec::new();
            for (word, at) in places {
                bytes[at..at + words[word].len()].copy_from_slice(words[word]);
                last.push((word, at));
            }
            last.retain(|(word, at)| bytes[*at..].starts_with(words[*word]));
            let (mut fast, mut slow) = ([Planes::default(); 2], [Planes::default(); 2]);
            planes(&bytes, &literals, &mut fast);
            plain::planes(&bytes, &literals, &mut slow);
            for (_, at) in last.iter().filter(|(_, at)| *at < 128) {
                prop_assert!(fast[at / 64].literals >> (at % 64) & 1 == 1);
                prop_assert!(slow[at / 64].literals >> (at % 64) & 1 == 1);
            }
            for (fast, slow) in fast.iter_mut().zip(&mut slow) {
                (fast.literals, slow.literals) = (0, 0);
                prop_assert_eq!(fast, slow);
            }
        }
    }
}
