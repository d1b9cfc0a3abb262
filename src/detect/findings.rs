//! From "this looks wrong" to a finding: every candidate waits a moment, and what is seen of one trace is put
//! together. What becomes of it is an incident.

use std::{collections::HashMap, hash::BuildHasher, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{batch::TenantId, limits};

use super::{
    finding::{Class, Confidence, Finding, Severity, plain_name},
    fingerprint::Fingerprint,
    incidents::{Incidents, Pace},
    observation::{Evidence, Excuse, TraceId},
    pending::Pending,
    state::Generations,
    suppressions::Suppressions,
};

/// What a detector says.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The finding, if nothing excuses it.
    pub finding: Finding,
    /// What makes it the same incident beside its class.
    key: Key,
    /// How many times the usual it waits.
    pub(super) patience: u64,
}

/// What makes two candidates of one class the same incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum Key {
    /// The two tenants, and a service, a route or the like; 0 for none.
    Tenants(TenantId, Option<TenantId>, u64),
    /// Something that has nothing to do with who met it: a statement, a field, a principal.
    Thing(u64),
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
            other,
            service: plain_name(&o.service).to_owned(),
            route: o.route.unwrap_or_else(|| Arc::from("")),
            traces: Some(o.trace).filter(|trace| *trace != [0; 16]).into_iter().collect(),
            principals: o.principal.into_iter().collect(),
            first_seen: o.time,
            last_seen: o.time,
            ..Finding::new(o.at, class, severity, tenant)
        };
        Candidate { finding, key: Key::Tenants(tenant, other, 0), patience: 1 }
    }

    /// With an object that it is about.
    pub fn object(mut self, object: Fingerprint) -> Self {
        self.finding.objects.add(object);
        self
    }

    /// What was found elsewhere, as its own incident for each `thing`.
    pub fn made(finding: Finding, thing: u64) -> Self {
        Candidate { finding, key: Key::Thing(thing), patience: 1 }
    }

    /// With the statement or key that it is about, without values.
    pub fn statement(mut self, statement: Arc<str>) -> Self {
        self.finding.statement_id = Some(foldhash::fast::FixedState::default().hash_one(&*statement));
        self.finding.statement = Some(statement);
        self
    }

    /// With the statement's own fingerprint, as `audit-sql` says it; after [`Candidate::statement`].
    pub fn statement_id(mut self, id: u64) -> Self {
        self.finding.statement_id = Some(id);
        self
    }

    /// With the field that it is about.
    pub fn field(mut self, field: &str) -> Self {
        self.finding.field = field.to_owned();
        self
    }

    /// With how sure it is.
    pub fn confidence(mut self, confidence: Confidence) -> Self {
        self.finding.confidence = confidence;
        self
    }

    /// Waits longer, by so many times: it depends on the order of things.
    pub fn patience(mut self, times: u64) -> Self {
        self.patience = times;
        self
    }

    /// The same incident only if this is the same too, beside the tenants.
    pub fn entity(mut self, entity: u64) -> Self {
        self.key = Key::Tenants(self.finding.tenant, self.finding.other, entity);
        self
    }

    /// The same incident whenever this is the same, whoever met it.
    pub fn thing(mut self, thing: u64) -> Self {
        self.key = Key::Thing(thing);
        self
    }
}

/// Candidates that wait, and the incidents that they become part of.
#[derive(Debug)]
pub struct Findings {
    settle: u64,
    pending: Pending,
    incidents: Incidents,
    cleared: Generations<Fingerprint, ()>,
    /// The incident that a trace was told in, for what comes after.
    told: Generations<TraceId, u64>,
    hasher: foldhash::fast::FixedState,
    now: u64,
    /// The end is near: nothing is over for want of time.
    stopping: bool,
}

impl Findings {
    /// `settle`: how long a candidate waits; `quiet`: how long an incident must rest before it is over; `update`:
    /// between two tellings of one incident, at least (all in nanoseconds). More than `storm` incidents of one
    /// class and service in an hour are told as one; 0 tells each.
    pub fn new(settle: u64, quiet: u64, update: u64, storm: usize) -> Self {
        Findings {
            settle,
            pending: Pending::default(),
            incidents: Incidents::new(Pace { quiet, update, storm }),
            cleared: Generations::new(limits::CLEARED_OBJECTS, settle.saturating_mul(4)),
            told: Generations::new(limits::CLEARED_OBJECTS, settle.saturating_mul(8)),
            hasher: foldhash::fast::FixedState::default(),
            now: 0,
            stopping: false,
        }
    }

    /// Tells openings alone, and each of them: no updates, no ends, nothing merged for want of quiet.
    pub fn opens_only(&mut self) {
        self.incidents.opens_only();
    }

    /// What is suppressed makes no storm.
    pub fn watch(&mut self, suppressions: Arc<Suppressions>) {
        self.incidents.watch(suppressions);
    }

    /// From now on time passes only so that what waits is told: incidents go on after the next start.
    pub fn stopping(&mut self) {
        self.stopping = true;
    }

    /// The incidents whose number `was_told`, as text for [`Findings::load`]; none where nothing has changed since
    /// the last call.
    pub fn save(&mut self, was_told: impl Fn(u64) -> bool) -> Option<String> {
        self.incidents.save(was_told)
    }

    /// Takes incidents up that went on when they were saved. Returns what was told of them.
    pub fn load(&mut self, text: &str) -> Vec<Finding> {
        self.incidents.load(text)
    }

    /// Forgets what names a tenant.
    pub fn forget(&mut self, tenant: TenantId) {
        self.pending.drop_all(|finding| finding.names(tenant));
        self.incidents.forget(tenant);
    }

    /// A stable number for a thing, to tell incidents apart by.
    pub fn entity(&self, thing: impl std::hash::Hash) -> u64 {
        self.hasher.hash_one(thing)
    }

    /// An object is nobody's any more, or another's: what waits about it is dropped.
    pub fn clear(&mut self, object: Fingerprint) {
        self.cleared.entry(object, || ());
    }

    /// Something came late that excuses what waits about this trace.
    pub fn excuse(&mut self, trace: TraceId, excuse: &Excuse) {
        self.pending.drop_of(trace, |finding| {
            let tenants = [Some(finding.tenant), finding.other].into_iter().flatten();
            excuse.covers(tenants.filter(|tenant| *tenant != TenantId::NONE))
        });
    }

    /// Nothing of this class is said of this trace: what waits is dropped.
    pub fn retract(&mut self, trace: TraceId, class: Class) {
        self.pending.drop_of(trace, |finding| finding.class == class);
    }

    /// Takes a candidate that is not merged with what else is seen of its trace.
    pub fn raise_apart(&mut self, candidate: Candidate) {
        self.tell(vec![candidate]);
    }

    /// Takes a candidate. One of an incident that goes on counts there at once, so that a flood costs little.
    pub fn raise(&mut self, candidate: Candidate) {
        let f = &candidate.finding;
        if let Some(id) = self.incidents.known(f.class, candidate.key, f.at.max(self.now)) {
            self.incidents.add(id, candidate.key, f);
            if let Some(trace) = f.traces.first() {
                self.told.entry(trace, || id);
            }
            return self.incidents.say(id, f.at.max(self.now));
        }
        if self.pending.len() >= limits::PENDING_CANDIDATES
            && let Some(oldest) = self.pending.pop()
        {
            self.tell(vec![oldest]);
        }
        let wait = self.settle.saturating_mul(candidate.patience);
        self.pending.add(candidate.finding.at.max(self.now).saturating_add(wait), candidate);
    }

    /// Lets time pass: what has waited long enough is told or dropped.
    pub fn expire(&mut self, now: u64) {
        self.now = self.now.max(now);
        while let Some((due, mut group)) = self.pending.due(now) {
            group.iter_mut().for_each(|candidate| candidate.finding.at = due);
            self.tell(group);
        }
        if !self.stopping {
            self.incidents.expire(now);
        }
        self.cleared.expire(now);
        self.told.expire(now);
    }

    /// The findings that are ready, out.
    pub fn take(&mut self) -> Vec<Finding> {
        self.incidents.take()
    }

    /// Candidates that wait, incidents and what was cleared.
    pub fn entries(&self) -> usize {
        self.pending.len() + self.incidents.len() + self.cleared.len() + self.told.len()
    }

    /// Tells what was seen of one trace as one incident, or adds it to one that was told. The same class twice
    /// between other tenants is another incident.
    fn tell(&mut self, mut group: Vec<Candidate>) {
        group.retain(|candidate| {
            candidate.finding.objects.iter().all(|object| self.cleared.peek(object).is_none())
        });
        group.sort_by_key(|candidate| {
            (candidate.finding.class, std::cmp::Reverse(candidate.finding.severity))
        });
        let Some(class) = group.first().map(|first| first.finding.class) else { return };
        let (leading, beside): (Vec<_>, Vec<_>) =
            group.into_iter().partition(|one| one.finding.class == class);
        let mut beside = beside.into_iter();
        let (mut said, mut order) = (HashMap::new(), Vec::new());
        for one in leading {
            let id = match said.get(&one.key) {
                Some(id) => *id,
                None => {
                    let id = self.incident(&one);
                    said.insert(one.key, id);
                    order.push(id);
                    id
                }
            };
            self.incidents.add(id, one.key, &one.finding);
            // What else was seen stands beside the first.
            beside.by_ref().for_each(|other| self.incidents.add(id, other.key, &other.finding));
        }
        order.into_iter().for_each(|id| self.incidents.say(id, self.now));
    }

    /// The incident that a candidate belongs to: one that goes on under its key, one that explains the same trace
    /// better, or a new one.
    fn incident(&mut self, one: &Candidate) -> u64 {
        let (class, trace) = (one.finding.class, one.finding.traces.first());
        let told = trace.and_then(|trace| self.told.peek(trace).copied());
        let known = self.incidents.known(class, one.key, one.finding.at);
        let known = known.or_else(|| self.incidents.goes_on(told?, &one.finding));
        let id = known.unwrap_or_else(|| self.incidents.begin(&one.finding, one.key));
        if let Some(trace) = trace {
            self.told.entry(trace, || id);
        }
        id
    }
}
