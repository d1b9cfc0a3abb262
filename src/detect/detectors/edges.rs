//! S18: a service carries work from one tenant to another that never did.
//!
//! Over messages alone: a call that waits for its answer may not cross tenants at all, and jobs have their own
//! detector. What is learned is a set (which pairs of tenants meet in a service) and a share (how much of a service's
//! messages cross); no statistics but these. A service that carries one message in fifty to another tenant, or between
//! five pairs of tenants, does so as a rule and is quiet. Nothing is told of a service before it was watched for the
//! learning time and carried thirty messages within a tenant.
//!
//! State: 105 bytes a service, 45 a pair. Blind: a service that is new itself; messages without a parent span.

use std::{hash::BuildHasher, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::batch::TenantId;

use crate::detect::{
    Detector, DetectorName,
    assemble::Placed,
    baseline::{Distinct, Warmth},
    fact::Fact,
    finding::{Class, Confidence, Severity},
    findings::{Candidate, Findings},
    rules::Rules,
    state::Generations,
};

/// Messages before a service is known.
const KNOWN: u64 = 30;
/// Of so many messages one that crosses makes it usual.
const USUAL: u64 = 50;
/// Pairs of tenants that meet in a service whose trade that is.
const PAIRS: u32 = 5;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Service {
    began: u64,
    messages: u64,
    crossing: u64,
    pairs: Distinct,
    /// When a crossing was told first; later pairs belong to that incident and teach nothing for a while.
    told: u64,
}

/// Services, and pairs of tenants in them.
#[derive(Debug)]
pub struct Edges {
    rules: Arc<Rules>,
    services: Generations<u64, Service>,
    pairs: Generations<(u64, TenantId, TenantId), u32>,
    hasher: foldhash::fast::FixedState,
    learning: u64,
    cold: u64,
}

impl Edges {
    /// At most `capacity` pairs, each for `expiry` ns unused; a service is watched for `learning` ns first.
    pub fn new(rules: Arc<Rules>, capacity: usize, expiry: u64, learning: u64) -> Self {
        Edges {
            rules,
            services: Generations::new(capacity.min(10_000), expiry.saturating_mul(7)),
            pairs: Generations::new(capacity, expiry.saturating_mul(7)),
            hasher: foldhash::fast::FixedState::default(),
            learning,
            cold: 0,
        }
    }
}

impl Detector for Edges {
    fn name(&self) -> DetectorName {
        DetectorName::NewTenantEdge
    }

    fn observe(&mut self, Placed { o, caller, .. }: &Placed, out: &mut Findings) {
        let (Some(caller), Some(own)) = (caller.filter(|caller| !caller.synchronous), o.own) else { return };
        if o.multi_tenant
            || o.service.is_empty()
            || o.facts.iter().any(|fact| matches!(fact, Fact::Job { .. }))
        {
            return;
        }
        let id = self.hasher.hash_one(&*o.service);
        let service = self.services.entry(id, || Service { began: o.time, ..Service::default() });
        service.messages = service.messages.saturating_add(1);
        let pair = (caller.tenant, own);
        let system = self.rules.is_system(own) || self.rules.is_system(caller.tenant);
        if own == caller.tenant || system || o.excuses([own, caller.tenant]) {
            return;
        }
        let times = self.pairs.entry((id, pair.0, pair.1), || 0);
        *times = times.saturating_add(1);
        let known = *times > 1 && service.told == 0;
        let age = o.time.saturating_sub(service.began);
        let warm = Warmth::of(
            service.messages - 1 - service.crossing.min(service.messages - 1),
            KNOWN,
            age,
            self.learning,
        );
        let usual = service.crossing * USUAL >= service.messages || service.pairs.count() >= PAIRS;
        if warm != Warmth::Warm {
            self.cold += 1;
        } else if !known && !usual {
            service.told = o.time;
            let sure = if *times > 2 { Confidence::Medium } else { Confidence::Low };
            let found =
                Candidate::new(o.evidence(), Class::NewTenantEdge, Severity::Low, own, Some(caller.tenant));
            out.raise(found.confidence(sure).entity(id));
        }
        service.crossing += 1;
        service.pairs.add(self.hasher.hash_one(pair));
    }

    fn expire(&mut self, now: u64, _: &mut Findings) {
        self.services.expire(now);
        self.pairs.expire(now);
    }

    fn entries(&self) -> usize {
        self.services.len() + self.pairs.len()
    }

    fn take_evicted(&mut self) -> u64 {
        self.services.take_evicted() + self.pairs.take_evicted()
    }

    fn take_cold(&mut self) -> u64 {
        std::mem::take(&mut self.cold)
    }

    fn save(&self) -> Option<serde_json::Value> {
        Some(serde_json::json!({ "services": self.services.save(), "pairs": self.pairs.save() }))
    }

    fn load(&mut self, saved: &serde_json::Value) {
        self.services.load(&saved["services"]);
        self.pairs.load(&saved["pairs"]);
    }

    fn forget(&mut self, tenant: TenantId) {
        self.pairs.retain(|(_, from, to), _| *from != tenant && *to != tenant);
    }
}

#[cfg(test)]
#[path = "tests/edges.rs"]
mod tests;
