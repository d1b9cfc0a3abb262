//! Observations wait a moment for the rest of their trace, and go on in the order of their time, with the
//! tenant, the excuse and the caller that the trace gives them.
//!
//! An item without a tenant of its own counts as that of its nearest ancestor, else as the one of its trace
//! if that has one only. Everything is held for `settle` behind the newest arrival; what comes later still goes
//! on at once, with what is known of its trace by then.

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
    few::Few,
    observation::{Excuse, Observation, SpanId, SpanKind, TraceId},
    rules::Rules,
    sessions::Session,
    state::Generations,
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

    /// Lets time pass.
    pub fn expire(&mut self, now: u64) {
        self.traces.expire(now);
    }

    /// Observations that wait, and traces.
    pub fn entries(&self) -> usize {
        self.held.len() + self.traces.len()
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

impl Node {
    /// The span with nothing but its place and its tenant, as of the arrival of `late`.
    fn bare(&self, late: &Observation) -> Observation {
        let mut o = Observation::new(late.at, Signal::Traces);
        (o.trace, o.span, o.parent, o.kind) = (late.trace, self.span, self.parent, self.kind);
        (o.tenant, o.service, o.multi_tenant) = (self.tenant, Arc::clone(&self.service), self.neutral);
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
