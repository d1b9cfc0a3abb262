//! The admin API and the commands that ask it, with the gate as a process.

mod gate;

use std::{path::Path, process::Command, time::Instant};

use gate::{BIN, DEADLINE, Gate, KNOWN, LATER, http, logs};
use portcullis::identify::new_api_key;
use serde_json::Value;

/// A gate with two tenants, an API, and a token for everything, for the first tenant, for the second.
struct Bed {
    here: tempfile::TempDir,
    gate: Gate,
    otlp: String,
    metrics: String,
    api: String,
    tokens: [String; 3],
}

/// The catalogue: the first tenant in this state.
fn catalogue(directory: &Path, state: &str) {
    let text = format!("[{{id: {KNOWN}, slug: acme, {state}}}, {{id: {LATER}, slug: bravo}}]");
    std::fs::write(directory.join("tenants.yaml"), text).unwrap();
}

impl Bed {
    fn start(more: &str) -> Bed {
        let here = tempfile::tempdir().unwrap();
        catalogue(here.path(), "state: active");
        let keys = ["ops", "acme", "bravo"].map(|_| new_api_key().unwrap());
        let [ops, acme, bravo] = keys.each_ref().map(|(_, sum)| sum);
        let config = format!(
            "identity: {{ mode: enforce, catalogue: {{ file: tenants.yaml }} }}\n\
             process: {{ reload_interval: 100ms }}\n\
             admin:\n  api:\n    endpoint: 127.0.0.1:0\n    tokens:\n      - {{ name: ops, sha256: {ops} }}\n      \
             - {{ name: acme, sha256: {acme}, tenant: acme }}\n      \
             - {{ name: bravo, sha256: {bravo}, tenant: {LATER} }}\n{more}"
        );
        std::fs::write(here.path().join("p.yaml"), config).unwrap();
        let tokens = keys.map(|(key, _)| key);
        let mut gate = Gate::start(here.path(), &["--config", "p.yaml"]);
        let otlp = gate.address("OTLP/HTTP");
        let metrics = gate.address("Prometheus");
        let api = gate.address("admin API");
        Bed { here, gate, otlp, metrics, api, tokens }
    }

    /// Status and JSON of an answer.
    fn ask(&self, who: usize, request: &str, body: &str) -> (u16, Value) {
        let token = &self.tokens[who];
        // The head's last line swallows the version that `http` puts behind.
        let request = format!("{request} HTTP/1.1\r\nauthorization: Bearer {token}\r\nx-rest:");
        parse(&http(&self.api, &request, body))
    }

    /// A command, with the token for everything.
    fn run(&self, args: &[&str]) -> (i32, String) {
        let api = format!("http://{}", self.api);
        let output = Command::new(BIN)
            .args(args)
            .args(["--config", "p.yaml", "--gate", &api])
            .env("PORTCULLIS_ADMIN_TOKEN", &self.tokens[0])
            .current_dir(self.here.path())
            .output()
            .unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code().unwrap(), said)
    }

    fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let begin = Instant::now();
        while !holds() {
            assert!(begin.elapsed() < DEADLINE, "never: {what}");
            std::thread::sleep(std::time::Duration::from_millis(30));
        }
    }
}

fn parse(answer: &str) -> (u16, Value) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON: {answer}")))
}

/// Scenario: every route of the description, with another tenant's token, without one, with the right one. Guarantee:
/// 404 for the other tenant, 401 for nobody, and never 404 for whoever may do everything.
#[test]
fn a_tenants_token_finds_its_own_tenant_alone() {
    let bed = Bed::start("");
    let (status, description) = bed.ask(0, "GET /v1/openapi.json", "");
    assert_eq!((status, description["openapi"].as_str()), (200, Some("3.1.0")));
    let mut routes = 0;
    for (path, methods) in description["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            routes += 1;
            let method = method.to_uppercase();
            let asked = |tenant: &str| format!("{method} {}", path.replace("{tenant}", tenant));
            let (nobody, _) = parse(&http(&bed.api, &asked("acme"), ""));
            assert_eq!(nobody, 401, "{method} {path}");
            // Of these a tenant's token sees its own part.
            if ["/v1/openapi.json", "/v1/findings"].contains(&path.as_str()) {
                continue;
            }
            for tenant in ["acme", KNOWN] {
                assert_eq!(bed.ask(2, &asked(tenant), "{}").0, 404, "{method} {path}");
            }
            if method != "GET" || !path.contains("{tenant}") || path.ends_with("/move") {
                let (status, _) = bed.ask(1, &asked("acme"), "{}");
                assert!([404, 405].contains(&status), "{method} {path}: not even of its own");
            } else {
                assert_eq!(bed.ask(1, &asked("acme"), "").0, 200, "{method} {path}");
                assert_eq!(bed.ask(1, &asked(KNOWN), "").0, 200, "{method} {path}");
            }
        }
    }
    assert!(routes >= 17, "{routes}");
    assert_eq!(bed.ask(0, "GET /v1/nothing", "").0, 404);
    assert_eq!(bed.ask(0, "DELETE /v1/tenants", "").0, 405);
    let (_, own) = bed.ask(1, "GET /v1/tenants/acme", "");
    assert_eq!(own["id"], KNOWN);
    let (_, page) = bed.ask(0, "GET /v1/tenants?limit=1", "");
    assert_eq!((page["tenants"].as_array().unwrap().len(), page["next"].as_str()), (1, Some(KNOWN)));
    let (_, page) = bed.ask(0, &format!("GET /v1/tenants?limit=1&after={KNOWN}"), "");
    assert_eq!((page["tenants"][0]["slug"].as_str(), &page["next"]), (Some("bravo"), &Value::Null));
    assert_eq!(bed.ask(0, "GET /v1/tenants?state=asleep", "").0, 400);
    assert_eq!(bed.ask(0, "POST /v1/reload", "").0, 200);
}

/// Scenario: a suspended tenant sends; who may, its own token, another's and nobody ask for the finding; it is
/// suppressed, wrongly and rightly, and no more. Guarantee: whoever it concerns sees it, by class and status; mistakes
/// are named; what changes is an audit line; and all of it is there after a restart.
#[test]
fn findings_are_seen_by_whom_they_concern_and_suppressed_by_who_may() {
    let mut bed = Bed::start("detect: { settle: 100ms }\ntelemetry: { audit_file: audit.jsonl }\n");
    catalogue(bed.here.path(), "state: suspended");
    bed.until("suspended", || http(&bed.otlp, "POST /v1/logs", &logs(KNOWN)).contains("suspended_tenant"));
    let of =
        |who: usize, query: &str| bed.ask(who, &format!("GET /v1/findings{query}"), "").1["findings"].clone();
    let count = |who: usize, query: &str| of(who, query).as_array().map_or(0, Vec::len);
    bed.until("told", || count(0, "?status=open&class=deleted_tenant_active&tenant=acme") == 1);
    assert_eq!(of(1, "")[0]["tenant_id"], KNOWN);
    assert_eq!((count(2, ""), count(0, "?status=closed"), count(0, "?tenant=bravo")), (0, 0, 0));
    for (who, query, status) in
        [(2, "?tenant=acme", 404), (0, "?class=x", 400), (0, "?limit=0", 400), (0, "?status=x", 400)]
    {
        assert_eq!(bed.ask(who, &format!("GET /v1/findings{query}"), "").0, status, "{query}");
    }
    // A mistyped filter is none, and would list or remove too much.
    for (request, known) in [
        ("GET /v1/findings?tenants=acme", "no parameters but tenant, class, status, limit"),
        ("GET /v1/findings?limit=1&state", "no parameters but tenant, class, status, limit"),
        ("GET /v1/suppressions?class=x", "takes no parameters"),
        ("DELETE /v1/tenants/acme/quarantine?reasons=x", "no parameters but reason, signal"),
    ] {
        let (status, why) = bed.ask(0, request, "");
        assert!(status == 400 && why["detail"].as_str().unwrap().contains(known), "{request}: {why}");
    }

    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let until = portcullis::identify::rfc3339_text(now + 3_600_000_000_000);
    let rule = |class: &str, owner: &str| {
        format!(
            r#"{{"class":"{class}","tenant":"acme","service":"*","owner":"{owner}","reason":"known","until":"{until}"}}"#
        )
    };
    let add = |body: &str| bed.ask(0, "POST /v1/suppressions", body);
    for (body, what) in [
        ("{}", "class: expected"),
        (&rule("pii_surge", "o").replace(r#""class":"pii_surge","tenant":"acme","#, ""), "class: expected"),
        (&rule("nothing", "o"), "class"),
        (&rule("pii_surge", ""), "owner: expected"),
    ] {
        let (status, why) = add(body);
        assert!(status == 400 && why["detail"].as_str().unwrap().contains(what), "{why}");
    }
    let (status, added) = add(&rule("deleted_tenant_active", "ops"));
    assert_eq!(
        (status, added["tenant"].as_str(), added["state"].as_str()),
        (200, Some(KNOWN), Some("active"))
    );
    assert_eq!(bed.ask(1, "GET /v1/suppressions", "").0, 404);
    let id = added["id"].as_str().unwrap().to_owned();
    let tokens = bed.tokens.clone();
    bed.gate.signal("TERM");
    assert_eq!(bed.gate.end().0, 0);

    // The same directory again.
    let mut gate = Gate::start(bed.here.path(), &["--config", "p.yaml"]);
    let api = gate.address("admin API");
    let ask = |request: &str| {
        parse(&http(
            &api,
            &format!("{request} HTTP/1.1\r\nauthorization: Bearer {}\r\nx-rest:", tokens[0]),
            "",
        ))
    };
    assert_eq!(ask("GET /v1/suppressions").1["suppressions"][0]["id"], id.as_str());
    assert_eq!(ask("GET /v1/findings?status=suppressed").1["findings"].as_array().unwrap().len(), 1);
    assert_eq!(ask(&format!("DELETE /v1/suppressions?id={id}")).0, 200);
    assert_eq!(ask(&format!("DELETE /v1/suppressions?id={id}")).0, 404);
    gate.signal("TERM");
    gate.end();
    let audit = std::fs::read_to_string(bed.here.path().join("portcullis-data/audit.jsonl")).unwrap();
    for action in ["suppression.add", "suppression.remove"] {
        let lines = audit.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let line = lines.into_iter().find(|line| line["action"] == action).expect(action);
        assert_eq!(line["tenant_id"], KNOWN, "{line}");
        let said = [("id", &*id), ("class", "deleted_tenant_active"), ("service", "*"), ("owner", "ops")];
        said.iter().for_each(|(key, value)| assert_eq!(line["details"][key], *value, "{line}"));
    }
    let findings = std::fs::read_to_string(bed.here.path().join("portcullis-data/findings.ndjson")).unwrap();
    assert_eq!(findings.lines().filter(|line| line.contains(r#""status":"open""#)).count(), 1, "{findings}");
}

/// Scenario: what a tenant sent is rejected, listed, looked at, and removed by the API. Guarantee: scrubbed, and its
/// own token sees it, another's does not; the change is an audit line.
#[test]
fn the_quarantine_is_seen_by_whom_it_concerns() {
    let mut bed = Bed::start("");
    catalogue(bed.here.path(), "state: suspended");
    bed.until("suspended", || http(&bed.otlp, "POST /v1/logs", &logs(KNOWN)).contains("suspended_tenant"));
    let (_, groups) = bed.ask(1, "GET /v1/tenants/acme/quarantine", "");
    assert_eq!(groups["groups"][0]["reason"], "suspended_tenant");
    let (_, batches) = bed.ask(1, "GET /v1/tenants/acme/quarantine/batches?signal=logs", "");
    let text = batches.to_string();
    assert!(text.contains("mail") && !text.contains("jane"), "{text}");
    assert_eq!(bed.ask(2, "GET /v1/tenants/bravo/quarantine", "").1["groups"], serde_json::json!([]));
    let (status, why) = bed.ask(0, "POST /v1/tenants/acme/quarantine/replay", "");
    assert!(status == 409 && why["detail"].as_str().unwrap().contains("suspended"), "{why}");
    // Mended: what was kept is taken.
    let kept = groups["groups"][0]["batches"].as_u64().unwrap();
    catalogue(bed.here.path(), "state: active");
    bed.until("active", || bed.ask(0, "GET /v1/tenants/acme", "").1["state"] == "active");
    let (status, done) = bed.ask(0, "POST /v1/tenants/acme/quarantine/replay?signal=logs", "");
    assert!(status == 200 && done["taken"].as_u64() >= Some(kept) && done["kept"] == 0, "{done}");
    assert_eq!(bed.ask(1, "GET /v1/tenants/acme/quarantine", "").1["groups"], serde_json::json!([]));
    let page = http(&bed.metrics, "GET /metrics", "");
    let accepted = page
        .lines()
        .find(|line| line.starts_with("portcullis_accepted_items_total{") && line.contains(KNOWN));
    assert!(accepted.is_some(), "{page}");
    catalogue(bed.here.path(), "state: suspended");
    bed.until("suspended", || http(&bed.otlp, "POST /v1/logs", &logs(KNOWN)).contains("suspended_tenant"));
    let (status, removed) = bed.ask(0, "DELETE /v1/tenants/acme/quarantine?reason=suspended_tenant", "");
    assert!(status == 200 && removed["removed"].as_u64() >= Some(1), "{removed}");
    let line = bed.gate.line("DELETE /v1/tenants/{tenant}/quarantine");
    assert!(line.contains("ops") && line.contains(KNOWN), "{line}");
}

/// Every file below a directory.
fn files(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all
}

/// The files in which something of a tenant can be read: its id in any form, or this text.
fn remains(directory: &Path, id: &str, text: &str) -> Vec<String> {
    let id = uuid::Uuid::parse_str(id).unwrap();
    let needles = [
        id.as_bytes().to_vec(),
        id.to_string().into_bytes(),
        id.simple().to_string().into_bytes(),
        text.into(),
    ];
    let holds = |path: &std::path::PathBuf| {
        let content = std::fs::read(path).unwrap();
        needles.iter().any(|needle| memchr::memmem::find(&content, needle).is_some())
    };
    let names = |path: &std::path::PathBuf| path.to_string_lossy().contains(&id.to_string());
    files(directory)
        .iter()
        .filter(|path| names(path) || holds(path))
        .map(|p| p.display().to_string())
        .collect()
}

/// Scenario: a tenant has data that no destination takes, rejected data, a salt, a series and a finding; it is deleted
/// and purged, by the running gate and once more without it. Guarantee: refused while it is alive; then nothing of it
/// is in the data directory, its series is off the page, the signed record says what was destroyed and is verified; the
/// other tenant's data is there still.
#[test]
fn nothing_of_a_purged_tenant_remains() {
    // A port that nobody listens on: all of it stays in the journal.
    let refused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let more = format!(
        "scrub: {{ actions: {{ email: pseudonym }} }}\n\
         destinations: [{{ name: away, endpoint: 'http://{refused}' }}]\n"
    );
    let mut bed = Bed::start(&more);
    let data = bed.here.path().join("portcullis-data");
    let marked = |tenant: &str, word: &str| logs(tenant).replace("mail ", &format!("{word} mail "));
    for (tenant, word) in [(KNOWN, "quuxacme"), (LATER, "quuxbravo")] {
        assert!(http(&bed.otlp, "POST /v1/logs", &marked(tenant, word)).starts_with("HTTP/1.1 200"));
    }
    let point = format!(
        r#"{{"resourceMetrics":[{{"resource":{{"attributes":[{{"key":"tenant_id","value":{{"stringValue":"{KNOWN}"}}}}]}},"scopeMetrics":[{{"metrics":[{{"name":"bed.depth","gauge":{{"dataPoints":[{{"asInt":"1","timeUnixNano":"1"}}]}}}}]}}]}}]}}"#
    );
    assert!(http(&bed.otlp, "POST /v1/metrics", &point).starts_with("HTTP/1.1 200"));
    let shown = || http(&bed.metrics, "GET /metrics", "").lines().any(|line| line.starts_with("bed_depth{"));
    assert!(shown());
    assert!(!remains(&data, KNOWN, "quuxacme").is_empty());
    let (code, said) = bed.run(&["tenants", "purge", "acme", "--yes"]);
    assert!(code == 1 && said.contains("409") && said.contains("active"), "{said}");

    catalogue(bed.here.path(), "state: deleted, deleted_at: 2020-01-01T00:00:00Z");
    bed.until("deleted", || {
        http(&bed.otlp, "POST /v1/logs", &marked(KNOWN, "quuxacme")).contains("deleted_tenant")
    });
    assert!(!shown(), "a deleted tenant's series is on the page");
    let (code, said) = bed.run(&["tenants", "purge", "acme", "--yes"]);
    assert_eq!(code, 0, "{said}");
    let answer: Value = serde_json::from_str(said.trim()).unwrap();
    let record = &answer["record"];
    assert_eq!((record["tenant_id"].as_str(), record["by"].as_str()), (Some(KNOWN), Some("ops")));
    assert!(record["journal"]["items"].as_u64() >= Some(2) && record["salt"] == true, "{record}");
    assert!(record["quarantine_batches"].as_u64() >= Some(1), "{record}");
    assert_eq!(remains(&data, KNOWN, "quuxacme"), Vec::<String>::new());
    assert!(!remains(&data, LATER, "quuxbravo").is_empty(), "the other tenant's data is gone");
    let line = bed.gate.line("tenant.purge");
    assert!(!line.contains(KNOWN), "{line}");

    // The record stands on its own.
    let signed = bed.here.path().join("record.json");
    std::fs::write(&signed, &said).unwrap();
    let verify = |file: &str| {
        let key = data.join("destroyed/signing.pub").display().to_string();
        let output = Command::new(BIN)
            .args(["tenants", "verify", file, "--key", &key])
            .current_dir(bed.here.path())
            .output()
            .unwrap();
        (output.status.code().unwrap(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let (code, shown) = verify("record.json");
    assert_eq!((code, serde_json::from_str::<Value>(&shown).unwrap()), (0, record.clone()));
    let forged = said.replacen("eyJ", "eyK", 1);
    std::fs::write(&signed, forged).unwrap();
    assert_eq!(verify("record.json").0, 1);

    // Without a gate: the same again finds nothing more, and the other one by force.
    bed.gate.signal("KILL");
    bed.gate.end();
    let (code, said) = bed.run(&["tenants", "purge", "acme", "--yes"]);
    assert!(code == 0 && said.contains(r#""items":0"#), "{said}");
    let (code, said) = bed.run(&["tenants", "purge", "bravo", "--yes"]);
    assert!(code == 1 && said.contains("--force"), "{said}");
    let (code, said) = bed.run(&["tenants", "purge", "bravo", "--yes", "--force"]);
    assert!(code == 0 && said.contains(r#""items":1"#), "{said}");
    assert_eq!(remains(&data, LATER, "quuxbravo"), Vec::<String>::new());
}
