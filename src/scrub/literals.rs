//! Literals of all rules in one pass: four folded bytes at every place against a table of fingerprints.

use std::{collections::HashMap, ops::Range};

use super::groups::Groups;

/// The shortest literal that a rule may start with, in bytes.
pub(super) const SHORTEST: usize = 3;

/// How a rule's matches begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begins {
    /// Never inside a word: no letter or digit stands before a letter or digit that a match starts with.
    AtWord,
    /// Anywhere.
    Anywhere,
}

/// All literals of all rules.
#[derive(Debug)]
pub(super) struct Literals {
    /// By a fingerprint of the first four bytes: what kinds of two bytes may come behind them, one bit each.
    behind: Box<[u32; 4096]>,
    /// Fingerprints of literals of three bytes.
    threes: Box<[u64; 1024]>,
    /// Of literals that begin at a word with a letter or digit, and of all others.
    pub(super) words: Groups<3>,
    pub(super) anywhere: Groups<2>,
    /// By the first four folded bytes: where their entries are.
    by_four: HashMap<u32, Range<u16>, foldhash::fast::FixedState>,
    /// By the first three, where the literal has no more.
    by_three: HashMap<u32, Range<u16>, foldhash::fast::FixedState>,
    /// Literals in order, so that those with the same beginning are neighbours.
    entries: Vec<Entry>,
}

/// A literal and whose it is.
#[derive(Debug)]
struct Entry {
    /// In lower case.
    text: Box<[u8]>,
    rule: u16,
}

const FOLD: u32 = 0x2020_2020;

/// The first bytes of a literal or a text of so many bytes, as they are looked up: four, or three.
#[inline(always)]
fn folded(start: [u8; 4], len: usize) -> u32 {
    (u32::from_le_bytes(start) | FOLD) & if len > 3 { u32::MAX } else { 0xFF_FFFF }
}

/// Where in a table four folded bytes stand.
#[inline(always)]
fn place(four: u32) -> usize {
    (four.wrapping_mul(0x9E37_79B1) >> 20) as usize
}

/// The kind of two bytes, whatever their case: one of 32 bits.
#[inline(always)]
fn kind(two: [u8; 2]) -> u32 {
    1 << ((u32::from(u16::from_le_bytes(two)) | FOLD).wrapping_mul(0x9E37_79B1) >> 27)
}

#[inline(always)]
fn slot(four: u32) -> u32 {
    four.wrapping_mul(0x9E37_79B1) >> 16
}

#[inline(always)]
fn is_in(table: &[u64; 1024], key: u32) -> bool {
    let s = slot(key);
    table[((s >> 6) & 1023) as usize] >> (s & 63) & 1 != 0
}

fn enter(table: &mut [u64; 1024], key: u32) {
    let s = slot(key);
    table[((s >> 6) & 1023) as usize] |= 1 << (s & 63);
}

impl Literals {
    /// A table of `(literal, rule, where it may begin)`; every literal has [`SHORTEST`] bytes or more.
    pub fn new(literals: impl IntoIterator<Item = (Vec<u8>, u16, Begins)>) -> Self {
        let mut out = Literals {
            behind: Box::new([0; 4096]),
            threes: Box::new([0; 1024]),
            words: Groups::default(),
            anywhere: Groups::default(),
            by_four: HashMap::default(),
            by_three: HashMap::default(),
            entries: Vec::new(),
        };
        let (mut words, mut anywhere) = (Vec::new(), Vec::new());
        let mut literals: Vec<_> = literals.into_iter().collect();
        literals.iter_mut().for_each(|(text, ..)| text.make_ascii_lowercase());
        literals.sort_unstable_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        for (text, rule, begins) in literals {
            let index = out.entries.len() as u16;
            let start = text.first_chunk().copied().unwrap_or_else(|| [text[0], text[1], text[2], 0]);
            let start = folded(start, text.len());
            match text[..] {
                [_, _, _] => enter(&mut out.threes, start),
                [_, _, _, _, e, f, ..] => out.behind[place(start)] |= kind([e, f]),
                _ => out.behind[place(start)] = u32::MAX,
            }
            let map = if text.len() == 3 { &mut out.by_three } else { &mut out.by_four };
            map.entry(start).or_insert(index..index).end = index + 1;
            let start = [0, 1, 2, 3].map(|i| text.get(i).copied());
            let word = text.first().is_some_and(u8::is_ascii_alphanumeric);
            if begins == Begins::AtWord && word { &mut words } else { &mut anywhere }.push(start);
            out.entries.push(Entry { text: text.into(), rule });
        }
        out.words = Groups::new(words);
        out.anywhere = Groups::new(anywhere);
        out
    }

    /// Which of the first 64 places of `window` may start a literal: the plain path, which doesn't ask where
    /// it may begin.
    #[inline(always)]
    pub fn hits(&self, window: &[u8; 72]) -> u64 {
        (0..64).fold(0, |out, at| {
            let eight = window[at..at + 8].first_chunk().copied().unwrap_or_default();
            out | u64::from(self.may(eight)) << at
        })
    }

    /// Whether a literal may start with these bytes: of what the planes say, this denies nearly all that is wrong.
    #[inline(always)]
    pub fn may(&self, start: [u8; 8]) -> bool {
        let [a, b, c, d, e, f, ..] = start;
        let four = [a, b, c, d];
        self.behind[place(folded(four, 4))] & kind([e, f]) != 0 || is_in(&self.threes, folded(four, 3))
    }

    /// Calls `found` with the rule of each literal that stands at the start of `text`.
    pub fn at(&self, text: &[u8], mut found: impl FnMut(u16)) {
        let start = match *text {
            [a, b, c] => [a, b, c, 0],
            [a, b, c, d, ..] => [a, b, c, d],
            _ => return,
        };
        let (four, three) = (folded(start, text.len()), folded(start, 3));
        let mut each = |entries: &Range<u16>| {
            for entry in &self.entries[usize::from(entries.start)..usize::from(entries.end)] {
                let here = text.get(..entry.text.len());
                if here.is_some_and(|here| here.eq_ignore_ascii_case(&entry.text)) {
                    found(entry.rule);
                }
            }
        };
        if is_in(&self.threes, three) {
            self.by_three.get(&three).into_iter().for_each(&mut each);
        }
        if text.len() > 3 && self.behind[place(four)] != 0 {
            self.by_four.get(&four).into_iter().for_each(&mut each);
        }
    }
}
