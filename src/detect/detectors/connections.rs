//! S8: a query on a connection that is set to another tenant. S13: a call that was given up on a connection,
//! then answers on it that do not fit.

use std::sync::Arc;

use crate::{batch::TenantId, limits};

use crate::detect::{
    Detector, DetectorName,
    assemble::Placed,
    fact::{Fact, Setting},
    finding::{Class, Confidence, Severity},
    findings::{Candidate, Findings},
    fingerprint::Fingerprint,
    observation::Failure,
    rules::Rules,
    sql::{Scope, Verb},
    state::Generations,
};

#[derive(Debug, Clone, Copy)]
struct Cancelled {
    time: u64,
    tenant: Option<TenantId>,
}

/// Connections on which a call was given up.
#[derive(Debug)]
pub struct Connections {
    rules: Arc<Rules>,
    cancelled: Generations<Fingerprint, Cancelled>,
}

impl Connections {
    /// At most `capacity` connections, each for `expiry` ns unused.
    pub fn new(rules: Arc<Rules>, capacity: usize, expiry: u64) -> Self {
        Connections { rules, cancelled: Generations::new(capacity, expiry) }
    }

    /// The tenant that the connection is set to, or whose schema the query names, where that is another than the query's.
    fn stale(&self, placed: &Placed) -> Option<TenantId> {
        let Placed { o, session, .. } = placed;
        let tenant = o.tenant?;
        let statement = o.facts.iter().find_map(|fact| match fact {
            Fact::Statement(statement) if statement.verb != Verb::Session => Some(statement),
            _ => None,
        })?;
        // A statement that sets the tenant anew is not run under the old one.
        if o.facts.iter().any(|fact| matches!(fact, Fact::Context(change) if *change != Setting::Begin)) {
            return None;
        }
        let other = |held: &TenantId| *held != tenant;
        // What a tenant's own schema holds is the tenant's, whether the product's schema knows the table or not.
        let named = session.place.filter(|_| !statement.schemas.is_empty()).filter(other);
        let owned = !matches!(statement.scope, Scope::NotOwned);
        let held = [session.place, session.path.tenant(), session.setting.tenant()];
        named.or_else(|| held.into_iter().flatten().find(|held| owned && other(held)))
    }
}

impl Detector for Connections {
    fn name(&self) -> DetectorName {
        DetectorName::Connections
    }

    fn observe(&mut self, placed: &Placed, out: &mut Findings) {
        let o = &placed.o;
        if o.facts.iter().any(|fact| matches!(fact, Fact::Context(Setting::Set(_) | Setting::Path(_)))) {
            // It came after what was run under it: its trace did set the tenant.
            out.retract(o.trace, Class::ConnectionContextBleed);
            out.retract(o.trace, Class::UnscopedQuery);
        }
        if o.multi_tenant || o.facts.iter().any(|fact| matches!(fact, Fact::Approved)) {
            return;
        }
        if let (Some(held), Some(tenant)) = (self.stale(placed), o.tenant)
            && !o.excuses([tenant, held])
            && !self.rules.is_system(tenant)
        {
            let class = Class::ConnectionContextBleed;
            let found = Candidate::new(o.evidence(), class, Severity::Critical, tenant, Some(held));
            out.raise(found.confidence(Confidence::High).patience(limits::ORDER_PATIENCE));
        }
        let Some(id) = o.connection() else { return };
        match o.failure {
            Failure::Cancelled => {
                self.cancelled.entry(id, || Cancelled { time: o.time, tenant: o.tenant }).time = o.time;
            }
            Failure::Mismatched => {
                let Some(before) = self.cancelled.peek(id).copied() else { return };
                let close = o.time.saturating_sub(before.time) <= limits::CANCELLED_NANOS;
                if let (Some(tenant), true) = (o.tenant, close) {
                    let other = before.tenant.filter(|before| *before != tenant);
                    let class = Class::ConnectionContextBleed;
                    let found = Candidate::new(o.evidence(), class, Severity::High, tenant, other);
                    out.raise(found.object(id).confidence(Confidence::Medium).thing(id.0));
                }
            }
            Failure::None | Failure::Other => {}
        }
    }

    fn expire(&mut self, now: u64, _: &mut Findings) {
        self.cancelled.expire(now);
    }

    fn entries(&self) -> usize {
        self.cancelled.len()
    }

    fn take_evicted(&mut self) -> u64 {
        self.cancelled.take_evicted()
    }
}
