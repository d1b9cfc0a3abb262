//! The detectors of one shard, with their state: owned by one thread, no locks.

use std::sync::Arc;

use super::{
    Detector,
    finding::Finding,
    findings::Findings,
    lifecycle::Lifecycle,
    observation::Observation,
    ownership::Ownership,
    rules::{Rules, nanos},
    settings::{DetectorName, Settings},
    token_mismatch::TokenMismatch,
    trace_crossing::TraceCrossing,
};

/// One shard. Driven by the `at` of observations and of [`Shard::advance`] alone.
pub struct Shard {
    detectors: Vec<Box<dyn Detector>>,
    findings: Findings,
    now: u64,
}

impl Shard {
    /// The detectors that `settings` names.
    pub fn new(settings: &Settings, rules: &Arc<Rules>) -> Self {
        let settle = nanos(settings.settle);
        let make = |name: &DetectorName| -> Box<dyn Detector> {
            let rules = Arc::clone(rules);
            match name {
                DetectorName::TokenTenantMismatch => Box::new(TokenMismatch::new(rules)),
                DetectorName::TraceTenantCrossing => {
                    let expiry = nanos(settings.trace_expiry);
                    Box::new(TraceCrossing::new(rules, settings.trace_capacity, expiry, settle))
                }
                DetectorName::CrossTenantRead => {
                    let expiry = nanos(settings.object_expiry);
                    Box::new(Ownership::new(rules, settings.object_capacity, expiry, settle))
                }
                DetectorName::DeletedTenantActive => Box::new(Lifecycle::new(rules)),
            }
        };
        let mut names = settings.detectors.clone();
        names.sort_by_key(|name| *name as u8);
        names.dedup();
        let findings = Findings::new(settle, nanos(settings.quiet), settings.trace_capacity);
        Shard { detectors: names.iter().map(make).collect(), findings, now: 0 }
    }

    /// Shows an observation to every detector.
    pub fn observe(&mut self, o: &Observation) {
        if let (Some(excuse), true) = (&o.excuse, o.has_trace()) {
            self.findings.excuse(o.trace, excuse);
        }
        for detector in &mut self.detectors {
            detector.observe(o, &mut self.findings);
        }
    }

    /// Lets time pass (it never goes back), and gives what became sure.
    pub fn advance(&mut self, now: u64) -> Vec<Finding> {
        self.now = self.now.max(now);
        for detector in &mut self.detectors {
            detector.expire(self.now, &mut self.findings);
        }
        self.findings.expire(self.now);
        self.findings.take()
    }

    /// Entries held and evicted since the last call, by detector.
    pub fn sizes(&mut self) -> Vec<(DetectorName, usize, u64)> {
        self.detectors.iter_mut().map(|d| (d.name(), d.entries(), d.take_evicted())).collect()
    }

    /// All entries held.
    pub fn entries(&self) -> usize {
        self.detectors.iter().map(|d| d.entries()).sum::<usize>() + self.findings.entries()
    }
}
