//! S2: inside one trace, a synchronous call goes from one tenant to another.
//!
//! The assembler says who called; an ancestor that has not arrived in time decides nothing.

use std::sync::Arc;

use crate::batch::Signal;

use crate::detect::{
    Detector, DetectorName,
    assemble::Placed,
    finding::{Class, Severity},
    findings::{Candidate, Findings},
    rules::Rules,
};

/// Needs no memory of its own.
#[derive(Debug)]
pub struct TraceCrossing {
    rules: Arc<Rules>,
}

impl TraceCrossing {
    /// A detector under these rules.
    pub fn new(rules: Arc<Rules>) -> Self {
        TraceCrossing { rules }
    }
}

impl Detector for TraceCrossing {
    fn name(&self) -> DetectorName {
        DetectorName::TraceTenantCrossing
    }

    fn observe(&mut self, Placed { o, caller, .. }: &Placed, out: &mut Findings) {
        let (Some(tenant), Some(caller), Signal::Traces) = (o.tenant, caller, o.signal) else { return };
        let pair = [tenant, caller.tenant];
        if tenant == caller.tenant
            || !caller.synchronous
            || o.multi_tenant
            || pair.iter().any(|tenant| self.rules.is_system(*tenant))
            || o.excuses(pair)
        {
            return;
        }
        let entity = out.entity(&o.service);
        let found = Candidate::new(
            o.evidence(),
            Class::TraceTenantCrossing,
            Severity::High,
            caller.tenant,
            Some(tenant),
        );
        out.raise(found.entity(entity));
    }
}
