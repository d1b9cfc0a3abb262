//! All detectors with their state: owned by one thread, no locks.

use std::sync::Arc;

use super::{
    Detector,
    assemble::Assembler,
    caches::Caches,
    channels::Channels,
    connections::Connections,
    credentials::Credentials,
    edges::Edges,
    enumeration::Enumeration,
    finding::Finding,
    findings::Findings,
    hit_rate::HitRate,
    jobs::Jobs,
    lifecycle::Lifecycle,
    naming::Naming,
    observation::Observation,
    ownership::Ownership,
    personal::Personal,
    routing::Routing,
    rules::{Rules, nanos},
    sessions::Sessions,
    settings::{DetectorName, Settings},
    shared_caches::SharedCaches,
    statements::Statements,
    stuck::Stuck,
    token_mismatch::TokenMismatch,
    trace_crossing::TraceCrossing,
    volume::Volume,
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
        let make = |name: &DetectorName| -> Box<dyn Detector> {
            let rules = Arc::clone(rules);
            match name {
                DetectorName::TokenTenantMismatch => Box::new(TokenMismatch::new(rules)),
                DetectorName::TraceTenantCrossing => Box::new(TraceCrossing::new(rules)),
                DetectorName::Credentials => Box::new(Credentials::new(rules, entities, expiry)),
                DetectorName::CrossTenantRead => {
                    Box::new(Ownership::new(rules, settings.object_capacity, entities, expiry))
                }
                DetectorName::Statements => Box::new(Statements::new(rules, entities, expiry)),
                DetectorName::Connections => Box::new(Connections::new(rules, entities, expiry)),
                DetectorName::SharedCaches => Box::new(SharedCaches::new(rules, entities, expiry)),
                DetectorName::Caches => Box::new(Caches::new(rules, entities, expiry)),
                DetectorName::Channels => Box::new(Channels::new(rules, entities, expiry)),
                DetectorName::Jobs => Box::new(Jobs::new(rules, entities, expiry)),
                DetectorName::Routing => Box::new(Routing::new(rules, entities, expiry)),
                DetectorName::Mentions => Box::new(Naming::new(rules)),
                DetectorName::DeletedTenantActive => Box::new(Lifecycle::new(rules)),
                DetectorName::ResourceEnumeration => {
                    Box::new(Enumeration::new(rules, settings.object_capacity / 4, entities, expiry))
                }
                DetectorName::UnusualVolume => Box::new(Volume::new(rules, entities, expiry)),
                DetectorName::NewTenantEdge => {
                    Box::new(Edges::new(rules, entities, expiry, nanos(settings.edge_learning)))
                }
                DetectorName::PiiSurge => Box::new(Personal::new(entities, expiry)),
                DetectorName::TenantContextStuck => Box::new(Stuck::new(rules, entities, expiry)),
                DetectorName::HitRate => Box::new(HitRate::new(entities, expiry)),
            }
        };
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
        Shard { assembler, sessions, detectors: names.iter().map(make).collect(), findings, now: 0 }
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
            for detector in &mut self.detectors {
                detector.observe(&placed, &mut self.findings);
            }
        }
        self.assembler.expire(self.now);
        self.sessions.expire(self.now);
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

    /// All entries held.
    pub fn entries(&self) -> usize {
        let detectors = self.detectors.iter().map(|d| d.entries()).sum::<usize>();
        self.assembler.entries() + self.sessions.entries() + detectors + self.findings.entries()
    }
}
