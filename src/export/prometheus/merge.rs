//! One page of two sources: the gate's own metrics, and the ingested ones.

use std::{collections::HashSet, io::Write as _};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};

use super::{
    negotiate::{Format, accepts_gzip, negotiate},
    render::canonical,
    store::Store,
};

/// The answer to one scrape.
#[derive(Debug, Clone)]
pub struct Scrape {
    /// `Content-Type`.
    pub content_type: &'static str,
    /// `Content-Encoding`, if the body is compressed.
    pub content_encoding: Option<&'static str>,
    /// The body.
    pub body: Bytes,
}

/// Answers a scrape: `own` is the text of the gate's recorder (text 0.0.4), the headers are the
/// request's `Accept` and `Accept-Encoding`. CPU work of the size of all series: call it off the
/// async threads.
pub fn scrape(own: &str, store: &Store, accept: Option<&str>, accept_encoding: Option<&str>) -> Scrape {
    let format = negotiate(accept);
    let text = page(own, store, format);
    let content_type = format.content_type();
    if accepts_gzip(accept_encoding) {
        let mut gzip = GzEncoder::new(Vec::with_capacity(text.len() / 8), Compression::fast());
        // Writing to memory does not fail; if it did, plain text is as good.
        if gzip.write_all(text.as_bytes()).is_ok()
            && let Ok(body) = gzip.finish()
        {
            return Scrape { content_type, content_encoding: Some("gzip"), body: body.into() };
        }
    }
    Scrape { content_type, content_encoding: None, body: text.into() }
}

/// The whole page: own metrics, ingested metrics, and `# EOF` where the format has it. Families
/// are disjoint: only the gate's own names begin with `portcullis_`.
pub fn page(own: &str, store: &Store, format: Format) -> String {
    let mut out = String::new();
    own_text(&mut out, own, format);
    out.push_str(&store.render(format));
    if format.is_openmetrics() {
        out.push_str("# EOF\n");
    }
    out
}

/// The recorder's text 0.0.4 in `format`. OpenMetrics names a counter's family without `_total`,
/// knows no empty lines, and writes bounds as `1.0`.
fn own_text(out: &mut String, own: &str, format: Format) {
    let openmetrics = format.is_openmetrics();
    // HELP stands before TYPE, so what is a counter is gathered first.
    let counters: HashSet<&str> = own
        .lines()
        .filter_map(|l| l.strip_prefix("# TYPE ")?.strip_suffix(" counter")?.strip_suffix("_total"))
        .collect();
    for line in own.lines().filter(|l| !l.is_empty()) {
        let comment = line.strip_prefix("# TYPE ").or_else(|| line.strip_prefix("# HELP "));
        match comment.and_then(|rest| rest.split_once(' ')) {
            Some((name, rest)) => {
                let base = name.strip_suffix("_total").filter(|b| openmetrics && counters.contains(b));
                out.push_str(&line[..7]);
                out.push_str(base.unwrap_or(name));
                out.push(' ');
                out.push_str(rest);
            }
            None if line.starts_with('#') => continue,
            None => sample(out, line),
        }
        out.push('\n');
    }
}

/// One sample, with its bound in the one form used on this page.
fn sample(out: &mut String, line: &str) {
    let bound = ["le=\"", "quantile=\""].iter().find_map(|key| {
        let at = line.rfind(key).filter(|at| line[..*at].ends_with(['{', ',']))? + key.len();
        let end = at + line[at..].find('"')?;
        Some((at, end, line[at..end].parse::<f64>().ok()?))
    });
    match bound {
        Some((at, end, value)) => {
            out.push_str(&line[..at]);
            canonical(out, value);
            out.push_str(&line[end..]);
        }
        None => out.push_str(line),
    }
}
