//! When to send again: exponential pauses with full jitter, and never earlier than the receiver asks.

use std::time::{Duration, Instant};

use super::settings::Retry;
use crate::limits;

/// The pauses of one request.
#[derive(Debug)]
pub struct Backoff<'s> {
    settings: &'s Retry,
    began: Instant,
    attempt: u32,
}

impl<'s> Backoff<'s> {
    /// Before the first attempt.
    pub fn new(settings: &'s Retry) -> Self {
        Backoff { settings, began: Instant::now(), attempt: 0 }
    }

    /// The pause before the next attempt, or `None` where the time is over. `after` is what the receiver
    /// asks for: the pause is that and up to a tenth more, so that not all come back at once.
    pub fn pause(&mut self, after: Option<Duration>) -> Option<Duration> {
        let ceiling = self.settings.initial.saturating_mul(1 << self.attempt.min(20)).min(self.settings.max);
        self.attempt += 1;
        let pause = match after {
            Some(after) => {
                let after = after.min(Duration::from_secs(limits::RETRY_AFTER_SECONDS));
                after + after.mul_f64(random() / 10.0)
            }
            // Some floor, so that full jitter never means at once.
            None => (ceiling / 20).max(ceiling.mul_f64(random())),
        };
        let limit = self.settings.max_elapsed;
        let over = !limit.is_zero() && self.began.elapsed() + pause > limit;
        (!over).then_some(pause)
    }
}

/// From 0 to 1.
fn random() -> f64 {
    let mut bytes = [0; 8];
    // Without randomness all pauses are the longest: late, never early.
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        return 1.0;
    }
    (u64::from_le_bytes(bytes) >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(max_elapsed: u64) -> Retry {
        let secs = Duration::from_secs;
        Retry { initial: secs(1), max: secs(30), max_elapsed: secs(max_elapsed) }
    }

    /// Scenario: many failures in a row. Guarantee: pauses are spread, grow to the longest and no further.
    #[test]
    fn pauses_grow_with_jitter_to_the_longest() {
        let settings = settings(0);
        let mut longest = Duration::ZERO;
        for _ in 0..50 {
            let mut backoff = Backoff::new(&settings);
            for attempt in 0..40 {
                let ceiling = Duration::from_secs(1 << attempt.min(5)).min(settings.max);
                let pause = backoff.pause(None).unwrap();
                assert!(pause >= ceiling / 20 && pause <= ceiling, "{attempt}: {pause:?}");
                longest = longest.max(pause);
            }
        }
        assert!(longest > Duration::from_secs(25));
    }

    /// Scenario: the receiver asks for a time, also an absurd one. Guarantee: never earlier, and bounded.
    #[test]
    fn the_receivers_wish_is_honoured() {
        let settings = settings(0);
        let mut backoff = Backoff::new(&settings);
        for _ in 0..100 {
            let pause = backoff.pause(Some(Duration::from_secs(50))).unwrap();
            assert!(pause >= Duration::from_secs(50) && pause <= Duration::from_secs(55));
        }
        assert!(backoff.pause(Some(Duration::MAX)).unwrap() <= Duration::from_secs(4000));
    }

    /// Scenario: a limit of time. Guarantee: given up when the next attempt would come after it.
    #[test]
    fn the_limit_of_time_ends_it() {
        let settings = settings(2);
        assert!(Backoff::new(&settings).pause(Some(Duration::from_secs(1))).is_some());
        assert!(Backoff::new(&settings).pause(Some(Duration::from_secs(3))).is_none());
    }
}
