//! Hand-made streams of placed observations, for one detector at a time.

use std::sync::Arc;

use uuid::Uuid;

pub use super::baseline::{HOUR, MINUTE};
use super::{
    Detector, Finding, Fingerprint, Key, Observation, Rules, Settings,
    assemble::{Caller, Placed},
    fact::{Access, Event, Fact},
    findings::Findings,
    fingerprint::Domain,
    observation::{Excuse, Route, SpanKind},
    sessions::Session,
};
use crate::batch::{Signal, TenantId};

pub const SECOND: u64 = 1_000_000_000;
pub const START: u64 = 1_772_694_000 * SECOND;
pub const DAY: u64 = 24 * HOUR;

pub fn rules() -> Arc<Rules> {
    Arc::new(Rules::new(&Settings::default(), Key::new([7; 16])).unwrap())
}

pub fn tenant(n: u64) -> TenantId {
    TenantId(Uuid::from_u128(0xaaaa_0000_0000_4000_8000_0000_0000_0000 + u128::from(n)))
}

pub fn print(n: u64) -> Fingerprint {
    Key::new([7; 16]).of(Domain::Object, &n.to_le_bytes())
}

/// One item of tenant `of`, `after` ns from the start.
pub fn item(after: u64, of: u64) -> Placed {
    let mut o = Observation::new(START + after, Signal::Traces);
    o.kind = SpanKind::Server;
    (o.tenant, o.own) = (Some(tenant(of)), Some(tenant(of)));
    o.service = Arc::from("web-api");
    o.trace[..8].copy_from_slice(&(after ^ of << 40 ^ 1).to_le_bytes());
    Placed { o, caller: None, session: Session::default() }
}

impl Placed {
    pub(crate) fn of(mut self, service: &str) -> Self {
        self.o.service = Arc::from(service);
        self
    }

    pub(crate) fn by(mut self, who: u64) -> Self {
        self.o.facts.push(Fact::Principal(print(who)));
        self
    }

    pub(crate) fn on(mut self, route: u64, status: u16) -> Self {
        (self.o.route, self.o.status) =
            (Some(Route { id: print(route), shown: Arc::from("/things/:id") }), status);
        self
    }

    pub(crate) fn number(self, n: u64) -> Self {
        self.fact(Fact::Number(n))
    }

    pub(crate) fn object(self, n: u64) -> Self {
        self.fact(Fact::Object { id: print(n), access: Access::Asked })
    }

    pub(crate) fn fact(mut self, fact: Fact) -> Self {
        self.o.facts.push(fact);
        self
    }

    pub(crate) fn called_by(mut self, of: u64, synchronous: bool) -> Self {
        self.caller = Some(Caller { tenant: tenant(of), synchronous });
        self
    }

    pub(crate) fn excused(mut self) -> Self {
        self.o.excuse = Some(Excuse::All);
        self
    }
}

pub fn deploy(after: u64, service: &str) -> Placed {
    let mut placed = item(after, 0).of(service).fact(Fact::Event(Event::Deployed));
    (placed.o.tenant, placed.o.own) = (None, None);
    placed
}

/// Shows all in the order of their time, lets everything settle, and gives what was told.
pub fn told(detector: &mut dyn Detector, stream: impl IntoIterator<Item = Placed>) -> Vec<Finding> {
    let mut out = Findings::new(5 * SECOND, 15 * MINUTE, 5 * MINUTE, 0);
    out.opens_only();
    let mut stream: Vec<Placed> = stream.into_iter().collect();
    stream.sort_by_key(|placed| placed.o.time);
    let mut now = START;
    for placed in &stream {
        now = placed.o.time;
        out.expire(now);
        detector.expire(now, &mut out);
        detector.observe(placed, &mut out);
    }
    out.expire(now + HOUR);
    out.take()
}

/// A number as if by chance, from 0 to `below`.
pub fn chance(seed: u64, below: u64) -> u64 {
    let mixed = (seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (mixed >> 32) % below
}
