//! S12: a job runs for another tenant than it was made for, for none, or for a deleted one.
//!
//! Whether a class of jobs has a tenant is learned: until enough of them were seen nothing is said of those
//! that have none.

use std::sync::Arc;

use crate::detect::{
    Detector, DetectorName,
    assemble::Placed,
    fact::{Fact, Place},
    finding::{Class, Confidence, Severity},
    findings::{Candidate, Findings},
    fingerprint::Fingerprint,
    observation::{SpanKind, TenantState},
    rules::Rules,
    state::Generations,
};

/// Jobs of a class with a tenant in their arguments before one without says anything.
const SURE: u32 = 5;

#[derive(Debug, Default)]
struct JobClass {
    with: u32,
    without: u32,
    /// Runs for a tenant that is there; a job that only ever runs for deleted ones clears them away.
    active: u32,
}

/// Classes of jobs.
#[derive(Debug)]
pub struct Jobs {
    rules: Arc<Rules>,
    classes: Generations<Fingerprint, JobClass>,
}

impl Jobs {
    /// At most `capacity` classes, each for `expiry` ns unused.
    pub fn new(rules: Arc<Rules>, capacity: usize, expiry: u64) -> Self {
        Jobs { rules, classes: Generations::new(capacity.min(10_000), expiry) }
    }
}

impl Detector for Jobs {
    fn name(&self) -> DetectorName {
        DetectorName::Jobs
    }

    fn observe(&mut self, Placed { o, caller, .. }: &Placed, out: &mut Findings) {
        let job = o.facts.iter().find_map(|fact| match fact {
            Fact::Job { class, arguments } => Some((*class, *arguments)),
            _ => None,
        });
        let Some((class, arguments)) = job else { return };
        if o.multi_tenant || o.kind == SpanKind::Producer {
            return;
        }
        let named = o.facts.iter().find_map(|fact| match fact {
            Fact::Tenant { tenant, place: Place::Argument } => Some(*tenant),
            _ => None,
        });
        let rules = Arc::clone(&self.rules);
        let mut say = |tenant, other, sure| {
            let pair = [Some(tenant), other].into_iter().flatten();
            if !o.excuses(pair.clone()) && !pair.into_iter().any(|tenant| rules.is_system(tenant)) {
                let class = Class::JobTenantContext;
                out.raise(
                    Candidate::new(o.evidence(), class, Severity::High, tenant, other).confidence(sure),
                );
            }
        };
        if o.tenant.is_some() && matches!(o.state, TenantState::Active | TenantState::Unverified) {
            let known = self.classes.entry(class, JobClass::default);
            known.active = known.active.saturating_add(1);
        }
        if arguments {
            let known = self.classes.entry(class, JobClass::default);
            let usual = known.with >= SURE && known.with > known.without.saturating_mul(10);
            match named {
                Some(_) => known.with = known.with.saturating_add(1),
                None => known.without = known.without.saturating_add(1),
            }
            if named.is_none() && usual {
                let tenant =
                    o.tenant.or(caller.map(|caller| caller.tenant)).unwrap_or(crate::batch::TenantId::NONE);
                return say(tenant, None, Confidence::High);
            }
        }
        let own = named.or(o.own);
        if let (Some(own), Some(caller)) = (own, caller)
            && own != caller.tenant
        {
            return say(own, Some(caller.tenant), Confidence::Certain);
        }
        if let (Some(named), Some(tenant)) = (named, o.tenant)
            && named != tenant
        {
            return say(tenant, Some(named), Confidence::Certain);
        }
        if let (Some(tenant), TenantState::Deleted(at)) = (o.tenant, o.state)
            && at.is_none_or(|at| o.time > at.saturating_add(self.rules.deleted_grace))
            && self.classes.peek(class).is_some_and(|known| known.active >= SURE)
        {
            say(tenant, None, Confidence::Certain);
        }
    }

    fn expire(&mut self, now: u64, _: &mut Findings) {
        self.classes.expire(now);
    }

    fn entries(&self) -> usize {
        self.classes.len()
    }

    fn take_evicted(&mut self) -> u64 {
        self.classes.take_evicted()
    }
}
