//! Caches that answer one tenant with what they keep for another.

use portcullis::detect::Severity;

use crate::product::{A, B, C, D, TENANTS, found, object, person, quiet, session, told, usual};
use crate::stream::Stream;

/// A reads an invoice twice, then `reader` the one of `owner`; what the CDN says of A's second and of the last answer.
fn cdn(owner: &str, reader: &str, status: &str) -> Stream {
    let mut stream = usual();
    let requests = [
        (1700, A, object(A, 40), "MISS"),
        (1706, A, object(A, 40), status),
        (1719, reader, object(owner, 40), status),
    ];
    for (second, tenant, invoice, status) in requests {
        let answer = stream.request(second, "cdn", tenant).http("/invoices/:id", &invoice, 200);
        answer.text("http.response.header.x-cache", status).who(&person(tenant, 0), &session(tenant, 0));
    }
    stream
}

/// Scenario: Steam, 25 December 2015 (Valve, "Update on Christmas issues"), and Klarna, 27 May 2021 ("Detailed incident
/// report: Incorrect Cache Configuration leading to Klarna App Exposing Personal Information"): by a change of
/// configuration a shared cache kept what was made for one customer and gave it to others. Here the page has an id in
/// its path. Guarantee: the answer from the cache is told once, as critical, with both tenants.
#[test]
fn a_cdn_serves_private_answers() {
    told(&cdn(A, B, "HIT"), &[("cache_tenant_leak", B, Some(A), Severity::Critical)]);
}

/// Scenario: the same reads with `Cache-Control: private`, so that each is answered by the origin and of one's own;
/// assets are answered by the cache to all. Guarantee: nothing is told.
#[test]
fn a_cdn_passes_private_answers() {
    quiet(&cdn(B, B, "MISS"));
}

/// A CDN gets a new version; from then on the page that each person has under the same address comes from the cache
/// (`hit`), or from the origin as before.
fn one_address_for_all(hit: bool) -> Stream {
    let mut stream = usual();
    stream.deploy(2000, "cdn", 42);
    for n in 0..300 {
        let (second, tenant) = (500 + n * 10, TENANTS[n as usize % 4]);
        let answer = stream.request(second, "cdn", tenant).http("/account", "", 200);
        let status = if hit && second > 2000 && n % 8 > 0 { "HIT" } else { "MISS" };
        answer.text("http.response.header.x-cache", status).private("enduser.id", person(tenant, n / 4));
    }
    stream
}

/// Scenario: Railway, 30 March 2026 ("Incident Report: March 30th, 2026 — Authenticated user data cached"): a change of
/// a CDN's configuration had it keep answers to people who were logged in, under addresses that are the same for all.
/// Guarantee: that the route is answered from the cache far oftener since the change is told once; as low, since whose
/// page it was is not in the telemetry.
#[test]
fn a_cdn_begins_to_keep_pages_of_people() {
    let findings = found(&one_address_for_all(true));
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!(
        (&findings[0]["class"], &findings[0]["severity"]),
        (&"cache_tenant_leak".into(), &"low".into())
    );
    assert_eq!(
        (&findings[0]["service"], &findings[0]["evidence"]["route"]),
        (&"cdn".into(), &"/account".into())
    );
}

/// Scenario: the same change, after which pages of people still come from the origin. Guarantee: nothing is told.
#[test]
fn a_cdn_goes_on_to_pass_pages_of_people() {
    quiet(&one_address_for_all(false));
}

/// All cameras come back at once; what each tenant's look-up reads is what `key` makes of the tenant and the camera.
fn reconnect_storm(key: impl Fn(&'static str, &str) -> String) -> Stream {
    let mut stream = usual();
    for n in 0..48 {
        let tenant = TENANTS[n as usize % 4];
        let camera = object(tenant, 80 + n / 4 % 3);
        stream.request(2200 + n, "thumbnails", tenant).http("/cameras/:id/thumbnail", &camera, 200);
        stream.span("thumbnails").cache(&key(tenant, &camera), n % 5 > 0);
    }
    stream
}

/// Scenario: Wyze, 16 February 2024 ("An Important Security Message from Wyze"): when cameras came
/// back after an outage, a caching library under load mixed up ids of devices and users, and some 13,000 people saw
/// pictures of others' cameras. Guarantee: one incident, not one for each picture: critical, with the tenants.
#[test]
fn a_cache_mixes_owners_under_load() {
    let mixed = |tenant: &'static str, camera: &str| {
        let owner = if tenant == B { A } else { tenant };
        format!("t:{owner}:thumbnail:{camera}")
    };
    told(&reconnect_storm(mixed), &[("cache_tenant_leak", B, Some(A), Severity::Critical)]);
}

/// Scenario: the same storm, in which two look-ups have lost the owner from their keys, and the later one finds what
/// the first one put there for another. Guarantee: told once, critical, since such keys usually name a tenant.
#[test]
fn a_caches_keys_lose_their_owner_under_load() {
    let mut stream = reconnect_storm(|tenant, camera| format!("t:{tenant}:thumbnail:{camera}"));
    stream.request(2260, "thumbnails", C).http("/cameras/:id/thumbnail", &object(C, 80), 200);
    stream.span("thumbnails").cache_set(&format!("thumbnail:{}", object(C, 80)));
    stream.request(2263, "thumbnails", D).http("/cameras/:id/thumbnail", &object(D, 80), 200);
    stream.span("thumbnails").cache(&format!("thumbnail:{}", object(C, 80)), true);
    told(&stream, &[("cache_tenant_leak", D, Some(C), Severity::Critical)]);
}

/// Scenario: the same storm, each look-up with its own tenant's key. Guarantee: nothing is told.
#[test]
fn a_cache_keeps_owners_apart_under_load() {
    quiet(&reconnect_storm(|tenant, camera| format!("t:{tenant}:thumbnail:{camera}")));
}
