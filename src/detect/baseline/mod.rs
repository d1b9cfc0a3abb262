//! What is usual: small statistics of constant memory, for streams that are not clean.
//!
//! Three published methods, and how much has to be known before one of them may judge:
//!
//! * [`Level`] and [`Baseline`]: level and spread in the log domain by exponential forgetting with clipped updates
//!   (Gelper, Fried and Croux, *Robust forecasting with exponential and Holt-Winters smoothing*, 2010), with a factor
//!   for each hour of the day;
//! * [`Distinct`]: how many different things there were (Whang, Vander-Zanden and Taylor, *A linear-time
//!   probabilistic counting algorithm*, 1990);
//! * [`Cusum`]: a share that has grown (Page, *Continuous inspection schemes*, 1954; for shares: Reynolds and
//!   Stoumbos, *A CUSUM chart for monitoring a proportion when inspecting continuously*, 1999).

mod cusum;
mod distinct;
mod level;

pub use cusum::Cusum;
pub use distinct::Distinct;
pub use level::{Baseline, Level};

/// One hour in nanoseconds.
pub const HOUR: u64 = 3600 * 1_000_000_000;
/// One minute in nanoseconds.
pub const MINUTE: u64 = 60 * 1_000_000_000;

/// How much is known of what is usual. What cannot be judged yet is counted and never told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Warmth {
    /// Next to nothing.
    Cold,
    /// Something; too little to judge by.
    Warming,
    /// Enough.
    Warm,
}

impl Warmth {
    /// Warm takes `seen` of `need` and `age` of `least` (nanoseconds); a quarter of both is warming.
    pub fn of(seen: u64, need: u64, age: u64, least: u64) -> Warmth {
        if seen >= need && age >= least {
            Warmth::Warm
        } else if seen >= need / 4 && age >= least / 4 {
            Warmth::Warming
        } else {
            Warmth::Cold
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: much in a short time, little in a long time, enough of both. Guarantee: only the last is warm.
    #[test]
    fn warm_takes_both_time_and_number() {
        assert_eq!(Warmth::of(1_000_000, 100, 1, HOUR), Warmth::Cold);
        assert_eq!(Warmth::of(3, 100, 100 * HOUR, HOUR), Warmth::Cold);
        assert_eq!(Warmth::of(25, 100, HOUR / 4, HOUR), Warmth::Warming);
        assert_eq!(Warmth::of(100, 100, HOUR, HOUR), Warmth::Warm);
    }
}
