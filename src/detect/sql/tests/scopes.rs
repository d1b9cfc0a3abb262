//! The judgement, statement by statement.

use super::{writes, *};

/// Statements that read.
const CASES: &[(&str, &str)] = &[
    // plain
    ("SELECT * FROM documents WHERE tenant_id = $1", "ok"),
    ("SELECT * FROM documents", "documents:no-predicate"),
    ("SELECT count(*) FROM documents", "documents:no-predicate"),
    ("SELECT count(*) FROM documents WHERE tenant_id = 'a'", "ok"),
    ("SELECT * FROM documents WHERE id = $1", "documents:no-predicate!"),
    ("SELECT * FROM documents WHERE id IN (1, 2, 3)", "documents:no-predicate!"),
    ("SELECT * FROM documents WHERE id = ANY($1)", "documents:no-predicate!"),
    ("SELECT * FROM documents WHERE title = $1", "documents:no-predicate"),
    ("SELECT * FROM documents WHERE id > $1 LIMIT 10", "documents:no-predicate"),
    ("SELECT * FROM countries", "none"),
    ("SELECT * FROM tenants WHERE slug = $1", "none"),
    ("SELECT * FROM unknown_table", "none"),
    ("SELECT 1", "none"),
    ("TABLE documents", "documents:no-predicate"),
    ("SELECT \"documents\".* FROM \"documents\" WHERE \"documents\".\"tenant_id\" = $1 LIMIT $2", "ok"),
    ("SELECT * FROM \"Orders\" WHERE tenant_id = $1", "ok"),
    ("SELECT * FROM Orders", "none"),
    ("SELECT * FROM DOCUMENTS D WHERE D.TENANT_ID = $1", "ok"),
    ("SELECT * FROM public.documents WHERE public.documents.tenant_id = $1", "ok"),
    ("SELECT * FROM ONLY documents WHERE tenant_id = $1", "ok"),
    ("SELECT * FROM documents d WHERE d.tenant_id = $1 FOR UPDATE SKIP LOCKED", "ok"),
    ("SELECT * FROM documents FOR UPDATE", "documents:no-predicate"),
    ("SELECT * FROM audit.events", "events:no-predicate"),
    ("SELECT * FROM documents -- WHERE tenant_id = $1", "documents:no-predicate"),
    ("SELECT * FROM documents /* tenant_id = $1 */ WHERE title = 'tenant_id = $1'", "documents:no-predicate"),
    // forms of equality
    ("SELECT * FROM documents WHERE $1 = tenant_id", "ok"),
    ("SELECT * FROM documents WHERE (tenant_id) = ($1)", "ok"),
    ("SELECT * FROM documents WHERE tenant_id = $1::uuid", "ok"),
    ("SELECT * FROM documents WHERE tenant_id::text = current_setting('app.tenant_id')", "ok"),
    (
        "SELECT * FROM documents WHERE tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid",
        "ok",
    ),
    ("SELECT * FROM documents WHERE tenant_id = (SELECT current_setting('app.tenant_id')::uuid)", "ok"),
    ("SELECT * FROM documents WHERE tenant_id = current_tenant()", "ok"),
    ("SELECT * FROM documents WHERE tenant_id IN ($1, $2)", "ok"),
    ("SELECT * FROM documents WHERE tenant_id IN (VALUES ($1), ($2))", "ok"),
    ("SELECT * FROM documents WHERE tenant_id = ANY($1)", "ok"),
    ("SELECT * FROM documents WHERE tenant_id = ANY(ARRAY[$1, $2]::uuid[])", "ok"),
    ("SELECT * FROM documents WHERE tenant_id = ALL($1)", "documents:not-equality"),
    ("SELECT * FROM documents WHERE tenant_id IS NOT DISTINCT FROM $1", "ok"),
    ("SELECT * FROM documents WHERE NOT (tenant_id IS DISTINCT FROM $1)", "ok"),
    ("SELECT * FROM documents WHERE (tenant_id, id) = ($1, $2)", "ok"),
    ("SELECT * FROM documents WHERE (tenant_id, id) IN (($1, $2), ($3, $4))", "ok"),
    ("SELECT * FROM documents WHERE (author_id, id) IN (($1, $2), ($3, $4))", "documents:no-predicate!"),
    ("SELECT * FROM documents WHERE (tenant_id = $1) IS TRUE", "ok"),
    ("SELECT * FROM documents WHERE (tenant_id = $1) IS NOT FALSE", "documents:not-equality"),
    ("SELECT * FROM documents WHERE tenant_id IS NULL", "ok"),
    ("SELECT * FROM documents WHERE tenant_id = ?", "ok"),
    ("SELECT * FROM documents WHERE tenant_id=%(tenant)s AND id=%s", "ok"),
    ("SELECT * FROM documents WHERE tenant_id = :tenant", "ok"),
    // what the parser has no words for
    ("SELECT * FROM documents WHERE tenant_id = $1 FOR NO KEY UPDATE OF documents SKIP LOCKED", "ok"),
    ("SELECT * FROM documents WHERE title = $1 FOR NO KEY UPDATE", "documents:no-predicate"),
    ("SELECT * FROM documents WHERE title = $1 FOR KEY SHARE NOWAIT", "documents:no-predicate"),
    ("SELECT * FROM documents WHERE tenant_id ISNULL AND title NOTNULL", "ok"),
    ("SELECT * FROM documents WHERE lower(title) ISNULL", "documents:no-predicate"),
    ("SELECT * FROM documents WHERE price BETWEEN SYMMETRIC $1 AND $2", "documents:no-predicate"),
    (
        "SELECT sum(price) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW) FROM documents",
        "documents:no-predicate",
    ),
    (
        "SELECT count(*) FROM documents WHERE tenant_id = $1 GROUP BY DISTINCT ROLLUP(visibility), CUBE(title)",
        "ok",
    ),
    ("SELECT * FROM documents WHERE tenant_id OPERATOR(pg_catalog.=) $1", "ok"),
    ("UPDATE documents SET title = $1 WHERE CURRENT OF c", "documents:no-predicate!"),
    (
        "WITH RECURSIVE t AS (SELECT id FROM folders WHERE tenant_id = $1 UNION ALL SELECT f.id FROM folders f JOIN t ON f.parent_id = t.id) SEARCH DEPTH FIRST BY id SET o CYCLE id SET again TO true DEFAULT false USING path SELECT * FROM t ORDER BY o",
        "ok",
    ),
    (
        "WITH RECURSIVE t AS (SELECT 1 AS id UNION SELECT id FROM t) CYCLE id SET again USING path SELECT * FROM documents",
        "documents:no-predicate",
    ),
    // what is no equality
    ("SELECT * FROM documents WHERE tenant_id <> $1", "documents:negated"),
    ("SELECT * FROM documents WHERE tenant_id != $1", "documents:negated"),
    ("SELECT * FROM documents WHERE NOT (tenant_id = $1)", "documents:negated"),
    ("SELECT * FROM documents WHERE NOT tenant_id <> $1", "ok"),
    ("SELECT * FROM documents WHERE tenant_id NOT IN ($1)", "documents:negated"),
    ("SELECT * FROM documents WHERE NOT (tenant_id NOT IN ($1))", "ok"),
    ("SELECT * FROM documents WHERE tenant_id IS NOT NULL", "documents:negated"),
    ("SELECT * FROM documents WHERE tenant_id IS DISTINCT FROM $1", "documents:not-equality"),
    ("SELECT * FROM documents WHERE tenant_id > $1", "documents:not-equality"),
    ("SELECT * FROM documents WHERE tenant_id BETWEEN $1 AND $2", "documents:not-equality"),
    ("SELECT * FROM documents WHERE tenant_id::text LIKE $1", "documents:not-equality"),
    ("SELECT * FROM documents WHERE tenant_id = COALESCE($1, tenant_id)", "documents:not-equality"),
    ("SELECT * FROM documents WHERE COALESCE(tenant_id, $1) = $1", "documents:not-equality"),
    (
        "SELECT * FROM documents WHERE CASE WHEN tenant_id = $1 THEN true ELSE true END",
        "documents:not-equality",
    ),
    ("SELECT * FROM documents WHERE tenant_id = author_id", "documents:no-predicate"),
    ("SELECT * FROM documents WHERE tenant_id = tenant_id", "documents:always-true"),
    ("SELECT tenant_id FROM documents GROUP BY tenant_id HAVING tenant_id = $1", "documents:no-predicate"),
    // AND, OR, constants
    ("SELECT * FROM documents WHERE tenant_id = $1 AND (visibility = $2 OR author_id = $3)", "ok"),
    ("SELECT * FROM documents WHERE tenant_id = $1 OR tenant_id = $2", "ok"),
    ("SELECT * FROM documents WHERE tenant_id = $1 OR visibility = 'public'", "documents:or"),
    (
        "SELECT * FROM documents WHERE (tenant_id = $1 OR visibility = 'public') AND title = $2",
        "documents:or",
    ),
    ("SELECT * FROM documents WHERE (tenant_id = $1 AND a = 1) OR (tenant_id = $1 AND b = 2)", "ok"),
    ("SELECT * FROM documents WHERE tenant_id = $1 OR tenant_id IS NULL", "ok"),
    ("SELECT * FROM documents WHERE $1 IS NULL OR tenant_id = $1", "documents:or"),
    ("SELECT * FROM documents WHERE tenant_id = $1 OR 1 = 1", "documents:always-true"),
    ("SELECT * FROM documents WHERE tenant_id = $1 OR TRUE", "documents:always-true"),
    ("SELECT * FROM documents WHERE tenant_id = $1 OR 'a' = 'a'", "documents:always-true"),
    ("SELECT * FROM documents WHERE tenant_id = $1 OR NOT FALSE", "documents:always-true"),
    ("SELECT * FROM documents WHERE tenant_id = $1 OR FALSE", "ok"),
    ("SELECT * FROM documents WHERE tenant_id = $1 OR 1 = 0", "ok"),
    ("SELECT * FROM documents WHERE tenant_id = $1 AND 1 = 1", "ok"),
    ("SELECT * FROM documents WHERE 1 = 1", "documents:no-predicate"),
    ("SELECT * FROM documents WHERE 1 = 0", "ok"),
    ("SELECT * FROM documents WHERE FALSE AND title = $1", "ok"),
    ("SELECT * FROM documents WHERE NOT (tenant_id <> $1 OR title = $2)", "ok"),
    ("SELECT * FROM documents WHERE NOT (tenant_id <> $1 AND title = $2)", "documents:or"),
    // joins
    ("SELECT * FROM documents d JOIN notes n ON n.document_id = d.id WHERE d.tenant_id = $1", "ok"),
    ("SELECT * FROM documents d JOIN notes n ON n.document_id = d.id", "d:no-predicate n:no-predicate"),
    ("SELECT * FROM documents d, notes n WHERE n.document_id = d.id AND d.tenant_id = $1", "ok"),
    (
        "SELECT * FROM documents d JOIN notes n ON n.tenant_id = d.tenant_id AND n.body = d.title WHERE n.tenant_id = $1",
        "ok",
    ),
    ("SELECT * FROM documents d JOIN notes n USING (tenant_id) WHERE tenant_id = $1", "ok"),
    ("SELECT * FROM documents d RIGHT JOIN notes n USING (tenant_id) WHERE tenant_id = $1", "ok"),
    (
        "SELECT * FROM documents d JOIN members m ON m.id = d.author_id WHERE d.tenant_id = $1",
        "m:other-table!",
    ),
    (
        "SELECT * FROM documents d JOIN members m ON m.id = d.author_id AND m.tenant_id = d.tenant_id WHERE d.tenant_id = $1",
        "ok",
    ),
    ("SELECT * FROM documents d JOIN members m ON m.email = d.title WHERE d.tenant_id = $1", "m:other-table"),
    (
        "SELECT * FROM documents d JOIN notes n ON n.document_id = d.id WHERE n.tenant_id = $1",
        "d:other-table!",
    ),
    ("SELECT * FROM documents d CROSS JOIN notes n WHERE d.tenant_id = $1", "n:other-table"),
    ("SELECT * FROM documents d, notes n WHERE d.tenant_id = $1 AND n.tenant_id = $1", "ok"),
    (
        "SELECT * FROM documents a JOIN documents b ON a.title = b.title WHERE a.tenant_id = $1",
        "b:other-table",
    ),
    ("SELECT * FROM documents d JOIN countries c ON c.code = d.title WHERE d.tenant_id = $1", "ok"),
    ("SELECT * FROM documents d JOIN tenants t ON t.id = d.tenant_id WHERE t.slug = $1", "ok"),
    ("SELECT * FROM documents d JOIN tenants t ON t.id = d.tenant_id WHERE t.id = $1", "ok"),
    ("SELECT * FROM documents d JOIN tenants t ON t.id = d.tenant_id WHERE t.name = $1", "d:no-predicate"),
    ("SELECT * FROM documents d JOIN tenants t ON t.id = d.tenant_id", "d:no-predicate"),
    ("SELECT * FROM documents d JOIN tenants t ON t.id = d.author_id WHERE t.id = $1", "d:other-table"),
    ("SELECT * FROM documents NATURAL JOIN countries WHERE tenant_id = $1", "ok"),
    // outer joins
    ("SELECT * FROM documents d LEFT JOIN notes n ON n.document_id = d.id WHERE d.tenant_id = $1", "ok"),
    (
        "SELECT * FROM documents d LEFT JOIN notes n ON d.tenant_id = $1 AND n.document_id = d.id",
        "d:outer-join n:outer-join",
    ),
    ("SELECT * FROM documents d LEFT JOIN notes n ON n.tenant_id = $1", "d:other-table"),
    (
        "SELECT * FROM documents d LEFT JOIN notes n ON n.tenant_id = d.tenant_id AND n.tenant_id = $1",
        "d:outer-join",
    ),
    ("SELECT * FROM documents d LEFT JOIN notes n ON n.tenant_id = d.tenant_id WHERE n.tenant_id = $1", "ok"),
    (
        "SELECT * FROM documents d LEFT JOIN notes n ON n.tenant_id = d.tenant_id WHERE n.tenant_id IS NOT DISTINCT FROM $1",
        "d:outer-join",
    ),
    (
        "SELECT * FROM documents d RIGHT JOIN notes n ON d.tenant_id = $1 AND n.document_id = d.id",
        "n:outer-join",
    ),
    ("SELECT * FROM documents d RIGHT JOIN notes n ON n.tenant_id = $1", "d:no-predicate n:outer-join"),
    (
        "SELECT * FROM documents d FULL JOIN notes n ON n.tenant_id = d.tenant_id AND d.tenant_id = $1",
        "d:outer-join n:outer-join",
    ),
    ("SELECT * FROM countries c LEFT JOIN documents d ON d.title = c.code AND d.tenant_id = $1", "ok"),
    (
        "SELECT * FROM countries c LEFT JOIN (documents d JOIN notes n ON n.document_id = d.id) ON d.tenant_id = $1",
        "ok",
    ),
    (
        "SELECT * FROM documents d LEFT JOIN notes n ON n.document_id = d.id WHERE n.tenant_id = $1",
        "d:other-table!",
    ),
    ("SELECT * FROM notes n LEFT JOIN documents d ON d.id = n.document_id WHERE d.tenant_id = $1", "ok"),
    // children without a tenant column
    ("SELECT * FROM folder_items", "folder_items:no-predicate"),
    ("SELECT * FROM folder_items WHERE folder_id = $1", "folder_items:no-predicate!"),
    ("SELECT * FROM folder_items WHERE id = $1", "folder_items:no-predicate!"),
    ("SELECT * FROM folder_items i JOIN folders f ON f.id = i.folder_id WHERE f.tenant_id = $1", "ok"),
    ("SELECT * FROM folder_items i JOIN folders f ON f.id = i.id WHERE f.tenant_id = $1", "i:other-table"),
    (
        "SELECT * FROM item_tags g JOIN folder_items i ON i.id = g.item_id JOIN folders f ON f.id = i.folder_id WHERE f.tenant_id = $1",
        "ok",
    ),
    ("SELECT * FROM folder_items WHERE folder_id IN (SELECT id FROM folders WHERE tenant_id = $1)", "ok"),
    (
        "SELECT * FROM folder_items i WHERE EXISTS (SELECT 1 FROM folders f WHERE f.id = i.folder_id AND f.tenant_id = $1)",
        "ok",
    ),
    (
        "SELECT * FROM folder_items i WHERE NOT EXISTS (SELECT 1 FROM folders f WHERE f.id = i.folder_id AND f.tenant_id = $1)",
        "i:subquery",
    ),
    (
        "SELECT * FROM folder_items i LEFT JOIN folders f ON f.id = i.folder_id AND f.tenant_id = $1",
        "i:outer-join",
    ),
    // subqueries
    (
        "SELECT * FROM documents WHERE id IN (SELECT document_id FROM notes WHERE tenant_id = $1)",
        "documents:subquery!",
    ),
    (
        "SELECT * FROM documents WHERE title IN (SELECT body FROM notes WHERE tenant_id = $1)",
        "documents:subquery",
    ),
    ("SELECT * FROM documents WHERE tenant_id IN (SELECT id FROM tenants WHERE slug = $1)", "ok"),
    ("SELECT * FROM documents WHERE tenant_id = (SELECT id FROM tenants WHERE slug = $1)", "ok"),
    ("SELECT * FROM documents WHERE tenant_id IN (SELECT id FROM tenants)", "documents:subquery"),
    (
        "SELECT * FROM documents WHERE tenant_id IN (SELECT m.tenant_id FROM members m WHERE m.tenant_id = $1)",
        "ok",
    ),
    (
        "SELECT * FROM documents d WHERE d.tenant_id = $1 AND EXISTS (SELECT 1 FROM notes n WHERE n.document_id = d.id)",
        "ok",
    ),
    (
        "SELECT * FROM documents d WHERE d.tenant_id = $1 AND EXISTS (SELECT 1 FROM notes n WHERE n.body = d.title)",
        "n:no-predicate",
    ),
    (
        "SELECT * FROM documents d WHERE d.tenant_id = $1 AND id IN (SELECT document_id FROM notes)",
        "notes:no-predicate",
    ),
    (
        "SELECT d.*, (SELECT count(*) FROM notes n WHERE n.document_id = d.id) FROM documents d WHERE d.tenant_id = $1",
        "ok",
    ),
    ("SELECT d.*, (SELECT count(*) FROM notes n) FROM documents d WHERE d.tenant_id = $1", "n:no-predicate"),
    ("SELECT (SELECT count(*) FROM documents d WHERE d.tenant_id = t.id) FROM tenants t", "d:no-predicate"),
    (
        "SELECT (SELECT count(*) FROM documents d WHERE d.tenant_id = t.id) FROM tenants t WHERE t.id = $1",
        "ok",
    ),
    ("SELECT EXISTS (SELECT 1 FROM documents)", "documents:no-predicate"),
    (
        "SELECT * FROM documents d WHERE EXISTS (SELECT count(*) FROM tenants t WHERE t.id = d.tenant_id AND t.slug = $1)",
        "d:subquery",
    ),
    (
        "SELECT * FROM documents ORDER BY (SELECT max(id) FROM notes WHERE tenant_id = $1)",
        "documents:no-predicate",
    ),
    ("SELECT * FROM documents WHERE (tenant_id, id) IN (VALUES ($1, $2), ($3, $4))", "ok"),
    ("SELECT * FROM documents WHERE (title, author_id) IN (VALUES ($1, $2))", "documents:no-predicate"),
    (
        "SELECT * FROM documents d WHERE EXISTS (SELECT 1 FROM tenants t WHERE t.id = d.tenant_id AND t.slug = $1 GROUP BY ())",
        "d:subquery",
    ),
    ("SELECT (SELECT title FROM documents d WHERE d.id = c.seen_by) FROM countries c", "d:no-predicate"),
    (
        "SELECT (SELECT email FROM members m WHERE m.id = d.author_id) FROM documents d WHERE d.tenant_id = $1",
        "m:no-predicate!",
    ),
    (
        "SELECT f.* FROM folders f LEFT JOIN documents d ON d.title = f.name WHERE f.tenant_id = $1 AND d.tenant_id IS NULL",
        "ok",
    ),
    (
        "SELECT * FROM (SELECT d.*, n.tenant_id AS nt FROM documents d LEFT JOIN notes n ON n.tenant_id = d.tenant_id) x WHERE x.nt IS NULL",
        "d:no-predicate n:no-predicate",
    ),
    // derived tables
    ("SELECT * FROM (SELECT * FROM documents) d WHERE d.tenant_id = $1", "ok"),
    ("SELECT * FROM (SELECT id, title FROM documents) d WHERE d.id = $1", "documents:no-predicate"),
    (
        "SELECT * FROM (SELECT d.tenant_id AS t, n.body FROM documents d JOIN notes n ON n.document_id = d.id) x WHERE x.t = $1",
        "ok",
    ),
    (
        "SELECT * FROM (SELECT d.tenant_id AS t, n.body FROM documents d, notes n) x WHERE x.t = $1",
        "d:no-predicate n:no-predicate",
    ),
    ("SELECT count(*) FROM (SELECT * FROM documents WHERE tenant_id = $1 LIMIT 10) x", "ok"),
    (
        "SELECT * FROM (SELECT *, row_number() OVER (ORDER BY id) FROM documents) d WHERE d.tenant_id = $1",
        "documents:no-predicate",
    ),
    (
        "SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY tenant_id ORDER BY id) FROM documents) d WHERE d.tenant_id = $1",
        "ok",
    ),
    ("SELECT row_number() OVER (ORDER BY id) FROM documents WHERE tenant_id = $1", "ok"),
    (
        "SELECT * FROM (SELECT tenant_id, count(*) FROM documents GROUP BY tenant_id) d WHERE d.tenant_id = $1",
        "ok",
    ),
    (
        "SELECT * FROM (SELECT * FROM documents WHERE tenant_id = $1) d JOIN notes n ON n.document_id = d.id",
        "ok",
    ),
    (
        "SELECT * FROM documents d JOIN LATERAL (SELECT * FROM notes n WHERE n.document_id = d.id LIMIT 3) x ON true WHERE d.tenant_id = $1",
        "ok",
    ),
    (
        "SELECT * FROM documents d, LATERAL (SELECT * FROM notes n LIMIT 3) x WHERE d.tenant_id = $1",
        "n:no-predicate",
    ),
    ("SELECT * FROM documents d, unnest(d.tags) AS t(tag) WHERE d.tenant_id = $1", "ok"),
    ("SELECT * FROM documents d(a, b) WHERE b = $1", "ok"),
    (
        "SELECT * FROM (SELECT tenant_id, count(*) FROM documents GROUP BY ROLLUP (tenant_id)) s WHERE tenant_id IS NULL",
        "documents:no-predicate",
    ),
    (
        "SELECT * FROM (SELECT tenant_id, count(*) FROM documents GROUP BY GROUPING SETS ((tenant_id), ())) s WHERE tenant_id = $1 OR tenant_id IS NULL",
        "documents:no-predicate",
    ),
    (
        "SELECT * FROM (SELECT tenant_id, count(*) FROM documents GROUP BY CUBE (tenant_id)) s WHERE tenant_id = $1",
        "ok",
    ),
    ("SELECT * FROM documents WHERE tenant_id = own(documents.*)", "documents:not-equality"),
    ("SELECT d.id, d.ti...", "unread"),
    ("SELECT d.id, d.ti…", "unread"),
    ("SELECT * FROM documents WHERE title = 'ab", "unread"),
    ("SELECT * FROM documents WHERE title = 'x...' AND tenant_id = $1", "ok"),
    // set operations
    ("SELECT id FROM documents WHERE tenant_id = $1 UNION SELECT id FROM notes WHERE tenant_id = $1", "ok"),
    ("SELECT id FROM documents WHERE tenant_id = $1 UNION ALL SELECT id FROM notes", "notes:no-predicate"),
    (
        "SELECT id FROM documents INTERSECT SELECT id FROM notes WHERE tenant_id = $1",
        "documents:no-predicate",
    ),
    ("SELECT id FROM documents WHERE tenant_id = $1 EXCEPT SELECT id FROM notes", "notes:no-predicate"),
    (
        "SELECT * FROM (SELECT id, tenant_id FROM documents UNION ALL SELECT id, tenant_id FROM notes) u WHERE u.tenant_id = $1",
        "ok",
    ),
    (
        "SELECT * FROM (SELECT id, tenant_id FROM documents UNION ALL SELECT tenant_id, id FROM notes) u WHERE u.tenant_id = $1",
        "documents:no-predicate notes:no-predicate",
    ),
    // WITH
    ("WITH d AS (SELECT * FROM documents WHERE tenant_id = $1) SELECT * FROM d", "ok"),
    ("WITH d AS (SELECT * FROM documents) SELECT * FROM d WHERE tenant_id = $1", "ok"),
    ("WITH d AS (SELECT * FROM documents) SELECT * FROM d", "documents:no-predicate"),
    ("WITH d AS (SELECT * FROM documents) SELECT 1", "documents:no-predicate"),
    (
        "WITH d AS (SELECT * FROM documents) SELECT * FROM d WHERE tenant_id = $1 UNION ALL SELECT * FROM d",
        "documents:no-predicate",
    ),
    ("WITH documents AS (SELECT 1 AS id) SELECT * FROM documents", "none"),
    (
        "WITH d AS (SELECT * FROM documents WHERE tenant_id = $1) SELECT * FROM notes n JOIN d ON d.id = n.document_id",
        "ok",
    ),
    (
        "WITH RECURSIVE t AS (SELECT id, parent_id FROM folders WHERE tenant_id = $1 AND parent_id IS NULL UNION ALL SELECT f.id, f.parent_id FROM folders f JOIN t ON f.parent_id = t.id) SELECT * FROM t",
        "ok",
    ),
    (
        "WITH RECURSIVE t AS (SELECT id, parent_id FROM folders WHERE id = $1 UNION ALL SELECT f.id, f.parent_id FROM folders f JOIN t ON f.parent_id = t.id) SELECT * FROM t",
        "folders:no-predicate! f:no-predicate",
    ),
    ("WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT * FROM t", "none"),
    ("WITH x AS (UPDATE documents SET title = $1 WHERE tenant_id = $2 RETURNING id) SELECT * FROM x", "ok"),
    (
        "WITH x AS (DELETE FROM documents RETURNING *) INSERT INTO countries SELECT title FROM x",
        "documents:no-predicate",
    ),
];

/// Scenario: statements of all kinds over the tables of `schema.sql`. Guarantee: each is judged as written here.
#[test]
fn statements_are_judged() {
    let mut judge = judge();
    let cases = || CASES.iter().chain(writes::CASES);
    let wrong: Vec<String> = cases()
        .filter_map(|(text, expected)| {
            let said = said(&judge.judge(text));
            (said != *expected).then(|| format!("{text}\n    is {said}, expected {expected}"))
        })
        .collect();
    assert!(
        cases().count() >= 120 && wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases().count(),
        wrong.join("\n")
    );
}
