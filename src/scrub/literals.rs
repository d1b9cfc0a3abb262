//! Literals of all rules in one pass: four folded bytes at every place against a table of fingerprints.

use std::collections::HashMap;

use super::block::Nibbles;

/// The shortest literal that a rule may start with, in bytes.
pub(super) const SHORTEST: usize = 3;

/// All literals of all rules.
#[derive(Debug)]
pub(super) struct Literals {
    table: Box<[u64; 1024]>,
    pub(super) nibbles: Nibbles,
    /// By the first four folded bytes.
    by_four: HashMap<u32, Vec<u16>, foldhash::fast::FixedState>,
    /// By the first three, where the literal has no more.
    by_three: HashMap<u32, Vec<u16>, foldhash::fast::FixedState>,
    /// Lower-case text and rule.
    entries: Vec<(Vec<u8>, u16)>,
}

const FOLD: u32 = 0x2020_2020;

#[inline(always)]
fn slot(four: u32) -> u32 {
    four.wrapping_mul(0x9E37_79B1) >> 16
}

impl Literals {
    /// A table of `(literal, rule)`; every literal has [`SHORTEST`] bytes or more.
    pub fn new(literals: impl IntoIterator<Item = (Vec<u8>, u16)>) -> Self {
        let mut out = Literals {
            table: Box::new([0; 1024]),
            nibbles: Nibbles::default(),
            by_four: HashMap::default(),
            by_three: HashMap::default(),
            entries: Vec::new(),
        };
        for (mut text, rule) in literals {
            text.make_ascii_lowercase();
            let index = out.entries.len() as u16;
            let mut set = |four: u32| {
                let s = slot(four | FOLD);
                out.table[(s >> 6) as usize] |= 1 << (s & 63);
            };
            if let Some(first) = text.first_chunk::<4>() {
                let four = u32::from_le_bytes(*first) | FOLD;
                set(four);
                out.by_four.entry(four).or_default().push(index);
            } else if let [a, b, c] = text[..] {
                let three = u32::from_le_bytes([a, b, c, 0]) | (FOLD >> 8);
                (0..=255u32).for_each(|last| set(three | (last << 24)));
                out.by_three.entry(three).or_default().push(index);
            }
            out.entries.push((text, rule));
        }
        let mut starts: Vec<_> =
            out.entries.iter().map(|(text, _)| [0, 1, 2, 3].map(|i| text.get(i).map(|b| b | 0x20))).collect();
        starts.sort_unstable();
        starts.dedup();
        out.nibbles = Nibbles::new(&starts);
        out
    }

    /// Which of the 64 places from `at` may start a literal. `arena` has 8 bytes or more behind them.
    #[inline(always)]
    pub fn hits(&self, window: &[u8; 72]) -> u64 {
        let mut out = 0u64;
        for step in 0..16 {
            let at = step * 4;
            let mut eight = [0; 8];
            eight.copy_from_slice(&window[at..at + 8]);
            let x = u64::from_le_bytes(eight) | 0x2020_2020_2020_2020;
            let mut four = 0;
            for k in 0..4 {
                let s = slot((x >> (8 * k)) as u32);
                four |= ((self.table[((s >> 6) & 1023) as usize] >> (s & 63)) & 1) << k;
            }
            out |= four << at;
        }
        out
    }

    /// Whether a literal may start with these bytes; of what `hits` says, this denies nearly all that is wrong.
    #[inline(always)]
    pub fn may(&self, four: [u8; 4]) -> bool {
        let s = slot(u32::from_le_bytes(four) | FOLD);
        self.table[((s >> 6) & 1023) as usize] >> (s & 63) & 1 != 0
    }

    /// Calls `found` with the rule of each literal that stands at the start of `text`.
    pub fn at(&self, text: &[u8], mut found: impl FnMut(u16)) {
        let Some(first) = text.first_chunk::<3>() else { return };
        let s = slot(
            u32::from_le_bytes([first[0], first[1], first[2], text.get(3).copied().unwrap_or(0)]) | FOLD,
        );
        if self.table[((s >> 6) & 1023) as usize] >> (s & 63) & 1 == 0 {
            return;
        }
        let three = u32::from_le_bytes([first[0], first[1], first[2], 0]) | (FOLD >> 8);
        let long =
            text.first_chunk::<4>().and_then(|first| self.by_four.get(&(u32::from_le_bytes(*first) | FOLD)));
        for index in self.by_three.get(&three).into_iter().chain(long).flatten() {
            let (literal, rule) = &self.entries[usize::from(*index)];
            if text.len() >= literal.len() && text[..literal.len()].eq_ignore_ascii_case(literal) {
                found(*rule);
            }
        }
    }
}
