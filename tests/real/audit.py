"""`audit-sql` over the logs of a real PostgreSQL.

Guarantee: what psql and pgbench (simple, extended and prepared protocol) run stands in csvlog, jsonlog, stderr and
pg_stat_statements, and each of them gives the same findings, against the dump of pg_dump and against the live schema; no
value of a statement is in any output; the exit code says whether there is something.
"""

import json
import subprocess
import time

import lib
from lib import check
from postgres import Postgres, postgres_bin

ACME, GLOBEX = "7a0d1c52-93f4-4b6e-8a21-5c9e0f3b7d01", "0b9f7a4e-5d7b-4c0f-9a65-2f6f0c1d8e02"
VALUES = ["planted-title", ACME, GLOBEX, "planted-body"]
PREFIX = "%m [%p] %q%u@%d/%a "

SCHEMA = f"""
CREATE EXTENSION pg_stat_statements;
CREATE TABLE tenants (id uuid PRIMARY KEY, slug text NOT NULL UNIQUE);
CREATE TABLE documents (id bigserial PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES tenants, title text);
CREATE TABLE notes (id bigserial PRIMARY KEY, tenant_id uuid NOT NULL, document_id bigint NOT NULL REFERENCES documents, body text);
CREATE TABLE attachments (id bigserial PRIMARY KEY, note_id bigint NOT NULL REFERENCES notes, name text);
CREATE TABLE events (id bigint NOT NULL, tenant_id uuid NOT NULL, PRIMARY KEY (tenant_id, id)) PARTITION BY HASH (tenant_id);
CREATE TABLE events_0 PARTITION OF events FOR VALUES WITH (MODULUS 1, REMAINDER 0);
CREATE VIEW titles AS SELECT id, title FROM documents;
CREATE POLICY own ON notes USING (tenant_id = current_setting('app.tenant_id')::uuid);
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
INSERT INTO tenants VALUES ('{ACME}', 'acme'), ('{GLOBEX}', 'globex');
INSERT INTO documents (tenant_id, title) SELECT '{ACME}', 'planted-title ' || n FROM generate_series(1, 50) n;
"""

# What is run, how often, and what is said of it: a table and a reason, or nothing.
STATEMENTS = [
    (f"SELECT * FROM documents WHERE tenant_id = '{ACME}'", 2, None),
    ("SELECT count(*) FROM documents\nWHERE title = 'planted-title 1'", 3, "documents no-predicate"),
    (f"SELECT d.title FROM documents d LEFT JOIN notes n ON n.document_id = d.id AND d.tenant_id = '{ACME}'", 1, "documents outer-join"),
    (f"SELECT * FROM documents WHERE tenant_id = '{ACME}' OR title = 'planted-title 2'", 1, "documents or"),
    (f"SELECT * FROM notes WHERE body = 'planted-body'", 1, "notes no-predicate"),
    ("SELECT * FROM titles", 1, "titles whole-table"),
    ("SELECT * FROM events_0", 1, "events_0 no-predicate"),
    (f"SELECT a.name FROM attachments a JOIN notes n ON n.id = a.note_id WHERE n.tenant_id = '{GLOBEX}'", 1, None),
    ("UPDATE documents SET title = 'planted-title 3' WHERE id = 3", 1, "by key"),
    (f"INSERT INTO documents (tenant_id, title) VALUES ('{ACME}', 'planted-title x'), ('{GLOBEX}', 'planted-title y')", 1, None),
    ("SELECT slug FROM tenants", 1, None),
]
BENCH = {
    "extended": ("SELECT title FROM documents WHERE title = 'planted-title ' || :x;", "documents no-predicate"),
    "prepared": (f"SELECT title FROM documents WHERE tenant_id = '{ACME}' AND id = :x;", None),
}


def audit(*arguments):
    """Exit code, report and what was said of it; no value is in either."""
    command = [lib.gate_binary(), "audit-sql", "--output", "json", *arguments]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    shown = [value for value in VALUES if value in done.stdout + done.stderr]
    check(f"no value is shown: {arguments[-1]}", not shown, f"{shown}")
    try:
        return done.returncode, json.loads(done.stdout), done.stderr
    except json.JSONDecodeError:
        return done.returncode, None, done.stderr


def counts(report, part="findings"):
    """How often each table and reason."""
    out = {}
    for found in report[part]:
        # What creates the tables is not what the application does.
        key = " ".join(found["missing"][0][name] for name in ("table", "reason"))
        out[key] = out.get(key, 0) + found["count"]
    return out


def run():
    server = Postgres()
    logs = server.home / "db" / "log"
    settings = [
        "logging_collector=on", "log_destination=stderr,csvlog,jsonlog", "log_filename=postgresql.log", "log_file_mode=0644",
        f"log_line_prefix={PREFIX}", "shared_preload_libraries=pg_stat_statements",
    ]
    server.start(*settings)
    done = server.sql(SCHEMA)
    check("the schema is there", done is not None)
    server.sql("ALTER SYSTEM SET log_statement = 'all'; SELECT pg_reload_conf(); SELECT pg_stat_statements_reset()")
    time.sleep(1)

    expected = {}
    for text, times, said in STATEMENTS:
        for _ in range(times):
            check(f"runs: {text[:40]!r}", server.sql(text) is not None)
        if said and said != "by key":
            expected[said] = expected.get(said, 0) + times
    for mode, (text, said) in BENCH.items():
        script = server.home / f"{mode}.sql"
        script.write_text(f"\\set x random(1, 50)\n{text}\n")
        script.chmod(0o644)
        server.run("pgbench", "-h", server.home, "-p", server.port, "-U", "gate", "-n", "-M", mode, "-t", "5", "-f", script, "postgres")
        if said:
            expected[said] = expected.get(said, 0) + 5
    server.sql("PREPARE p AS SELECT * FROM documents WHERE title = $1; EXECUTE p('planted-title 9')")
    time.sleep(1)

    dump = lib.scratch() / "schema.sql"
    dump.write_text(server.run("pg_dump", "-h", server.home, "-p", server.port, "-U", "gate", "--schema-only", "postgres").stdout)
    names = {"csvlog": "postgresql.csv", "jsonlog": "postgresql.json", "stderr": "postgresql.log"}
    # A log has the PREPARE, and the EXECUTE with what it prepared.
    logged = dict(expected)
    logged["documents no-predicate"] += 2
    for kind, name in names.items():
        for source in (["--schema", dump], ["--schema-from", server.url, "--ca-file", server.ca]):
            code, report, said = audit(*source, "--log-line-prefix", PREFIX, logs / name)
            if report is None:
                check(f"{kind} is read", False, said)
                continue
            what = f"{kind}, {source[0]}"
            check(f"{what}: code 1, and the findings are those that were run", code == 1 and counts(report) == logged, f"{code} {counts(report)} instead of {logged}")
            check(f"{what}: the update by key stands apart", counts(report, "by_key") == {"documents no-predicate": 1}, f"{counts(report, 'by_key')}")
            check(f"{what}: all is judged", report["summary"]["not_judged"] == 0, f"{[f['statement'] for f in report['not_judged']]}")
            check(f"{what}: user and place are told", all(f["user"] == "gate" and f["first"].rsplit(":", 1)[-1].isdigit() for f in report["findings"]))
        guessed = audit("--schema", dump, "--format", kind, "--log-line-prefix", PREFIX, logs / name)[1]
        check(f"{kind}: the same with --format", guessed is not None and counts(guessed) == logged)

    code, report, said = audit("--schema-from", server.url, "--ca-file", server.ca, "--pg-stat-statements", server.url)
    if report is not None:
        found = counts(report)
        # A PREPARE is counted as what it prepares.
        check("pg_stat_statements: the same findings", code == 1 and set(found) == set(expected) and all(found[k] >= expected[k] for k in expected), f"{code} {found} instead of {expected}")
        check("pg_stat_statements: the insert of two rows is scoped", not any("insert into documents" in f["statement"] for f in report["findings"]))
    check("pg_stat_statements is read", report is not None, said)

    trusted = audit("--schema", dump, "--rls", "trust", "--log-line-prefix", PREFIX, logs / "postgresql.log")[1]
    check("row level security is read from the dump", counts(trusted, "rls") == {"notes no-predicate": 1}, f"{counts(trusted, 'rls')}")
    fingerprints = [f["fingerprint"] for f in trusted["findings"]]
    approvals = lib.scratch() / "approved.yaml"
    approvals.write_text("approved:\n" + "".join(f'  - {{ fingerprint: "{f}", owner: bed, reason: known, expires: 2099-12-31 }}\n' for f in fingerprints))
    code, report, _ = audit("--schema", dump, "--rls", "trust", "--approve", approvals, "--log-line-prefix", PREFIX, logs / "postgresql.log")
    check("with all of it approved the code is 0", code == 0 and not report["findings"], f"{code}")
    server.stop()


if postgres_bin() is None:
    check("PostgreSQL is installed", False, "no /usr/lib/postgresql/*/bin")
else:
    run()
lib.finish()
