//! Durations in configuration: `"500ms"`, `"10s"`, `"5m"`, `"1h"`, `"7d"`.
//!
//! Use with `#[serde(with = "crate::config::duration")]` and `#[schemars(with = "String")]`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer, de::Error};

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Parses one number and one unit.
///
/// # Errors
/// Says what is expected; the text itself is not repeated.
pub fn parse(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| expected())?;
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit.trim()).ok_or_else(expected)?;
    number.checked_mul(*factor).map(Duration::from_millis).ok_or_else(expected)
}

/// The shortest exact text of a duration, in whole milliseconds.
pub fn format(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let (name, factor) = UNITS.iter().rev().find(|(_, f)| millis > 0 && millis % f == 0).unwrap_or(&UNITS[0]);
    format!("{}{name}", millis / factor)
}

fn expected() -> String {
    "expected a whole number and a unit, one of ms, s, m, h, d (for example 500ms or 10s)".into()
}

/// Serde's half: writes [`format()`].
///
/// # Errors
/// The serializer's own.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format(*duration))
}

/// Serde's half: reads [`parse`].
///
/// # Errors
/// The text is not a duration.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: durations as people write them. Guarantee: exact, and back to the same text.
    #[test]
    fn durations_round_trip_and_nonsense_is_refused() {
        for text in ["500ms", "10s", "5m", "1h", "7d", "1500ms"] {
            assert_eq!(format(parse(text).unwrap()), text);
        }
        for text in ["", "10", "s", "-1s", "1.5s", "10 parsecs", "99999999999999999999s"] {
            assert!(parse(text).unwrap_err().contains("expected"), "{text}");
        }
    }
}
