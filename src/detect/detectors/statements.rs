//! S6, S7: statements that leave the tenant out, or ask for another one.
//!
//! What a statement lacks its connection may give: a setting that policies of row level security read, a search
//! path or a database of the tenant's own. A row that is asked for by its key was found by its tenant before;
//! such statements are counted, not told.

use std::sync::Arc;

use crate::detect::{
    Detector, DetectorName,
    assemble::Placed,
    fact::{Fact, Place},
    finding::{Class, Confidence, Severity},
    findings::{Candidate, Findings},
    rules::Rules,
    sessions::Held,
    sql::{Scope, Verb},
    state::Generations,
};

/// Statements by their fingerprints, to count those that are not told.
#[derive(Debug)]
pub struct Statements {
    rules: Arc<Rules>,
    by_key: Generations<u64, ()>,
}

impl Statements {
    /// At most `capacity` statements, each for `expiry` ns unused.
    pub fn new(rules: Arc<Rules>, capacity: usize, expiry: u64) -> Self {
        Statements { rules, by_key: Generations::new(capacity.min(10_000), expiry) }
    }
}

impl Detector for Statements {
    fn name(&self) -> DetectorName {
        DetectorName::Statements
    }

    fn observe(&mut self, Placed { o, session, .. }: &Placed, out: &mut Findings) {
        let approved = |fact: &Fact| matches!(fact, Fact::Approved);
        let statement = o.facts.iter().find_map(|fact| match fact {
            Fact::Statement(statement) => Some(statement),
            _ => None,
        });
        let Some(statement) = statement else { return };
        let tenant = o.tenant.filter(|tenant| !self.rules.is_system(*tenant));
        if o.multi_tenant || o.facts.iter().any(approved) || o.excuses(tenant) {
            return;
        }
        let shown = || Arc::clone(&statement.normalized);
        for fact in &o.facts {
            let (Fact::Tenant { tenant: named, place: Place::Statement }, Some(tenant)) = (fact, tenant)
            else {
                continue;
            };
            if *named != tenant && !o.excuses([tenant, *named]) && !self.rules.is_system(*named) {
                let class = Class::UnscopedQuery;
                let found = Candidate::new(o.evidence(), class, Severity::High, tenant, Some(*named));
                let found = found.statement(shown()).statement_id(statement.fingerprint);
                out.raise(found.entity(statement.fingerprint));
            }
        }
        let Scope::Unscoped(missing) = &statement.scope else { return };
        // Whose statement it is may be unknown; whose connection it is may say it.
        let kept = match tenant {
            Some(tenant) => session.lies_with(tenant) || statement.rls && session.set_to(tenant),
            None => [session.setting, session.path].iter().any(|held| *held != Held::Unknown),
        };
        if kept || session.late || session.place.is_some() {
            return;
        }
        if statement.by_primary_key {
            self.by_key.entry(statement.fingerprint, || ());
            return;
        }
        let severity = match statement.verb {
            _ if missing.iter().all(|table| table.rls) && session.setting == Held::Unknown => Severity::High,
            Verb::Delete | Verb::Update | Verb::Truncate | Verb::Merge => Severity::Critical,
            _ => Severity::High,
        };
        let (class, who) = (Class::UnscopedQuery, tenant.unwrap_or(crate::batch::TenantId::NONE));
        let found = Candidate::new(o.evidence(), class, severity, who, None);
        let found = found.statement(shown()).statement_id(statement.fingerprint).confidence(Confidence::High);
        let found = found.thing(statement.fingerprint);
        out.raise(found.patience(limits_of_order()));
    }

    fn expire(&mut self, now: u64, _: &mut Findings) {
        self.by_key.expire(now);
    }

    fn entries(&self) -> usize {
        self.by_key.len()
    }

    fn take_evicted(&mut self) -> u64 {
        self.by_key.take_evicted()
    }
}

/// How much longer what depends on order waits for late spans.
fn limits_of_order() -> u64 {
    crate::limits::ORDER_PATIENCE
}
