//! S15: a tenant's canary in another tenant's data. S17: a tenant's id, domain, slug or name there.

use std::sync::Arc;

use crate::detect::{
    Detector, DetectorName,
    assemble::Placed,
    fact::Fact,
    finding::{Class, Confidence, Severity},
    findings::{Candidate, Findings},
    mentions::{Kind, Strength},
    rules::Rules,
};

/// Needs no memory of its own: the names are in the catalogue's automaton.
#[derive(Debug)]
pub struct Naming {
    rules: Arc<Rules>,
}

impl Naming {
    /// A detector under these rules.
    pub fn new(rules: Arc<Rules>) -> Self {
        Naming { rules }
    }
}

impl Detector for Naming {
    fn name(&self) -> DetectorName {
        DetectorName::Mentions
    }

    fn observe(&mut self, Placed { o, .. }: &Placed, out: &mut Findings) {
        let Some(tenant) = o.tenant.filter(|tenant| !self.rules.is_system(*tenant)) else { return };
        if o.multi_tenant {
            return;
        }
        for fact in &o.facts {
            let Fact::Mention { tenant: named, kind, strength, field } = fact else { continue };
            let (class, severity, sure) = match (kind, strength) {
                (Kind::Canary, _) => (Class::CanaryLeak, Severity::Critical, Confidence::Certain),
                (_, Strength::Weak) => continue,
                _ => (Class::TenantMention, Severity::Medium, Confidence::Medium),
            };
            let declared = o.declared.contains(*named);
            if *named == tenant || declared || self.rules.is_system(*named) || o.excuses([tenant, *named]) {
                continue;
            }
            let found = Candidate::new(o.evidence(), class, severity, tenant, Some(*named));
            out.raise(found.field(field).confidence(sure));
        }
    }
}
