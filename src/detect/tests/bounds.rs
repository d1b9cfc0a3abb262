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
