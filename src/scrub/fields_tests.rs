use bytes::Bytes;

use super::{super::*, *};
use crate::{
    batch::{Batch, Signal, TenantId},
    wire::put,
};

fn field(number: u32, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put::bytes(&mut out, number, content);
    out
}

fn pair(key: &str, value: &str) -> Vec<u8> {
    [field(1, key.as_bytes()), field(2, &field(1, value.as_bytes()))].concat()
}

/// A log record in a trace whose id is that byte and one more: (trace, key, value).
type Record<'a> = (u8, &'a str, &'a str);

fn logs(service: &str, records: &[Record<'_>]) -> Vec<u8> {
    let resource = field(1, &field(1, &pair("service.name", service)));
    let mut all = Vec::new();
    for (trace, key, value) in records {
        let body = field(5, &field(1, b"done"));
        let mut id = [*trace; 16];
        id[0] = 0xff;
        all.extend(field(2, &[body, field(6, &pair(key, value)), field(9, &id)].concat()));
    }
    field(1, &[resource, field(2, &all)].concat())
}

struct Bed {
    scrubber: Scrubber,
    scratch: Scratch,
    master: MasterKey,
}

impl Bed {
    fn new() -> Self {
        let scrubber = Scrubber::new(&Settings::default()).unwrap();
        Bed { scrubber, scratch: Scratch::default(), master: MasterKey::new(&[7; 32], 1).unwrap() }
    }

    fn seen(&mut self, request: Vec<u8>) -> Vec<FieldSeen> {
        let batch = Batch::raw(Signal::Logs, TenantId(uuid::Uuid::from_u128(7)), 1, Bytes::from(request));
        let mut tally = Tally::default();
        self.scrubber.scrub_batch(&mut self.scratch, batch, &self.master, &mut tally).unwrap();
        tally.personal
    }
}

/// Scenario: clean batches, then one in which one field of two services holds addresses. Guarantee: nothing is told of
/// the clean ones; then each field of a service by itself, with the clean texts before, the records, different values,
/// and a trace.
#[test]
fn a_find_comes_with_what_was_clean_before() {
    let mut bed = Bed::new();
    for _ in 0..10 {
        assert_eq!(
            bed.seen(logs("shop", &[(1, "payload", "[FILTERED]"), (2, "payload", "none at all")])),
            []
        );
    }
    let mut request = logs(
        "shop",
        &[(3, "payload", "jane@example.com"), (4, "payload", "joe@example.com"), (5, "note", "fine")],
    );
    request.extend(logs(
        "mail",
        &[(6, "payload", "x y"), (7, "payload", "to jane@example.com and back to jane@example.com")],
    ));
    let seen = bed.seen(request);
    let short: Vec<_> =
        seen.iter().map(|s| (s.service.as_str(), s.field.as_str(), s.clean, s.found)).collect();
    assert_eq!(short, [("shop", "payload", 20, 2), ("mail", "payload", 1, 1)]);
    assert_eq!(seen[0].trace[1], 4);
    assert_eq!((seen[1].trace[0], seen[1].trace[1]), (0xff, 7));
    let values = |seen: &FieldSeen| seen.values.iter().filter(|value| **value != 0).count();
    assert_eq!((values(&seen[0]), values(&seen[1])), (2, 1));
    assert_eq!(bed.seen(logs("shop", &[(1, "payload", "a@example.com")]))[0].clean, 0);
}

/// Scenario: secrets, addresses of machines, a key that names a person, the tenant's id. Guarantee: not told.
#[test]
fn what_is_no_persons_is_not_told() {
    let mut bed = Bed::new();
    let records = [
        (1, "password", "correct horse battery"),
        (2, "note", "from 203.0.113.7 on"),
        (3, "enduser.id", "7f271672-b18e-47ba-b21e-a20d9b65e62f"),
        (4, "tenant_id", "7f271672-b18e-47ba-b21e-a20d9b65e62f"),
    ];
    assert_eq!(bed.seen(logs("shop", &records)), []);
}

/// Scenario: a sentence that a person wrote, in a field. Guarantee: told as one, with its trace, and no value.
#[test]
fn sentences_are_told() {
    let mut bed = Bed::new();
    let seen = bed.seen(logs("shop", &[(1, "preview", "I was there and nobody at work knows about it")]));
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].field.as_str(), seen[0].found, seen[0].trace[1]), ("preview", 0, 1));
    assert!(seen[0].sentences[0] != 0 && seen[0].values == [0; APART]);
}

/// Scenario: an address in a key, and under three hundred keys. Guarantee: no key that holds personal data is told, and
/// the number of fields is bounded.
#[test]
fn keys_are_not_told_blindly_and_fields_are_bounded() {
    let mut bed = Bed::new();
    let seen = bed.seen(logs("shop", &[(1, "mail of jane@example.com", "joe@example.com")]));
    assert!(seen.iter().all(|seen| !seen.field.contains("jane")), "{seen:?}");
    let keys: Vec<String> = (0..300).map(|n| format!("note.{n}")).collect();
    let records: Vec<Record<'_>> = keys.iter().map(|key| (1, key.as_str(), "joe@example.com")).collect();
    assert_eq!(bed.seen(logs("shop", &records)).len(), limits::FIELDS_TOLD);
}
