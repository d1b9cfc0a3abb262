//! What one tenant used on one day.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Dropped, Rejected};
use crate::{
    batch::{Signal, TenantId},
    identify::Isolation,
};

/// Whose a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The tenant; nil for what has none, for what the catalogue does not know, and past
    /// [`USAGE_ROWS`](crate::limits::USAGE_ROWS).
    pub tenant: TenantId,
    /// The signal.
    pub signal: Signal,
    /// The tenant's isolation tier when the items came.
    pub tier: Isolation,
}

/// The sums of one row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Row {
    /// Items (log records, spans, data points) that were acknowledged and go to destinations.
    pub accepted_items: u64,
    /// Bytes of request bodies, decompressed, that held accepted and dropped items. A body that holds several
    /// tenants' items is shared out by the size of their parts.
    pub bytes_in: u64,
    /// Items that were acknowledged and a policy dropped, by reason.
    pub dropped_items: BTreeMap<Dropped, u64>,
    /// Items refused for good, by reason.
    pub rejected_items: BTreeMap<Rejected, u64>,
    /// Bytes of request bodies, decompressed, that held rejected items.
    pub rejected_bytes: u64,
    /// Values that were taken out: masked, replaced, redacted, dropped.
    pub redacted_values: u64,
    /// The most series that the tenant had on the scrape endpoint at once (metrics alone).
    pub series_peak: u64,
    /// What went where, by the destination's name.
    pub destinations: BTreeMap<String, Out>,
}

/// One destination's part of a row. `accepted_items` of the row is the sum of all four kinds of items here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Out {
    /// Items that it took.
    pub delivered_items: u64,
    /// Their bytes, as OTLP protobuf before compression.
    pub bytes_out: u64,
    /// Items that it refused for good, and items that were damaged on the disk.
    pub undeliverable_items: u64,
    /// Items that wait for it.
    pub held_items: u64,
    /// Items that routes led elsewhere.
    pub elsewhere_items: u64,
}

/// A row with whose it is, as files and reports have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Whose.
    #[serde(flatten)]
    pub key: Key,
    /// How much.
    #[serde(flatten)]
    pub row: Row,
}

impl Row {
    /// The part of a destination.
    pub(super) fn destination(&mut self, name: &str) -> &mut Out {
        self.destinations.entry(name.to_owned()).or_default()
    }

    /// Works out what waits for each destination that is there now.
    pub(super) fn hold<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        let accepted = self.accepted_items;
        for name in names.filter(|_| accepted > 0) {
            let out = self.destination(name);
            let known = out.delivered_items + out.undeliverable_items + out.elsewhere_items;
            out.held_items = accepted.saturating_sub(known);
        }
    }

    /// Leaves out the destinations to which nothing goes.
    pub(super) fn trim(&mut self) {
        self.destinations.retain(|_, out| out.delivered_items + out.undeliverable_items + out.held_items > 0);
    }

    /// A sum over the destinations.
    pub(super) fn out(&self, of: impl Fn(&Out) -> u64) -> u64 {
        self.destinations.values().map(of).sum()
    }
}
