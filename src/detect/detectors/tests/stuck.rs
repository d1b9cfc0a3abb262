use super::*;
use crate::detect::stream::*;

fn detector() -> Stuck {
    Stuck::new(rules(), 10_000, DAY)
}

/// Three hours of twenty tenants with five principals each.
fn background(principals: bool, hours: std::ops::Range<u64>) -> Vec<Placed> {
    let one = |n: u64| {
        let who = chance(n, 100);
        let placed = item(n * 2 * SECOND, who % 20);
        if principals { placed.by(who) } else { placed }
    };
    (hours.start * 1800..hours.end * 1800).map(one).collect()
}

/// Scenario: from one moment on everybody's requests count as one tenant's. Guarantee: told once, as high, within a
/// minute.
#[test]
fn principals_of_others_prove_it() {
    let mut stream = background(true, 0..3);
    let mut stuck = background(true, 3..4);
    for placed in &mut stuck {
        (placed.o.tenant, placed.o.own) = (Some(tenant(7)), Some(tenant(7)));
    }
    stream.extend(stuck);
    let found = told(&mut detector(), stream);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].severity, found[0].tenant), (Severity::High, tenant(7)));
    assert!(found[0].at < START + 3 * HOUR + MINUTE);
}

/// Scenario: people who were seen once each, eight of them from eight tenants, act under one tenant. Guarantee: told; of
/// three of them nothing is said.
#[test]
fn many_that_were_seen_once_prove_it_too() {
    let stream = |n: u64| {
        let before = (0..20).map(|who| item(who * MINUTE, who).by(who));
        before.chain((0..n).map(move |who| item(HOUR + who * SECOND, 19).by(who)))
    };
    assert_eq!(told(&mut detector(), stream(8)).len(), 1);
    assert_eq!(told(&mut detector(), stream(3)), []);
}

/// Scenario: the same in a service that names nobody. Guarantee: told once, as medium, within half an hour.
#[test]
fn shares_alone_are_told_after_a_while() {
    let mut stream = background(false, 0..3);
    let mut stuck = background(false, 3..4);
    for placed in &mut stuck {
        if !(placed.o.time / SECOND).is_multiple_of(10) {
            (placed.o.tenant, placed.o.own) = (Some(tenant(7)), Some(tenant(7)));
        }
    }
    stream.extend(stuck);
    let found = told(&mut detector(), stream);
    assert_eq!(
        found.iter().map(|f| (f.severity, f.tenant)).collect::<Vec<_>>(),
        [(Severity::Medium, tenant(7))]
    );
    assert!(found[0].at < START + 3 * HOUR + 30 * MINUTE);
}

/// Scenario: a large customer's campaign: ten times everything, by new people of its own; with principals and without.
/// Guarantee: quiet.
#[test]
fn a_campaign_is_quiet() {
    for named in [true, false] {
        let mut stream = background(named, 0..4);
        let campaign = |n: u64| {
            let placed = item(3 * HOUR + n * SECOND / 5, 7);
            if named { placed.by(10_000 + n % 3000) } else { placed }
        };
        stream.extend((0..18_000).map(campaign));
        assert_eq!(told(&mut detector(), stream), [], "{named}");
    }
}

/// Scenario: at night one tenant's worker alone is left, with little; consultants who go back and forth between tenants;
/// an excused person. Guarantee: quiet.
#[test]
fn low_volume_and_people_of_several_tenants_are_quiet() {
    let mut stream = background(false, 0..3);
    stream.extend((0..60).map(|n| item(3 * HOUR + n * MINUTE, 7)));
    for who in 500..510 {
        for n in 0..60 {
            stream.push(item(n * 3 * MINUTE + who, [who % 20, (who + 3) % 20][(n / 5 % 2) as usize]).by(who));
        }
    }
    stream.extend((0..100).map(|n| item(n * MINUTE, n % 20).by(900).excused()));
    let found = told(&mut detector(), stream);
    assert_eq!(found, []);
}

/// Scenario: a hundred thousand principals, services and tenants. Guarantee: bounded, in entries and in bytes
/// of each.
#[test]
fn it_is_bounded() {
    assert!(size_of::<Home>() <= 20);
    assert!(size_of::<Visitors>() <= 144);
    assert!(size_of::<Service>() <= 200);
    let mut detector = Stuck::new(rules(), 1000, DAY);
    told(&mut detector, (0..50_000).map(|n| item(n, n % 7919).by(n % 20_011).of(&format!("s{}", n % 5003))));
    assert!(detector.entries() <= 1500 && detector.take_evicted() > 10_000);
}
