//! `portcullis audit-sql` as people run it: each format, each verdict, each output.

use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
};

use serde_json::Value;

const SCHEMA: &str = "CREATE TABLE public.documents (id bigint PRIMARY KEY, tenant_id uuid NOT NULL, title text);
CREATE TABLE public.notes (id bigint PRIMARY KEY, tenant_id uuid NOT NULL, document_id bigint REFERENCES documents (id), body text);
ALTER TABLE public.notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON public.notes USING (tenant_id = (current_setting('app.tenant_id'::text))::uuid);
CREATE TABLE public.countries (code text PRIMARY KEY);
";

/// Values that stand in the fixtures and must stand in no output.
const VALUES: [&str; 3] = ["secret-title", "jane@example.com", "9e107d9d"];

const STDERR: &str = "2026-01-31 10:00:00.001 UTC [100] LOG:  database system is ready to accept connections
2026-01-31 10:00:01.000 UTC [101] LOG:  statement: SELECT * FROM documents WHERE title = 'secret-title'
2026-01-31 10:00:01.001 UTC [101] LOG:  statement: SELECT *
\tFROM documents
\tWHERE tenant_id = '9e107d9d-372b-4b6d-8c4b-1d4f5a3b2c1d'
2026-01-31 10:00:01.002 UTC [102] LOG:  duration: 0.412 ms  execute <unnamed>: SELECT * FROM notes n WHERE n.body = $1
2026-01-31 10:00:01.002 UTC [102] DETAIL:  parameters: $1 = 'jane@example.com'
2026-01-31 10:00:01.003 UTC [102] LOG:  duration: 0.012 ms  bind <unnamed>: SELECT * FROM documents
2026-01-31 10:00:01.004 UTC [102] LOG:  execute S_1: UPDATE documents SET title = $1 WHERE id = $2
2026-01-31 10:00:01.005 UTC [103] LOG:  statement: SELECT * FROM documents WHERE title = 'another secret-title'
2026-01-31 10:00:01.006 UTC [103] LOG:  statement: SELECT * FROM countries
2026-01-31 10:00:01.007 UTC [103] LOG:  statement: EXECUTE p('jane@example.com')
2026-01-31 10:00:01.007 UTC [103] DETAIL:  prepare: PREPARE p AS SELECT * FROM documents WHERE tenant_id = $1;
2026-01-31 10:00:01.008 UTC [103] ERROR:  syntax error at or near \"FORM\" at character 10
2026-01-31 10:00:01.008 UTC [103] STATEMENT:  SELECT * FORM documents
2026-01-31 10:00:01.009 UTC [103] LOG:  statement: SELECT jane@example.com FROM WHERE
";

struct Case {
    directory: tempfile::TempDir,
}

impl Case {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("schema.sql"), SCHEMA).unwrap();
        Case { directory }
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        fs::write(self.directory.path().join(name), content).unwrap();
        self
    }

    /// Exit code, standard output, standard error; no value of the data is in either.
    fn run(&self, args: &[&str]) -> (i32, String, String) {
        self.run_with(args, b"")
    }

    fn run_with(&self, args: &[&str], input: &[u8]) -> (i32, String, String) {
        let schema = !args.iter().any(|arg| arg.starts_with("--tables") || arg.starts_with("--schema"));
        let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .arg("audit-sql")
            .args(schema.then_some(["--schema", "schema.sql"]).iter().flatten())
            .args(args)
            .current_dir(self.directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let _ = child.stdin.take().unwrap().write_all(input);
        let output = child.wait_with_output().unwrap();
        let (out, err) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        for value in VALUES {
            assert!(!out.contains(value) && !err.contains(value), "{value} is shown:\n{out}\n{err}");
        }
        (output.status.code().unwrap(), out, err)
    }

    fn json(&self, args: &[&str]) -> (i32, Value) {
        let (code, out, err) = self.run(&[args, &["--output", "json"]].concat());
        (code, serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}\n{err}")))
    }
}

/// `first: reason` of each, with its count.
fn list(report: &Value, part: &str) -> Vec<String> {
    let one = |found: &Value| {
        let missing = &found["missing"][0];
        format!(
            "{} {} {} x{}",
            found["first"].as_str().unwrap(),
            missing["table"].as_str().unwrap_or("-"),
            missing["reason"].as_str().unwrap_or("-"),
            found["count"]
        )
    };
    report[part].as_array().unwrap().iter().map(one).collect()
}

/// Scenario: a log as people read it, with statements of several lines, extended protocol, durations, an error, a
/// prepared statement. Guarantee: each execution is judged once; the report says where, how often and why; code 1.
#[test]
fn a_log_of_stderr() {
    let case = Case::new();
    case.file("postgresql.log", STDERR);
    let (code, report) = case.json(&["postgresql.log"]);
    assert_eq!(code, 1);
    assert_eq!(
        list(&report, "findings"),
        ["postgresql.log:2 documents no-predicate x2", "postgresql.log:6 notes no-predicate x1"]
    );
    assert_eq!(list(&report, "by_key"), ["postgresql.log:9 documents no-predicate x1"]);
    assert_eq!(list(&report, "not_judged"), ["postgresql.log:16 - - x1"]);
    let summary = &report["summary"];
    let counts = ["statements", "scoped", "not_owned", "unscoped", "not_judged"]
        .map(|key| summary[key].as_u64().unwrap());
    assert_eq!(counts, [8, 2, 1, 4, 1]);
    assert_eq!(report["findings"][0]["missing"][0]["predicate"], "\"documents\".\"tenant_id\" = ?");

    let (code, out, _) = case.run(&["postgresql.log"]);
    assert_eq!(code, 1);
    assert!(
        out.contains("2 times, first at postgresql.log:2")
            && out.contains("select * from documents where title = ?"),
        "{out}"
    );
    // The same from standard input.
    assert_eq!(case.run_with(&["-", "--format", "stderr"], STDERR.as_bytes()).0, 1);
}

/// Scenario: verdicts by option: keys, row level security, approvals that hold and that are over. Guarantee: only what
/// is left is a finding; nothing left is code 0.
#[test]
fn verdicts() {
    let case = Case::new();
    case.file("postgresql.log", STDERR);
    let (_, report) = case.json(&["postgresql.log", "--by-key", "report"]);
    assert_eq!(report["findings"].as_array().unwrap().len(), 3);
    let (_, report) = case.json(&["postgresql.log", "--rls", "trust"]);
    assert_eq!(list(&report, "rls"), ["postgresql.log:6 notes no-predicate x1"]);
    let documents = report["findings"][0]["fingerprint"].as_str().unwrap();
    let approve = |until: &str| {
        format!(
            "approved:\n  - fingerprint: \"{documents}\"\n    owner: search\n    reason: titles are unique\n    expires: {until}\n"
        )
    };
    case.file("holds.yaml", approve("2099-12-31")).file("over.yaml", approve("2020-01-01"));
    let (code, report) = case.json(&["postgresql.log", "--rls", "trust", "--approve", "holds.yaml"]);
    assert_eq!((code, list(&report, "findings").len(), list(&report, "approved").len()), (0, 0, 1));
    let (code, report) = case.json(&["postgresql.log", "--rls", "trust", "--approve", "over.yaml"]);
    assert_eq!(code, 1);
    assert_eq!(report["findings"][0]["approval"]["expires"], "2020-01-01");
    let (_, out, _) = case.run(&["postgresql.log", "--rls", "trust", "--approve", "over.yaml"]);
    assert!(
        out.contains("the approval by search is over since 2020-01-01") && !out.contains("approved by"),
        "{out}"
    );
    let (_, out, _) = case.run(&["postgresql.log", "--rls", "trust", "--approve", "holds.yaml"]);
    assert!(out.contains("approved by search until 2099-12-31: titles are unique"), "{out}");
    case.file(
        "wrong.yaml",
        "approved:\n  - fingerprint: \"12\"\n    owner: a\n    reason: b\n    expires: 2099-12-31\n",
    );
    let (code, _, err) = case.run(&["postgresql.log", "--approve", "wrong.yaml"]);
    assert!(code == 2 && err.contains("16 digits"), "{err}");
}

/// Scenario: the same statements in csvlog, jsonlog, pg_stat_statements and OTLP. Guarantee: the same findings, told
/// with user and application where the format has them.
#[test]
fn other_formats() {
    let case = Case::new();
    let csv = |message: &str, detail: &str| {
        let quote = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        format!(
            "2026-01-31 10:00:01.000 UTC,\"web\",\"app\",101,\"[local]\",65bb1b01.65,1,\"SELECT\",2026-01-31 10:00:00 UTC,3/4,0,LOG,00000,{},{},,,,,,,,\"rails, web\",\"client backend\",,0\n",
            quote(message),
            quote(detail)
        )
    };
    let log = [
        csv("statement: SELECT 1", ""),
        csv("statement: SELECT \"documents\".*\nFROM documents\nWHERE title = 'secret-title, x'", ""),
        csv(
            "duration: 1.5 ms  execute <unnamed>: SELECT * FROM documents WHERE tenant_id = $1",
            "parameters: $1 = '9e107d9d'",
        ),
        csv("statement: DELETE FROM notes", ""),
        "2026-01-31 broken\n".into(),
    ];
    case.file("postgresql.csv", log.concat());
    let (code, report) = case.json(&["postgresql.csv"]);
    let mut found = list(&report, "findings");
    found.sort();
    assert_eq!(
        (code, found),
        (
            1,
            vec![
                "postgresql.csv:2 documents no-predicate x1".into(),
                "postgresql.csv:6 notes no-predicate x1".into()
            ]
        )
    );
    assert_eq!(
        (report["findings"][0]["user"].as_str(), report["findings"][0]["application"].as_str()),
        (Some("web"), Some("rails, web"))
    );
    assert_eq!(report["summary"]["odd_records"], 1);

    let json = |message: &str| {
        serde_json::json!({"timestamp": "x", "user": "web", "application_name": "rails", "error_severity": "LOG", "message": message}).to_string() + "\n"
    };
    case.file(
        "postgresql.json",
        [json("statement: DELETE FROM notes"), json("statement: DELETE FROM notes"), json("duration: 1 ms")]
            .concat(),
    );
    let (_, report) = case.json(&["postgresql.json"]);
    assert_eq!(list(&report, "findings"), ["postgresql.json:1 notes no-predicate x2"]);

    case.file("stats.csv", "userid,dbid,queryid,query,calls,rows\n10,1,5,\"SELECT * FROM documents WHERE title = $1\",1200,3\n10,1,6,\"SELECT * FROM documents WHERE created_at > now() - interval $1 AND tenant_id = $2\",7,3\n");
    let (_, report) = case.json(&["stats.csv"]);
    assert_eq!(list(&report, "findings"), ["stats.csv:2 documents no-predicate x1200"]);
    assert_eq!(report["summary"]["scoped"], 7);

    let span = |text: &str, system: &str| {
        format!(
            "{{\"name\":\"q\",\"attributes\":[{{\"key\":\"db.system\",\"value\":{{\"stringValue\":\"{system}\"}}}},{{\"key\":\"db.statement\",\"value\":{{\"stringValue\":\"{text}\"}}}}]}}"
        )
    };
    let request = format!(
        "{{\"resourceSpans\":[{{\"resource\":{{\"attributes\":[{{\"key\":\"service.name\",\"value\":{{\"stringValue\":\"checkout\"}}}}]}},\"scopeSpans\":[{{\"spans\":[{},{},{}]}}]}}]}}\n",
        span("SELECT * FROM documents WHERE title = %s", "postgresql"),
        span("SELECT * FROM documents WHERE tenant_id = ?", "postgresql"),
        span("SELECT * FROM documents", "mysql"),
    );
    case.file("traces.json", &request);
    let (_, report) = case.json(&["traces.json"]);
    assert_eq!(list(&report, "findings"), ["traces.json:1 documents no-predicate x1"]);
    assert_eq!(report["findings"][0]["application"], "checkout");
    let bytes =
        portcullis::wire::json::decode(portcullis::batch::Signal::Traces, request.as_bytes()).unwrap();
    case.file("one.pb", &bytes);
    assert_eq!(list(&case.json(&["one.pb"]).1, "findings"), ["one.pb documents no-predicate x1"]);
    let framed = [&(bytes.len() as u32).to_be_bytes()[..], &bytes].concat().repeat(3);
    case.file("three.pb", framed);
    assert_eq!(list(&case.json(&["three.pb"]).1, "findings"), ["three.pb documents no-predicate x3"]);
}

/// Scenario: SARIF. Guarantee: what its schema requires is there, places and rules are what code scanning needs, and an
/// approved statement is suppressed.
#[test]
fn sarif() {
    let case = Case::new();
    case.file("my log.log", STDERR);
    let (code, out, err) = case.run(&["my log.log", "--output", "sarif"]);
    let sarif: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, sarif["version"].as_str()), (1, Some("2.1.0")));
    assert!(err.contains("8 statements: 2 scoped"), "{err}");
    let run = &sarif["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    assert!(run["tool"]["driver"]["name"].is_string());
    assert_eq!(rules.len(), 11);
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    for result in results {
        let rule = &rules[result["ruleIndex"].as_u64().unwrap() as usize];
        assert_eq!(rule["id"], result["ruleId"]);
        assert!(result["message"]["text"].as_str().is_some_and(|text| !text.is_empty()));
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "my%20log.log");
        assert!(place["region"]["startLine"].as_u64().unwrap() >= 1);
    }
    assert_eq!(results[0]["ruleId"], "unscoped/no-predicate");
}

/// Scenario: a list of tables, and mistakes on the command line and in files. Guarantee: judged by the list; code 2 and a
/// message that says what is wrong where.
#[test]
fn lists_and_mistakes() {
    let case = Case::new();
    case.file("tables.yaml", "tables:\n  - name: lists\n    column: org_id\n  - name: list_items\n    by: list_id\n    parent: lists\n");
    case.file("a.log", "LOG:  statement: SELECT * FROM lists\nLOG:  statement: SELECT * FROM list_items i JOIN lists l ON l.id = i.list_id WHERE l.org_id = 5\n");
    let (code, out, err) =
        case.run(&["a.log", "--tables", "tables.yaml", "--log-line-prefix", "", "--output", "json"]);
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{err}"));
    assert_eq!((code, list(&report, "findings")), (1, vec!["a.log:1 lists no-predicate x1".into()]));
    assert_eq!(report["summary"]["scoped"], 1);

    let mistakes: [(&[&str], &str); 6] = [
        (&["a.log"], "--log-line-prefix"),
        (&["absent.log"], "absent.log"),
        (&["a.log", "--schema", "a.log"], "no CREATE TABLE"),
        (&["a.log", "--log-line-prefix", "%y"], "%y"),
        (&["a.log", "--tables", "schema.sql"], "schema.sql"),
        (&["a.log", "--schema-from", "nonsense"], "--schema-from"),
    ];
    for (args, expected) in mistakes {
        let (code, out, err) = case.run(args);
        assert!(code == 2 && out.is_empty() && err.contains(expected), "{args:?}: {code} {err}");
    }
}

/// Scenario: inputs that are none of the format, packed, cut, or empty. Guarantee: an audit that read nothing does not
/// pass for one that found nothing (code 2, the place, what is expected, what to do); odd records among good ones, and
/// inputs that say nothing, are warned of; no value is shown.
#[test]
fn an_input_that_says_nothing_does_not_pass() {
    let case = Case::new();
    let pretty = "{\n  \"resourceSpans\": [\n    { \"name\": \"secret-title\" }\n  ]\n}\n";
    let json = r#"{"timestamp":"x","error_severity":"LOG","message":"statement: SELECT * FROM countries"}"#;
    let quiet = r#"{"timestamp":"x","error_severity":"LOG","message":"checkpoint starting: time"}"#;
    case.file("server.log", STDERR)
        .file("pretty.json", pretty)
        .file("cut.json", "{\"resourceSpans\":[{\"name\":\"secret-title\"")
        .file("log.json", json)
        .file("packed.log", b"\x1f\x8b\x08\x00secret-title\n")
        .file("packed.zst", b"\x28\xb5\x2f\xfdsecret-title\n")
        .file("random", b"\x07\xff\x00secret-title\n\x01,\x02\n")
        .file("stats.csv", "query,calls\nSELECT 1,1\n")
        .file("mixed.json", format!("\u{feff}{json}\n\nsecret-title\n{{}}\n"))
        .file("quiet.json", quiet)
        .file("empty.log", "");
    let refused: [(&[&str], &[&str]); 11] = [
        (
            &["server.log", "--format", "jsonlog"],
            &["server.log:1: not JSON", "none of 16 records", "--format stderr"],
        ),
        (&["server.log", "--format", "csvlog"], &["server.log:1: a record of", "csvlog", "--format stderr"]),
        (&["server.log", "--format", "otlp"], &["server.log: request 1 is no OTLP"]),
        (&["stats.csv", "--format", "csvlog"], &["stats.csv:1: ", "--format pg_stat_statements"]),
        (&["pretty.json"], &["pretty.json:1: the line ends before its JSON does", "jq -c ."]),
        (&["pretty.json", "--format", "jsonlog"], &["--format otlp"]),
        (&["cut.json"], &["cut.json:1: the line ends before its JSON does"]),
        (
            &["log.json", "--format", "otlp"],
            &["log.json:1: JSON, but no request of OTLP", "--format jsonlog"],
        ),
        (&["packed.log"], &["packed.log: is packed (gzip)", "unpack it first"]),
        (&["packed.zst", "--format", "csvlog"], &["packed.zst: is packed (zstd)"]),
        (&["random"], &["random:1: it does not begin as a log line", "--log-line-prefix"]),
    ];
    for (args, expected) in refused {
        let (code, out, err) = case.run(args);
        assert!(code == 2 && out.is_empty(), "{args:?}: {code} {out} {err}");
        expected.iter().for_each(|text| assert!(err.contains(text), "{args:?}: {text}: {err}"));
    }
    for format in ["csvlog", "jsonlog", "otlp", "stderr", "pg_stat_statements"] {
        let (code, _, err) = case.run(&["random", "--format", format]);
        assert_eq!(code, 2, "{format}: {err}");
    }
    let warned: [(&[&str], &str); 3] = [
        (&["mixed.json"], "warning: mixed.json:3: not JSON; 2 of 3 records are no jsonlog"),
        (&["quiet.json"], "warning: quiet.json: no statements in 1 records of jsonlog"),
        (&["empty.log", "--format", "pg_stat_statements"], "warning: empty.log: it is empty"),
    ];
    for (args, expected) in warned {
        let (code, _, err) = case.run(args);
        assert!(code == 0 && err.contains(expected), "{args:?}: {code} {err}");
    }
    let (code, _, err) = case.run(&["server.log", "--tenant-column", "tenant_id,org"]);
    assert!(code == 2 && err.contains("--tenant-column org: none of the 3 tables"), "{err}");
}
