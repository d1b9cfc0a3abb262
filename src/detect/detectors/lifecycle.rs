//! S16: a tenant that should not be there is active.

use std::sync::Arc;

use crate::detect::{
    Detector, DetectorName,
    assemble::Placed,
    fact::Fact,
    finding::{Class, Severity},
    findings::{Candidate, Findings},
    observation::TenantState,
    rules::Rules,
};

/// Needs no memory of its own: the catalogue's word and the event's time are on the item.
#[derive(Debug)]
pub struct Lifecycle {
    rules: Arc<Rules>,
}

impl Lifecycle {
    /// A detector under these rules.
    pub fn new(rules: Arc<Rules>) -> Self {
        Lifecycle { rules }
    }
}

impl Detector for Lifecycle {
    fn name(&self) -> DetectorName {
        DetectorName::DeletedTenantActive
    }

    fn observe(&mut self, Placed { o, .. }: &Placed, out: &mut Findings) {
        let Some(tenant) = o.tenant else { return };
        let severity = match o.state {
            TenantState::Unverified | TenantState::Active => return,
            // Data on its way when the tenant was deleted may still come: event time decides.
            TenantState::Deleted(Some(at)) if o.time <= at.saturating_add(self.rules.deleted_grace) => return,
            TenantState::Deleted(_) => Severity::High,
            TenantState::Suspended => Severity::Medium,
            TenantState::Unknown => Severity::Medium,
        };
        // What jobs do with deleted tenants is for the one that knows jobs to judge.
        let job = matches!(o.state, TenantState::Deleted(_))
            && o.facts.iter().any(|f| matches!(f, Fact::Job { .. }));
        if o.multi_tenant || job || o.excuses([tenant]) || self.rules.is_system(tenant) {
            return;
        }
        let entity = out.entity(&o.service);
        out.raise(
            Candidate::new(o.evidence(), Class::DeletedTenantActive, severity, tenant, None).entity(entity),
        );
    }
}
