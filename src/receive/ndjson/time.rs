//! Times of events: RFC 3339, or a number since 1970.

use serde_json::Value;

const NANOS: u64 = 1_000_000_000;

/// Nanoseconds since 1970, if the value is a time after it.
pub(super) fn nanos(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => rfc3339(text.as_bytes()),
        Value::Number(number) => match number.as_u64() {
            Some(whole) => whole.checked_mul(factor(whole as f64)),
            None => {
                let float = number.as_f64().filter(|float| *float > 0.0)?;
                let nanos = float * factor(float) as f64;
                (nanos < u64::MAX as f64).then_some(nanos as u64)
            }
        },
        _ => None,
    }
    .filter(|nanos| *nanos > 0)
}

/// Nanoseconds in the unit that a number of this size has: the years 1973 to 5138 are told apart.
fn factor(number: f64) -> u64 {
    match number {
        n if n < 1e11 => NANOS,
        n if n < 1e14 => 1_000_000,
        n if n < 1e17 => 1_000,
        _ => 1,
    }
}

/// `2026-01-31T12:00:00.123Z`, also with a space, a comma, or `+01:00`. The offset is a must.
fn rfc3339(text: &[u8]) -> Option<u64> {
    let number = |from: usize, to: usize| {
        text.get(from..to)?
            .iter()
            .try_fold(0u64, |n, b| b.is_ascii_digit().then(|| n * 10 + u64::from(b - b'0')))
    };
    let is = |at: usize, any: &[u8]| text.get(at).is_some_and(|byte| any.contains(byte));
    if !(is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":")) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let valid = (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !valid {
        return None;
    }
    let mut at = 19;
    let mut fraction = 0;
    if is(at, b".,") {
        let digits = text.get(at + 1..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        let kept = digits.min(9);
        fraction = number(at + 1, at + 1 + kept)? * 10u64.pow(9 - kept as u32);
        at += 1 + digits;
    }
    let offset = match text.get(at..)? {
        b"Z" | b"z" => 0,
        [sign @ (b'+' | b'-'), rest @ ..] => {
            let colon = usize::from(rest.get(2) == Some(&b':'));
            let (hours, minutes) = (number(at + 1, at + 3)?, number(at + 3 + colon, at + 5 + colon)?);
            if rest.len() != 4 + colon || hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = i64::try_from(hours * 3600 + minutes * 60).ok()?;
            if *sign == b'+' { seconds } else { -seconds }
        }
        _ => return None,
    };
    let seconds = days(year, month, day)? * 86_400 + hour * 3600 + minute * 60 + second;
    seconds.checked_add_signed(-offset)?.checked_mul(NANOS)?.checked_add(fraction)
}

fn leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in(year: u64, month: u64) -> u64 {
    match month {
        2 => 28 + u64::from(leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01; none before it.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let before = year.checked_sub(1970)?;
    let leaps_until = |year: u64| year / 4 - year / 100 + year / 400;
    let leap_days = leaps_until(year - 1) - leaps_until(1969);
    let months: u64 = (1..month).map(|month| days_in(year, month)).sum();
    Some(before * 365 + leap_days + months + day - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Scenario: one moment, written in every way. Guarantee: the same nanoseconds.
    #[test]
    fn every_form_of_a_moment_is_the_same() {
        for value in [
            json!("2024-02-29T12:34:56.5Z"),
            json!("2024-02-29 13:34:56,500+01:00"),
            json!("2024-02-29t07:04:56.500000000-0530"),
            json!(1_709_210_096.5),
            json!(1_709_210_096_500u64),
            json!(1_709_210_096_500_000u64),
            json!(1_709_210_096_500_000_000u64),
        ] {
            assert_eq!(nanos(&value), Some(1_709_210_096_500_000_000), "{value}");
        }
        assert_eq!(nanos(&json!(1_709_210_096)), Some(1_709_210_096_000_000_000));
        assert_eq!(nanos(&json!("2000-03-01T00:00:00Z")), Some(951_868_800 * NANOS));
        assert_eq!(nanos(&json!("2100-03-01T00:00:00Z")), Some(4_107_542_400 * NANOS));
    }

    /// Scenario: things that look like times. Guarantee: none, and no panic.
    #[test]
    fn what_is_no_time_is_none() {
        for value in [
            json!("2023-02-29T00:00:00Z"),
            json!("2024-01-01T00:00:00"),
            json!("2024-01-01T24:00:00Z"),
            json!("2024-13-01T00:00:00Z"),
            json!("2024-01-01T00:00:00.Z"),
            json!("2024-01-01T00:00:00+1:00"),
            json!("1969-12-31T23:59:59Z"),
            json!("9999-12-31T23:59:59Z"),
            json!("yesterday"),
            json!("é024-01-01T00:00:00Z"),
            json!(""),
            json!(-1),
            json!(0),
            json!(1e300),
            json!(null),
        ] {
            assert_eq!(nanos(&value), None, "{value}");
        }
    }
}
