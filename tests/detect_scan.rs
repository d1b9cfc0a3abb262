//! The offline scan of a recorded stream.

use std::{fs, path::PathBuf};

use portcullis::detect::{Class, Settings, Suppression, scan};
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
            .contains("nowhere")
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
