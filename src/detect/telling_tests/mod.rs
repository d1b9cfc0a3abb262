//! What is told of incidents, when, and where.

mod engine;
mod incidents;
mod private;
mod sinks;
mod suppressions;
mod webhook;

use std::sync::Arc;

use uuid::Uuid;

use super::{
    Class, Finding, Key, Observation, Severity,
    finding::Status,
    findings::{Candidate, Findings},
    fingerprint::Domain,
};
use crate::batch::{Signal, TenantId};

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const START: u64 = 1_772_694_000 * SECOND;

fn key() -> Key {
    Key::new([7; 16])
}

fn tenant(n: u128) -> TenantId {
    TenantId(Uuid::from_u128(0xaaaa_0000_0000_4000_8000_0000_0000_0000 + n))
}

fn findings() -> Findings {
    Findings::new(5 * SECOND, 15 * MINUTE, 5 * MINUTE, 20)
}

/// A candidate of a class, of one tenant about another, in one service, at a second.
fn seen(class: Class, second: u64, acts: u128, other: u128) -> Candidate {
    let mut o = Observation::new(START + second * SECOND, Signal::Traces);
    (o.service, o.trace) = (Arc::from("web-api"), ((u128::from(second) << 64) + acts).to_be_bytes());
    Candidate::new(o.evidence(), class, Severity::High, tenant(acts), Some(tenant(other)))
}

/// Raises candidates, lets time pass to a second, and gives what was told.
fn told(findings: &mut Findings, seen: impl IntoIterator<Item = Candidate>, until: u64) -> Vec<Finding> {
    let mut all = Vec::new();
    for candidate in seen {
        findings.expire(candidate.finding.at);
        all.extend(findings.take());
        findings.raise(candidate);
    }
    findings.expire(START + until * SECOND);
    all.extend(findings.take());
    all
}

fn statuses(told: &[Finding]) -> Vec<(Status, u64)> {
    told.iter().map(|finding| (finding.status, finding.count)).collect()
}

/// A finding that has everything.
fn whole() -> Finding {
    let mut finding = Finding::new(START, Class::CrossTenantRead, Severity::Critical, tenant(1));
    (finding.id, finding.other, finding.count) = (0x0123_4567_89ab_cdef, Some(tenant(2)), 3);
    finding.also.add(Class::TenantMention);
    finding.service = "web-api".into();
    finding.route = Arc::from("/orders/:id");
    finding.field = "user.note".into();
    (finding.statement, finding.statement_id) =
        (Some(Arc::from("SELECT * FROM orders WHERE id = ?")), Some(0xfeed));
    finding.traces.add([0xab; 16]);
    finding.objects.add(key().of(Domain::Object, b"o"));
    finding.principals.add(key().of(Domain::Principal, b"p"));
    (finding.first_seen, finding.last_seen) = (START - MINUTE, START - SECOND);
    finding
}
