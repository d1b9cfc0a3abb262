//! S9, S10: a shared HTTP cache answers one tenant with what it kept for another, or one body goes to two.
//!
//! What many tenants are given is an asset and everybody's.

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
    observation::Method,
    rules::Rules,
    state::Generations,
};

/// Tenants that are given the same before it counts as everybody's.
const EVERYBODY: usize = 3;

#[derive(Debug)]
struct Answer {
    tenants: Few<TenantId, EVERYBODY>,
    /// The route that a hash was seen on.
    route: Option<Fingerprint>,
    public: bool,
}

/// Answers by URL and by hash.
#[derive(Debug)]
pub struct SharedCaches {
    rules: Arc<Rules>,
    answers: Generations<Fingerprint, Answer>,
}

impl SharedCaches {
    /// At most `capacity` answers, each for `expiry` ns unused.
    pub fn new(rules: Arc<Rules>, capacity: usize, expiry: u64) -> Self {
        SharedCaches { rules, answers: Generations::new(capacity, expiry) }
    }
}

impl Detector for SharedCaches {
    fn name(&self) -> DetectorName {
        DetectorName::SharedCaches
    }

    fn observe(&mut self, Placed { o, .. }: &Placed, out: &mut Findings) {
        let Some(tenant) = o.tenant.filter(|tenant| !self.rules.is_system(*tenant)) else { return };
        if o.multi_tenant || o.method == Method::Write || !(o.status == 0 || o.succeeded()) {
            return;
        }
        let route = o.route.as_ref().map(|route| route.id);
        for fact in &o.facts {
            let (id, hit, by_hash) = match fact {
                Fact::Edge { path, hit } => (*path, *hit, false),
                Fact::Content(hash) => (*hash, true, true),
                _ => continue,
            };
            // Only what is one object's answer is private: a path with an id in it.
            let private = o.facts.iter().any(|fact| matches!(fact, Fact::Object { .. }));
            let answer =
                self.answers.entry(id, || Answer { tenants: Few::default(), route, public: o.public });
            answer.public |= o.public || (by_hash && answer.route != route);
            let owner = answer.tenants.first().filter(|owner| *owner != tenant);
            answer.tenants.add(tenant);
            answer.public |= answer.tenants.len() >= EVERYBODY;
            if answer.public {
                out.clear(id);
                continue;
            }
            let Some(owner) = owner.filter(|_| hit && private) else { continue };
            if o.excuses([tenant, owner]) {
                continue;
            }
            let severity = if by_hash { Severity::Medium } else { Severity::Critical };
            let found = Candidate::new(o.evidence(), Class::CacheTenantLeak, severity, tenant, Some(owner));
            out.raise(found.object(id).confidence(Confidence::High).entity(route.map_or(0, |route| route.0)));
        }
    }

    fn expire(&mut self, now: u64, _: &mut Findings) {
        self.answers.expire(now);
    }

    fn entries(&self) -> usize {
        self.answers.len()
    }

    fn take_evicted(&mut self) -> u64 {
        self.answers.take_evicted()
    }
}
