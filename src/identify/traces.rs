//! What is known of traces: whose each is, and who waits to know.
//!
//! Bounded in entries: a shard has two tables, a young and an old one. When the young one is full, or as old as traces
//! are remembered, it becomes the old one, and what was old is forgotten. An entry is 40 bytes and one of its table,
//! in a table that is at least 7/16 full when it has grown: under 100 bytes for each of `identity.inherit.traces`.

use std::{
    hash::Hash,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicUsize,
            Ordering::{AcqRel, Relaxed},
        },
    },
    time::Duration,
};

use foldhash::HashMap;
use tokio::sync::Notify;

use super::Inherit;
use crate::{batch::TenantId, limits};

/// A W3C trace id: 16 bytes, not all zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId([u8; 16]);

impl TraceId {
    /// The trace id in these bytes, if they are one.
    pub fn new(bytes: &[u8]) -> Option<TraceId> {
        bytes.try_into().ok().filter(|id| *id != [0; 16]).map(TraceId)
    }

    fn shard(self) -> usize {
        // Any of its bytes may be fixed or a time: all of them are mixed.
        usize::from(self.0.iter().fold(0, |mixed, byte| mixed ^ byte)) % limits::INHERIT_SHARDS
    }
}

/// Whose a trace is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// Nobody said.
    Nothing,
    /// Two tenants were seen in it: it says nothing of anybody.
    Several,
    /// This one's.
    One(TenantId),
}

impl Known {
    /// With what another says of the same trace.
    #[must_use]
    pub fn and(self, tenant: TenantId) -> Known {
        match self {
            Known::Nothing => Known::One(tenant),
            Known::One(one) if one == tenant => self,
            Known::One(_) | Known::Several => Known::Several,
        }
    }

    /// What is known from two sides.
    #[must_use]
    pub fn merge(self, other: Known) -> Known {
        match other {
            Known::Nothing => self,
            Known::Several => Known::Several,
            Known::One(tenant) => self.and(tenant),
        }
    }
}

/// What is said of a trace, and when it was said last, in nanoseconds.
struct Entry {
    /// [`TenantId::NONE`] where two were seen.
    tenant: TenantId,
    seen: u64,
}

#[derive(Default)]
struct Shard {
    young: HashMap<TraceId, Entry>,
    old: HashMap<TraceId, Entry>,
    /// When the young table was begun.
    born: u64,
    waiting: HashMap<TraceId, Vec<Arc<Awaited>>>,
}

impl Shard {
    fn get(&self, trace: TraceId, now: u64, remember: u64) -> Known {
        match self.young.get(&trace).or_else(|| self.old.get(&trace)) {
            Some(entry) if now.saturating_sub(entry.seen) > remember => Known::Nothing,
            Some(entry) if entry.tenant == TenantId::NONE => Known::Several,
            Some(entry) => Known::One(entry.tenant),
            None => Known::Nothing,
        }
    }

    fn put(&mut self, trace: TraceId, tenant: TenantId, now: u64, remember: u64, most: usize) {
        if let Some(entry) = self.young.get_mut(&trace) {
            *entry = Entry { tenant, seen: now };
            return;
        }
        if self.young.len() >= most || now.saturating_sub(self.born) > remember {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
            self.born = now;
        }
        self.old.remove(&trace);
        self.young.insert(trace, Entry { tenant, seen: now });
    }
}

/// Those whose traces are not known yet: one request.
struct Awaited {
    /// Traces that are still open.
    left: AtomicUsize,
    all: Notify,
}

impl Awaited {
    fn one_less(&self) {
        if self.left.fetch_sub(1, AcqRel) == 1 {
            self.all.notify_one();
        }
    }
}

/// The tenants of traces, shared by all workers.
pub struct Traces {
    shards: [Mutex<Shard>; limits::INHERIT_SHARDS],
    most_bytes: usize,
    requests: AtomicUsize,
    bytes: AtomicUsize,
    awaited: AtomicUsize,
}

impl Traces {
    /// Knows nothing yet. Requests of `most_bytes` together may wait.
    pub fn new(most_bytes: usize) -> Self {
        let (requests, bytes, awaited) = Default::default();
        Traces { shards: Default::default(), most_bytes, requests, bytes, awaited }
    }

    fn lock(&self, trace: TraceId) -> MutexGuard<'_, Shard> {
        self.shards[trace.shard()].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of a trace.
    pub fn get(&self, trace: TraceId, now: u64, settings: &Inherit) -> Known {
        self.lock(trace).get(trace, now, nanos(settings.remember))
    }

    /// Remembers what items with a tenant of their own say of their trace, and gives what is known now. Who waits
    /// for it is told.
    pub fn learn(&self, trace: TraceId, said: Known, now: u64, settings: &Inherit) -> Known {
        let remember = nanos(settings.remember);
        let mut shard = self.lock(trace);
        let known = shard.get(trace, now, remember).merge(said);
        let tenant = match known {
            Known::Nothing => return known,
            Known::Several => TenantId::NONE,
            Known::One(tenant) => tenant,
        };
        let most = (settings.traces / limits::INHERIT_SHARDS / 2).max(1);
        shard.put(trace, tenant, now, remember, most);
        let waiting = if shard.waiting.is_empty() { None } else { shard.waiting.remove(&trace) };
        drop(shard);
        waiting.into_iter().flatten().for_each(|awaited| awaited.one_less());
        known
    }

    /// A tenant that is named in a trace, and was rejected: it is no source, but who inherits from another one might
    /// be its own.
    pub fn doubt(&self, trace: TraceId, tenant: TenantId, now: u64, settings: &Inherit) {
        let before = self.get(trace, now, settings);
        if before != Known::Nothing {
            self.learn(trace, before.and(tenant), now, settings);
        }
    }

    /// Traces that are remembered.
    pub fn len(&self) -> usize {
        let shards = self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner));
        shards.map(|shard| shard.young.len() + shard.old.len()).sum()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A place to wait in for these traces, each of them once, for a request of so many bytes; none where too many
    /// wait already.
    pub fn wait_for(
        self: &Arc<Self>,
        traces: Vec<TraceId>,
        bytes: usize,
        now: u64,
        settings: &Inherit,
    ) -> Option<Waiter> {
        let awaited = Arc::new(Awaited { left: AtomicUsize::new(traces.len() + 1), all: Notify::new() });
        let take = |of: &AtomicUsize, more: usize, most: usize| {
            of.fetch_update(AcqRel, Relaxed, |used| used.checked_add(more).filter(|sum| *sum <= most)).is_ok()
        };
        if !take(&self.requests, 1, limits::INHERIT_WAITING) {
            return None;
        }
        if !take(&self.bytes, bytes, self.most_bytes) {
            self.requests.fetch_sub(1, AcqRel);
            return None;
        }
        if !take(&self.awaited, traces.len(), limits::INHERIT_AWAITED) {
            self.requests.fetch_sub(1, AcqRel);
            self.bytes.fetch_sub(bytes, AcqRel);
            return None;
        }
        for trace in &traces {
            let mut shard = self.lock(*trace);
            // It may have come since it was looked for.
            if shard.get(*trace, now, nanos(settings.remember)) == Known::Nothing {
                shard.waiting.entry(*trace).or_default().push(Arc::clone(&awaited));
            } else {
                awaited.one_less();
            }
        }
        awaited.one_less();
        Some(Waiter { of: Arc::clone(self), traces, bytes, awaited })
    }
}

/// A place among those that wait, given back on drop.
pub struct Waiter {
    of: Arc<Traces>,
    traces: Vec<TraceId>,
    bytes: usize,
    awaited: Arc<Awaited>,
}

impl Waiter {
    /// Waits until something is known of all its traces; whether it was in time.
    pub async fn known_within(&self, wait: Duration) -> bool {
        tokio::time::timeout(wait, self.awaited.all.notified()).await.is_ok()
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        for trace in &self.traces {
            let mut shard = self.of.lock(*trace);
            if let Some(waiting) = shard.waiting.get_mut(trace) {
                waiting.retain(|awaited| !Arc::ptr_eq(awaited, &self.awaited));
                if waiting.is_empty() {
                    shard.waiting.remove(trace);
                }
            }
        }
        self.of.requests.fetch_sub(1, AcqRel);
        self.of.bytes.fetch_sub(self.bytes, AcqRel);
        self.of.awaited.fetch_sub(self.traces.len(), AcqRel);
    }
}

fn nanos(of: Duration) -> u64 {
    u64::try_from(of.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "traces_tests.rs"]
mod tests;
