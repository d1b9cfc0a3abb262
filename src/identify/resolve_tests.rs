use proptest::prelude::*;

use super::*;
use crate::identify::{OnMismatch, TokenSettings, catalogue, factory};

const DELETED: u64 = 1_769_817_600_000_000_000; // 2026-01-31T00:00:00Z
const HOUR: u64 = 3_600_000_000_000;

/// acme and bravo live, gone is deleted, off is suspended; `agent` may write for bravo.
fn tenants() -> Catalogue {
    let mut entries: Vec<catalogue::Entry> = ["acme", "bravo", "gone", "off"].map(factory::tenant).into();
    entries[1].allowed = vec!["agent".into()];
    entries[2].state = State::Deleted;
    entries[2].deleted_at = Some("2026-01-31T00:00:00Z".into());
    entries[3].state = State::Suspended;
    catalogue::parse("tenants", &factory::catalogue(&entries)).unwrap()
}

fn id(slug: &str) -> TenantId {
    factory::tenant_id(slug)
}

fn enforce() -> Settings {
    Settings { mode: Mode::Enforce, ..Settings::default() }
}

fn observe() -> Settings {
    Settings { mode: Mode::Observe, ..Settings::default() }
}

fn at(level: Level, rank: u8, text: &str) -> Declared<'_> {
    Declared { level, rank, text }
}

fn header(name: &str, value: &str) -> Vec<(String, String)> {
    vec![(name.to_string(), value.to_string())]
}

struct Case<'a> {
    claims: Option<Claims>,
    headers: Vec<(String, String)>,
    attributes: Vec<Declared<'a>>,
    time: u64,
}

fn attributes(attributes: Vec<Declared<'_>>) -> Case<'_> {
    Case { claims: None, headers: Vec::new(), attributes, time: DELETED + 10 * HOUR }
}

fn claim<'a>(tenant: &str, list: Vec<Declared<'a>>) -> Case<'a> {
    Case { claims: Some(Claims::assumed(Some(tenant), Some("user"), &[])), ..attributes(list) }
}

/// The decision, without the slug's borrow.
fn decide(
    settings: &Settings,
    case: &Case<'_>,
) -> (Result<TenantId, Reject>, Option<(TenantId, TenantId)>, Source) {
    let catalogue = tenants();
    let resolver = Resolver::new(settings, &catalogue, case.claims.as_ref(), &case.headers);
    let resolution = resolver.resolve(&case.attributes, case.time);
    (resolution.tenant, resolution.mismatch, resolution.source)
}

/// Scenario: claim, header and attributes name the same or nothing else. Guarantee: claim before header
/// before attribute, item before scope before resource, canonical name before alias.
#[test]
fn the_precedence_holds() {
    use Level::{Item, Resource, Scope};
    let acme = id("acme").to_string();
    let plain = |case: Case<'_>| decide(&enforce(), &case);
    assert_eq!(plain(claim(&acme, vec![])), (Ok(id("acme")), None, Source::Claim));
    assert_eq!(
        plain(Case { headers: header("x-tenant-id", "ACME"), ..attributes(vec![]) }),
        (Ok(id("acme")), None, Source::Header)
    );
    assert_eq!(
        plain(attributes(vec![at(Resource, 0, "acme"), at(Item, 3, "bravo")])),
        (Ok(id("bravo")), None, Source::Attribute(Item))
    );
    assert_eq!(
        plain(attributes(vec![at(Resource, 0, "acme"), at(Scope, 3, "bravo")])),
        (Ok(id("bravo")), None, Source::Attribute(Scope))
    );
    assert_eq!(
        plain(attributes(vec![at(Resource, 0, &acme.to_uppercase()), at(Resource, 4, "acme")])),
        (Ok(id("acme")), None, Source::Attribute(Resource))
    );
}

/// Scenario: a span's `tracestate` beside nothing, beside an attribute, beside a claim. Guarantee: it is believed last,
/// and told of where a claim says otherwise.
#[test]
fn a_tracestate_goes_last() {
    use Level::{Resource, TraceState};
    let acme = id("acme").to_string();
    let plain = |case: Case<'_>| decide(&enforce(), &case);
    let carried = || at(TraceState, 0, "bravo");
    assert_eq!(plain(attributes(vec![carried()])), (Ok(id("bravo")), None, Source::Attribute(TraceState)));
    assert_eq!(
        plain(attributes(vec![carried(), at(Resource, 3, "acme")])),
        (Ok(id("acme")), None, Source::Attribute(Resource))
    );
    assert_eq!(
        plain(claim(&acme, vec![carried()])),
        (Ok(id("acme")), Some((id("acme"), id("bravo"))), Source::Claim)
    );
}

/// Scenario: the catalogue knows the slug. Guarantee: it comes with the decision.
#[test]
fn the_slug_comes_with_the_decision() {
    let (catalogue, settings) = (tenants(), enforce());
    let resolver = Resolver::new(&settings, &catalogue, None, &[]);
    assert_eq!(resolver.resolve(&[at(Level::Item, 0, &id("acme").to_string())], 1).slug, Some("acme"));
}

/// Scenario: each reason to reject. Guarantee: rejected for that very reason, and in observe mode let
/// through under its well-formed id, or under none, with the reason told.
#[test]
fn every_reason_rejects_and_observe_lets_through() {
    use Level::Resource;
    let stranger = "7f0c8e0a-52a4-4c3d-9d0e-0b6c1c5f7a11";
    for (case, reason, observed) in [
        (attributes(vec![]), Reject::MissingTenant, TenantId::NONE),
        (attributes(vec![at(Resource, 0, "  ")]), Reject::MissingTenant, TenantId::NONE),
        (attributes(vec![at(Resource, 0, "not-a-uuid")]), Reject::MalformedTenant, TenantId::NONE),
        (attributes(vec![at(Resource, 0, stranger)]), Reject::UnknownTenant, stranger.parse().unwrap()),
        (attributes(vec![at(Resource, 0, "gone")]), Reject::DeletedTenant, id("gone")),
        (attributes(vec![at(Resource, 0, "off")]), Reject::SuspendedTenant, id("off")),
        (claim("nonsense", vec![at(Resource, 0, "acme")]), Reject::MalformedTenant, TenantId::NONE),
        (claim(stranger, vec![]), Reject::UnknownTenant, stranger.parse().unwrap()),
        (
            attributes(vec![at(Resource, 0, "acme"), at(Resource, 1, "bravo")]),
            Reject::TenantMismatch,
            TenantId::NONE,
        ),
    ] {
        assert_eq!(decide(&enforce(), &case).0, Err(reason));
        let (catalogue, settings) = (tenants(), observe());
        let resolver = Resolver::new(&settings, &catalogue, case.claims.as_ref(), &case.headers);
        let resolution = resolver.resolve(&case.attributes, case.time);
        assert_eq!((resolution.tenant, resolution.observed), (Ok(observed), Some(reason)), "{reason:?}");
    }
}

/// Scenario: a claimed tenant, and another one declared on item, scope, resource or header. Guarantee: the
/// claim stays and the mismatch is told; where policy says so it is rejected.
#[test]
fn another_tenant_than_the_claimed_is_told() {
    let told = Some((id("acme"), id("bravo")));
    let reject = Settings { on_mismatch: OnMismatch::Reject, ..enforce() };
    let cases = [
        claim("acme", vec![at(Level::Item, 0, "bravo")]),
        claim("acme", vec![at(Level::Item, 0, "acme"), at(Level::Scope, 0, "bravo")]),
        claim("acme", vec![at(Level::Item, 0, "acme"), at(Level::Resource, 5, "bravo")]),
        claim("acme", vec![at(Level::Item, 0, "acme"), at(Level::Item, 1, "bravo")]),
        Case { headers: header("x-scope-orgid", "bravo"), ..claim("acme", vec![]) },
    ];
    for case in &cases {
        assert_eq!(decide(&enforce(), case), (Ok(id("acme")), told, Source::Claim));
        assert_eq!(decide(&reject, case).0, Err(Reject::TenantMismatch));
        assert_eq!(decide(&reject, case).1, told);
    }
    let simple = id("acme").0.simple().to_string();
    let same = claim("acme", vec![at(Level::Item, 0, &simple), at(Level::Resource, 1, "acme")]);
    assert_eq!(decide(&reject, &same), (Ok(id("acme")), None, Source::Claim));
}

/// Scenario: the principal is on the tenant's list, or the tenant on the token's. Guarantee: the data is the
/// declared tenant's and no mismatch; anyone else's is a mismatch.
#[test]
fn an_allowed_principal_writes_for_others() {
    let declared = || vec![at(Level::Resource, 0, "bravo")];
    let with = |claims| Case { claims: Some(claims), ..attributes(declared()) };
    let bravo = (Ok(id("bravo")), None, Source::Delegated);
    assert_eq!(decide(&enforce(), &with(Claims::assumed(Some("acme"), Some("agent"), &[]))), bravo);
    assert_eq!(decide(&enforce(), &with(Claims::assumed(Some("acme"), Some("u"), &["bravo"]))), bravo);
    assert_eq!(decide(&enforce(), &with(Claims::assumed(None, Some("agent"), &[]))), bravo);
    // What stands nearest to the item decides: the resource may be a tenant's that the principal may write for.
    let near = vec![at(Level::Item, 0, "acme"), at(Level::Resource, 0, "bravo")];
    let agent = || Some(Claims::assumed(Some("acme"), Some("agent"), &[]));
    let case = Case { claims: agent(), ..attributes(near) };
    assert_eq!(decide(&enforce(), &case), (Ok(id("acme")), None, Source::Claim));
    // And a tenant that it may not write for is told of beside one that it may.
    let far = vec![at(Level::Item, 0, "bravo"), at(Level::Resource, 0, "off")];
    let case = Case { claims: agent(), ..attributes(far) };
    assert_eq!(
        decide(&enforce(), &case),
        (Ok(id("bravo")), Some((id("bravo"), id("off"))), Source::Delegated)
    );
    let other = decide(&enforce(), &with(Claims::assumed(Some("acme"), Some("u"), &["off"])));
    assert_eq!(other, (Ok(id("acme")), Some((id("acme"), id("bravo"))), Source::Claim));
}

/// Scenario: a token is required, and names no tenant. Guarantee: an attribute does not stand in for it.
#[test]
fn where_a_token_is_required_an_attribute_is_no_proof() {
    let token = TokenSettings { required: true, ..TokenSettings::default() };
    let settings = Settings { token, ..enforce() };
    let claims = Some(Claims::assumed(None, Some("user"), &[]));
    let case = Case { claims, ..attributes(vec![at(Level::Resource, 0, "acme")]) };
    assert_eq!(decide(&settings, &case).0, Err(Reject::MissingTenant));
    assert_eq!(decide(&enforce(), &case).0, Ok(id("acme")));
}

/// Scenario: no token is required; a principal of no tenant of its own, with a list, names one that is not on it, or
/// none. Guarantee: it may write for no other than those listed, wherever the list is.
#[test]
fn a_list_is_a_bound_also_where_no_token_is_required() {
    let named = |claims, slug| {
        let case = Case { claims: Some(claims), ..attributes(vec![at(Level::Item, 0, slug)]) };
        decide(&enforce(), &case).0
    };
    let listed = || Claims::assumed(None, Some("u"), &["acme"]);
    assert_eq!(named(listed(), "acme"), Ok(id("acme")));
    assert_eq!(named(listed(), "bravo"), Err(Reject::MissingTenant));
    // In the catalogue: the agent may write for bravo.
    let agent = || Claims::assumed(None, Some("agent"), &[]);
    assert_eq!(named(agent(), "bravo"), Ok(id("bravo")));
    assert_eq!(named(agent(), "acme"), Err(Reject::MissingTenant));
}

/// Scenario: a principal that may write for a second tenant sends a span whose `tracestate` names that one, with and
/// without a header. Guarantee: the token decides, and the header; the trace is told of where it may not be.
#[test]
fn a_tracestate_never_delegates_over_a_token_or_header() {
    let trace = |slug| vec![at(Level::TraceState, 0, slug)];
    let own = || Some(Claims::assumed(Some("acme"), Some("u"), &["bravo"]));
    let case = Case { claims: own(), ..attributes(trace("bravo")) };
    assert_eq!(decide(&enforce(), &case), (Ok(id("acme")), None, Source::Claim));
    let case = Case { claims: own(), ..attributes(trace("off")) };
    assert_eq!(decide(&enforce(), &case).1, Some((id("acme"), id("off"))));
    let agent = Some(Claims::assumed(None, Some("u"), &["acme", "bravo"]));
    let case = Case { claims: agent, headers: header("x-tenant-id", "acme"), ..attributes(trace("bravo")) };
    assert_eq!(decide(&enforce(), &case).0, Ok(id("acme")));
}

/// Scenario: headers and attributes differ, no token. Guarantee: the header decides and it is told; two
/// headers that differ are rejected; a header that is no tenant is passed over.
#[test]
fn a_header_decides_over_attributes() {
    let case = |headers| Case { headers, ..attributes(vec![at(Level::Item, 0, "bravo")]) };
    let decided = decide(&enforce(), &case(header("x-tenant-id", "acme")));
    assert_eq!(decided, (Ok(id("acme")), Some((id("acme"), id("bravo"))), Source::Header));
    let mut two = header("x-scope-orgid", "bravo");
    two.extend(header("X-Tenant-Id", "acme"));
    let decided = decide(&enforce(), &case(two));
    assert_eq!((decided.0, decided.1), (Err(Reject::TenantMismatch), Some((id("acme"), id("bravo")))));
    assert_eq!(decide(&enforce(), &case(header("x-tenant-id", "a|b"))).0, Ok(id("bravo")));
    assert_eq!(decide(&enforce(), &case(header("x-other", "acme"))).0, Ok(id("bravo")));
}

/// Scenario: late data of a deleted tenant. Guarantee: taken up to deletion and grace, rejected after.
#[test]
fn late_data_of_a_deleted_tenant_is_taken() {
    let at_time =
        |time| decide(&enforce(), &Case { time, ..attributes(vec![at(Level::Resource, 0, "gone")]) }).0;
    assert_eq!(at_time(DELETED - HOUR), Ok(id("gone")));
    assert_eq!(at_time(DELETED + HOUR), Ok(id("gone")));
    assert_eq!(at_time(DELETED + HOUR + 1), Err(Reject::DeletedTenant));
}

/// Scenario: no catalogue. Guarantee: every well-formed uuid is taken, nothing else.
#[test]
fn an_open_catalogue_takes_every_uuid() {
    let (open, settings) = (Catalogue::open(), enforce());
    let resolver = Resolver::new(&settings, &open, None, &[]);
    assert_eq!(resolver.resolve(&[at(Level::Item, 0, &id("x").to_string())], 1).tenant, Ok(id("x")));
    assert_eq!(resolver.resolve(&[at(Level::Item, 0, "acme")], 1).tenant, Err(Reject::MalformedTenant));
}

/// One of the texts that a place may hold.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("nonsense!".to_string()),
        prop::sample::select(vec!["acme", "bravo", "gone", "off"]).prop_map(String::from),
        prop::sample::select(vec!["acme", "bravo"]).prop_map(|slug| id(slug).to_string().to_uppercase()),
    ]
}

proptest! {
    /// Scenario: any combination of claim, header and attributes. Guarantee: a verified tenant is never
    /// overruled by a stranger's declaration; every declared tenant that differs from the decision of a claim
    /// is told; observe mode never rejects and tells what enforce mode would.
    #[test]
    fn no_declaration_overrules_a_claim(
        tenant in text(),
        head in prop::option::of(text()),
        declared in prop::collection::vec((0u8..3, 0u8..10, text()), 0..5),
        verified in any::<bool>(),
    ) {
        let catalogue = tenants();
        let claims = verified.then(|| Claims::assumed(Some(&tenant), Some("user"), &[]));
        let headers = head.map(|head| header("x-tenant-id", &head)).unwrap_or_default();
        let levels = [Level::Resource, Level::Scope, Level::Item];
        let list: Vec<_> = declared.iter().map(|(l, rank, text)| at(levels[*l as usize], *rank, text)).collect();
        let (strict, lax) = (enforce(), observe());
        let strict = Resolver::new(&strict, &catalogue, claims.as_ref(), &headers).resolve(&list, u64::MAX);
        let lax = Resolver::new(&lax, &catalogue, claims.as_ref(), &headers).resolve(&list, u64::MAX);
        prop_assert!(lax.tenant.is_ok());
        prop_assert_eq!(lax.observed, strict.tenant.err());
        let claimed = claims.is_some().then(|| normalise(&tenant, &catalogue).ok()).flatten();
        if let Some(claimed) = claimed {
            prop_assert_eq!(strict.named, Some(claimed));
            let other = declared.iter().any(|(_, _, text)| normalise(text, &catalogue).is_ok_and(|t| t != claimed))
                || headers.iter().any(|(_, text)| normalise(text, &catalogue).is_ok_and(|t| t != claimed));
            prop_assert_eq!(strict.mismatch.is_some(), other);
        }
        if let (Ok(tenant), None) = (strict.tenant, claimed) {
            prop_assert!(tenant == id("acme") || tenant == id("bravo"));
        }
    }
}
