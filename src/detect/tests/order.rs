//! The order of arrival does not matter.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// Spans of one trace as (parent, kind, tenant), the parent an earlier span or a missing one.
fn trees() -> impl Strategy<Value = Vec<Observation>> {
    let one = (0u8..12, 0i64..6, prop::option::weighted(0.6, 1u128..4), any::<bool>());
    prop::collection::vec(one, 1..12).prop_map(|spans| {
        let number = |n: usize| n as u8 + 1;
        let made = spans.into_iter().enumerate().map(|(n, (parent, kind, owner, shared))| {
            let parent = if n == 0 { 0 } else { parent % (number(n) + 1) };
            let mut o = span(1, number(n), parent, SpanKind::from_number(kind), owner);
            o.multi_tenant = shared && n % 4 == 3;
            o.service = Arc::from(format!("service-{}", n % 3));
            o
        });
        made.collect()
    })
}

fn said(observations: Vec<Observation>) -> BTreeSet<(TenantId, Option<TenantId>, String)> {
    let found = told(&Settings::default(), observations);
    found.into_iter().map(|f| (f.tenant, f.other, f.service)).collect()
}

/// The rule itself, on the whole trace at once and without any of the detector's machinery.
fn expected(spans: &[Observation]) -> BTreeSet<(TenantId, Option<TenantId>, String)> {
    let find = |id: [u8; 8]| spans.iter().find(|o| o.span == id);
    let crossing = |o: &Observation| {
        let own = o.tenant.filter(|_| !o.multi_tenant)?;
        let mut child = o;
        for _ in 0..spans.len() {
            let parent = find(child.parent)?;
            let asynchronous = parent.kind == SpanKind::Producer || child.kind == SpanKind::Consumer;
            if asynchronous || parent.multi_tenant {
                return None;
            }
            match parent.tenant {
                Some(tenant) if tenant == own => return None,
                Some(tenant) => return Some((tenant, Some(own), o.service.to_string())),
                None => child = parent,
            }
        }
        None
    };
    spans.iter().filter_map(crossing).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Scenario: the spans of a trace in any order, over several seconds, some of them twice.
    /// Guarantee: exactly the crossings that the rule finds in the whole trace.
    #[test]
    fn any_order_of_arrival_tells_the_same(
        (spans, order) in trees().prop_flat_map(|spans| {
            let twice = [spans.clone(), spans.clone()].concat();
            (Just(spans), Just(twice).prop_shuffle())
        }),
        gap in 0u64..3,
    ) {
        let arrived = order.into_iter().enumerate().map(|(n, mut o)| {
            o.at = START + n as u64 * gap * SECOND;
            o
        });
        prop_assert_eq!(said(arrived.collect()), expected(&spans));
    }
}
