//! Bounded memory.

use super::*;
use crate::limits;

/// Scenario: a hundred thousand traces, objects, tenants and services in a minute, on small
/// capacities. Guarantee: state stays within them, and evictions are counted.
#[test]
fn state_is_bounded_under_a_flood_of_entities() {
    let settings = Settings {
        trace_capacity: 500,
        object_capacity: 500,
        waiting_capacity: 500,
        entity_capacity: 500,
        ..Settings::default()
    };
    let mut shard = shard(&settings);
    let mut evicted = 0;
    for n in 0..100_000u64 {
        let mut o = request(0, u128::from(n % 7919), n % 60_000, if n % 3 == 0 { 404 } else { 200 });
        o.at = START + n * 600_000;
        o.trace[..8].copy_from_slice(&n.to_le_bytes());
        o.route = Some(route(n % 10_007));
        o.claimed = (n % 5 == 0).then(|| tenant(u128::from(n)));
        o.state = if n % 2 == 0 { TenantState::Unknown } else { TenantState::Active };
        o.excuse = (n % 11 == 0).then_some(crate::detect::observation::Excuse::All);
        let at = o.at;
        shard.observe(o);
        if n % 100 == 0 {
            shard.advance(at);
            evicted += shard.sizes().iter().map(|(_, _, evicted)| evicted).sum::<u64>();
        }
        let bound = 20 * 500 + limits::PENDING_CANDIDATES + 2 * limits::INCIDENTS;
        assert!(shard.entries() <= bound, "{} entries after {n}", shard.entries());
    }
    assert!(evicted > 100_000, "{evicted}");
}

/// Scenario: one trace with far more spans than are remembered. Guarantee: bounded and counted.
#[test]
fn an_endless_trace_is_cut() {
    let mut shard = shard(&Settings::default());
    for n in 0..100_000u64 {
        let mut o = span(1, 0, 1, SpanKind::Internal, Some(u128::from(n % 3)));
        o.span = (n + 1).to_le_bytes();
        shard.observe(o);
    }
    let evicted = shard.take_cut();
    assert_eq!(evicted, 100_000 - limits::SPANS_PER_TRACE as u64);
}

/// Scenario: one trace in which a sender claims fifteen thousand other tenants, and half of them again later.
/// Guarantee: each pair is told once, without a deep stack and in bounded time.
#[test]
fn a_trace_of_many_tenants_is_told_pair_by_pair() {
    let mut shard = shard(&Settings::default());
    shard.findings().opens_only();
    let spoof = |n: u128, at: u64| {
        let mut o = claimed(span(1, 1, 0, SpanKind::Server, Some(1000 + n)), 1);
        (o.at, o.time) = (at, at);
        o
    };
    (0..15_000).for_each(|n| shard.observe(spoof(n, START)));
    let mut told = shard.advance(START + 5 * SECOND).len();
    told += shard.advance(START + 10 * SECOND).len();
    (0..7_500).for_each(|n| shard.observe(spoof(n, START + 11 * SECOND)));
    (3..6).for_each(|n| told += shard.advance(START + n * 10 * SECOND).len());
    assert_eq!(told, 15_000);
}

/// Scenario: approvals that can fit no statement. Guarantee: refused, with the place and what was expected.
#[test]
fn an_approval_that_fits_nothing_is_refused() {
    use crate::detect::Approval;
    let said = |approval| {
        let settings = Settings { approved_statements: vec![approval], ..Settings::default() };
        Rules::new(&settings, key()).map(|_| ()).unwrap_err()
    };
    let print = Approval { fingerprint: Some("12".into()), ..Approval::default() };
    assert!(said(print).starts_with("detect.approved_statements[0].fingerprint: expected 16"));
    assert!(said(Approval::default()).contains("expected `fingerprint` or `table`"));
}
