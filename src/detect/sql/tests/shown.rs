//! What is shown of a statement: names, never values.

use proptest::prelude::*;

use super::*;

fn shown(text: &str) -> String {
    judge().judge(text).normalized.to_string()
}

/// Scenario: names and strings in double quotes and backticks, where each may stand. Guarantee: a plain name is shown
/// where names stand, everything else is not.
#[test]
fn quoted_names_are_shown_where_names_stand() {
    let same = [
        r#"select "documents".* from "documents" where "documents"."title" = ?"#,
        r#"select "d"."id" as "d_id" from "documents" "d" join "notes" "n" on "n"."document_id" = "d"."id""#,
        r#"insert into "documents"("tenant_id", "title") values (?, ?) returning "id""#,
        r#"update "documents" set "title" = ? where "tenant_id" = ? and "id" in (?)"#,
        r#"select * from documents where ("id", "title") in (select "id", "title" from "notes")"#,
        r#"select count("id") from "documents" where "tenant_id" between ? and ? and "visible" order by "id""#,
    ];
    for text in same {
        assert_eq!(shown(text), text);
    }
    let hidden = [
        (r#"SELECT * FROM documents WHERE title = "jane""#, r#"select * from documents where title = "?""#),
        (
            r#"select * from documents where title like "jane" "doe" or title <> "x""#,
            r#"select * from documents where _ like "?" "?" or _ <> "?""#,
        ),
        (
            r#"insert into documents (title) values ("jane"), (lower("doe"), "x") returning "id""#,
            r#"insert into documents(title) values ("?"), (lower("?"), "?") returning "id""#,
        ),
        (
            r#"select * from (values ("jane"), ("doe")) v where title in ("a", "b") and x between "c" and "d""#,
            r#"select * from (values ("?"), ("?")) v where title in ("?", "?") and x between "?" and "?""#,
        ),
        (r#"select title as "Jane Doe" from documents"#, r#"select title as "?" from documents"#),
        (r#"select * from documents "jane@example.com""#, r#"select * from documents "?""#),
        (r#"select "4111111111111111" from documents"#, r#"select "?" from documents"#),
        (r#"select _utf8"jane" from documents"#, r#"select _utf8 "?" from documents"#),
        (
            "select `id` from `documents` where `title` = `jane doe`",
            "select `id` from `documents` where _ = _",
        ),
    ];
    for (text, expected) in hidden {
        let shown = shown(text);
        if text.contains('`') {
            assert!(!shown.contains("jane") && !shown.contains("doe"), "{shown}");
        } else {
            assert_eq!(shown, expected, "{text}");
        }
    }
    let judged = judge().judge(r#"select * from documents "jane@example.com""#);
    let Scope::Unscoped(missing) = &judged.scope else { panic!("{:?}", judged.scope) };
    assert_eq!((&*missing[0].alias, &*missing[0].predicate), ("?", r#""?"."tenant_id" = ?"#));
}

/// Scenario: a backslash before a quote, which ends the string here and not elsewhere. Guarantee: judged as PostgreSQL
/// does, but no name is shown that may be a part of a value; `ESCAPE '\\'` is no such.
#[test]
fn backslashes_hide_names() {
    let text = r#"SELECT * FROM documents WHERE title = "a\"" OR $$b" - jane$$ < id"#;
    assert!(!shown(text).contains("jane"), "{}", shown(text));
    let windows = r"SELECT * FROM documents x WHERE x.title = 'C:\' AND x.tenant_id = $1";
    assert_eq!(shown(windows), "select * from documents _ where _._ = ? and _._ = ?");
    assert_eq!(said(&judge().judge(windows)), "ok");
    let like = r"SELECT * FROM documents x WHERE x.title LIKE $1 ESCAPE '\'";
    assert_eq!(shown(like), "select * from documents x where x.title like ? escape ?");
    let doubled = r"SELECT * FROM documents x WHERE x.title = 'C:\\'";
    assert_eq!(shown(doubled), "select * from documents x where x.title = ?");
}

/// Scenario: one statement with marks, white space and comments around it. Guarantee: one fingerprint.
#[test]
fn marks_around_a_statement_change_nothing() {
    let one = judge().judge("SELECT * FROM documents WHERE title = $1");
    for text in [
        "SELECT * FROM documents WHERE title = $1;",
        " ;; SELECT * FROM documents WHERE title = 'x' ; -- the end\n ;",
        "/* first */ SELECT * FROM documents WHERE title = $1 /* then */ ;\n",
    ] {
        let other = judge().judge(text);
        assert_eq!((other.fingerprint, &other.scope), (one.fingerprint, &one.scope), "{text}");
    }
}

/// Ways to quote a text, each as databases and clients know it.
fn quoted(way: usize, text: &str) -> String {
    match way {
        0 => format!("'{}'", text.replace('\'', "''")),
        1 => format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
        2 => format!("$${}$$", text.replace('$', "")),
        3 => format!("$q${}$q$", text.replace('$', "")),
        4 => format!("\"{}\"", text.replace('"', "\"\"")),
        5 => format!("`{}`", text.replace('`', "``")),
        6 => format!("N'{}'", text.replace('\'', "''")),
        7 => format!("U&'{}'", text.replace('\'', "''")),
        8 => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
        _ => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Scenario: a statement with values of any content, quoted in any way, at each place of a value; and names that
    /// are no plain words. Guarantee: nothing of a value survives in the text that is shown.
    #[test]
    fn no_literal_survives(
        which in 0usize..12,
        ways in prop::collection::vec(0usize..10, 3),
        parts in prop::collection::vec(("[ '\"`\\\\;()@.$-]{0,3}", "[ '\"`\\\\;()@.-]{0,3}"), 3),
        plain in any::<bool>(),
    ) {
        let forms = [
            "SELECT * FROM documents WHERE title = {} AND id = {} OR {} < id",
            "SELECT * FROM documents WHERE title LIKE {} AND id NOT IN ({}, {})",
            "INSERT INTO documents (tenant_id, title, id) VALUES ({}, {}, {})",
            "INSERT INTO documents (title) VALUES ({}), (lower({})), ({})",
            "UPDATE notes SET body = {} WHERE tenant_id = {} AND id <> {}",
            "SELECT * FROM documents WHERE title BETWEEN {} AND {} AND id = {} LIMIT 5",
            "SELECT CASE WHEN title = {} THEN {} ELSE {} END FROM documents",
            "SELECT * FROM documents WHERE (title, id) IN (({}, 1), ({}, 2)) OR title ILIKE {}",
            "SELECT * FROM (VALUES (1, {}), (2, {})) v WHERE v.a IS DISTINCT FROM 1 AND v.b = {};",
            "SELECT title || {} FROM documents WHERE title ~* {} AND title >= {}",
            "MERGE INTO documents d USING notes n ON d.title = {} WHEN MATCHED THEN UPDATE SET title = {}, id = {}",
            "WITH a AS (SELECT * FROM notes WHERE body = {}) SELECT * FROM a WHERE body IN ({}) AND body != {}",
        ];
        let mut text = forms[which].to_owned();
        for (n, (way, (before, after))) in ways.iter().zip(&parts).enumerate() {
            let value = if plain { format!("zq{n}secret") } else { format!("zq{n}sec{before}zq{n}ret{after}") };
            // In double quotes with a comparison after it, a word may as well be a name.
            let way = if which == 0 && n == 2 && matches!(way, 4 | 5 | 9) { 0 } else { *way };
            text = text.replacen("{}", &quoted(way, &value), 1);
        }
        let shown = shown(&text);
        prop_assert!(!shown.to_lowercase().contains("zq"), "{text}\n{shown}");
    }
}
