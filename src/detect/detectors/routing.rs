//! S12 for places: something still uses the schema or the database that a tenant has left.

use std::sync::Arc;

use crate::{batch::TenantId, limits};

use crate::detect::{
    Detector, DetectorName,
    assemble::Placed,
    fact::{Event, Fact, Place, Setting},
    finding::{Class, Severity},
    findings::{Candidate, Findings},
    rules::Rules,
    state::Generations,
};

/// When tenants left places of their own.
#[derive(Debug)]
pub struct Routing {
    rules: Arc<Rules>,
    left: Generations<TenantId, u64>,
}

impl Routing {
    /// At most `capacity` tenants, each for `expiry` ns.
    pub fn new(rules: Arc<Rules>, capacity: usize, expiry: u64) -> Self {
        Routing {
            rules,
            left: Generations::new(capacity.min(limits::MOVES * 16), expiry.max(limits::LEFT_NANOS)),
        }
    }
}

impl Detector for Routing {
    fn name(&self) -> DetectorName {
        DetectorName::Routing
    }

    fn observe(&mut self, Placed { o, .. }: &Placed, out: &mut Findings) {
        for fact in &o.facts {
            let place = match fact {
                Fact::Event(Event::CutOver { tenant, from_own: true }) => {
                    self.left.entry(*tenant, || o.time);
                    continue;
                }
                Fact::Tenant { tenant, place: Place::Database } | Fact::Context(Setting::Path(tenant)) => {
                    *tenant
                }
                _ => continue,
            };
            let Some(left) = self.left.peek(place).copied() else { continue };
            let tenant = o.tenant.unwrap_or(place);
            if o.time <= left.saturating_add(limits::CUT_OVER_NANOS)
                || o.multi_tenant
                || o.excuses([tenant, place])
                || self.rules.is_system(tenant)
                || o.facts.iter().any(|fact| matches!(fact, Fact::Approved))
            {
                continue;
            }
            let other = (tenant != place).then_some(place);
            let found = Candidate::new(o.evidence(), Class::MigrationMisroute, Severity::High, tenant, other);
            let entity = out.entity(&o.service);
            out.raise(found.entity(entity));
        }
    }

    fn expire(&mut self, now: u64, _: &mut Findings) {
        self.left.expire(now);
    }

    fn entries(&self) -> usize {
        self.left.len()
    }
}
