use super::*;
use crate::detect::stream::*;

fn detector() -> Personal {
    Personal::new(10_000, DAY)
}

/// A fact of the field `name`: so many clean texts, then `found` records with values from `value` on.
fn fact(name: &str, clean: u32, found: u32, value: u32) -> Fact {
    let mut values = [0; 4];
    (0..found.min(4)).for_each(|n| values[n as usize] = value + n);
    Fact::Personal { field: name.into(), clean, found, values, sentences: [0; 4] }
}

/// Five hours of a service: an item each ten seconds.
fn background() -> Vec<Placed> {
    (0..1800).map(|n| item(n * 10 * SECOND, n % 20)).collect()
}

fn surge(from: u64, field: &str, clean_first: u32) -> Vec<Placed> {
    let one = |n: u64| {
        let clean = if n == 0 { clean_first } else { u32::from(n.is_multiple_of(3)) };
        item(from + n * 6 * SECOND, n % 20).fact(fact(field, clean, 1, 100 * n as u32 + 1))
    };
    (0..50).map(one).collect()
}

/// Scenario: after a deploy a field that was clean carries a value in most records. Guarantee: told once, as high and
/// sure, within twelve records, with the field and a trace; also for a field of which only 13 texts were seen.
#[test]
fn a_surge_after_a_deploy_is_told_once() {
    for known in [13, 5000] {
        let mut stream = background();
        stream.push(deploy(3 * HOUR, "web-api"));
        stream.extend(surge(3 * HOUR + 5 * MINUTE, "payload", known));
        let found = told(&mut detector(), stream);
        assert_eq!(found.len(), 1, "{found:?}");
        let found = &found[0];
        assert_eq!(
            (found.class, found.severity, found.confidence),
            (Class::PiiSurge, Severity::High, Confidence::High)
        );
        assert_eq!((found.field.as_str(), found.service.as_str()), ("payload", "web-api"));
        assert!(!found.traces.is_empty());
        assert!(found.at < START + 3 * HOUR + 7 * MINUTE, "{}", found.at);
    }
}

/// Scenario: a few records of a field of which twelve clean texts are known carry a value each, for half an hour; then
/// comes a deploy, and more of the same. Guarantee: quiet. Where they begin with the deploy's first instances, some
/// minutes before it is said to be over: told.
#[test]
fn what_was_there_before_the_deploy_is_not_its_fault() {
    let stream = |early: u64| {
        let mut stream = background();
        stream.push(deploy(3 * HOUR, "web-api"));
        stream.extend((0..24).map(|n| {
            let clean = if n == 0 { 12 } else { 0 };
            let time = 3 * HOUR - early + n * 3 * MINUTE;
            item(time, n % 20).fact(fact("note", clean, 1, 100 * n as u32 + 1))
        }));
        stream
    };
    assert_eq!(told(&mut detector(), stream(28 * MINUTE)), []);
    assert_eq!(told(&mut detector(), stream(8 * MINUTE)).len(), 1);
}

/// Scenario: two fields of the same records begin at once, and a third an hour later. Guarantee: two incidents.
#[test]
fn fields_that_begin_together_are_one_incident() {
    let mut stream = background();
    stream.push(deploy(3 * HOUR, "web-api"));
    stream.extend(surge(3 * HOUR, "payload", 500));
    stream.extend(surge(3 * HOUR, "body", 900));
    stream.extend(surge(4 * HOUR, "note", 900));
    let found = told(&mut detector(), stream);
    assert_eq!(found.iter().map(|f| f.field.as_str()).collect::<Vec<_>>(), ["payload", "note"]);
}

/// Scenario: the same without any deploy, and with fifty values in a field of which 5000 texts are known. Guarantee:
/// told once, less sure.
#[test]
fn a_surge_without_a_deploy_is_told_less_sure() {
    let mut stream = background();
    stream.extend(surge(3 * HOUR, "payload", 5000));
    let found = told(&mut detector(), stream);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].confidence, Confidence::Medium);
}

/// Scenario: an address in an error message every half hour for two days, with deploys in between. Guarantee: quiet.
#[test]
fn sporadic_values_are_quiet() {
    let mut stream: Vec<_> = (0..8640).map(|n| item(n * 20 * SECOND, n % 20)).collect();
    stream.extend((0..6).map(|n| deploy((n * 7 + 3) * HOUR, "web-api")));
    let sporadic =
        |n: u64| item(n * 30 * MINUTE, n % 20).fact(fact("exception.message", 20, 1, 10 * n as u32));
    stream.extend((1..96).map(sporadic));
    assert_eq!(told(&mut detector(), stream), []);
}

/// Scenario: error messages of different people in bursts of seven within ten minutes, each after a deploy, among many
/// that are clean. Guarantee: quiet.
#[test]
fn bursts_of_a_few_are_quiet() {
    let mut stream = background();
    for burst in 0..4u64 {
        stream.push(deploy(burst * HOUR + 10 * MINUTE, "web-api"));
        for n in 0..7u64 {
            let time = burst * HOUR + 30 * MINUTE + n * 90 * SECOND;
            let clean = if n == 0 { 1800 } else { 45 };
            stream.push(item(time, n).fact(fact("body", clean, 1, (burst * 70 + n * 10 + 1) as u32)));
        }
    }
    assert_eq!(told(&mut detector(), stream), []);
}

/// Scenario: a field that has carried values all along, seldom or often, and a deploy. Guarantee: quiet.
#[test]
fn fields_that_always_carried_it_are_quiet() {
    let mut stream = background();
    stream.extend((1..3).map(|n| deploy(n * HOUR, "web-api")));
    for n in 0..900u64 {
        stream.push(item(n * 20 * SECOND, n % 20).fact(fact("customer.email", 0, 1, 10 * n as u32)));
        stream.push(item(n * 20 * SECOND, n % 20).fact(fact(
            "contact",
            u32::from(n % 2 == 0),
            1,
            10 * n as u32,
        )));
        stream.push(item(n * 20 * SECOND, n % 20).fact(fact("body", 12, 1, 10 * n as u32)));
    }
    assert_eq!(told(&mut detector(), stream), []);
}

/// Scenario: one and the same odd value in most records after a deploy. Guarantee: quiet.
#[test]
fn one_value_over_and_over_is_quiet() {
    let mut stream = background();
    stream.push(deploy(3 * HOUR, "web-api"));
    let one = |n: u64| {
        item(3 * HOUR + n * 10 * SECOND, 1).fact(fact("build.id", if n == 0 { 500 } else { 0 }, 1, 7))
    };
    stream.extend((0..100).map(one));
    assert_eq!(told(&mut detector(), stream), []);
}

/// Scenario: a field that nobody had seen carries values, after a deploy of a service that is known; the same field
/// without a deploy. Guarantee: the former is told, the latter learned, and what was withheld is counted.
#[test]
fn a_new_field_is_told_after_a_deploy_alone() {
    let mut stream = background();
    stream.push(deploy(3 * HOUR, "web-api"));
    stream.extend(surge(3 * HOUR + MINUTE, "debug.user", 0));
    let found = told(&mut detector(), stream);
    assert_eq!((found.len(), found[0].confidence), (1, Confidence::Medium));
    let mut quiet = detector();
    let stream = background().into_iter().chain(surge(3 * HOUR, "debug.user", 0));
    assert_eq!(told(&mut quiet, stream), []);
    assert!(quiet.take_cold() > 0);
}

/// Scenario: different sentences in a field after a deploy; the same two sentences over and over; many sentences in
/// a field that always had them. Guarantee: the first is told once, the others are quiet.
#[test]
fn sentences_in_a_new_place_are_told() {
    let said = |field: &str, order: u32| Fact::Personal {
        field: field.into(),
        clean: 1,
        found: 0,
        values: [0; 4],
        sentences: [order, 0, 0, 0],
    };
    let mut stream = background();
    stream.push(deploy(3 * HOUR, "web-api"));
    for n in 0..60u64 {
        let time = 3 * HOUR + n * 5 * SECOND;
        stream.push(item(time, n % 20).fact(said("transcript", 100 + n as u32 % 10)));
        stream.push(item(time, n % 20).fact(said("status", 200 + n as u32 % 2)));
    }
    stream.extend((0..1000).map(|n| item(n * 15 * SECOND, n % 20).fact(said("body", 300 + n as u32))));
    let found = told(&mut detector(), stream);
    assert_eq!(found.iter().map(|f| f.field.as_str()).collect::<Vec<_>>(), ["transcript"]);
}

/// Scenario: learned for hours, saved, loaded by another, and then a surge. Guarantee: told as if nothing had happened;
/// a snapshot of something else is passed over.
#[test]
fn what_was_learned_outlives_a_restart() {
    let mut before = detector();
    let mut stream = background();
    stream.push(item(5 * HOUR, 1).fact(fact("payload", 400, 1, 1)));
    told(&mut before, stream);
    let saved = before.save().unwrap();
    let mut after = detector();
    after.load(&serde_json::json!({ "fields": [1, "x"], "services": 3 }));
    assert_eq!(after.entries(), 0);
    after.load(&saved);
    assert_eq!(after.entries(), before.entries());
    let mut stream = vec![deploy(6 * HOUR, "web-api")];
    stream.extend(surge(6 * HOUR + MINUTE, "payload", 0));
    assert_eq!(told(&mut after, stream).len(), 1);
}

/// Scenario: a hundred thousand fields of ten thousand services. Guarantee: bounded, in entries and in bytes
/// of each.
#[test]
fn it_is_bounded() {
    assert!(size_of::<Field>() <= 232);
    assert!(size_of::<Service>() <= 40);
    let mut detector = Personal::new(1000, DAY);
    let flood = |n: u64| item(n, 1).of(&format!("s{}", n % 10_007)).fact(fact(&format!("f{n}"), 1, 1, 1));
    told(&mut detector, (0..50_000).map(flood));
    assert!(detector.entries() <= 2000 && detector.take_evicted() > 40_000);
}
