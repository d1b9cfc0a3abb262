//! Days of UTC.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::identify::{date_time, rfc3339_text};

/// Nanoseconds of a day.
const NANOS: u64 = 86_400 * 1_000_000_000;

/// One day of UTC, written `2026-01-31`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(u32);

impl Day {
    /// The day of a time in nanoseconds since 1970.
    pub fn of(time_unix_nano: u64) -> Day {
        Day((time_unix_nano / NANOS) as u32)
    }

    /// The day that it is now.
    pub fn today() -> Day {
        Day::of(super::now())
    }

    /// When it is over, in nanoseconds since 1970.
    pub fn end(self) -> u64 {
        (u64::from(self.0) + 1).saturating_mul(NANOS)
    }

    /// So many days before.
    pub fn before(self, days: u64) -> Day {
        Day(self.0.saturating_sub(u32::try_from(days).unwrap_or(u32::MAX)))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = rfc3339_text(u64::from(self.0) * NANOS);
        f.write_str(text.split('T').next().unwrap_or_default())
    }
}

impl FromStr for Day {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let time = (text.len() == 10).then(|| date_time(text)).flatten();
        time.map(Day::of).ok_or("expected a day of UTC as YYYY-MM-DD, such as 2026-01-31")
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Scenario: any time, any text. Guarantee: its day reads back and ends after it; noise is no day.
        #[test]
        fn days_read_back(time in 0u64..213_503 * NANOS, noise in "[0-9-]{0,12}|.{0,12}") {
            let day = Day::of(time);
            prop_assert_eq!(day.to_string().parse(), Ok(day));
            prop_assert!(time < day.end() && day.end() - time <= NANOS);
            if let Ok(day) = noise.parse::<Day>() {
                prop_assert_eq!(day.to_string(), noise);
            }
        }
    }
}
