//! S1: the verified claim is of another tenant than the data declares.

use std::sync::Arc;

use crate::batch::Signal;

use super::{
    Detector,
    finding::{Class, Severity},
    findings::{Candidate, Findings},
    observation::Observation,
    rules::Rules,
    settings::DetectorName,
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
}

impl Detector for TokenMismatch {
    fn name(&self) -> DetectorName {
        DetectorName::TokenTenantMismatch
    }

    fn observe(&mut self, o: &Observation, out: &mut Findings) {
        let Some(claimed) = o.claimed else { return };
        if o.multi_tenant {
            return;
        }
        for declared in o.declared.iter() {
            let excused = o.excuse.as_ref().is_some_and(|excuse| excuse.covers([claimed, declared]));
            if declared == claimed || excused || self.rules.sender_may(claimed, declared) {
                continue;
            }
            let class = match o.signal {
                Signal::Metrics => Class::MetricTenantMismatch,
                Signal::Logs | Signal::Traces => Class::TokenTenantMismatch,
            };
            out.raise(Candidate::new(o.evidence(), class, Severity::High, claimed, Some(declared)));
        }
    }
}
