//! S14: far more rows or bytes than a tenant usually takes.
//!
//! For each tenant, service and route (or job) the numbers of rows and of bytes have a robust level and spread in the
//! log domain with a factor for each hour of the day (Gelper, Fried and Croux 2010, see [`crate::detect::baseline`]); the same
//! for each route over all tenants. Told is what is six spreads and a factor of eight above the tenant's own, four
//! spreads and a factor of eight above the route's, and four times the most that this tenant took before, which fades.
//! A robust level, since one export of everything must not teach that such are usual; the last condition, since sizes
//! of answers have long tails. What grows slowly, as at the end of a month, is followed.
//!
//! State: 160 bytes a tenant and route, 145 a route. Blind: many answers of usual size; a tenant on a route that
//! nobody used before; the first twenty answers.

use std::{hash::BuildHasher, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::detect::{
    Detector, DetectorName,
    assemble::Placed,
    baseline::{Baseline, MINUTE, Warmth},
    fact::Fact,
    finding::{Class, Confidence, Severity},
    findings::{Candidate, Findings},
    observation::SpanKind,
    rules::Rules,
    state::Generations,
};

/// Fewer rows, or bytes, are never told.
const LEAST: (u64, u64) = (1000, 1 << 20);
/// Spreads and factor above the tenant's own.
const OWN: (f32, f64) = (6.0, 8.0);
/// Spreads and factor above the route's.
const ALL: (f32, f64) = (4.0, 8.0);
/// By this factor above the most that the tenant took before.
const MOST: f64 = 4.0;
/// From this factor on it is worth a ticket.
const MEDIUM: f64 = 64.0;
/// Answers that a level remembers.
const MEMORY: f32 = 60.0;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Own {
    usual: Baseline,
    most: f64,
}

/// Levels of tenants on routes, and of routes.
#[derive(Debug)]
pub struct Volume {
    rules: Arc<Rules>,
    own: Generations<u64, Own>,
    routes: Generations<u64, Baseline>,
    hasher: foldhash::fast::FixedState,
    cold: u64,
}

impl Volume {
    /// At most `capacity` tenants and routes, each for `expiry` ns unused.
    pub fn new(rules: Arc<Rules>, capacity: usize, expiry: u64) -> Self {
        Volume {
            rules,
            own: Generations::new(capacity, expiry.saturating_mul(7)),
            routes: Generations::new((capacity / 10).max(16), expiry.saturating_mul(7)),
            hasher: foldhash::fast::FixedState::default(),
            cold: 0,
        }
    }
}

impl Detector for Volume {
    fn name(&self) -> DetectorName {
        DetectorName::UnusualVolume
    }

    fn observe(&mut self, Placed { o, .. }: &Placed, out: &mut Findings) {
        let Some(tenant) = o.tenant.filter(|tenant| !self.rules.is_system(*tenant)) else { return };
        // What was asked of another service is counted there.
        if o.multi_tenant || o.kind == SpanKind::Client && o.route.is_some() {
            return;
        }
        let job = o
            .facts
            .iter()
            .find_map(|fact| if let Fact::Job { class, .. } = fact { Some(*class) } else { None });
        let route = o.route.as_ref().map(|route| route.id).or(job);
        for fact in &o.facts {
            let (n, least, bytes) = match fact {
                Fact::Rows(n) => (*n, LEAST.0, false),
                Fact::Bytes(n) => (*n, LEAST.1, true),
                _ => continue,
            };
            let x = n as f64;
            let key = self.hasher.hash_one((&*o.service, route, bytes));
            let all = self.routes.entry(key, || Baseline::new(o.time));
            let id = self.hasher.hash_one((key, tenant));
            let own = self.own.entry(id, || Own { usual: Baseline::new(o.time), most: 0.0 });
            let warm = |usual: &Baseline, need: u64| {
                let age = o.time.saturating_sub(usual.began());
                Warmth::of(u64::from(usual.seen()), need, age, 30 * MINUTE) == Warmth::Warm
            };
            let above = |usual: &Baseline, (spreads, factor): (f32, f64)| {
                usual.score(o.time, x) >= spreads && usual.factor(o.time, x) >= factor
            };
            if n >= least && x >= own.most * MOST && !o.excuses([tenant]) {
                if !warm(&own.usual, 20) || !warm(all, 50) {
                    self.cold += 1;
                } else if above(&own.usual, OWN) && above(all, ALL) {
                    let factor = own.usual.factor(o.time, x);
                    let severity = if factor >= MEDIUM { Severity::Medium } else { Severity::Low };
                    let sure = if factor >= MEDIUM { Confidence::Medium } else { Confidence::Low };
                    let found = Candidate::new(o.evidence(), Class::UnusualVolume, severity, tenant, None);
                    out.raise(found.confidence(sure).entity(id));
                }
            }
            own.most = (own.most * 0.99).max(x);
            own.usual.add(o.time, x, MEMORY);
            all.add(o.time, x, MEMORY * 4.0);
        }
    }

    fn expire(&mut self, now: u64, _: &mut Findings) {
        self.own.expire(now);
        self.routes.expire(now);
    }

    fn entries(&self) -> usize {
        self.own.len() + self.routes.len()
    }

    fn take_evicted(&mut self) -> u64 {
        self.own.take_evicted() + self.routes.take_evicted()
    }

    fn take_cold(&mut self) -> u64 {
        std::mem::take(&mut self.cold)
    }

    fn save(&self) -> Option<serde_json::Value> {
        Some(serde_json::json!({ "own": self.own.save(), "routes": self.routes.save() }))
    }

    fn load(&mut self, saved: &serde_json::Value) {
        self.own.load(&saved["own"]);
        self.routes.load(&saved["routes"]);
    }
}

#[cfg(test)]
#[path = "tests/volume.rs"]
mod tests;
