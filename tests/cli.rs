//! The program as people run it: its verbs, what they say and how they end.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// Runs the program in `directory` with `input` on its standard input.
fn portcullis(directory: &Path, args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(args)
        .current_dir(directory)
        .env_remove("RUST_LOG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that ends before it has read everything is judged by its code.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// Exit code, standard output and standard error.
fn run(directory: &Path, args: &[&str], input: impl AsRef<[u8]>) -> (i32, String, String) {
    let output = portcullis(directory, args, input.as_ref());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn file(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// Scenario: validation of what there is without a file. Guarantee: valid, code 0, quiet on stderr.
#[test]
fn the_defaults_are_valid() {
    let here = folder();
    let (code, out, err) = run(here.path(), &["validate", "--deny-warnings"], "");
    assert_eq!((code, out.as_str(), err.as_str()), (0, "the configuration is valid\n", ""));
}

/// Scenario: misspelt keys. Guarantee: code 2; file, line, column and what was probably meant.
#[test]
fn a_misspelt_key_is_shown_where_it_stands() {
    let here = folder();
    file(here.path(), "portcullis.yaml", "identity:\n  mod: enforce\nbufer: {}\n");
    let (code, out, err) = run(here.path(), &["validate", "--config", "portcullis.yaml"], "");
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(
        err.contains("portcullis.yaml:2:3: identity.mod: unknown field; did you mean \"mode\"?"),
        "{err}"
    );
    assert!(err.contains("portcullis.yaml:3:1: bufer: unknown field; did you mean \"buffer\"?"), "{err}");
    for verb in ["print-config", "serve", "test", "redact", "explain"] {
        let (code, _, err) = run(here.path(), &[verb, "--config", "portcullis.yaml"], "");
        assert!(code == 2 && err.contains("portcullis.yaml:2:3"), "{verb}: {code} {err}");
    }
}

/// Scenario: well-formed settings that do not fit together, in every section. Guarantee: all of them are
/// told at once, with their places.
#[test]
fn every_section_is_compiled() {
    let here = folder();
    let text = "\
receivers:
  http: { endpoint: \"127.0.0.1:4317\" }
identity:
  aliases: []
  catalogue: { file: missing.yaml }
transforms:
  - { name: t, do: [ { remove: tenant_id } ] }
detect:
  system_tenant: nobody
scrub:
  disable: [emial]
buffer:
  tenant_share: 2
destinations:
  - { name: far, endpoint: \"ftp://x\" }
routes:
  - { destinations: [fra] }
telemetry:
  log: { level: \"portcullis=loud\" }
";
    file(here.path(), "p.yaml", text);
    let (code, _, err) = run(here.path(), &["validate", "-c", "p.yaml"], "");
    assert_eq!(code, 2, "{err}");
    for expected in [
        "p.yaml:2:21: receivers.http.endpoint: the same address as receivers.grpc.endpoint",
        "p.yaml:4:12: identity.aliases: empty",
        "identity.catalogue.file: missing.yaml",
        "p.yaml:7:",
        "p.yaml:9:18: detect.system_tenant",
        "did you mean email?",
        "p.yaml:13:17: buffer.tenant_share: expected more than 0",
        "destination `far`: endpoint",
        "telemetry.log.level: expected a level",
    ] {
        assert!(err.contains(expected), "{expected:?} is not in\n{err}");
    }
    assert!(!err.contains("loud"), "{err}");
}

/// Scenario: a catalogue and a pack with mistakes of their own. Guarantee: shown in their own files.
#[test]
fn mistakes_in_other_files_are_shown_there() {
    let here = folder();
    file(here.path(), "tenants.yaml", "tenants:\n  - id: not-a-uuid\n");
    let pack = "rules:\n  - { id: x, type: X1, severity: low, pattern: '(', match: [], no_match: [] }\n";
    file(here.path(), "pack.yaml", pack);
    let sets = ["--set", "identity.catalogue.file=tenants.yaml", "--set", "scrub.packs=[pack.yaml]"];
    let (code, _, err) = run(here.path(), &[&["validate"], &sets[..]].concat(), "");
    assert!(code == 2 && err.contains("tenants.yaml:2:") && err.contains("pack.yaml:2:"), "{code} {err}");
}

/// Scenario: a reference to the environment that is not set. Guarantee: an error, but for
/// `--no-environment`.
#[test]
fn the_environment_can_be_left_out() {
    let here = folder();
    file(here.path(), "p.yaml", "buffer: { directory: \"${env:PORTCULLIS_TEST_UNSET}\" }\n");
    let (code, _, err) = run(here.path(), &["validate", "-c", "p.yaml"], "");
    assert!(code == 2 && err.contains("PORTCULLIS_TEST_UNSET"), "{code} {err}");
    assert_eq!(run(here.path(), &["validate", "-c", "p.yaml", "--no-environment"], "").0, 0);
}

/// Scenario: what works but is hardly meant. Guarantee: a warning; code 1 only where warnings are denied.
#[test]
fn warnings_can_be_denied() {
    let here = folder();
    let args = ["validate", "--set", "identity.mode=enforce"];
    let (code, out, _) = run(here.path(), &args, "");
    assert!(code == 0 && out.contains("warning: --set: identity.mode"), "{code} {out}");
    let (code, _, err) = run(here.path(), &[&args[..], &["--deny-warnings"]].concat(), "");
    assert!(code == 1 && err.contains("warnings are denied"), "{code} {err}");
}

/// Scenario: a secret in the configuration. Guarantee: it is in nothing that is printed.
#[test]
fn secrets_are_not_printed() {
    let here = folder();
    let secret = "correct-horse-battery-staple-0123456789";
    let set = format!("identity.token.secret={secret}");
    let (code, out, err) = run(here.path(), &["print-config", "--set", &set], "");
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("# hash ") && out.contains("mode: observe") && out.contains("****"), "{out}");
    assert!(!out.contains(secret));
}

/// Scenario: the examples of the built-in rules, then of a pack that fails. Guarantee: code and lines say it.
#[test]
fn rules_are_tested() {
    let here = folder();
    let (code, out, err) = run(here.path(), &["test"], "");
    assert!(code == 0 && out.contains("ok      email (") && out.contains("0 rules failed"), "{out}{err}");
    let pack = "\
rules:
  - { id: good, type: GOOD, severity: low, pattern: 'goodness', match: ['my goodness'], no_match: ['bad'] }
  - { id: poor, type: POOR, severity: low, pattern: 'poorness', match: ['riches'], no_match: ['poorness'] }
";
    file(here.path(), "pack.yaml", pack);
    let (code, out, _) = run(here.path(), &["test", "pack.yaml"], "");
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("ok      good (2 examples)") && out.contains("FAILED  poor"), "{out}");
    assert!(out.contains("pack.yaml:3: match 1") && out.contains("pack.yaml:3: no_match 1"), "{out}");
    assert!(out.contains("2 rules, 4 examples; 1 rules failed in 2 examples"), "{out}");
    // Such a pack is not put into force either, unless the rule is switched off.
    let sets = ["validate", "--set", "scrub.packs=[pack.yaml]"];
    let (code, _, err) = run(here.path(), &sets, "");
    assert!(code == 2 && err.contains("pack.yaml:3:") && err.contains("rule poor: match 1"), "{code} {err}");
    let (code, _, err) = run(here.path(), &[&sets[..], &["--set", "scrub.disable=[poor]"]].concat(), "");
    assert_eq!(code, 0, "{err}");
    let (code, _, err) = run(here.path(), &["test", "nothing.yaml"], "");
    assert!(code == 2 && err.contains("nothing.yaml"), "{err}");
}

/// Scenario: the rules in force, with one switched off and another action for one. Guarantee: each on its line,
/// marked; only those of a type where one is asked for, and a type that is none is told.
#[test]
fn rules_are_listed() {
    let here = folder();
    let sets = ["--set", "scrub.disable=[mac]", "--set", "scrub.actions.ipv4.mask.keep=2"];
    let (code, out, err) = run(here.path(), &[&["rules", "list"], &sets[..]].concat(), "");
    assert_eq!(code, 0, "{err}");
    let words = |id: &str| -> Vec<String> {
        let line = out.lines().find(|line| line.starts_with(&format!("{id} "))).unwrap_or_default();
        line.split("  ").filter(|word| !word.is_empty()).map(|word| word.trim().to_owned()).collect()
    };
    assert_eq!(words("email")[..5], ["email", "EMAIL", "medium", "redact", "shape"]);
    assert!(words("email")[5].starts_with("rules/personal.yaml:"), "{out}");
    assert_eq!(words("mac")[3], "(off)");
    assert_eq!(words("ipv4")[3], "{ mask: { keep: 2 } }");
    assert_eq!((words("jwt")[4].as_str(), words("key_email")[4].as_str()), ("literals", "key"));
    assert_eq!(words("content_gen_ai")[3], "drop");
    let (_, out, _) = run(here.path(), &["rules", "list", "--type", "email", "--json"], "");
    let list: serde_json::Value = serde_json::from_str(&out).unwrap();
    let list = list.as_array().unwrap();
    assert!(list.len() >= 2 && list.iter().all(|rule| rule["type"] == "EMAIL"), "{out}");
    assert_eq!((&list[0]["id"], &list[0]["off"]), (&"email".into(), &false.into()));
    let (code, _, err) = run(here.path(), &["rules", "list", "--type", "EMIAL"], "");
    assert!(code == 2 && err.contains("did you mean EMAIL?"), "{err}");
}

/// Scenario: one rule by shape, one by key, one that there is not. Guarantee: all that its pack says, the action
/// in force and the place; the nearest id.
#[test]
fn a_rule_is_shown() {
    let here = folder();
    let set = "scrub.actions.email=pseudonym";
    let (code, out, _) = run(here.path(), &["rules", "show", "email", "--set", set], "");
    assert_eq!(code, 0);
    for expected in [
        "email, rules/personal.yaml:",
        "  description     An e-mail address.\n",
        "  action          pseudonym\n",
        "  found by        shape\n",
        "  validator       email\n",
        "  no_match        \"user@localhost\"\n",
    ] {
        assert!(out.contains(expected), "{expected:?} is not in\n{out}");
    }
    let (_, out, _) = run(here.path(), &["rules", "show", "key_person"], "");
    assert!(out.contains("names           enduser.id, ") && out.contains("attribute_only  true"), "{out}");
    let (_, out, _) = run(here.path(), &["rules", "show", "jwt", "--json"], "");
    let rule: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert!(rule["id"] == "jwt" && rule["literals"][0].is_string() && rule["line"].is_u64(), "{out}");
    let (code, _, err) = run(here.path(), &["rules", "show", "emial"], "");
    assert!(code == 2 && err.contains("there is no rule emial; did you mean email?"), "{err}");
}

/// Scenario: the built-in packs, then packs with a warning, an error, and no YAML at all. Guarantee: place, level
/// and rule are told; code 1 for errors, and for warnings only where they are denied.
#[test]
fn packs_are_linted() {
    let here = folder();
    let (code, out, err) = run(here.path(), &["rules", "lint", "--deny-warnings"], "");
    assert!(code == 0 && out.contains("0 errors, 0 warnings, "), "{out}{err}");
    let rule = |pattern: &str| {
        format!(
            "rules:\n  - {{ id: x, type: X1, description: d, severity: low, pattern: '{pattern}', \
             literals: [tok_], match: [a], no_match: [] }}\n"
        )
    };
    file(here.path(), "pack.yaml", &rule("tok_x{9}"));
    let (code, out, _) = run(here.path(), &["rules", "lint", "pack.yaml"], "");
    assert_eq!(code, 0);
    assert!(out.starts_with("pack.yaml:2:5: warning: rule x: `no_match` has no example (hint: "), "{out}");
    assert!(out.ends_with("\n0 errors, 1 warning, 0 notes\n"), "{out}");
    assert_eq!(run(here.path(), &["rules", "lint", "pack.yaml", "--deny-warnings"], "").0, 1);
    file(here.path(), "gap.yaml", &rule("(?:tok|key)_x{9}"));
    let (code, out, _) = run(here.path(), &["rules", "lint", "gap.yaml", "--json"], "");
    let list: serde_json::Value = serde_json::from_str(&out).unwrap();
    let last = list.as_array().unwrap().last().unwrap();
    assert!(code == 1 && last["level"] == "error" && last["line"] == 2, "{out}");
    assert!(last["message"].as_str().unwrap().contains("`key_`"), "{out}");
    // Such a rule is not put into force either: what starts so would be missed.
    let (code, _, err) = run(here.path(), &["validate", "--set", "scrub.packs=[gap.yaml]"], "");
    assert!(code == 2 && err.contains("gap.yaml:2:5") && err.contains("`key_`"), "{err}");
    file(here.path(), "broken.yaml", "rules: [");
    let (code, out, _) = run(here.path(), &["rules", "lint", "broken.yaml"], "");
    assert!(code == 1 && out.contains("error: not YAML"), "{out}");
    assert_eq!(run(here.path(), &["rules", "lint", "missing.yaml"], "").0, 2);
}

/// Scenario: text through `redact`. Guarantee: lines stay lines, values go, the summary is on stderr.
#[test]
fn text_is_redacted() {
    let here = folder();
    let input = "mail jane@example.com\nnothing here\n";
    let (code, out, err) = run(here.path(), &["redact"], input);
    assert_eq!((code, out.as_str()), (0, "mail [EMAIL]\nnothing here\n"));
    assert!(err.contains("2 lines, 1 value found") && err.contains("1  EMAIL (redact)"), "{err}");
    assert_eq!(run(here.path(), &["redact", "--fail-on-find", "-q"], input).0, 1);
    assert_eq!(run(here.path(), &["redact", "--fail-on-find"], "nothing here").0, 0);
    let path = file(here.path(), "a.log", input);
    let (code, out, _) = run(here.path(), &["redact", "-q", path.to_str().unwrap(), "a.log"], "");
    assert!(code == 0 && out.matches("[EMAIL]").count() == 2, "{out}");
    let (code, _, err) = run(here.path(), &["redact", "missing.log"], "");
    assert!(code == 1 && err.contains("missing.log"), "{err}");
}

/// Scenario: packed files, `-` among them, and one that is cut. Guarantee: all is read in order and comes out
/// plain; the cut one is an error with its line, after what it did hold, and the summary says how far it was.
#[test]
fn packed_text_is_redacted() {
    let here = folder();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(b"mail jane@example.com\n").unwrap();
    let packed = encoder.finish().unwrap();
    std::fs::write(here.path().join("a.gz"), &packed).unwrap();
    std::fs::write(here.path().join("cut.gz"), [&packed[..], &packed[..20]].concat()).unwrap();
    let zstd = zstd::encode_all(&b"card 4111 1111 1111 1111\n"[..], 1).unwrap();
    let (code, out, err) = run(here.path(), &["redact", "a.gz", "-", "a.gz"], zstd);
    assert_eq!((code, out.as_str()), (0, "mail [EMAIL]\ncard [CREDIT_CARD]\nmail [EMAIL]\n"));
    assert!(err.starts_with("3 lines, 3 values found\n"), "{err:?}");
    let (code, out, err) = run(here.path(), &["redact", "cut.gz"], "");
    assert_eq!((code, out.as_str()), (1, "mail [EMAIL]\n"));
    assert!(err.starts_with("1 line, 1 value found") && err.contains("cut.gz:2: expected gzip"), "{err}");
}

/// Scenario: JSON lines through `redact`. Guarantee: id and scrubbed text alone come out; a bad line is
/// named but not shown.
#[test]
fn json_lines_are_redacted() {
    let here = folder();
    let input = "{\"id\":\"a-1\",\"source\":\"x\",\"text\":\"mail jane@example.com\"}\n{\"id\":\"hush@example.com\"}\n";
    let (code, out, err) = run(here.path(), &["redact", "--jsonl", "id,text"], input);
    assert_eq!((code, out.as_str()), (1, "{\"id\":\"a-1\",\"text\":\"mail [EMAIL]\"}\n"));
    assert!(err.contains("stdin:2: expected a JSON object") && !err.contains("hush"), "{err}");
    let (code, _, err) = run(here.path(), &["redact", "--jsonl", "id"], "");
    assert!(code == 2 && err.contains("id,text"), "{err}");
}

/// Scenario: `explain` from arguments and from stdin. Guarantee: rule, place and reason; the value only
/// where it is asked for.
#[test]
fn findings_are_explained_without_values() {
    let here = folder();
    let text = "mail jane@example.com card 4111 1111 1111 1112";
    let (code, out, _) = run(here.path(), &["explain", text], "");
    assert_eq!(code, 0);
    assert!(
        out.contains(
            "found   EMAIL by rule email at bytes 5..21: its shape tells, the validator email says yes"
        ),
        "{out}"
    );
    assert!(out.contains("passed  rule credit_card at bytes 27..46: the validator card says no"), "{out}");
    assert!(!out.contains("jane") && !out.contains("4111"), "{out}");
    let (_, out, _) = run(here.path(), &["explain", "Chrome/120.0.99.71 ran"], "");
    assert!(out.contains("the word `chrome/` before it speaks against it"), "{out}");
    let (_, shown, _) = run(here.path(), &["explain", "--show-values"], format!("{text}\n"));
    assert!(shown.contains("\"jane@example.com\"") && shown.contains("mail [EMAIL] card"), "{shown}");
    let (_, out, _) = run(here.path(), &["explain", "--key", "password", "--json", "hunter2"], "");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["findings"][0]["by_key"], true);
    assert!(!out.contains("hunter2"), "{out}");
}

/// Scenario: two tenants' salts, one of which is destroyed. Guarantee: only when that is confirmed, and only that one;
/// where there is nothing, looking makes nothing.
#[test]
fn a_tenants_salt_is_destroyed() {
    let here = folder();
    let tenant = "00000000-0000-0000-0000-00000000000";
    let (code, out, _) = run(here.path(), &["salts", "list"], "");
    assert!(code == 0 && out.is_empty(), "{out}");
    let salts = here.path().join("portcullis-data/salts");
    assert!(!salts.exists());
    std::fs::create_dir_all(&salts).unwrap();
    for number in ["1", "2"] {
        std::fs::write(salts.join(format!("{tenant}{number}.salt")), [7; 32]).unwrap();
    }
    let first = format!("{tenant}1");
    let (code, _, err) = run(here.path(), &["salts", "destroy", &first], "");
    assert!(code == 2 && err.contains("say --yes"), "{err}");
    let destroy = ["salts", "destroy", &first, "--yes"];
    let (code, _, err) = run(here.path(), &destroy, "");
    assert!(code == 0 && err.contains("is destroyed"), "{err}");
    let (code, _, err) = run(here.path(), &destroy, "");
    assert!(code == 1 && err.contains("has no salt"), "{err}");
    let (_, out, _) = run(here.path(), &["salts", "list", "--json"], "");
    let list: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((list.as_array().unwrap().len(), &list[0]["tenant_id"]), (1, &format!("{tenant}2").into()));
    let (code, _, err) = run(here.path(), &["salts", "destroy", "jane", "--yes"], "");
    assert!(code == 2 && err.contains("expected a uuid"), "{err}");
}

/// Scenario: a quarantine that does not exist. Guarantee: empty, and not made by looking.
#[test]
fn an_empty_quarantine_is_empty() {
    let here = folder();
    assert_eq!(run(here.path(), &["quarantine", "list"], "").1, "the quarantine is empty\n");
    assert_eq!(run(here.path(), &["quarantine", "list", "--json"], "").1, "[]\n");
    for verb in [&["purge"][..], &["replay"], &["show"]] {
        assert_eq!(run(here.path(), &[&["quarantine"], verb].concat(), "").0, 0);
    }
    assert!(!here.path().join("portcullis-data").exists());
    let (code, _, err) = run(here.path(), &["quarantine", "purge", "--reason", "whim"], "");
    assert!(code == 2 && err.contains("unknown_tenant"), "{err}");
}

/// Scenario: wrong usage. Guarantee: code 2.
#[test]
fn wrong_usage_is_code_two() {
    let here = folder();
    for args in [&["serv"][..], &[], &["serve", "--cfg", "x"], &["validate", "--set", "novalue"]] {
        assert_eq!(run(here.path(), args, "").0, 2, "{args:?}");
    }
    assert_eq!(run(here.path(), &["--version"], "").0, 0);
}

/// Scenario: the schema and the reference page. Guarantee: a JSON Schema; the page in `docs/` is the one
/// that the types make (`portcullis schema --markdown > docs/config.md`).
#[test]
fn the_reference_is_up_to_date() {
    let here = folder();
    let (code, schema, _) = run(here.path(), &["schema"], "");
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    assert!(code == 0 && schema["properties"]["receivers"].is_object());
    let (_, page, _) = run(here.path(), &["schema", "--markdown"], "");
    let kept = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/config.md")).unwrap();
    assert!(page == kept, "docs/config.md: run `portcullis schema --markdown > docs/config.md`");
}
