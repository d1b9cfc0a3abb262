//! S20: a service is stuck on one tenant: what all tenants do counts as that one's.
//!
//! Two kinds of evidence. *Principals* (or sessions, or keys) whose home is known, and who were not seen under several
//! tenants in turns, now act under another tenant in one service: four of them from three homes within ten minutes are
//! told as high, where one that was seen at home only once counts half. *Shares*:
//! in windows of five minutes and a hundred items one tenant has most of a service's stream, four times its usual
//! share or more, while what comes of all others fell to half; three windows in a row are told as medium. The usual is
//! a robust level (Gelper, Fried and Croux 2010, see [`crate::detect::baseline`]), and a window that looks stuck teaches
//! nothing. A campaign of a large customer raises its share, but others' numbers do not fall, and the principals are
//! its own: where a service names principals, shares alone are not told.
//!
//! State: 30 bytes a principal, 20 a service and tenant (150 while others act under it), 210 a service. Blind: services
//! with less than a hundred items in half an hour and without principals; a service that is stuck from the start.

use std::{hash::BuildHasher, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::batch::TenantId;

use crate::detect::{
    Detector, DetectorName,
    assemble::Placed,
    baseline::{Distinct, Level, MINUTE},
    fact::Fact,
    few::Few,
    finding::{Class, Confidence, Severity},
    findings::{Candidate, Findings},
    fingerprint::Fingerprint,
    observation::Observation,
    rules::Rules,
    state::Generations,
};

/// Items of a principal under one tenant that make it its home for sure; fewer count half.
const HOME: u16 = 2;
/// Times that a principal goes over to another tenant before it is one of several.
const SWITCHES: u8 = 2;
/// Principals, homes and weight (2 for each whose home is sure) that prove it.
const PROOF: (u32, usize, u32) = (4, 3, 6);
/// How long they count together.
const TOGETHER: u64 = 10 * MINUTE;
/// A window of the shares, at least and at most; and its items.
const WINDOW: (u64, u64) = (5 * MINUTE, 30 * MINUTE);
const ITEMS: u32 = 100;
/// Windows before a service is known; in a row that make an incident; that look stuck before they are usual.
const KNOWN: u32 = 12;
const ROW: u8 = 3;
const LASTING: u8 = 48;
/// Tenants of a service that are counted in a window.
const TOP: usize = 6;
/// Windows that levels remember.
const MEMORY: f32 = 24.0;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Home {
    tenant: TenantId,
    seen: u16,
    away: bool,
    switches: u8,
}

/// Principals from elsewhere under one tenant in one service.
#[derive(Debug, Default)]
struct Visitors {
    began: u64,
    who: Distinct,
    weight: u32,
    homes: Few<TenantId, 4>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Service {
    /// Of this window.
    began: u64,
    items: u32,
    with_principal: u32,
    /// The most frequent tenants, by Misra and Gries (1982).
    top: [Option<(TenantId, u32)>; TOP],
    /// Items of all but the first tenant, a minute.
    others: Level,
    windows: u32,
    row: u8,
    suspect: Option<TenantId>,
}

impl Service {
    fn count(&mut self, tenant: TenantId) {
        let mut free = None;
        for slot in &mut self.top {
            match slot {
                Some((known, n)) if *known == tenant => return *n += 1,
                Some(_) => {}
                None => free = free.or(Some(slot)),
            }
        }
        match free {
            Some(slot) => *slot = Some((tenant, 1)),
            None => self.top.iter_mut().for_each(|slot| {
                *slot = slot.take().filter(|(_, n)| *n > 1).map(|(tenant, n)| (tenant, n - 1));
            }),
        }
    }

    fn first(&self) -> Option<(TenantId, u32)> {
        self.top.iter().flatten().max_by_key(|(_, n)| *n).copied()
    }

    fn next(&mut self, time: u64) {
        (self.began, self.items, self.with_principal, self.top) = (time, 0, 0, [None; TOP]);
    }
}

/// Who acts: the principals, or else the session or the key.
fn identity(o: &Observation) -> impl Iterator<Item = Fingerprint> + '_ {
    let other = |fact: &Fact| match fact {
        Fact::Session(id) | Fact::Credential(id) => Some(*id),
        _ => None,
    };
    let named = o.principals().next().is_some();
    o.principals().chain(o.facts.iter().filter(move |_| !named).find_map(other))
}

/// Homes, visitors, services and shares.
#[derive(Debug)]
pub struct Stuck {
    rules: Arc<Rules>,
    homes: Generations<Fingerprint, Home>,
    visitors: Generations<u64, Visitors>,
    services: Generations<u64, Service>,
    /// The share of a tenant in a service, in thousandths.
    shares: Generations<u64, Level>,
    hasher: foldhash::fast::FixedState,
    cold: u64,
}

impl Stuck {
    /// At most `capacity` principals, each for `expiry` ns unused.
    pub fn new(rules: Arc<Rules>, capacity: usize, expiry: u64) -> Self {
        let lasting = expiry.saturating_mul(7);
        Stuck {
            rules,
            homes: Generations::new(capacity, lasting),
            visitors: Generations::new((capacity / 10).max(16), TOGETHER * 2),
            services: Generations::new((capacity / 100).max(16), lasting),
            shares: Generations::new((capacity / 5).max(16), lasting),
            hasher: foldhash::fast::FixedState::default(),
            cold: 0,
        }
    }

    /// Whether so many principals of others act under this tenant that it cannot be theirs.
    fn visits(&mut self, o: &Observation, tenant: TenantId) -> bool {
        let mut proof = false;
        for who in identity(o) {
            let home = self.homes.entry(who, || Home { tenant, seen: 0, away: false, switches: 0 });
            if home.tenant == tenant {
                (home.seen, home.away) = (home.seen.saturating_add(1), false);
                continue;
            }
            if !home.away {
                (home.away, home.switches) = (true, home.switches.saturating_add(1));
            }
            let (from, sure) = (home.tenant, home.seen >= HOME);
            if home.switches > SWITCHES || o.excuses([tenant, from]) {
                continue;
            }
            if !sure {
                // It may be the other way round.
                (home.tenant, home.seen, home.away) = (tenant, 1, false);
                self.cold += 1;
            }
            let key = self.hasher.hash_one((&*o.service, tenant));
            let visitors = self.visitors.entry(key, Visitors::default);
            if o.time.saturating_sub(visitors.began) > TOGETHER {
                *visitors = Visitors { began: o.time, ..Visitors::default() };
            }
            if visitors.who.add(who.0) {
                visitors.weight += if sure { 2 } else { 1 };
            }
            visitors.homes.add(from);
            let enough = visitors.who.count() >= PROOF.0 && visitors.weight >= PROOF.2;
            proof |= enough && visitors.homes.len() >= PROOF.1;
        }
        proof
    }

    /// Whether the stream of the service says so by its numbers.
    fn shares(&mut self, o: &Observation, tenant: TenantId) -> Option<TenantId> {
        let id = self.hasher.hash_one(&*o.service);
        let service = self.services.entry(id, || Service { began: o.time, ..Service::default() });
        let age = o.time.saturating_sub(service.began);
        let mut stuck = None;
        if age > WINDOW.1 && service.items < ITEMS {
            service.row = 0;
            service.next(o.time);
        } else if age >= WINDOW.0 && service.items >= ITEMS {
            let (first, n) = service.first().unwrap_or((tenant, 0));
            let share = f64::from(n) / f64::from(service.items);
            let others = f64::from(service.items - n.min(service.items)) / (age as f64 / MINUTE as f64);
            let key = |tenant: TenantId| self.hasher.hash_one((id, tenant));
            let usual = self.shares.peek(key(first)).map_or(0.0, Level::usual) / 1000.0;
            let jumped = share >= 0.5 && share >= usual * 4.0 && others <= service.others.usual() * 0.5;
            if jumped && service.windows < KNOWN {
                self.cold += 1;
            }
            if jumped && service.windows >= KNOWN && service.row < LASTING {
                let again = service.suspect == Some(first);
                (service.row, service.suspect) = (if again { service.row + 1 } else { 1 }, Some(first));
                let named = service.with_principal * 10 >= service.items;
                stuck = (service.row >= ROW && !named).then_some(first);
            } else {
                (service.row, service.suspect) = (0, None);
                service.windows = service.windows.saturating_add(1);
                service.others.add(others, MEMORY);
                for (tenant, n) in service.top.into_iter().flatten() {
                    let share = f64::from(n) * 1000.0 / f64::from(service.items);
                    self.shares.entry(key(tenant), Level::default).add(share, MEMORY);
                }
            }
            service.next(o.time);
        }
        service.items += 1;
        service.with_principal += u32::from(o.principals().next().is_some());
        service.count(tenant);
        stuck
    }
}

impl Detector for Stuck {
    fn name(&self) -> DetectorName {
        DetectorName::TenantContextStuck
    }

    fn observe(&mut self, Placed { o, .. }: &Placed, out: &mut Findings) {
        let Some(tenant) = o.tenant.filter(|tenant| !self.rules.is_system(*tenant)) else { return };
        if o.multi_tenant || o.service.is_empty() {
            return;
        }
        let proof = self.visits(o, tenant).then_some((tenant, Severity::High, Confidence::High));
        let shares = self.shares(o, tenant).map(|tenant| (tenant, Severity::Medium, Confidence::Low));
        if let Some((tenant, severity, sure)) = proof.or(shares) {
            let entity = out.entity((&*o.service, tenant));
            let found = Candidate::new(o.evidence(), Class::TenantContextStuck, severity, tenant, None);
            // It is about the service, not about the trace in which it became sure.
            out.raise_apart(found.confidence(sure).thing(entity));
        }
    }

    fn expire(&mut self, now: u64, _: &mut Findings) {
        self.homes.expire(now);
        self.visitors.expire(now);
        self.services.expire(now);
        self.shares.expire(now);
    }

    fn entries(&self) -> usize {
        self.homes.len() + self.visitors.len() + self.services.len() + self.shares.len()
    }

    fn take_evicted(&mut self) -> u64 {
        let more = self.services.take_evicted() + self.shares.take_evicted();
        self.homes.take_evicted() + self.visitors.take_evicted() + more
    }

    fn take_cold(&mut self) -> u64 {
        std::mem::take(&mut self.cold)
    }

    fn save(&self) -> Option<serde_json::Value> {
        let (homes, services, shares) = (self.homes.save(), self.services.save(), self.shares.save());
        Some(serde_json::json!({ "homes": homes, "services": services, "shares": shares }))
    }

    fn load(&mut self, saved: &serde_json::Value) {
        self.homes.load(&saved["homes"]);
        self.services.load(&saved["services"]);
        self.shares.load(&saved["shares"]);
    }

    fn forget(&mut self, tenant: TenantId) {
        self.homes.retain(|_, home| home.tenant != tenant);
        self.services.retain(|_, service| {
            let named = |slot: &Option<(TenantId, u32)>| slot.is_some_and(|(known, _)| known == tenant);
            service.top.iter_mut().filter(|slot| named(slot)).for_each(|slot| *slot = None);
            service.suspect = service.suspect.filter(|suspect| *suspect != tenant);
            true
        });
    }
}

#[cfg(test)]
#[path = "tests/stuck.rs"]
mod tests;
