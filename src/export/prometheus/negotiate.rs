//! Which text format a scrape gets.

/// A text format and the escaping that its content type names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// The format and its version.
    pub kind: Kind,
    /// What the client asked for, if it asked.
    pub escaping: Option<Escaping>,
}

/// The formats spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Prometheus text 0.0.4: for everyone who does not ask.
    Text004,
    /// Prometheus text 1.0.0.
    Text100,
    /// OpenMetrics text 1.0.0.
    OpenMetrics100,
}

/// How names outside the old character set would be written. All names here are inside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escaping {
    /// `allow-utf-8`
    AllowUtf8,
    /// `underscores`
    Underscores,
    /// `values`
    Values,
}

impl Default for Format {
    fn default() -> Self {
        Format { kind: Kind::Text004, escaping: None }
    }
}

impl Format {
    /// Prometheus text 0.0.4.
    pub const TEXT: Format = Format { kind: Kind::Text004, escaping: None };
    /// OpenMetrics text 1.0.0.
    pub const OPENMETRICS: Format = Format { kind: Kind::OpenMetrics100, escaping: None };

    /// Whether it is OpenMetrics.
    pub const fn is_openmetrics(self) -> bool {
        matches!(self.kind, Kind::OpenMetrics100)
    }

    /// The `Content-Type` of the answer.
    pub const fn content_type(self) -> &'static str {
        use Escaping::{AllowUtf8, Underscores, Values};
        match (self.kind, self.escaping) {
            (Kind::Text004, _) => "text/plain; version=0.0.4; charset=utf-8",
            (Kind::Text100, Some(AllowUtf8)) => {
                "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
            }
            (Kind::Text100, Some(Values)) => "text/plain; version=1.0.0; charset=utf-8; escaping=values",
            (Kind::Text100, Some(Underscores) | None) => {
                "text/plain; version=1.0.0; charset=utf-8; escaping=underscores"
            }
            (Kind::OpenMetrics100, None) => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            (Kind::OpenMetrics100, Some(AllowUtf8)) => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
            }
            (Kind::OpenMetrics100, Some(Values)) => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=values"
            }
            (Kind::OpenMetrics100, Some(Underscores)) => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"
            }
        }
    }
}

/// The best format that an `Accept` header allows; text 0.0.4 where nothing fits or none came.
/// Equal weights go to what stands first.
pub fn negotiate(accept: Option<&str>) -> Format {
    let mut best = (0.0, Format::default());
    for range in accept.unwrap_or_default().split(',') {
        if let Some((format, q)) = media_range(range)
            && q > best.0
        {
            best = (q, format);
        }
    }
    best.1
}

fn media_range(range: &str) -> Option<(Format, f64)> {
    let mut parts = range.split(';').map(str::trim);
    let media = parts.next()?.to_ascii_lowercase();
    let (mut version, mut escaping, mut q) = (None, None, 1.0);
    for part in parts {
        let (key, value) = part.split_once('=')?;
        let value = value.trim().trim_matches('"');
        match key.trim().to_ascii_lowercase().as_str() {
            "version" => version = Some(value.to_owned()),
            "q" => q = value.parse::<f64>().ok().filter(|q| (0.0..=1.0).contains(q))?,
            "escaping" => {
                escaping = Some(match value {
                    "allow-utf-8" => Escaping::AllowUtf8,
                    "values" => Escaping::Values,
                    // Names are what underscore escaping makes of them, whatever else was asked.
                    _ => Escaping::Underscores,
                });
            }
            _ => {}
        }
    }
    let kind = match (media.as_str(), version.as_deref()) {
        ("application/openmetrics-text", Some("1.0.0")) => Kind::OpenMetrics100,
        ("text/plain", Some("1.0.0")) => Kind::Text100,
        ("text/plain", Some("0.0.4") | None) | ("text/*" | "*/*", _) => Kind::Text004,
        _ => return None,
    };
    Some((Format { kind, escaping }, q))
}

/// Whether an `Accept-Encoding` header allows gzip.
pub fn accepts_gzip(header: Option<&str>) -> bool {
    let mut any = false;
    for coding in header.unwrap_or_default().split(',') {
        let mut parts = coding.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let q =
            parts.find_map(|p| p.strip_prefix("q=")).map_or(1.0, |q| q.trim().parse::<f64>().unwrap_or(0.0));
        if name.eq_ignore_ascii_case("gzip") {
            return q > 0.0;
        }
        any |= name == "*" && q > 0.0;
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: headers of real scrapers. Guarantee: the best one spoken, its escaping echoed.
    #[test]
    fn accept_headers() {
        let kind = |accept| negotiate(accept).kind;
        assert_eq!(negotiate(None), Format::TEXT);
        assert_eq!(kind(Some("*/*")), Kind::Text004);
        assert_eq!(kind(Some("application/json")), Kind::Text004);
        assert_eq!(
            kind(Some("text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0;q=0.4")),
            Kind::Text004
        );
        let v2 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(negotiate(Some(v2)), Format::OPENMETRICS);
        let v3 = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,\
            application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,*/*;q=0.2";
        let format = negotiate(Some(v3));
        assert_eq!(
            format.content_type(),
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
        );
        assert_eq!(kind(Some("text/plain; version=1.0.0; escaping=dots")), Kind::Text100);
        assert_eq!(kind(Some("application/openmetrics-text;version=1.0.0;q=0")), Kind::Text004);
    }

    /// Scenario: what clients say of encodings. Guarantee: gzip only where it is wanted.
    #[test]
    fn encodings() {
        for (header, want) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("*", true),
            ("identity", false),
            ("gzip;q=0, *", false),
        ] {
            assert_eq!(accepts_gzip(Some(header)), want, "{header}");
        }
        assert!(!accepts_gzip(None));
    }
}
