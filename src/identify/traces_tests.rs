use std::collections::BTreeMap;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const SECOND: u64 = 1_000_000_000;

fn trace(number: u128) -> TraceId {
    TraceId::new(&(number + 1).to_be_bytes()).unwrap()
}

fn tenant(number: u128) -> TenantId {
    TenantId(Uuid::from_u128(number + 1))
}

fn one(number: u128) -> Known {
    Known::One(tenant(number))
}

fn settings() -> Inherit {
    Inherit { enabled: true, traces: 1024, wait: Duration::from_secs(1), ..Inherit::default() }
}

fn traces() -> Arc<Traces> {
    Arc::new(Traces::new(1000))
}

/// Scenario: ids of other lengths, and the one of zeros. Guarantee: none is a trace's.
#[test]
fn only_sixteen_bytes_are_a_trace() {
    let long = [1; 17];
    for bytes in [&[][..], &[1; 15], &long, &[0; 16]] {
        assert_eq!(TraceId::new(bytes), None);
    }
    assert!(TraceId::new(&long[..16]).is_some());
}

/// Scenario: a trace is seen with a tenant, again later, and then no more. Guarantee: known for as long as it is said
/// after the last time, then not; said anew by another tenant it is that one's.
#[test]
fn a_trace_is_forgotten_in_time() {
    let (traces, settings) = (traces(), settings());
    assert_eq!(traces.get(trace(1), 0, &settings), Known::Nothing);
    assert_eq!(traces.learn(trace(1), one(1), 0, &settings), one(1));
    assert_eq!(traces.learn(trace(1), one(1), 50 * SECOND, &settings), one(1));
    assert_eq!(traces.get(trace(1), 110 * SECOND, &settings), one(1));
    assert_eq!(traces.get(trace(1), 110 * SECOND + 1, &settings), Known::Nothing);
    assert_eq!(traces.learn(trace(1), one(2), 200 * SECOND, &settings), one(2));
}

/// Scenario: two tenants in one trace, in two requests or as a rejected one beside one that is taken. Guarantee: it
/// is nobody's from then on; a rejected tenant alone leaves nothing.
#[test]
fn a_trace_of_two_is_nobodys() {
    let (traces, settings) = (traces(), settings());
    traces.learn(trace(1), one(1), 0, &settings);
    assert_eq!(traces.learn(trace(1), one(2), 1, &settings), Known::Several);
    assert_eq!(traces.learn(trace(1), one(1), 2, &settings), Known::Several);
    traces.doubt(trace(2), tenant(1), 0, &settings);
    assert_eq!(traces.get(trace(2), 0, &settings), Known::Nothing);
    traces.learn(trace(2), one(1), 0, &settings);
    traces.doubt(trace(2), tenant(1), 0, &settings);
    assert_eq!(traces.get(trace(2), 0, &settings), one(1));
    traces.doubt(trace(2), tenant(2), 0, &settings);
    assert_eq!(traces.get(trace(2), 0, &settings), Known::Several);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    /// Scenario: traces are said and asked for in any order, with time passing, more of them than may be remembered.
    /// Guarantee: never more entries than that; an answer is never another than a model without bounds gives, but
    /// that something may be forgotten; what was said last is known.
    #[test]
    fn bounded_and_never_wrong(steps in prop::collection::vec((0u128..3000, 0u128..2, 0u64..2 * SECOND), 1..4000)) {
        let settings = Inherit { remember: Duration::from_secs(1), ..settings() };
        let traces = traces();
        let mut model: BTreeMap<u128, Vec<(u64, u128)>> = BTreeMap::new();
        let mut now = 0;
        for (id, who, passes) in steps {
            now += passes / 1000;
            let said = model.entry(id).or_default();
            if said.last().is_some_and(|(at, _)| now - at > SECOND) {
                said.clear();
            }
            said.push((now, who));
            let known = traces.learn(trace(id), one(who), now, &settings);
            let several = said.iter().any(|(_, other)| *other != who);
            prop_assert!(known == one(who) || (several && known == Known::Several));
            prop_assert_eq!(traces.get(trace(id), now, &settings), known);
            prop_assert!(traces.len() <= settings.traces);
        }
    }
}

/// Scenario: one waits for two traces; one is known, then the other. Guarantee: it goes on with the second, at once;
/// with none it goes on when its time is over, and leaves nothing behind.
#[tokio::test]
async fn who_waits_is_told() {
    let (traces, settings) = (traces(), settings());
    let waiter = traces.wait_for(vec![trace(1), trace(2)], 10, 0, &settings).unwrap();
    traces.learn(trace(1), one(1), 0, &settings);
    assert!(!waiter.known_within(Duration::from_millis(10)).await);
    traces.learn(trace(2), one(2), 0, &settings);
    assert!(waiter.known_within(Duration::from_millis(10)).await);
    // What is known by then is not waited for.
    let late = traces.wait_for(vec![trace(1)], 10, 0, &settings).unwrap();
    assert!(late.known_within(Duration::from_millis(10)).await);
    let never = traces.wait_for(vec![trace(3)], 10, 0, &settings).unwrap();
    assert!(!never.known_within(Duration::from_millis(10)).await);
    drop((waiter, late, never));
    let left = traces.shards.iter().map(|shard| shard.lock().unwrap().waiting.len()).sum::<usize>();
    let counts = [&traces.requests, &traces.bytes, &traces.awaited].map(|count| count.load(Relaxed));
    assert_eq!((left, counts), (0, [0, 0, 0]));
}

/// Scenario: more requests, bytes or traces than may wait. Guarantee: no place, until one is free; a refusal takes
/// nothing away.
#[test]
fn places_to_wait_are_bounded() {
    let (traces, settings) = (traces(), settings());
    let wait = |ids: Vec<TraceId>, bytes| traces.wait_for(ids, bytes, 0, &settings);
    let large = wait(vec![trace(1)], 1000).unwrap();
    assert!(wait(vec![trace(1)], 1).is_none());
    drop(large);
    let many: Vec<_> = (0..limits::INHERIT_WAITING).map(|_| wait(vec![trace(1)], 0).unwrap()).collect();
    assert!(wait(vec![trace(2)], 0).is_none());
    drop(many);
    assert!(wait((0..=limits::INHERIT_AWAITED as u128).map(trace).collect(), 0).is_none());
    assert!(wait((0..limits::INHERIT_AWAITED as u128).map(trace).collect(), 1000).is_some());
}
