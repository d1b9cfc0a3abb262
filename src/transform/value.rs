//! OTLP values to JSON values and back, with nothing lost.
//!
//! What JSON has no word for (bytes, NaN and the infinities) is carried as an object of one member,
//! whose name is NUL and "any", and whose text is the encoded `AnyValue` in base64. A name that
//! itself begins with NUL gets one more on the way in and loses it on the way out.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Map, Number, Value};

use crate::wire::{
    put,
    view::{AnyValue, pairs, values},
};

/// The member that carries an encoded `AnyValue`.
const RAW: &str = "\0any";

fn raw(encoded: &[u8]) -> Value {
    let mut members = Map::new();
    members.insert(RAW.to_owned(), Value::String(BASE64.encode(encoded)));
    Value::Object(members)
}

/// The encoded `AnyValue` that a value carries.
fn carried(members: &Map<String, Value>) -> Option<&str> {
    if members.len() == 1 { members.get(RAW)?.as_str() } else { None }
}

/// A name as it stands in a record.
pub(super) fn escaped(name: &str) -> String {
    if name.starts_with('\0') { format!("\0{name}") } else { name.to_owned() }
}

/// A name as it stands in OTLP.
fn unescaped(name: &str) -> &str {
    name.strip_prefix('\0').unwrap_or(name)
}

/// Escapes every name of a value that came from outside.
pub(super) fn escape_names(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(escape_names),
        Value::Object(members) => {
            members.values_mut().for_each(escape_names);
            if members.keys().any(|name| name.starts_with('\0')) {
                let escaped_members =
                    std::mem::take(members).into_iter().map(|(name, member)| (escaped(&name), member));
                *members = escaped_members.collect();
            }
        }
        _ => {}
    }
}

/// Whether a value is, or holds, something that JSON has no word for.
pub(super) fn has_reserved(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(has_reserved),
        Value::Object(members) => {
            members.keys().any(|name| name.starts_with('\0')) || members.values().any(has_reserved)
        }
        _ => false,
    }
}

/// Whether a value is the carrier of something that JSON has no word for.
pub(super) fn is_carrier(value: &Value) -> bool {
    value.as_object().is_some_and(|members| carried(members).is_some())
}

/// An OTLP value as JSON. The walker has bounded its depth.
pub(super) fn from_any(value: AnyValue<'_>) -> Value {
    match value {
        AnyValue::Empty => Value::Null,
        AnyValue::Str(text) => Value::String(text.to_owned()),
        AnyValue::Bool(value) => Value::Bool(value),
        AnyValue::Int(value) => Value::from(value),
        AnyValue::Double(value) => Number::from_f64(value).map_or_else(
            || {
                let mut encoded = Vec::with_capacity(9);
                put::fixed64(&mut encoded, 4, value.to_bits());
                raw(&encoded)
            },
            Value::Number,
        ),
        AnyValue::Bytes(bytes) => {
            let mut encoded = Vec::with_capacity(bytes.len() + 8);
            put::bytes(&mut encoded, 7, bytes);
            raw(&encoded)
        }
        AnyValue::Array(list) => Value::Array(values(list).map(from_any).collect()),
        // Where a name stands twice the last one counts, as it does for selectors.
        AnyValue::KvList(list) => {
            Value::Object(pairs(list).map(|(key, value)| (escaped(key), from_any(value))).collect())
        }
    }
}

/// Appends the content of the `AnyValue` message that a JSON value stands for.
pub(super) fn write_any(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => {}
        Value::Bool(value) => put::uint(out, 2, u64::from(*value)),
        Value::String(text) => put::bytes(out, 1, text.as_bytes()),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(integer), _) => put::uint(out, 3, integer as u64),
            // OTLP has no larger integer; as text no digit is lost.
            (None, Some(large)) => put::bytes(out, 1, large.to_string().as_bytes()),
            (None, None) => put::fixed64(out, 4, number.as_f64().unwrap_or_default().to_bits()),
        },
        Value::Array(items) => nested(out, 5, |out| {
            for item in items {
                nested(out, 1, |out| write_any(out, item));
            }
        }),
        Value::Object(members) => match carried(members).map(|text| BASE64.decode(text)) {
            Some(Ok(encoded)) => out.extend_from_slice(&encoded),
            _ => nested(out, 6, |out| {
                for (key, member) in members {
                    nested(out, 1, |out| write_pair(out, key, member));
                }
            }),
        },
    }
}

/// Appends the content of a `KeyValue` message.
pub(super) fn write_pair(out: &mut Vec<u8>, key: &str, value: &Value) {
    put::bytes(out, 1, unescaped(key).as_bytes());
    nested(out, 2, |out| write_any(out, value));
}

/// Appends a message field.
pub(super) fn nested(out: &mut Vec<u8>, field: u32, body: impl FnOnce(&mut Vec<u8>)) {
    put::tag(out, field, crate::wire::varint::LEN);
    let start = out.len();
    out.push(0);
    body(out);
    put::close(out, start);
}

/// The size of a value in bytes, about, and its height in levels; both stop counting past `limit` bytes.
pub(super) fn measure(value: &Value, limit: usize) -> (usize, usize) {
    fn go(value: &Value, limit: usize, size: &mut usize) -> usize {
        *size += 16;
        match value {
            Value::String(text) => {
                *size += text.len();
                0
            }
            Value::Array(items) => {
                let mut height = 0;
                for item in items {
                    if *size > limit {
                        break;
                    }
                    height = height.max(go(item, limit, size));
                }
                height + 1
            }
            Value::Object(members) => {
                let mut height = 0;
                for (name, member) in members {
                    if *size > limit {
                        break;
                    }
                    *size += name.len();
                    height = height.max(go(member, limit, size));
                }
                height + 1
            }
            _ => 0,
        }
    }
    let mut size = 0;
    let height = go(value, limit, &mut size);
    (size, height)
}
