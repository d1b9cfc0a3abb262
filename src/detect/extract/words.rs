//! Words of programs: how something failed, and bodies that are JSON.

use crate::{limits, wire::view::AnyValue};

use super::super::observation::Failure;

/// Whether an id stands for nobody: empty, `-`, `null`, `anonymous`, masked, or nothing but zeros.
pub(super) fn is_placeholder(text: &str) -> bool {
    const NOBODY: [&str; 14] = [
        "null",
        "nil",
        "none",
        "undefined",
        "unknown",
        "unset",
        "empty",
        "anonymous",
        "anon",
        "guest",
        "n/a",
        "redacted",
        "filtered",
        "masked",
    ];
    let word = text.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    text.bytes().all(|byte| matches!(byte, b'0' | b'x' | b'X') || byte.is_ascii_punctuation() || byte == b' ')
        || NOBODY.iter().any(|nobody| word.eq_ignore_ascii_case(nobody))
}

/// Whether the words of a shared cache say that it answered by itself: `HIT`, `TCP_HIT`, `RefreshHit`, `MISS, HIT` (the
/// last is the nearest to the caller), RFC 9211's `edge; hit; ttl=3`, and `STALE`, which is an old answer.
pub(super) fn is_cache_hit(text: &str) -> bool {
    let last = text.rsplit(',').find(|part| !part.trim().is_empty()).unwrap_or_default();
    let ends_with = |word: &str, end: &str| {
        word.len() >= end.len()
            && word.as_bytes()[word.len() - end.len()..].eq_ignore_ascii_case(end.as_bytes())
    };
    last.split([';', ' ', ':', '_', '-', '/'])
        .any(|word| ends_with(word, "hit") || word.eq_ignore_ascii_case("stale"))
}

/// How something failed, by the words of client libraries.
pub(super) fn failure(text: &str) -> Failure {
    const CANCELLED: [&str; 9] = [
        "cancel",
        "aborted",
        "aborterror",
        "timed out",
        "timeout",
        "deadline",
        "client disconnected",
        "closedresource",
        "interrupted",
    ];
    const MISMATCHED: [&str; 15] = [
        "protocol",
        "wrongtype",
        "unexpected response",
        "unexpected message",
        "unexpected reply",
        "out of sync",
        "parseerror",
        "invalid response",
        "message type",
        "bind message supplies",
        "desync",
        "decode",
        "typeerror",
        "type error",
        "classcast",
    ];
    let end = text.char_indices().nth(limits::FAILURE_CHARS).map_or(text.len(), |(at, _)| at);
    let lower = text[..end].to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if says(&MISMATCHED) {
        Failure::Mismatched
    } else if says(&CANCELLED) {
        Failure::Cancelled
    } else {
        Failure::Other
    }
}

/// The top-level scalars of a JSON object.
pub(super) struct Fields<'v>(pub Vec<(&'v str, AnyValue<'v>)>);

impl<'de: 'v, 'v> serde::Deserialize<'de> for Fields<'v> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Vec<(&'de str, AnyValue<'de>)>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(key) = map.next_key::<&'de str>()? {
                    let raw = map.next_value::<&'de serde_json::value::RawValue>()?.get();
                    if fields.len() >= limits::DEPTH {
                        continue;
                    }
                    let value = match raw.as_bytes().first() {
                        Some(b'"') if !raw.contains('\\') => AnyValue::Str(&raw[1..raw.len() - 1]),
                        Some(b'0'..=b'9') => raw.parse().map_or(AnyValue::Empty, AnyValue::Int),
                        _ => continue,
                    };
                    fields.push((key, value));
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Visitor).map(Fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: what is written where there is no session, and sessions. Guarantee: told apart.
    #[test]
    fn nobody_is_told_from_somebody() {
        for nobody in [
            "",
            "-",
            "null",
            "NULL",
            "<nil>",
            "[REDACTED]",
            "***",
            "xxxx",
            "anonymous",
            "00000000-0000-0000-0000-000000000000",
        ] {
            assert!(is_placeholder(nobody), "{nobody}");
        }
        for somebody in ["17", "u-7", "nilsson", "s_0f3a", "0190b8a2-7c1e-7d3a-9f00-5a6b7c8d9e0f"] {
            assert!(!is_placeholder(somebody), "{somebody}");
        }
    }

    /// Scenario: what caches and content networks say. Guarantee: an answer of the cache is told from one of the origin.
    #[test]
    fn hits_are_told_from_misses() {
        for hit in [
            "HIT",
            "hit",
            "TCP_HIT",
            "TCP_MEM_HIT",
            "RefreshHit",
            "MISS, HIT",
            "edge; hit; ttl=376",
            "STALE",
            "Hit from cloudfront",
            "HIT:3",
        ] {
            assert!(is_cache_hit(hit), "{hit}");
        }
        for miss in [
            "MISS",
            "",
            "HIT, MISS",
            "edge; fwd=uri-miss; stored",
            "BYPASS",
            "EXPIRED",
            "Miss from cloudfront",
            "DYNAMIC",
            "white",
        ] {
            assert!(!is_cache_hit(miss), "{miss}");
        }
    }
}
