//! S11: a cache gives one tenant what another one put there.
//!
//! A key that names a tenant is that one's. A key that names none is everybody's, unless keys of the same
//! shape usually do name one, or its entry was put there for one tenant and is given to another.

use std::sync::Arc;

use crate::batch::TenantId;

use crate::detect::{
    Detector, DetectorName,
    assemble::Placed,
    fact::{CacheUse, Fact},
    few::Few,
    finding::{Class, Confidence, Severity},
    findings::{Candidate, Findings},
    fingerprint::Fingerprint,
    rules::Rules,
    state::Generations,
};

/// Tenants that use a key without a tenant before it counts as everybody's.
const EVERYBODY: usize = 6;

#[derive(Debug, Default)]
struct Shape {
    /// Tenants that had it with their own name in it.
    owners: Few<TenantId, 3>,
}

#[derive(Debug)]
struct Entry {
    setter: TenantId,
    users: Few<TenantId, EVERYBODY>,
}

/// Entries by their keys, and shapes of keys.
#[derive(Debug)]
pub struct Caches {
    rules: Arc<Rules>,
    shapes: Generations<Fingerprint, Shape>,
    entries: Generations<Fingerprint, Entry>,
}

impl Caches {
    /// At most `capacity` entries, each for `expiry` ns unused.
    pub fn new(rules: Arc<Rules>, capacity: usize, expiry: u64) -> Self {
        let shapes = Generations::new((capacity / 8).max(16), expiry);
        Caches { rules, shapes, entries: Generations::new(capacity, expiry) }
    }
}

impl Detector for Caches {
    fn name(&self) -> DetectorName {
        DetectorName::Caches
    }

    fn observe(&mut self, Placed { o, .. }: &Placed, out: &mut Findings) {
        let Some(tenant) = o.tenant.filter(|tenant| !self.rules.is_system(*tenant)) else { return };
        if o.multi_tenant {
            return;
        }
        for fact in &o.facts {
            let Fact::Cache { key, rest, shown, owner, shared: false, usage } = fact else { continue };
            let (other, severity, sure) = if let Some(owner) = *owner {
                self.shapes.entry(*rest, Shape::default).owners.add(owner);
                if owner == tenant || *usage == CacheUse::Miss {
                    continue;
                }
                (owner, Severity::Critical, Confidence::Certain)
            } else {
                let usually_owned = self.shapes.peek(*rest).is_some_and(|shape| shape.owners.len() >= 2);
                if *usage == CacheUse::Miss {
                    continue;
                }
                let users = || Some(tenant).into_iter().collect();
                let entry = self.entries.entry(*key, || Entry { setter: tenant, users: users() });
                if *usage == CacheUse::Set {
                    entry.setter = tenant;
                }
                entry.users.add(tenant);
                let everybodys = !usually_owned && entry.users.len() >= EVERYBODY;
                if entry.setter == tenant || everybodys {
                    continue;
                }
                let severity = if usually_owned { Severity::Critical } else { Severity::High };
                let sure = if usually_owned { Confidence::Certain } else { Confidence::Medium };
                (entry.setter, severity, sure)
            };
            if !o.excuses([tenant, other]) {
                let found =
                    Candidate::new(o.evidence(), Class::CacheTenantLeak, severity, tenant, Some(other));
                out.raise(found.statement(Arc::clone(shown)).confidence(sure).thing(rest.0));
            }
        }
    }

    fn expire(&mut self, now: u64, _: &mut Findings) {
        self.shapes.expire(now);
        self.entries.expire(now);
    }

    fn entries(&self) -> usize {
        self.shapes.len() + self.entries.len()
    }

    fn take_evicted(&mut self) -> u64 {
        self.shapes.take_evicted() + self.entries.take_evicted()
    }
}
