//! Tests of the matcher.

mod boundaries;
mod encodings;
mod oracle;

use uuid::Uuid;

use super::*;

/// Tenant number `n` of the tests.
fn id(n: u128) -> TenantId {
    TenantId(Uuid::from_u128(0x1b4e_28ba_2fa1_4d3c_883f_0016_d3cc_a000 + n))
}

const TOKEN: &str = "cnry-4b17d02fa96c4e83b5d1";
const PHRASE: &str = "Tawny Birch Meadow 100042";

/// Some tenants: what each is known by.
fn some() -> Mentions {
    let names =
        |n, slugs: &[&'static str], domains: &[&'static str], name, canaries: &[&'static str]| Names {
            tenant: id(n),
            slugs: slugs.to_vec(),
            domains: domains.to_vec(),
            name,
            canaries: canaries.to_vec(),
        };
    Mentions::build(
        [
            names(1, &["walnut-ferry"], &["walnut.shared.example"], Some("Walnut Ferry AB"), &[TOKEN]),
            names(2, &["signal"], &["signal.example"], Some("Signal Inc."), &[PHRASE]),
            names(3, &["acme", "old-acme"], &["acme.example", "gmail.com"], Some("Acme Rocket Parts"), &[]),
            names(4, &["k7xq2m9"], &["co.uk"], Some("Küsten & Söhne GmbH"), &["hook.4471@tripwire.example"]),
            names(5, &["archive"], &["app.example"], Some("Twin Name"), &["short"]),
            names(6, &["wool-loom"], &[], Some("Twin Name"), &["same same same"]),
            names(7, &["ab"], &[], Some("Main"), &["Same-same-same", "Wool Loom"]),
        ],
        ["app.example"],
    )
}

/// What is found in a text: the number of the tenant, the kind, the strength, the context, and the words.
fn found<'a>(mentions: &Mentions, text: &'a str) -> Vec<(u128, Kind, Strength, Context, &'a str)> {
    let mut all = Vec::new();
    mentions.scan(text.as_bytes(), &mut Scratch::default(), &mut |m| {
        let number = m.tenant.0.as_u128() - id(0).0.as_u128();
        all.push((number, m.kind, m.strength, m.context, &text[m.start..m.end]));
    });
    all
}

/// Scenario: names that say nothing: of two tenants, of everybody, too short. Guarantee: they are counted, and not
/// found.
#[test]
fn what_says_nothing_is_skipped_and_counted() {
    let mentions = some();
    let skipped = mentions.skipped();
    assert_eq!(skipped.ambiguous, 2, "a name that two have");
    assert_eq!(skipped.ambiguous_canaries, 3, "a canary that two have, and one that is another's slug");
    assert_eq!(skipped.unfit_canaries, 1);
    assert_eq!(skipped.common_domains, 3, "free mail, a public suffix, the platform's own");
    assert_eq!(skipped.short, 1);
    for text in
        ["a Twin Name here", "same same same", "x@gmail.com", "x.co.uk", "https://app.example/", "tenant ab"]
    {
        assert_eq!(found(&mentions, text), [], "{text}");
    }
    assert_eq!(found(&mentions, "a wool-loom here")[0].0, 6, "a slug is not lost to another's canary");
}

/// Scenario: no tenants, or tenants with nothing but ids. Guarantee: nothing but ids is found.
#[test]
fn an_index_of_nothing_finds_nothing() {
    assert_eq!(found(&Mentions::default(), "tenant=acme 1b4e28ba-2fa1-4d3c-883f-0016d3cca001 %41"), []);
    let ids = Mentions::build([Names::new(id(1)), Names::new(TenantId::NONE)], []);
    assert_eq!(
        found(&ids, "00000000-0000-0000-0000-000000000000 of 1b4e28ba-2fa1-4d3c-883f-0016d3cca001").len(),
        1
    );
}

/// Scenario: a text of mentions alone. Guarantee: no more than the limit is told.
#[test]
fn mentions_are_limited() {
    let text = "walnut-ferry ".repeat(crate::limits::MENTIONS * 2);
    assert_eq!(found(&some(), &text).len(), crate::limits::MENTIONS);
    let text =
        base64::Engine::encode(&base64::prelude::BASE64_STANDARD, format!("\u{1}{TOKEN} ").repeat(1000));
    assert_eq!(found(&some(), &text).len(), crate::limits::MENTIONS);
}
