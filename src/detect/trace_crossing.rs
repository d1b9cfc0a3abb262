//! S2: inside a trace a synchronous call goes from one tenant to another.
//!
//! Spans of a trace arrive in any order, so a trace is judged as a whole, a moment after each
//! arrival, and every crossing in it is told once. A span without a tenant of its own has that of
//! its nearest ancestor on synchronous edges; an ancestor that has not arrived decides nothing.

use std::{collections::VecDeque, sync::Arc};

use crate::{batch::TenantId, limits};

use super::{
    Detector,
    finding::{Class, Severity},
    findings::{Candidate, Findings},
    observation::{Evidence, Observation, SpanId, SpanKind, TraceId},
    rules::Rules,
    settings::DetectorName,
    state::Generations,
};

#[derive(Debug)]
struct Node {
    span: SpanId,
    parent: SpanId,
    kind: SpanKind,
    tenant: Option<TenantId>,
    /// Says nothing: a multi-tenant service, the system tenant, or two spans under one id.
    neutral: bool,
    told: bool,
    evidence: Evidence,
}

#[derive(Debug, Default)]
struct Trace {
    nodes: Vec<Node>,
    due: bool,
}

/// Traces by id, and the order in which they are due.
#[derive(Debug)]
pub struct TraceCrossing {
    rules: Arc<Rules>,
    traces: Generations<TraceId, Trace>,
    due: VecDeque<(u64, TraceId)>,
    settle: u64,
    full: u64,
    capacity: usize,
}

impl TraceCrossing {
    /// At most `capacity` traces, each for `expiry` ns, judged `settle` ns after an arrival.
    pub fn new(rules: Arc<Rules>, capacity: usize, expiry: u64, settle: u64) -> Self {
        let traces = Generations::new(capacity, expiry);
        TraceCrossing { rules, traces, due: VecDeque::new(), settle, full: 0, capacity }
    }

    fn judge(&mut self, id: TraceId, out: &mut Findings) {
        let Some(trace) = self.traces.get(id) else { return };
        trace.due = false;
        // Sorted by id, so that what is told does not depend on the order of arrival.
        trace.nodes.sort_by_key(|node| node.span);
        for at in 0..trace.nodes.len() {
            if let Some(ancestor) = crossed(&trace.nodes, at) {
                let node = &mut trace.nodes[at];
                node.told = true;
                let entity = out.entity(&node.evidence.service);
                let class = Class::TraceTenantCrossing;
                let evidence = node.evidence.clone();
                out.raise(
                    Candidate::new(evidence, class, Severity::High, ancestor, node.tenant).entity(entity),
                );
            }
        }
    }
}

/// The tenant of the nearest ancestor that has one, if it is another than the span's own.
fn crossed(nodes: &[Node], at: usize) -> Option<TenantId> {
    let node = &nodes[at];
    let own = node.tenant.filter(|_| !node.neutral && !node.told)?;
    let mut child = node;
    for _ in 0..nodes.len() {
        let parent = nodes.binary_search_by_key(&child.parent, |n| n.span).ok().map(|i| &nodes[i])?;
        if parent.neutral || parent.kind == SpanKind::Producer || child.kind == SpanKind::Consumer {
            return None;
        }
        if let Some(tenant) = parent.tenant {
            return (tenant != own).then_some(tenant);
        }
        child = parent;
    }
    None
}

impl Detector for TraceCrossing {
    fn name(&self) -> DetectorName {
        DetectorName::TraceTenantCrossing
    }

    fn observe(&mut self, o: &Observation, out: &mut Findings) {
        if o.signal != crate::batch::Signal::Traces || !o.has_trace() || o.span == [0; 8] {
            return;
        }
        let neutral = o.multi_tenant || o.tenant.is_some_and(|tenant| self.rules.is_system(tenant));
        let trace = self.traces.entry(o.trace, Trace::default);
        if let Some(node) = trace.nodes.iter_mut().find(|node| node.span == o.span) {
            // The same span again, or two sides of a call under one id: only the former says anything.
            node.neutral |= neutral || node.tenant != o.tenant || node.parent != o.parent;
            return;
        }
        if trace.nodes.len() >= limits::SPANS_PER_TRACE {
            self.full += 1;
            return;
        }
        trace.nodes.push(Node {
            span: o.span,
            parent: o.parent,
            kind: o.kind,
            tenant: o.tenant,
            neutral,
            told: false,
            evidence: o.evidence(),
        });
        if !trace.due {
            trace.due = true;
            self.due.push_back((o.at.saturating_add(self.settle), o.trace));
        }
        if self.due.len() > self.capacity
            && let Some((_, oldest)) = self.due.pop_front()
        {
            self.judge(oldest, out);
        }
    }

    fn expire(&mut self, now: u64, out: &mut Findings) {
        while self.due.front().is_some_and(|(due, _)| *due <= now) {
            if let Some((_, id)) = self.due.pop_front() {
                self.judge(id, out);
            }
        }
        self.traces.expire(now);
    }

    fn entries(&self) -> usize {
        self.traces.len()
    }

    fn take_evicted(&mut self) -> u64 {
        self.traces.take_evicted() + std::mem::take(&mut self.full)
    }
}
