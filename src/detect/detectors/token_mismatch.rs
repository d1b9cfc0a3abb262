//! S1: the verified claim is of another tenant than the data declares.

use std::sync::Arc;

use crate::batch::{Signal, TenantId};

use crate::detect::{
    Detector, DetectorName,
    assemble::Placed,
    fact::{Fact, Place},
    finding::{Class, Confidence, Severity},
    findings::{Candidate, Findings},
    observation::Observation,
    rules::Rules,
};

/// Needs no memory of its own: claim and declaration are on one item.
#[derive(Debug)]
pub struct TokenMismatch {
    rules: Arc<Rules>,
}

impl TokenMismatch {
    /// A detector under these rules.
    pub fn new(rules: Arc<Rules>) -> Self {
        TokenMismatch { rules }
    }

    fn differ(&self, o: &Observation, claimed: TenantId, sure: Confidence, out: &mut Findings) {
        for declared in o.declared.iter() {
            if declared == claimed
                || o.excuses([claimed, declared])
                || self.rules.sender_may(claimed, declared)
            {
                continue;
            }
            let (class, severity) = match (o.signal, sure) {
                (Signal::Metrics, _) => (Class::MetricTenantMismatch, Severity::High),
                (_, Confidence::Certain) => (Class::TokenTenantMismatch, Severity::High),
                _ => (Class::TokenTenantMismatch, Severity::Medium),
            };
            out.raise(
                Candidate::new(o.evidence(), class, severity, claimed, Some(declared)).confidence(sure),
            );
        }
    }
}

impl Detector for TokenMismatch {
    fn name(&self) -> DetectorName {
        DetectorName::TokenTenantMismatch
    }

    fn observe(&mut self, Placed { o, .. }: &Placed, out: &mut Findings) {
        if o.multi_tenant {
            return;
        }
        // A claim that a service checked and recorded, or what a sender without a token says in its header, held against
        // what stands beside it.
        let claim = o.facts.iter().find_map(|fact| match fact {
            Fact::Tenant { tenant, place: Place::Claim } => Some(*tenant),
            _ => None,
        });
        if let Some(claimed) = o.claimed {
            self.differ(o, claimed, Confidence::Certain, out);
            let other = claim.filter(|claim| *claim != claimed && !o.declared.contains(*claim));
            if let Some(claim) =
                other.filter(|claim| !o.excuses([claimed, *claim]) && !self.rules.sender_may(claimed, *claim))
            {
                let class = Class::TokenTenantMismatch;
                let found = Candidate::new(o.evidence(), class, Severity::High, claimed, Some(claim));
                out.raise(found.confidence(Confidence::High));
            }
            return;
        }
        if let Some(claim) = claim {
            return self.differ(o, claim, Confidence::High, out);
        }
        // One sender with two declarations: what stands on the resource against the item's own.
        if let (Some(own), Some(around)) = (o.own, o.declared.iter().last())
            && own != around
        {
            self.differ(o, around, Confidence::Medium, out);
        }
    }
}
