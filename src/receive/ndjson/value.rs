//! JSON values as OTLP's `AnyValue`.

use std::convert::Infallible;

use serde_json::Value;

use crate::wire::put;

/// A message field whose content `body` writes.
fn nested(out: &mut Vec<u8>, field: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let Ok(()) = put::message::<Infallible>(out, field, |out| {
        body(out);
        Ok(())
    });
}

/// A `KeyValue` field.
pub(super) fn key_value(out: &mut Vec<u8>, field: u32, key: &str, value: &Value) {
    nested(out, field, |out| {
        put::bytes(out, 1, key.as_bytes());
        any_value(out, 2, value);
    });
}

/// An `AnyValue` field; null is the empty one.
pub(super) fn any_value(out: &mut Vec<u8>, field: u32, value: &Value) {
    nested(out, field, |out| match value {
        Value::Null => {}
        Value::String(text) => put::bytes(out, 1, text.as_bytes()),
        Value::Bool(flag) => put::uint(out, 2, u64::from(*flag)),
        Value::Number(number) => {
            if let Some(int) = number.as_i64() {
                put::uint(out, 3, int as u64);
            } else if let Some(int) = number.as_u64() {
                put::bytes(out, 1, int.to_string().as_bytes());
            } else if let Some(float) = number.as_f64() {
                put::fixed64(out, 4, float.to_bits());
            }
        }
        Value::Array(values) => nested(out, 5, |out| {
            for value in values {
                any_value(out, 1, value);
            }
        }),
        Value::Object(values) => nested(out, 6, |out| {
            for (key, value) in values {
                key_value(out, 1, key, value);
            }
        }),
    });
}
