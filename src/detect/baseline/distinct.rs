//! How many different things there were, by linear counting: each sets one of a number of bits by its hash, and the
//! share of bits that are still clear says how many there were. With 512 bits 10 % off at 300 things; it saturates at
//! about 3,000.

use serde::{Deserialize, Serialize};

const WORDS: usize = 8;
const BITS: u64 = WORDS as u64 * 64;

/// A counter of different things. 64 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Distinct([u64; WORDS]);

impl Distinct {
    /// Takes a thing into account, by a hash of it. True if it set a bit: it was surely not there before.
    pub fn add(&mut self, hash: u64) -> bool {
        // A multiplication spreads hashes that are small numbers.
        let bit = (hash.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) % BITS;
        let (word, mask) = (&mut self.0[(bit / 64) as usize], 1 << (bit % 64));
        let new = *word & mask == 0;
        *word |= mask;
        new
    }

    /// About how many there were.
    pub fn count(&self) -> u32 {
        let set: u32 = self.0.iter().map(|word| word.count_ones()).sum();
        let clear = (BITS as u32).saturating_sub(set).max(1);
        let bits = BITS as f64;
        (-bits * (f64::from(clear) / bits).ln()).round() as u32
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Scenario: up to a thousand different things, each several times, by any hashes. Guarantee: the count is
        /// within a fifth (and three).
        #[test]
        fn the_count_is_about_right(n in 0u64..1000, seed in any::<u64>(), again in 1..4) {
            let mut distinct = Distinct::default();
            let state = foldhash::fast::FixedState::with_seed(seed);
            for _ in 0..again {
                for thing in 0..n {
                    distinct.add(std::hash::BuildHasher::hash_one(&state, thing));
                }
            }
            let (count, n) = (f64::from(distinct.count()), n as f64);
            prop_assert!((count - n).abs() <= 3.0 + 0.2 * n, "{count} of {n}");
        }
    }

    /// Scenario: a million things. Guarantee: the count is finite and large.
    #[test]
    fn it_saturates() {
        let mut distinct = Distinct::default();
        (0..1_000_000u64).for_each(|n| {
            distinct.add(n.wrapping_mul(0x2545_F491_4F6C_DD1D));
        });
        assert!((1000..10_000).contains(&distinct.count()));
        assert_eq!(Distinct::default().count(), 0);
    }
}
