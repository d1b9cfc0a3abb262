//! All detectors with their state: owned by one thread, no locks.

use std::sync::Arc;

use crate::batch::TenantId;

use super::{
    Detector,
    assemble::{Assembler, Placed},
    detectors,
    finding::Finding,
    findings::Findings,
    observation::Observation,
    rules::{Rules, nanos},
    sessions::Sessions,
    settings::{DetectorName, Settings},
};

/// Driven by the `at` of observations and of [`Shard::advance`] alone.
pub struct Shard {
    assembler: Assembler,
    sessions: Sessions,
    detectors: Vec<Box<dyn Detector>>,
    findings: Findings,
    now: u64,
}

impl Shard {
    /// The detectors that `settings` names.
    pub fn new(settings: &Settings, rules: &Arc<Rules>) -> Self {
        let settle = nanos(settings.settle);
        let (entities, expiry) = (settings.entity_capacity, nanos(settings.object_expiry));
        let mut names = settings.detectors.clone();
        names.sort_by_key(|name| *name as u8);
        names.dedup();
        let trace_expiry = nanos(settings.trace_expiry).max(settle.saturating_mul(4));
        let assembler = Assembler::new(
            Arc::clone(rules),
            settle,
            settings.waiting_capacity,
            settings.trace_capacity,
            trace_expiry,
        );
        let (quiet, update) = (nanos(settings.quiet), nanos(settings.update_interval));
        let findings = Findings::new(settle, quiet, update, settings.storm);
        let sessions = Sessions::new(entities, expiry);
        let detectors = names.into_iter().map(|name| detectors::make(name, settings, rules)).collect();
        Shard { assembler, sessions, detectors, findings, now: 0 }
    }

    /// What candidates become.
    pub fn findings(&mut self) -> &mut Findings {
        &mut self.findings
    }

    /// Takes an observation up.
    pub fn observe(&mut self, o: Observation) {
        self.now = self.now.max(o.at);
        if let (Some(excuse), true) = (&o.excuse, o.has_trace()) {
            self.findings.excuse(o.trace, excuse);
        }
        self.assembler.add(o);
    }

    /// Lets time pass (it never goes back), and gives what became sure.
    pub fn advance(&mut self, now: u64) -> Vec<Finding> {
        self.now = self.now.max(now);
        while let Some(mut placed) = self.assembler.next(self.now) {
            self.sessions.place(&mut placed);
            if let Some(placed) = self.assembler.wait(placed) {
                self.judge(&placed);
            }
        }
        while let Some(placed) = self.assembler.late(self.now) {
            self.judge(&placed);
        }
        self.assembler.expire(self.now);
        self.sessions.expire(self.now);
        for detector in &mut self.detectors {
            detector.expire(self.now, &mut self.findings);
        }
        self.findings.expire(self.now);
        self.findings.take()
    }

    fn judge(&mut self, placed: &Placed) {
        self.detectors.iter_mut().for_each(|detector| detector.observe(placed, &mut self.findings));
    }

    /// Entries held and evicted since the last call, by detector.
    pub fn sizes(&mut self) -> Vec<(DetectorName, usize, u64)> {
        self.detectors.iter_mut().map(|d| (d.name(), d.entries(), d.take_evicted())).collect()
    }

    /// Traces and spans that were forgotten for want of room, since the last call.
    pub fn take_cut(&mut self) -> u64 {
        self.assembler.take_evicted()
    }

    /// Judgements that were withheld since the last call, by detector.
    pub fn take_cold(&mut self) -> impl Iterator<Item = (DetectorName, u64)> {
        self.detectors.iter_mut().map(|d| (d.name(), d.take_cold()))
    }

    /// What its detectors have learned, by their names.
    pub fn save(&self) -> serde_json::Map<String, serde_json::Value> {
        self.detectors.iter().filter_map(|d| Some((d.name().as_str().to_owned(), d.save()?))).collect()
    }

    /// Takes up what was saved.
    pub fn load(&mut self, saved: &serde_json::Map<String, serde_json::Value>) {
        for detector in &mut self.detectors {
            if let Some(state) = saved.get(detector.name().as_str()) {
                detector.load(state);
            }
        }
    }

    /// Forgets a tenant: what goes on, and what was learned under its name.
    pub fn forget(&mut self, tenant: TenantId) {
        self.findings.forget(tenant);
        self.detectors.iter_mut().for_each(|detector| detector.forget(tenant));
    }

    /// All entries held.
    pub fn entries(&self) -> usize {
        let detectors = self.detectors.iter().map(|d| d.entries()).sum::<usize>();
        self.assembler.entries() + self.sessions.entries() + detectors + self.findings.entries()
    }
}
