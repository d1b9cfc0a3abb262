//! What is kept of a text: its shape, its tenants, what it does to the session.

use proptest::prelude::*;

use super::*;
use crate::limits;

fn normalized(text: &str) -> String {
    judge().judge(text).normalized.to_string()
}

fn literal(text: &str) -> TenantRef {
    TenantRef::Literal(text.into())
}

/// Scenario: one statement in the ways that clients write it. Guarantee: one normalised text, one fingerprint.
#[test]
fn forms_of_one_statement_are_one() {
    let groups: [&[&str]; 5] = [
        &[
            "SELECT * FROM documents WHERE tenant_id = $1 AND id IN ($2, $3) LIMIT 5",
            "select *\nfrom documents -- a comment\nwhere tenant_id='x' and id in (7) limit $4",
            "SELECT * FROM documents /* 'x' */ WHERE tenant_id = ? AND id IN (?, ?, ?) LIMIT ?",
            "SELECT * FROM documents WHERE tenant_id = E'x\\'y' AND id IN (-1, 2.5e3) LIMIT %s",
        ],
        &[
            "INSERT INTO documents (tenant_id, title) VALUES ($1, $2)",
            "INSERT INTO documents (tenant_id, title) VALUES ('a', NULL), ('b', 'it''s'), ('c', $$x$$)",
        ],
        &["SELECT 1 WHERE x = ANY(ARRAY[1, 2, 3])", "SELECT $1 WHERE x = ANY(ARRAY[$2])"],
        &["SET app.tenant_id = 'a'", "SET app.tenant_id = b", "set app.tenant_id = $1"],
        &["SELECT true, x FROM t WHERE a = TRUE", "SELECT $1, x FROM t WHERE a = $2"],
    ];
    for group in groups {
        let first = judge().judge(group[0]);
        for text in group {
            let statement = judge().judge(text);
            assert_eq!(statement.normalized, first.normalized, "{text}");
            assert_eq!(statement.fingerprint, first.fingerprint, "{text}");
        }
    }
    assert_eq!(
        normalized(
            "SELECT count(*) FROM \"Documents\" d WHERE d.tenant_id = 'a'::uuid AND d.deleted_at IS NULL"
        ),
        "select count(*) from \"Documents\" d where d.tenant_id = ?::uuid and d.deleted_at is null"
    );
    // It stands in files of approvals: it stays what it is.
    assert_eq!(judge().judge("SELECT * FROM documents").fingerprint, 16_243_976_112_609_114_571);
}

/// Scenario: a text that cannot be read, and may have been taken apart wrongly. Guarantee: names in it are not shown.
#[test]
fn what_is_not_understood_is_not_shown() {
    let text = "SELECT * FROM documents WHERE name = 'it\\'s jane doe' AND Jane Doe";
    assert_eq!(normalized(text), "select * from documents where name = ? _ _ _ ?");
}

/// Scenario: tenants as values, lists, arrays, rows, parameters of all styles. Guarantee: each is told once, in order.
#[test]
fn tenants_are_told() {
    let p = TenantRef::Parameter;
    let cases: [(&str, Vec<TenantRef>); 18] = [
        ("SELECT * FROM documents WHERE tenant_id = 'acme'", vec![literal("acme")]),
        ("SELECT * FROM documents WHERE tenant_id = 42 AND id = 7", vec![literal("42")]),
        ("SELECT * FROM documents WHERE tenant_id = -42", vec![literal("-42")]),
        ("SELECT * FROM documents WHERE tenant_id = $2 AND id = $1", vec![p(2)]),
        ("SELECT * FROM documents WHERE id = ? AND tenant_id = ?", vec![p(2)]),
        ("SELECT * FROM documents WHERE id = %s AND tenant_id = CAST(%s AS uuid)", vec![p(2)]),
        ("SELECT * FROM documents WHERE tenant_id IN ('a', 'b', 'a')", vec![literal("a"), literal("b")]),
        (
            "SELECT * FROM documents WHERE tenant_id = ANY('{a,\"b\"}'::uuid[])",
            vec![literal("a"), literal("b")],
        ),
        ("SELECT * FROM documents WHERE tenant_id = ANY(ARRAY['a', $3])", vec![literal("a"), p(3)]),
        ("SELECT * FROM documents WHERE tenant_id = 'a' OR title = 'b'", vec![literal("a")]),
        ("SELECT * FROM documents WHERE tenant_id <> 'a'", vec![]),
        ("INSERT INTO documents (title, tenant_id) VALUES ('x', 'a'), ($1, $2)", vec![literal("a"), p(2)]),
        (
            "INSERT INTO documents (tenant_id, title) SELECT 'a', body FROM notes WHERE tenant_id = 'b'",
            vec![literal("b"), literal("a")],
        ),
        ("UPDATE documents SET tenant_id = 'b' WHERE tenant_id = 'a'", vec![literal("a"), literal("b")]),
        (
            "SELECT * FROM documents d JOIN tenants t ON t.id = d.tenant_id WHERE t.slug = 'acme'",
            vec![literal("acme")],
        ),
        ("SELECT * FROM documents WHERE tenant_id = 'it''s'", vec![literal("it's")]),
        (
            "WITH p AS (SELECT 'a' AS t) SELECT * FROM documents d JOIN p ON p.t = d.tenant_id",
            vec![literal("a")],
        ),
        (
            "UPDATE documents d SET title = 'x' FROM (VALUES ('a', 1), ('b', 2)) v(t, id) WHERE d.tenant_id = v.t",
            vec![literal("a"), literal("b")],
        ),
    ];
    let mut judge = judge();
    for (text, expected) in cases {
        assert_eq!(judge.judge(text).tenants, expected, "{text}");
    }
}

/// Scenario: texts of one shape, one after the other. Guarantee: parsed once; each has its own tenants.
#[test]
fn one_shape_is_parsed_once() {
    let mut judge = judge();
    for n in 0..500 {
        let text = format!("SELECT * FROM documents WHERE title = 'x{n}' AND tenant_id = 't{n}' LIMIT {n}");
        assert_eq!(judge.judge(&text).tenants, [literal(&format!("t{n}"))]);
        let rows: Vec<String> = (0..=n % 7).map(|row| format!("('t{row}', {n})")).collect();
        let text = format!("INSERT INTO documents (tenant_id, id) VALUES {}", rows.join(", "));
        assert_eq!(judge.judge(&text).tenants.len(), n % 7 + 1);
    }
    assert_eq!(judge.parsed(), 2);
    let again = judge.judge("SELECT * FROM documents WHERE title = 'x1' AND tenant_id = 't1' LIMIT 1");
    assert!(Arc::ptr_eq(
        &again,
        &judge.judge("SELECT * FROM documents WHERE title = 'x1' AND tenant_id = 't1' LIMIT 1")
    ));
}

/// Scenario: all that changes a session. Guarantee: told, with names and values.
#[test]
fn what_a_session_is_told() {
    let set = |name: &str, value: Worth, local| Context::Set { name: name.into(), value, local };
    let text = |value: &str| Worth::Literal(value.into());
    let cases = [
        ("SET app.tenant_id = 'a'", set("app.tenant_id", text("a"), false)),
        ("SET SESSION app.tenant_id TO 42", set("app.tenant_id", text("42"), false)),
        ("SET LOCAL app.Tenant_id = 'a'", set("app.tenant_id", text("a"), true)),
        ("SET app.tenant_id = DEFAULT", set("app.tenant_id", Worth::Default, false)),
        ("SET search_path TO tenant_acme", set("search_path", text("tenant_acme"), false)),
        (
            "SET search_path = tenant_acme, \"Public\"",
            set("search_path", Worth::List(vec!["tenant_acme".into(), "Public".into()]), false),
        ),
        ("SET ROLE tenant_42", set("role", text("tenant_42"), false)),
        ("SET LOCAL ROLE NONE", set("role", Worth::Default, true)),
        ("SET SESSION AUTHORIZATION app", set("session_authorization", text("app"), false)),
        ("SELECT set_config('app.tenant_id', 'a', true)", set("app.tenant_id", text("a"), true)),
        (
            "SELECT pg_catalog.set_config('app.tenant_id', $1, false)",
            set("app.tenant_id", Worth::Parameter(1), false),
        ),
        ("SELECT set_config($1, $2, $3)", set("", Worth::Parameter(2), true)),
        ("RESET app.tenant_id", Context::Reset { name: "app.tenant_id".into() }),
        ("RESET ALL", Context::ResetAll),
        ("DISCARD ALL", Context::DiscardAll),
        ("BEGIN ISOLATION LEVEL SERIALIZABLE", Context::Begin),
        ("START TRANSACTION", Context::Begin),
        ("COMMIT", Context::Commit),
        ("END", Context::Commit),
        ("ROLLBACK", Context::Rollback),
    ];
    let mut judge = judge();
    for (text, expected) in cases {
        let statement = judge.judge(text);
        assert_eq!(statement.context, [expected], "{text}");
        assert_eq!(statement.scope, Scope::NotOwned, "{text}");
    }
    let quiet = [
        "ROLLBACK TO SAVEPOINT a",
        "SAVEPOINT a",
        "SET TRANSACTION READ ONLY",
        "SET CONSTRAINTS ALL DEFERRED",
    ];
    for text in quiet {
        assert!(judge.judge(text).context.is_empty(), "{text}");
    }
    // What is no setting tells none, whatever stands in it.
    assert!(judge.judge("SET 'secret' x = 'a'").context.is_empty());
    // One after the other, and the same shape with another value.
    let both =
        judge.judge("BEGIN; SET LOCAL app.tenant_id = 'b'; DELETE FROM notes WHERE tenant_id = 'b'; COMMIT");
    assert_eq!(both.context.len(), 3);
    assert_eq!(both.context[1], set("app.tenant_id", text("b"), true));
    assert_eq!((both.verb, both.scope.clone()), (Verb::Delete, Scope::Scoped));
    assert_eq!(judge.judge("SET app.tenant_id = 'c'").context, [set("app.tenant_id", text("c"), false)]);
}

/// Scenario: statements over tables with and without row level security. Guarantee: told whether a setting could scope
/// them, which one, what is missing, and what is compared.
#[test]
fn more_is_said_of_a_statement() {
    let mut judge = judge();
    let one = judge.judge("SELECT * FROM documents d WHERE d.title = 'x' AND author_id IN (1, 2)");
    let Scope::Unscoped(missing) = &one.scope else { panic!("{:?}", one.scope) };
    assert_eq!((&*missing[0].table, &*missing[0].predicate), ("documents", "\"d\".\"tenant_id\" = ?"));
    assert!(one.rls && missing[0].rls && !one.by_primary_key);
    assert_eq!(one.rls_settings, [Arc::<str>::from("app.tenant_id")]);
    let columns: Vec<_> = one.equalities.iter().map(|e| (&*e.table, &*e.column)).collect();
    assert_eq!(columns, [("documents", "title"), ("documents", "author_id")]);
    let two = judge.judge("SELECT * FROM documents d JOIN invoices i ON i.number = d.title");
    assert!(!two.rls, "invoices has none");
    let own = judge.judge("SELECT * FROM tenant_acme.documents");
    assert_eq!(own.schemas, [Arc::<str>::from("tenant_acme")]);
    assert!(own.tables[0].owned);
}

/// Scenario: texts as deep and as long as they may be, on a thread with a small stack. Guarantee: judged, or not
/// judged; never the end of the process.
#[test]
fn deep_and_long_texts_end_quietly() {
    let chain = |of: &str, count: usize| vec!["a = 1"; count].join(of);
    let texts = [
        format!("SELECT * FROM documents WHERE tenant_id = 'a' AND {}", chain(" AND ", 1300)),
        format!("SELECT * FROM documents WHERE {}", chain(" OR ", 1300)),
        format!("SELECT {}", vec!["1"; 2000].join(" + ")),
        format!("SELECT {}1{}", "(".repeat(3000), ")".repeat(3000)),
        format!("SELECT {}1", "- ".repeat(3000)),
        format!("SELECT {}true", "NOT ".repeat(3000)),
        format!("SELECT {}", vec!["SELECT 1"; 1000].join(" UNION ").trim_start_matches("SELECT ")),
        format!("SELECT 1{}", "::int".repeat(2000)),
        format!("SELECT a{}", "[1]".repeat(1300)),
        format!("SELECT * FROM {}documents{}", "(SELECT * FROM ".repeat(900), ") x".repeat(900)),
        format!("{}SELECT 1{}", "EXPLAIN ".repeat(4000), ""),
        format!("SELECT {}1{}", "CASE WHEN true THEN ".repeat(600), " END".repeat(600)),
        format!("SELECT {}1{}", "ARRAY[".repeat(1000), "]".repeat(1000)),
        format!("SELECT * FROM a {}", "JOIN b ON true ".repeat(700)),
        "values (".repeat(30_000),
        "x".repeat(limits::SQL_TEXT_BYTES * 2),
        "é'".repeat(limits::SQL_TEXT_BYTES),
    ];
    let worker = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    let done = worker.spawn(move || {
        let mut judge = judge();
        texts.iter().map(|text| judge.judge(text).fingerprint).count()
    });
    assert_eq!(done.unwrap().join().unwrap(), 17);
}

/// Words of SQL, names of the schema, values and marks, in any order.
fn piece() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "SELECT",
        "FROM",
        "WHERE",
        "AND",
        "OR",
        "NOT",
        "IN",
        "(",
        ")",
        ",",
        "=",
        "<>",
        "JOIN",
        "LEFT JOIN",
        "ON",
        "USING",
        "UNION",
        "WITH",
        "AS",
        "INSERT INTO",
        "VALUES",
        "UPDATE",
        "SET",
        "DELETE",
        "ON CONFLICT",
        "DO UPDATE",
        "EXISTS",
        "documents",
        "d",
        "notes",
        "n",
        "folder_items",
        "tenants",
        "tenant_id",
        "id",
        ".",
        "*",
        "::uuid",
        "IS NULL",
        "GROUP BY",
        "ORDER BY",
        "LIMIT",
        ";",
        "ANY",
        "ARRAY[",
        "]",
        "CASE",
        "WHEN",
        "END",
        "$1",
        "?",
        "%s",
        "-- x\n",
        "/*",
        "*/",
        "true",
        "null",
        "'",
        "\"",
        "$$",
        "E'",
        "LATERAL",
        "set_config(",
        "COPY",
        "TRUNCATE",
        "MERGE INTO",
        "RETURNING",
    ]);
    prop_oneof![8 => words.prop_map(String::from), 1 => "'[a-z ']{0,8}'", 1 => "[0-9]{1,4}", 1 => "\\PC{0,6}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Scenario: pieces of SQL in any order, and any text. Guarantee: no panic, and the same is said again.
    #[test]
    fn any_text_is_judged(pieces in prop::collection::vec(piece(), 0..40), any in "\\PC{0,80}") {
        let mut judge = judge();
        for text in [pieces.join(" "), pieces.concat(), any] {
            let first = judge.judge(&text);
            prop_assert_eq!(&*judge.judge(&text), &*first);
            prop_assert!(first.normalized.len() <= limits::SQL_NORMALIZED_BYTES);
        }
    }

    /// Scenario: a statement with values of any content, and the same with parameters. Guarantee: nothing of a value is
    /// in the normalised text; both are judged alike.
    #[test]
    fn values_make_no_difference(
        which in 0usize..8,
        values in prop::collection::vec("[QZ]{2}[a-zA-Z0-9'\\\\ ;$()-]{0,20}", 3..4),
        number in 1_000_000u64..,
    ) {
        let forms = [
            "SELECT * FROM documents WHERE tenant_id = {} AND title = {} AND id = {}",
            "SELECT * FROM documents WHERE title = {} OR title IN ({}, {})",
            "INSERT INTO documents (tenant_id, title, id) VALUES ({}, {}, {})",
            "UPDATE notes SET body = {} WHERE tenant_id = {} AND id = {}",
            "SELECT * FROM documents d LEFT JOIN notes n ON n.body = {} WHERE d.tenant_id = {} LIMIT {}",
            "DELETE FROM notes WHERE tenant_id IN ({}, {}) AND id > {}",
            "SELECT set_config('app.tenant_id', {}, false), {}, {}",
            "SELECT * FROM invoices WHERE tenant_id = ANY(ARRAY[{}, {}]) OR id = {}",
        ];
        let fill = |values: [&str; 3]| values.iter().fold(forms[which].to_owned(), |text, value| text.replacen("{}", value, 1));
        // A backslash before a quote is another matter: names are hidden then.
        let values: Vec<String> = values.iter().map(|value| value.replace('\\', "/")).collect();
        let quoted = |value: &str| format!("'{}'", value.replace('\'', "''"));
        let number = number.to_string();
        let literal = fill([&quoted(&values[0]), &quoted(&values[1]), &number]);
        let parameters = fill(["$1", "$2", "$3"]);
        let mut judge = judge();
        let (a, b) = (judge.judge(&literal), judge.judge(&parameters));
        prop_assert_eq!(&a.shaped, &b.shaped);
        prop_assert_eq!(a.tenants.len(), b.tenants.len() - usize::from(values[0] == values[1] && b.tenants.len() == 2));
        for value in values.iter().take(2).chain([&number]) {
            prop_assert!(!a.normalized.contains(value.as_str()), "{}", a.normalized);
        }
    }
}
