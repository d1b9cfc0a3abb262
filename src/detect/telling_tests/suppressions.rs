//! What is not told, and for how long.

use serde_json::{Value, json};

use super::*;
use crate::{
    detect::{
        Rules, Settings, Suppression,
        suppressions::{NotAdded, Suppressions},
    },
    identify::rfc3339_text,
};

fn said(more: Value, until: u64) -> Suppression {
    let mut said = json!({ "owner": "team-billing", "reason": "known", "until": rfc3339_text(until) });
    for (key, value) in more.as_object().unwrap() {
        said[key] = value.clone();
    }
    serde_json::from_value(said).unwrap()
}

fn open(configured: &[Suppression], dir: &std::path::Path) -> Suppressions {
    Suppressions::open(configured, key(), dir.join("suppressions.json"), START).unwrap()
}

/// Scenario: every criterion, right and wrong, alone. Guarantee: the finding is covered by the right ones, and by none
/// of the wrong ones, and by nothing once its day has come.
#[test]
fn each_criterion_counts() {
    let finding = whole();
    let criteria = [
        ("class", json!("cross_tenant_read"), json!("unscoped_query")),
        ("tenant", json!(tenant(1).to_string()), json!(tenant(2).to_string())),
        ("other_tenant", json!(tenant(2).to_string()), json!(tenant(1).to_string())),
        ("service", json!("web-*"), json!("web")),
        ("route", json!("/orders/:id"), json!("/orders")),
        ("statement", json!("000000000000feed"), json!("000000000000fee0")),
        ("principal", json!("p"), json!("q")),
    ];
    let dir = tempfile::tempdir().unwrap();
    for (name, right, wrong) in criteria {
        let until = START + MINUTE;
        let covers =
            |value: &Value, at| open(&[said(json!({ name: value }), until)], dir.path()).covers(&finding, at);
        assert!(covers(&right, START), "{name}");
        assert!(!covers(&wrong, START), "{name}");
        assert!(!covers(&right, until), "{name}");
    }
    let print = finding.principals.first().unwrap().to_string();
    let all = json!({ "class": "cross_tenant_read", "service": "web-api", "principal": print });
    assert!(open(&[said(all, START + MINUTE)], dir.path()).covers(&finding, START));
    // It has met a third tenant: that is news.
    let two = [said(json!({ "tenant": tenant(1).to_string() }), START + MINUTE)];
    let mut grown = finding.clone();
    grown.tenants.add(tenant(3));
    assert!(open(&two, dir.path()).covers(&finding, START) && !open(&two, dir.path()).covers(&grown, START));
}

/// Scenario: suppressions in a configuration without an owner, a reason, a criterion, with an end that is none, that is
/// no time, or that is too far away, with a tenant that is none. Guarantee: each is refused by place and key, with what
/// is expected, and nothing of what was written.
#[test]
fn mistakes_are_named() {
    let now = crate::detect::engine::wall_clock();
    let day = 24 * 3600 * SECOND;
    let good = said(json!({ "class": "user_content" }), now + 365 * day);
    let with = |change: &dyn Fn(&mut Suppression)| {
        let mut settings = Settings { suppressions: vec![good.clone(), good.clone()], ..Settings::default() };
        change(&mut settings.suppressions[1]);
        Rules::new(&settings, key()).map(drop)
    };
    assert_eq!(with(&|_| {}), Ok(()));
    type Wrong<'a> = (&'a str, &'a dyn Fn(&mut Suppression));
    let wrong: [Wrong<'_>; 9] = [
        ("owner", &|s| s.owner = " ".into()),
        ("reason", &|s| s.reason = String::new()),
        ("class", &|s| s.class = None),
        ("class", &|s| (s.class, s.service) = (None, Some("*".into()))),
        ("until", &|s| s.until = "secret".into()),
        ("until", &|s| s.until = "2026-12-31".into()),
        ("until", &|s| s.until = rfc3339_text(now + 367 * day)),
        ("tenant", &|s| s.tenant = Some("secret".into())),
        ("statement", &|s| s.statement = Some("secret".into())),
    ];
    for (name, change) in wrong {
        let error = with(change).unwrap_err();
        assert!(error.starts_with(&format!("detect.suppressions[1].{name}: expected ")), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
    // Of one class every service is a choice; so is what begins alike of all classes.
    assert_eq!(with(&|s| s.service = Some("*".into())), Ok(()));
    assert_eq!(with(&|s| (s.class, s.service) = (None, Some("web-*".into()))), Ok(()));
    // One that is over is no mistake: a gate starts with it all the same.
    assert_eq!(with(&|s| s.until = rfc3339_text(now - day)), Ok(()));
}

/// Scenario: one is added, is of use, and is there after a restart; a second never is; their days come; one is taken
/// away. Guarantee: the list says all of it, the principal as a fingerprint alone; counts stay; what is added twice is
/// one; one whose day is over is refused.
#[test]
fn what_is_added_is_kept_listed_and_ends() {
    let dir = tempfile::tempdir().unwrap();
    let all = open(&[], dir.path());
    let one = all.add(said(json!({ "principal": "p" }), START + MINUTE), START).unwrap();
    let same = all.add(said(json!({ "principal": "p" }), START + MINUTE), START).unwrap();
    assert_eq!(one["id"], same["id"]);
    all.add(said(json!({ "service": "nowhere" }), START + MINUTE), START).unwrap();
    assert!(matches!(all.add(said(json!({ "service": "x" }), START), START), Err(NotAdded::Wrong(_))));
    all.count(&whole(), START + SECOND);
    all.save().unwrap();

    let all = open(&[], dir.path());
    let list = |at| all.list(at)["suppressions"].as_array().unwrap().clone();
    let states =
        |at| list(at).iter().map(|one| (one["state"].clone(), one["matched"].clone())).collect::<Vec<_>>();
    assert_eq!(states(START + SECOND), [(json!("active"), json!(1)), (json!("active"), json!(0))]);
    assert_eq!(states(START + MINUTE), [(json!("expired"), json!(1)), (json!("unused"), json!(0))]);
    assert!(list(START)[0]["principal"].as_str().unwrap().starts_with("fp:"));
    assert_eq!(list(START)[0]["from"], "api");
    assert_eq!(all.remove("0000000000000000", START).unwrap(), None);
    let removed = all.remove(one["id"].as_str().unwrap(), START).unwrap().unwrap();
    assert_eq!(
        (&removed["id"], removed["principal"].as_str().map(|who| &who[..3])),
        (&one["id"], Some("fp:"))
    );
    assert_eq!(list(START).len(), 1);
    assert_eq!(open(&[], dir.path()).list(START)["suppressions"].as_array().unwrap().len(), 1);
    // A file that is none of ours is not overwritten by the next one.
    std::fs::write(dir.path().join("suppressions.json"), "[").unwrap();
    let error = Suppressions::open(&[], key(), dir.path().join("suppressions.json"), START).unwrap_err();
    assert!(error.to_string().contains("suppressions.json: line 1"), "{error}");
}

/// Scenario: a configuration is read again, with one entry less and one more. Guarantee: what stays keeps its count.
#[test]
fn a_reload_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let [stays, goes, comes] =
        ["web-api", "b", "c"].map(|service| said(json!({ "service": service }), START + MINUTE));
    let all = open(&[stays.clone(), goes], dir.path());
    all.count(&whole(), START);
    all.configure(&[comes, stays], START);
    let list = all.list(START);
    let shown: Vec<_> = list["suppressions"].as_array().unwrap().iter().map(|one| &one["matched"]).collect();
    assert_eq!(shown, [0, 1]);
    assert_eq!(list["suppressions"][1]["from"], "configuration");
}

/// Scenario: a storm of findings that one suppression covers, among it one that it does not. Guarantee: that one is no
/// part of a storm.
#[test]
fn what_is_suppressed_makes_no_storm() {
    let dir = tempfile::tempdir().unwrap();
    let rule = said(
        json!({ "class": "tenant_mention", "other_tenant": tenant(9).to_string() }),
        START + 3600 * SECOND,
    );
    let mut findings = findings();
    findings.watch(Arc::new(open(&[rule], dir.path())));
    let class = Class::TenantMention;
    let covered = (0..100u64).map(|n| seen(class, n, u128::from(n) + 10, 9));
    let all = told(&mut findings, covered.chain([seen(class, 101, 1, 2)]), 200);
    assert_eq!(all.len(), 101);
    assert!(all.iter().all(|finding| finding.merged == 0));
}

/// Scenario: a thousand are there. Guarantee: one more is refused.
#[test]
fn there_is_a_bound() {
    let dir = tempfile::tempdir().unwrap();
    let many: Vec<Suppression> = (0..crate::limits::SUPPRESSIONS)
        .map(|n| said(json!({ "service": format!("s{n}") }), START + MINUTE))
        .collect();
    let file = json!({ "suppressions": many, "matches": {} });
    std::fs::write(dir.path().join("suppressions.json"), file.to_string()).unwrap();
    let all = open(&[], dir.path());
    assert!(matches!(all.add(said(json!({ "service": "x" }), START + MINUTE), START), Err(NotAdded::Full)));
    let many = vec![many[0].clone(); crate::limits::SUPPRESSIONS + 1];
    let settings = Settings { suppressions: many, ..Settings::default() };
    assert!(Rules::new(&settings, key()).err().unwrap().contains("at most 1000"));
}

/// Scenario: a finding opens, becomes worse and closes; another is suppressed; a suppression comes to its end, and is
/// looked at twice. Guarantee: the metrics say how many go on, by class and severity, how many were held back, and once
/// that one is over.
#[test]
fn metrics_say_what_goes_on() {
    use crate::detect::board::Board;
    let recorder = crate::telemetry::metrics::builder().unwrap().build_recorder();
    let handle = recorder.handle();
    let shows = |line: &str| handle.render().lines().any(|shown| shown == line);
    let dir = tempfile::tempdir().unwrap();
    metrics::with_local_recorder(&recorder, || {
        let board = Board::new("r");
        let open = |severity: &str| {
            format!("portcullis_findings_open{{class=\"cross_tenant_read\",severity=\"{severity}\"}}")
        };
        board.note(&Finding { severity: Severity::High, ..whole() }, false).unwrap();
        assert!(shows(&format!("{} 1", open("high"))), "{}", handle.render());
        board.note(&Finding { status: Status::Updated, ..whole() }, false).unwrap();
        assert!(shows(&format!("{} 0", open("high"))) && shows(&format!("{} 1", open("critical"))));
        assert!(board.note(&Finding { id: 2, ..whole() }, true).is_none());
        assert!(shows(&format!("{} 1", open("critical"))));
        board.note(&Finding { status: Status::Closed, ..whole() }, false).unwrap();
        assert!(shows(&format!("{} 0", open("critical"))));

        let all = open_one(dir.path());
        all.count(&whole(), START);
        assert!(
            shows("portcullis_findings_suppressed_total{class=\"cross_tenant_read\"} 1"),
            "{}",
            handle.render()
        );
        all.look(START);
        assert!(shows("portcullis_suppressions{state=\"active\"} 1"));
        (0..2).for_each(|_| all.look(START + MINUTE));
        assert!(shows("portcullis_suppressions_expired_total 1"), "{}", handle.render());
        assert!(shows("portcullis_suppressions{state=\"active\"} 0"));
        assert!(shows("portcullis_suppressions{state=\"expired\"} 1"));
    });
}

fn open_one(dir: &std::path::Path) -> Suppressions {
    open(&[said(json!({ "service": "web-api" }), START + MINUTE)], dir)
}
