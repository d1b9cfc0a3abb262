use std::{collections::BTreeMap, fs, net::SocketAddr, path::PathBuf};

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::*;

/// A gate in small.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Sample {
    /// Where requests come in.
    receivers: Receivers,
    /// Where data goes.
    destinations: Vec<Destination>,
    /// Words for people | with a bar.
    labels: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Receivers {
    /// OTLP over gRPC.
    grpc: Listener,
    /// OTLP over HTTP.
    http: Option<Listener>,
}

/// One listener.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Listener {
    /// Address and port.
    endpoint: SocketAddr,
    /// Largest request, in bytes.
    max_bytes: u32,
    /// Time for one request.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    timeout: std::time::Duration,
    /// Compress answers.
    compress: bool,
    /// Token of the administrator.
    token: Secret,
    /// What to do with bad data.
    mode: Mode,
}

impl Default for Listener {
    fn default() -> Self {
        Listener {
            endpoint: SocketAddr::from(([127, 0, 0, 1], 4317)),
            max_bytes: 10,
            timeout: std::time::Duration::from_secs(10),
            compress: false,
            token: Secret::default(),
            mode: Mode::Enforce,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Mode {
    /// Refuse.
    Enforce,
    /// Count.
    Observe,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Destination {
    /// Its name.
    name: String,
    /// Its address.
    #[serde(default)]
    url: Option<String>,
}

fn parse(text: &str) -> Document {
    Document::parse("p.yaml", text, Options { environment: Environment::Table(TABLE), ..Options::default() })
        .unwrap()
}

const TABLE: &[(&str, &str)] = &[
    ("PORT", "8080"),
    ("NAME", "gate"),
    ("EMPTY", ""),
    ("LINES", "a\nb"),
    ("DIGITS", "12345"),
    ("FLAG", "true"),
];

fn load_error(text: &str) -> String {
    Document::parse("p.yaml", text, Options { environment: Environment::Table(TABLE), ..Options::default() })
        .unwrap_err()
        .to_string()
}

fn errors(text: &str) -> String {
    parse(text).decode::<Sample>().unwrap_err().to_string()
}

/// Scenario: names that were mistyped, in several places. Guarantee: each is told at once, with
/// the place of its key and the name that was meant.
#[test]
fn unknown_fields_have_a_place_and_a_hint() {
    let text = "receivers:\n  grpc:\n    endpiont: 127.0.0.1:1\n    zzz: 1\nlables: {}\n";
    assert_eq!(
        errors(text),
        "p.yaml:5:1: lables: unknown field; did you mean \"labels\"?\n\
         p.yaml:3:5: receivers.grpc.endpiont: unknown field; did you mean \"endpoint\"?\n\
         p.yaml:4:5: receivers.grpc.zzz: unknown field; expected one of endpoint, max_bytes, timeout, compress, token, mode"
    );
}

/// Scenario: values of a wrong type, one of them a secret. Guarantee: what was expected is told,
/// and no value is.
#[test]
fn wrong_types_say_what_was_expected_and_never_the_value() {
    let text = "receivers:\n  grpc:\n    max_bytes: \"hunter2, expected hunter3\"\n    token: [hunter2]\n    compress: yes\n    mode: observed\n    endpoint: hunter2\n    timeout: hunter2s\n";
    let message = errors(text);
    assert!(!message.contains("hunter"), "{message}");
    for expected in [
        "p.yaml:3:16: receivers.grpc.max_bytes: expected a whole number from 0 to 4294967295, found text",
        "p.yaml:4:12: receivers.grpc.token: expected text, found a list",
        "p.yaml:5:15: receivers.grpc.compress: expected true or false, found text; write true or false",
        "p.yaml:6:11: receivers.grpc.mode: expected one of enforce, observe; did you mean \"observe\"?",
        "p.yaml:7:15: receivers.grpc.endpoint: invalid socket address syntax",
        "p.yaml:8:14: receivers.grpc.timeout: expected a whole number and a unit",
    ] {
        assert!(message.contains(expected), "{expected}\nnot in\n{message}");
    }
}

/// Scenario: a required field is missing in a list. Guarantee: the item's place, and its path.
#[test]
fn a_missing_field_points_at_its_item() {
    assert_eq!(
        errors("destinations:\n  - name: a\n  - url: b\n"),
        "p.yaml:3:5: destinations[1]: missing field \"name\""
    );
}

/// Scenario: a section with nothing under it. Guarantee: it is the default section.
#[test]
fn an_empty_section_sets_nothing() {
    assert_eq!(parse("receivers:\n  grpc:\nlabels:\n").decode::<Sample>().unwrap(), Sample::default());
    assert_eq!(parse("").decode::<Sample>().unwrap(), Sample::default());
    assert_eq!(Document::default().decode::<Sample>().unwrap(), Sample::default());
    assert_eq!(Document::default().decode_at::<Vec<u8>>("/x").unwrap(), Vec::<u8>::new());
    assert_eq!(Document::default().decode_at::<Sample>("/x").unwrap(), Sample::default());
}

/// Scenario: references in strings. Guarantee: whole plain ones take their type, quoted ones and
/// parts stay text, and a text field takes digits as they are.
#[test]
fn references_are_resolved_after_parsing() {
    let document = parse(
        "a: ${env:PORT}\nb: '${env:PORT}'\nc: x-${env:PORT}\nd: ${env:NONE:-7}\ne: ${env:NONE:-}\nf: $${env:PORT} ^a$\ng: ${env:FLAG}\nh: ${env:EMPTY}\n",
    );
    assert_eq!(
        document.value(),
        json!({"a": 8080, "b": "8080", "c": "x-8080", "d": 7, "e": "", "f": "${env:PORT} ^a$", "g": true, "h": ""})
    );
    let text = "labels:\n  more: ${env:DIGITS}\nreceivers:\n  grpc:\n    token: ${env:DIGITS}\n    max_bytes: ${env:DIGITS}\n";
    let sample: Sample = parse(text).decode().unwrap();
    assert_eq!(sample.labels["more"], "12345");
    assert_eq!(sample.receivers.grpc.token.expose(), "12345");
    assert_eq!(sample.receivers.grpc.max_bytes, 12345);
}

/// Scenario: references that cannot be resolved. Guarantee: all are told with their places, and
/// a value with a line break is refused without being shown.
#[test]
fn bad_references_are_errors_with_a_place() {
    assert_eq!(
        load_error("a: ${env:NONE}\nb:\n  - ${env:LINES}\n  - ${PORT}\n  - ${env:PORT\n"),
        "p.yaml:1:4: a: the environment variable NONE is not set; set it, or give a default with ${env:NONE:-default}\n\
         p.yaml:3:5: b[0]: the environment variable LINES holds a line break; use a file for such a value\n\
         p.yaml:4:5: b[1]: expected ${env:NAME} or ${env:NAME:-default}; a $ itself is written $$\n\
         p.yaml:5:5: b[2]: a reference with no end: expected ${env:NAME}"
    );
}

/// Scenario: validation with no environment. Guarantee: references stay and their fields are not
/// mistakes, bad syntax still is, and data files are not touched.
#[test]
fn without_an_environment_references_are_only_checked() {
    let unresolved = Options { environment: Environment::Unresolved, ..Options::default() };
    let document = Document::parse(
        "p",
        "receivers: {grpc: {max_bytes: \"${env:NONE}\"}}\nlabels: {a: x$$}\n",
        unresolved,
    )
    .unwrap();
    let sample = document.decode::<Sample>().unwrap();
    assert_eq!(sample.receivers.grpc.max_bytes, Listener::default().max_bytes);
    assert_eq!(sample.labels["a"], "x$");
    assert!(Document::parse("p", "a: ${env:}", unresolved).is_err());
    let data = Document::parse("p", "a: ${env:} $$", Options::data()).unwrap();
    assert_eq!(data.value(), json!({"a": "${env:} $$"}));
}

/// Scenario: two files and `--set`. Guarantee: maps merge, scalars and lists are replaced, and a
/// mistake keeps the place of the one who made it.
#[test]
fn later_files_and_sets_win() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("1.yaml"), folder.path().join("2.yaml"));
    fs::write(
        &one,
        "receivers: {grpc: {max_bytes: 1, compress: true}}\ndestinations: [{name: a}, {name: b}]\n",
    )
    .unwrap();
    fs::write(&two, "receivers: {grpc: {max_bytes: 2}}\ndestinations: [{name: c}]\n").unwrap();
    let sets = ["destinations.0.url=http://x", "labels.a\\.b=1", "receivers.http.timeout=5s"];
    let document = Document::load(&[&one, &two], &sets, Options::default()).unwrap();
    assert_eq!(
        document.value(),
        json!({"receivers": {"grpc": {"max_bytes": 2, "compress": true}, "http": {"timeout": "5s"}},
               "destinations": [{"name": "c", "url": "http://x"}], "labels": {"a.b": 1}})
    );
    let wrong = Document::load(&[&one], &["receivers.grpc.max_byte=hunter2"], Options::default()).unwrap();
    assert_eq!(
        wrong.decode::<Sample>().unwrap_err().to_string(),
        "--set: receivers.grpc.max_byte: unknown field; did you mean \"max_bytes\"?"
    );
    for bad in ["a", "=1", "a..b=1", "receivers.grpc.max_bytes.x=1", "destinations.7.url=x", "a=[1"] {
        let error = Document::load(&[&one], &[bad], Options::default()).unwrap_err().to_string();
        assert!(error.starts_with("--set: "), "{error}");
    }
    let none = Document::load(&[folder.path().join("3.yaml")], &[""; 0], Options::default()).unwrap_err();
    assert!(none.to_string().ends_with("3.yaml: cannot be read: entity not found"), "{none}");
}

/// Scenario: YAML made to do harm. Guarantee: refused with a place, quickly.
#[test]
fn hostile_yaml_is_refused() {
    let mut laughs = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for level in 1..12 {
        let below = format!("*a{}", level - 1);
        laughs.push_str(&format!("a{level}: &a{level} [{}]\n", [below.as_str(); 10].join(",")));
    }
    assert!(load_error(&laughs).contains("too many values"));
    let mut tower = String::from("a0: &a0 [x]\n");
    for level in 1..100 {
        tower.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
    }
    assert!(load_error(&tower).contains("nested deeper"));
    assert!(load_error(&"[".repeat(100)).contains("nested deeper"));
    assert!(load_error(&"[".repeat(100_000)).starts_with("p.yaml:1:"));
    assert!(load_error(&"- ".repeat(100_000)).contains("nested deeper"));
    assert_eq!(load_error("a: 1\nb: 2\na: 3\n"), "p.yaml:3:1: duplicate key \"a\"");
    assert!(load_error("a: &a [*a]").contains("alias"));
    assert!(load_error("a: 1\n---\nb: 2\n").contains("second document"));
    assert!(load_error("a: !thing 1").contains("tags"));
    assert!(load_error("? [a]\n: 1").contains("key must be plain"));
    assert!(load_error("a: .nan").contains("finite"));
    assert!(load_error("a: [1").starts_with("p.yaml:"));
    let large = "a: ".to_owned() + &"x".repeat(crate::limits::CONFIG_BYTES);
    assert!(load_error(&large).contains("larger than"));
}

/// Scenario: aliases as people use them. Guarantee: they stand for what they name.
#[test]
fn honest_aliases_work() {
    let document = parse("a: &x {n: 1}\nb: *x\nc: 18446744073709551615\n");
    assert_eq!(document.value(), json!({"a": {"n": 1}, "b": {"n": 1}, "c": u64::MAX}));
}

/// Scenario: a configuration with secrets of three kinds is printed. Guarantee: none is in it,
/// it reads back as the same configuration, and the hash changes only with what can be seen.
#[test]
fn printed_configuration_has_no_secrets() {
    let mut sample = Sample::default();
    sample.receivers.grpc.token = Secret::new("hunter2");
    sample.labels.insert("Authorization".into(), "Bearer hunter2".into());
    sample.labels.insert("a".into(), "https://me:hunter2@host/x@y".into());
    sample.labels.insert("odd".into(), "true".into());
    let text = print_config(&sample).unwrap();
    assert!(!text.contains("hunter2"), "{text}");
    assert_eq!(text.matches("****").count(), 3, "{text}");
    let back: Sample = Document::parse("p", &text, Options::data()).unwrap().decode().unwrap();
    assert_eq!(back.labels["odd"], "true");
    assert_eq!(back.receivers.grpc.token.expose(), "****");

    let before = hash(&sample).unwrap();
    assert_eq!(before.len(), 64);
    sample.receivers.grpc.token = Secret::new("hunter3");
    assert_eq!(hash(&sample).unwrap(), before);
    sample.receivers.grpc.max_bytes += 1;
    assert_ne!(hash(&sample).unwrap(), before);
}

/// Scenario: a secret in place, in a file, in both. Guarantee: one way only, no line end, bounded.
#[test]
fn secrets_come_from_one_place() {
    let folder = tempfile::tempdir().unwrap();
    let file: PathBuf = folder.path().join("secret");
    fs::write(&file, "hunter2\r\n").unwrap();
    let inline = Secret::new("x");
    assert_eq!(Secret::resolve(None, Some(file.as_path())).unwrap().unwrap().expose(), "hunter2");
    assert_eq!(Secret::resolve(Some(&inline), None).unwrap().unwrap().expose(), "x");
    assert!(Secret::resolve(Some(&Secret::default()), None).unwrap().is_none());
    let both = Secret::resolve(Some(&inline), Some(file.as_path())).unwrap_err().to_string();
    assert!(both.contains("both") && !both.contains("hunter2"));
    fs::write(&file, "\n").unwrap();
    assert!(Secret::resolve(None, Some(file.as_path())).unwrap_err().to_string().contains("empty"));
    fs::write(&file, "x".repeat(crate::limits::SECRET_BYTES + 1)).unwrap();
    assert!(Secret::resolve(None, Some(file.as_path())).is_err());
}

/// Scenario: the reference page. Guarantee: every key of every section, with type, default and words.
#[test]
fn the_reference_has_every_key() {
    let page = reference_markdown(&schema::<Sample>());
    for row in [
        "# Configuration reference",
        "## `receivers`",
        "### `receivers.grpc`",
        "### `receivers.http`",
        "| `endpoint` | string | `\"127.0.0.1:4317\"` | Address and port. |",
        "| `max_bytes` | integer | `10` | Largest request, in bytes. |",
        "| `timeout` | string | `\"10s\"` | Time for one request. |",
        "| `mode` | `enforce`, `observe` | `\"enforce\"` | What to do with bad data. |",
        "## `destinations[]`",
        "| `name` | string | required | Its name. |",
        "| `labels` | map of string |  | Words for people \\| with a bar. |",
    ] {
        assert!(page.contains(row), "{row}\nnot in\n{page}");
    }
}

/// Scenario: a file is written, replaced, removed and brought back. Guarantee: only another
/// content is a change.
#[test]
fn only_another_content_is_a_change() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f");
    fs::write(&file, "one").unwrap();
    let mut watched = watch::Watched::new(&file, 1024);
    assert!(!watched.changed());
    fs::write(&file, "two").unwrap();
    assert!(watched.changed() && !watched.changed());
    fs::write(&file, "two").unwrap();
    assert!(!watched.changed());
    fs::remove_file(&file).unwrap();
    assert!(!watched.changed());
    fs::write(&file, "three").unwrap();
    assert!(watched.changed() && !watched.changed());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        proptest::num::f64::NORMAL.prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[-0-9a-z:#&*!|>'\"%@` \n]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[-0-9a-z:#&*!|>'\"%@` .]{0,8}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Scenario: any text as a file. Guarantee: a document or an error, never a panic.
    #[test]
    fn any_text_is_a_document_or_an_error(text in any::<String>(), yaml in "[-a:{}\\[\\]&* \n\"'|>$env?,#!]{0,60}") {
        for text in [text, yaml] {
            if let Ok(document) = Document::parse("p", &text, Options::default()) {
                let _ = document.decode::<Sample>();
            }
        }
    }

    /// Scenario: any value as YAML. Guarantee: it reads back as the same value.
    #[test]
    fn yaml_round_trips(value in any_json()) {
        let wrapped = json!({ "value": value });
        let text = to_yaml(&wrapped);
        let back = Document::parse("p", &text, Options::data());
        prop_assert_eq!(back.map(|document| document.value()).map_err(|e| e.to_string()), Ok(wrapped), "{}", text);
    }
}
