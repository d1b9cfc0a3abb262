//! What is not told.

use std::time::Duration;

use super::*;
use crate::detect::{Allowance, fact::Event, observation::Excuse};

fn quiet(settings: &Settings, observations: impl IntoIterator<Item = Observation>) {
    let found = told(settings, observations);
    assert!(found.is_empty(), "{found:#?}");
}

/// Scenario: the token is the platform's, of a declared partner, or the service multi-tenant.
/// Guarantee: quiet.
#[test]
fn platform_senders_partners_and_shared_services_may_carry_others() {
    let spoof = claimed(span(1, 1, 0, SpanKind::Server, Some(2)), 1);
    let system = Settings { system_tenant: Some(tenant(1).to_string()), ..Settings::default() };
    quiet(&system, [spoof.clone()]);
    let partner = Allowance {
        sender_tenant: Some(tenant(1).to_string()),
        tenants: vec![tenant(2).to_string()],
        ..Allowance::default()
    };
    let partners = Settings { allow: vec![partner], ..Settings::default() };
    quiet(&partners, [spoof.clone()]);
    let mut elsewhere = spoof.clone();
    elsewhere.declared = [tenant(3)].into_iter().collect();
    assert_eq!(told(&partners, [elsewhere]).len(), 1, "the partner's list ends at tenant 2");
    let mut shared = spoof;
    shared.multi_tenant = true;
    quiet(&Settings::default(), [shared]);
}

/// Scenario: a consultant of A and B; the span that names the consultant comes after the one that
/// crosses. Guarantee: quiet for A and B, told for A and C.
#[test]
fn an_allowed_principal_excuses_the_whole_trace_whenever_it_comes() {
    let spoof = claimed(span(1, 1, 0, SpanKind::Client, Some(2)), 1);
    let among = |list: [u128; 2]| Excuse::Among(Arc::new(list.map(tenant).into_iter().collect()));
    let mut person = claimed(span(1, 2, 0, SpanKind::Server, Some(1)), 1);
    person.excuse = Some(among([1, 2]));
    quiet(&Settings::default(), [spoof.clone(), later(person.clone(), 3)]);
    person.excuse = Some(among([1, 3]));
    assert_eq!(told(&Settings::default(), [spoof, person]).len(), 1);
}

/// Scenario: a message's consumer, a job, another trace, a gateway in between, the system tenant.
/// Guarantee: none of them is a synchronous crossing.
#[test]
fn asynchronous_and_shared_edges_cross_freely() {
    use SpanKind::{Client, Consumer, Producer, Server};
    let root = || span(1, 1, 0, Server, Some(1));
    quiet(&Settings::default(), [root(), span(1, 2, 1, Producer, Some(1)), span(1, 3, 2, Consumer, Some(2))]);
    quiet(&Settings::default(), [root(), span(1, 2, 1, Producer, None), span(1, 3, 2, Server, Some(2))]);
    quiet(&Settings::default(), [root(), span(1, 3, 1, Consumer, Some(2))]);
    quiet(&Settings::default(), [root(), span(2, 3, 1, Server, Some(2))]);
    let mut gateway = span(1, 2, 1, Client, None);
    gateway.multi_tenant = true;
    quiet(&Settings::default(), [root(), gateway, span(1, 3, 2, Server, Some(2))]);
    let system = Settings { system_tenant: Some(tenant(1).to_string()), ..Settings::default() };
    quiet(&system, [root(), span(1, 2, 1, Client, Some(2))]);
}

/// Scenario: two spans of one trace under one span id, of two tenants. Guarantee: it decides nothing.
#[test]
fn a_span_id_used_twice_says_nothing() {
    let twice = [
        span(1, 1, 0, SpanKind::Server, Some(1)),
        span(1, 1, 0, SpanKind::Server, Some(2)),
        span(1, 2, 1, SpanKind::Client, Some(2)),
    ];
    quiet(&Settings::default(), twice);
}

/// Scenario: objects that are public, transferred, asked for before they exist, or of a route that
/// is declared public. Guarantee: quiet.
#[test]
fn shared_and_transferred_objects_are_nobodys_leak() {
    let mut public = request(1, 1, 9, 200);
    public.public = true;
    quiet(&Settings::default(), [public, request(2, 2, 9, 200), request(3, 3, 9, 403)]);

    let mut handover = Observation::new(START, Signal::Logs);
    let change = |from| Fact::Event(Event::Transferred { from, to: tenant(2) });
    handover.facts = vec![object(9), change(Some(tenant(1)))];
    let after = [request(1, 1, 9, 200), handover, request(2, 2, 9, 200), later(request(3, 1, 9, 404), 90)];
    quiet(&Settings::default(), after);

    // The news of a handover comes after the first access, within the moment that candidates wait.
    let mut handover = Observation::new(START, Signal::Logs);
    handover.facts = vec![object(9), change(None)];
    let news = later(handover, 3);
    quiet(&Settings::default(), [request(1, 1, 9, 200), request(2, 2, 9, 200), news, request(3, 1, 9, 403)]);

    // Polling for an upload that is not there yet, then its owner's first read.
    quiet(&Settings::default(), [request(1, 1, 9, 404), request(2, 1, 9, 404), request(3, 1, 9, 200)]);
    // Another route may rightly show the same id: a tenant's own view of a partner's object.
    let mut elsewhere = request(2, 2, 9, 200);
    elsewhere.route = Some(route(2));
    quiet(&Settings::default(), [request(1, 1, 9, 200), elsewhere.clone()]);
    elsewhere.status = 403;
    quiet(&Settings::default(), [request(1, 1, 9, 200), elsewhere]);
    // A server error and a redirect are neither given nor refused.
    quiet(&Settings::default(), [request(1, 1, 9, 200), request(2, 2, 9, 500), request(3, 2, 9, 302)]);
}

/// Scenario: an object's third tenant comes. Guarantee: it is public from then on.
#[test]
fn what_many_tenants_are_given_is_learned_as_public() {
    let readers = (1..=40).map(|n| request(n, u128::from(n), 9, 200));
    quiet(&Settings::default(), readers);
    let slow = (1..=40).map(|n| later(request(n, u128::from(n), 9, 200), 60 * u64::from(n)));
    let found = told(&Settings::default(), slow);
    assert_eq!(found.len(), 1, "only the second tenant's read: {found:#?}");
}

/// Scenario: a route where every object is read by several tenants. Guarantee: it falls silent.
#[test]
fn a_route_of_shared_objects_is_learned() {
    let objects = 0..200u64;
    let reads = objects.flat_map(|object| {
        let reader = 2 + u128::from(object);
        [request(1, 1, object, 200), request(1, 1, object, 200), request(2, reader, object, 200)]
    });
    let found = told(&Settings::default(), reads);
    assert!(found.len() <= 20, "{} findings", found.len());
}

/// Scenario: data of a tenant whose deletion is younger than the event, or in its grace; its purge
/// job; no catalogue. Guarantee: quiet.
#[test]
fn late_data_and_purges_of_a_deleted_tenant_are_expected() {
    let with = |state, excuse| {
        let mut o = span(1, 1, 0, SpanKind::Consumer, Some(1));
        (o.state, o.excuse) = (state, excuse);
        o
    };
    let grace = Settings { deleted_grace: Duration::from_secs(60), ..Settings::default() };
    quiet(&grace, [with(TenantState::Deleted(Some(START + SECOND)), None)]);
    quiet(&grace, [with(TenantState::Deleted(Some(START - 59 * SECOND)), None)]);
    quiet(&grace, [with(TenantState::Deleted(None), Some(Excuse::All))]);
    quiet(&grace, [with(TenantState::Unverified, None), with(TenantState::Active, None)]);
    assert_eq!(told(&grace, [with(TenantState::Deleted(Some(START - 61 * SECOND)), None)]).len(), 1);
}

/// Scenario: a detector is switched off. Guarantee: it says nothing.
#[test]
fn only_named_detectors_run() {
    let none = Settings { detectors: Vec::new(), ..Settings::default() };
    quiet(&none, [claimed(span(1, 1, 0, SpanKind::Server, Some(2)), 1)]);
}
