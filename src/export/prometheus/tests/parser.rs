//! A strict reader of both text formats: it panics on what a scraper would not take.

use std::collections::{BTreeMap, HashSet};

use crate::export::prometheus::{Format, decode_labels};

/// Sample text (name and labels) to value. Panics on whatever a scraper would not take.
pub fn parse(text: &str, format: Format) -> BTreeMap<String, f64> {
    let openmetrics = format.is_openmetrics();
    let body = if openmetrics { text.strip_suffix("# EOF\n").expect("no EOF") } else { text };
    let (mut samples, mut families) = (BTreeMap::new(), HashSet::new());
    let (mut family, mut kind) = (String::new(), String::new());
    for line in body.lines() {
        assert!(!line.is_empty());
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let (what, name, rest) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
            assert!(["HELP", "TYPE", "UNIT"].contains(&what), "{line}");
            if name != family {
                assert!(families.insert(name.to_owned()), "{name} stands in two places");
                family = name.to_owned();
            }
            if what == "TYPE" {
                kind = rest.to_owned();
            }
            continue;
        }
        let (name, rest) = line.split_once('{').unwrap_or_else(|| line.split_once(' ').unwrap());
        let suffix = name.strip_prefix(family.as_str()).unwrap_or_else(|| panic!("{name} in {family}"));
        let allowed: &[&str] = match (kind.as_str(), openmetrics) {
            ("counter", true) => &["_total", "_created"],
            ("info", true) => &["_info"],
            ("counter" | "gauge", _) => &[""],
            ("histogram", _) => &["_bucket", "_sum", "_count", "_created"],
            ("summary", _) => &["", "_sum", "_count", "_created"],
            _ => panic!("{kind}"),
        };
        assert!(allowed.contains(&suffix), "{line} of {kind}");
        if !line.contains('{') {
            samples.insert(name.to_owned(), rest.parse().unwrap());
            continue;
        }
        let (labels, rest) = split_labels(rest);
        assert!(!labels.is_empty() && labels.windows(1).all(|l| !l[0].0.is_empty()), "{line}");
        let names: HashSet<_> = labels.iter().map(|l| &l.0).collect();
        assert_eq!(names.len(), labels.len(), "a label twice: {line}");
        for (label, _) in &labels {
            assert!(label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{line}");
            assert!(!label.as_bytes()[0].is_ascii_digit() && !label.starts_with("__"), "{line}");
        }
        let (value, exemplar) =
            rest.trim_start().split_once(" # ").map_or((rest.trim(), None), |(v, e)| (v, Some(e)));
        assert!(exemplar.is_none() || openmetrics, "{line}");
        let mut labels = labels;
        labels.sort();
        let value = match value {
            "+Inf" => f64::INFINITY,
            "-Inf" => f64::NEG_INFINITY,
            v => v.parse().unwrap_or_else(|_| panic!("{line}")),
        };
        let labels: Vec<_> = labels.into_iter().map(|(k, v)| format!("{k}={v}")).collect();
        let key = format!("{name}{{{}}}", labels.join(","));
        assert!(samples.insert(key, value).is_none(), "twice: {line}");
    }
    samples
}

fn split_labels(text: &str) -> (Vec<(String, String)>, &str) {
    let mut end = None;
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '}' if !quoted => {
                end = Some(at);
                break;
            }
            _ => {}
        }
    }
    let end = end.expect("no closing brace");
    let labels = decode_labels(&text[..end]).into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
    (labels, &text[end + 1..])
}
