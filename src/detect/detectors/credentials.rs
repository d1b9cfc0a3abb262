//! S3: one session, token or key under two tenants.
//!
//! A session that is used under two tenants is either mixed up or copied; if even the person is another one it is
//! worse. Who belongs to several tenants shows that by sessions that began under each of them: such a person may
//! take one session from one to the other.

use std::sync::Arc;

use crate::batch::TenantId;

use crate::detect::{
    Detector, DetectorName,
    assemble::Placed,
    fact::Fact,
    few::Few,
    finding::{Class, Confidence, Severity},
    findings::{Candidate, Findings},
    fingerprint::Fingerprint,
    rules::Rules,
    state::Generations,
};

#[derive(Debug)]
struct Credential {
    tenants: Few<TenantId, 4>,
    principals: Few<Fingerprint, 3>,
}

/// Sessions that somebody must have begun under a tenant to belong to it.
const MEMBER: u8 = 2;

/// Sessions, tokens and keys by their fingerprints.
#[derive(Debug)]
pub struct Credentials {
    rules: Arc<Rules>,
    known: Generations<Fingerprint, Credential>,
    /// How many sessions somebody has begun under a tenant, [`MEMBER`] at most.
    begun: Generations<(Fingerprint, TenantId), u8>,
}

impl Credentials {
    /// At most `capacity` of them, each for `expiry` ns unused.
    pub fn new(rules: Arc<Rules>, capacity: usize, expiry: u64) -> Self {
        Credentials {
            rules,
            known: Generations::new(capacity, expiry),
            begun: Generations::new(capacity, expiry),
        }
    }

    /// Whether somebody belongs to all of these tenants, for all that was seen.
    fn belongs(&mut self, who: Option<Fingerprint>, tenants: [TenantId; 2]) -> bool {
        who.is_some_and(|who| {
            tenants.iter().all(|tenant| self.begun.get((who, *tenant)).is_some_and(|begun| *begun >= MEMBER))
        })
    }
}

impl Detector for Credentials {
    fn name(&self) -> DetectorName {
        DetectorName::Credentials
    }

    fn observe(&mut self, Placed { o, .. }: &Placed, out: &mut Findings) {
        let Some(tenant) = o.tenant.filter(|tenant| !self.rules.is_system(*tenant)) else { return };
        if o.multi_tenant || o.disputed() || o.denied() || o.status == 401 {
            return;
        }
        for fact in &o.facts {
            let (Fact::Session(id) | Fact::Credential(id)) = fact else { continue };
            let who = o.principals().next();
            if let (Some(who), None) = (who, self.known.peek(*id)) {
                let begun = self.begun.entry((who, tenant), || 0);
                *begun = (*begun + 1).min(MEMBER);
            }
            let known = self.known.entry(*id, || Credential {
                tenants: Some(tenant).into_iter().collect(),
                principals: who.into_iter().collect(),
            });
            let owner = known.tenants.first().filter(|owner| *owner != tenant);
            let new = !known.tenants.contains(tenant);
            let other_person = who.is_some_and(|who| !known.principals.contains(who));
            known.tenants.add(tenant);
            who.into_iter().for_each(|who| known.principals.add(who));
            let Some(owner) = owner else { continue };
            if o.excuses([tenant, owner]) || !other_person && self.belongs(who, [tenant, owner]) {
                continue;
            }
            let severity = if other_person || new { Severity::High } else { Severity::Medium };
            let class = Class::CredentialSharedAcrossTenants;
            let found = Candidate::new(o.evidence(), class, severity, tenant, Some(owner));
            out.raise(found.object(*id).confidence(Confidence::High).thing(id.0));
        }
    }

    fn expire(&mut self, now: u64, _: &mut Findings) {
        self.known.expire(now);
        self.begun.expire(now);
    }

    fn entries(&self) -> usize {
        self.known.len() + self.begun.len()
    }

    fn take_evicted(&mut self) -> u64 {
        self.known.take_evicted() + self.begun.take_evicted()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::stream::*;

    fn detector() -> Credentials {
        Credentials::new(rules(), 1000, DAY)
    }

    fn session(after: u64, of: u64, who: u64, session: u64) -> Placed {
        item(after * SECOND, of).on(1, 200).by(who).fact(Fact::Session(print(session)))
    }

    /// Scenario: somebody has begun sessions under A and under B, and takes one from A to B; the same with one session
    /// under B, or with none; another person goes on with it. Guarantee: quiet for who belongs to both, told for the rest.
    #[test]
    fn membership_is_learned_from_sessions_of_ones_own() {
        let begun = |under_b: u64| {
            let a = (0..3).map(|n| session(n, 1, 7, n));
            let b = (0..under_b).map(|n| session(10 + n, 2, 7, 10 + n));
            a.chain(b).collect::<Vec<_>>()
        };
        let moved = || session(60, 2, 7, 0);
        assert_eq!(told(&mut detector(), begun(2).into_iter().chain([moved()])), []);
        for under_b in [0, 1] {
            let found = told(&mut detector(), begun(under_b).into_iter().chain([moved()]));
            assert_eq!(found.len(), 1, "{under_b} sessions under B");
            assert_eq!((found[0].severity, found[0].tenant), (Severity::High, tenant(2)));
        }
        let other = session(60, 2, 8, 0);
        assert_eq!(told(&mut detector(), begun(2).into_iter().chain([other])).len(), 1);
    }
}
