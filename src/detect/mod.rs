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
mod baseline;
pub mod board;
mod class;
mod detectors;
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
mod sessions;
mod settings;
pub mod shard;
pub mod sinks;
mod snapshot;
pub mod sql;
mod state;
mod suppress;
pub mod suppressions;
mod teller;
mod unplaced;

#[cfg(test)]
#[path = "tests/stream.rs"]
mod stream;
#[cfg(test)]
mod telling_tests;
#[cfg(test)]
mod tests;

pub use assemble::Placed;
pub use detectors::Detector;
pub(crate) use detectors::personal_facts;
pub use engine::{Engine, Hooks};
pub use extract::{Context, Extractor, observe_batch};
pub use few::Few;
pub use finding::{Class, Finding, Severity};
pub use fingerprint::{Fingerprint, Key};
pub use observation::{Observation, TenantState};
pub use rules::{Directory, NoDirectory, Rules};
pub use settings::{
    Allowance, Approval, DetectorName, FindingsFile, Mapping, Settings, Suppression, WebhookFormat,
    WebhookSettings,
};
pub use shard::Shard;
