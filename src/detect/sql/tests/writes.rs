//! Statements that write, values by other names, and other statements, with what is said of them.

/// A statement, and what is said of it.
pub(super) const CASES: &[(&str, &str)] = &[
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
    ("LOCK TABLE ONLY countries, documents IN ACCESS SHARE MODE", "none"),
    ("LOCK countries", "none"),
    ("REFRESH MATERIALIZED VIEW CONCURRENTLY recent_documents", "none"),
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
