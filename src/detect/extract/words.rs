//! Words of programs: how something failed, and bodies that are JSON.

use crate::{limits, wire::view::AnyValue};

use super::super::observation::Failure;

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
