//! Where a name counts, and where it is part of something else.

use super::*;

/// The tenant, and how sure it is: `c`ertain, `s`trong, `w`eak; "" for nothing.
fn short(mentions: &Mentions, text: &str) -> String {
    let letter = |strength| match strength {
        Strength::Certain => 'c',
        Strength::Strong => 's',
        Strength::Weak => 'w',
    };
    found(mentions, text).iter().map(|f| format!("{}{}", f.0, letter(f.2))).collect::<Vec<_>>().join(" ")
}

const IDS: &[(&str, &str)] = &[
    ("1b4e28ba-2fa1-4d3c-883f-0016d3cca001", "1c"),
    ("1B4E28BA-2FA1-4D3C-883F-0016D3CCA001", "1c"),
    ("tenant 1b4e28ba-2fa1-4d3c-883f-0016d3cca003.", "3c"),
    ("{1b4e28ba-2fa1-4d3c-883f-0016d3cca001}", "1c"),
    ("key:tenant1b4e28ba-2fa1-4d3c-883f-0016d3cca001:x", "1c"),
    ("key:user1b4e28ba-2fa1-4d3c-883f-0016d3cca001:x", "1c"),
    ("cache-1b4e28ba-2fa1-4d3c-883f-0016d3cca001", "1c"),
    ("feed-1b4e28ba-2fa1-4d3c-883f-0016d3cca001", "1c"),
    ("job-1b4e28ba-2fa1-4d3c-883f-0016d3cca001-3", "1c"),
    ("tenant_1b4e28ba_2fa1_4d3c_883f_0016d3cca001", "1c"),
    ("id=1b4e28ba2fa14d3c883f0016d3cca001;", "1c"),
    ("é1b4e28ba-2fa1-4d3c-883f-0016d3cca001é", "1c"),
    ("f1b4e28ba-2fa1-4d3c-883f-0016d3cca001", ""),
    ("1b4e28ba-2fa1-4d3c-883f-0016d3cca0011", ""),
    ("1b4e28ba-2fa1-4d3c-883f-0016d3cca001-0016", ""),
    ("0016-1b4e28ba-2fa1-4d3c-883f-0016d3cca001", ""),
    ("1b4e28ba2fa14d3c883f0016d3cca0010", ""),
    ("1b4e28ba-2fa1-4d3c-883f-0016d3ccb001", ""),
    ("1b4e28ba-2fa1_4d3c-883f-0016d3cca001", ""),
    ("1b4e28ba-2fa1-4d3c-883f-0016d3cc", ""),
];

const DOMAINS: &[(&str, &str)] = &[
    ("acme.example", "3s"),
    ("ACME.Example", "3s"),
    ("user@acme.example", "3s"),
    ("mail to jane@acme.example, please", "3s"),
    ("app.acme.example", "3s"),
    ("https://acme.example/x", "3s"),
    ("https://acme.example:8443", "3s"),
    ("from acme.example.", "3s"),
    ("\"acme.example\"", "3s"),
    ("walnut.shared.example", "1s"),
    ("x.walnut.shared.example", "1s"),
    ("shared.example", ""),
    ("notwalnut.shared.example", ""),
    ("not-walnut.shared.example", ""),
    ("silver.shared.example", ""),
    ("acme.example.org", ""),
    ("acme.example-cdn.net", ""),
    ("myacme.example", ""),
    ("my_acme.example", ""),
    ("acme.example@mail.test", ""),
    ("acme-example", ""),
    ("acme example", ""),
];

const SLUGS: &[(&str, &str)] = &[
    ("walnut-ferry", "1s"),
    ("Walnut-Ferry", "1s"),
    ("for walnut-ferry.", "1s"),
    ("for walnut-ferry, and", "1s"),
    ("(walnut-ferry)", "1s"),
    ("/walnut-ferry/x", "1s"),
    ("x:walnut-ferry:y", "1s"),
    ("former old-acme", "3s"),
    ("id k7xq2m9 seen", "4s"),
    ("walnut-ferry\u{2014}gone", "1s"),
    ("line\\nwalnut-ferry", "1s"),
    ("walnut-ferry.app.example", "1s"),
    ("tenant_walnut_ferry", "1s"),
    ("schema_walnut_ferry.orders", "1s"),
    ("\"db_walnut_ferry\"", "1s"),
    ("prod_tenant_walnut_ferry", "1s"),
    ("tenant-walnut-ferry", "1s"),
    ("walnut-ferry-2", ""),
    ("walnut-ferry.css", ""),
    (".walnut-ferry", ""),
    ("www.walnut-ferry.net", ""),
    ("new-walnut-ferry", ""),
    ("my_walnut-ferry", ""),
    ("walnut-ferry_x", ""),
    ("walnut-ferry.app.example.net", ""),
    ("walnut-ferrys", ""),
    ("walnutwalnut-ferry", ""),
    ("walnut_ferry", ""),
    ("xtenant_walnut_ferry", ""),
    ("tenant_walnut_ferry_2", ""),
    ("walnut ferry", ""),
    ("walnutferry", ""),
    ("walnut--ferry", ""),
];

const ORDINARY: &[(&str, &str)] = &[
    ("signal", ""),
    ("a signal was sent", ""),
    ("signal=9", ""),
    ("tenant signal", "2w"),
    ("Tenant Signal", "2w"),
    ("the organization acme has", "3w"),
    ("tenant: signal", "2w"),
    ("tenant:signal", "2s"),
    ("tenant=signal", "2s"),
    ("tenant=signal&x=1", "2s"),
    ("tenant = signal", "2s"),
    ("slug=signal", "2s"),
    ("tenant_id=signal,", "2s"),
    ("X-Org-Slug: signal", "2w"),
    ("accountName=\"signal\"", "2s"),
    ("{\"tenant\":\"signal\"}", "2s"),
    ("{\"tenant\": \"signal\"}", "2s"),
    ("{\\\"tenant\\\":\\\"signal\\\"}", "2s"),
    ("'workspace' => 'signal'", "2s"),
    ("workspace \"signal\"", "2s"),
    ("/t/signal/x", "2s"),
    ("/t/signal", "2s"),
    ("/account/signal", ""),
    ("/api/orgs/signal?x=1", "2s"),
    ("https://signal.app.example/", "2w"),
    ("tenant_signal", "2w"),
    ("tenant=main", "7s"),
    ("[signal]", ""),
    ("tenant [signal]", ""),
    ("subtenant signal", ""),
    ("state=signal", ""),
    ("account_state=archive", ""),
    ("tenant.mode=archive", ""),
    ("tenant=signal-2", ""),
    ("tenant=signal.x", ""),
    ("tenant=\"signal lost\"", ""),
    ("\"tenant\":\"lost signal\"", ""),
    ("tenant  signal", ""),
    ("tenants signal", ""),
    ("/x/signal/y", ""),
    ("/t/signal.json", ""),
    ("at/signal/x", ""),
    ("db_signal", ""),
    ("schema_archive", ""),
    ("signal.other.example", ""),
    ("https://signal.app.example.net/", ""),
];

const NAMES: &[(&str, &str)] = &[
    ("Walnut Ferry AB", "1s"),
    ("invoice for Walnut Ferry AB.", "1s"),
    ("WALNUT FERRY AB", "1s"),
    ("q=Walnut+Ferry+AB", "1s"),
    ("Walnut Ferry", "1w"),
    ("customer \"walnut ferry\"", "1s"),
    ("customer walnut ferry ab", "1w"),
    ("Signal Inc.", "2s"),
    ("Signal, Inc", "2s"),
    ("Acme Rocket Parts", "3s"),
    ("Acme\u{a0}Rocket\u{a0}Parts", "3s"),
    ("Küsten & Söhne GmbH", "4s"),
    ("Signal", ""),
    ("Signal Corp", ""),
    ("signal inc", ""),
    ("walnut ferry ab", ""),
    ("acme rocket parts", ""),
    ("Walnut Ferrys", ""),
    ("New-Walnut Ferry", ""),
    ("Walnut.Ferry", ""),
    ("Acme.Rocket.Parts", ""),
    ("Walnut, and Ferry", ""),
];

/// Scenario: every kind of name, in every neighbourhood. Guarantee: each counts as its rule says, and no more.
#[test]
fn each_kind_counts_where_its_rule_says() {
    let mentions = some();
    let all = [IDS, DOMAINS, SLUGS, ORDINARY, NAMES].concat();
    assert!(all.len() >= 120);
    let wrong: Vec<String> = all
        .iter()
        .filter(|(text, expected)| short(&mentions, text) != *expected)
        .map(|(text, expected)| format!("{text}: expected {expected:?}, found {:?}", found(&mentions, text)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Scenario: a name at the very beginning, the very end, and between others. Guarantee: all are told, in order.
#[test]
fn places_are_exact_and_in_order() {
    let text = "walnut-ferry,acme.example old-acme";
    let words: Vec<&str> = found(&some(), text).into_iter().map(|f| f.4).collect();
    assert_eq!(words, ["walnut-ferry", "acme.example", "old-acme"]);
}

/// Scenario: what is told of the neighbourhood. Guarantee: it says why an ordinary word counted.
#[test]
fn the_context_says_why() {
    for (text, context) in [
        ("tenant=signal", Context::Keyed),
        ("tenant signal", Context::Told),
        ("/t/signal/", Context::Path),
        ("signal.app.example", Context::Host),
        ("tenant_signal", Context::Prefixed),
        ("walnut-ferry", Context::Bare),
        ("slug=walnut-ferry", Context::Keyed),
        ("x=%77alnut-ferry", Context::Encoded),
    ] {
        let all = found(&some(), text);
        assert_eq!(all.iter().map(|f| f.3).collect::<Vec<_>>(), [context], "{text}");
    }
}
