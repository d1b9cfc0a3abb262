//! Text: series as lines.

use std::fmt::Write as _;

use super::{
    family::{Family, Kind},
    label,
    negotiate::Format,
    settings::Settings,
    tenant::{Group, Info, Series},
    value::{Exemplar, Value},
};
use crate::batch::TenantId;

/// One sample of one series: what a remote write sends.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Whose it is; the label `tenant_id`.
    pub tenant: TenantId,
    /// The sample's name, with its suffix.
    pub name: String,
    /// The other labels, encoded as in the text format; see [`super::decode_labels`].
    pub labels: String,
    /// The value.
    pub value: f64,
    /// Time of the last point, in nanoseconds since the epoch.
    pub time: u64,
}

/// A line to be: suffix of the name, one more label, value, exemplar.
struct Line<'a> {
    suffix: &'static str,
    extra: Option<(&'static str, f64)>,
    value: f64,
    exemplar: Option<&'a Exemplar>,
}

/// The lines of one series, in the order that the formats ask for. OpenMetrics has no `_count`
/// without a `_sum`; elsewhere the count is worth having (`lone_count`).
fn lines<'a>(
    series: &'a Series,
    kind: Kind,
    settings: &Settings,
    lone_count: bool,
    mut push: impl FnMut(Line<'a>),
) {
    let mut line = |suffix, extra, value, exemplar| push(Line { suffix, extra, value, exemplar });
    match &series.value {
        Value::Number(value) => {
            let suffix = if kind == Kind::Counter { "_total" } else { "" };
            line(suffix, None, *value, series.exemplar.as_ref());
        }
        Value::Histogram(h) => {
            let mut total = 0_u64;
            let bounds = h.bounds.iter().copied().chain([f64::INFINITY]);
            for (at, (le, n)) in bounds.zip(&h.counts).enumerate() {
                total = total.saturating_add(*n);
                let exemplar = h.exemplars.get(at).and_then(Option::as_ref);
                line("_bucket", Some(("le", le)), total as f64, exemplar);
            }
            // A sum that observations can lower is no counter.
            let sum = h.sum.filter(|_| h.bounds.first().is_none_or(|b| *b >= 0.0));
            if let Some(sum) = sum {
                line("_sum", None, sum, None);
            }
            if lone_count || sum.is_some() {
                line("_count", None, total as f64, None);
            }
        }
        Value::Exponential(h) => {
            let buckets = h.explicit(settings.exponential_buckets);
            let fits = |le: f64| h.exemplar.as_ref().filter(|e| e.value <= le);
            let mut shown = false;
            for (le, n) in &buckets {
                let exemplar = fits(*le).filter(|_| !shown);
                shown |= exemplar.is_some();
                line("_bucket", Some(("le", *le)), *n as f64, exemplar);
            }
            let exemplar = h.exemplar.as_ref().filter(|_| !shown);
            line("_bucket", Some(("le", f64::INFINITY)), h.count as f64, exemplar);
            let sum = h.sum.filter(|_| buckets.first().is_none_or(|(le, _)| *le >= 0.0));
            if let Some(sum) = sum {
                line("_sum", None, sum, None);
            }
            if lone_count || sum.is_some() {
                line("_count", None, h.count as f64, None);
            }
        }
        Value::Summary(s) => {
            for (quantile, value) in &s.quantiles {
                line("", Some(("quantile", *quantile)), *value, None);
            }
            line("_sum", None, s.sum, None);
            line("_count", None, s.count as f64, None);
        }
    }
}

/// `# HELP`, `# TYPE` and `# UNIT`.
pub fn header(out: &mut String, family: &Family, format: Format) {
    let suffix = if !format.is_openmetrics() && family.kind == Kind::Counter { "_total" } else { "" };
    let base = &family.base;
    let _ = writeln!(out, "# TYPE {base}{suffix} {}", family.kind.as_str());
    if let Some(unit) = family.unit.as_deref().filter(|_| format.is_openmetrics()) {
        let _ = writeln!(out, "# UNIT {base} {unit}");
    }
    if !family.help.is_empty() {
        let _ = write!(out, "# HELP {base}{suffix} ");
        if format.is_openmetrics() {
            label::escape(out, &family.help);
        } else {
            out.push_str(&family.help.replace('\\', "\\\\").replace('\n', "\\n"));
        }
        out.push('\n');
    }
}

/// All series of one tenant in one family.
pub fn group(out: &mut String, tenant: &str, group: &Group, format: Format, settings: &Settings) {
    let family = &group.family;
    for (labels, series) in &group.series {
        lines(series, family.kind, settings, !format.is_openmetrics(), |line| {
            let _ = write!(out, "{}{}{{{}=\"{tenant}\"", family.base, line.suffix, label::TENANT);
            if !labels.is_empty() {
                let _ = write!(out, ",{labels}");
            }
            if let Some((name, bound)) = line.extra {
                let _ = write!(out, ",{name}=\"");
                canonical(out, bound);
                out.push('"');
            }
            out.push_str("} ");
            number(out, line.value);
            if let Some(exemplar) =
                line.exemplar.filter(|_| format.is_openmetrics() && family.kind != Kind::Gauge)
            {
                write_exemplar(out, exemplar);
            }
            out.push('\n');
        });
        if settings.created && format.is_openmetrics() && series.start != 0 && family.kind != Kind::Gauge {
            let comma = if labels.is_empty() { "" } else { "," };
            let base = &family.base;
            let _ = write!(out, "{base}_created{{{}=\"{tenant}\"{comma}{labels}}} ", label::TENANT);
            seconds(out, series.start);
            out.push('\n');
        }
    }
}

/// All samples of one tenant in one family.
pub fn samples(out: &mut Vec<Sample>, tenant: TenantId, group: &Group, settings: &Settings) {
    for (labels, series) in &group.series {
        lines(series, group.family.kind, settings, true, |line| {
            let mut labels = labels.to_string();
            if let Some((name, bound)) = line.extra {
                let comma = if labels.is_empty() { "" } else { "," };
                let _ = write!(labels, "{comma}{name}=\"");
                canonical(&mut labels, bound);
                labels.push('"');
            }
            let name = format!("{}{}", group.family.base, line.suffix);
            out.push(Sample { tenant, name, labels, value: line.value, time: series.time });
        });
    }
}

/// The head of the `target_info` family.
pub fn target_header(out: &mut String, format: Format) {
    let (name, kind) = if format.is_openmetrics() { ("target", "info") } else { ("target_info", "gauge") };
    let _ = writeln!(out, "# TYPE {name} {kind}\n# HELP {name} Attributes of the resource.");
}

/// One `target_info`.
pub fn target(out: &mut String, tenant: &str, identity: &str, info: &Info) {
    let _ = write!(out, "target_info{{{}=\"{tenant}\",{identity}", label::TENANT);
    if !info.labels.is_empty() {
        let _ = write!(out, ",{}", info.labels);
    }
    out.push_str("} 1\n");
}

fn write_exemplar(out: &mut String, exemplar: &Exemplar) {
    out.push_str(" # {trace_id=\"");
    for byte in exemplar.trace_id {
        let _ = write!(out, "{byte:02x}");
    }
    out.push('"');
    if let Some(span) = exemplar.span_id {
        out.push_str(",span_id=\"");
        for byte in span {
            let _ = write!(out, "{byte:02x}");
        }
        out.push('"');
    }
    out.push_str("} ");
    number(out, exemplar.value);
    if exemplar.time != 0 {
        out.push(' ');
        seconds(out, exemplar.time);
    }
}

fn seconds(out: &mut String, nanos: u64) {
    let _ = write!(out, "{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000);
}

/// A sample's value.
fn number(out: &mut String, value: f64) {
    let size = value.abs();
    let _ = if value.is_nan() {
        write!(out, "NaN")
    } else if value.is_infinite() {
        write!(out, "{}Inf", if value > 0.0 { '+' } else { '-' })
    } else if size == 0.0 || (1e-6..1e17).contains(&size) {
        write!(out, "{value}")
    } else {
        write!(out, "{value:e}")
    };
}

/// A bound as a label's value, one text for each number, as OpenMetrics wants it: `1.0`, `1e+06`.
pub fn canonical(out: &mut String, value: f64) {
    let size = value.abs();
    if !value.is_finite() {
        number(out, value);
    } else if size == 0.0 || (1e-4..1e6).contains(&size) {
        let _ = write!(out, "{value:?}");
    } else {
        let text = format!("{value:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |d| ('-', d));
        let _ = write!(out, "{mantissa}e{sign}{digits:0>2}");
    }
}
