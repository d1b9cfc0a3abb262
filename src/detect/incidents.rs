//! Incidents that go on: told when they open, when they have grown, and when they are over. A storm of them is
//! one.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{
    few::Few,
    finding::{Class, Confidence, Finding, Severity, Status},
    findings::Key,
    state::Generations,
    suppressions::Suppressions,
};
use crate::{batch::TenantId, limits};

/// How often something is said, in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// How long an incident rests before it is over, before [`Class::rest`].
    pub quiet: u64,
    /// Between two tellings of one incident, at least.
    pub update: u64,
    /// Incidents of one class and service in [`limits::STORM_NANOS`] that are told one by one; 0: all.
    pub storm: usize,
}

/// What was last said of an incident.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Told {
    at: u64,
    count: u64,
    severity: Severity,
    confidence: Confidence,
    tenants: usize,
    merged: u64,
}

impl Told {
    fn of(finding: &Finding) -> Told {
        Told {
            at: finding.at,
            count: finding.count,
            severity: finding.severity,
            confidence: finding.confidence,
            tenants: finding.tenants.len(),
            merged: finding.merged,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Incident {
    finding: Finding,
    last_at: u64,
    told: Told,
    /// An update waits for its time.
    #[serde(skip)]
    waits: bool,
    /// The first keys that lead here, for the next start.
    keys: Vec<(Class, Key)>,
}

impl Incident {
    fn grown(&self) -> bool {
        let (now, told) = (&self.finding, &self.told);
        now.count >= told.count.saturating_mul(2)
            || now.severity > told.severity
            || now.confidence > told.confidence
            || now.tenants.len() > told.tenants
    }
}

/// Keys of one incident that a next start still knows.
const KEPT_KEYS: usize = 16;

/// When incidents of one class and service opened, the latest, and the one that further ones are merged into.
#[derive(Debug, Default)]
struct Storm {
    opened: VecDeque<u64>,
    rollup: Option<u64>,
}

/// The incidents that go on.
#[derive(Debug)]
pub(super) struct Incidents {
    pace: Pace,
    /// Only openings are told, and each.
    opens_only: bool,
    open: HashMap<u64, Incident>,
    keys: Generations<(Class, Key), u64>,
    storms: Generations<(Class, u64), Storm>,
    /// When to look at which incident again: once each for its end, and once while an update waits (false).
    due: BinaryHeap<Reverse<(u64, u64, bool)>>,
    ready: Vec<Finding>,
    hasher: foldhash::fast::FixedState,
    suppressions: Option<Arc<Suppressions>>,
    /// Whether anything is other than when it was saved.
    changed: bool,
}

impl Incidents {
    pub fn new(pace: Pace) -> Self {
        let longest = pace.quiet.saturating_mul(8);
        Incidents {
            pace,
            opens_only: false,
            open: HashMap::new(),
            keys: Generations::new(limits::INCIDENTS, longest),
            storms: Generations::new(limits::STORMS, limits::STORM_NANOS),
            due: BinaryHeap::new(),
            ready: Vec::new(),
            hasher: foldhash::fast::FixedState::default(),
            suppressions: None,
            changed: false,
        }
    }

    /// Tells openings alone, and each: no updates, no ends, no storms.
    pub fn opens_only(&mut self) {
        self.opens_only = true;
    }

    /// What is suppressed opens no storm.
    pub fn watch(&mut self, suppressions: Arc<Suppressions>) {
        self.suppressions = Some(suppressions);
    }

    pub fn len(&self) -> usize {
        self.open.len()
    }

    pub fn take(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.ready)
    }

    /// The incident that goes on under this key; one that has rested is over.
    pub fn known(&mut self, class: Class, key: Key, at: u64) -> Option<u64> {
        let id = *self.keys.get((class, key))?;
        let incident = self.open.get(&id)?;
        if at.saturating_sub(incident.last_at) < self.rest(incident.finding.class) {
            return Some(id);
        }
        self.close(id, at);
        None
    }

    /// The incident itself, if it goes on and explains `first`, which is of the same trace. A session and a key that
    /// one trace shares between the same tenants are one mistake, though each has a key of its own here; statements,
    /// objects and caches stay apart, since each is mended by itself.
    pub fn goes_on(&self, id: u64, first: &Finding) -> Option<u64> {
        let explains = |incident: &&Incident| {
            let open = &incident.finding;
            let same = open.class == first.class && (open.tenant, open.other) == (first.tenant, first.other);
            open.class < first.class || same && first.class == Class::CredentialSharedAcrossTenants
        };
        self.open.get(&id).filter(explains).map(|_| id)
    }

    /// Opens an incident, or finds the one that it is merged into. Nothing is counted or told yet.
    pub fn begin(&mut self, first: &Finding, key: Key) -> u64 {
        let id = self.hash((first.class, key, first.at, first.first_seen));
        let mut finding = Finding { id, count: 0, status: Status::Open, ..first.clone() };
        if let Some(rollup) = self.storm(first) {
            if let Some(incident) = self.open.get_mut(&rollup) {
                incident.finding.merged += 1;
                return rollup;
            }
            finding = Finding {
                id: rollup,
                merged: 1,
                count: 0,
                service: first.service.clone(),
                ..rolled_up(first)
            };
        }
        let id = finding.id;
        while self.open.len() >= limits::INCIDENTS {
            // The one that has rested longest, or nearly.
            match self.due.pop() {
                Some(Reverse((_, oldest, true))) => self.close(oldest, first.at),
                Some(Reverse((_, other, false))) => {
                    self.open.entry(other).and_modify(|one| one.waits = false);
                }
                None => break,
            }
        }
        let (at, class) = (finding.at, finding.class);
        let told = Told { count: 0, ..Told::of(&finding) };
        self.open.insert(id, Incident { finding, last_at: at, told, waits: false, keys: Vec::new() });
        self.due.push(Reverse((at.saturating_add(self.rest(class)), id, true)));
        id
    }

    /// The incident that this one is merged into, in a storm.
    fn storm(&mut self, first: &Finding) -> Option<u64> {
        let suppressed = |s: &Arc<Suppressions>| s.covers(first, first.at);
        if self.pace.storm == 0 || self.opens_only || self.suppressions.as_ref().is_some_and(suppressed) {
            return None;
        }
        let key = (first.class, self.hash(&first.service));
        let id = self.hash((first.class, &first.service, first.at, "storm"));
        let (limit, at) = (self.pace.storm, first.at);
        let storm = self.storms.entry(key, Storm::default);
        if let Some(rollup) = storm.rollup.filter(|rollup| self.open.contains_key(rollup)) {
            return Some(rollup);
        }
        storm.rollup = None;
        while storm.opened.front().is_some_and(|old| at.saturating_sub(*old) >= limits::STORM_NANOS) {
            storm.opened.pop_front();
        }
        if storm.opened.len() < limit {
            storm.opened.push_back(at);
            return None;
        }
        storm.rollup = Some(id);
        Some(id)
    }

    /// Counts an occurrence.
    pub fn add(&mut self, id: u64, key: Key, new: &Finding) {
        *self.keys.entry((new.class, key), || id) = id;
        let Some(incident) = self.open.get_mut(&id) else { return };
        if incident.keys.len() < KEPT_KEYS && !incident.keys.contains(&(new.class, key)) {
            incident.keys.push((new.class, key));
        }
        incident.last_at = incident.last_at.max(new.at);
        let told = &mut incident.finding;
        told.last_seen = told.last_seen.max(new.last_seen);
        told.first_seen = told.first_seen.min(new.first_seen);
        told.count += new.count;
        told.severity = told.severity.max(new.severity);
        told.confidence = told.confidence.max(new.confidence);
        for tenant in [Some(new.tenant), new.other].into_iter().flatten().chain(new.tenants.iter()) {
            if tenant != told.tenant && Some(tenant) != told.other && tenant != TenantId::NONE {
                told.tenants.add(tenant);
            }
        }
        new.traces.iter().for_each(|trace| told.traces.add(trace));
        if told.merged == 0 {
            new.objects.iter().for_each(|object| told.objects.add(object));
            new.principals.iter().for_each(|who| told.principals.add(who));
        }
        if new.class != told.class {
            told.also.add(new.class);
            if told.merged == 0 {
                told.other = told.other.or(new.other.filter(|other| *other != told.tenant));
                if told.statement.is_none() {
                    (told.statement, told.statement_id) = (new.statement.clone(), new.statement_id);
                }
            }
        }
        self.changed = true;
    }

    /// Says that it has opened, or has grown, if that is to be said now.
    pub fn say(&mut self, id: u64, at: u64) {
        let (update, quiet) = (self.pace.update, self.opens_only);
        let Some(incident) = self.open.get_mut(&id) else { return };
        if incident.told.count == 0 {
            incident.told = Told::of(&incident.finding);
            self.ready.push(incident.finding.clone());
            return;
        }
        if quiet || !incident.grown() {
            return;
        }
        let next = incident.told.at.saturating_add(update);
        if at >= next {
            Self::update(incident, at, &mut self.ready);
        } else if !incident.waits {
            incident.waits = true;
            self.due.push(Reverse((next, id, false)));
        }
    }

    fn update(incident: &mut Incident, at: u64, ready: &mut Vec<Finding>) {
        incident.waits = false;
        (incident.finding.at, incident.finding.status) = (at, Status::Updated);
        incident.told = Told::of(&incident.finding);
        ready.push(incident.finding.clone());
    }

    fn close(&mut self, id: u64, at: u64) {
        let Some(incident) = self.open.remove(&id) else { return };
        self.changed = true;
        if !self.opens_only {
            self.ready.push(Finding { at, status: Status::Closed, ..incident.finding });
        }
    }

    /// Lets time pass: updates that waited are told, and what has rested is over.
    pub fn expire(&mut self, now: u64) {
        while self.due.peek().is_some_and(|Reverse((at, ..))| *at <= now) {
            let Some(Reverse((at, id, end))) = self.due.pop() else { break };
            let Some(incident) = self.open.get_mut(&id) else { continue };
            if !end {
                if incident.waits && at >= incident.told.at.saturating_add(self.pace.update) {
                    Self::update(incident, at, &mut self.ready);
                    self.changed = true;
                }
                continue;
            }
            let rest = self.pace.quiet.saturating_mul(incident.finding.class.rest());
            let over = incident.last_at.saturating_add(rest);
            match over <= at {
                true => self.close(id, at),
                false => self.due.push(Reverse((over, id, true))),
            }
        }
        self.keys.expire(now);
        self.storms.expire(now);
    }

    /// Forgets what names a tenant, without a word.
    pub fn forget(&mut self, tenant: TenantId) {
        self.open.retain(|_, incident| {
            incident.finding.tenant != tenant && incident.finding.other != Some(tenant)
        });
        for incident in self.open.values_mut() {
            let tenants: Few<TenantId, 4> =
                incident.finding.tenants.iter().filter(|t| *t != tenant).collect();
            incident.finding.tenants = tenants;
            incident.told.tenants = incident.told.tenants.min(tenants.len());
        }
        self.ready.retain(|finding| !finding.names(tenant));
        self.changed = true;
    }

    /// One line of JSON an incident that `was_told`, the latest [`limits::INCIDENTS_SAVED`]; none where nothing has
    /// changed.
    pub fn save(&mut self, was_told: impl Fn(u64) -> bool) -> Option<String> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        let mut all: Vec<&Incident> = self.open.values().filter(|one| was_told(one.finding.id)).collect();
        all.sort_unstable_by_key(|incident| Reverse((incident.last_at, incident.finding.id)));
        let mut text = String::new();
        for line in all.iter().take(limits::INCIDENTS_SAVED).filter_map(|one| serde_json::to_string(one).ok())
        {
            text.push_str(&line);
            text.push('\n');
        }
        Some(text)
    }

    /// Takes up what [`Incidents::save`] gave; what cannot be read is left out. Returns what was told of them.
    pub fn load(&mut self, text: &str) -> Vec<Finding> {
        for line in text.lines() {
            let Ok(incident) = serde_json::from_str::<Incident>(line) else { continue };
            let (id, finding) = (incident.finding.id, &incident.finding);
            if self.open.len() >= limits::INCIDENTS || incident.told.count == 0 {
                continue;
            }
            for (class, key) in &incident.keys {
                *self.keys.entry((*class, *key), || id) = id;
            }
            if finding.merged > 0 {
                let key = (finding.class, self.hash(&finding.service));
                self.storms.entry(key, Storm::default).rollup = Some(id);
            }
            self.due.push(Reverse((incident.last_at.saturating_add(self.rest(finding.class)), id, true)));
            self.open.insert(id, incident);
        }
        self.open.values().map(|incident| incident.finding.clone()).collect()
    }

    fn rest(&self, class: Class) -> u64 {
        self.pace.quiet.saturating_mul(class.rest())
    }

    fn hash(&self, thing: impl std::hash::Hash) -> u64 {
        std::hash::BuildHasher::hash_one(&self.hasher, thing)
    }
}

/// The first of a storm as the whole of it: of no tenant, with some as examples.
fn rolled_up(first: &Finding) -> Finding {
    let mut finding = Finding::new(first.at, first.class, first.severity, TenantId::NONE);
    (finding.confidence, finding.first_seen, finding.last_seen) =
        (first.confidence, first.first_seen, first.last_seen);
    finding
}
