//! Observations wait a moment for the rest of their trace, and go on in the order of their time, with the
//! tenant, the excuse and the caller that the trace gives them.
//!
//! An item without a tenant of its own counts as that of its nearest ancestor, else as the one of its trace
//! if that has one only. Everything is held for `settle` behind the newest arrival; what comes later still goes
//! on at once, with what is known of its trace by then. Of what has no tenant, and a trace that has none yet, only the
//! connection's state is settled then: the rest of it waits on, until the trace has one or is forgotten.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
    sync::Arc,
};

use crate::{
    batch::{Signal, TenantId},
    limits,
};

use super::{
    fact::{Fact, Place},
    few::Few,
    fingerprint::Fingerprint,
    observation::{Excuse, Observation, SpanId, SpanKind, TraceId},
    rules::Rules,
    sessions::Session,
    state::Generations,
    unplaced::{Unplaced, can_wait},
};

/// An observation with what its trace says of it.
#[derive(Debug)]
pub struct Placed {
    /// The observation; its tenant is its own, or else that of its trace.
    pub o: Observation,
    /// The nearest ancestor with a tenant of its own.
    pub caller: Option<Caller>,
    /// What its database connection was set to.
    pub session: Session,
}

/// Who called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The tenant of the nearest ancestor that declares one.
    pub tenant: TenantId,
    /// No message was handed over in between: caller and callee wait for each other.
    pub synchronous: bool,
}

#[derive(Debug)]
struct Node {
    span: SpanId,
    parent: SpanId,
    kind: SpanKind,
    tenant: Option<TenantId>,
    /// Says nothing: a multi-tenant service, the system tenant, or two spans under one id.
    neutral: bool,
    service: Arc<str>,
    /// It went on while no ancestor with a tenant was known.
    undecided: bool,
    /// The class of the job that it runs under its own tenant.
    job: Option<Fingerprint>,
}

#[derive(Debug, Default)]
struct Trace {
    nodes: Vec<Node>,
    tenants: Few<TenantId, 3>,
    excuse: Option<Excuse>,
    roots: Few<SpanId, 2>,
}

struct Held {
    time: u64,
    number: u64,
    o: Box<Observation>,
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Held {}
impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Held {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.time, self.number).cmp(&(other.time, other.number))
    }
}

/// Observations that wait, and traces.
pub struct Assembler {
    rules: Arc<Rules>,
    settle: u64,
    held: BinaryHeap<Reverse<Held>>,
    capacity: usize,
    unplaced: Unplaced,
    traces: Generations<TraceId, Trace>,
    number: u64,
    cut: u64,
}

impl Assembler {
    /// Holds `waiting` observations for `settle` ns, and remembers `traces` traces for `expiry` ns.
    pub fn new(rules: Arc<Rules>, settle: u64, waiting: usize, traces: usize, expiry: u64) -> Self {
        Assembler {
            rules,
            settle,
            held: BinaryHeap::new(),
            capacity: waiting.max(1),
            unplaced: Unplaced::new(waiting / 4, expiry),
            traces: Generations::new(traces, expiry),
            number: 0,
            cut: 0,
        }
    }

    /// Takes an observation up. It goes on after `settle`, or as soon as there is no room for more.
    pub fn add(&mut self, o: Observation) {
        self.learn(&o);
        self.hold(o);
    }

    fn hold(&mut self, mut o: Observation) {
        // A clock that runs ahead must not hold its items for ever, one that runs behind not go first.
        let time = o.time.clamp(o.at.saturating_sub(limits::LATE_NANOS), o.at);
        o.time = if o.time > o.at.saturating_add(limits::LATE_NANOS) { o.at } else { o.time };
        self.number += 1;
        self.held.push(Reverse(Held { time, number: self.number, o: Box::new(o) }));
    }

    /// The next observation whose time has come at `now`.
    pub fn next(&mut self, now: u64) -> Option<Placed> {
        let due =
            self.held.len() > self.capacity || self.held.peek()?.0.time.saturating_add(self.settle) <= now;
        let Reverse(held) = due.then(|| self.held.pop()).flatten()?;
        Some(self.place(*held.o))
    }

    /// The same observation, unless it waits on for its trace to say whose it is; it comes from [`Assembler::late`]
    /// then.
    pub fn wait(&mut self, placed: Placed) -> Option<Placed> {
        let unknown = |trace: &Trace| trace.tenants.is_empty();
        if !can_wait(&placed.o) || !self.traces.peek(placed.o.trace).is_some_and(unknown) {
            return Some(placed);
        }
        self.unplaced.add(placed);
        None
    }

    /// The next of those that waited on. What its connection was set to is known already.
    pub fn late(&mut self, now: u64) -> Option<Placed> {
        let Placed { o, session, .. } = self.unplaced.next(now)?;
        Some(Placed { session, ..self.place(o) })
    }

    /// Lets time pass.
    pub fn expire(&mut self, now: u64) {
        self.traces.expire(now);
    }

    /// Observations that wait, and traces.
    pub fn entries(&self) -> usize {
        self.held.len() + self.unplaced.len() + self.traces.len()
    }

    /// Traces and spans that were forgotten for want of room, since the last call.
    pub fn take_evicted(&mut self) -> u64 {
        self.traces.take_evicted() + std::mem::take(&mut self.cut)
    }

    fn learn(&mut self, o: &Observation) {
        if !o.has_trace() {
            return;
        }
        let neutral = o.multi_tenant || o.tenant.is_some_and(|tenant| self.rules.is_system(tenant));
        let trace = self.traces.entry(o.trace, Trace::default);
        if let Some(excuse) = &o.excuse {
            match &mut trace.excuse {
                Some(Excuse::All) => {}
                known => *known = Some(excuse.clone()),
            }
        }
        if let (Some(tenant), false) = (o.tenant, neutral) {
            if trace.tenants.is_empty() {
                self.unplaced.known(o.trace, o.at.saturating_add(self.settle));
            }
            trace.tenants.add(tenant);
        }
        if o.signal != Signal::Traces || o.span == [0; 8] {
            return;
        }
        if o.parent == [0; 8] {
            trace.roots.add(o.span);
        }
        if let Some(node) = trace.nodes.iter_mut().find(|node| node.span == o.span) {
            // The same span again, or two sides of a call under one id: only the former says anything.
            node.neutral |= neutral || node.tenant != o.tenant || node.parent != o.parent;
            return;
        }
        if trace.nodes.len() >= limits::SPANS_PER_TRACE {
            self.cut += 1;
            return;
        }
        // What this span may decide, and went on without it, is looked at once more.
        let waiting = |node: &mut Node| std::mem::take(&mut node.undecided).then(|| node.bare(o));
        let again: Vec<_> = trace.nodes.iter_mut().filter_map(waiting).collect();
        let (service, undecided) = (Arc::clone(&o.service), false);
        trace.nodes.push(Node {
            span: o.span,
            parent: o.parent,
            kind: o.kind,
            tenant: o.tenant,
            neutral,
            service,
            undecided,
            job: job(o),
        });
        again.into_iter().for_each(|o| self.hold(o));
    }

    fn place(&mut self, mut o: Observation) -> Placed {
        let mut caller = None;
        if o.has_trace()
            && let Some(trace) = self.traces.get(o.trace)
        {
            o.excuse = o.excuse.take().or_else(|| trace.excuse.clone());
            let (own, found) = trace.caller(&o);
            caller = found;
            if let (Some(node), None) = (trace.nodes.iter_mut().find(|node| node.span == o.span), found) {
                node.undecided = node.tenant.is_some() && node.parent != [0; 8];
            }
            if o.tenant.is_none() {
                // Under one id several traces may hide: then only an ancestor's word counts.
                let only =
                    trace.tenants.first().filter(|_| trace.tenants.len() == 1 && trace.roots.len() < 2);
                let inherited = own.or(caller.filter(|caller| caller.synchronous).map(|c| c.tenant)).or(only);
                if let Some(tenant) = inherited {
                    o.tenant = Some(tenant);
                    // It is active in so far as its trace is, which was looked at there.
                }
            }
        }
        Placed { o, caller, session: Session::default() }
    }
}

/// The class of a job whose tenant is what the span itself says, and nothing else.
fn job(o: &Observation) -> Option<Fingerprint> {
    let argument = |fact: &Fact| matches!(fact, Fact::Tenant { place: Place::Argument, .. });
    if o.own.is_none() || o.own != o.tenant || o.facts.iter().any(argument) {
        return None;
    }
    o.facts.iter().find_map(|fact| match fact {
        Fact::Job { class, .. } => Some(*class),
        _ => None,
    })
}

impl Node {
    /// The span with nothing but its place, its tenant and its job, as of the arrival of `late`.
    fn bare(&self, late: &Observation) -> Observation {
        let mut o = Observation::new(late.at, Signal::Traces);
        (o.trace, o.span, o.parent, o.kind) = (late.trace, self.span, self.parent, self.kind);
        (o.tenant, o.service, o.multi_tenant) = (self.tenant, Arc::clone(&self.service), self.neutral);
        if let Some(class) = self.job {
            o.own = self.tenant;
            o.facts.push(Fact::Job { class, arguments: false });
        }
        o
    }
}

impl Trace {
    /// The tenant of the record's own span, and the nearest ancestor with one.
    fn caller(&self, o: &Observation) -> (Option<TenantId>, Option<Caller>) {
        let find =
            |span: SpanId| (span != [0; 8]).then(|| self.nodes.iter().find(|n| n.span == span)).flatten();
        let (mut parent, mut kind, mut own) = (o.parent, o.kind, None);
        if o.signal != Signal::Traces {
            let Some(node) = find(o.span) else { return (None, None) };
            own = node.tenant.filter(|_| !node.neutral);
            (parent, kind) = (node.parent, node.kind);
        }
        let mut synchronous = true;
        for _ in 0..self.nodes.len() {
            let Some(node) = find(parent) else { break };
            if node.kind == SpanKind::Producer || kind == SpanKind::Consumer {
                synchronous = false;
            }
            if node.neutral {
                return (own, None);
            }
            if let Some(tenant) = node.tenant {
                return (own, Some(Caller { tenant, synchronous }));
            }
            (parent, kind) = (node.parent, node.kind);
        }
        (own, None)
    }
}

#[cfg(test)]
#[path = "tests/late.rs"]
mod tests;
