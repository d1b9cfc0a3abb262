//! Detection: one tenant's data under another.
//!
//! Observations are taken from the original values, before scrubbing, as keyed fingerprints;
//! detectors keep bounded, expiring state by entity (trace, object), never by tenant, and hand
//! candidates to [`findings::Findings`], which waits for what may excuse them and tells each
//! incident once.
//!
//! ```text
//! bytes -> extract -> Observation -> shard: excuse, detectors -> Findings -> file, log record, counter
//! ```

mod batch;
pub mod engine;
pub mod extract;
mod few;
pub mod file;
pub mod finding;
pub mod findings;
pub mod fingerprint;
pub mod observation;
pub mod record;
pub mod rules;
pub mod scan;
mod settings;
pub mod shard;
mod state;

mod lifecycle;
mod ownership;
mod token_mismatch;
mod trace_crossing;

#[cfg(test)]
mod tests;

pub use batch::observe_batch;
pub use engine::{Engine, Hooks};
pub use extract::Context;
pub use few::Few;
pub use finding::{Class, Finding, Severity};
pub use fingerprint::{Fingerprint, Key};
pub use observation::{Observation, TenantState};
pub use rules::{Directory, NoDirectory, Rules};
pub use settings::{Allowance, DetectorName, FindingsFile, Mapping, Settings};
pub use shard::Shard;

use findings::Findings;

/// One signal of a leak: looks at observations, remembers little, raises candidates.
pub trait Detector: Send {
    /// Which one.
    fn name(&self) -> DetectorName;
    /// Looks at one observation.
    fn observe(&mut self, o: &Observation, out: &mut Findings);
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
}
