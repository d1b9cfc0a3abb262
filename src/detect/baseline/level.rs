//! Level and spread of positive numbers, robust against what is far off.
//!
//! A value `x` counts as `y = ln(1 + x)`. The one-step error `r = y - level` is cut to two spreads either way (Huber's
//! psi) before it moves the level, and moves the spread through Tukey's bounded rho, as in Gelper, Fried and Croux
//! (2010). So one value a million times too large moves the level as much as one that is two spreads off, while a
//! lasting change is followed within some tens of values.

use serde::{Deserialize, Serialize};

use super::HOUR;

/// Values from which level and spread are plain running means.
const FIRST: u32 = 8;
/// Errors are cut here, in spreads.
const CUT: f32 = 2.0;
/// Makes the spread of a normal distribution its standard deviation (Gelper et al., for a cut of 2).
const CONSISTENT: f32 = 2.52;
/// The smallest spread: 5 %.
const SMALLEST: f32 = 0.05;
/// The largest spread: a factor of about 20 each way.
const LARGEST: f32 = 3.0;

/// Level and spread. 12 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Level {
    level: f32,
    spread: f32,
    seen: u32,
}

fn log(x: f64) -> f32 {
    let x = if x.is_finite() { x.max(0.0) } else { f64::MAX };
    x.ln_1p() as f32
}

impl Level {
    /// Takes a value into account; one of `memory` values counts half as much after about that many.
    pub fn add(&mut self, x: f64, memory: f32) {
        self.add_log(log(x), memory);
    }

    fn add_log(&mut self, y: f32, memory: f32) {
        self.seen = self.seen.saturating_add(1);
        if self.seen == 1 {
            (self.level, self.spread) = (y, 1.0);
            return;
        }
        let weight = (1.0 / memory.max(1.0)).max(1.0 / self.seen.min(1 << 20) as f32);
        let scaled = (y - self.level) / self.spread;
        // Of the first ones nobody knows which are far off: cut less.
        let cut = if self.seen <= FIRST { 3.0 * CUT } else { CUT };
        self.level += weight * scaled.clamp(-cut, cut) * self.spread;
        let inside = 1.0 - (scaled / CUT).powi(2).min(1.0);
        let rho = CONSISTENT * (1.0 - inside.powi(3)) * self.spread * self.spread;
        let variance = (1.0 - weight) * self.spread * self.spread + weight * rho;
        self.spread = variance.sqrt().clamp(SMALLEST, LARGEST);
    }

    /// Values seen.
    pub fn seen(&self) -> u32 {
        self.seen
    }

    /// The usual value.
    pub fn usual(&self) -> f64 {
        f64::from(self.level).exp_m1().max(0.0)
    }

    /// How many spreads a value is above the usual one; negative below it.
    #[cfg(test)]
    fn score(&self, x: f64) -> f32 {
        (log(x) - self.level) / self.spread.max(SMALLEST)
    }
}

/// A level with a factor for each hour of the day, which counts once a day was seen. 136 bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Baseline {
    level: Level,
    /// What the log of this hour's values is above the level, by hour of the day in UTC.
    hours: [f32; 24],
    /// Values of each hour, up to 255.
    counts: [u8; 24],
    began: u64,
}

impl Baseline {
    /// Nothing known, from `time` (nanoseconds since the epoch) on.
    pub fn new(time: u64) -> Self {
        Baseline { level: Level::default(), hours: [0.0; 24], counts: [0; 24], began: time }
    }

    fn hour(time: u64) -> usize {
        (time / HOUR % 24) as usize
    }

    /// The hour's part, once a whole day and enough of that hour were seen.
    fn season(&self, time: u64) -> f32 {
        let hour = Self::hour(time);
        let warmed = time.saturating_sub(self.began) >= 24 * HOUR && self.counts[hour] >= 3;
        if warmed { self.hours[hour] } else { 0.0 }
    }

    /// Takes a value into account.
    pub fn add(&mut self, time: u64, x: f64, memory: f32) {
        let y = log(x);
        if self.level.seen >= FIRST {
            let hour = Self::hour(time);
            // Cut in steps of a factor of e: one far value moves an hour by a twentieth of that.
            let step = (y - self.level.level - self.hours[hour]).clamp(-1.0, 1.0);
            self.counts[hour] = self.counts[hour].saturating_add(1);
            self.hours[hour] += (1.0 / f32::from(self.counts[hour])).max(0.05) * step;
        }
        self.level.add_log(y - self.season(time), memory);
    }

    /// Values seen.
    pub fn seen(&self) -> u32 {
        self.level.seen
    }

    /// When the first one came.
    pub fn began(&self) -> u64 {
        self.began
    }

    /// How many spreads a value is above what is usual at this hour.
    pub fn score(&self, time: u64, x: f64) -> f32 {
        (log(x) - self.season(time) - self.level.level) / self.level.spread.max(SMALLEST)
    }

    /// By what factor a value is above what is usual at this hour.
    pub fn factor(&self, time: u64, x: f64) -> f64 {
        f64::from(log(x) - self.season(time) - self.level.level).exp()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Scenario: any values at all. Guarantee: never NaN, spread within its bounds, level within the values.
        #[test]
        fn anything_gives_finite_numbers(values in prop::collection::vec(any::<f64>(), 1..200), memory in 1f32..1000.0) {
            let mut level = Level::default();
            let mut baseline = Baseline::new(0);
            for (n, x) in values.iter().enumerate() {
                level.add(*x, memory);
                baseline.add(n as u64 * HOUR, *x, memory);
                prop_assert!(level.level.is_finite() && (SMALLEST..=LARGEST).contains(&level.spread));
                prop_assert!(level.score(*x).is_finite() && baseline.score(n as u64 * HOUR, *x).is_finite());
                prop_assert!(baseline.factor(0, *x) >= 0.0 && level.usual() >= 0.0);
            }
        }

        /// Scenario: values around one level, one of twenty of them far off by many orders of magnitude. Guarantee:
        /// the level stays within half and double, and the far ones are told apart.
        #[test]
        fn outliers_move_little(usual in 10f64..1e6, far in 1e3f64..1e12, seed in any::<u32>()) {
            let mut level = Level::default();
            let mut chance = seed;
            for n in 0..400 {
                chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = 0.8 + 0.4 * f64::from(chance >> 8) / f64::from(1u32 << 24);
                level.add(if n % 20 == 19 { usual * far } else { usual * noise }, 50.0);
            }
            prop_assert!((0.5..2.0).contains(&(level.usual() / usual)), "{} of {usual}", level.usual());
            prop_assert!(level.score(usual * far) > 5.0);
            prop_assert!(level.score(usual).abs() < 3.0);
        }
    }

    /// Scenario: a level that grows tenfold and stays there. Guarantee: it is followed.
    #[test]
    fn a_lasting_change_is_followed() {
        let mut level = Level::default();
        (0..200).for_each(|_| level.add(100.0, 30.0));
        assert!(level.score(1000.0) > 6.0);
        (0..200).for_each(|_| level.add(1000.0, 30.0));
        assert!((0.8..1.25).contains(&(level.usual() / 1000.0)), "{}", level.usual());
    }

    /// Scenario: days with a noon twenty times the night. Guarantee: from the second day on noon is usual at noon, and
    /// not at night.
    #[test]
    fn hours_of_the_day_are_learned() {
        let mut baseline = Baseline::new(0);
        for n in 0..10 * 24 * 6u64 {
            let time = n * HOUR / 6;
            let noon = (10..16).contains(&(time / HOUR % 24));
            baseline.add(time, if noon { 2000.0 } else { 100.0 }, 300.0);
        }
        let (noon, night) = (240 * HOUR + 12 * HOUR, 240 * HOUR + 2 * HOUR);
        assert!(baseline.factor(noon, 2000.0) < 2.5, "{}", baseline.factor(noon, 2000.0));
        assert!(baseline.factor(night, 2000.0) > 8.0, "{}", baseline.factor(night, 2000.0));
    }
}
