//! The signals of a leak, a file each.

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
mod shared_caches;
mod statements;
mod stuck;
mod token_mismatch;
mod trace_crossing;
mod volume;

use std::sync::Arc;

use crate::batch::TenantId;

use super::{DetectorName, Placed, Rules, Settings, findings::Findings, rules::nanos};

pub(crate) use personal::facts as personal_facts;

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
    /// Forgets a tenant whose data is destroyed, as far as [`Detector::save`] would name it.
    fn forget(&mut self, _tenant: TenantId) {}
}

/// A detector with nothing learned yet.
pub(super) fn make(name: DetectorName, settings: &Settings, rules: &Arc<Rules>) -> Box<dyn Detector> {
    let rules = Arc::clone(rules);
    let (entities, expiry) = (settings.entity_capacity, nanos(settings.object_expiry));
    match name {
        DetectorName::TokenTenantMismatch => Box::new(token_mismatch::TokenMismatch::new(rules)),
        DetectorName::TraceTenantCrossing => Box::new(trace_crossing::TraceCrossing::new(rules)),
        DetectorName::Credentials => Box::new(credentials::Credentials::new(rules, entities, expiry)),
        DetectorName::CrossTenantRead => {
            Box::new(ownership::Ownership::new(rules, settings.object_capacity, entities, expiry))
        }
        DetectorName::Statements => Box::new(statements::Statements::new(rules, entities, expiry)),
        DetectorName::Connections => Box::new(connections::Connections::new(rules, entities, expiry)),
        DetectorName::SharedCaches => Box::new(shared_caches::SharedCaches::new(rules, entities, expiry)),
        DetectorName::Caches => Box::new(caches::Caches::new(rules, entities, expiry)),
        DetectorName::Channels => Box::new(channels::Channels::new(rules, entities, expiry)),
        DetectorName::Jobs => Box::new(jobs::Jobs::new(rules, entities, expiry)),
        DetectorName::Routing => Box::new(routing::Routing::new(rules, entities, expiry)),
        DetectorName::Mentions => Box::new(naming::Naming::new(rules)),
        DetectorName::DeletedTenantActive => Box::new(lifecycle::Lifecycle::new(rules)),
        DetectorName::ResourceEnumeration => {
            Box::new(enumeration::Enumeration::new(rules, settings.object_capacity / 4, entities, expiry))
        }
        DetectorName::UnusualVolume => Box::new(volume::Volume::new(rules, entities, expiry)),
        DetectorName::NewTenantEdge => {
            Box::new(edges::Edges::new(rules, entities, expiry, nanos(settings.edge_learning)))
        }
        DetectorName::PiiSurge => Box::new(personal::Personal::new(entities, expiry)),
        DetectorName::TenantContextStuck => Box::new(stuck::Stuck::new(rules, entities, expiry)),
        DetectorName::HitRate => Box::new(hit_rate::HitRate::new(entities, expiry)),
    }
}
