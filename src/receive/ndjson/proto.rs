//! The few protobuf writers that a log record needs.

use serde_json::Value;

pub(super) fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn tag(out: &mut Vec<u8>, number: u32, wire_type: u32) {
    varint(out, u64::from(number << 3 | wire_type));
}

/// A varint field.
pub(super) fn varint_field(out: &mut Vec<u8>, number: u32, value: u64) {
    tag(out, number, 0);
    varint(out, value);
}

/// A fixed64 or double field.
pub(super) fn fixed64(out: &mut Vec<u8>, number: u32, value: u64) {
    tag(out, number, 1);
    out.extend_from_slice(&value.to_le_bytes());
}

/// A message, string or bytes field.
pub(super) fn message(out: &mut Vec<u8>, number: u32, content: &[u8]) {
    tag(out, number, 2);
    varint(out, content.len() as u64);
    out.extend_from_slice(content);
}

/// A `KeyValue` field with a string.
pub(super) fn string_attribute(out: &mut Vec<u8>, number: u32, key: &str, value: &str) {
    let (mut any, mut pair) = (Vec::new(), Vec::new());
    message(&mut any, 1, value.as_bytes());
    message(&mut pair, 1, key.as_bytes());
    message(&mut pair, 2, &any);
    message(out, number, &pair);
}

/// A `KeyValue`.
pub(super) fn key_value(key: &str, value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    message(&mut out, 1, key.as_bytes());
    message(&mut out, 2, &any_value(value));
    out
}

/// An `AnyValue`; null is the empty one.
pub(super) fn any_value(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    match value {
        Value::Null => {}
        Value::String(text) => message(&mut out, 1, text.as_bytes()),
        Value::Bool(flag) => varint_field(&mut out, 2, u64::from(*flag)),
        Value::Number(number) => {
            if let Some(int) = number.as_i64() {
                varint_field(&mut out, 3, int as u64);
            } else if let Some(int) = number.as_u64() {
                message(&mut out, 1, int.to_string().as_bytes());
            } else if let Some(float) = number.as_f64() {
                fixed64(&mut out, 4, float.to_bits());
            }
        }
        Value::Array(values) => {
            let mut list = Vec::new();
            for value in values {
                message(&mut list, 1, &any_value(value));
            }
            message(&mut out, 5, &list);
        }
        Value::Object(values) => {
            let mut list = Vec::new();
            for (key, value) in values {
                message(&mut list, 1, &key_value(key, value));
            }
            message(&mut out, 6, &list);
        }
    }
    out
}
