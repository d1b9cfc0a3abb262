//! The judgement, statement by statement.

use super::*;

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
    // UPDATE, DELETE
    ("UPDATE documents SET title = $1 WHERE tenant_id = $2 AND id = $3", "ok"),
    ("UPDATE documents SET title = $1 WHERE id = $2", "documents:no-predicate!"),
    ("UPDATE documents SET title = $1", "documents:no-predicate"),
    ("UPDATE documents SET tenant_id = $1 WHERE title = $2", "documents:no-predicate"),
    (
        "UPDATE notes n SET body = d.title FROM documents d WHERE d.id = n.document_id AND d.tenant_id = $1",
        "ok",
    ),
    ("UPDATE notes n SET body = d.title FROM documents d WHERE n.tenant_id = $1", "d:other-table"),
    (
        "UPDATE documents SET title = (SELECT body FROM notes LIMIT 1) WHERE tenant_id = $1",
        "notes:no-predicate",
    ),
    ("DELETE FROM documents WHERE tenant_id = $1", "ok"),
    ("DELETE FROM documents", "documents:no-predicate"),
    ("DELETE FROM documents WHERE id = 5", "documents:no-predicate!"),
    ("DELETE FROM notes n USING documents d WHERE n.document_id = d.id AND d.tenant_id = $1", "ok"),
    ("DELETE FROM notes n USING documents d WHERE d.tenant_id = $1", "n:other-table"),
    // values by another name
    (
        "WITH p AS (SELECT $1::uuid AS tenant_id) SELECT d.* FROM documents d JOIN p ON p.tenant_id = d.tenant_id",
        "ok",
    ),
    ("WITH p(t) AS (VALUES ($1::uuid)) SELECT d.* FROM documents d, p WHERE p.t = d.tenant_id", "ok"),
    ("WITH p AS (SELECT $1 AS t) SELECT * FROM documents WHERE tenant_id = (SELECT t FROM p)", "ok"),
    ("WITH p AS (SELECT $1 AS t) SELECT * FROM documents WHERE tenant_id IN (SELECT t FROM p)", "ok"),
    ("SELECT * FROM documents WHERE tenant_id IN (SELECT $1::uuid)", "ok"),
    (
        "SELECT * FROM documents WHERE tenant_id IN (SELECT $1 UNION ALL SELECT tenant_id FROM notes)",
        "notes:no-predicate documents:subquery",
    ),
    ("SELECT * FROM (SELECT $1 AS t) p JOIN documents d ON d.tenant_id = p.t", "ok"),
    ("SELECT * FROM (SELECT $1 AS t UNION SELECT $2) p JOIN documents d ON d.tenant_id = p.t", "ok"),
    (
        "SELECT * FROM (SELECT $1 AS t UNION SELECT id FROM tenants) p JOIN documents d ON d.tenant_id = p.t",
        "d:no-predicate",
    ),
    ("SELECT * FROM (SELECT $1 AS t) p LEFT JOIN documents d ON d.tenant_id = p.t", "ok"),
    ("SELECT * FROM documents d LEFT JOIN (SELECT $1 AS t) p ON d.tenant_id = p.t", "d:outer-join"),
    (
        "SELECT * FROM (SELECT count(*) AS t FROM countries) p JOIN documents d ON d.tenant_id = p.t",
        "d:no-predicate",
    ),
    (
        "SELECT * FROM (SELECT code AS t FROM countries) p JOIN documents d ON d.tenant_id = p.t",
        "d:no-predicate",
    ),
    ("SELECT * FROM unnest($1::uuid[]) AS v(t) JOIN documents d ON d.tenant_id = v.t", "ok"),
    ("SELECT * FROM documents d, unnest(d.tags) AS v(t) WHERE d.tenant_id = v.t", "d:no-predicate"),
    (
        "UPDATE documents d SET title = v.title FROM (VALUES ($1, $2, $3)) v(tenant_id, id, title) WHERE d.tenant_id = v.tenant_id AND d.id = v.id",
        "ok",
    ),
    (
        "UPDATE documents d SET title = v.title FROM (VALUES ($1, $2)) v(id, title) WHERE d.id = v.id",
        "d:no-predicate!",
    ),
    (
        "MERGE INTO documents d USING (SELECT $1 AS t, $2 AS x) s ON d.tenant_id = s.t AND d.title = s.x WHEN MATCHED THEN UPDATE SET title = s.x",
        "ok",
    ),
    ("INSERT INTO documents (tenant_id, title) SELECT v.t, v.x FROM (VALUES ($1, $2)) v(t, x)", "ok"),
    (
        "WITH RECURSIVE t(x) AS (SELECT $1::uuid UNION ALL SELECT d.author_id FROM documents d JOIN t ON d.tenant_id = t.x) SELECT * FROM t",
        "d:no-predicate",
    ),
    ("SELECT * FROM documents WHERE ROW(tenant_id, id) = ROW($1, $2)", "ok"),
    ("SELECT * FROM documents WHERE ROW(tenant_id, id) < ROW($1, $2)", "documents:not-equality"),
    ("SELECT * FROM documents WHERE (tenant_id = $1) = true", "ok"),
    ("SELECT * FROM documents WHERE (tenant_id <> $1) = false", "ok"),
    ("SELECT * FROM documents WHERE (tenant_id = $1) = false", "documents:negated"),
    ("SELECT * FROM documents WHERE coalesce(tenant_id = $1, false)", "ok"),
    ("SELECT * FROM documents WHERE coalesce(tenant_id = $1, true)", "documents:not-equality"),
    ("SELECT * FROM documents WHERE NOT coalesce(tenant_id = $1, false)", "documents:negated"),
    ("SELECT * FROM generate_series(1, 9) g(t) JOIN documents d ON d.tenant_id = g.t", "d:no-predicate"),
    ("SELECT * FROM (SELECT generate_series(1, 9) AS t) g JOIN documents d ON d.id = g.t", "d:no-predicate"),
    (
        "SELECT * FROM jsonb_to_recordset($1) AS v(id bigint) JOIN documents d ON d.id = v.id",
        "d:no-predicate!",
    ),
    // subqueries in subqueries
    (
        "SELECT * FROM item_tags WHERE item_id IN (SELECT id FROM folder_items WHERE folder_id IN (SELECT id FROM folders WHERE tenant_id = $1))",
        "ok",
    ),
    (
        "SELECT * FROM item_tags t WHERE EXISTS (SELECT 1 FROM folder_items i WHERE i.id = t.item_id AND EXISTS (SELECT 1 FROM folders f WHERE f.id = i.folder_id AND f.tenant_id = $1))",
        "ok",
    ),
    (
        "SELECT * FROM item_tags t WHERE EXISTS (SELECT 1 FROM folder_items i WHERE i.id = t.item_id AND NOT EXISTS (SELECT 1 FROM folders f WHERE f.id = i.folder_id AND f.tenant_id = $1))",
        "i:subquery! t:subquery",
    ),
    (
        "SELECT * FROM item_tags t WHERE EXISTS (SELECT 1 FROM folder_items i WHERE i.id = t.item_id AND EXISTS (SELECT 1 FROM folders f WHERE f.tenant_id = $1))",
        "i:subquery! t:subquery",
    ),
    // windows
    (
        "SELECT * FROM (SELECT tenant_id, lag(title) OVER w FROM documents WINDOW w AS (PARTITION BY tenant_id ORDER BY id)) x WHERE x.tenant_id = $1",
        "ok",
    ),
    (
        "SELECT * FROM (SELECT tenant_id, lag(title) OVER (w ORDER BY id) FROM documents WINDOW w AS (PARTITION BY tenant_id)) x WHERE x.tenant_id = $1",
        "ok",
    ),
    (
        "SELECT * FROM (SELECT tenant_id, lag(title) OVER w FROM documents WINDOW w AS (ORDER BY id)) x WHERE x.tenant_id = $1",
        "documents:no-predicate",
    ),
    // by key, or not
    ("UPDATE documents SET tenant_id = $1 WHERE id = $2", "documents:no-predicate"),
    ("UPDATE documents SET tenant_id = $1, title = $3 WHERE id = $2 AND tenant_id = $4", "ok"),
    ("SELECT * FROM documents WHERE id IN (SELECT id FROM documents WHERE tenant_id = $1 LIMIT 5)", "ok"),
    ("DELETE FROM documents WHERE ctid IN (SELECT ctid FROM documents WHERE tenant_id = $1 LIMIT 5)", "ok"),
    ("DELETE FROM documents WHERE ctid IN (SELECT ctid FROM documents LIMIT 5)", "documents:no-predicate"),
    ("SELECT * FROM documents a JOIN documents b ON b.id = a.id WHERE a.tenant_id = $1", "ok"),
    (
        "SELECT * FROM documents a JOIN documents b ON b.author_id = a.author_id WHERE a.tenant_id = $1",
        "b:other-table",
    ),
    ("SELECT * FROM members WHERE id IN (SELECT id FROM documents WHERE tenant_id = $1)", "members:subquery"),
    (
        "SELECT * FROM members WHERE id IN (SELECT author_id FROM documents WHERE tenant_id = $1)",
        "members:subquery!",
    ),
    ("SELECT * FROM notes n JOIN documents d ON d.id = n.id WHERE d.tenant_id = $1", "n:other-table"),
    ("SELECT * FROM notes n JOIN members m ON m.id = n.document_id WHERE m.tenant_id = $1", "n:other-table"),
    (
        "SELECT * FROM folder_items i JOIN documents d ON d.id = i.folder_id WHERE d.tenant_id = $1",
        "i:other-table",
    ),
    (
        "SELECT * FROM item_tags t JOIN members m ON m.id = t.item_id WHERE m.id = $1",
        "t:no-predicate m:no-predicate!",
    ),
    (
        "SELECT *, (SELECT email FROM members m WHERE m.id = d.author_id) FROM documents d WHERE d.tenant_id = $1",
        "m:no-predicate!",
    ),
    (
        "SELECT *, (SELECT email FROM members m WHERE m.id = d.id) FROM documents d WHERE d.tenant_id = $1",
        "m:no-predicate",
    ),
    (
        "INSERT INTO members (tenant_id, email) VALUES ($1, $2) ON CONFLICT ON CONSTRAINT members_pkey DO UPDATE SET email = $2",
        "members:on-conflict",
    ),
    // INSERT
    ("INSERT INTO documents (tenant_id, title) VALUES ($1, $2)", "ok"),
    ("INSERT INTO documents (title) VALUES ($1)", "documents:insert"),
    ("INSERT INTO documents (id, title) VALUES ($1, $2), ($3, $4) RETURNING id", "documents:insert"),
    ("INSERT INTO documents VALUES (1, $1, $2)", "ok"),
    ("INSERT INTO documents VALUES (1)", "documents:insert"),
    ("INSERT INTO documents DEFAULT VALUES", "documents:insert"),
    ("INSERT INTO invoices (number) VALUES ($1)", "ok"),
    ("INSERT INTO invoices (tenant_id, number) VALUES (DEFAULT, $1)", "ok"),
    ("INSERT INTO documents (tenant_id, title) VALUES (DEFAULT, $1)", "documents:insert"),
    ("INSERT INTO documents (tenant_id, title) SELECT tenant_id, body FROM notes WHERE tenant_id = $1", "ok"),
    ("INSERT INTO documents (tenant_id, title) SELECT $1, body FROM notes WHERE tenant_id = $1", "ok"),
    ("INSERT INTO documents (tenant_id, title) SELECT tenant_id, body FROM notes", "notes:no-predicate"),
    (
        "INSERT INTO documents (tenant_id, title) SELECT document_id, body FROM notes WHERE tenant_id = $1",
        "documents:insert",
    ),
    ("INSERT INTO folder_items (folder_id) VALUES ($1)", "folder_items:insert!"),
    ("INSERT INTO folder_items (folder_id) SELECT id FROM folders WHERE tenant_id = $1", "ok"),
    ("INSERT INTO members (tenant_id, email) VALUES ($1, $2) ON CONFLICT DO NOTHING", "ok"),
    (
        "INSERT INTO members (tenant_id, email) VALUES ($1, $2) ON CONFLICT (email) DO UPDATE SET role = $3",
        "members:on-conflict",
    ),
    (
        "INSERT INTO members (id, tenant_id, email) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET email = EXCLUDED.email",
        "members:on-conflict",
    ),
    (
        "INSERT INTO members (tenant_id, email) VALUES ($1, $2) ON CONFLICT (email) DO UPDATE SET role = $3 WHERE members.tenant_id = EXCLUDED.tenant_id",
        "ok",
    ),
    (
        "INSERT INTO invoices (tenant_id, number) VALUES ($1, $2) ON CONFLICT (tenant_id, number) DO UPDATE SET amount = 1",
        "ok",
    ),
    (
        "INSERT INTO invoices (tenant_id, number) VALUES ($1, $2) ON CONFLICT ON CONSTRAINT invoices_number DO UPDATE SET amount = 1",
        "ok",
    ),
    ("INSERT INTO documents (tenant_id, title) SELECT t.id, 'x' FROM tenants t", "documents:insert"),
    ("INSERT INTO documents (tenant_id, title) SELECT t.id, 'x' FROM tenants t WHERE t.slug = $1", "ok"),
    (
        "INSERT INTO documents (tenant_id, title) SELECT t.id, 'x' FROM tenants t WHERE t.name = $1",
        "documents:insert",
    ),
    (
        "INSERT INTO documents (tenant_id, title) SELECT x.id, 'x' FROM (SELECT id FROM tenants) x WHERE x.id = $1",
        "ok",
    ),
    (
        "INSERT INTO documents (tenant_id, title) SELECT t.id, n.body FROM tenants t JOIN notes n ON n.tenant_id = t.id WHERE n.tenant_id = $1",
        "ok",
    ),
    // MERGE
    (
        "MERGE INTO documents d USING incoming i ON d.id = i.id AND d.tenant_id = $1 WHEN MATCHED THEN UPDATE SET title = i.title",
        "ok",
    ),
    (
        "MERGE INTO documents d USING incoming i ON d.title = i.title WHEN MATCHED THEN DELETE",
        "d:no-predicate",
    ),
    (
        "MERGE INTO documents d USING (SELECT * FROM notes WHERE tenant_id = $1) n ON d.tenant_id = n.tenant_id WHEN NOT MATCHED THEN INSERT (tenant_id, title) VALUES ($1, n.body)",
        "ok",
    ),
    (
        "MERGE INTO documents d USING incoming i ON d.tenant_id = $1 WHEN NOT MATCHED THEN INSERT (title) VALUES (i.title)",
        "d:insert",
    ),
    // whole tables and others
    ("TRUNCATE documents", "documents:whole-table"),
    ("TRUNCATE TABLE ONLY countries, documents CASCADE", "documents:whole-table"),
    ("COPY documents (id, title) TO STDOUT", "documents:whole-table"),
    ("LOCK TABLE ONLY countries, documents IN ACCESS EXCLUSIVE MODE", "documents:whole-table"),
    ("LOCK countries", "none"),
    ("REFRESH MATERIALIZED VIEW CONCURRENTLY recent_documents", "recent_documents:whole-table"),
    ("REFRESH MATERIALIZED VIEW my_documents", "none"),
    ("COPY countries FROM STDIN", "none"),
    ("COPY (SELECT * FROM documents WHERE tenant_id = 'x') TO STDOUT", "ok"),
    ("COPY (SELECT * FROM documents) TO STDOUT WITH CSV", "documents:no-predicate"),
    ("EXPLAIN (ANALYZE, BUFFERS) SELECT * FROM documents", "documents:no-predicate"),
    ("EXPLAIN ANALYZE VERBOSE SELECT * FROM documents WHERE tenant_id = $1", "ok"),
    ("PREPARE q (uuid) AS SELECT * FROM documents WHERE tenant_id = $1", "ok"),
    ("DECLARE c NO SCROLL CURSOR WITH HOLD FOR SELECT * FROM documents", "documents:no-predicate"),
    ("FETCH 100 FROM c", "none"),
    ("CREATE TABLE copy AS SELECT * FROM documents", "documents:no-predicate"),
    ("CREATE INDEX ON documents (title)", "none"),
    ("VACUUM ANALYZE documents", "none"),
    ("ALTER TABLE documents ADD COLUMN x text", "none"),
    ("BEGIN; SET LOCAL app.tenant_id = 'a'; SELECT * FROM documents WHERE tenant_id = 'a'; COMMIT", "ok"),
    ("SELECT * FROM countries; SELECT * FROM documents", "documents:no-predicate"),
    ("EXECUTE q('x')", "unread"),
    ("SELECT * FROM documents WHERE", "unread"),
    ("SELECT (((", "unread"),
    ("hello there", "unread"),
    ("", "none"),
    // views, partitions, tenants' own schemas
    ("SELECT * FROM public_documents", "public_documents:whole-table"),
    ("SELECT * FROM recent_documents", "recent_documents:no-predicate"),
    ("SELECT * FROM recent_documents WHERE tenant_id = $1", "ok"),
    ("SELECT * FROM my_documents", "none"),
    ("SELECT * FROM invoices_1", "invoices_1:no-predicate"),
    ("SELECT * FROM tenant_acme.documents", "ok"),
    ("SELECT * FROM tenant_acme.documents d JOIN public.documents p ON p.id = d.id", "p:other-table"),
    ("SELECT * FROM other.documents", "none"),
];

/// Scenario: statements of all kinds over the tables of `schema.sql`. Guarantee: each is judged as written here.
#[test]
fn statements_are_judged() {
    let mut judge = judge();
    let wrong: Vec<String> = CASES
        .iter()
        .filter_map(|(text, expected)| {
            let said = said(&judge.judge(text));
            (said != *expected).then(|| format!("{text}\n    is {said}, expected {expected}"))
        })
        .collect();
    assert!(
        CASES.len() >= 120 && wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        CASES.len(),
        wrong.join("\n")
    );
}
