//! S9, S10: a shared HTTP cache answers one tenant with what it kept for another, or one body goes to two.
//!
//! What many tenants are given is an asset and everybody's. So is an answer that is too small to hold anything: an
//! empty list has the same hash everywhere.

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

/// Bytes of an answer whose hash says anything; a small one says "nothing here" to everybody.
const TELLING: u64 = 64;
/// "As before": its body is empty, its hash is that of the whole.
const NOT_MODIFIED: u16 = 304;

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
        let small = o.status != NOT_MODIFIED
            && o.facts.iter().any(|fact| matches!(fact, Fact::Bytes(bytes) if *bytes < TELLING));
        for fact in &o.facts {
            let (id, hit, by_hash) = match fact {
                Fact::Edge { path, hit } => (*path, *hit, false),
                Fact::Content(hash) if !small => (*hash, true, true),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::stream::*;

    /// Scenario: the same hash goes to two tenants for an object of each, of answers of 2 and of 4000 bytes, of
    /// unknown size, and of a large one that the second had already. Guarantee: the small ones are quiet, the others
    /// are told.
    #[test]
    fn a_small_answers_hash_says_nothing() {
        let found = |sizes: [Option<u64>; 2], status| {
            let one = |n: u64, bytes: Option<u64>, status| {
                let answer = item(n * MINUTE, n).on(1, status).object(n).fact(Fact::Content(print(7)));
                bytes.into_iter().fold(answer, |answer, bytes| answer.fact(Fact::Bytes(bytes)))
            };
            let mut detector = SharedCaches::new(rules(), 100, DAY);
            told(&mut detector, [one(1, sizes[0], 200), one(2, sizes[1], status)]).len()
        };
        assert_eq!(found([Some(2); 2], 200), 0);
        assert_eq!(found([Some(4000); 2], 200), 1);
        assert_eq!(found([None; 2], 200), 1);
        assert_eq!(found([Some(4000), Some(0)], 304), 1);
    }
}
