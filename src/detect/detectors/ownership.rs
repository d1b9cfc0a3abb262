//! S4: an object of one tenant is given to another, asked for by it, found by its search or in its export.
//!
//! Whoever is first given an object on a route owns it; a key that names tenant and object says it outright.
//! What many tenants are given is public: an object after its third tenant, a route when a tenth of its objects
//! cross and several tenants take part. One principal that takes other tenants' objects over a long time is told
//! once more, as what it is.

use std::sync::Arc;

use crate::{batch::TenantId, limits};

use crate::detect::{
    Detector, DetectorName,
    assemble::Placed,
    fact::{Access, Event, Fact, Place},
    few::Few,
    finding::{Class, Confidence, Severity},
    findings::{Candidate, Findings},
    fingerprint::Fingerprint,
    observation::{Method, Observation, SpanKind},
    rules::Rules,
    state::Generations,
};

/// Objects a route must have before its share of crossings says anything.
const ROUTE_OBJECTS: u32 = 20;
/// A route with at least one crossing in so many objects is shared.
const ROUTE_SHARE: u32 = 10;
/// How often an object that was only listed must have been seen with its owner alone.
const LISTED_SURE: u8 = 2;

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
    /// The owner was given it more than once, wrote it, or a key says so.
    sure: bool,
    /// How often it was only listed for its owner.
    listed: u8,
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

#[derive(Debug)]
struct Taker {
    first: u64,
    last: u64,
    objects: Few<Fingerprint, 8>,
}

/// Objects, routes and those who took others' objects, by their fingerprints.
#[derive(Debug)]
pub struct Ownership {
    rules: Arc<Rules>,
    objects: Generations<Fingerprint, Object>,
    routes: Generations<Fingerprint, Route>,
    takers: Generations<Fingerprint, Taker>,
}

impl Ownership {
    /// At most `objects` objects and `entities` takers, each for `expiry` ns unused.
    pub fn new(rules: Arc<Rules>, objects: usize, entities: usize, expiry: u64) -> Self {
        Ownership {
            rules,
            objects: Generations::new(objects, expiry),
            routes: Generations::new((objects / 16).max(16), expiry),
            takers: Generations::new(entities / 4, expiry),
        }
    }

    fn transfer(&mut self, o: &Observation, from: Option<TenantId>, to: TenantId, out: &mut Findings) {
        for id in objects(o).filter(|(_, access)| *access == Access::Asked).map(|(id, _)| id) {
            let object = self.objects.entry(id, || Object::owned_by(to, None));
            object.before = from.or(Some(object.owner));
            (object.owner, object.others) = (to, Few::default());
            // The first access after it may have overtaken it.
            out.clear(id);
        }
    }

    /// A key that names tenant and object.
    fn filed(&mut self, id: Fingerprint, owner: TenantId) {
        let object = self.objects.entry(id, || Object::owned_by(owner, None));
        if object.owner == owner {
            object.sure = true;
        } else if !object.sure && object.before.is_none() {
            *object = Object { sure: true, ..Object::owned_by(owner, None) };
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
        if object.public || !object.known_on(route) {
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

    fn refused(&self, id: Fingerprint, tenant: TenantId, route: Fingerprint) -> bool {
        let Some(object) = self.objects.peek(id) else { return false };
        let stranger = object.owner != tenant && object.before != Some(tenant);
        stranger && !object.public && !object.others.contains(tenant) && object.routes.contains(route)
    }

    /// The owner of a listed object, where that is another tenant than the one it was listed for.
    fn listed(&mut self, id: Fingerprint, tenant: TenantId) -> Option<TenantId> {
        let object = self.objects.entry(id, || Object::owned_by(tenant, None));
        if object.owner == tenant {
            object.listed = object.listed.saturating_add(1);
            return None;
        }
        object.others.add(tenant);
        object.public |= object.others.len() + 1 >= limits::OBJECT_TENANTS;
        let known = object.sure || !object.routes.is_empty() || object.listed > LISTED_SURE;
        (known && !object.public && object.before != Some(tenant)).then_some(object.owner)
    }

    /// Whether this principal has by now taken others' objects over a long time.
    fn takes(&mut self, o: &Observation, id: Fingerprint) -> bool {
        let Some(who) = o.principals().next() else { return false };
        let fresh = || Taker { first: o.time, last: o.time, objects: Few::default() };
        let taker = self.takers.entry(who, fresh);
        taker.objects.add(id);
        taker.last = taker.last.max(o.time);
        taker.objects.len() >= limits::TAKEN_OBJECTS
            && taker.last.saturating_sub(taker.first) >= limits::TAKEN_NANOS
    }

    fn requested(&mut self, o: &Observation, tenant: TenantId, out: &mut Findings) {
        let Some(route) = o.route.as_ref().map(|route| route.id).filter(|_| o.kind == SpanKind::Server)
        else {
            return;
        };
        for (id, _) in objects(o).filter(|(_, access)| *access == Access::Asked) {
            // Someone with leave to cross these tenants neither owns nor leaks.
            let owner = self.objects.peek(id).map_or(tenant, |object| object.owner);
            if o.excuses([tenant, owner]) {
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
            let Some((class, severity)) = found else { continue };
            self.tell(o, class, severity, tenant, owner, id, out);
        }
    }

    fn results(&mut self, o: &Observation, tenant: TenantId, out: &mut Findings) {
        let mut found: Few<(Class, TenantId), 2> = Few::default();
        for (id, access) in objects(o) {
            let class = match access {
                Access::Listed => Class::CrossTenantRead,
                Access::Found => Class::SearchForeignDocuments,
                Access::Exported => Class::ExportMixedTenants,
                Access::Asked | Access::Filed => continue,
            };
            let owner = self.objects.peek(id).map_or(tenant, |object| object.owner);
            if o.public || o.excuses([tenant, owner]) {
                continue;
            }
            if let Some(owner) = self.listed(id, tenant)
                && !found.contains((class, owner))
            {
                found.add((class, owner));
                self.tell(o, class, Severity::Critical, tenant, owner, id, out);
            }
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn tell(
        &mut self,
        o: &Observation,
        class: Class,
        severity: Severity,
        tenant: TenantId,
        owner: TenantId,
        id: Fingerprint,
        out: &mut Findings,
    ) {
        let candidate = |class| {
            let found = Candidate::new(o.evidence(), class, severity, tenant, Some(owner));
            let found = found.object(id).confidence(Confidence::High);
            match o.principals().next() {
                Some(who) => found.thing(who.0 ^ out.entity(tenant)),
                None => found.entity(o.route.as_ref().map_or(0, |route| route.id.0)),
            }
        };
        let first = candidate(class);
        let slow = (class == Class::CrossTenantRead && self.takes(o, id))
            .then(|| candidate(Class::SlowExfiltration));
        out.raise(first);
        slow.into_iter().for_each(|slow| out.raise_apart(slow));
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
            listed: 0,
        }
    }

    /// Whether the owner was given it on this route; of what a key says is known on every route.
    fn known_on(&self, route: Fingerprint) -> bool {
        self.routes.contains(route) || self.sure && self.routes.is_empty()
    }
}

fn objects(o: &Observation) -> impl Iterator<Item = (Fingerprint, Access)> + '_ {
    o.facts.iter().filter_map(|fact| match fact {
        Fact::Object { id, access } => Some((*id, *access)),
        _ => None,
    })
}

impl Detector for Ownership {
    fn name(&self) -> DetectorName {
        DetectorName::CrossTenantRead
    }

    fn observe(&mut self, Placed { o, .. }: &Placed, out: &mut Findings) {
        if o.facts.is_empty() {
            return;
        }
        for fact in &o.facts {
            if let Fact::Event(Event::Transferred { from, to }) = fact {
                return self.transfer(o, *from, *to, out);
            }
        }
        let Some(tenant) = o.tenant else { return };
        // Where claim and declaration differ, or the service acts for all, nobody can be said to own.
        if o.disputed() || o.multi_tenant || self.rules.is_system(tenant) {
            return;
        }
        for fact in &o.facts {
            let Fact::Tenant { tenant: named, place } = fact else { continue };
            let foreign = *named != tenant && !o.excuses([tenant, *named]) && !self.rules.is_system(*named);
            let class = match place {
                // A key says whose its object is, if the one who uses it is that one.
                Place::File | Place::Argument if *named == tenant => {
                    for (id, _) in objects(o).filter(|(_, access)| *access == Access::Filed) {
                        self.filed(id, tenant);
                    }
                    continue;
                }
                Place::File if foreign && (o.succeeded() || o.status == 0) => Class::CrossTenantRead,
                Place::Exported if foreign => Class::ExportMixedTenants,
                _ => continue,
            };
            let found = Candidate::new(o.evidence(), class, Severity::Critical, tenant, Some(*named));
            out.raise(match place {
                Place::Exported => found.thing(out.entity((tenant, o.trace))),
                _ => found,
            });
        }
        self.requested(o, tenant, out);
        self.results(o, tenant, out);
    }

    fn expire(&mut self, now: u64, _: &mut Findings) {
        self.objects.expire(now);
        self.routes.expire(now);
        self.takers.expire(now);
    }

    fn entries(&self) -> usize {
        self.objects.len() + self.routes.len() + self.takers.len()
    }

    fn take_evicted(&mut self) -> u64 {
        self.objects.take_evicted() + self.routes.take_evicted()
    }
}
