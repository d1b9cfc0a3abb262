//! Openings, updates, ends, storms.

use super::*;
use crate::detect::{Fingerprint, finding::Confidence};

const CLASS: Class = Class::TokenTenantMismatch;

/// Scenario: an incident goes on for an hour, every ten seconds, and stops. Guarantee: it is told once as open, then
/// as it doubles and no oftener than every five minutes, then once as closed a quarter of an hour after its last
/// occurrence, with all of them counted, always under one number.
#[test]
fn an_incident_opens_grows_and_closes() {
    let mut findings = findings();
    let all = told(&mut findings, (0..360).map(|n| seen(CLASS, n * 10, 1, 2)), 7200);
    let (first, last) = (&all[0], all.last().unwrap());
    assert_eq!((first.status, first.count), (Status::Open, 1));
    assert_eq!((last.status, last.count), (Status::Closed, 360));
    assert_eq!(last.at, last.last_seen + 15 * MINUTE);
    let updates = &all[1..all.len() - 1];
    assert!((2..=9).contains(&updates.len()), "{:?}", statuses(&all));
    for pair in all.windows(2) {
        assert_eq!(pair[0].id, pair[1].id);
        if pair[1].status == Status::Updated {
            assert!(pair[1].count >= 2 * pair[0].count, "{:?}", statuses(&all));
            assert!(pair[1].at >= pair[0].at + 5 * MINUTE);
        }
    }
    assert_eq!(findings.entries(), 0);
}

/// Scenario: an incident becomes worse and surer a minute after it was told, and nothing more comes. Guarantee: it is
/// told again when five minutes are over, not at once and not never.
#[test]
fn what_grows_worse_is_told_when_its_time_comes() {
    let worse = |mut candidate: Candidate| {
        (candidate.finding.severity, candidate.finding.confidence) =
            (Severity::Critical, Confidence::Certain);
        candidate
    };
    let all = told(&mut findings(), [seen(CLASS, 0, 1, 2), worse(seen(CLASS, 60, 1, 2))], 301);
    assert_eq!(statuses(&all), [(Status::Open, 1)]);
    let all = told(&mut findings(), [seen(CLASS, 0, 1, 2), worse(seen(CLASS, 60, 1, 2))], 306);
    assert_eq!(statuses(&all), [(Status::Open, 1), (Status::Updated, 2)]);
    assert_eq!(all[1].severity, Severity::Critical);
    assert_eq!(all[1].at, START + 305 * SECOND);
}

/// Scenario: one thing is met by a second tenant. Guarantee: one incident, told again, with both.
#[test]
fn further_tenants_are_news() {
    let met = |second, acts| seen(CLASS, second, acts, acts).thing(9);
    let all = told(&mut findings(), [met(0, 1), met(400, 3)], 420);
    assert_eq!(statuses(&all), [(Status::Open, 1), (Status::Updated, 2)]);
    assert_eq!(all[1].tenants.iter().collect::<Vec<_>>(), [tenant(3)]);
}

/// Scenario: it comes back after its rest. Guarantee: the first is over before a second one opens.
#[test]
fn after_its_rest_it_is_another() {
    let all = told(&mut findings(), [seen(CLASS, 0, 1, 2), seen(CLASS, 2000, 1, 2)], 2010);
    assert_eq!(statuses(&all), [(Status::Open, 1), (Status::Closed, 1), (Status::Open, 1)]);
    assert_ne!(all[0].id, all[2].id);
    // What people do over hours rests for two.
    let class = Class::CrossTenantRead;
    let all = told(&mut findings(), [seen(class, 0, 1, 2), seen(class, 2000, 1, 2)], 2010);
    assert_eq!(statuses(&all), [(Status::Open, 1), (Status::Updated, 2)]);
}

/// Scenario: one defect makes 500 tenants' incidents in ten minutes in one service, another service has one.
/// Guarantee: 20 are told one by one, all others as one, which says how many and names four tenants; it is updated
/// and closed as one; the other service's is told by itself.
#[test]
fn a_storm_is_one() {
    let mut findings = findings();
    let mut all: Vec<Candidate> = (0..500).map(|n| seen(CLASS, n, u128::from(n) * 2 + 10, 9)).collect();
    let mut other = seen(CLASS, 400, 3, 4);
    other.finding.service = "mailer".into();
    all.insert(401, other);
    let all = told(&mut findings, all, 7200);
    let opened = |merged: bool| {
        let of = move |f: &&Finding| f.status == Status::Open && (f.merged > 0) == merged;
        all.iter().filter(of).collect::<Vec<_>>()
    };
    assert_eq!(opened(false).len(), 21);
    assert_eq!(opened(true).len(), 1);
    let rollup = opened(true)[0];
    assert_eq!((rollup.tenant, rollup.other, rollup.service.as_str()), (TenantId::NONE, None, "web-api"));
    assert!(rollup.objects.is_empty() && rollup.principals.is_empty());
    let of: Vec<&Finding> = all.iter().filter(|finding| finding.id == rollup.id).collect();
    let last = of.last().unwrap();
    assert_eq!((last.status, last.merged, last.count), (Status::Closed, 480, 480));
    assert_eq!(last.tenants.len(), 4);
    assert!((2..5).contains(&(of.len() - 1)), "{:?}", of.len());
    let shown = last.json();
    assert_eq!((&shown["merged"], &shown["tenant_id"]), (&480.into(), &serde_json::Value::Null));
    assert_eq!(shown["tenants"].as_array().unwrap().len(), 4);
    assert_eq!(findings.entries(), 0);
}

/// Scenario: 20 an hour, every hour. Guarantee: no storm, each is told.
#[test]
fn many_over_a_day_are_no_storm() {
    let all = (0..240u64).map(|n| seen(CLASS, n * 180, u128::from(n) + 10, 9));
    let opened = told(&mut findings(), all, 50_000);
    assert_eq!(opened.iter().filter(|f| f.status == Status::Open && f.merged == 0).count(), 240);
}

/// Scenario: a storm and a long incident, in a scan. Guarantee: each opening is told, and nothing else.
#[test]
fn a_scan_tells_openings_alone() {
    let mut findings = findings();
    findings.opens_only();
    let all = (0..100u64).map(|n| seen(CLASS, n, u128::from(n) + 10, 9));
    let long = (0..100u64).map(|n| seen(CLASS, 100 + n * 60, 1, 2));
    let all = told(&mut findings, all.chain(long), 90_000);
    assert_eq!(all.len(), 101);
    assert!(all.iter().all(|f| (f.status, f.count, f.merged) == (Status::Open, 1, 0)));
}

/// Scenario: the gate is started again while an incident and a storm go on. Guarantee: nothing is told anew; they go
/// on under their numbers, and close with all that was counted; what names a tenant that is destroyed is gone.
#[test]
fn incidents_go_on_after_a_restart() {
    let mut before = findings();
    let opened = told(&mut before, (0..30u64).map(|n| seen(CLASS, n, u128::from(n) + 10, 9)), 60);
    assert_eq!(opened.len(), 21);
    before.forget(tenant(10));
    let saved = before.save(|_| true).unwrap();
    assert!(before.save(|_| true).is_none());
    assert!(!saved.contains(&tenant(10).to_string()));

    let mut after = findings();
    let torn = format!("{saved}{{\"finding\":");
    assert_eq!(after.load(&torn).len(), 20);
    let again = (11..30u64).map(|n| seen(CLASS, n + 60, u128::from(n) + 10, 9));
    let further = (0..30u64).map(|n| seen(CLASS, n + 90, u128::from(n) + 100, 9));
    let all = told(&mut after, again.chain(further), 130);
    assert_eq!(statuses(&all), []);
    let all = told(&mut after, [], 9000);
    assert!(all.iter().all(|f| f.status != Status::Open));
    let closed: Vec<&Finding> = all.iter().filter(|f| f.status == Status::Closed).collect();
    assert_eq!(closed.len(), 20);
    let rollup = closed.iter().find(|f| f.merged > 0).unwrap();
    assert_eq!((rollup.merged, rollup.count), (40, 10 + 10 + 30));
}

/// Scenario: more incidents than there is room for. Guarantee: the bound holds, and each that makes room is closed.
#[test]
fn incidents_are_bounded() {
    let mut findings = Findings::new(0, 15 * MINUTE, 5 * MINUTE, 0);
    let bound = crate::limits::INCIDENTS as u64;
    let mut closed = 0;
    for n in 0..bound + 100 {
        findings.raise_apart(seen(CLASS, n / 100, u128::from(n) + 10, 9));
        closed += findings.take().iter().filter(|finding| finding.status == Status::Closed).count();
        assert!(findings.entries() <= crate::limits::INCIDENTS + crate::limits::CLEARED_OBJECTS);
    }
    assert_eq!(closed, 100);
}

/// Scenario: one trace shares a session and a key between two tenants, the key also in a span that comes late; the same
/// between two others; and two statements of one trace. Guarantee: what is shared between the same tenants is one
/// finding that names both, that of others another; statements, each mended by itself, stay apart.
#[test]
fn what_one_trace_shares_is_one() {
    let class = Class::CredentialSharedAcrossTenants;
    let shared = |second, thing: u64, other| {
        let mut one = seen(class, second, 1, other).thing(thing);
        one.finding.traces = Some([9; 16]).into_iter().collect();
        one.object(Fingerprint(thing))
    };
    let late = shared(8, 12, 2);
    let all = told(&mut findings(), [shared(0, 10, 2), shared(0, 11, 2), shared(0, 10, 3), late], 20);
    let opened: Vec<&Finding> = all.iter().filter(|one| one.status == Status::Open).collect();
    assert_eq!(opened.len(), 1, "{all:?}");
    assert_eq!(opened[0].objects.iter().collect::<Vec<_>>(), [Fingerprint(10), Fingerprint(11)]);
    let all = told(&mut findings(), [shared(0, 10, 2), shared(0, 11, 3)], 10);
    assert_eq!(all.len(), 2, "other tenants: {all:?}");
    let statement = |thing| {
        let mut one = seen(Class::UnscopedQuery, 0, 1, 2).thing(thing);
        one.finding.traces = Some([9; 16]).into_iter().collect();
        one
    };
    assert_eq!(told(&mut findings(), [statement(1), statement(2)], 10).len(), 2);
}
