//! From "this looks wrong" to a finding: every candidate waits a moment for the rest of its
//! trace, since what excuses it may still be on its way, and is then told once an incident.

use std::{collections::VecDeque, hash::BuildHasher};

use crate::{batch::TenantId, limits};

use super::{
    finding::{Class, Finding, Severity, shown_service},
    fingerprint::Fingerprint,
    observation::{Evidence, Excuse, TraceId},
    state::Generations,
};

/// What a detector says.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The finding, if nothing excuses it.
    pub finding: Finding,
    /// What makes it the same incident, beside class and tenants: a service, a route; 0 for none.
    pub entity: u64,
}

impl Candidate {
    /// A candidate with this evidence.
    pub fn new(
        o: Evidence,
        class: Class,
        severity: Severity,
        tenant: TenantId,
        other: Option<TenantId>,
    ) -> Self {
        let finding = Finding {
            at: o.at,
            class,
            severity,
            tenant,
            other,
            service: shown_service(&o.service),
            field: String::new(),
            trace: o.trace,
            object: None,
            principal: o.principal,
            first_seen: o.time,
            last_seen: o.time,
            count: 1,
        };
        Candidate { finding, entity: 0 }
    }

    /// With the object that it is about.
    pub fn object(mut self, object: Fingerprint) -> Self {
        self.finding.object = Some(object);
        self
    }

    /// With what makes it the same incident.
    pub fn entity(mut self, entity: u64) -> Self {
        self.entity = entity;
        self
    }
}

#[derive(Debug)]
struct Incident {
    finding: Finding,
    last_at: u64,
}

type Key = (Class, TenantId, Option<TenantId>, u64);

/// Candidates that wait, incidents that were told, findings that are ready.
#[derive(Debug)]
pub struct Findings {
    settle: u64,
    quiet: u64,
    pending: VecDeque<(u64, Candidate)>,
    incidents: Generations<Key, Incident>,
    excuses: Generations<TraceId, Excuse>,
    cleared: Generations<Fingerprint, ()>,
    ready: Vec<Finding>,
    hasher: foldhash::fast::FixedState,
}

impl Findings {
    /// `settle`: how long a candidate waits; `quiet`: how long an incident must rest before it is
    /// told again (both in nanoseconds); `traces`: excused traces remembered.
    pub fn new(settle: u64, quiet: u64, traces: usize) -> Self {
        Findings {
            settle,
            quiet,
            pending: VecDeque::new(),
            incidents: Generations::new(limits::INCIDENTS, quiet),
            excuses: Generations::new(traces, settle.saturating_mul(4).max(60_000_000_000)),
            cleared: Generations::new(limits::CLEARED_OBJECTS, settle),
            ready: Vec::new(),
            hasher: foldhash::fast::FixedState::default(),
        }
    }

    /// A stable number for a text, to tell incidents apart by.
    pub fn entity(&self, text: &str) -> u64 {
        self.hasher.hash_one(text)
    }

    /// Remembers what excuses a trace.
    pub fn excuse(&mut self, trace: TraceId, excuse: &Excuse) {
        let known = self.excuses.entry(trace, || excuse.clone());
        if *excuse == Excuse::All {
            *known = Excuse::All;
        }
    }

    /// An object is nobody's any more, or another's: what waits about it is dropped.
    pub fn clear(&mut self, object: Fingerprint) {
        self.cleared.entry(object, || ());
    }

    /// Takes a candidate. One of an incident that was told only counts there.
    pub fn raise(&mut self, candidate: Candidate) {
        if self.absorbed(&candidate) {
            return;
        }
        if self.pending.len() >= limits::PENDING_CANDIDATES
            && let Some((_, oldest)) = self.pending.pop_front()
        {
            self.tell(oldest);
        }
        self.pending.push_back((candidate.finding.at.saturating_add(self.settle), candidate));
    }

    /// Lets time pass: what has waited long enough is told or dropped.
    pub fn expire(&mut self, now: u64) {
        while self.pending.front().is_some_and(|(due, _)| *due <= now) {
            if let Some((due, mut candidate)) = self.pending.pop_front() {
                candidate.finding.at = due;
                self.tell(candidate);
            }
        }
        self.incidents.expire(now);
        self.excuses.expire(now);
        self.cleared.expire(now);
    }

    /// The findings that are ready, out.
    pub fn take(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.ready)
    }

    /// Candidates that wait, incidents and excused traces held.
    pub fn entries(&self) -> usize {
        self.pending.len() + self.incidents.len() + self.excuses.len() + self.cleared.len()
    }

    fn key(candidate: &Candidate) -> Key {
        let f = &candidate.finding;
        (f.class, f.tenant, f.other, candidate.entity)
    }

    fn absorbed(&mut self, candidate: &Candidate) -> bool {
        let quiet = self.quiet;
        let Some(incident) = self.incidents.get(Self::key(candidate)) else { return false };
        let new = &candidate.finding;
        let rested = new.at.saturating_sub(incident.last_at) >= quiet;
        if rested || new.severity > incident.finding.severity {
            return false;
        }
        incident.last_at = incident.last_at.max(new.at);
        incident.finding.last_seen = incident.finding.last_seen.max(new.last_seen);
        incident.finding.first_seen = incident.finding.first_seen.min(new.first_seen);
        incident.finding.count += 1;
        true
    }

    fn tell(&mut self, candidate: Candidate) {
        let tenants = [Some(candidate.finding.tenant), candidate.finding.other].into_iter().flatten();
        if self.excuses.peek(candidate.finding.trace).is_some_and(|excuse| excuse.covers(tenants))
            || candidate.finding.object.is_some_and(|object| self.cleared.peek(object).is_some())
            || self.absorbed(&candidate)
        {
            return;
        }
        let mut finding = candidate.finding.clone();
        let quiet = self.quiet;
        let fresh = || Incident { finding: candidate.finding.clone(), last_at: candidate.finding.at };
        let incident = self.incidents.entry(Self::key(&candidate), fresh);
        if finding.severity > incident.finding.severity && finding.at.saturating_sub(incident.last_at) < quiet
        {
            finding.count += incident.finding.count;
            finding.first_seen = finding.first_seen.min(incident.finding.first_seen);
        }
        *incident = Incident { finding: finding.clone(), last_at: finding.at };
        self.ready.push(finding);
    }
}
