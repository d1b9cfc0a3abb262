//! S19: a field that was clean starts to carry personal data.
//!
//! The scrubber says in which field (service and key) it found a person's data, and how many texts of that field were
//! clean before. A Bernoulli CUSUM (Page 1954; Reynolds and Stoumbos 1999) sums up the evidence that the field's share
//! has grown from what was learned of it; what was learned counts with its upper confidence limit, so that a field of
//! which little is known needs more. That, at least eight records, and a deploy of the service in the hours before is
//! told with high confidence; without a deploy it takes more of everything. A CUSUM, since the change is a step in a
//! share whose size nobody knows beforehand, and it finds when that began.
//!
//! People's sentences have no pattern: five different ones after a deploy, in a field that had one at most before.
//!
//! A field that carried personal data when it was first seen is learned as such, unless it came with a deploy of a
//! service that is known. Evidence from ten minutes or more before a deploy says nothing of that deploy: it is usual.
//!
//! Fields of one service in which it begins within ten minutes are one incident, under the first one's name.
//!
//! State: 245 bytes a field in which there was ever a find, 50 a service. Blind: a field of which fewer than
//! eight texts were seen before; a share that grows to less than one in fifty or so; a share that grows over weeks; names alone; sentences in a field that is looked at by
//! sample; after a restart what was clean before it, for fields without any find.

use std::hash::BuildHasher;

use serde::{Deserialize, Serialize};

use crate::detect::{
    Detector, DetectorName,
    assemble::Placed,
    baseline::{Cusum, HOUR, MINUTE, Warmth},
    fact::{Event, Fact},
    few::Few,
    finding::{Class, Confidence, Severity, plain_name},
    findings::{Candidate, Findings},
    observation::Observation,
    state::Generations,
};
use crate::{
    batch::{Signal, TenantId},
    scrub::FieldSeen,
};

/// Records with personal data that make an incident, at least; without a deploy.
const SUPPORT: (u32, u32) = (8, 20);
/// Evidence that makes one; without a deploy.
const EVIDENCE: (f32, f32) = (9.0, 14.0);
/// The smallest share that is looked for.
const SHARE: f64 = 0.1;
/// What begins so long before a deploy was told of may have come with it.
const BEFORE: u64 = 10 * MINUTE;
/// Texts of a field before its share is known at all; without a deploy.
const KNOWN: (u32, u32) = (8, 200);
/// A deploy explains what comes this long after it.
const AFTER: u64 = 6 * HOUR;
/// Different sentences that make an incident.
const SENTENCES: usize = 5;
/// Different values that make one: one odd value over and over is none.
const VALUES: usize = 5;
/// A field of which so much is personal is known to be so.
const ALWAYS: f64 = 0.4;
/// What was counted weighs half from here on.
const WINDOW: u32 = 50_000;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Service {
    began: u64,
    seen: u32,
    deployed: u64,
    /// The field that was told of last, and when.
    #[serde(skip)]
    told: (u64, u64),
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Field {
    began: u64,
    clean: u32,
    /// Finds that are part of what is usual.
    found: u32,
    cusum: Cusum,
    /// When the evidence began to grow.
    #[serde(default)]
    since: u64,
    /// Different values since the evidence was nothing.
    #[serde(skip)]
    values: Few<u32, VALUES>,
    /// Finds while nothing was known of the field.
    cold: u32,
    #[serde(skip)]
    tenants: Few<TenantId, 2>,
    /// Sentences before the last deploy.
    #[serde(skip)]
    before: Few<u32, 4>,
    /// Different sentences since then, and how many there were.
    #[serde(skip)]
    after: Few<u32, 8>,
    said: u32,
    /// The deploy that they came after.
    deployed: u64,
    /// The field by which its incident goes; 0 for none.
    incident: u64,
}

/// Fields and services.
#[derive(Debug)]
pub struct Personal {
    services: Generations<u64, Service>,
    fields: Generations<u64, Field>,
    hasher: foldhash::fast::FixedState,
    cold: u64,
}

impl Personal {
    /// At most `capacity` fields, each for `expiry` ns without a find.
    pub fn new(capacity: usize, expiry: u64) -> Self {
        Personal {
            services: Generations::new(capacity.min(10_000), expiry),
            fields: Generations::new(capacity.min(20_000), expiry.saturating_mul(7)),
            hasher: foldhash::fast::FixedState::default(),
            cold: 0,
        }
    }
}

impl Field {
    /// Whether nothing is known of its share.
    fn is_cold(&self) -> bool {
        self.clean + self.found < KNOWN.0
    }

    /// The share that is usual, at most.
    fn usual(&self) -> f64 {
        let all = f64::from(self.clean) + f64::from(self.found) + 1.0;
        let share = (f64::from(self.found) + 0.5) / all;
        share + 2.0 * (share * (1.0 - share) / all).max(0.0).sqrt()
    }

    /// Takes `clean` texts and then `found` records into account.
    fn add(&mut self, time: u64, clean: u32, found: u32, values: impl Iterator<Item = u32>) {
        if self.began == 0 {
            self.began = time;
        }
        self.clean = self.clean.saturating_add(clean);
        let usual = self.usual();
        if self.is_cold() {
            self.cold = self.cold.saturating_add(found);
        } else if usual >= ALWAYS {
            self.found = self.found.saturating_add(found);
            self.cusum = Cusum::default();
        } else {
            let hits = self.cusum.hits();
            self.cusum.add(clean, found, usual, (4.0 * usual).clamp(SHARE, 0.9));
            // What came to nothing was usual.
            let over = (hits + found).saturating_sub(self.cusum.hits());
            self.found = self.found.saturating_add(over);
            if self.cusum.hits() == found {
                (self.values, self.since) = (Few::default(), time);
            }
        }
        values.for_each(|value| self.values.add(value));
        if self.clean.saturating_add(self.found) > WINDOW {
            (self.clean, self.found) = (self.clean / 2, self.found / 2);
        }
    }

    /// After a deploy of the service that was at `deployed`, what was there before it is usual.
    fn deploy(&mut self, deployed: u64) {
        if self.deployed == deployed {
            return;
        }
        self.after.iter().for_each(|order| self.before.add(order));
        (self.after, self.said, self.deployed) = (Few::default(), 0, deployed);
        if self.cusum.hits() > 0 && self.since.saturating_add(BEFORE) < deployed {
            self.found = self.found.saturating_add(self.cusum.hits());
            (self.cusum, self.values) = (Cusum::default(), Few::default());
        }
    }

    /// Takes sentences into account.
    fn say(&mut self, orders: impl Iterator<Item = u32>) {
        for order in orders.filter(|order| !self.before.contains(*order)) {
            self.after.add(order);
            self.said = self.said.saturating_add(1);
        }
    }

    /// Whether it is an incident, and how sure; nothing while it cannot be known.
    fn judge(&mut self, service: &Service, time: u64, found: u32) -> Result<Option<Confidence>, ()> {
        let deployed = service.deployed != 0 && time.saturating_sub(service.deployed) <= AFTER;
        let age = service.deployed.saturating_sub(service.began);
        let known = Warmth::of(u64::from(service.seen), 200, age, 20 * MINUTE) == Warmth::Warm;
        if deployed
            && self.said >= SUPPORT.0
            && self.after.len() >= SENTENCES
            && self.before.len() <= 1
            && known
        {
            return Ok(Some(Confidence::High));
        }
        if self.is_cold() {
            // All of it would be learned as usual; but it came with a deploy.
            let new = deployed && known && self.began >= service.deployed;
            if new {
                return if self.cold >= SUPPORT.0 && self.values.len() >= VALUES {
                    Ok(Some(Confidence::Medium))
                } else {
                    Err(())
                };
            }
            (self.found, self.cold, self.values) = (self.found.saturating_add(self.cold), 0, Few::default());
            return if found > 0 { Err(()) } else { Ok(None) };
        }
        let (sum, hits) = (self.cusum.sum(), self.cusum.hits());
        if self.values.len() < VALUES {
            return Ok(None);
        }
        if deployed && hits >= SUPPORT.0 && sum >= EVIDENCE.0 {
            return Ok(Some(Confidence::High));
        }
        if self.clean + self.found < KNOWN.1 {
            return if found > 0 { Err(()) } else { Ok(None) };
        }
        Ok((hits >= SUPPORT.1 && sum >= EVIDENCE.1).then_some(Confidence::Medium))
    }
}

impl Detector for Personal {
    fn name(&self) -> DetectorName {
        DetectorName::PiiSurge
    }

    fn observe(&mut self, Placed { o, .. }: &Placed, out: &mut Findings) {
        if o.service.is_empty() {
            return;
        }
        let service = self.services.entry(self.hasher.hash_one(&*o.service), Service::default);
        if service.began == 0 {
            service.began = o.time;
        }
        service.seen = service.seen.saturating_add(1);
        if o.facts.iter().any(|fact| matches!(fact, Fact::Event(Event::Deployed))) {
            service.deployed = o.time;
        }
        for fact in &o.facts {
            let Fact::Personal { field: name, clean, found, values, sentences } = fact else { continue };
            let id = self.hasher.hash_one((&*o.service, &**name));
            let field = self.fields.entry(id, Field::default);
            field.deploy(service.deployed);
            field.add(o.time, *clean, *found, values.iter().copied().filter(|value| *value != 0));
            field.say(sentences.iter().copied().filter(|order| *order != 0));
            if let Some(tenant) = o.tenant {
                field.tenants.add(tenant);
            }
            match field.judge(service, o.time, *found) {
                Err(()) => self.cold += 1,
                Ok(None) => {}
                Ok(Some(sure)) => {
                    let one = field.tenants.first().filter(|_| field.tenants.len() == 1);
                    let tenant = one.unwrap_or(TenantId::NONE);
                    if field.incident == 0 {
                        // What stands in two fields of one record is one leak.
                        let (other, at) = service.told;
                        let same = other != 0 && o.time.saturating_sub(at) <= 10 * MINUTE;
                        field.incident = if same { other } else { id };
                    }
                    service.told = (field.incident, o.time);
                    let found = Candidate::new(o.evidence(), Class::PiiSurge, Severity::High, tenant, None);
                    out.raise_apart(found.field(name).confidence(sure).thing(field.incident));
                }
            }
        }
    }

    fn expire(&mut self, now: u64, _: &mut Findings) {
        self.services.expire(now);
        self.fields.expire(now);
    }

    fn entries(&self) -> usize {
        self.services.len() + self.fields.len()
    }

    fn take_evicted(&mut self) -> u64 {
        self.services.take_evicted() + self.fields.take_evicted()
    }

    fn take_cold(&mut self) -> u64 {
        std::mem::take(&mut self.cold)
    }

    fn save(&self) -> Option<serde_json::Value> {
        Some(serde_json::json!({ "services": self.services.save(), "fields": self.fields.save() }))
    }

    fn load(&mut self, saved: &serde_json::Value) {
        self.services.load(&saved["services"]);
        self.fields.load(&saved["fields"]);
    }
}

/// What the scrubber saw in fields of a tenant's batch, as observations; `at` is when the gate took it.
pub(crate) fn facts(
    seen: &mut Vec<FieldSeen>,
    signal: Signal,
    tenant: impl Into<Option<TenantId>>,
    at: u64,
) -> Vec<Observation> {
    let tenant = tenant.into().filter(|tenant| *tenant != TenantId::NONE);
    let observation = |seen: FieldSeen| {
        let mut o = Observation::new(at, signal);
        (o.tenant, o.trace) = (tenant, seen.trace);
        o.service = plain_name(&seen.service).into();
        let field = plain_name(&seen.field).into();
        let FieldSeen { clean, found, values, sentences, .. } = seen;
        o.facts.push(Fact::Personal { field, clean, found, values, sentences });
        o
    };
    seen.drain(..).map(observation).collect()
}

#[cfg(test)]
#[path = "tests/personal.rs"]
mod tests;
