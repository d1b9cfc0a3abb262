use super::*;
use crate::detect::stream::*;

fn detector() -> Edges {
    Edges::new(rules(), 10_000, DAY, HOUR)
}

/// Three hours of messages within tenants.
fn background(service: &str) -> Vec<Placed> {
    (0..900).map(|n| item(n * 12 * SECOND, n % 20).of(service).called_by(n % 20, false)).collect()
}

/// Scenario: a service that kept to tenants carries a message from one to another, three times. Guarantee: told once,
/// low, with both tenants.
#[test]
fn a_new_edge_is_told_once() {
    let mut stream = background("notifier");
    stream.extend((0..3).map(|n| item(2 * HOUR + n * MINUTE, 2).of("notifier").called_by(1, false)));
    let found = told(&mut detector(), stream);
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].severity, found[0].tenant, found[0].other),
        (Severity::Low, tenant(2), Some(tenant(1)))
    );
}

/// Scenario: a service whose trade it is to carry between tenants; a job; a call that waits; an excused principal; and
/// a service in its first hour. Guarantee: quiet; the last is withheld and counted.
#[test]
fn what_is_usual_or_elsewhere_is_quiet() {
    let mut stream = background("sharing");
    stream.extend((0..300).map(|n| item(n * 36 * SECOND, n % 7).of("sharing").called_by(n % 5 + 8, false)));
    let job = Fact::Job { class: print(1), arguments: true };
    let mut more = background("notifier");
    more.push(item(2 * HOUR, 2).of("notifier").called_by(1, false).fact(job));
    more.push(item(2 * HOUR, 2).of("notifier").called_by(1, true));
    more.push(item(2 * HOUR, 2).of("notifier").called_by(1, false).excused());
    more.extend((0..50).map(|n| item(n, 2).of("new").called_by(1, false)));
    stream.extend(more);
    let mut detector = detector();
    assert_eq!(told(&mut detector, stream), []);
    assert!(detector.take_cold() >= 50);
}

/// Scenario: a hundred thousand pairs and services. Guarantee: bounded, in entries and in bytes
/// of each.
#[test]
fn it_is_bounded() {
    assert!(size_of::<Service>() <= 96);
    let mut detector = Edges::new(rules(), 1000, DAY, HOUR);
    told(&mut detector, (0..50_000).map(|n| item(n, n).of(&format!("s{n}")).called_by(n + 1, false)));
    assert!(detector.entries() <= 2000 && detector.take_evicted() > 40_000);
}
