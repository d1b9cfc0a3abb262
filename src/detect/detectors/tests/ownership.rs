use std::sync::Arc;

use super::*;
use crate::detect::stream::*;

/// What a fresh detector tells of `stream`.
fn found(stream: Vec<Placed>) -> Vec<(Class, Severity)> {
    let mut detector = Ownership::new(rules(), 1000, 1000, DAY);
    told(&mut detector, stream).iter().map(|f| (f.class, f.severity)).collect()
}

/// A request of tenant `of` in minute `at` on this template for `object`.
fn request(at: u64, of: u64, template: &str, object: u64) -> Placed {
    let mut placed = item(at * MINUTE, of).object(object);
    let id = rules().key().of(Domain::Route, template.as_bytes());
    (placed.o.route, placed.o.status) = (Some(Template { id, shown: Arc::from(template) }), 200);
    placed
}

fn made(at: u64, of: u64, template: &str, object: u64) -> Placed {
    let mut placed = request(at, of, template, object);
    (placed.o.method, placed.o.status) = (Method::Write, 201);
    placed
}

const READ: (Class, Severity) = (Class::CrossTenantRead, Severity::High);
const SURE: (Class, Severity) = (Class::CrossTenantRead, Severity::Critical);

/// Scenario: A makes an object by a POST to its collection and B reads it; A has read a part of it, B reads the whole.
/// Guarantee: told. A link to share it, another collection, and the part where A had the whole: quiet.
#[test]
fn what_is_made_or_seen_in_part_has_an_owner() {
    let after = |first: Placed, template: &str| found(vec![first, request(9, 2, template, 1)]);
    assert_eq!(after(made(1, 1, "/v2/notes", 1), "/v2/notes/{id}"), [SURE]);
    assert_eq!(after(request(1, 1, "/v2/notes/:id/replies", 1), "/v2/notes/:id"), [READ]);
    assert_eq!(after(made(1, 1, "/v2/notes", 1), "/v2/shared/{id}"), []);
    assert_eq!(after(made(1, 1, "/v2/notes", 1), "/v2/notes/{id}/preview"), []);
    assert_eq!(after(request(1, 1, "/v2/notes", 1), "/v2/notes/{id}"), []);
    assert_eq!(after(request(1, 1, "/v2/notes/:id", 1), "/v2/notes/:id/preview"), []);
}

/// Scenario: an object is found by A's search, and given to B; to its own tenant; found by three tenants. Guarantee:
/// the first is told, less severe than a read; the others are quiet.
#[test]
fn what_a_search_finds_has_an_owner() {
    let search = |at, of| item(at * MINUTE, of).fact(Fact::Object { id: print(1), access: Access::Found });
    let read = |of| request(9, of, "/v2/notes/:id", 1);
    assert_eq!(found(vec![search(1, 1), read(2)]), [(Class::CrossTenantRead, Severity::Medium)]);
    assert_eq!(found(vec![search(1, 1), read(1)]), []);
    assert_eq!(found(vec![search(1, 1), search(2, 2), search(3, 3), read(4)]), []);
}

/// Scenario: a span that names no tenant writes a file whose key names A and the object; B is given that by the API,
/// and by a shared HTTP cache under another address; three tenants are. Guarantee: the former two are told.
#[test]
fn a_key_says_whose_it_is_even_where_the_span_does_not() {
    let file = || {
        let mut put = item(MINUTE, 1).fact(Fact::Tenant { tenant: tenant(1), place: Place::File });
        (put.o.tenant, put.o.own) = (None, None);
        put.fact(Fact::Object { id: print(1), access: Access::Filed })
    };
    let cached = |at, of| {
        let mut answer = request(at, of, "/media/:id", 1).fact(Fact::Edge { path: print(5), hit: true });
        answer.o.kind = SpanKind::Unspecified;
        answer
    };
    assert_eq!(found(vec![file(), request(9, 2, "/v2/notes/:id", 1)]), [SURE]);
    let leak = (Class::CacheTenantLeak, Severity::High);
    assert_eq!(found(vec![file(), cached(9, 2)]), [leak]);
    assert_eq!(found(vec![file(), cached(9, 1), cached(10, 1)]), []);
    assert_eq!(found(vec![cached(1, 1), cached(2, 1), cached(9, 2)]), []);
}

/// Scenario: eight things of a library that sixty tenants read as they please, one a minute; and thirty objects with
/// an owner each, who reads them twice, of which two others are given one each. Guarantee: of the library at most three
/// are told before its route is known; of the others both.
#[test]
fn a_small_shared_library_is_learned_soon() {
    let library = |n: u64| request(n, chance(n, 60) + 1, "/v2/parts/:id", chance(n + 1000, 8));
    let told = found((0..160).map(library).collect());
    assert!(told.len() <= 3, "{told:?}");
    let mut own: Vec<_> = (0..60).map(|n| request(n, n % 30, "/v2/notes/:id", n % 30)).collect();
    own.extend([request(90, 40, "/v2/notes/:id", 3), request(91, 41, "/v2/notes/:id", 4)]);
    assert_eq!(found(own), [SURE, SURE]);
}
