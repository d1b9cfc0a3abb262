//! `google.rpc.Status` as protobuf and as JSON, and the OTLP responses, written field by field: they are
//! a handful of fields, and a reply must never fail.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{batch::Signal, receipt::Accepted, wire::put};

/// The gRPC status codes that a receiver answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Code {
    Ok = 0,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    Unauthenticated = 16,
}

const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// A `google.rpc.Status` message; `retry_after` becomes a `RetryInfo` detail.
pub fn encode(code: Code, message: &str, retry_after: Option<Duration>) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 80);
    uint(&mut out, 1, code as u64);
    text(&mut out, 2, message);
    if let Some(delay) = retry_after {
        let mut duration = Vec::new();
        uint(&mut duration, 1, delay.as_secs());
        uint(&mut duration, 2, u64::from(delay.subsec_nanos()));
        let mut info = Vec::new();
        put::bytes(&mut info, 1, &duration);
        let mut any = Vec::new();
        text(&mut any, 1, RETRY_INFO);
        put::bytes(&mut any, 2, &info);
        put::bytes(&mut out, 3, &any);
    }
    out
}

/// The JSON form of [`encode`].
pub fn to_json(code: Code, message: &str, retry_after: Option<Duration>) -> Vec<u8> {
    let mut status = json!({ "code": code as u8, "message": message });
    if let Some(delay) = retry_after {
        let delay = format!("{}.{:09}s", delay.as_secs(), delay.subsec_nanos());
        status["details"] = json!([{ "@type": RETRY_INFO, "retryDelay": delay }]);
    }
    status.to_string().into_bytes()
}

/// An `Export*ServiceResponse`: no bytes at all on full success.
pub fn response(accepted: &Accepted) -> Vec<u8> {
    let mut out = Vec::new();
    if accepted.rejected > 0 || !accepted.message.is_empty() {
        let mut partial = Vec::with_capacity(accepted.message.len() + 16);
        uint(&mut partial, 1, accepted.rejected);
        text(&mut partial, 2, &accepted.message);
        put::bytes(&mut out, 1, &partial);
    }
    out
}

/// The JSON form of [`response`]: `{}` on full success.
pub fn response_json(signal: Signal, accepted: &Accepted) -> Vec<u8> {
    let mut partial = serde_json::Map::new();
    if accepted.rejected > 0 {
        let key = match signal {
            Signal::Logs => "rejectedLogRecords",
            Signal::Traces => "rejectedSpans",
            Signal::Metrics => "rejectedDataPoints",
        };
        partial.insert(key.into(), Value::String(accepted.rejected.to_string()));
    }
    if !accepted.message.is_empty() {
        partial.insert("errorMessage".into(), Value::String(accepted.message.clone()));
    }
    if partial.is_empty() {
        return b"{}".to_vec();
    }
    json!({ "partialSuccess": partial }).to_string().into_bytes()
}

/// A varint field, left out where it is zero.
fn uint(out: &mut Vec<u8>, field: u32, value: u64) {
    if value != 0 {
        put::uint(out, field, value);
    }
}

/// A string field, left out where it is empty.
fn text(out: &mut Vec<u8>, field: u32, value: &str) {
    if !value.is_empty() {
        put::bytes(out, field, value.as_bytes());
    }
}
