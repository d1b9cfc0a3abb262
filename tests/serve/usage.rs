//! Usage, asked of the real thing.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
};

use super::*;

/// One request of logs, of one tenant, with so many records that hold an address each, and one of noise.
fn many_logs(tenant: &str, records: usize) -> String {
    let record = r#"{"timeUnixNano":"1700000000000000000","body":{"stringValue":"mail jane@example.com"}}"#;
    let noise = r#"{"timeUnixNano":"1700000000000000000","body":{"stringValue":"debug"}}"#;
    let records = format!("{},{noise}", vec![record; records].join(","));
    format!(
        r#"{{"resourceLogs":[{{"resource":{{"attributes":[{{"key":"tenant_id","value":{{"stringValue":"{tenant}"}}}}]}},"scopeLogs":[{{"logRecords":[{records}]}}]}}]}}"#
    )
}

/// What a run of the verb says.
fn usage(directory: &Path, args: &[&str]) -> String {
    let output = Command::new(BIN).arg("usage").args(args).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Scenario: two tenants of different tiers send, others are not in the catalogue, a transform drops some; the process is
/// killed in the middle, twice, with requests on their way, and started again; a receiver counts what comes.
/// Guarantee: items, bytes and values are exactly those that were acknowledged and delivered, nothing twice; what
/// nobody was told of is counted only if it was delivered.
#[test]
fn usage_adds_up_across_kills() {
    let here = tempfile::tempdir().unwrap();
    let catalogue = format!("- {{id: {KNOWN}, isolation: database}}\n- {{id: {LATER}, isolation: schema}}\n");
    std::fs::write(here.path().join("tenants.yaml"), catalogue).unwrap();
    // The receiving end is a gate, too: what it counts is what came.
    let there = tempfile::tempdir().unwrap();
    let mut receiver = Gate::start(there.path(), &[]);
    let to = receiver.address("OTLP/HTTP");
    let destination = format!(
        "identity: {{ mode: enforce, catalogue: {{ file: tenants.yaml }} }}\n\
         transforms: [{{ name: quiet, signal: logs, where: {{ field: body, in: [debug] }}, do: [drop] }}]\n\
         destinations: [{{ name: backend, protocol: http/protobuf, endpoint: \"http://{to}\" }}]\n"
    );
    std::fs::write(here.path().join("p.yaml"), destination).unwrap();
    let start = || {
        let mut gate = Gate::start(here.path(), &["--config", "p.yaml"]);
        let data = gate.address("OTLP/HTTP");
        (gate, data)
    };
    // By tenant: requests that were acknowledged, items, bytes; and what was sent and not answered.
    let mut told = BTreeMap::<&str, (u64, u64)>::new();
    let mut open = BTreeMap::<&str, u64>::new();
    let mut requests = BTreeMap::<&str, u64>::new();
    let mut rejected = 0;
    for round in 0..3 {
        let (mut gate, data) = start();
        for n in 0..6 {
            let tenant = if n % 2 == 0 { KNOWN } else { LATER };
            let body = many_logs(tenant, 3 + n);
            let answer = http(&data, "POST /v1/logs", &body);
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            *requests.entry(tenant).or_default() += 1;
            let (items, bytes) = told.entry(tenant).or_default();
            (*items, *bytes) = (*items + 3 + n as u64, *bytes + body.len() as u64);
        }
        let stranger = format!("11111111-2222-4333-8444-{:012}", round);
        let answer = http(&data, "POST /v1/logs", &many_logs(&stranger, 2));
        assert!(answer.contains("rejectedLogRecords"), "{answer}");
        rejected += 3;
        if round < 2 {
            // Killed while a client waits for its answer.
            let address = data.clone();
            let sender = std::thread::spawn(move || {
                let Ok(mut socket) = TcpStream::connect(&address) else { return false };
                let body = many_logs(KNOWN, 100);
                let head = format!(
                    "POST /v1/logs HTTP/1.1\r\nhost: gate\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                let mut answer = String::new();
                let sent = socket.write_all(head.as_bytes()).is_ok();
                sent && socket.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 200")
            });
            std::thread::sleep(Duration::from_millis(if round == 0 { 2 } else { 700 }));
            gate.signal("KILL");
            let _ = gate.end();
            let bytes = many_logs(KNOWN, 100).len() as u64;
            if sender.join().unwrap() {
                *requests.entry(KNOWN).or_default() += 1;
                let (items, all) = told.entry(KNOWN).or_default();
                (*items, *all) = (*items + 100, *all + bytes);
            } else {
                *open.entry(KNOWN).or_default() += 100;
            }
        } else {
            // Until everything has gone out.
            let begin = Instant::now();
            loop {
                let said: serde_json::Value = serde_json::from_str(&usage(
                    here.path(),
                    &["--day", "all", "--format", "json", "--config", "p.yaml"],
                ))
                .unwrap();
                let rows = said.as_array().unwrap().iter().flat_map(|day| day["rows"].as_array().unwrap());
                let waits = |row: &serde_json::Value| row["destinations"]["backend"]["held_items"] != 0;
                let mut rows = rows.filter(|row| row["accepted_items"] != 0);
                let items: u64 = told.values().map(|(items, _)| items).sum();
                let seen: u64 = rows.clone().map(|row| row["accepted_items"].as_u64().unwrap()).sum();
                if seen >= items && !rows.any(waits) {
                    break;
                }
                assert!(begin.elapsed() < DEADLINE, "{said}");
                std::thread::sleep(Duration::from_millis(100));
            }
            gate.signal("TERM");
            assert_eq!(gate.end().0, 0);
        }
    }
    receiver.signal("TERM");
    assert_eq!(receiver.end().0, 0);

    let sums = |directory: &Path, tenant: &str, config: &[&str]| {
        let args = [&["--day", "all", "--format", "json", "--tenant", tenant], config].concat();
        let said: serde_json::Value = serde_json::from_str(&usage(directory, &args)).unwrap();
        let rows: Vec<serde_json::Value> =
            said.as_array().unwrap().iter().flat_map(|day| day["rows"].as_array().unwrap().clone()).collect();
        move |path: &str| {
            rows.iter().map(|row| row.pointer(path).and_then(|n| n.as_u64()).unwrap_or(0)).sum::<u64>()
        }
    };
    let config = ["--config", "p.yaml"];
    for (tenant, (items, bytes)) in &told {
        let of = sums(here.path(), tenant, &config);
        let may = open.get(tenant).copied().unwrap_or(0);
        let accepted = of("/accepted_items");
        assert!((*items..=items + may).contains(&accepted), "{tenant}: {accepted} of {items} and {may}");
        assert_eq!((accepted - items) % 100, 0, "half a request is counted");
        let each = many_logs(tenant, 100).len() as u64;
        assert_eq!(of("/bytes_in"), bytes + (accepted - items) / 100 * each);
        assert_eq!(of("/redacted_values"), accepted, "one address in each record");
        let (dropped, sure) = (of("/dropped_items/transform"), requests[tenant]);
        assert!(
            (sure..=sure + (accepted - items) / 100).contains(&dropped),
            "one in each request: {dropped}"
        );
        assert_eq!(of("/destinations/backend/delivered_items"), accepted);
        assert_eq!(of("/destinations/backend/undeliverable_items"), 0);
        // Delivery is at least once: a kill may repeat, and never loses.
        let came = sums(there.path(), tenant, &[])("/accepted_items");
        assert!(came >= accepted && (came - accepted) <= accepted, "{tenant}: {came} came of {accepted}");
    }
    let strangers = sums(here.path(), "00000000-0000-0000-0000-000000000000", &config);
    assert_eq!((strangers("/rejected_items/unknown_tenant"), strangers("/accepted_items")), (rejected, 0));
    let csv = usage(here.path(), &["--day", "all", "--format", "csv", "--config", "p.yaml"]);
    assert!(csv.lines().any(|line| line.contains(&format!(",{KNOWN},logs,database,"))), "{csv}");
    let text = usage(here.path(), &["--config", "p.yaml"]);
    assert!(text.contains("ACCEPTED") && !text.contains("jane"), "{text}");
}

/// Takes every request and says that it is wrong.
fn refusing() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = BufReader::new(socket.unwrap());
            let mut length = 0;
            loop {
                let mut line = String::new();
                if socket.read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
                    break;
                }
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
            }
            let _ = socket.read_exact(&mut vec![0; length]);
            let answer = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            let _ = socket.get_mut().write_all(answer.as_bytes());
        }
    });
    address
}

/// Scenario: a destination refuses everything for good. Guarantee: it is counted as undeliverable, and nothing is
/// delivered or waits; what was accepted is so all the same.
#[test]
fn what_a_destination_refuses_is_undeliverable() {
    let here = tempfile::tempdir().unwrap();
    let to = refusing();
    let config =
        format!("destinations: [{{ name: backend, protocol: http/protobuf, endpoint: \"http://{to}\" }}]\n");
    std::fs::write(here.path().join("p.yaml"), config).unwrap();
    let mut gate = Gate::start(here.path(), &["--config", "p.yaml"]);
    let data = gate.address("OTLP/HTTP");
    assert!(http(&data, "POST /v1/logs", &many_logs(KNOWN, 4)).starts_with("HTTP/1.1 200"));
    let begin = Instant::now();
    loop {
        let said = usage(here.path(), &["--tenant", KNOWN, "--format", "json", "--config", "p.yaml"]);
        let said: serde_json::Value = serde_json::from_str(&said).unwrap();
        let row = &said[0]["rows"][0];
        let out = &row["destinations"]["backend"];
        if out["undeliverable_items"] == 5 {
            assert_eq!((&row["accepted_items"], &out["delivered_items"]), (&5.into(), &0.into()), "{said}");
            assert_eq!((&out["held_items"], &out["bytes_out"]), (&0.into(), &0.into()), "{said}");
            break;
        }
        assert!(begin.elapsed() < DEADLINE, "{said}");
        std::thread::sleep(Duration::from_millis(100));
    }
    gate.signal("TERM");
    assert_eq!(gate.end().0, 0);
}
