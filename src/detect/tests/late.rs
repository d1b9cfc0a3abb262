use std::sync::Arc;

use super::*;
use crate::detect::stream::{SECOND, START, tenant};
use crate::detect::{Key, Settings, Shard, fact::Place, finding::Class, observation::Failure};

const TRACE: TraceId = [5; 16];

fn span(at: u64, span: u8, parent: u8, kind: SpanKind, of: Option<u64>) -> Observation {
    let mut o = Observation::new(START + at * SECOND, Signal::Traces);
    (o.trace, o.span, o.parent, o.kind) = (TRACE, [span; 8], [parent; 8], kind);
    (o.tenant, o.own) = (of.map(tenant), of.map(tenant));
    o.time = START;
    o
}

/// A read of a file whose key names tenant `whose`.
fn file(at: u64, whose: u64) -> Observation {
    let mut o = span(at, 2, 1, SpanKind::Client, None);
    o.facts.push(Fact::Tenant { tenant: tenant(whose), place: Place::File });
    o
}

fn told(settings: &Settings, stream: Vec<Observation>) -> (Vec<(Class, u64)>, Shard) {
    let mut shard = Shard::new(settings, &Arc::new(Rules::new(settings, Key::new([7; 16])).unwrap()));
    shard.findings().opens_only();
    let (mut found, mut now) = (Vec::new(), START);
    for o in stream {
        now = now.max(o.at);
        found.extend(shard.advance(now));
        shard.observe(o);
    }
    for _ in 0..30 {
        now += 5 * SECOND;
        found.extend(shard.advance(now));
    }
    (found.iter().map(|f| (f.class, (f.at - START) / SECOND)).collect(), shard)
}

/// Scenario: a span without a tenant reads A's file; its root comes 8, 20 or 50 s later and names B, or A; or 200 s
/// later. Guarantee: told with the root as soon as that has settled; quiet for A and where the trace is forgotten.
#[test]
fn what_waits_for_its_root_is_judged_with_it() {
    let root = |at, of| span(at, 1, 0, SpanKind::Server, Some(of));
    let told = |stream| told(&Settings::default(), stream).0;
    for late in [8, 20, 50] {
        let found = told(vec![file(1, 1), root(late, 2)]);
        assert_eq!(found.len(), 1, "{late}");
        assert!(found[0].0 == Class::CrossTenantRead && found[0].1 <= late + 15, "{found:?}");
        assert_eq!(told(vec![file(1, 1), root(late, 1)]), []);
    }
    assert_eq!(told(vec![file(1, 1), root(200, 2)]), []);
}

/// Scenario: the same item with its own tenant, or in a trace that has one. Guarantee: it waits no longer than ever.
#[test]
fn what_has_a_tenant_does_not_wait() {
    let mut own = file(1, 1);
    own.tenant = Some(tenant(2));
    let found = told(&Settings::default(), vec![own]).0;
    assert!(found.len() == 1 && found[0].1 <= 15, "{found:?}");
    let found = told(&Settings::default(), vec![span(0, 1, 0, SpanKind::Server, Some(2)), file(1, 1)]).0;
    assert!(found.len() == 1 && found[0].1 <= 15, "{found:?}");
}

/// Scenario: a job's span comes ten seconds before the message's that it answers, which is another tenant's.
/// Guarantee: told, once.
#[test]
fn a_job_that_comes_before_its_message_is_told() {
    let mut run = span(1, 3, 2, SpanKind::Consumer, Some(2));
    run.facts.push(Fact::Job { class: Fingerprint(4), arguments: false });
    let sent = span(11, 2, 1, SpanKind::Producer, Some(1));
    let found = told(&Settings::default(), vec![run, sent, span(11, 1, 0, SpanKind::Server, Some(1))]).0;
    assert_eq!(found.iter().map(|f| f.0).collect::<Vec<_>>(), [Class::JobTenantContext]);
}

/// Scenario: what others' order hangs on, and what was given up. Guarantee: it does not wait.
#[test]
fn what_must_come_in_order_does_not_wait() {
    assert!(can_wait(&file(1, 1)));
    let mut set = file(1, 1);
    set.facts.push(Fact::Context(crate::detect::fact::Setting::Reset));
    assert!(!can_wait(&set));
    let mut given_up = file(1, 1);
    given_up.failure = Failure::Cancelled;
    assert!(!can_wait(&given_up));
    let mut alone = file(1, 1);
    alone.trace = [0; 16];
    assert!(!can_wait(&alone));
}

/// Scenario: ten thousand items of as many traces that never say a tenant, and room for a hundred. Guarantee: never
/// more are held, and each goes on.
#[test]
fn what_waits_is_bounded() {
    let mut unplaced = Unplaced::new(100, 60 * SECOND);
    let mut out = 0;
    for n in 0..10_000u64 {
        let mut o = file(1, 1);
        o.trace[..8].copy_from_slice(&(n + 1).to_le_bytes());
        unplaced.add(Placed { o, caller: None, session: Session::default() });
        while unplaced.next(START + n).is_some() {
            out += 1;
        }
        assert!(unplaced.len() <= 100);
    }
    while unplaced.next(u64::MAX).is_some() {
        out += 1;
    }
    assert_eq!((out, unplaced.len()), (10_000, 0));
}
