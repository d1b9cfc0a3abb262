//! S9, S10: a cache hits far oftener after a deploy than before: its keys may have lost the tenant.
//!
//! The share of hits of one shape of keys (or one route of a shared HTTP cache) before and after a deploy of the
//! service is compared by the usual test of two proportions (pooled, normal approximation), and must have grown by a
//! quarter. Only looked at where the keys name no tenant after the deploy: more hits on one's own entries are good
//! news. A guess from numbers, so severity and confidence are low.
//!
//! State: 90 bytes a shape of keys and service. Blind: a leak that does not show in the share; a deploy of which
//! nothing is known; fewer than sixty look-ups after it.

use std::hash::BuildHasher;

use serde::{Deserialize, Serialize};

use crate::batch::TenantId;

use crate::detect::{
    Detector, DetectorName,
    assemble::Placed,
    baseline::HOUR,
    fact::{CacheUse, Event, Fact},
    few::Few,
    finding::{Class, Confidence, Severity},
    findings::{Candidate, Findings},
    state::Generations,
};

/// Look-ups before and after.
const SUPPORT: (u32, u32) = (100, 60);
/// By how much the share has grown.
const STEP: f64 = 0.25;
/// Standard errors.
const SIGMAS: f64 = 6.0;
/// What is after a deploy, in nanoseconds.
const AFTER: u64 = 2 * HOUR;
/// What was counted weighs half from here on.
const WINDOW: u32 = 4000;

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Count {
    hits: u32,
    all: u32,
}

impl Count {
    fn add(&mut self, hits: u32, all: u32) {
        (self.hits, self.all) = (self.hits + hits, self.all + all);
        if self.all > WINDOW {
            (self.hits, self.all) = (self.hits / 2, self.all / 2);
        }
    }

    fn share(self) -> f64 {
        f64::from(self.hits) / f64::from(self.all.max(1))
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Shape {
    before: Count,
    after: Count,
    /// Look-ups after the deploy whose key names a tenant.
    owned: u32,
    deployed: u64,
    #[serde(skip)]
    tenants: Few<TenantId, 3>,
}

impl Shape {
    fn jumped(&self) -> bool {
        let (before, after) = (self.before, self.after);
        if before.all < SUPPORT.0
            || after.all < SUPPORT.1
            || self.tenants.len() < 3
            || self.owned * 2 > after.all
        {
            return false;
        }
        let step = after.share() - before.share();
        let (n, m) = (f64::from(before.all), f64::from(after.all));
        let pooled = f64::from(before.hits + after.hits) / (n + m);
        let error = (pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m)).sqrt().max(1e-9);
        step >= STEP && step / error >= SIGMAS
    }
}

/// Shapes of keys, and deploys.
#[derive(Debug)]
pub struct HitRate {
    shapes: Generations<u64, Shape>,
    deployed: Generations<u64, u64>,
    hasher: foldhash::fast::FixedState,
    cold: u64,
}

impl HitRate {
    /// At most `capacity` shapes, each for `expiry` ns unused.
    pub fn new(capacity: usize, expiry: u64) -> Self {
        HitRate {
            shapes: Generations::new((capacity / 10).max(16), expiry),
            deployed: Generations::new((capacity / 100).max(16), expiry),
            hasher: foldhash::fast::FixedState::default(),
            cold: 0,
        }
    }
}

impl Detector for HitRate {
    fn name(&self) -> DetectorName {
        DetectorName::HitRate
    }

    fn observe(&mut self, Placed { o, .. }: &Placed, out: &mut Findings) {
        let service = self.hasher.hash_one(&*o.service);
        for fact in &o.facts {
            let (key, shown, hit, owned) = match fact {
                Fact::Event(Event::Deployed) => {
                    *self.deployed.entry(service, || 0) = o.time;
                    continue;
                }
                Fact::Cache { rest, shown, owner, shared: false, usage, .. } if *usage != CacheUse::Set => {
                    (rest.0, Some(shown), *usage == CacheUse::Hit, owner.is_some())
                }
                Fact::Edge { hit, .. } => match &o.route {
                    Some(route) => (route.id.0, None, *hit, false),
                    None => continue,
                },
                _ => continue,
            };
            let Some(tenant) = o.tenant else { continue };
            let deployed = self.deployed.get(service).map_or(0, |time| *time);
            let shape = self.shapes.entry(self.hasher.hash_one((service, key)), Shape::default);
            if shape.deployed != deployed {
                let after = std::mem::take(&mut shape.after);
                shape.before.add(after.hits, after.all);
                (shape.deployed, shape.owned, shape.tenants) = (deployed, 0, Few::default());
            }
            if deployed == 0 || o.time.saturating_sub(deployed) > AFTER {
                shape.before.add(u32::from(hit), 1);
                continue;
            }
            shape.after.add(u32::from(hit), 1);
            shape.owned += u32::from(owned);
            shape.tenants.add(tenant);
            self.cold += u64::from(shape.before.all < SUPPORT.0);
            if hit && shape.jumped() {
                let found = Candidate::new(o.evidence(), Class::CacheTenantLeak, Severity::Low, tenant, None);
                let found = found.confidence(Confidence::Low).thing(key);
                out.raise(match shown {
                    Some(shown) => found.statement(shown.clone()),
                    None => found,
                });
            }
        }
    }

    fn expire(&mut self, now: u64, _: &mut Findings) {
        self.shapes.expire(now);
        self.deployed.expire(now);
    }

    fn entries(&self) -> usize {
        self.shapes.len() + self.deployed.len()
    }

    fn take_evicted(&mut self) -> u64 {
        self.shapes.take_evicted() + self.deployed.take_evicted()
    }

    fn take_cold(&mut self) -> u64 {
        std::mem::take(&mut self.cold)
    }

    fn save(&self) -> Option<serde_json::Value> {
        Some(serde_json::json!({ "shapes": self.shapes.save(), "deployed": self.deployed.save() }))
    }

    fn load(&mut self, saved: &serde_json::Value) {
        self.shapes.load(&saved["shapes"]);
        self.deployed.load(&saved["deployed"]);
    }
}

#[cfg(test)]
#[path = "tests/hit_rate.rs"]
mod tests;
