//! Payment cards: issuer, length, check digit (ISO/IEC 7812-1).

use super::{digits, number};

pub(super) fn card(value: &[u8]) -> bool {
    let Some((digits, len)) = digits::<19>(value) else { return false };
    if len < 13 || digits[1..len].iter().all(|d| *d == digits[0]) {
        return false;
    }
    let two = number(&digits[..2]);
    let four = number(&digits[..4]);
    let issued = match digits[0] {
        4 => matches!(len, 16 | 19),
        5 => (matches!(two, 51..=55) && len == 16) || (matches!(two, 50 | 56..=58) && len >= 13),
        2 => (2221..=2720).contains(&four) && len == 16 || (2200..=2204).contains(&four) && len >= 16,
        3 => {
            (matches!(two, 34 | 37) && len == 15)
                || (matches!(two, 36 | 38 | 39 | 30) && len == 14)
                || ((3528..=3589).contains(&four) && len >= 16)
        }
        6 => {
            (four == 6011 || matches!(two, 62 | 65) || (644..=649).contains(&number(&digits[..3])))
                && len >= 16
                || matches!(two, 60 | 63 | 67..=69) && matches!(len, 13 | 16 | 18 | 19)
        }
        8 => two == 81 && len >= 16,
        _ => false,
    };
    issued && luhn(digits[..len].iter().copied())
}

/// Whether a card's number may end before place `at` of `text`. Cards begin and end where groups of digits
/// do ([`super::Validator::torn`]); of more digits than one card has, this doesn't say no.
pub(in crate::scrub) fn may_end_card(text: &[u8], at: usize) -> bool {
    let separator = |b: u8| matches!(b, b' ' | b'-' | b'+');
    let issued = |digit: u8| matches!(digit, b'2'..=b'6' | b'8');
    // The number goes on behind a dot: it is none, and nothing longer begins in it.
    if text.get(at) == Some(&b'.') && text.get(at + 1).is_some_and(u8::is_ascii_digit) {
        return false;
    }
    // A row of digits that nothing joins is one number or none.
    let joined = |end: usize| separator(text[end - 1]) && end > 1 && text[end - 2].is_ascii_digit();
    let row = digits_before(text, at);
    let goes_on =
        text.get(at).is_some_and(|b| separator(*b)) && text.get(at + 1).is_some_and(u8::is_ascii_digit);
    if (13..64).contains(&row) && row < at && !joined(at - row) && !goes_on {
        let before = text[at - row - 1];
        let torn = before.is_ascii_alphanumeric() || matches!(before, b'_' | b'.' | b'-' | b'+');
        let number = &text[at - row..at];
        // Most are told by the first digit already: only three kinds of issuers have less than 16.
        let few = row < 16 && !matches!(number[0], b'3' | b'5' | b'6');
        return row < 20 && !few && issued(number[0]) && !torn && card(number);
    }
    let mut start = at;
    let mut digits = 0;
    while start > 0 {
        let byte = text[start - 1];
        if byte.is_ascii_digit() {
            digits += 1;
        } else if !(separator(byte) && start > 1 && text[start - 2].is_ascii_digit()) {
            break;
        }
        start -= 1;
        if digits > 19 {
            return !is_alone(text, at);
        }
    }
    let mut rest = text[at..].iter();
    let mut separated = false;
    while let Some(byte) = rest.next().filter(|b| b.is_ascii_digit() || (separator(**b) && !separated)) {
        separated = separator(*byte);
        digits += usize::from(!separated);
        if digits > 19 {
            return true;
        }
    }
    let number = &text[start..at];
    let torn = |i: usize| {
        let before = text[..start + i].last();
        before.is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'+'))
    };
    let begins = |i: usize| (i == 0 || separator(number[i - 1])) && issued(number[i]) && !torn(i);
    (0..number.len().saturating_sub(12)).any(|i| begins(i) && card(&number[i..]))
}

/// How many digits stand right before place `at`, 64 for that many and more; none near the beginning.
#[inline]
fn digits_before(text: &[u8], at: usize) -> usize {
    const EACH: u128 = u128::MAX / 255;
    let mut row = 0;
    while row < 64 {
        let Some(before) = text[..at - row].last_chunk() else { return 0 };
        let x = u128::from_le_bytes(*before) ^ (EACH * 0x30);
        let others = (((x & (EACH * 0x7F)) + EACH * 0x76) | x) & (EACH * 0x80);
        row += others.leading_zeros() as usize / 8;
        if others != 0 {
            break;
        }
    }
    row
}

/// Whether the digits before place `at`, more than a card has, are a row without separators: every part of it
/// is torn. Not told of very long ones.
fn is_alone(text: &[u8], at: usize) -> bool {
    let joins = |a: Option<&u8>, b: Option<&u8>| {
        a.is_some_and(|a| matches!(a, b' ' | b'-' | b'+')) && b.is_some_and(u8::is_ascii_digit)
    };
    let run = text[..at].iter().rev().take(64).take_while(|b| b.is_ascii_digit()).count();
    let start = at - run;
    let behind = start.checked_sub(2).and_then(|two| text.get(two));
    (20..64).contains(&run) && !joins(text[..start].last(), behind) && !joins(text.get(at), text.get(at + 1))
}

/// The check digit of cards and of many countries' numbers (ISO/IEC 7812-1).
pub(super) fn luhn(digits: impl DoubleEndedIterator<Item = u8>) -> bool {
    let add = |(i, digit): (usize, u8)| {
        let digit = u32::from(digit) << (i & 1);
        if digit > 9 { digit - 9 } else { digit }
    };
    digits.rev().enumerate().map(add).sum::<u32>().is_multiple_of(10)
}
