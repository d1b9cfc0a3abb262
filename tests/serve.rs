//! The gate as a process: it starts, says where it listens, takes data, follows signals, ends with its code.

mod gate;
#[path = "serve/usage.rs"]
mod usage;

use std::{
    process::Command,
    time::{Duration, Instant},
};

use gate::{BIN, DEADLINE, Gate, KNOWN, LATER, http, logs};

/// Scenario: a gate without a file takes logs, is asked for its health and metrics, reads its
/// configuration again, and is told to end. Guarantee: it listens where it says; code 0.
#[test]
fn a_gate_lives_and_ends() {
    let here = tempfile::tempdir().unwrap();
    let mut gate = Gate::start(here.path(), &[]);
    assert!(gate.line("OTLP/gRPC").contains("http://127.0.0.1:"));
    let otlp = gate.address("OTLP/HTTP");
    let metrics = gate.address("Prometheus");
    let health = gate.address("health");
    let answer = http(&otlp, "POST /v1/logs", &logs(KNOWN));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(http(&health, "GET /livez", "").starts_with("HTTP/1.1 200"));
    let page = http(&metrics, "GET /metrics", "");
    assert!(page.contains("portcullis_accepted_items_total{"), "{page}");
    gate.signal("HUP");
    gate.line("read again");
    gate.signal("TERM");
    let (code, rest) = gate.end();
    assert_eq!(code, 0, "{rest}");
    assert!(!rest.contains("jane"), "{rest}");
}

/// Scenario: a port that is taken. Guarantee: it ends with code 1 and says which.
#[test]
fn a_taken_port_is_named() {
    let here = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut gate = Gate::start(here.path(), &["--set", &format!("receivers.http.endpoint={address}")]);
    let (code, said) = gate.end();
    assert_eq!(code, 1, "{said}");
    assert!(said.contains(&address) && said.contains("error: "), "{said}");
}

/// Scenario: a tenant that the catalogue does not know sends; then it is added, and the quarantine is
/// replayed. Guarantee: kept, listed, scrubbed; taken and removed when it is known; purge wants `--yes`.
#[test]
fn the_quarantine_is_listed_replayed_and_purged() {
    let here = tempfile::tempdir().unwrap();
    let catalogue = here.path().join("tenants.yaml");
    std::fs::write(&catalogue, format!("tenants:\n  - id: {KNOWN}\n    slug: known\n")).unwrap();
    let config = "identity: { mode: enforce, catalogue: { file: tenants.yaml } }\nprocess: { reload_interval: 200ms }\n";
    std::fs::write(here.path().join("p.yaml"), config).unwrap();
    let mut gate = Gate::start(here.path(), &["--config", "p.yaml"]);
    let otlp = gate.address("OTLP/HTTP");
    gate.line("health");
    let answer = http(&otlp, "POST /v1/logs", &logs(LATER));
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("rejectedLogRecords"), "{answer}");

    let quarantine = |args: &[&str]| {
        let args = [&["quarantine"], args, &["--config", "p.yaml"]].concat();
        let output = Command::new(BIN).args(args).current_dir(here.path()).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code().unwrap(), said)
    };
    let until = |args: &[&str], holds: &dyn Fn(&str) -> bool| {
        let begin = Instant::now();
        loop {
            let (_, said) = quarantine(args);
            if holds(&said) {
                return;
            }
            assert!(begin.elapsed() < DEADLINE, "{said}");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    until(&["list"], &|said| said.contains(LATER) && said.contains("unknown_tenant"));
    let endpoint = format!("http://{otlp}");
    let (code, said) = quarantine(&["purge", "--reason", "unknown_tenant"]);
    assert!(code == 2 && said.contains("--yes"), "{said}");

    let both = format!("tenants:\n  - id: {KNOWN}\n    slug: known\n  - id: {LATER}\n    slug: later\n");
    std::fs::write(&catalogue, both).unwrap();
    until(&["replay", "--endpoint", &endpoint], &|said| said.contains("1 batches were taken and removed"));
    until(&["list"], &|said| said.contains("the quarantine is empty"));

    http(&otlp, "POST /v1/logs", &logs("11111111-2222-4333-8444-555555555555"));
    until(&["list"], &|said| said.contains("11111111"));
    let (code, said) = quarantine(&["purge", "--tenant", "11111111-2222-4333-8444-555555555555", "--yes"]);
    assert!(code == 0 && said.contains("1 batches were removed"), "{said}");
    gate.signal("INT");
    let (code, rest) = gate.end();
    assert_eq!(code, 0, "{rest}");
}

const PACK: &str = "rules:
  - id: order
    type: ORDER
    description: An order number.
    severity: low
    pattern: 'ORD-[0-9]{6}'
    match: ['order ORD-123456 paid']
    no_match: ['order ORD-1']
";

/// Scenario: a running gate with a pack of its own; the pack then fails its own example, and is mended.
/// Guarantee: the old rules stay in force and the log says which rule and where; mended, it is followed.
#[test]
fn a_reload_with_a_failing_pack_keeps_the_old_rules() {
    let here = tempfile::tempdir().unwrap();
    let (pack, config) = (here.path().join("own.yaml"), here.path().join("p.yaml"));
    std::fs::write(&pack, PACK).unwrap();
    let destination = "destinations: [{ name: screen, type: console, verbose: true }]";
    std::fs::write(&config, format!("scrub: {{ packs: [own.yaml] }}\n{destination}\n")).unwrap();
    let mut gate = Gate::start(here.path(), &["--config", "p.yaml"]);
    let health = gate.address("health");
    std::fs::write(&pack, PACK.replace("no_match: ['order ORD-1']", "no_match: ['order ORD-654321']"))
        .unwrap();
    let answer = http(&health, "POST /-/reload", "");
    assert!(answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 5"), "{answer}");
    for said in [answer, {
        gate.signal("HUP");
        gate.line("the old one stays")
    }] {
        assert!(said.contains("own.yaml:2") && said.contains("order"), "{said}");
        assert!(!said.contains("654321"), "an example may hold what a person pasted: {said}");
    }
    assert!(http(&health, "GET /livez", "").starts_with("HTTP/1.1 200"));
    std::fs::write(&pack, PACK).unwrap();
    assert!(http(&health, "POST /-/reload", "").starts_with("HTTP/1.1 200"));
    gate.signal("TERM");
    assert_eq!(gate.end().0, 0);
}

/// Scenario: a tenant whose catalogue entry allows two series sends five; another sends five as well, and a reload gives
/// the first one four. Guarantee: the limit of the catalogue holds, for that tenant alone, and the new one after it.
#[test]
fn a_tenants_own_series_limit_holds() {
    let here = tempfile::tempdir().unwrap();
    let (one, two) = ("11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222");
    let catalogue = |series: u32| {
        let text = format!("[{{id: {one}, limits: {{series: {series}}}}}, {{id: {two}}}]");
        std::fs::write(here.path().join("tenants.yaml"), text).unwrap();
    };
    catalogue(2);
    let mut gate = Gate::start(here.path(), &["--set", "identity.catalogue.file=tenants.yaml"]);
    let data = gate.address("OTLP/HTTP");
    let metrics = gate.address("Prometheus");
    let send = |tenant: &str| {
        let points: Vec<String> = (0..5)
            .map(|i| {
                format!(r#"{{"asInt":"{i}","timeUnixNano":"1","attributes":[{{"key":"i","value":{{"stringValue":"v{i}"}}}}]}}"#)
            })
            .collect();
        let body = format!(
            r#"{{"resourceMetrics":[{{"resource":{{"attributes":[{{"key":"tenant_id","value":{{"stringValue":"{tenant}"}}}}]}},"scopeMetrics":[{{"metrics":[{{"name":"bed.depth","gauge":{{"dataPoints":[{}]}}}}]}}]}}]}}"#,
            points.join(",")
        );
        let answer = http(&data, "POST /v1/metrics", &body);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    };
    let series = |tenant: &str| {
        let page = http(&metrics, "GET /metrics", "");
        let of = |line: &&str| line.starts_with("bed_depth{") && line.contains(tenant);
        page.lines().filter(of).count()
    };
    send(one);
    send(two);
    assert_eq!((series(one), series(two)), (2, 5));
    catalogue(4);
    gate.signal("HUP");
    gate.line("read again");
    send(one);
    assert_eq!(series(one), 4);
    gate.signal("TERM");
    assert_eq!(gate.end().0, 0);
}

/// Scenario: a key set in a file, a reload, and then another key set in that file. Guarantee: after the reload, too, the
/// gate follows the file: the new key's token is taken, and the old one's is refused.
#[test]
fn keys_are_followed_after_a_reload() {
    use portcullis::identify::{
        Algorithm,
        factory::{Signer, jwks, tenant_id},
    };
    let here = tempfile::tempdir().unwrap();
    let (old, new) = (Signer::new(Algorithm::ES256, "old"), Signer::new(Algorithm::ES256, "new"));
    let file = here.path().join("keys.json");
    std::fs::write(&file, jwks(&[&old])).unwrap();
    let sets = ["--set", "identity.token.jwks_file=keys.json", "--set", "identity.token.jwks_refresh=1s"];
    let mut gate = Gate::start(here.path(), &sets);
    let data = gate.address("OTLP/HTTP");
    let status = |signer: &Signer| {
        let token = signer.token(tenant_id("acme"));
        let request = format!("POST /v1/logs HTTP/1.1\r\nauthorization: Bearer {token}\r\nx-rest:");
        let answer = http(&data, &request, r#"{"resourceLogs":[]}"#);
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    assert_eq!((status(&old).as_str(), status(&new).as_str()), ("200", "401"));
    gate.signal("HUP");
    gate.line("read again");
    std::fs::write(&file, jwks(&[&new])).unwrap();
    let begin = Instant::now();
    while status(&new) != "200" {
        assert!(begin.elapsed() < Duration::from_secs(20), "the new key is not taken");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(status(&old), "401");
    gate.signal("TERM");
    assert_eq!(gate.end().0, 0);
}

/// Scenario: a gate with a key for its quarantine rejects a tenant's logs; they are shown, and replayed once the tenant
/// is known. Guarantee: no file of the quarantine holds the text or the key; show gives it scrubbed; without the key it
/// is listed, and show says why not; replay removes it.
#[test]
fn the_quarantine_is_encrypted_under_a_key() {
    let here = tempfile::tempdir().unwrap();
    let tenants = |ids: &[&str]| {
        let list: String = ids.iter().map(|id| format!("  - id: {id}\n")).collect();
        std::fs::write(here.path().join("tenants.yaml"), format!("tenants:\n{list}")).unwrap();
    };
    tenants(&[KNOWN]);
    let key = "0123456789abcdef".repeat(4);
    std::fs::write(here.path().join("quarantine.key"), &key).unwrap();
    let base = "identity: { mode: enforce, catalogue: { file: tenants.yaml } }\nprocess: { reload_interval: 200ms }\n";
    std::fs::write(here.path().join("plain.yaml"), base).unwrap();
    let config = format!("{base}buffer: {{ quarantine: {{ key_file: quarantine.key }} }}\n");
    std::fs::write(here.path().join("p.yaml"), config).unwrap();
    let mut gate = Gate::start(here.path(), &["--config", "p.yaml"]);
    let otlp = gate.address("OTLP/HTTP");
    gate.line("health");
    assert!(http(&otlp, "POST /v1/logs", &logs(LATER)).contains("rejectedLogRecords"));

    let quarantine = |config: &str, args: &[&str]| {
        let args = [&["quarantine"], args, &["--config", config]].concat();
        let output = Command::new(BIN).args(args).current_dir(here.path()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let mut held = Vec::new();
    for entry in std::fs::read_dir(here.path().join("portcullis-data/quarantine")).unwrap() {
        held.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
    let holds = |text: &[u8]| held.windows(text.len()).any(|part| part == text);
    assert!(holds(b"PCQ1") && !holds(b"mail ") && !holds(b"tenant_id") && !holds(key.as_bytes()));

    let (code, out, err) = quarantine("p.yaml", &["show", "--tenant", LATER]);
    assert_eq!(code, 0, "{err}");
    let shown: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&shown["tenant_id"], &shown["reason"], &shown["items"]),
        (&LATER.into(), &"unknown_tenant".into(), &1.into())
    );
    let body = shown["data"]["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]["body"].to_string();
    assert!(body.contains("mail ") && !body.contains("jane"), "{body}");

    let (code, out, err) = quarantine("plain.yaml", &["show"]);
    assert!(
        code == 1 && out.is_empty() && err.contains("1 batches were left out") && err.contains("key_file"),
        "{err}"
    );
    let (code, out, _) = quarantine("plain.yaml", &["list"]);
    assert!(code == 0 && out.contains(LATER), "{out}");
    let endpoint = format!("http://{otlp}");
    let (code, _, err) = quarantine("plain.yaml", &["replay", "--endpoint", &endpoint]);
    assert!(code == 1 && err.contains("1 are kept") && err.contains("no key is given"), "{err}");

    tenants(&[KNOWN, LATER]);
    let begin = Instant::now();
    loop {
        let (_, _, err) = quarantine("p.yaml", &["replay", "--endpoint", &endpoint]);
        if err.contains("1 batches were taken and removed") {
            break;
        }
        assert!(begin.elapsed() < DEADLINE, "{err}");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(quarantine("plain.yaml", &["list"]).1, "the quarantine is empty\n");
    gate.signal("TERM");
    let (code, rest) = gate.end();
    assert!(code == 0 && !rest.contains(&key), "{rest}");
}

/// Scenario: spans whose tenant stands in their `tracestate` alone, beside an attribute, under a key that is not asked
/// for; a background job's log whose tenant stands in an attribute of messaging. Guarantee: each is filed under what
/// goes first; what names nobody is rejected; the messaging attribute is taken out of the data as any other alias.
#[test]
fn traces_and_messages_carry_their_tenant() {
    let here = tempfile::tempdir().unwrap();
    let config = "identity:
  mode: enforce
  tracestate: [acme]
  aliases: [tenant_id, messaging.headers.tenant_id]
destinations: [{ name: far, endpoint: 'http://127.0.0.1:1' }]
";
    std::fs::write(here.path().join("p.yaml"), config).unwrap();
    let mut gate = Gate::start(here.path(), &["--config", "p.yaml"]);
    let (otlp, metrics) = (gate.address("OTLP/HTTP"), gate.address("Prometheus"));
    let span = |state: &str, attributes: &str| {
        let body = format!(
            r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"traceId":"0123456789abcdef0123456789abcdef","spanId":"0123456789abcdef","name":"x","traceState":"{state}","attributes":[{attributes}]}}]}}]}}]}}"#
        );
        let answer = http(&otlp, "POST /v1/traces", &body);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        !answer.contains("rejectedSpans")
    };
    let attribute =
        |key: &str, tenant: &str| format!(r#"{{"key":"{key}","value":{{"stringValue":"{tenant}"}}}}"#);
    assert!(span(&format!("rojo=1,acme={LATER}"), ""));
    assert!(span(&format!("acme={LATER}"), &attribute("tenant_id", KNOWN)));
    assert!(!span(&format!("other={LATER}"), ""));
    let job = logs(KNOWN).replace("\"tenant_id\"", "\"messaging.headers.tenant_id\"");
    assert!(!http(&otlp, "POST /v1/logs", &job).contains("rejectedLogRecords"));

    let page = http(&metrics, "GET /metrics", "");
    for (signal, tenant) in [("traces", LATER), ("traces", KNOWN), ("logs", KNOWN)] {
        let line = format!("portcullis_accepted_items_total{{signal=\"{signal}\",tenant_id=\"{tenant}\"}} 1");
        assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
    }
    let mut held = Vec::new();
    for entry in std::fs::read_dir(here.path().join("portcullis-data/journal")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "segment") {
            held.extend(std::fs::read(path).unwrap());
        }
    }
    let holds = |text: &[u8]| held.windows(text.len()).any(|part| part == text);
    assert!(holds(b"tenant_id") && !holds(b"messaging.headers"));
    gate.signal("TERM");
    assert_eq!(gate.end().0, 0);
}
