//! Observations whose trace has not said yet whose they are: they wait for it longer than others.
//!
//! The root of a long request, or of a job, comes when that ends, after all that was done in it; and often nothing but
//! the root names the tenant. What is only known by its trace would be judged without a tenant, and so be lost.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

use super::{
    assemble::Placed,
    fact::Fact,
    observation::{Failure, Observation, TraceId},
    sql::Scope,
};

/// At most so many observations, each for so long.
pub(super) struct Unplaced {
    traces: HashMap<TraceId, Vec<Placed>, foldhash::fast::RandomState>,
    /// When each trace's go on; a trace may be in here several times.
    due: BinaryHeap<Reverse<(u64, TraceId)>>,
    held: usize,
    capacity: usize,
    patience: u64,
    ready: Vec<Placed>,
}

impl Unplaced {
    /// Holds `capacity` observations, each for `patience` ns after its arrival.
    pub fn new(capacity: usize, patience: u64) -> Self {
        let (traces, due) = (HashMap::default(), BinaryHeap::new());
        Unplaced { traces, due, held: 0, capacity, patience, ready: Vec::new() }
    }

    /// Observations that wait.
    pub fn len(&self) -> usize {
        self.held + self.ready.len()
    }

    /// Takes one up. Where there is no room for it, those that have waited longest go on.
    pub fn add(&mut self, placed: Placed) {
        let (at, trace) = (placed.o.at, placed.o.trace);
        let waiting = self.traces.entry(trace).or_default();
        if waiting.is_empty() {
            self.due.push(Reverse((at.saturating_add(self.patience), trace)));
        }
        waiting.push(placed);
        self.held += 1;
        while (self.held > self.capacity || self.due.len() > 2 * self.capacity)
            && let Some(Reverse((_, oldest))) = self.due.pop()
        {
            self.release(oldest);
        }
    }

    /// The trace has said whose it is: what waits for it goes on at `due`.
    pub fn known(&mut self, trace: TraceId, due: u64) {
        if self.held > 0 && self.traces.contains_key(&trace) {
            self.due.push(Reverse((due, trace)));
        }
    }

    /// One whose time has come at `now`.
    pub fn next(&mut self, now: u64) -> Option<Placed> {
        while self.ready.is_empty() && self.due.peek().is_some_and(|Reverse((due, _))| *due <= now) {
            let Reverse((_, trace)) = self.due.pop()?;
            self.release(trace);
        }
        self.ready.pop()
    }

    fn release(&mut self, trace: TraceId) {
        let waited = self.traces.remove(&trace).unwrap_or_default();
        self.held -= waited.len();
        // The last is taken first.
        self.ready.splice(..0, waited.into_iter().rev());
    }
}

/// Whether only the tenant is wanting to judge it, and nothing is judged by what it says: changes of a connection,
/// events and the like must not come late.
pub(super) fn can_wait(o: &Observation) -> bool {
    let in_order = |fact: &Fact| match fact {
        Fact::Context(_) | Fact::Event(_) | Fact::Personal { .. } => true,
        // It is told without a tenant, too, unless its trace sets one in time.
        Fact::Statement(statement) => matches!(statement.scope, Scope::Unscoped(_)),
        _ => false,
    };
    let by_tenant = |fact: &Fact| {
        matches!(
            fact,
            Fact::Object { .. }
                | Fact::Tenant { .. }
                | Fact::Cache { .. }
                | Fact::Edge { .. }
                | Fact::Content(_)
                | Fact::Channel { .. }
                | Fact::Mention { .. }
        )
    };
    o.tenant.is_none()
        && !o.multi_tenant
        && o.has_trace()
        && matches!(o.failure, Failure::None | Failure::Other)
        && o.facts.iter().any(by_tenant)
        && !o.facts.iter().any(in_order)
}
