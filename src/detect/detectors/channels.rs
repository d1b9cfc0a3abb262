//! S11 for messages: somebody listens to, or writes to, another tenant's channel.
//!
//! A channel is a tenant's where its name says so, or where one tenant alone has used it and its name holds an id: one
//! without (`orders`, `mail.send`) is a queue of everybody's, even if few have used it yet.

use std::sync::Arc;

use crate::batch::TenantId;

use crate::detect::{
    Detector, DetectorName,
    assemble::Placed,
    fact::Fact,
    few::Few,
    finding::{Class, Confidence, Severity},
    findings::{Candidate, Findings},
    fingerprint::Fingerprint,
    rules::Rules,
    state::Generations,
};

/// Tenants that use a channel before it counts as everybody's, and what one alone must have done to own it.
const EVERYBODY: usize = 3;
const SURE: u32 = 5;

#[derive(Debug)]
struct Channel {
    tenants: Few<TenantId, EVERYBODY>,
    uses: u32,
}

/// Channels whose names name no tenant.
#[derive(Debug)]
pub struct Channels {
    rules: Arc<Rules>,
    known: Generations<Fingerprint, Channel>,
}

impl Channels {
    /// At most `capacity` channels, each for `expiry` ns unused.
    pub fn new(rules: Arc<Rules>, capacity: usize, expiry: u64) -> Self {
        Channels { rules, known: Generations::new(capacity, expiry) }
    }

    fn learned(&mut self, id: Fingerprint, tenant: TenantId) -> Option<TenantId> {
        let fresh = || Channel { tenants: Some(tenant).into_iter().collect(), uses: 0 };
        let channel = self.known.entry(id, fresh);
        let owner = channel.tenants.first()?;
        let alone = channel.tenants.len() == 1 && channel.uses >= SURE;
        if owner == tenant {
            channel.uses = channel.uses.saturating_add(1);
        }
        channel.tenants.add(tenant);
        (owner != tenant && alone).then_some(owner)
    }
}

impl Detector for Channels {
    fn name(&self) -> DetectorName {
        DetectorName::Channels
    }

    fn observe(&mut self, Placed { o, .. }: &Placed, out: &mut Findings) {
        let Some(tenant) = o.tenant.filter(|tenant| !self.rules.is_system(*tenant)) else { return };
        if o.multi_tenant || o.denied() {
            return;
        }
        for fact in &o.facts {
            let Fact::Channel { id, owner, single, shared: false } = fact else { continue };
            let (owner, severity, sure) = match owner {
                Some(owner) if *owner != tenant => (*owner, Severity::Critical, Confidence::Certain),
                Some(_) => continue,
                None if !single => continue,
                None => match self.learned(*id, tenant) {
                    Some(owner) => (owner, Severity::Medium, Confidence::Medium),
                    None => continue,
                },
            };
            if !o.excuses([tenant, owner]) {
                let class = Class::ChannelTenantLeak;
                let found = Candidate::new(o.evidence(), class, severity, tenant, Some(owner));
                out.raise(found.object(*id).confidence(sure));
            }
        }
    }

    fn expire(&mut self, now: u64, _: &mut Findings) {
        self.known.expire(now);
    }

    fn entries(&self) -> usize {
        self.known.len()
    }

    fn take_evicted(&mut self) -> u64 {
        self.known.take_evicted()
    }
}
