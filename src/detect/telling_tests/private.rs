//! Nothing of a value is told.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    detect::{
        Context, Extractor, Mapping, NoDirectory, Rules, Settings, Shard, observe_batch, ocsf, record,
        sinks::alerts::{Around, alert, notification},
    },
    wire,
};

/// Stands in every planted value, and nowhere else.
const MARK: &str = "zqx";

/// Texts as people and their sessions leave them in telemetry. `word` says which are told apart.
fn planted(kind: u8, word: &str) -> String {
    let (a, b) = (tenant(1), tenant(2));
    match kind % 8 {
        0 => format!("{MARK}.{word}@mail.example"),
        1 => format!("sess-{MARK}-{word}-4f9a8811c07e4a7b"),
        2 => format!("/accounts/{MARK}{word}@mail.example/cards/4111111111111111"),
        3 => {
            format!("SELECT * FROM invoices WHERE email = '{MARK}{word}@mail.example' AND tenant_id = '{b}'")
        }
        4 => format!("t:{a}:user:{MARK}{word}@mail.example:cart:90210"),
        5 => format!("{{\"tenant_id\":\"{b}\",\"email\":\"{MARK}{word}@mail.example\"}}"),
        6 => format!("https://{MARK}{word}:pw@host.example/x?token={MARK}{word}"),
        _ => format!("+44 20 7946 0958 {MARK} {word}, 12 Long Lane"),
    }
}

/// A request of spans whose every mapped attribute holds a planted value.
fn request(kinds: &[u8], word: &str, trace: u64) -> Vec<u8> {
    let mapping = serde_json::to_value(Mapping::default()).unwrap();
    let names = mapping.as_object().unwrap().iter().filter(|(role, _)| *role != "status");
    let mut attributes: Vec<Value> = names
        .filter_map(|(_, names)| names[0].as_str())
        .zip(kinds.iter().cycle())
        .map(|(name, kind)| {
            // A route that is a plain word is a plain word.
            let kind = if name == "http.route" && *kind == 1 { 0 } else { *kind };
            json!({ "key": name.replace('*', "0"), "value": { "stringValue": planted(kind, word) } })
        })
        .collect();
    attributes.push(json!({ "key": "http.response.status_code", "value": { "intValue": "200" } }));
    let at = (START + trace * SECOND).to_string();
    let span = |id: u64, parent: u64, kind: u8, acts: u128| {
        let mut attributes = attributes.clone();
        attributes.push(json!({ "key": "tenant.id", "value": { "stringValue": tenant(acts).to_string() } }));
        json!({
            "traceId": format!("{trace:032x}"), "spanId": format!("{id:016x}"), "kind": kind,
            "parentSpanId": if parent == 0 { String::new() } else { format!("{parent:016x}") },
            "name": planted(0, word), "startTimeUnixNano": at, "endTimeUnixNano": at, "attributes": attributes,
            "events": [{ "name": "exception", "timeUnixNano": at, "attributes": [
                { "key": "exception.message", "value": { "stringValue": planted(7, word) } },
                { "key": "exception.type", "value": { "stringValue": planted(0, word) } },
            ] }],
        })
    };
    let service = json!({ "key": "service.name", "value": { "stringValue": planted(0, word) } });
    let plain = json!({ "key": "service.name", "value": { "stringValue": "web-api" } });
    let group = |service: &Value, spans: Vec<Value>| json!({ "resource": { "attributes": [service] }, "scopeSpans": [{ "spans": spans }] });
    let all = json!({ "resourceSpans": [
        group(&plain, vec![span(1, 0, 3, 1), span(2, 1, 2, 2)]), group(&service, vec![span(3, 2, 3, 2), span(4, 3, 2, 1)]),
    ] });
    wire::json::decode(Signal::Traces, all.to_string().as_bytes()).unwrap().to_vec()
}

/// All that is told of a finding, in every form.
fn everything(finding: &Finding) -> String {
    let around = Around { runbook: "docs/runbook.md".into(), link: None };
    let mut all = String::from_utf8_lossy(&record::otlp(finding)).into_owned();
    let own = finding.for_its_tenant().json();
    let forms = [
        finding.json(),
        own,
        ocsf::detection(finding, "r"),
        alert(finding, &around, 0),
        notification(finding, &around),
    ];
    forms.iter().for_each(|form| all.push_str(&form.to_string()));
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Scenario: spans of two tenants under one's token, with planted persons, sessions, paths, keys and statements in
    /// every attribute that detection reads, and in names of services. Guarantee: there are findings, and no planted
    /// value, nor a part of one, is in any form of any of them, nor in what is kept for the next start.
    #[test]
    fn no_planted_value_is_told(kinds in prop::collection::vec(0u8..8, 7), word in "[a-z]{3,8}") {
        let settings = Settings::default();
        let rules = Arc::new(Rules::new(&settings, key()).unwrap());
        let (mut shard, mut extractor) = (Shard::new(&settings, &rules), Extractor::default());
        let (mut seen, mut found) = (Vec::new(), Vec::new());
        for n in 0..4u64 {
            let at = START + n * SECOND;
            let claimed = Some(tenant(1 + u128::from(n % 2)));
            let context =
                Context { at, claimed, fallback: None, baggage: None, directory: &NoDirectory, mentions: None };
            let bytes = request(&kinds, &word, n + 1);
            observe_batch(Signal::Traces, &bytes, &rules, context, &mut extractor, &mut seen);
            seen.drain(..).for_each(|o| shard.observe(o));
            found.extend(shard.advance(at));
        }
        for n in 1..40 {
            found.extend(shard.advance(START + n * 30 * SECOND));
        }
        prop_assert!(!found.is_empty());
        let mut all: String = found.iter().map(everything).collect();
        all.push_str(&shard.findings().save(|_| true).unwrap_or_default());
        prop_assert!(!all.to_ascii_lowercase().contains(MARK), "{all}");
        for value in ["4111111111111111", "7946 0958", "Long Lane", "4f9a8811c07e4a7b", ":90210", "/90210"] {
            prop_assert!(!all.contains(value), "{value}: {all}");
        }
    }

    /// Scenario: a cache's entry, a job's arguments, a channel, a session, a statement and an object of one tenant under
    /// another, each in its own trace, with planted values in keys, names, paths and arguments. Guarantee: they are
    /// found, and no planted value is told.
    #[test]
    fn no_planted_value_is_told_of_any_class(word in "[a-z]{3,8}", number in 10_000_000u64..99_999_999) {
        let text = |key: &str, value: String| json!({ "key": key, "value": { "stringValue": value } });
        let (person, id) = (planted(0, &word), uuid::Uuid::from_u128(u128::from(number) << 40 | 7));
        let key = planted(4, &word).replace("90210", &number.to_string());
        let object = || vec![
            text("http.route", format!("/accounts/{person}/cards/:id")),
            text("url.path", format!("/accounts/{person}/cards/{id}")),
            text("enduser.id", person.clone()),
            json!({ "key": "http.response.status_code", "value": { "intValue": "200" } }),
        ];
        let session = || vec![text("session.id", planted(1, &word)), text("enduser.id", person.clone())];
        let hit = json!({ "key": "cache.hit", "value": { "boolValue": true } });
        let scenes = [
            (2, vec![text("cache.key", key.clone()), hit]),
            (1, vec![text("job.class", person.clone()), text("job.args", planted(5, &word))]),
            (2, vec![text("messaging.destination.name", key)]),
            (1, session()), (2, session()), (1, session()), (2, session()),
            (1, vec![text("db.query.text", planted(3, &word))]),
            (1, object()), (1, object()), (1, object()), (2, object()),
        ];
        let settings = Settings::default();
        let rules = Arc::new(Rules::new(&settings, super::key()).unwrap());
        let (mut shard, mut extractor) = (Shard::new(&settings, &rules), Extractor::default());
        let (mut seen, mut found) = (Vec::new(), Vec::new());
        for (n, (acts, attributes)) in (1u64..).zip(scenes) {
            let at = START + n * SECOND;
            let service = json!([text("service.name", "web-api".into()), text("tenant.id", tenant(acts).to_string())]);
            let span = json!({
                "traceId": format!("{n:032x}"), "spanId": format!("{n:016x}"), "kind": 2, "name": person,
                "startTimeUnixNano": at.to_string(), "endTimeUnixNano": at.to_string(), "attributes": attributes,
            });
            let all = json!({ "resourceSpans": [{
                "resource": { "attributes": service }, "scopeSpans": [{ "spans": [span] }],
            }] });
            let bytes = wire::json::decode(Signal::Traces, all.to_string().as_bytes()).unwrap();
            let context =
                Context { at, claimed: None, fallback: None, baggage: None, directory: &NoDirectory, mentions: None };
            observe_batch(Signal::Traces, &bytes, &rules, context, &mut extractor, &mut seen);
            seen.drain(..).for_each(|o| shard.observe(o));
            found.extend(shard.advance(at));
        }
        (1..40).for_each(|n| found.extend(shard.advance(START + n * 30 * SECOND)));
        let classes: std::collections::BTreeSet<&str> = found.iter().map(|f| f.class.as_str()).collect();
        for class in ["cache_tenant_leak", "channel_tenant_leak", "cross_tenant_read", "job_tenant_context"] {
            prop_assert!(classes.contains(class), "{class} is not among {classes:?}");
        }
        let mut all: String = found.iter().map(everything).collect();
        all.push_str(&shard.findings().save(|_| true).unwrap_or_default());
        let number = number.to_string();
        for value in [MARK, &number, &id.to_string(), "4f9a8811c07e4a7b"] {
            prop_assert!(!all.to_ascii_lowercase().contains(value), "{value}: {all}");
        }
    }

    /// Scenario: any text where a route template should be. Guarantee: what is shown of it holds no address, no id and
    /// no number of more than two digits; a usual template stays as it is.
    #[test]
    fn a_route_shows_no_value(text in ".{0,80}", id in "[0-9]{3,12}") {
        use crate::detect::finding::shown_route;
        let shown = shown_route(Arc::from(format!("/{text}/{id}/a@b.example")));
        prop_assert!(!shown.contains('@') && !shown.contains(&id), "{shown}");
        for usual in ["/orders/:id", "/v1/users/{userId}/cards", "GET /a/<int:pk>/", "/pkg.Service/Method", "/files/*path"] {
            prop_assert_eq!(&*shown_route(Arc::from(usual)), usual);
        }
    }
}
