//! `2026-01-31T23:59:59.5Z` to nanoseconds since 1970, and nothing more of calendars.

/// Nanoseconds since the epoch of an RFC 3339 date and time; a date alone is its midnight in UTC.
/// `None` where the text is none, or lies before 1970 or after 2554.
pub(super) fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = bytes.get(from..to)?;
        digits.iter().try_fold(0, |sum, b| b.is_ascii_digit().then(|| sum * 10 + i64::from(b - b'0')))
    };
    let is = |at: usize, any: &[u8]| bytes.get(at).is_some_and(|b| any.contains(b));

    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    if !is(4, b"-") || !is(7, b"-") || !(1..=12).contains(&month) || !(1..=length(year, month)).contains(&day)
    {
        return None;
    }
    let midnight = days(year, month, day) * 86_400;
    if bytes.len() == 10 {
        return nanos(midnight, 0);
    }
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    // 60 is a leap second, which the epoch does not count.
    if !is(10, b"Tt ") || !is(13, b":") || !is(16, b":") || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut at = 19;
    let mut fraction = 0;
    if is(at, b".") {
        let digits = bytes[at + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        for place in 0..9 {
            let digit = if place < digits { i64::from(bytes[at + 1 + place] - b'0') } else { 0 };
            fraction = fraction * 10 + digit;
        }
        at += 1 + digits;
    }
    let offset = match bytes.get(at)? {
        b'Z' | b'z' if bytes.len() == at + 1 => 0,
        sign @ (b'+' | b'-') if bytes.len() == at + 6 && is(at + 3, b":") => {
            let (hours, minutes) = (number(at + 1, at + 3)?, number(at + 4, at + 6)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 60 + minutes) * if *sign == b'+' { 60 } else { -60 }
        }
        _ => return None,
    };
    nanos(midnight + hour * 3600 + minute * 60 + second.min(59) - offset, fraction)
}

/// The other way, in UTC and whole seconds.
pub(super) fn format(nanos: u64) -> String {
    let seconds = (nanos / 1_000_000_000) as i64;
    let (mut day, time) = (seconds / 86_400, seconds % 86_400);
    let mut year = 1970;
    while day >= days(year + 1, 1, 1) - days(year, 1, 1) {
        day -= days(year + 1, 1, 1) - days(year, 1, 1);
        year += 1;
    }
    let mut month = 1;
    while day >= length(year, month) {
        day -= length(year, month);
        month += 1;
    }
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", day + 1)
}

fn nanos(seconds: i64, fraction: i64) -> Option<u64> {
    u64::try_from(seconds).ok()?.checked_mul(1_000_000_000)?.checked_add(fraction.unsigned_abs())
}

fn length(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a day in the Gregorian calendar. Years begin in March here, so that the
/// leap day is the last of a year.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::parse;

    /// Scenario: times as people and databases write them. Guarantee: exact to the nanosecond.
    #[test]
    fn times_are_read_exactly() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29", 951_782_400_000_000_000),
            ("2026-11-23T10:32:04Z", 1_795_429_924_000_000_000),
            ("2026-11-23T12:32:04.25+02:00", 1_795_429_924_250_000_000),
            ("2026-11-23 05:02:04.123456789-05:30", 1_795_429_924_123_456_789),
        ] {
            assert_eq!(parse(text), Some(expected), "{text}");
            let seconds = expected / 1_000_000_000 * 1_000_000_000;
            assert_eq!(parse(&super::format(expected)), Some(seconds), "{text}");
        }
    }

    /// Scenario: texts that are no time. Guarantee: none is taken for one.
    #[test]
    fn nonsense_is_no_time() {
        for text in [
            "",
            "now",
            "2026-13-01",
            "2026-02-29",
            "2026-11-23T10:32:04",
            "2026-11-23T25:00:00Z",
            "2026-11-23T10:32:04.Z",
            "2026-11-23T10:32:04+0200",
            "1969-12-31T23:59:59Z",
            "9999-01-01",
            "2026-11-2é",
            "2026-11-23T10:32:04Zjunk",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
