//! What a pattern's matches begin with, byte for byte: a glance at a text before an automaton is let loose on it.

use std::ops::RangeInclusive;

use regex_syntax::hir::{Class, Hir, HirKind};

/// How many bytes of a match are looked at.
const PLACES: usize = 32;
/// How many of them are looked at before all others.
const GLANCE: usize = 4;
/// How many ways to begin are told apart.
const WAYS: usize = 8;

/// A set of bytes.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Bytes([u64; 4]);

impl Bytes {
    pub const ALL: Bytes = Bytes([u64::MAX; 4]);

    pub fn add(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    #[inline]
    pub fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 != 0
    }
}

/// For each way to match: the bytes that may stand in each of the first places, and how long it may be.
#[derive(Debug, Default)]
pub(super) struct Starts(Vec<([Bytes; PLACES], RangeInclusive<usize>)>);

impl Starts {
    /// Those of a pattern.
    pub fn of(hir: &Hir) -> Starts {
        let mut all = Vec::new();
        ways(hir, &mut all);
        if all.len() > WAYS {
            all = vec![hir];
        }
        let lengths = |hir: &Hir| {
            let of = hir.properties();
            of.minimum_len().unwrap_or(0)..=of.maximum_len().unwrap_or(usize::MAX)
        };
        Starts(all.into_iter().map(|hir| (places(hir), lengths(hir))).collect())
    }
}

/// The beginnings of many rules, whose matches are whole runs of letters and digits.
#[derive(Debug)]
pub(super) struct Runs {
    /// For each place and byte: the ways that have it there, one bit each.
    places: Box<[[u32; 256]; PLACES]>,
    /// For each length of a run, the last one for all that are longer: the ways that may be so long.
    lengths: [u32; 128],
    /// The rule of each way; the last bit is shared.
    rules: Vec<u16>,
}

impl Default for Runs {
    fn default() -> Self {
        Runs { places: Box::new([[0; 256]; PLACES]), lengths: [0; 128], rules: Vec::new() }
    }
}

impl Runs {
    /// Adds rule `number`.
    pub fn add(&mut self, number: u16, starts: &Starts) {
        for (way, lengths) in &starts.0 {
            let bit = 1 << self.rules.len().min(31);
            self.rules.push(number);
            for (place, bytes) in self.places.iter_mut().zip(way) {
                (0..=255u8).filter(|b| bytes.has(*b)).for_each(|b| place[usize::from(b)] |= bit);
            }
            let lengths = *lengths.start().min(&127)..=*lengths.end().min(&127);
            self.lengths[lengths].iter_mut().for_each(|ways| *ways |= bit);
        }
    }

    /// A glance at a run of 12 letters and digits or more: false if [`Runs::fit`] finds nothing.
    #[inline(always)]
    pub fn may_fit(&self, run: &[u8]) -> bool {
        let Some(head) = run.first_chunk::<GLANCE>() else { return true };
        let mut ways = self.lengths[run.len().min(127)];
        for (place, byte) in self.places.iter().zip(head) {
            ways &= place[usize::from(*byte)];
        }
        ways != 0
    }

    /// Calls `found` with the rules of which all of `run` may be a match.
    #[inline]
    pub fn fit(&self, run: &[u8], mut found: impl FnMut(u16)) {
        let mut ways = self.lengths[run.len().min(127)];
        for (place, byte) in self.places.iter().zip(run) {
            ways &= place[usize::from(*byte)];
            if ways == 0 {
                return;
            }
        }
        while ways != 0 {
            let way = ways.trailing_zeros() as usize;
            ways &= ways - 1;
            let last = if way == 31 { self.rules.len() } else { way + 1 };
            self.rules[way..last].iter().for_each(|number| found(*number));
        }
    }
}

/// The branches of a pattern that is one alternation, but for boundaries around it.
fn ways<'h>(hir: &'h Hir, out: &mut Vec<&'h Hir>) {
    match hir.kind() {
        HirKind::Capture(capture) => ways(&capture.sub, out),
        HirKind::Alternation(branches) => branches.iter().for_each(|branch| ways(branch, out)),
        HirKind::Concat(parts) => {
            let mut wide = parts.iter().filter(|part| !matches!(part.kind(), HirKind::Look(_)));
            match (wide.next(), wide.next()) {
                (Some(one), None) => ways(one, out),
                _ => out.push(hir),
            }
        }
        _ => out.push(hir),
    }
}

fn places(hir: &Hir) -> [Bytes; PLACES] {
    let mut sets = [Bytes::default(); PLACES];
    let ends = walk(hir, 1, &mut sets);
    // Anything may stand behind a match.
    let shortest = (ends.trailing_zeros() as usize).min(PLACES);
    sets[shortest..].fill(Bytes::ALL);
    sets
}

/// Adds what `hir` may hold where it begins at any of the places `at`, one bit each; gives the places where it
/// may end.
fn walk(hir: &Hir, at: u64, sets: &mut [Bytes; PLACES]) -> u64 {
    const HERE: u64 = (1 << PLACES) - 1;
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => at,
        HirKind::Literal(literal) => {
            literal.0.iter().fold(at, |at, byte| step(at, sets, |set| set.add(*byte)))
        }
        HirKind::Class(Class::Bytes(class)) => step(at, sets, |set| {
            class.ranges().iter().flat_map(|r| r.start()..=r.end()).for_each(|byte| set.add(byte));
        }),
        // Not in patterns of ASCII: any number of any bytes.
        HirKind::Class(Class::Unicode(_)) => {
            sets[(at.trailing_zeros() as usize).min(PLACES)..].fill(Bytes::ALL);
            HERE
        }
        HirKind::Repetition(repetition) => {
            let least =
                (0..repetition.min.min(PLACES as u32)).fold(at, |at, _| walk(&repetition.sub, at, sets));
            let more = repetition.max.map_or(PLACES as u32, |max| max - repetition.min).min(PLACES as u32);
            let mut ends = least;
            let mut at = least;
            for _ in 0..more {
                at = walk(&repetition.sub, at, sets);
                ends |= at;
            }
            ends
        }
        HirKind::Capture(capture) => walk(&capture.sub, at, sets),
        HirKind::Concat(parts) => parts.iter().fold(at, |at, part| walk(part, at, sets)),
        HirKind::Alternation(branches) => {
            branches.iter().fold(0, |ends, branch| ends | walk(branch, at, sets))
        }
    }
}

/// One byte further.
fn step(at: u64, sets: &mut [Bytes; PLACES], add: impl Fn(&mut Bytes)) -> u64 {
    sets.iter_mut().enumerate().filter(|(place, _)| at >> place & 1 != 0).for_each(|(_, set)| add(set));
    at << 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: patterns of several kinds. Guarantee: what their matches begin with fits, other beginnings and
    /// lengths don't.
    #[test]
    fn only_beginnings_of_matches_fit() {
        let check = |count: u16, pattern: &str, fit: &[&str], not: &[&str]| {
            let (hir, _) = super::super::rule::parse(pattern).unwrap();
            let mut runs = Runs::default();
            (0..count).for_each(|rule| runs.add(rule, &Starts::of(&hir)));
            for (texts, all) in [(fit, (0..count).collect::<Vec<_>>()), (not, vec![])] {
                for text in texts {
                    let mut found = Vec::new();
                    runs.fit(text.as_bytes(), |rule| found.push(rule));
                    found.dedup();
                    assert!(found.is_empty() || runs.may_fit(text.as_bytes()));
                    assert_eq!(found, all, "{pattern}: {text}");
                }
            }
        };
        check(
            40,
            r"\b[A-Z]{2}\d{3,5}x\b",
            &["AB123x", "AB12345x"],
            &["AB1", "A1234x", "AB123y", "AB12345xxx"],
        );
        check(40, r"\b\d{3}x{40}y?\b", &[&["123", &"x".repeat(40)].concat()], &["123x", &"1x".repeat(22)]);
        check(40, r"\b(?P<value>[ab]{3}|(?i:y))z{0,3}", &["aba", "Yz", "y9"], &["zz"]);
        check(15, r"\b(?:[ab]{3}|[cd]{5})\b", &["aba", "cdcdc"], &["ababa", "cdc"]);
    }
}
