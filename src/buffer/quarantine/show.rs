//! A kept batch as JSON, for people.

use serde::Serialize;
use serde_json::value::RawValue;

use super::Item;
use crate::{
    batch::{Signal, TenantId},
    wire,
};

#[derive(Serialize)]
struct Line<'a> {
    tenant_id: Option<String>,
    reason: &'a str,
    signal: Signal,
    time_unix_nano: u64,
    items: u32,
    /// As it was written: parsed into a tree it would take several times the room.
    data: Option<&'a RawValue>,
}

impl Item {
    /// One JSON object on one line: `tenant_id` (null where none was well formed), `reason`, `signal`,
    /// `time_unix_nano`, `items`, and `data`, which is the scrubbed request in OTLP/JSON (null where it does not
    /// parse any more).
    pub fn to_json(&self) -> String {
        let mut data = Vec::new();
        let encoded = wire::json::encode(self.batch.signal, &self.batch.bytes, &mut data).is_ok();
        let line = Line {
            tenant_id: (self.batch.tenant != TenantId::NONE).then(|| self.batch.tenant.to_string()),
            reason: self.reason.as_str(),
            signal: self.batch.signal,
            time_unix_nano: self.time_unix_nano,
            items: self.batch.items,
            data: serde_json::from_slice(&data).ok().filter(|_| encoded),
        };
        serde_json::to_string(&line).unwrap_or_default()
    }
}
