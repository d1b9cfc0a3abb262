//! What a receiver says: partial success, and statuses.

use std::time::Duration;

use http::{HeaderMap, StatusCode};

use crate::wire::view::Message;

/// The receiver took the request, but for these items.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Partial {
    /// Items that it refused for good.
    pub rejected: u64,
    /// Whether it had something to say.
    pub warned: bool,
}

/// Why an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The same request may be sent again.
    Retryable {
        /// Why, of a closed set of words.
        reason: &'static str,
        /// Not earlier than after this, as the receiver asks.
        after: Option<Duration>,
    },
    /// The request is larger than the receiver takes.
    TooLarge,
    /// The receiver will never take this request.
    Permanent {
        /// Why, of a closed set of words.
        reason: &'static str,
    },
}

impl Failure {
    pub(super) const fn retryable(reason: &'static str) -> Self {
        Failure::Retryable { reason, after: None }
    }

    /// Whether the request was refused for what is in it, so that some of it may be taken alone.
    pub fn is_of_the_data(self) -> bool {
        matches!(self, Failure::TooLarge | Failure::Permanent { reason: "invalid" | "server_error" })
    }

    /// Why, as a metric label.
    pub const fn reason(self) -> &'static str {
        match self {
            Failure::Retryable { reason, .. } | Failure::Permanent { reason } => reason,
            Failure::TooLarge => "too_large",
        }
    }
}

/// Reads an `Export*ServiceResponse`; the three have the same shape.
pub(super) fn partial(response: &[u8]) -> Partial {
    let mut partial = Partial::default();
    for success in Message::root(response).all(1) {
        let success = success.message();
        if let Some(rejected) = success.last(1) {
            // An int64: what is negative is nonsense.
            partial.rejected = u64::try_from(rejected.number() as i64).unwrap_or(0);
        }
        partial.warned |= success.last(2).is_some_and(|message| !message.content().is_empty());
    }
    partial
}

/// Reads a status of gRPC; `details` is an encoded `google.rpc.Status`.
pub(super) fn grpc_status(code: u32, details: Option<&[u8]>) -> Failure {
    let after = details.and_then(retry_info);
    match code {
        1 => Failure::Retryable { reason: "cancelled", after },
        4 => Failure::Retryable { reason: "timeout", after },
        10 => Failure::Retryable { reason: "aborted", after },
        11 => Failure::Retryable { reason: "out_of_range", after },
        14 => Failure::Retryable { reason: "unavailable", after },
        15 => Failure::Retryable { reason: "data_loss", after },
        8 if after.is_some() => Failure::Retryable { reason: "throttled", after },
        // Exhausted without a time to come back at: the size, by the specification.
        8 => Failure::TooLarge,
        3 => Failure::Permanent { reason: "invalid" },
        7 => Failure::Permanent { reason: "permission_denied" },
        12 => Failure::Permanent { reason: "unimplemented" },
        16 => Failure::Permanent { reason: "unauthenticated" },
        _ => Failure::Permanent { reason: "server_error" },
    }
}

/// Reads a status of HTTP.
pub(crate) fn http_status(status: StatusCode, headers: &HeaderMap) -> Failure {
    let after = headers.get("retry-after").and_then(|value| retry_after(value.to_str().ok()?));
    match status.as_u16() {
        429 => Failure::Retryable { reason: "throttled", after },
        502..=504 => Failure::Retryable { reason: "unavailable", after },
        413 => Failure::TooLarge,
        400 => Failure::Permanent { reason: "invalid" },
        401 => Failure::Permanent { reason: "unauthenticated" },
        403 => Failure::Permanent { reason: "permission_denied" },
        404 | 405 => Failure::Permanent { reason: "unimplemented" },
        _ => Failure::Permanent { reason: "server_error" },
    }
}

/// The delay of the `google.rpc.RetryInfo` among the details of a status.
fn retry_info(status: &[u8]) -> Option<Duration> {
    const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";
    Message::root(status).all(3).find_map(|detail| {
        let any = detail.message();
        if any.last(1)?.text() != RETRY_INFO {
            return None;
        }
        let value = any.last(2)?;
        let delay = value.message().last(1)?.message();
        let seconds = delay.last(1).map_or(0, |field| field.number() as i64);
        let nanos = delay.last(2).map_or(0, |field| field.number() as i64);
        let nanos = u32::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000).unwrap_or(0);
        Some(Duration::new(u64::try_from(seconds).unwrap_or(0), nanos))
    })
}

/// `Retry-After`: seconds, or a date (RFC 9110), which counts from now.
fn retry_after(value: &str) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = date(value)?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).ok()?.as_secs();
    Some(Duration::from_secs(at.saturating_sub(now)))
}

/// Seconds since 1970 of `Sun, 06 Nov 1994 08:49:37 GMT`.
fn date(value: &str) -> Option<u64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let mut words = value.split_once(", ")?.1.split(' ');
    let (day, month, year, time) = (words.next()?, words.next()?, words.next()?, words.next()?);
    if month.len() != 3 || words.next() != Some("GMT") {
        return None;
    }
    let month = MONTHS.find(month).filter(|at| at % 3 == 0)? / 3 + 1;
    crate::identify::date_time(&format!("{year}-{month:02}-{day}T{time}Z")).map(|nanos| nanos / 1_000_000_000)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::put;

    /// A status with a RetryInfo, after another detail.
    pub(in crate::export::otlp) fn status_with_retry(seconds: u64, nanos: u64) -> Vec<u8> {
        let mut delay = Vec::new();
        put::uint(&mut delay, 1, seconds);
        put::uint(&mut delay, 2, nanos);
        let mut info = Vec::new();
        put::bytes(&mut info, 1, &delay);
        let mut out = Vec::new();
        put::uint(&mut out, 1, 14);
        for (name, value) in [("google.rpc.DebugInfo", &b"x"[..]), ("google.rpc.RetryInfo", &info)] {
            let mut any = Vec::new();
            put::bytes(&mut any, 1, format!("type.googleapis.com/{name}").as_bytes());
            put::bytes(&mut any, 2, value);
            put::bytes(&mut out, 3, &any);
        }
        out
    }

    /// Scenario: every code of gRPC. Guarantee: retryable exactly where the specification says so.
    #[test]
    fn grpc_codes_are_retryable_by_the_specification() {
        let info = status_with_retry(2, 500_000_000);
        let wish = Some(Duration::from_millis(2500));
        for code in 0..20 {
            let plain = matches!(grpc_status(code, None), Failure::Retryable { .. });
            assert_eq!(plain, [1, 4, 10, 11, 14, 15].contains(&code), "{code}");
            if let Failure::Retryable { after, .. } = grpc_status(code, Some(&info)) {
                assert!(plain || code == 8);
                assert_eq!(after, wish, "{code}");
            }
        }
        assert_eq!(grpc_status(8, None), Failure::TooLarge);
    }

    /// Scenario: statuses of HTTP, with Retry-After as seconds and as a date. Guarantee: by the specification.
    #[test]
    fn http_statuses_are_retryable_by_the_specification() {
        for code in 300..600 {
            let failure = http_status(StatusCode::from_u16(code).unwrap(), &HeaderMap::new());
            let retryable = matches!(failure, Failure::Retryable { .. });
            assert_eq!(retryable, [429, 502, 503, 504].contains(&code), "{code}");
        }
        assert_eq!(retry_after("7"), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert_eq!(date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        for nonsense in ["", "soon", "-1", "Sun, 06 Xyz 1994 08:49:37 GMT", "Sun, 06 anF 1994 08:49:37 GMT"] {
            assert_eq!(retry_after(nonsense), None, "{nonsense}");
        }
    }

    proptest! {
        /// Scenario: any bytes as an answer. Guarantee: no panic.
        #[test]
        fn any_bytes_are_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..200), code in 0u32..30) {
            let _ = partial(&bytes);
            let _ = grpc_status(code, Some(&bytes));
        }
    }
}
