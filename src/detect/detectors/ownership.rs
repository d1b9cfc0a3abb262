//! S4: an object of one tenant is given to another, asked for by it, found by its search or in its export.
//!
//! Whoever is first given an object on a route owns it there, and on the object's own route where that one is its
//! part; who makes it, on the routes below; who finds it by a search, less surely, everywhere. A key that names tenant
//! and object says it outright. What many tenants are given is public: an object after its third tenant, a route when
//! a tenth of its objects cross and several tenants take part, or most of the few that it has. One principal that takes other tenants' objects over a long time is told
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
    fingerprint::{Domain, Fingerprint},
    observation::{Method, Observation, Route as Template, SpanKind},
    rules::Rules,
    state::Generations,
};

/// Objects a route must have before its share of crossings says anything.
const ROUTE_OBJECTS: u32 = 20;
/// A route with at least one crossing in so many objects is shared.
const ROUTE_SHARE: u32 = 10;
/// A route with fewer objects is shared when half of them cross, at least so many, of owners that are not sure.
const SMALL_ROUTE: u32 = 4;
/// Objects of a route that turned out to be everybody's before the route counts as such.
const EVERYBODYS: u32 = 2;
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
    /// Of them, those that turned out to be everybody's.
    everybodys: u32,
    consumers: Few<TenantId, 4>,
}

impl Route {
    /// Whether its objects are given to all; of one whose owner is `sure` that takes more.
    fn shared(&self, sure: bool) -> bool {
        let many = self.objects >= ROUTE_OBJECTS && self.crossed >= self.objects / ROUTE_SHARE;
        let most = !sure && self.objects >= SMALL_ROUTE && self.crossed >= self.objects.div_ceil(2);
        let everybodys = self.everybodys >= EVERYBODYS
            && self.everybodys >= self.crossed.div_ceil(4)
            && self.everybodys >= self.objects / ROUTE_SHARE;
        everybodys || (many || most) && self.consumers.len() >= limits::OBJECT_TENANTS
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
            let object = self.objects.entry(id, || Object::owned_by(to));
            object.before = from.or(Some(object.owner));
            (object.owner, object.others) = (to, Few::default());
            // The first access after it may have overtaken it.
            out.clear(id);
        }
    }

    /// A key that names tenant and object.
    fn filed(&mut self, id: Fingerprint, owner: TenantId) {
        let object = self.objects.entry(id, || Object::owned_by(owner));
        if object.owner == owner {
            object.sure = true;
        } else if !object.sure && object.before.is_none() {
            *object = Object { sure: true, ..Object::owned_by(owner) };
        }
    }

    fn given(
        &mut self,
        o: &Observation,
        id: Fingerprint,
        tenant: TenantId,
        route: &Template,
    ) -> Option<Severity> {
        let key = self.rules.key();
        let print = |text: &str| key.of(Domain::Route, text.as_bytes());
        let mut new = false;
        let object = self.objects.entry(id, || {
            new = true;
            Object { sure: o.method == Method::Write, ..Object::owned_by(tenant) }
        });
        let was_public = object.public | o.public;
        object.public = was_public;
        let counted = object.routes.contains(route.id);
        if object.owner == tenant {
            object.sure |= !new;
            if object.routes.is_empty() {
                let stats = self.routes.entry(route.id, Route::default);
                stats.objects = stats.objects.saturating_add(1);
            }
            if !counted {
                object.routes.add(route.id);
                resource(&route.shown).map(print).into_iter().for_each(|own| object.routes.add(own));
            }
            return None;
        }
        let first_time = !object.others.contains(tenant);
        object.others.add(tenant);
        object.public |= object.others.len() + 1 >= limits::OBJECT_TENANTS;
        let known = object.known_on(route.id)
            || object.sure
                && collection(&route.shown).is_some_and(|text| object.routes.contains(print(text)));
        let listed = object.routes.is_empty() && object.listed > 0;
        let severity = match (known, object.sure) {
            (true, true) => Severity::Critical,
            (true, false) => Severity::High,
            (false, _) if listed => Severity::Medium,
            _ => return None,
        };
        let stats = self.routes.entry(route.id, Route::default);
        if object.public {
            stats.everybodys = stats.everybodys.saturating_add(u32::from(!was_public));
            return None;
        }
        if first_time {
            stats.objects = stats.objects.saturating_add(u32::from(!counted));
            stats.crossed = stats.crossed.saturating_add(1);
            stats.consumers.add(tenant);
        }
        (!stats.shared(object.sure)).then_some(severity)
    }

    /// A shared HTTP cache answers with an object that another tenant surely owns, whatever its address there.
    fn kept(&mut self, o: &Observation, tenant: TenantId, out: &mut Findings) {
        let route = o.route.as_ref().map_or(0, |route| route.id.0);
        for (id, _) in objects(o).filter(|(_, access)| *access == Access::Asked) {
            let Some(object) = self.objects.get(id) else { continue };
            if object.owner == tenant || o.excuses([tenant, object.owner]) {
                continue;
            }
            object.others.add(tenant);
            object.public |= o.public || object.others.len() + 1 >= limits::OBJECT_TENANTS;
            if object.public {
                out.clear(id);
            } else if object.sure && object.before != Some(tenant) {
                // The same incident as where the cache was seen to keep it.
                let class = Class::CacheTenantLeak;
                let found = Candidate::new(o.evidence(), class, Severity::High, tenant, Some(object.owner));
                out.raise(found.object(id).confidence(Confidence::Medium).entity(route));
            }
        }
    }

    fn refused(&self, id: Fingerprint, tenant: TenantId, route: Fingerprint) -> bool {
        let Some(object) = self.objects.peek(id) else { return false };
        let stranger = object.owner != tenant && object.before != Some(tenant);
        stranger && !object.public && !object.others.contains(tenant) && object.routes.contains(route)
    }

    /// The owner of a listed object, where that is another tenant than the one it was listed for.
    fn listed(&mut self, id: Fingerprint, tenant: TenantId) -> Option<TenantId> {
        let object = self.objects.entry(id, || Object::owned_by(tenant));
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
        let Some(route) = o.route.as_ref().filter(|_| o.kind == SpanKind::Server) else {
            if o.succeeded() && o.facts.iter().any(|fact| matches!(fact, Fact::Edge { hit: true, .. })) {
                self.kept(o, tenant, out);
            }
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
            } else if o.denied() && !o.public && self.refused(id, tenant, route.id) {
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
    fn owned_by(owner: TenantId) -> Self {
        Object {
            owner,
            before: None,
            others: Few::default(),
            routes: Few::default(),
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

/// The route of the collection that an object on this route is of: the template without its last part, a parameter.
fn collection(route: &str) -> Option<&str> {
    let (before, last) = route.rsplit_once('/')?;
    (is_parameter(last) && !before.is_empty()).then_some(before)
}

/// The route of the object itself, where this one is a part of it: the template up to its last parameter.
fn resource(route: &str) -> Option<&str> {
    let mut end = route.len();
    for part in route.rsplit('/') {
        if is_parameter(part) {
            return (end < route.len()).then(|| &route[..end]);
        }
        end = end.saturating_sub(part.len() + 1);
    }
    None
}

fn is_parameter(part: &str) -> bool {
    part.starts_with([':', '{', '<', '*', '[', '$'])
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
        let Some(tenant) = o.tenant else {
            // Whoever writes it: the key says whose it is.
            let named = o.facts.iter().find_map(|fact| match fact {
                Fact::Tenant { tenant, place: Place::File } => Some(*tenant),
                _ => None,
            });
            if let Some(owner) = named.filter(|owner| !o.multi_tenant && !self.rules.is_system(*owner)) {
                objects(o)
                    .filter(|(_, access)| *access == Access::Filed)
                    .for_each(|(id, _)| self.filed(id, owner));
            }
            return;
        };
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

#[cfg(test)]
#[path = "tests/ownership.rs"]
mod tests;
