//! A share that grows: evidence for the larger share against the usual one, summed up, never below zero (Page 1954).
//! For yes and no the summands are two numbers (Reynolds and Stoumbos 1999).

use serde::{Deserialize, Serialize};

/// Evidence so far. 8 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Cusum {
    sum: f32,
    /// Hits since the sum was zero.
    hits: u32,
}

impl Cusum {
    /// Takes `misses` and then `hits` into account: `usual` is the share so far, `worse` the one to be found; both are
    /// kept within 0.001 and 0.999.
    pub fn add(&mut self, misses: u32, hits: u32, usual: f64, worse: f64) {
        let usual = if usual.is_nan() { 0.5 } else { usual.clamp(0.001, 0.9) };
        let worse = if worse.is_nan() { 0.99 } else { worse.clamp(usual * 1.05, 0.999) };
        let miss = ((1.0 - worse) / (1.0 - usual)).ln() as f32;
        self.sum += miss * misses as f32;
        if self.sum <= 0.0 {
            *self = Cusum::default();
        }
        if hits > 0 {
            self.hits = self.hits.saturating_add(hits);
            self.sum = (self.sum + (worse / usual).ln() as f32 * hits as f32).min(1e6);
        }
    }

    /// The evidence: the log of how much likelier the larger share is.
    pub fn sum(&self) -> f32 {
        self.sum
    }

    /// Hits since there was no evidence.
    pub fn hits(&self) -> u32 {
        self.hits
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Scenario: any numbers and shares. Guarantee: the sum is finite and not below zero.
        #[test]
        fn the_sum_is_finite(steps in prop::collection::vec((any::<u32>(), 0u32..1000, any::<f64>(), any::<f64>()), 1..50)) {
            let mut cusum = Cusum::default();
            for (misses, hits, usual, worse) in steps {
                cusum.add(misses, hits, usual, worse);
                prop_assert!(cusum.sum().is_finite() && cusum.sum() >= 0.0);
            }
        }
    }

    /// Scenario: one in a hundred for a long time, then one in four. Guarantee: the former stays low, the latter is
    /// found within forty.
    #[test]
    fn a_grown_share_is_found_and_the_usual_one_is_not() {
        let mut cusum = Cusum::default();
        let mut highest = 0f32;
        for _ in 0..1000 {
            cusum.add(99, 1, 0.02, 0.2);
            highest = highest.max(cusum.sum());
        }
        assert!(highest < 5.0, "{highest}");
        (0..10).for_each(|_| cusum.add(3, 1, 0.02, 0.2));
        assert!(cusum.sum() > 9.0, "{cusum:?}");
    }
}
