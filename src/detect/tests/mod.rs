//! Detectors on hand-made observations, held to their promises.

mod bounds;
mod engine;
mod excuses;
mod incidents;
mod order;
mod read;

use std::sync::Arc;

use uuid::Uuid;

use crate::batch::{Signal, TenantId};

use super::{
    Finding, Key, Observation, Rules, Settings, Shard,
    fact::{Access, Fact},
    fingerprint::{Domain, Fingerprint},
    observation::{Method, Route, SpanKind, TenantState},
};

const SECOND: u64 = 1_000_000_000;
const START: u64 = 1_772_694_000 * SECOND;

fn key() -> Key {
    Key::new([7; 16])
}

fn tenant(n: u128) -> TenantId {
    TenantId(Uuid::from_u128(0xaaaa_0000_0000_4000_8000_0000_0000_0000 + n))
}

fn id(n: u64) -> Fingerprint {
    key().of(Domain::Object, &n.to_le_bytes())
}

fn route(n: u64) -> Route {
    Route { id: key().of(Domain::Route, &n.to_le_bytes()), shown: Arc::from("/things/:id") }
}

fn object(n: u64) -> Fact {
    Fact::Object { id: id(n), access: Access::Asked }
}

fn shard(settings: &Settings) -> Shard {
    Shard::new(settings, &Arc::new(Rules::new(settings, key()).unwrap()))
}

/// Shows all, lets everything settle, and gives what was told.
fn told(settings: &Settings, observations: impl IntoIterator<Item = Observation>) -> Vec<Finding> {
    let mut shard = shard(settings);
    shard.findings().opens_only();
    let (mut found, mut now) = (Vec::new(), START);
    for o in observations {
        now = now.max(o.at);
        found.extend(shard.advance(now));
        shard.observe(o);
    }
    for _ in 0..12 {
        now += 5 * SECOND;
        found.extend(shard.advance(now));
    }
    found
}

fn classes(found: &[Finding]) -> Vec<&'static str> {
    found.iter().map(|finding| finding.class.as_str()).collect()
}

fn span(trace: u8, span: u8, parent: u8, kind: SpanKind, owner: Option<u128>) -> Observation {
    let mut o = Observation::new(START, Signal::Traces);
    (o.trace, o.span, o.parent, o.kind) = ([trace; 16], [span; 8], [parent; 8], kind);
    o.tenant = owner.map(tenant);
    o.declared = o.tenant.into_iter().collect();
    o.service = Arc::from("web-api");
    o.state = TenantState::Active;
    o
}

fn request(trace: u8, owner: u128, object: u64, status: u16) -> Observation {
    let mut o = span(trace, 1, 0, SpanKind::Server, Some(owner));
    (o.route, o.status) = (Some(route(1)), status);
    o.facts.push(self::object(object));
    o.facts.push(Fact::Principal(key().of(Domain::Principal, &owner.to_le_bytes())));
    o.method = Method::Read;
    o
}

fn claimed(mut o: Observation, claim: u128) -> Observation {
    (o.claimed, o.tenant) = (Some(tenant(claim)), Some(tenant(claim)));
    o
}

fn later(mut o: Observation, seconds: u64) -> Observation {
    o.at += seconds * SECOND;
    o.time += seconds * SECOND;
    o
}
