use super::*;
use crate::detect::stream::*;

fn detector() -> Enumeration {
    Enumeration::new(rules(), 10_000, 10_000, DAY)
}

/// Two hours of thirty users that open objects of their own, by uuid and by number, here and there.
fn background() -> Vec<Placed> {
    let one = |n: u64| {
        let who = n % 30;
        let placed = item(n * 7 * SECOND, who / 5).by(who).on(1, 200);
        if n.is_multiple_of(2) {
            placed.object(who * 1000 + chance(n, 50))
        } else {
            placed.number(chance(n, 1_000_000))
        }
    };
    (0..1000).map(one).collect()
}

fn classes(stream: Vec<Placed>) -> Vec<(Severity, Confidence)> {
    told(&mut detector(), stream).iter().map(|f| (f.severity, f.confidence)).collect()
}

/// Scenario: one user asks for forty numbers in a row and is refused most; in order, shuffled, downwards, in steps of
/// three, and one each five minutes. Guarantee: each is told once, with the principal.
#[test]
fn a_run_of_refused_numbers_is_told_once() {
    type Walk = fn(u64) -> (u64, u64);
    let walks: [Walk; 5] = [
        |n| (n * SECOND, 5000 + n),
        |n| (n * SECOND, 5000 + (n * 17) % 40),
        |n| (n * SECOND, 5000 - n),
        |n| (n * SECOND, 5000 + 3 * n),
        |n| (n * 5 * MINUTE, 5000 + n),
    ];
    for (which, walk) in walks.iter().enumerate() {
        let mut stream = background();
        for n in 0..40 {
            let (after, number) = walk(n);
            let status = if n % 7 == 3 { 200 } else { 404 };
            stream.push(item(HOUR + after, 9).by(999).on(1, status).number(number));
        }
        let found = told(&mut detector(), stream);
        assert_eq!(found.len(), 1, "walk {which}: {found:?}");
        assert_eq!(found[0].principals.first(), Some(print(999)));
        assert_eq!(found[0].class, Class::ResourceEnumeration);
    }
}

/// Scenario: one user is given sixty numbers in a row on a route where others open single ones; and the same on a
/// route that five users walk so every day (paging, exports). Guarantee: the former is told, the latter learned.
#[test]
fn a_run_that_is_given_is_told_unless_the_route_is_used_like_that() {
    let mut stream = background();
    stream.extend((0..60).map(|n| item(HOUR + n * SECOND, 9).by(999).on(1, 200).number(7000 + n)));
    assert_eq!(classes(stream), [(Severity::Medium, Confidence::Medium)]);
    let mut stream = background();
    for who in 0..5 {
        let page = |n: u64| item(who * 5 * MINUTE + n * SECOND, who).by(who).on(2, 200).number(n + 1);
        stream.extend((0..40).map(page));
    }
    stream.extend((0..60).map(|n| item(HOUR + n * SECOND, 9).by(999).on(2, 200).number(1 + n)));
    assert_eq!(classes(stream), []);
}

/// Scenario: a user asks for forty objects of other tenants (404), or for forty that are forbidden (403). Guarantee:
/// told once.
#[test]
fn others_ids_and_forbidden_ones_are_told() {
    let mut others = background();
    others.extend((0..40).map(|n| {
        item(HOUR + n * SECOND, 9).by(999).on(1, 404).object(n % 20 / 2 * 1000 + chance(2 * n, 50))
    }));
    // Only what somebody was given counts: ask for what the background did.
    let given: Vec<u64> = (0..1000).step_by(2).map(|n| n % 30 * 1000 + chance(n, 50)).collect();
    others.retain(|placed| placed.o.status != 404);
    others.extend((0..40).map(|n| item(HOUR + n * SECOND, 9).by(999).on(1, 404).object(given[n as usize])));
    assert_eq!(classes(others).len(), 1);
    let mut forbidden = background();
    forbidden.extend((0..40).map(|n| item(HOUR + n * SECOND, 9).by(999).on(1, 403).object(90_000 + n)));
    assert_eq!(classes(forbidden).len(), 1);
}

/// Scenario: a client polls one missing id for hours; another syncs sixty deleted objects of its own at once, known
/// ones of its tenant and unknown; old integer links that are gone, one a user; an export by an excused account; a page
/// of forty things of one's own that are forbidden. Guarantee: quiet.
#[test]
fn honest_misses_are_quiet() {
    let mut stream = background();
    stream.extend((0..600).map(|n| item(n * 12 * SECOND, 3).by(15).on(1, 404).object(555_555)));
    stream.extend((0..60).map(|n| item(HOUR + n * SECOND / 5, 2).by(11).on(1, 404).object(700_000 + n)));
    stream.extend((0..60).map(|n| item(n * SECOND, 4).by(21).on(1, 200).object(800_000 + n)));
    stream.extend((0..60).map(|n| item(HOUR + n * SECOND / 5, 4).by(22).on(1, 403).object(800_000 + n)));
    stream.extend((0..30).map(|n| item(n * 3 * MINUTE, n / 5).by(n).on(1, 404).number(chance(n, 90_000))));
    stream.extend((0..200).map(|n| item(HOUR + n * SECOND, 5).by(777).on(1, 200).number(100 + n).excused()));
    assert_eq!(classes(stream), []);
}

/// Scenario: numbers at random, nearly all of them missing; and six such. Guarantee: the former is told.
#[test]
fn guessed_numbers_are_told() {
    let guesses = |n: u64| item(HOUR + n * SECOND, 9).by(999).on(1, 404).number(chance(n, 10_000_000));
    let stream = |n| background().into_iter().chain((0..n).map(guesses)).collect();
    assert_eq!(classes(stream(80)).len(), 1);
    assert_eq!(classes(stream(6)), []);
}

/// Scenario: a tenant's users each ask for one number of a long row, all missing. Guarantee: told once.
#[test]
fn a_walk_shared_by_a_tenants_users_is_told() {
    let mut stream = background();
    stream.extend((0..60).map(|n| item(HOUR + n * SECOND, 9).by(2000 + n).on(1, 404).number(40_000 + n)));
    assert_eq!(classes(stream).len(), 1);
}

/// Scenario: the first two requests of all are a run that is given. Guarantee: it is withheld and counted.
#[test]
fn a_cold_route_is_not_judged() {
    let mut cold = detector();
    let walk = (0..40).map(|n| item(n * SECOND, 1).by(1).on(1, 200).number(n));
    assert_eq!(told(&mut cold, walk), []);
    assert!(cold.take_cold() > 0);
}

/// Scenario: on a route that nobody was seen on before, thirty large numbers in a row are given to one user, three
/// seconds each; the same at a minute each, or of numbers from one on; twelve; and by each of three users before.
/// Guarantee: the first is told as low, all else is quiet but for the first two of the several.
#[test]
fn a_long_run_on_a_new_route_is_told_as_low() {
    let run = |who: u64, from: u64, count: u64, apart: u64| {
        (0..count).map(move |n| item(who * HOUR + n * apart, who).by(who).on(1, 200).number(from + n))
    };
    assert_eq!(classes(run(1, 52_000, 30, 3 * SECOND).collect()), [(Severity::Low, Confidence::Low)]);
    assert_eq!(classes(run(1, 52_000, 60, MINUTE).collect()), []);
    assert_eq!(classes(run(1, 1, 60, 3 * SECOND).collect()), []);
    assert_eq!(classes(run(1, 52_000, 12, SECOND).collect()), []);
    let several = (1..8).flat_map(|who| run(who, 52_000 + who * 100, 40, SECOND)).collect();
    assert!(classes(several).len() <= 2);
}

/// Scenario: a user reads fifteen of its own numbers in order on a known route, twelve seconds each; a service account
/// walks its own numbers every day for a week. Guarantee: the reader is quiet; of the account two days are told at
/// most.
#[test]
fn what_is_read_in_order_is_quiet() {
    let mut stream = background();
    stream.extend((0..15).map(|n| item(HOUR + n * 12 * SECOND, 9).by(999).on(1, 200).number(700 + n)));
    assert_eq!(classes(stream), []);
    let mut stream = background();
    for day in 0..7 {
        stream.extend((0..60).map(|n| item(day * DAY + n * SECOND, 9).by(999).on(1, 200).number(7000 + n)));
    }
    assert!(classes(stream).len() <= 2);
}

/// Scenario: somebody who was never given anything asks for sixty unguessable ids, none of them there. Guarantee: told
/// once, as low.
#[test]
fn sixty_unknown_ids_by_a_stranger_are_told_as_low() {
    let mut stream = background();
    stream.extend((0..60).map(|n| item(HOUR + n * 3 * SECOND, 9).by(999).on(1, 404).object(900_000 + n)));
    assert_eq!(classes(stream), [(Severity::Low, Confidence::Low)]);
}

/// Scenario: a hundred thousand principals on ten thousand routes. Guarantee: bounded, in entries and in bytes
/// of each.
#[test]
fn it_is_bounded() {
    assert!(size_of::<Walk>() <= 224);
    assert!(size_of::<Usage>() <= 152);
    let mut detector = Enumeration::new(rules(), 500, 1000, DAY);
    let flood = |n: u64| {
        let placed =
            item(n * 1000, n % 7919).by(n).on(n % 10_007, if n.is_multiple_of(2) { 404 } else { 200 });
        placed.object(n).number(n)
    };
    told(&mut detector, (0..50_000).map(flood));
    assert!(detector.entries() <= 500 + 500 + 50, "{}", detector.entries());
    assert!(detector.take_evicted() > 10_000);
}
