//! [`super::Planes`] with AVX-512: 64 bytes in one register.

use std::arch::x86_64::*;

use super::{BLOCKS, Literals, Planes, Table, by_five, eight, window};

#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
#[inline]
fn load(bytes: &[u8], at: usize) -> __m512i {
    let b = &bytes[at..];
    _mm512_set_epi64(
        eight(b, 56),
        eight(b, 48),
        eight(b, 40),
        eight(b, 32),
        eight(b, 24),
        eight(b, 16),
        eight(b, 8),
        eight(b, 0),
    )
}

/// The registers of one table of groups: for each place the lower and the upper ones.
type Wide = [[__m512i; 2]; 4];

#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
#[inline]
fn four_times(bytes: &[u8; 16]) -> __m512i {
    let (a, b) = (eight(bytes, 0), eight(bytes, 8));
    _mm512_set_epi64(b, a, b, a, b, a, b, a)
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
#[inline]
fn wide([a, b, c, d]: &Table) -> Wide {
    let (a, b, c, d) = (by_five(a), by_five(b), by_five(c), by_five(d));
    [
        [four_times(&a[0]), four_times(&a[1])],
        [four_times(&b[0]), four_times(&b[1])],
        [four_times(&c[0]), four_times(&c[1])],
        [four_times(&d[0]), four_times(&d[1])],
    ]
}

/// As in `avx2`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
#[inline]
fn groups(pair: &[__m512i; 2], lower: __m512i, upper: __m512i) -> __m512i {
    _mm512_or_si512(_mm512_shuffle_epi8(pair[0], lower), _mm512_shuffle_epi8(pair[1], upper))
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
#[inline]
fn is(x: __m512i, byte: u8) -> u64 {
    _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8(byte as i8))
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
#[inline]
fn within(x: __m512i, first: u8, last: u8) -> u64 {
    let x = _mm512_sub_epi8(x, _mm512_set1_epi8(first as i8));
    _mm512_cmple_epu8_mask(x, _mm512_set1_epi8((last - first) as i8))
}

/// All but the literals of block `i`, which is `x`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
#[inline]
fn classes(x: __m512i, i: usize, out: &mut Planes) {
    out.digit[i] = within(x, b'0', b'9');
    out.upper[i] = within(x, b'A', b'Z');
    out.letter[i] = out.upper[i] | within(x, b'a', b'z');
    out.dot[i] = is(x, b'.');
    out.colon[i] = is(x, b':');
    out.dash[i] = is(x, b'-');
    out.space[i] = is(x, b' ');
    out.plus[i] = is(x, b'+');
    out.at[i] = is(x, b'@');
    out.assign[i] = is(x, b'=') | is(x, b'>');
    out.paren[i] = is(x, b')');
    out.joint[i] = is(x, b'/') | is(x, b'_');
    let marks = is(x, b'%') | is(x, b'&') | is(x, b'\\') | is(x, 0x1B);
    out.encoded[i] = marks | (_mm512_movepi8_mask(x) & !is(x, 0xFF));
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) fn planes(bytes: &[u8], literals: &Literals, out: &mut Planes, blocks: usize) {
    let [first, second, third] = &literals.words.tables;
    let (first, second, third) = (wide(first), wide(second), wide(third));
    let [free_first, free_second] = &literals.anywhere.tables;
    let (free_first, free_second) = (wide(free_first), wide(free_second));
    let five = _mm512_set1_epi8(31);
    let (offset, other) = (_mm512_set1_epi8(0x70), _mm512_set1_epi8(-128));
    let all = _mm512_set1_epi8(-1);
    for i in 0..blocks.min(BLOCKS) {
        let window = window(bytes, i);
        let (mut one, mut two, mut three, mut free, mut more) = (all, all, all, all, all);
        for place in 0..4 {
            let lower = _mm512_add_epi8(_mm512_and_si512(load(window, place), five), offset);
            let upper = _mm512_xor_si512(lower, other);
            one = _mm512_and_si512(one, groups(&first[place], lower, upper));
            two = _mm512_and_si512(two, groups(&second[place], lower, upper));
            three = _mm512_and_si512(three, groups(&third[place], lower, upper));
            free = _mm512_and_si512(free, groups(&free_first[place], lower, upper));
            more = _mm512_and_si512(more, groups(&free_second[place], lower, upper));
        }
        let (words, free) = (_mm512_or_si512(_mm512_or_si512(one, two), three), _mm512_or_si512(free, more));
        out.literals[i] = _mm512_test_epi8_mask(words, words);
        out.anywhere[i] = _mm512_test_epi8_mask(free, free);
        classes(load(window, 0), i, out);
    }
}

/// One register for each place of a table of groups.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
#[inline]
fn whole([a, b, c, d]: &Table) -> [__m512i; 4] {
    [load(a, 0), load(b, 0), load(c, 0), load(d, 0)]
}

/// With a look-up among 64 bytes: half as many of them, and letters are told from digits.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
pub(super) fn planes_vbmi(bytes: &[u8], literals: &Literals, out: &mut Planes, blocks: usize) {
    let [first, second, third] = &literals.words.tables;
    let (first, second, third) = (whole(first), whole(second), whole(third));
    let [free_first, free_second] = &literals.anywhere.tables;
    let (free_first, free_second) = (whole(free_first), whole(free_second));
    let sixth = _mm512_set1_epi8(32);
    let all = _mm512_set1_epi8(-1);
    for i in 0..blocks.min(BLOCKS) {
        let window = window(bytes, i);
        let (mut one, mut two, mut three, mut free, mut more) = (all, all, all, all, all);
        for place in 0..4 {
            let x = load(window, place);
            // The sixth bit from the seventh; what stands above is not looked at.
            let x = _mm512_ternarylogic_epi64::<0xD8>(x, _mm512_srli_epi16::<1>(x), sixth);
            one = _mm512_and_si512(one, _mm512_permutexvar_epi8(x, first[place]));
            two = _mm512_and_si512(two, _mm512_permutexvar_epi8(x, second[place]));
            three = _mm512_and_si512(three, _mm512_permutexvar_epi8(x, third[place]));
            free = _mm512_and_si512(free, _mm512_permutexvar_epi8(x, free_first[place]));
            more = _mm512_and_si512(more, _mm512_permutexvar_epi8(x, free_second[place]));
        }
        let (words, free) = (_mm512_or_si512(_mm512_or_si512(one, two), three), _mm512_or_si512(free, more));
        out.literals[i] = _mm512_test_epi8_mask(words, words);
        out.anywhere[i] = _mm512_test_epi8_mask(free, free);
        classes(load(window, 0), i, out);
    }
}
