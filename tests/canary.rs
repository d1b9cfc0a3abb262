//! `portcullis canary` as people run it.

use std::{path::Path, process::Command};

/// Exit code, standard output and standard error.
fn run(directory: &Path, args: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(args)
        .current_dir(directory)
        .env_remove("RUST_LOG")
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

const ACME: &str = "11111111-1111-4111-8111-111111111111";

/// A folder with a configuration and a catalogue of two tenants, the first with the canaries given.
fn folder(canaries: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "portcullis.yaml",
        "identity: { catalogue: { file: tenants.yaml } }\nbuffer: { directory: data }\n",
    );
    write(
        "tenants.yaml",
        &format!(
            "tenants:\n  - id: {ACME}\n    slug: acme\n    domains: [acme.example]\n{canaries}  - id: 22222222-2222-4222-8222-222222222222\n    slug: globex\n"
        ),
    );
    folder
}

/// Scenario: canaries of every kind are made and the lines put into the catalogue. Guarantee: the catalogue takes them;
/// the list counts them by kind and shows none of them, unless it is told to.
#[test]
fn what_is_made_is_taken_and_listed() {
    let here = folder("");
    let config = ["--config", "portcullis.yaml"];
    let mut lines = "    canaries:\n".to_owned();
    let mut made = Vec::new();
    for kind in ["token", "phrase", "email"] {
        let args = ["canary", "new", "--tenant", "acme", "--kind", kind, "--count", "2"];
        let (code, out, err) = run(here.path(), &[&args[..], &config].concat());
        assert_eq!(code, 0, "{err}");
        assert!(
            out.contains(ACME) && err.contains("bits of chance") && err.contains("plant it"),
            "{out}{err}"
        );
        let items: Vec<&str> = out.lines().filter(|line| line.starts_with("      - ")).collect();
        assert_eq!(items.len(), 2, "{out}");
        items.iter().for_each(|item| lines += &format!("{item}\n"));
        made.extend(
            items.iter().map(|item| item.trim_start_matches([' ', '-']).trim_matches('"').to_owned()),
        );
    }
    let here = folder(&lines);
    let (code, out, err) = run(here.path(), &[&["canary", "list"], &config[..]].concat());
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("2 email, 2 phrase, 2 token") && out.contains("without a canary:\n2222"), "{out}");
    assert!(out.matches("fp:").count() == 6 && !err.contains("warning"), "{out}{err}");
    assert!(made.iter().all(|canary| !out.contains(canary.as_str())), "{out}");
    assert!(!here.path().join("data").exists(), "looking makes nothing");

    let (_, out, _) = run(here.path(), &[&["canary", "list", "--reveal", "--json"], &config[..]].concat());
    let all: serde_json::Value = serde_json::from_str(&out).unwrap();
    let shown: Vec<&str> = all[0]["canaries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|canary| canary["canary"].as_str().unwrap())
        .collect();
    assert_eq!(shown, made);
    assert_eq!(all[1]["canaries"], serde_json::json!([]));
}

/// Scenario: canaries that two have, that are too short, or that are a tenant's own name. Guarantee: a warning says how
/// many are not looked for, and shows none.
#[test]
fn canaries_that_are_of_no_use_are_told() {
    let here = folder("    canaries: [short, globex-globex, acme.example]\n");
    let (code, out, err) = run(here.path(), &["canary", "list", "--config", "portcullis.yaml"]);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("warning: 2 canaries are not looked for: expected 8 letters"), "{err}");
    assert!(!out.contains("short") && out.contains("3 other"), "{out}");
}

/// Scenario: fingerprints with a pseudonym key that is given, twice. Guarantee: the same; with another key, others.
#[test]
fn fingerprints_are_keyed() {
    let here = folder("    canaries: [cnry-00112233445566778899]\n");
    let list = |key: &str| {
        let set = format!("scrub.master_key={key}");
        run(here.path(), &["canary", "list", "--config", "portcullis.yaml", "--set", &set]).1
    };
    let first = list("0123456789abcdef0123456789abcdef");
    assert_eq!(first, list("0123456789abcdef0123456789abcdef"));
    assert_ne!(first, list("fedcba9876543210fedcba9876543210"));
}

/// Scenario: a tenant that is not there, addresses under a tenant's domain, no catalogue. Guarantee: refused, with what
/// to do; without a catalogue canaries can be made all the same.
#[test]
fn what_makes_no_sense_is_refused() {
    let here = folder("");
    let config = ["--config", "portcullis.yaml"];
    let refused = |args: &[&str], hint: &str, expected| {
        let (code, out, err) = run(here.path(), &[&["canary"], args].concat());
        assert!(code == expected && out.is_empty() && err.contains(hint), "{args:?}: {code} {out}{err}");
    };
    refused(&[&["new", "--tenant", "nobody"], &config[..]].concat(), "no such tenant", 2);
    refused(&[&["new", "--kind", "email", "--domain", "acme.example"], &config[..]].concat(), "--domain", 1);
    refused(&["new", "--domain", "nowhere"], "expected a domain", 2);
    refused(&["new", "--tenant", "acme"], "no catalogue to look a slug up in; give --config", 2);
    refused(&["list"], "no catalogue, so no canaries; give --config", 2);
    let (code, out, _) = run(here.path(), &["canary", "new", "--json", "--tenant", ACME]);
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert!(code == 0 && answer["bits"] == 80 && answer["tenant_id"] == ACME, "{out}");
}
