//! Counts of what was found, small and dense; the gateway flushes them to a metric.

use std::sync::Arc;

use super::{Action, ContentSeen, FieldSeen, Scrubber};

/// How many values of each type met which action.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    counts: Vec<[u32; Action::COUNT]>,
    /// Fields that are in no schema, removed.
    pub unknown_fields: u64,
    /// What people wrote where no rule expects it.
    pub content: ContentSeen,
    /// Fields in which something personal was found.
    pub personal: Vec<FieldSeen>,
    /// Pseudonyms that became redactions because the tenant's key could not be had.
    pub without_key: u64,
    /// Why, for the last of them.
    pub key_error: Option<Arc<std::io::Error>>,
}

impl Tally {
    pub(super) fn add(&mut self, kind: u16, action: Action) {
        let row = usize::from(kind);
        if self.counts.len() <= row {
            self.counts.resize(row + 1, [0; Action::COUNT]);
        }
        self.counts[row][action.index()] += 1;
    }

    /// All counts that are not zero, as (type, action, count); then everything is zero again.
    pub fn drain<'a>(&mut self, scrubber: &'a Scrubber) -> Vec<(&'a str, &'static str, u32)> {
        const NAMES: [&str; Action::COUNT] = ["shadow", "keep", "mask", "pseudonym", "redact", "drop"];
        let mut out = Vec::new();
        for (kind, row) in scrubber.types().iter().zip(&mut self.counts) {
            for (count, action) in row.iter_mut().zip(NAMES) {
                if *count > 0 {
                    out.push((kind.as_str(), action, std::mem::take(count)));
                }
            }
        }
        out
    }

    /// How many values were found in all.
    pub fn total(&self) -> u64 {
        self.counts.iter().flatten().map(|n| u64::from(*n)).sum()
    }
}
