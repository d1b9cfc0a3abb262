//! S3: one session, token or key under two tenants.
//!
//! Who belongs to several tenants has a token for each; a session that is used under two of them is either
//! mixed up or copied. If even the person is another one it is worse.

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

/// Sessions, tokens and keys by their fingerprints.
#[derive(Debug)]
pub struct Credentials {
    rules: Arc<Rules>,
    known: Generations<Fingerprint, Credential>,
}

impl Credentials {
    /// At most `capacity` of them, each for `expiry` ns unused.
    pub fn new(rules: Arc<Rules>, capacity: usize, expiry: u64) -> Self {
        Credentials { rules, known: Generations::new(capacity, expiry) }
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
            if o.excuses([tenant, owner]) {
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
    }

    fn entries(&self) -> usize {
        self.known.len()
    }

    fn take_evicted(&mut self) -> u64 {
        self.known.take_evicted()
    }
}
