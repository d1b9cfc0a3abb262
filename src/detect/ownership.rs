//! S4: an object of one tenant is given to another, or asked for by it.
//!
//! Whoever is first given an object on a route owns it. What many tenants are given is public:
//! an object after its third tenant, a route when a tenth of its objects cross and several
//! tenants take part. A request that names no tenant waits a moment for the rest of its trace,
//! and counts as the tenant of that, if it is one.

use std::{collections::VecDeque, sync::Arc};

use crate::{batch::TenantId, limits};

use super::{
    Detector,
    few::Few,
    finding::{Class, Severity},
    findings::{Candidate, Findings},
    fingerprint::Fingerprint,
    observation::{Method, Observation, SpanKind, TraceId},
    rules::Rules,
    settings::DetectorName,
    state::Generations,
};

/// Objects a route must have before its share of crossings says anything.
const ROUTE_OBJECTS: u32 = 20;
/// A route with at least one crossing in so many objects is shared.
const ROUTE_SHARE: u32 = 10;

#[derive(Debug)]
struct Object {
    owner: TenantId,
    /// The owner before an explicit transfer: it may still ask, and is then refused.
    before: Option<TenantId>,
    /// Others that were given it.
    others: Few<TenantId, 3>,
    /// Routes on which the owner was given it.
    routes: Few<Fingerprint, 4>,
    public: bool,
    /// The owner was given it more than once, or wrote it.
    sure: bool,
}

#[derive(Debug, Default)]
struct Route {
    objects: u32,
    crossed: u32,
    consumers: Few<TenantId, 4>,
}

impl Route {
    fn shared(&self) -> bool {
        self.objects >= ROUTE_OBJECTS
            && self.crossed >= self.objects / ROUTE_SHARE
            && self.consumers.len() >= limits::OBJECT_TENANTS
    }
}

/// Objects and routes by their fingerprints.
#[derive(Debug)]
pub struct Ownership {
    rules: Arc<Rules>,
    objects: Generations<Fingerprint, Object>,
    routes: Generations<Fingerprint, Route>,
    /// Tenants seen in a trace, and requests that wait for one.
    traces: Generations<TraceId, Few<TenantId, 2>>,
    waiting: VecDeque<(u64, Observation)>,
    settle: u64,
}

impl Ownership {
    /// At most `capacity` objects, each for `expiry` ns unused; a request without a tenant waits
    /// `settle` ns for its trace.
    pub fn new(rules: Arc<Rules>, capacity: usize, expiry: u64, settle: u64) -> Self {
        Ownership {
            rules,
            objects: Generations::new(capacity, expiry),
            routes: Generations::new((capacity / 16).max(16), expiry),
            traces: Generations::new(limits::WAITING_REQUESTS, settle.saturating_mul(4)),
            waiting: VecDeque::new(),
            settle,
        }
    }

    /// Puts a request aside, and remembers the tenants of traces for those that were.
    fn wait(&mut self, o: &Observation) {
        match o.tenant {
            Some(tenant) if !o.multi_tenant => self.traces.entry(o.trace, Few::default).add(tenant),
            None if o.kind == SpanKind::Server && !o.objects.is_empty() => {
                if self.waiting.len() >= limits::WAITING_REQUESTS {
                    self.waiting.pop_front();
                }
                self.waiting.push_back((o.at.saturating_add(self.settle), o.clone()));
            }
            _ => {}
        }
    }

    fn transfer(&mut self, o: &Observation, out: &mut Findings) {
        let Some(transfer) = o.transfer else { return };
        for id in o.objects.iter() {
            let object = self.objects.entry(id, || Object::owned_by(transfer.to, None));
            object.before = transfer.from.or(Some(object.owner));
            object.owner = transfer.to;
            object.others = Few::default();
            // The first access after it may have overtaken it.
            out.clear(id);
        }
    }

    fn given(
        &mut self,
        o: &Observation,
        id: Fingerprint,
        tenant: TenantId,
        route: Fingerprint,
    ) -> Option<Severity> {
        let mut new = false;
        let object = self.objects.entry(id, || {
            new = true;
            Object::owned_by(tenant, Some(route))
        });
        if new {
            object.public = o.public;
            object.sure = o.method == Method::Write;
            let stats = self.routes.entry(route, Route::default);
            stats.objects = stats.objects.saturating_add(1);
            return None;
        }
        object.public |= o.public;
        if object.owner == tenant {
            object.sure = true;
            object.routes.add(route);
            return None;
        }
        let first_time = !object.others.contains(tenant);
        object.others.add(tenant);
        object.public |= object.others.len() + 1 >= limits::OBJECT_TENANTS;
        if object.public || !object.routes.contains(route) {
            return None;
        }
        let severity = if object.sure { Severity::Critical } else { Severity::High };
        let stats = self.routes.entry(route, Route::default);
        if first_time {
            stats.crossed = stats.crossed.saturating_add(1);
            stats.consumers.add(tenant);
        }
        (!stats.shared()).then_some(severity)
    }

    fn refused(&mut self, id: Fingerprint, tenant: TenantId, route: Fingerprint) -> bool {
        let Some(object) = self.objects.get(id) else { return false };
        let stranger = object.owner != tenant && object.before != Some(tenant);
        stranger && !object.public && !object.others.contains(tenant) && object.routes.contains(route)
    }
}

impl Object {
    fn owned_by(owner: TenantId, route: Option<Fingerprint>) -> Self {
        Object {
            owner,
            before: None,
            others: Few::default(),
            routes: route.into_iter().collect(),
            public: false,
            sure: false,
        }
    }
}

impl Detector for Ownership {
    fn name(&self) -> DetectorName {
        DetectorName::CrossTenantRead
    }

    fn observe(&mut self, o: &Observation, out: &mut Findings) {
        if o.transfer.is_some() {
            return self.transfer(o, out);
        }
        if o.has_trace() {
            self.wait(o);
        }
        let (Some(tenant), Some(route), SpanKind::Server) = (o.tenant, o.route, o.kind) else { return };
        // Where claim and declaration differ, or the service acts for all, nobody can be said to own.
        let disputed = o.declared.iter().any(|declared| declared != tenant);
        if disputed || o.multi_tenant || self.rules.is_system(tenant) {
            return;
        }
        // Someone with leave to cross these tenants neither owns nor leaks.
        for id in o.objects.iter() {
            let owner = self.objects.peek(id).map_or(tenant, |object| object.owner);
            if o.excuse.as_ref().is_some_and(|excuse| excuse.covers([tenant, owner])) {
                continue;
            }
            let found = if o.succeeded() {
                self.given(o, id, tenant, route).map(|severity| (Class::CrossTenantRead, severity))
            } else if o.denied() && !o.public && self.refused(id, tenant, route) {
                Some((Class::CrossTenantAttempt, Severity::Low))
            } else {
                None
            };
            if self.objects.peek(id).is_some_and(|object| object.public) {
                out.clear(id);
            }
            if let Some((class, severity)) = found {
                let candidate = Candidate::new(o.evidence(), class, severity, tenant, Some(owner));
                out.raise(candidate.object(id).entity(route.0));
            }
        }
    }

    fn expire(&mut self, now: u64, out: &mut Findings) {
        while self.waiting.front().is_some_and(|(due, _)| *due <= now) {
            let Some((_, mut o)) = self.waiting.pop_front() else { break };
            let tenants = self.traces.peek(o.trace).copied().unwrap_or_default();
            if let (Some(tenant), 1) = (tenants.first(), tenants.len()) {
                o.tenant = Some(tenant);
                self.observe(&o, out);
            }
        }
        self.traces.expire(now);
        self.objects.expire(now);
        self.routes.expire(now);
    }

    fn entries(&self) -> usize {
        self.objects.len() + self.routes.len() + self.traces.len() + self.waiting.len()
    }

    fn take_evicted(&mut self) -> u64 {
        self.objects.take_evicted() + self.routes.take_evicted()
    }
}
