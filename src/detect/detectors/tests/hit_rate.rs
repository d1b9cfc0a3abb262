use super::*;
use crate::detect::stream::*;

fn look(after: u64, of: u64, owner: Option<u64>, hit: bool) -> Placed {
    item(after, of).fact(Fact::Cache {
        key: print(after),
        rest: print(1),
        shown: "things/:id".into(),
        owner: owner.map(tenant),
        shared: false,
        usage: if hit { CacheUse::Hit } else { CacheUse::Miss },
    })
}

/// Hits: four of ten before two hours, and `then` of ten after; a deploy at two hours if `deployed`.
fn stream(then: u64, deployed: bool, owned: bool) -> Vec<Placed> {
    let one = |n: u64| {
        let after = n * 10 * SECOND;
        let share = if after < 2 * HOUR { 4 } else { then };
        let owner = (owned || after < 2 * HOUR).then_some(n % 20);
        look(after, n % 20, owner, chance(n, 10) < share)
    };
    (0..1080).map(one).chain(deployed.then(|| deploy(2 * HOUR, "web-api"))).collect()
}

fn count(stream: Vec<Placed>) -> usize {
    let found = told(&mut HitRate::new(10_000, DAY), stream);
    assert!(found.iter().all(|f| (f.severity, f.confidence) == (Severity::Low, Confidence::Low)));
    found.len()
}

/// Scenario: after a deploy the keys name no tenant and hit nine times of ten instead of four. Guarantee: told once,
/// low.
#[test]
fn a_step_after_a_deploy_is_told_once() {
    assert_eq!(count(stream(9, true, false)), 1);
}

/// Scenario: the same without a deploy; with keys that name their tenant; a share that stays. Guarantee: quiet.
#[test]
fn others_are_quiet() {
    assert_eq!(count(stream(9, false, false)), 0);
    assert_eq!(count(stream(9, true, true)), 0);
    assert_eq!(count(stream(5, true, false)), 0);
}

/// Scenario: a hundred thousand shapes. Guarantee: bounded, in entries and in bytes
/// of each.
#[test]
fn it_is_bounded() {
    assert!(size_of::<Shape>() <= 80);
    let mut detector = HitRate::new(1000, DAY);
    let flood = |n: u64| look(n, n % 7, None, true).of(&format!("s{n}"));
    told(&mut detector, (0..50_000).map(flood));
    assert!(detector.entries() <= 200 && detector.take_evicted() > 40_000);
}
