use super::*;
use crate::detect::stream::*;

fn detector() -> Volume {
    Volume::new(rules(), 10_000, DAY)
}

fn rows(after: u64, of: u64, rows: u64) -> Placed {
    item(after, of).on(1, 200).fact(Fact::Rows(rows))
}

/// Two days of ten tenants with 50 to 200 rows each time.
fn background() -> Vec<Placed> {
    (0..5760).map(|n| rows(n * 30 * SECOND, n % 10, 50 + chance(n, 150))).collect()
}

/// Scenario: a tenant that takes a hundred rows takes 100,000; and one that takes 3,000. Guarantee: told once each, as
/// medium and low.
#[test]
fn far_more_than_usual_is_told_once() {
    for (n, severity) in [(100_000, Severity::Medium), (3000, Severity::Low)] {
        let stream = background().into_iter().chain([rows(DAY, 3, n)]);
        let found = told(&mut detector(), stream);
        assert_eq!(found.iter().map(|f| f.severity).collect::<Vec<_>>(), [severity], "{n}");
        assert_eq!(found[0].tenant, tenant(3));
    }
}

/// Scenario: a month end that grows over a day to thirty times; a route on which exports of all sizes are usual; twice
/// the usual; much on a route that is known for an hour alone by few answers. Guarantee: quiet.
#[test]
fn growth_and_long_tails_are_quiet() {
    let month = |n: u64| rows(n * 30 * SECOND, n % 10, (100.0 * 30f64.powf(n as f64 / 5760.0)) as u64);
    assert_eq!(told(&mut detector(), (0..5760).map(month)), []);
    let tails = |n: u64| rows(n * 30 * SECOND, n % 10, 10 << chance(n, 12));
    assert_eq!(told(&mut detector(), (0..5760).map(tails)), []);
    let stream = background().into_iter().chain((0..20).map(|n| rows(DAY + n, n % 10, 400)));
    assert_eq!(told(&mut detector(), stream), []);
    let mut cold = detector();
    assert_eq!(
        told(&mut cold, (0..10).map(|n| rows(n * MINUTE, 1, 100)).chain([rows(HOUR, 1, 500_000)])),
        []
    );
    assert!(cold.take_cold() > 0);
}

/// Scenario: a hundred thousand tenants and routes. Guarantee: bounded, in entries and in bytes
/// of each.
#[test]
fn it_is_bounded() {
    assert!(size_of::<Own>() <= 152);
    let mut detector = Volume::new(rules(), 1000, DAY);
    told(&mut detector, (0..50_000).map(|n| item(n, n % 997).on(n, 200).fact(Fact::Bytes(n))));
    assert!(detector.entries() <= 1100 && detector.take_evicted() > 40_000);
}
