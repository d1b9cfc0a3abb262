//! Detection: one tenant's data under another.
//!
//! Observations are taken from the original values, before scrubbing, as keyed fingerprints; an assembler
//! gives each the tenant of its trace and lets them on in the order of their time; detectors keep bounded,
//! expiring state by entity (object, session, connection, cache entry, ...), never by tenant, and hand
//! candidates to [`findings::Findings`], which tells each incident once.
//!
//! ```text
//! bytes -> extract -> Observation -> assemble -> detectors -> Findings -> file, log record, counter, webhook
//! ```

pub mod assemble;
pub mod board;
mod class;
pub mod engine;
pub mod extract;
pub mod fact;
mod few;
pub mod file;
pub mod finding;
pub mod findings;
pub mod fingerprint;
mod incidents;
mod mapping;
pub mod mentions;
pub mod observation;
mod ocsf;
mod pending;
pub mod record;
pub mod rules;
pub mod scan;
mod settings;
pub mod shard;
pub mod sinks;
pub mod sql;
mod state;
mod suppress;
pub mod suppressions;
mod teller;

mod baseline;
mod caches;
mod channels;
mod connections;
mod credentials;
mod edges;
mod enumeration;
mod hit_rate;
mod jobs;
mod lifecycle;
mod naming;
mod ownership;
mod personal;
mod routing;
mod sessions;
mod shared_caches;
mod snapshot;
mod statements;
mod stuck;
mod token_mismatch;
mod trace_crossing;
mod volume;

#[cfg(test)]
#[path = "tests/stream.rs"]
mod stream;
#[cfg(test)]
mod telling_tests;
#[cfg(test)]
mod tests;

pub use assemble::Placed;
pub use engine::{Engine, Hooks};
pub use extract::{Context, Extractor, observe_batch};
pub use few::Few;
pub use finding::{Class, Finding, Severity};
pub use fingerprint::{Fingerprint, Key};
pub use observation::{Observation, TenantState};
pub(crate) use personal::facts as personal_facts;
pub use rules::{Directory, NoDirectory, Rules};
pub use settings::{
    Allowance, Approval, DetectorName, FindingsFile, Mapping, Settings, Suppression, WebhookFormat,
    WebhookSettings,
};
pub use shard::Shard;

use findings::Findings;

/// One signal of a leak: looks at observations, remembers little, raises candidates.
pub trait Detector: Send {
    /// Which one.
    fn name(&self) -> DetectorName;
    /// Looks at one observation; they come in the order of their time.
    fn observe(&mut self, placed: &Placed, out: &mut Findings);
    /// Lets time pass: `now` in nanoseconds, never going back.
    fn expire(&mut self, _now: u64, _out: &mut Findings) {}
    /// Entries of state held.
    fn entries(&self) -> usize {
        0
    }
    /// Entries forgotten for want of room since the last call.
    fn take_evicted(&mut self) -> u64 {
        0
    }
    /// Judgements withheld since the last call, because too little is known of what is usual.
    fn take_cold(&mut self) -> u64 {
        0
    }
    /// What it has learned, to be kept over a restart. No values of the data are in it.
    fn save(&self) -> Option<serde_json::Value> {
        None
    }
    /// Takes up what was kept.
    fn load(&mut self, _saved: &serde_json::Value) {}
}
