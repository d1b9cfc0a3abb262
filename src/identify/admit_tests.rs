use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const SECOND: u64 = 1_000_000_000;

fn tenant(number: u128) -> TenantId {
    TenantId(Uuid::from_u128(number))
}

fn limits(items: u64, burst: u64) -> Limits {
    Limits { items_per_second: Some(items), items_burst: Some(burst), ..Limits::default() }
}

fn wait(refusal: Refusal) -> Duration {
    match refusal {
        Refusal::Throttled { retry_after, .. } => retry_after,
        other => panic!("{other:?}"),
    }
}

/// Scenario: a tenant uses up its burst and waits as long as it was told. Guarantee: then, and not
/// before, it is let through; another tenant is not touched.
#[test]
fn over_the_limit_is_throttled_until_the_time_that_was_said() {
    let admission = Admission::new();
    let limits = limits(100, 200);
    let admit = |now, who| admission.admit_at(now, tenant(who), &limits, 100, 0);
    assert_eq!((admit(0, 1), admit(0, 1)), (Ok(()), Ok(())));
    let wait = wait(admit(0, 1).unwrap_err()).as_nanos() as u64;
    assert_eq!(wait, SECOND);
    assert_eq!(admit(0, 2), Ok(()));
    assert!(admit(wait - 1, 1).is_err());
    assert_eq!(admit(wait, 1), Ok(()));
}

/// Scenario: one request larger than the burst. Guarantee: it goes when the bucket is full, and is paid for.
#[test]
fn more_than_a_burst_goes_once_and_is_paid_for() {
    let admission = Admission::new();
    let limits = limits(100, 200);
    assert!(admission.admit_at(0, tenant(1), &limits, 1000, 0).is_ok());
    let wait = wait(admission.admit_at(0, tenant(1), &limits, 1, 0).unwrap_err());
    assert!(wait > Duration::from_secs(7), "{wait:?}");
}

/// Scenario: bytes are over the limit, items are not. Guarantee: refused, and no items are taken for it.
#[test]
fn both_or_neither_is_taken() {
    let admission = Admission::new();
    let limits = Limits {
        items_per_second: Some(10),
        items_burst: Some(10),
        bytes_per_second: Some(10),
        bytes_burst: Some(10),
        ..Limits::default()
    };
    assert!(admission.admit_at(0, tenant(1), &limits, 1, 10).is_ok());
    for _ in 0..100 {
        assert!(admission.admit_at(0, tenant(1), &limits, 5, 10).is_err());
    }
    assert!(admission.admit_at(0, tenant(1), &limits, 9, 0).is_ok());
}

/// Scenario: far more tenants than there is room for. Guarantee: the map stays bounded.
#[test]
fn the_map_is_bounded() {
    let mut shard = HashMap::default();
    for number in 0..(limits::ADMITTED_TENANTS / SHARDS + 100) as u128 {
        if shard.len() >= limits::ADMITTED_TENANTS / SHARDS {
            make_room(&mut shard, 0);
        }
        shard.insert(tenant(number), Buckets { items: SECOND, ..Buckets::default() });
    }
    assert!(shard.len() <= limits::ADMITTED_TENANTS / SHARDS);
    make_room(&mut shard, SECOND);
    assert!(shard.is_empty());
}

/// Scenario: a tenant without limits. Guarantee: let through, and no memory spent.
#[test]
fn without_limits_nothing_is_kept() {
    let admission = Admission::new();
    assert!(admission.admit(tenant(1), &Limits::default(), u64::MAX, u64::MAX).is_ok());
    assert!(admission.is_empty());
}

/// Scenario: a tenant was told to wait, and asks again before. Guarantee: the peek refuses it until then with the
/// time that is left, takes nothing, and lets it through after; who has no bucket, or no limit, passes.
#[test]
fn a_peek_refuses_who_was_told_to_wait() {
    let admission = Admission::new();
    let limits = limits(100, 200);
    let peek = |now| admission.peek_at(now, tenant(1), &limits);
    assert_eq!(peek(0), Ok(()));
    assert!(admission.is_empty());
    admission.admit_at(0, tenant(1), &limits, 150, 0).unwrap();
    assert_eq!(peek(0), Ok(()));
    // Room for 50; 100 have to wait for half a second.
    assert_eq!(wait(admission.admit_at(0, tenant(1), &limits, 100, 0).unwrap_err()).as_nanos(), 500_000_000);
    assert_eq!(wait(peek(SECOND / 4).unwrap_err()).as_nanos(), 250_000_000);
    assert_eq!(peek(SECOND / 2), Ok(()));
    assert_eq!(admission.admit_at(SECOND / 2, tenant(1), &limits, 100, 0), Ok(()));
    // Empty now: refused without being told.
    assert_eq!(wait(peek(SECOND / 2).unwrap_err()), Duration::from_millis(10));
    assert_eq!(admission.peek_at(0, tenant(2), &limits), Ok(()));
    assert_eq!(admission.peek_at(0, tenant(1), &Limits::default()), Ok(()));
}

/// Scenario: a tenant that owes thirty seconds at its old rate gets a rate a thousand times higher. Guarantee: it owes
/// the same amount, which is little now.
#[test]
fn a_new_rate_holds_at_once() {
    let admission = Admission::new();
    admission.admit_at(0, tenant(1), &limits(1, 30), 30, 0).unwrap();
    assert!(admission.peek_at(0, tenant(1), &limits(1, 30)).is_err());
    let faster = limits(1000, 40);
    assert_eq!(admission.admit_at(0, tenant(1), &faster, 10, 0), Ok(()));
    assert_eq!(
        wait(admission.admit_at(0, tenant(1), &faster, 10, 0).unwrap_err()),
        Duration::from_millis(10)
    );
}

/// Scenario: this gate has a quarter of the limit. Guarantee: a quarter goes through, at once and over time.
#[test]
fn a_part_of_a_limit_lets_a_part_through() {
    let admission = Admission::new();
    admission.set_first_part(0.25);
    let limits = limits(1000, 400);
    let through = |from: u64, to: u64| {
        let tries = (from..to).step_by(1_000_000);
        tries.filter(|now| admission.admit_at(*now, tenant(1), &limits, 1, 0).is_ok()).count()
    };
    assert!((345..=352).contains(&through(0, SECOND)), "100 at once, then 250 a second");
    admission.set_part(tenant(1), 1.0);
    assert!((990..=1001).contains(&through(SECOND, 2 * SECOND)));
    let mut used = Vec::new();
    admission.used(2, |who, what| used.push((who, what.over)));
    assert_eq!(used, [(tenant(1), true)]);
}

proptest! {
    /// Scenario: any sequence of requests. Guarantee: over any length of time no more than burst + rate × time
    /// goes through (requests no larger than the burst).
    #[test]
    fn the_rate_holds(steps in proptest::collection::vec((0u64..SECOND, 1u64..50), 1..200)) {
        let admission = Admission::new();
        let limits = limits(100, 50);
        let (mut now, mut through) = (0, 0);
        for (pause, items) in steps {
            now += pause;
            if admission.admit_at(now, tenant(1), &limits, items, 0).is_ok() {
                through += items;
            }
            prop_assert!(through <= 50 + now * 100 / SECOND + 1);
        }
    }
}
