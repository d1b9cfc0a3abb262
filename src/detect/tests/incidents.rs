//! What is told.

use super::*;
use crate::detect::Severity;

/// Scenario: a sender with A's token ships logs and metrics that say B. Guarantee: one finding a
/// signal's class, of A about B, however many items; the count comes with the next telling.
#[test]
fn a_token_of_another_tenant_is_told_once() {
    let spoof = claimed(span(1, 1, 0, SpanKind::Server, Some(2)), 1);
    let mut point = spoof.clone();
    (point.signal, point.trace) = (Signal::Metrics, [0; 16]);
    let found = told(&Settings::default(), [spoof.clone(), point, later(spoof.clone(), 1), later(spoof, 60)]);
    assert_eq!(classes(&found), ["token_tenant_mismatch", "metric_tenant_mismatch"]);
    assert_eq!((found[0].tenant, found[0].other), (tenant(1), Some(tenant(2))));
    assert_eq!(found[0].severity, Severity::High);
}

/// Scenario: A's request calls a service that answers as B, through a span without a tenant.
/// Guarantee: the crossing is told, with caller and callee.
#[test]
fn a_call_into_another_tenant_is_told() {
    let trace = [
        span(1, 1, 0, SpanKind::Server, Some(1)),
        span(1, 2, 1, SpanKind::Client, None),
        span(1, 3, 2, SpanKind::Server, Some(2)),
    ];
    let found = told(&Settings::default(), trace);
    assert_eq!(classes(&found), ["trace_tenant_crossing"]);
    assert_eq!((found[0].tenant, found[0].other), (tenant(1), Some(tenant(2))));
    assert_eq!(found[0].traces.first(), Some([1; 16]));
}

/// Scenario: the parent comes half a minute after its child. Guarantee: told all the same.
#[test]
fn a_late_parent_is_waited_for() {
    let child = span(1, 2, 1, SpanKind::Server, Some(2));
    let parent = later(span(1, 1, 0, SpanKind::Client, Some(1)), 30);
    assert_eq!(classes(&told(&Settings::default(), [child, parent])), ["trace_tenant_crossing"]);
}

/// Scenario: B is given, and C is refused, an object that A alone used. Guarantee: a critical
/// read and a low attempt, each with the owner.
#[test]
fn a_foreign_object_read_and_asked_for() {
    let found = told(
        &Settings::default(),
        [request(1, 1, 9, 200), request(2, 1, 9, 200), request(3, 2, 9, 200), request(4, 3, 9, 404)],
    );
    assert_eq!(classes(&found), ["cross_tenant_read", "cross_tenant_attempt"]);
    assert_eq!((found[0].tenant, found[0].other), (tenant(2), Some(tenant(1))));
    assert_eq!((found[1].tenant, found[1].other), (tenant(3), Some(tenant(1))));
    assert_eq!([found[0].severity, found[1].severity], [Severity::Critical, Severity::Low]);
    assert_eq!(found[0].objects.first(), Some(id(9)));
}

/// Scenario: the span of B's read names no tenant, one of its trace's other spans does, later.
/// Guarantee: told as B's; with two tenants in the trace it counts as nobody's.
#[test]
fn a_request_without_a_tenant_has_its_traces() {
    let mut read = request(2, 2, 9, 200);
    (read.tenant, read.declared) = (None, Default::default());
    let below = |child, owner| later(span(2, child, 1, SpanKind::Consumer, Some(owner)), 2);
    let found = told(&Settings::default(), [request(1, 1, 9, 200), read.clone(), below(2, 2)]);
    assert_eq!(classes(&found), ["cross_tenant_read"]);
    assert_eq!(found[0].tenant, tenant(2));
    assert!(told(&Settings::default(), [request(1, 1, 9, 200), read, below(2, 2), below(3, 4)]).is_empty());
}

/// Scenario: unknown, suspended and long deleted tenants are active. Guarantee: each is told.
#[test]
fn tenants_that_should_not_be_there_are_told() {
    let states =
        [TenantState::Unknown, TenantState::Suspended, TenantState::Deleted(Some(START - 3600 * SECOND))];
    for state in states {
        let mut o = span(1, 1, 0, SpanKind::Consumer, Some(1));
        o.state = state;
        assert_eq!(classes(&told(&Settings::default(), [o])), ["deleted_tenant_active"], "{state:?}");
    }
}

/// Scenario: one incident goes on, rests for longer than the quiet time, and comes back. Guarantee: told at
/// its start and after the rest.
#[test]
fn an_incident_is_told_again_after_a_rest() {
    let spoof = |seconds| later(claimed(span(1, 1, 0, SpanKind::Server, Some(2)), 1), seconds);
    let found = told(&Settings::default(), [0, 60, 800, 1500, 9000].map(spoof));
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[1].at > START + 9000 * SECOND);
}

/// Scenario: in one trace a statement without its tenant, another tenant's object in the answer, and a call
/// into that tenant. Guarantee: one finding, of the class that explains most, with the others beside it.
#[test]
fn what_is_seen_of_one_trace_is_one_finding() {
    let mut read = request(4, 2, 9, 200);
    read.parent = [7; 8];
    let caller = span(4, 7, 0, SpanKind::Client, Some(1));
    let found = told(&Settings::default(), [request(1, 1, 9, 200), request(2, 1, 9, 200), caller, read]);
    assert_eq!(classes(&found), ["cross_tenant_read"]);
    assert_eq!(
        found[0].also.iter().map(|class| class.as_str()).collect::<Vec<_>>(),
        ["trace_tenant_crossing"]
    );
}
