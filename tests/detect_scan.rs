//! The offline scan of a recorded stream.

use std::{fs, path::PathBuf, process::Command};

use portcullis::detect::{Class, DetectorName, Settings, Suppression, scan};
use serde_json::{Value, json};

const A: &str = "0b7c1c1e-58f6-4a51-9d0c-0e6f0a4e1a01";
const B: &str = "0b7c1c1e-58f6-4a51-9d0c-0e6f0a4e1b02";
const GONE: &str = "0b7c1c1e-58f6-4a51-9d0c-0e6f0a4e1c03";
const OBJECT: &str = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
const START: u64 = 1_772_694_000_000_000_000;

fn read(second: u64, sender: &str, declared: &str, person: &str) -> Value {
    let at = START + second * 1_000_000_000;
    let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    json!({"signal": "traces", "auth_tid": sender, "at": at, "request": {"resourceSpans": [{
    "resource": {"attributes": [text("service.name", "api"), text("tenant.slug", declared)]},
    "scopeSpans": [{"spans": [{
        "traceId": format!("{:032x}", second + 1), "spanId": "0da4b7b11ecd47d3", "kind": 2,
        "endTimeUnixNano": at.to_string(),
        "attributes": [
            text("http.route", "/things/:id"), text("url.path", &format!("/things/{OBJECT}")),
            {"key": "http.response.status_code", "value": {"intValue": "200"}},
            text("enduser.id", person),
        ]}]}]}]}})
}

/// Scenario: a stream with a spoofed slug, a foreign read, a deleted tenant, and staff that does
/// all of it too. Guarantee: the first three are told, and no more; a bad line is counted; a suppression that the
/// stream's own time has not passed holds its finding back, and is counted.
#[test]
fn a_folder_is_scanned_to_findings() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| fs::write(dir.path().join(name), text).unwrap();
    let row = |id, slug, state, deleted: Value| json!({"id": id, "slug": slug, "state": state, "deleted_at": deleted});
    let tenants = [
        row(A, "alder", "active", Value::Null),
        row(B, "birch", "active", Value::Null),
        row(GONE, "cedar", "deleted", json!("2026-02-11T09:00:00Z")),
    ];
    write("tenants.json", json!({ "tenants": tenants }).to_string());
    write("context.json", json!({"staff_users": ["staff"]}).to_string());
    let lines = [
        read(0, A, "Alder", "ann"),
        read(10, A, "alder", "ann"),
        read(20, B, "birch", "staff"),
        read(30, B, "alder", "staff"),
        read(40, B, "birch", "bob"),
        read(50, A, "birch", "ann"),
        read(60, GONE, "cedar", "staff"),
        read(70, GONE, "cedar", "carl"),
    ];
    let stream: Vec<String> = lines.iter().map(Value::to_string).chain(["{".to_owned()]).collect();
    write("stream.ndjson", stream.join("\n"));
    let out = dir.path().join("findings.ndjson");
    let summary = scan::run(dir.path(), &out, &Settings::default()).unwrap();
    let findings = fs::read_to_string(out).unwrap();
    let found: Vec<Value> = findings.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut told: Vec<_> = found
        .iter()
        .map(|f| {
            (f["class"].as_str().unwrap(), f["tenant_id"].as_str().unwrap(), f["other_tenant_id"].as_str())
        })
        .collect();
    told.sort_unstable();
    // The third tenant that is given the object makes it public.
    let expected = [
        ("cross_tenant_read", B, Some(A)),
        ("deleted_tenant_active", GONE, None),
        ("token_tenant_mismatch", A, Some(B)),
    ];
    assert_eq!(told, expected, "{findings}");
    assert_eq!((summary.requests, summary.findings, summary.malformed), (9, 3, 1));
    let until = |day: &str| Suppression {
        class: Some(Class::CrossTenantRead),
        tenant: Some(B.into()),
        owner: "ann".into(),
        reason: "under repair".into(),
        until: format!("{day}T00:00:00Z"),
        ..Suppression::default()
    };
    for (day, held) in [("2027-01-01", 1), ("2026-01-01", 0)] {
        let settings = Settings { suppressions: vec![until(day)], ..Settings::default() };
        let summary = scan::run(dir.path(), &dir.path().join("held.ndjson"), &settings).unwrap();
        assert_eq!((summary.findings, summary.suppressed), (3 - held, held), "until {day}");
    }
    assert!(
        scan::run(&dir.path().join("nowhere"), &dir.path().join("x"), &Settings::default())
            .unwrap_err()
            .to_string()
            .contains("nowhere")
    );
}

/// What a scan of a folder with these files says: code and standard error, with `DIR/` left out.
fn scanned(files: &[(&str, &[u8])], from: &str, findings: &str) -> (i32, String) {
    let dir = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, bytes)| fs::write(dir.path().join(name), bytes).unwrap());
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .arg("scan")
        .arg(dir.path().join(from))
        .arg("--findings")
        .arg(dir.path().join(findings))
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap().replace(&format!("{}/", dir.path().display()), "");
    assert!(!said.contains("zebra"), "a value is shown: {said}");
    (output.status.code().unwrap(), said)
}

/// Scenario: folders and files in which nothing, or not everything, can be read, as a first try has them. Guarantee:
/// what read nothing does not pass for what found nothing (code 2, the place, why, what is expected); what was
/// passed over among good lines is said with its first place; no value is in a message.
#[test]
fn what_cannot_be_read_is_said() {
    let good = read(0, A, "alder", "ann").to_string();
    let good = good.as_bytes();
    let exported = br#"{"resourceSpans":[]}"#;
    let finding = br#"{"class":"zebra","evidence":{}}"#;
    type Refused<'a> = (&'a [(&'a str, &'a [u8])], &'a str, &'a str);
    let refused: [Refused<'_>; 10] = [
        (&[("a.json", b"\n{\n \"zebra\": 1}\n")], "", "a.json:2: the line ends before its JSON does"),
        (&[("a.json", &good[..good.len() - 9])], "a.json", "a.json:1: the line ends before its JSON does"),
        (&[("a.json", b"\x1f\x8b\x08zebra\n")], "", "a.json: is packed (gzip); unpack it first"),
        (
            &[("a.json.gz", b"\x1f\x8b\x08zebra\n")],
            "",
            "a.json.gz: is packed, and nothing beside it can be read; unpack it first",
        ),
        (
            &[("a.json", br#"{"resourceSpans":[{"zebra":1,"resource":5}]}"#)],
            "",
            "a.json:1: a JSON value has the wrong type",
        ),
        (&[("a.json", finding)], "", "a.json: 1 lines are findings"),
        (
            &[("a.json", good), ("tenants.json", br#"{"tenants":[{"id":"zebra"}]}"#)],
            "",
            "tenants[0].id: expected a tenant's uuid",
        ),
        (&[("out.ndjson", good)], "out.ndjson", "out.ndjson: is to be read, and would be written over"),
        (
            &[("a.json", good), ("out.ndjson", good)],
            "",
            "out.ndjson: is to be read, and would be written over",
        ),
        (&[], "nowhere", "nowhere: cannot be read"),
    ];
    for (files, from, expected) in refused {
        let (code, said) = scanned(files, from, "out.ndjson");
        assert!(
            code == 2 && said.starts_with("error: ") && said.contains(expected),
            "{files:?}: {code} {said}"
        );
    }
    let (code, said) = scanned(&[("a.json", good)], "", "no/such/folder");
    assert!(code == 2 && said.contains("no/such/folder: cannot be written"), "{code} {said}");

    let mixed = [good, b"\nzebra\n[]\n", finding, b"\n"].concat();
    let files: [(&str, &[u8]); 5] = [
        ("a.json", &mixed),
        ("b.json", b"\xfd7zXZ\x00zebra"),
        ("c.json", b""),
        ("d.json.zst", b""),
        ("out.ndjson", finding),
    ];
    let (code, said) = scanned(&files, "", "out.ndjson");
    assert_eq!(code, 0, "{said}");
    for expected in [
        "note: no tenants.json: ",
        "note: no context.json: ",
        "note: no schema.sql and no detect.schema: ",
        "warning: a.json:2: not JSON; 2 of 3 lines could not be read; 1 lines are findings of a scan and were passed over",
        "warning: b.json: is packed (xz)",
        "note: c.json: it is empty",
        "warning: d.json.zst: is packed",
        "note: out.ndjson: findings go there",
        "4 requests, 1 items, ",
        " 3 malformed lines",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let marked = [b"\xef\xbb\xbf".as_slice(), exported].concat();
    let (code, said) = scanned(&[("a.json", &marked)], "a.json", "out.ndjson");
    assert!(code == 0 && said.contains(", 0 malformed lines"), "{said}");
    let (code, said) = scanned(&[("a.json", b"")], "", "out.ndjson");
    assert!(code == 0 && said.contains("a.json: it is empty"), "{said}");
}

/// Scenario: a link that leads nowhere among the files. Guarantee: code 2, and its name.
#[cfg(unix)]
#[test]
fn a_dead_link_is_named() {
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(dir.path().join("gone"), dir.path().join("b.json")).unwrap();
    fs::write(dir.path().join("a.json"), r#"{"resourceSpans":[]}"#).unwrap();
    let error = scan::run(dir.path(), &dir.path().join("out"), &Settings::default()).unwrap_err();
    assert!(
        matches!(&error, scan::NotScanned::Given(text) if text.contains("b.json: cannot be read")),
        "{error}"
    );
}

/// Scenario: a folder given by `PORTCULLIS_SCAN`, a file by `PORTCULLIS_FINDINGS`: how detectors are
/// measured on streams of one's own. Guarantee: it is scanned, and what was done is shown.
#[test]
#[ignore = "needs PORTCULLIS_SCAN and PORTCULLIS_FINDINGS"]
fn a_stream_of_ones_own() {
    let path = |name| PathBuf::from(std::env::var_os(name).expect(name));
    println!(
        "{:?}",
        scan::run(&path("PORTCULLIS_SCAN"), &path("PORTCULLIS_FINDINGS"), &Settings::default()).unwrap()
    );
}

/// Every text of a value: how to get there. Not ids, times, keys of attributes, or whose the data is.
fn texts(value: &Value, path: &str, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            if map.get("key").is_some_and(|key| key == "tenant_id") {
                return;
            }
            let kept =
                |key: &str| !(key.ends_with("Id") || key.ends_with("Nano") || matches!(key, "key" | "asInt"));
            map.iter()
                .filter(|(key, _)| kept(key))
                .for_each(|(key, value)| texts(value, &format!("{path}/{key}"), out));
        }
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(n, value)| texts(value, &format!("{path}/{n}"), out));
        }
        Value::String(_) => out.push(path.to_owned()),
        _ => {}
    }
}

/// Scenario: a canary of A in one text of a request of B, for every text that a log record, a span and a data point
/// have: bodies, attributes of all levels, names, descriptions, events, links, states, exemplars. Guarantee: each is
/// found, once.
#[test]
fn a_canary_is_found_in_every_text() {
    let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let time = START.to_string();
    let resource =
        json!({"attributes": [text("tenant_id", B), text("service.name", "api"), text("host.name", "h")]});
    let scope = json!({"name": "library", "version": "1", "attributes": [text("scope.note", "v")]});
    let (trace, span) = ("5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174");
    let logs = json!({"resourceLogs": [{"resource": resource, "scopeLogs": [{"scope": scope, "logRecords": [{
        "timeUnixNano": time, "severityText": "INFO", "eventName": "thing.done",
        "body": {"kvlistValue": {"values": [text("message", "m"), {"key": "list", "value": {"arrayValue": {"values": [{"stringValue": "x"}]}}}]}},
        "attributes": [text("note", "n"), text("url.path", "/p"), text("db.query.text", "SELECT 1")],
    }]}]}]});
    let traces = json!({"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": scope, "spans": [{
        "traceId": trace, "spanId": span, "name": "work", "kind": 2, "endTimeUnixNano": time, "traceState": "a=b",
        "attributes": [text("note", "n")], "status": {"code": 2, "message": "failed"},
        "events": [{"timeUnixNano": time, "name": "exception", "attributes": [text("exception.message", "e")]}],
        "links": [{"traceId": trace, "spanId": span, "traceState": "c=d", "attributes": [text("note", "l")]}],
    }]}]}]});
    let point = |value: Value| {
        json!({"timeUnixNano": time, "attributes": [text("note", "n")],
            "exemplars": [{"timeUnixNano": time, "asInt": "1", "filteredAttributes": [text("note", "e")]}], "asInt": value})
    };
    let metrics = json!({"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"scope": scope, "metrics": [{
        "name": "requests", "description": "all of them", "unit": "1", "metadata": [text("note", "m")],
        "gauge": {"dataPoints": [point(json!(1)), point(json!(2))]},
    }]}]}]});
    let dir = tempfile::tempdir().unwrap();
    let canary = "cnry-4fd0c2a97be1";
    let tenants = json!({"tenants": [{"id": A, "slug": "alder-row", "canaries": [canary]}, {"id": B, "slug": "birch-end"}]});
    fs::write(dir.path().join("tenants.json"), tenants.to_string()).unwrap();
    let out = dir.path().join("out");
    let settings = Settings { detectors: vec![DetectorName::Mentions], ..Settings::default() };
    let mut checked = 0;
    for (signal, request) in [("logs", logs), ("traces", traces), ("metrics", metrics)] {
        let mut places = Vec::new();
        texts(&request, "", &mut places);
        for place in places {
            let mut request = request.clone();
            *request.pointer_mut(&place).unwrap() = json!(format!("see {canary} there"));
            let line = json!({"signal": signal, "auth_tid": null, "at": START, "request": request});
            fs::write(dir.path().join("stream.ndjson"), line.to_string()).unwrap();
            scan::run(dir.path(), &out, &settings).unwrap();
            let found = fs::read_to_string(&out).unwrap();
            let leaks = found.lines().filter(|line| line.contains("\"class\":\"canary_leak\"")).count();
            assert_eq!(leaks, 1, "{signal}{place}: {found}");
            assert!(!found.contains(canary));
            checked += 1;
        }
    }
    assert!(checked >= 35, "{checked}");
}

/// Scenario: a tenant's request reads a table of another tenant's schema, which the product's schema does not know; then
/// of its own. Guarantee: the first is told, critical, with both.
#[test]
fn a_schema_of_another_tenant_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let tenants = json!({"tenants": [
        {"id": A, "slug": "alder-row", "schema": "t_alder_row"}, {"id": B, "slug": "birch-end", "schema": "t_birch_end"}]});
    fs::write(dir.path().join("tenants.json"), tenants.to_string()).unwrap();
    let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let query = |second: u64, statement: &str| {
        let at = START + second * 1_000_000_000;
        json!({"signal": "traces", "auth_tid": B, "at": at, "request": {"resourceSpans": [{
            "resource": {"attributes": [text("service.name", "api")]},
            "scopeSpans": [{"spans": [{"traceId": format!("{:032x}", second + 1), "spanId": "0da4b7b11ecd47d3",
                "kind": 3, "endTimeUnixNano": at.to_string(), "attributes": [text("db.query.text", statement)]}]}]}]}})
    };
    let lines = [
        query(0, "SELECT * FROM t_birch_end.notes WHERE id = $1"),
        query(60, "SELECT * FROM t_alder_row.notes WHERE id = $1"),
    ];
    fs::write(dir.path().join("stream.ndjson"), lines.map(|line| line.to_string()).join("\n")).unwrap();
    let out = dir.path().join("out");
    scan::run(dir.path(), &out, &Settings::default()).unwrap();
    let found = fs::read_to_string(&out).unwrap();
    let told: Vec<Value> = found.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(told.len(), 1, "{found}");
    let one = ["class", "severity", "tenant_id", "other_tenant_id"].map(|key| told[0][key].as_str().unwrap());
    assert_eq!(one, ["connection_context_bleed", "critical", B, A]);
}
