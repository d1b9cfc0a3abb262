//! S5: somebody asks for one object after the other.
//!
//! For each principal (or session, or without both the tenant) and route: the longest run of numbers in a row, in any
//! order; and in windows of ten minutes how many different ids were refused, by linear counting (Whang et al. 1990),
//! against what is usual for that route (a robust level, see [`crate::detect::baseline`]) and for that principal before.
//!
//! An id that cannot be guessed says little when it is not there: a client that syncs what it deleted asks for forty
//! of them. One that is somebody else's, or refused with 403, says much: ids that some tenant was given with 2xx are
//! remembered. A tenant's own are not counted. Of ids that nobody was known to have it takes fewer where all that the
//! principal asked for on the route was not there.
//!
//! Runs of numbers that were given (2xx) are told only where they are taken faster than a person reads, and not where
//! several principals, or one on several days, walk like that: that is paging, or an export. On a route that is not
//! known yet they must be long, and of numbers larger than a tenant's own often are. Runs that are refused are told at
//! once.
//!
//! State: 240 bytes a principal and route, 160 a route, 25 an id. Blind: numbers at random that are given; a run with
//! more than ten minutes between its steps; a walk spread over many principals of several tenants.

use std::{hash::BuildHasher, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::batch::TenantId;

use crate::detect::{
    Detector, DetectorName,
    assemble::Placed,
    baseline::{Distinct, HOUR, Level, MINUTE, Warmth},
    fact::{Access, Fact},
    finding::{Class, Confidence, Severity},
    findings::{Candidate, Findings},
    fingerprint::Fingerprint,
    observation::Observation,
    rules::Rules,
    state::Generations,
};

/// How long ids are counted together, and how long a run may rest.
const WINDOW: u64 = 10 * MINUTE;
/// Numbers in a row that make a run; of a whole tenant's principals together, all refused.
const RUN: (u32, u32) = (12, 24);
/// Numbers of a run lie this far apart at most, on average; refused ones.
const APART: (u64, u64) = (2, 4);
/// Other tenants' or forbidden ids in a window that make an incident, at least.
const FOREIGN: u32 = 12;
/// Numbers that are not there.
const MISSING_NUMBERS: u32 = 25;
/// Ids that cannot be guessed and that nobody was known to have; by somebody who was given nothing on the route.
const MISSING: (u32, u32) = (150, 50);
/// Numbers in a row that were given, on a route of which little is known or at a reader's pace.
const GIVEN: u32 = 30;
/// How long a number of a given run takes at most, on average; of a long one.
const PACE: (u64, u64) = (MINUTE / 6, MINUTE / 3);
/// Numbers below this are often a tenant's own, or pages.
const OWN: u64 = 1000;
/// By this factor above what is usual.
const ABOVE: f64 = 6.0;
/// Principals (each day anew) that walk a route before that is how it is used.
const WALKERS: u32 = 3;

/// A run of numbers: which of the 128 below the highest were asked for.
#[derive(Debug, Clone, Copy, Default)]
struct Run {
    low: u64,
    high: u64,
    bits: u128,
    count: u32,
    refused: u32,
    began: u64,
    last: u64,
}

impl Run {
    fn add(&mut self, time: u64, number: u64, refused: bool) {
        const NEAR: u64 = 12;
        let near = number >= self.low.saturating_sub(NEAR) && number <= self.high.saturating_add(NEAR);
        if self.count == 0 || !near || time.saturating_sub(self.last) > WINDOW {
            *self = Run { low: number, high: number, bits: 0, count: 0, refused: 0, began: time, last: time };
        }
        self.last = time;
        if number > self.high {
            let shift = number - self.high;
            self.bits = if shift < 128 { self.bits << shift } else { 0 };
            self.high = number;
        }
        let place = self.high - number;
        let new = place >= 128 && number < self.low || place < 128 && self.bits >> place & 1 == 0;
        if place < 128 {
            self.bits |= 1 << place;
        }
        self.low = self.low.min(number);
        if new {
            self.count += 1;
            self.refused += u32::from(refused);
        }
    }

    /// Whether a number took no longer than `pace` on average.
    fn is_quick(&self, pace: u64) -> bool {
        self.last.saturating_sub(self.began) <= pace.saturating_mul(u64::from(self.count))
    }

    fn is_long(&self, least: u32) -> bool {
        let mostly_refused = self.refused * 2 >= self.count;
        let apart = if mostly_refused { APART.1 } else { APART.0 };
        self.count >= least && self.high - self.low < u64::from(self.count) * apart
    }
}

/// What one principal asked for on one route.
#[derive(Debug, Clone)]
struct Walk {
    began: u64,
    asked: u32,
    refused: u32,
    run: Run,
    /// Refused ids that are others', or forbidden.
    foreign: Distinct,
    /// Refused ids of which nothing is known, and numbers.
    missing: Distinct,
    numbers: u32,
    /// The most refused ids of a window before, fading.
    usual: u32,
    /// This run was counted as one of the route's.
    walked: bool,
    /// It was given something there before.
    given: bool,
}

impl Walk {
    fn new(began: u64) -> Self {
        let (foreign, missing) = (Distinct::default(), Distinct::default());
        Walk {
            began,
            asked: 0,
            refused: 0,
            run: Run::default(),
            foreign,
            missing,
            numbers: 0,
            usual: 0,
            walked: false,
            given: false,
        }
    }

    fn refused_ids(&self) -> u32 {
        self.foreign.count().max(self.missing.count())
    }
}

/// How a route is used.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Usage {
    began: u64,
    asked: u32,
    /// Refused ids of one principal in one window.
    refused: Level,
    who: Distinct,
    /// Principals that asked for numbers in a row.
    walkers: Distinct,
}

/// Walks, routes and whose ids are.
#[derive(Debug)]
pub struct Enumeration {
    rules: Arc<Rules>,
    walks: Generations<(u64, Fingerprint), Walk>,
    routes: Generations<Fingerprint, Usage>,
    given: Generations<Fingerprint, TenantId>,
    hasher: foldhash::fast::FixedState,
    cold: u64,
}

impl Enumeration {
    /// At most `objects` ids, and `capacity` walks, each for `expiry` ns unused.
    pub fn new(rules: Arc<Rules>, objects: usize, capacity: usize, expiry: u64) -> Self {
        Enumeration {
            rules,
            walks: Generations::new((capacity / 2).max(16), WINDOW * 3),
            routes: Generations::new((capacity / 20).max(16), expiry),
            given: Generations::new(objects, expiry),
            hasher: foldhash::fast::FixedState::default(),
            cold: 0,
        }
    }

    fn who(&self, o: &Observation) -> Option<u64> {
        let session =
            || o.facts.iter().find_map(|fact| if let Fact::Session(id) = fact { Some(*id) } else { None });
        let who = o.principals().next().or_else(session).map(|who| who.0);
        who.or_else(|| o.tenant.map(|tenant| self.hasher.hash_one(tenant)))
    }

    /// What `who` makes of it. Gives a severity and how sure, if it is an incident.
    fn walk(
        &mut self,
        o: &Observation,
        route: Fingerprint,
        who: u64,
        alone: bool,
    ) -> Option<(Severity, Confidence)> {
        let refused = o.denied();
        let usage = self.routes.entry(route, || Usage { began: o.time, ..Usage::default() });
        let walk = self.walks.entry((who, route), || Walk::new(o.time));
        if o.time.saturating_sub(walk.began) > WINDOW {
            let ids = walk.refused_ids();
            if ids > 0 {
                usage.refused.add(f64::from(ids), 100.0);
            }
            let usual = ids.max(walk.usual - walk.usual / 4);
            let (run, walked) = (walk.run, walk.walked && o.time.saturating_sub(walk.run.last) <= WINDOW);
            *walk = Walk { run, walked, usual, given: walk.given, ..Walk::new(o.time) };
        }
        if alone {
            usage.asked = usage.asked.saturating_add(1);
            usage.who.add(who);
        }
        walk.asked += 1;
        walk.refused += u32::from(refused);
        walk.given |= o.succeeded();
        for fact in &o.facts {
            match fact {
                Fact::Number(number) if alone || refused => {
                    walk.run.add(o.time, *number, refused);
                    if refused && walk.missing.add(self.hasher.hash_one(number)) {
                        walk.numbers += 1;
                    }
                }
                Fact::Object { id, access: Access::Asked } if refused => {
                    let owner = self.given.peek(*id);
                    if owner.is_none_or(|owner| Some(*owner) != o.tenant) {
                        let says_much = owner.is_some() || o.status == 403;
                        if says_much { &mut walk.foreign } else { &mut walk.missing }.add(id.0);
                    }
                }
                _ => {}
            }
        }
        if walk.run.is_long(if alone { RUN.0 } else { RUN.1 }) {
            if walk.run.refused * 2 >= walk.run.count {
                return Some((Severity::Medium, Confidence::High));
            }
            if alone && !walk.walked {
                walk.walked = true;
                usage.walkers.add(self.hasher.hash_one((who, o.time / (24 * HOUR))));
            }
            let age = o.time.saturating_sub(usage.began);
            let warm = Warmth::of(u64::from(usage.asked), 100, age, 3 * WINDOW) == Warmth::Warm
                && usage.who.count() >= 5;
            self.cold += u64::from(!warm);
            if alone && usage.walkers.count() < WALKERS {
                if warm && walk.run.is_quick(PACE.0) {
                    return Some((Severity::Medium, Confidence::Medium));
                }
                let others = warm || walk.run.low >= OWN;
                if others && walk.run.is_long(GIVEN) && walk.run.is_quick(PACE.1) {
                    return Some((Severity::Low, Confidence::Low));
                }
            }
        }
        if !refused || walk.refused * 2 < walk.asked || !alone {
            return None;
        }
        let usual =
            f64::from(walk.usual).max(if usage.refused.seen() >= 8 { usage.refused.usual() } else { 1.0 });
        let above = |count: u32| f64::from(count) >= usual * ABOVE;
        let (foreign, missing) = (walk.foreign.count(), walk.missing.count());
        if foreign >= FOREIGN && above(foreign) {
            return Some((Severity::Medium, Confidence::High));
        }
        if walk.numbers >= MISSING_NUMBERS && above(walk.numbers) {
            return Some((Severity::Medium, Confidence::Medium));
        }
        let nearly_all = walk.refused * 10 >= walk.asked * 9;
        let least = if walk.given { MISSING.0 } else { MISSING.1 };
        (missing >= least && above(missing) && nearly_all).then_some((Severity::Low, Confidence::Low))
    }
}

impl Detector for Enumeration {
    fn name(&self) -> DetectorName {
        DetectorName::ResourceEnumeration
    }

    fn observe(&mut self, Placed { o, .. }: &Placed, out: &mut Findings) {
        let (Some(route), Some(tenant)) = (o.route.as_ref().map(|route| route.id), o.tenant) else { return };
        let asks = |fact: &Fact| matches!(fact, Fact::Object { access: Access::Asked, .. } | Fact::Number(_));
        if o.status == 0 || !o.facts.iter().any(asks) {
            return;
        }
        if o.succeeded() {
            for fact in &o.facts {
                if let Fact::Object { id, access: Access::Asked } = fact {
                    self.given.entry(*id, || tenant);
                }
            }
        }
        if o.multi_tenant || o.public || o.excuse.is_some() || self.rules.is_system(tenant) {
            return;
        }
        let Some(who) = self.who(o) else { return };
        let whole = self.hasher.hash_one((tenant, "all"));
        let mut found = self.walk(o, route, who, true).map(|found| (who, found));
        if found.is_none() && o.denied() && o.facts.iter().any(|fact| matches!(fact, Fact::Number(_))) {
            found = self.walk(o, route, whole, false).map(|found| (whole, found));
        }
        if let Some((who, (severity, sure))) = found {
            let entity = out.entity((who, route.0));
            let found = Candidate::new(o.evidence(), Class::ResourceEnumeration, severity, tenant, None);
            // It is about the principal, not about the trace in which it became sure.
            out.raise_apart(found.confidence(sure).thing(entity));
        }
    }

    fn expire(&mut self, now: u64, _: &mut Findings) {
        self.walks.expire(now);
        self.routes.expire(now);
        self.given.expire(now);
    }

    fn entries(&self) -> usize {
        self.walks.len() + self.routes.len() + self.given.len()
    }

    fn take_evicted(&mut self) -> u64 {
        self.walks.take_evicted() + self.routes.take_evicted() + self.given.take_evicted()
    }

    fn take_cold(&mut self) -> u64 {
        std::mem::take(&mut self.cold)
    }

    fn save(&self) -> Option<serde_json::Value> {
        Some(self.routes.save())
    }

    fn load(&mut self, saved: &serde_json::Value) {
        self.routes.load(saved);
    }
}

#[cfg(test)]
#[path = "tests/enumeration.rs"]
mod tests;
