"""Tenants from a real PostgreSQL (with TLS) and from a URL with an ETag.

Guarantee: a tenant that is added, suspended or removed there is so at the gate, at once when it is notified; while the
database is away those known stay in force, over a restart, too, and the gate says how old they are; 100,000 load in time.
"""

import http.server
import json
import subprocess
import threading
import time
import uuid
from pathlib import Path

import lib
from lib import check
from postgres import Postgres, postgres_bin

ADDED = "7a0d1c52-93f4-4b6e-8a21-5c9e0f3b7d01"
QUERY = "SELECT id, slug, name, state, deleted_at, limits FROM tenants"


class Answers(http.server.BaseHTTPRequestHandler):
    """The catalogue over HTTP: 304 to who has it."""

    body, tag, asked, unchanged = b"", "", 0, 0

    def do_GET(self):
        kind = type(self)
        kind.asked += 1
        if self.headers.get("authorization") != "Bearer for-the-catalogue":
            self.send_response(401)
            self.end_headers()
        elif self.headers.get("if-none-match") == kind.tag:
            kind.unchanged += 1
            self.send_response(304)
            self.end_headers()
        else:
            self.send_response(200)
            self.send_header("etag", kind.tag)
            self.send_header("content-length", str(len(kind.body)))
            self.end_headers()
            self.wfile.write(kind.body)

    def log_message(self, *_):
        pass


def send(gate, tenant):
    """One record of a tenant: how many were rejected."""
    body = {"resourceLogs": [{"resource": {"attributes": [{"key": "tenant_id", "value": {"stringValue": tenant}}]},
                              "scopeLogs": [{"logRecords": [{"body": {"stringValue": "order shipped"}}]}]}]}
    headers = {"content-type": "application/json"}
    status, answer = lib.http(f"{gate.otlp_http}/v1/logs", json.dumps(body).encode(), headers)
    if status != 200:
        return f"status {status}"
    return int(json.loads(answer or b"{}").get("partialSuccess", {}).get("rejectedLogRecords", 0))


def gate_with(name, catalogue):
    gate = lib.Gate("http://127.0.0.1:1", name=name)
    text = gate.config.read_text()
    line = next(line for line in text.splitlines() if line.strip().startswith("catalogue:"))
    gate.config.write_text(text.replace(line, f"  catalogue: {json.dumps(catalogue)}"))
    return gate


def becomes(gate, tenant, rejected, timeout=5):
    """Seconds until a record of the tenant is (not) rejected; nothing if it never is."""
    started = time.time()
    while time.time() - started < timeout:
        if send(gate, tenant) == rejected:
            return time.time() - started
        time.sleep(0.05)
    return None


def tenants(gate, *arguments):
    return subprocess.run([str(lib.gate_binary()), "tenants", *arguments, "--config", str(gate.config)], capture_output=True, text=True, cwd=gate.data)


def of_postgres():
    db = Postgres().start()
    db.sql(f"""
        CREATE TABLE tenants (id uuid PRIMARY KEY, slug text UNIQUE, name text, state text, deleted_at timestamptz, limits jsonb);
        INSERT INTO tenants VALUES ('{lib.TENANTS["acme"]}', 'acme', 'Acme', 'active', NULL, '{{"items_per_second": 1000}}'),
                                   ('{lib.TENANTS["globex"]}', 'globex', NULL, NULL, NULL, NULL);
        CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NOTIFY tenants; RETURN NULL; END $$;
        CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON tenants EXECUTE FUNCTION tell();
    """)
    # The refresh is long: what is seen within seconds was notified.
    source = {"refresh": "10m", "postgres": {"url": db.url, "ca_file": str(db.ca), "query": QUERY, "notify": "tenants"}}
    gate = gate_with("gate-postgres", source).start()
    check("a tenant of the table is known", send(gate, lib.TENANTS["acme"]) == 0)
    check("another is not", send(gate, ADDED) == 1)
    listed = tenants(gate, "list", "--json")
    check("`tenants list` reads the table", listed.returncode == 0 and {t["slug"] for t in json.loads(listed.stdout)} == {"acme", "globex"}, listed.stderr)
    shown = tenants(gate, "show", "ACME")
    check("`tenants show` shows one with its limits", "items_per_second" in shown.stdout and lib.TENANTS["acme"] in shown.stdout, shown.stdout + shown.stderr)

    db.sql(f"INSERT INTO tenants (id, slug) VALUES ('{ADDED}', 'added')")
    took = becomes(gate, ADDED, 0)
    check("a tenant that is added is known at once", took is not None, "not within 5 s")
    lib.note(f"notified: {took or 0:.2f} s")
    db.sql(f"UPDATE tenants SET state = 'suspended' WHERE id = '{ADDED}'")
    check("one that is suspended is rejected at once", becomes(gate, ADDED, 1) is not None)
    db.sql(f"UPDATE tenants SET state = 'asleep' WHERE id = '{ADDED}'")
    time.sleep(2)
    check("a row that makes no sense changes nothing", send(gate, lib.TENANTS["acme"]) == 0 and send(gate, ADDED) == 1)
    db.sql(f"UPDATE tenants SET state = NULL WHERE id = '{ADDED}'")
    check("and is mended by the next", becomes(gate, ADDED, 0) is not None)

    before = gate.metric("portcullis_catalogue_age_seconds")
    db.stop()
    check("the database is away: said within seconds", bool(lib.wait_for("source is down", lambda: gate.metric("portcullis_catalogue_source_up") == 0, 10)))
    check("and those known stay in force", send(gate, ADDED) == 0 and send(gate, lib.TENANTS["nobody"]) == 1)
    time.sleep(2)
    check("and their age grows", gate.metric("portcullis_catalogue_age_seconds") > 1.5, f"{before} before")
    gate.kill()
    gate.start()
    check("a gate that starts meanwhile knows them, too", send(gate, ADDED) == 0 and send(gate, lib.TENANTS["nobody"]) == 1, lib.tail(gate.process))
    db.start()
    db.sql(f"DELETE FROM tenants WHERE id = '{ADDED}'")
    check("the database is back: the gate follows it", becomes(gate, ADDED, 1, 15) is not None)
    check("and says so", bool(lib.wait_for("source is up", lambda: gate.metric("portcullis_catalogue_source_up") == 1, 10)))

    resident = lambda: next(int(line.split()[1]) for line in Path(f"/proc/{gate.process.pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    before = resident()
    db.sql("INSERT INTO tenants SELECT gen_random_uuid(), 'many-' || n, 'Tenant ' || n, 'active', NULL, '{\"items_per_second\": 1000}' FROM generate_series(1, 100000) AS n")
    started = time.time()
    many = bool(lib.wait_for("100,000 tenants", lambda: gate.metric("portcullis_catalogue_tenants") > 100_000, 30, 0.05))
    check("100,000 tenants load", many)
    took = time.time() - started
    time.sleep(1)
    memory = resident()
    lib.note(f"100,000 tenants: in force {took:.1f} s after their commit; the gate holds {memory // 1024} MiB, {(memory - before) // 1024} MiB more than before")
    check("they take less than 150 MB, their names to look for included", (memory - before) * 1024 < 150e6, memory - before)
    gate.kill()

    wrong = gate_with("gate-unverified", {"timeout": "3s", "postgres": {"url": db.url, "query": QUERY}})
    refused = tenants(wrong, "list")
    check("a server that nobody vouches for is not believed", refused.returncode == 2 and "certificate" in refused.stderr.lower(), refused.stderr)
    secret = gate_with("gate-secret", {"postgres": {"url": "postgresql://gate:hush-hush@localhost:1/x", "query": QUERY}})
    refused = tenants(secret, "list")
    check("one that is not there: an error without the password", refused.returncode == 2 and "hush" not in refused.stderr, refused.stderr)
    db.stop()


def of_url():
    kind = Answers
    def say(*ids):
        kind.body = json.dumps({"tenants": [{"id": i} for i in ids]}).encode()
        kind.tag = f'"{uuid.uuid4()}"'
    say(lib.TENANTS["acme"])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    source = {"url": f"http://127.0.0.1:{server.server_port}/tenants", "headers": {"authorization": "Bearer for-the-catalogue"}, "refresh": "200ms"}
    gate = gate_with("gate-url", source).start()
    check("a tenant of the URL is known, another is not", send(gate, lib.TENANTS["acme"]) == 0 and send(gate, ADDED) == 1)
    say(lib.TENANTS["acme"], ADDED)
    check("a change is followed", becomes(gate, ADDED, 0) is not None)
    time.sleep(1)
    check("what has not changed is not sent again", kind.unchanged >= 3, f"{kind.unchanged} of {kind.asked}")
    kind.body, kind.tag = b"<html>down for maintenance</html>", '"broken"'
    time.sleep(1)
    check("an answer that is no catalogue changes nothing", send(gate, ADDED) == 0)
    gate.kill()
    server.shutdown()


if postgres_bin() is None:
    check("PostgreSQL is installed", False, "no /usr/lib/postgresql/*/bin")
else:
    of_postgres()
of_url()
lib.finish()
