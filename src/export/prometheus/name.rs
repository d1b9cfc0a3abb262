//! OpenTelemetry names and units as Prometheus names.

use super::family::Kind;

/// A metric's name and unit in Prometheus' words.
#[derive(Debug, PartialEq, Eq)]
pub struct Name {
    /// The family's name, without `_total`.
    pub base: String,
    /// The unit that `base` ends with, if it ends with one.
    pub unit: Option<String>,
}

/// Translates a metric's name and UCUM unit. The suffix `_total` is not part of the result: it
/// belongs to a counter's samples.
pub fn metric(name: &str, unit: &str, kind: Kind) -> Name {
    let mut base = sanitise(name, true);
    if kind == Kind::Counter {
        base.truncate(base.trim_end_matches("_total").len());
    }
    let unit = unit.trim();
    let word = if unit == "1" {
        if kind == Kind::Gauge { "ratio".to_owned() } else { String::new() }
    } else {
        words(unit)
    };
    if !word.is_empty() && base != word && !base.ends_with(&format!("_{word}")) {
        if !base.is_empty() && !base.ends_with('_') {
            base.push('_');
        }
        base.push_str(&word);
    }
    if base.starts_with(|c: char| c.is_ascii_digit()) {
        base.insert(0, '_');
    }
    let ends = !word.is_empty() && base.ends_with(&format!("_{word}"));
    Name { base, unit: ends.then_some(word) }
}

/// Translates an attribute's key into a label's name; empty if nothing legal is left.
pub fn label(key: &str) -> String {
    let mut name = sanitise(key, false);
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert_str(0, "key_");
    }
    name
}

/// Illegal characters to `_`, runs of `_` to one. Metric names may hold `:`.
fn sanitise(text: &str, colon: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let c = if c.is_ascii_alphanumeric() || (colon && c == ':') { c } else { '_' };
        if c != '_' || !out.ends_with('_') {
            out.push(c);
        }
    }
    out
}

/// A UCUM unit in words: `By/s` is `bytes_per_second`, `{request}` is nothing.
fn words(unit: &str) -> String {
    let plain = without_annotations(unit);
    let (main, per) = match plain.split_once('/') {
        Some((main, per)) => (main, per),
        None => (plain.as_str(), ""),
    };
    let main = sanitise(main_unit(main.trim()), false);
    let per = sanitise(per_unit(per.trim()), false);
    let main = main.trim_matches('_');
    let per = per.trim_matches('_');
    match (main.is_empty(), per.is_empty()) {
        (_, true) => main.to_owned(),
        (true, false) => format!("per_{per}"),
        (false, false) => format!("{main}_per_{per}"),
    }
}

fn without_annotations(unit: &str) -> String {
    let mut out = String::with_capacity(unit.len());
    let mut depth = 0_usize;
    for c in unit.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

fn main_unit(unit: &str) -> &str {
    match unit {
        "1" => "",
        "d" => "days",
        "h" => "hours",
        "min" => "minutes",
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        "By" => "bytes",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "GiBy" => "gibibytes",
        "TiBy" => "tibibytes",
        "kBy" | "KBy" => "kilobytes",
        "MBy" => "megabytes",
        "GBy" => "gigabytes",
        "TBy" => "terabytes",
        "m" => "meters",
        "V" => "volts",
        "A" => "amperes",
        "J" => "joules",
        "W" => "watts",
        "g" => "grams",
        "Cel" => "celsius",
        "Hz" => "hertz",
        "%" => "percent",
        other => other,
    }
}

fn per_unit(unit: &str) -> &str {
    match unit {
        "s" => "second",
        "min" | "m" => "minute",
        "h" => "hour",
        "d" => "day",
        "w" | "wk" => "week",
        "mo" => "month",
        "y" | "a" => "year",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: names and units as SDKs write them. Guarantee: Prometheus' names, unit before suffix.
    #[test]
    fn names_and_units() {
        for (name, unit, kind, base) in [
            ("http.server.request.duration", "s", Kind::Histogram, "http_server_request_duration_seconds"),
            ("http.requests", "{request}", Kind::Counter, "http_requests"),
            ("http_requests_total", "", Kind::Counter, "http_requests"),
            ("io.total", "By", Kind::Counter, "io_bytes"),
            ("speed", "m/s", Kind::Gauge, "speed_meters_per_second"),
            ("packets", "{packet}/s", Kind::Gauge, "packets_per_second"),
            ("cpu.utilization", "1", Kind::Gauge, "cpu_utilization_ratio"),
            ("cpu.count", "1", Kind::Counter, "cpu_count"),
            ("temp_celsius", "Cel", Kind::Gauge, "temp_celsius"),
            ("a..b--c", "", Kind::Gauge, "a_b_c"),
            ("2xx", "", Kind::Gauge, "_2xx"),
            ("naïve", "foo bar", Kind::Gauge, "na_ve_foo_bar"),
        ] {
            assert_eq!(metric(name, unit, kind).base, base, "{name} {unit}");
        }
        assert_eq!(label("http.route"), "http_route");
        assert_eq!(label("__name__"), "_name_");
        assert_eq!(label("9lives"), "key_9lives");
    }
}
