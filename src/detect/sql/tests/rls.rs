//! What row level security protects.

use super::*;

const DUMP: &str = "
CREATE TABLE plain (id bigint PRIMARY KEY, tenant_id uuid NOT NULL, v text);
CREATE TABLE bare (id bigint PRIMARY KEY, tenant_id uuid NOT NULL, v text);
CREATE TABLE open (id bigint PRIMARY KEY, tenant_id uuid NOT NULL, v text);
CREATE TABLE reads (id bigint PRIMARY KEY, tenant_id uuid NOT NULL, v text);
CREATE TABLE mixed (id bigint PRIMARY KEY, tenant_id uuid NOT NULL, v text);
CREATE TABLE arms (id bigint PRIMARY KEY, tenant_id uuid NOT NULL, v text);
CREATE TABLE strict (id bigint PRIMARY KEY, tenant_id uuid NOT NULL, v text);
CREATE TABLE moves (id bigint PRIMARY KEY, tenant_id uuid NOT NULL, v text);
CREATE TABLE off (id bigint PRIMARY KEY, tenant_id uuid NOT NULL, v text);
CREATE TABLE child (id bigint PRIMARY KEY, plain_id bigint NOT NULL REFERENCES plain (id), v text);
CREATE POLICY own ON plain USING (tenant_id = current_setting('app.tenant')::uuid);
CREATE POLICY open ON open USING (true);
CREATE POLICY own ON reads FOR SELECT USING (tenant_id = current_tenant());
CREATE POLICY new ON reads FOR UPDATE USING (true);
CREATE POLICY own ON mixed USING (tenant_id = current_tenant());
CREATE POLICY all_see ON mixed FOR SELECT USING (substring(v from 1 for 2) = 'p');
CREATE POLICY own ON arms USING (tenant_id = current_tenant() OR v = 'public');
CREATE POLICY open ON strict USING (true);
CREATE POLICY own ON strict AS RESTRICTIVE FOR ALL TO app USING (tenant_id = current_tenant());
CREATE POLICY own ON moves USING (tenant_id = current_tenant()) WITH CHECK (true);
CREATE POLICY own ON off USING (tenant_id = current_tenant());
CREATE POLICY own ON child USING (EXISTS (SELECT 1 FROM plain p WHERE p.id = plain_id AND p.tenant_id = current_tenant()));
ALTER TABLE plain ENABLE ROW LEVEL SECURITY;
ALTER TABLE bare ENABLE ROW LEVEL SECURITY;
ALTER TABLE open ENABLE ROW LEVEL SECURITY;
ALTER TABLE reads ENABLE ROW LEVEL SECURITY;
ALTER TABLE mixed ENABLE ROW LEVEL SECURITY;
ALTER TABLE arms ENABLE ROW LEVEL SECURITY;
ALTER TABLE strict ENABLE ROW LEVEL SECURITY;
ALTER TABLE moves ENABLE ROW LEVEL SECURITY;
ALTER TABLE child ENABLE ROW LEVEL SECURITY;
";

/// Scenario: policies for some commands, for all, with arms that are open, restrictive ones, none. Guarantee: a
/// statement is left to row level security only where each of its tables is kept to a tenant for what is done with it.
#[test]
fn policies_are_read() {
    let schema = Schema::from_dump(DUMP, Options::default()).unwrap();
    let mut judge = Judge::new(Arc::new(schema));
    let cases = [
        ("SELECT * FROM plain WHERE v = $1", true),
        ("UPDATE plain SET v = $1", true),
        ("DELETE FROM plain", true),
        ("INSERT INTO plain (v) VALUES ($1)", true),
        ("COPY plain TO STDOUT", true),
        ("TRUNCATE plain", false),
        ("SELECT * FROM bare", false),
        ("SELECT * FROM open", false),
        ("DELETE FROM open", false),
        ("SELECT * FROM reads", true),
        ("UPDATE reads SET v = $1", false),
        ("DELETE FROM reads", false),
        ("INSERT INTO reads (v) VALUES ($1)", false),
        ("SELECT * FROM mixed", false),
        ("UPDATE mixed SET v = $1", true),
        ("SELECT * FROM arms", false),
        ("SELECT * FROM strict", true),
        ("SELECT * FROM moves", true),
        ("UPDATE moves SET v = $1", false),
        ("INSERT INTO moves (v) VALUES ($1)", false),
        ("SELECT * FROM off", false),
        ("SELECT * FROM child WHERE v = $1", true),
        ("SELECT * FROM plain p JOIN off o ON o.v = p.v", false),
        ("SELECT * FROM plain p JOIN strict s ON s.v = p.v", true),
        ("UPDATE mixed SET v = p.v FROM plain p WHERE p.v = mixed.v", true),
        ("UPDATE plain SET v = m.v FROM mixed m WHERE m.v = plain.v", false),
        ("INSERT INTO plain (id, tenant_id) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET v = $3", true),
        ("MERGE INTO plain p USING incoming i ON p.v = i.v WHEN MATCHED THEN DELETE", true),
        ("MERGE INTO mixed m USING incoming i ON m.v = i.v WHEN MATCHED THEN DELETE", false),
    ];
    for (text, expected) in cases {
        let judged = judge.judge(text);
        assert!(matches!(judged.scope, Scope::Unscoped(_)), "{text}: {:?}", judged.scope);
        assert_eq!(judged.rls, expected, "{text}");
    }
}
