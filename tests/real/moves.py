"""A tenant moves between two real Collectors while it sends, and the gate is killed at every step.

Guarantee: every acknowledged record is at the old or the new one, or at both, as the steps say; none is lost, none is in
the wrong place, what was held arrives in its order; the tenant that stays notices nothing. Then the tenant is deleted and
purged: nothing of it is left in the data directory.
"""

import base64
import hashlib
import json
import os
import secrets
import subprocess
import threading
import time
import uuid
from collections import Counter

import lib
from collector import collector
from lib import check

MOVES, STAYS = lib.TENANTS["acme"], lib.TENANTS["globex"]
MARK = "the-mark-of-acme"


class Gate:
    """A gate with two destinations and an admin API."""

    def __init__(self, old, new):
        self.home = lib.scratch() / "moves"
        self.home.mkdir()
        self.http, self.api, self.admin, self.metrics = (lib.free_port() for _ in range(4))
        self.token = secrets.token_urlsafe(32)
        self.catalogue("state: active")
        (self.home / "p.yaml").write_text(f"""
receivers:
  grpc: null
  http: {{ endpoint: 127.0.0.1:{self.http} }}
identity: {{ mode: enforce, catalogue: {{ file: tenants.yaml }} }}
scrub: {{ actions: {{ email: pseudonym }} }}
buffer: {{ directory: data }}
destinations:
  - {{ name: old, endpoint: "{old}" }}
  - {{ name: new, endpoint: "{new}" }}
routes: [{{ destinations: [old] }}]
prometheus: {{ endpoint: "127.0.0.1:{self.metrics}" }}
admin:
  endpoint: 127.0.0.1:{self.admin}
  api:
    endpoint: 127.0.0.1:{self.api}
    tokens: [{{ name: bed, sha256: {hashlib.sha256(self.token.encode()).hexdigest()} }}]
process: {{ reload_interval: 200ms }}
""")
        self.number = 0

    def catalogue(self, acme):
        text = f"[{{id: {MOVES}, slug: acme, {acme}}}, {{id: {STAYS}, slug: globex}}]"
        (self.home / "tenants.yaml").write_text(text)

    def start(self):
        self.number += 1
        self.process = lib.spawn(f"moves-gate-{self.number}", [lib.gate_binary(), "serve", "--config", "p.yaml"], cwd=self.home)
        ready = lambda: lib.http(f"http://127.0.0.1:{self.admin}/readyz")[0] == 200
        if not lib.wait_for("the gate is ready", ready, 20):
            print(lib.tail(self.process))
        return self

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.start()

    def command(self, *arguments):
        environment = {**os.environ, "PORTCULLIS_ADMIN_TOKEN": self.token}
        done = subprocess.run([lib.gate_binary(), *arguments, "--config", "p.yaml"], cwd=self.home, env=environment, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def step(self, *arguments):
        code, said = self.command("tenants", "move", *arguments)
        return check(f"tenants move {' '.join(arguments)}", code == 0, said) and json.loads(said)

    def ask(self, path):
        status, body = lib.http(f"http://127.0.0.1:{self.api}{path}", headers={"authorization": f"Bearer {self.token}"})
        return json.loads(body) if status == 200 else {}


class Sender(threading.Thread):
    """Sends one numbered record after the other for one tenant; the same again until it is acknowledged."""

    def __init__(self, gate, tenant, name):
        super().__init__(daemon=True)
        self.gate, self.tenant, self.name_, self.next, self.stop = gate, tenant, name, 0, threading.Event()

    def run(self):
        while not self.stop.is_set():
            body = json.dumps({"resourceLogs": [{
                "resource": {"attributes": [{"key": "tenant_id", "value": {"stringValue": self.tenant}}]},
                "scopeLogs": [{"logRecords": [{"timeUnixNano": str(time.time_ns()),
                    "body": {"stringValue": f"{self.name_} record {self.next:07d} end, mail to jane@example.com"}}]}],
            }]}).encode()
            status, _ = lib.http(f"http://127.0.0.1:{self.gate.http}/v1/logs", body, {"content-type": "application/json"}, 20)
            if status == 200:
                self.next += 1
            else:
                time.sleep(0.02)


def arrived(path, name):
    """The numbers at a Collector, in their order of arrival, and the tenants that they are under."""
    numbers, tenants = [], set()
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            value = json.loads(line)
        except ValueError:
            continue  # the last line, half written
        for group in value.get("resourceLogs", []):
            for scope in group["scopeLogs"]:
                for record in scope["logRecords"]:
                    text = record["body"].get("stringValue", "")
                    if text.startswith(name + " record "):
                        numbers.append(int(text.split(" ")[2]))
                        tenants |= {a["value"]["stringValue"] for a in group["resource"]["attributes"] if a["key"] == "tenant_id"}
    return numbers, tenants


def remains(folder, tenant, *texts):
    """Files in which the tenant can be read: its id as text or bytes, or one of these texts."""
    needles = [tenant.encode(), uuid.UUID(tenant).bytes, uuid.UUID(tenant).hex.encode(), *(t.encode() for t in texts)]
    return [str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file() and (tenant in str(f) or any(n in f.read_bytes() for n in needles))]


def move():
    files = {name: lib.scratch() / f"moves-{name}.jsonl" for name in ("old", "new")}
    ends = {name: collector(f"moves-collector-{name}", file=path) for name, path in files.items()}
    gate = Gate(ends["old"].otlp_grpc, ends["new"].otlp_grpc).start()
    senders = {"acme": Sender(gate, MOVES, "acme"), "globex": Sender(gate, STAYS, "globex")}
    for sender in senders.values():
        sender.start()
    acme = senders["acme"]
    # What was acknowledged before a step was asked for, and what is sent after it was taken.
    marks = {}

    def step(name, *arguments):
        time.sleep(0.7)
        before = acme.next
        gate.step(name, "acme", *arguments)
        # One may be on its way while the step is taken.
        marks[name] = (before, acme.next + 1)
        gate.kill()
        return marks[name]

    step("start", "--to", "new")
    step("freeze")
    time.sleep(1)
    held = gate.ask("/v1/tenants/acme/move")
    check("after a kill the tenant is held still, and takes data", held.get("held") == "frozen" and held.get("held_bytes", 0) > 0, held)
    at = acme.next
    check("data is taken while it is held", lib.wait_for("more", lambda: acme.next > at + 5, 20))
    step("cut-over")
    step("unfreeze")
    drained = lambda: gate.ask("/v1/tenants/acme/move").get("held") == "no"
    check("what was held is drained", lib.wait_for("drained", drained, 30))
    code, said = gate.command("tenants", "move", "finish", "acme")
    check("the move is not finished while the catalogue says otherwise", code == 1 and "still lead" in said, said)
    gate.catalogue("state: active, route: new")
    finished = lambda: gate.command("tenants", "move", "finish", "acme")[0] == 0
    check("it is, once the catalogue says the same", lib.wait_for("finished", finished, 30, 0.5))
    gate.kill()
    time.sleep(0.7)
    for sender in senders.values():
        sender.stop.set()
        sender.join()
    last = acme.next

    def all_there():
        old, new = set(arrived(files["old"], "acme")[0]), set(arrived(files["new"], "acme")[0])
        stays = set(arrived(files["old"], "globex")[0])
        return len(old | new) >= last and len(stays) >= senders["globex"].next

    lib.wait_for("all arrives", all_there, 60, 0.5)
    (old, _), (new, tenants) = arrived(files["old"], "acme"), arrived(files["new"], "acme")
    olds, news = set(old), set(new)
    lib.note(f"{last} records of the tenant that moves, {senders['globex'].next} of the other; {len(old) - len(olds)} and {len(new) - len(news)} came twice")
    missing = set(range(last)) - olds - news
    check("nothing of the tenant that moves is lost", not missing, f"{len(missing)}: {sorted(missing)[:5]}")
    start, freeze, cut = marks["start"], marks["freeze"], marks["cut-over"]
    check("before the start: at the old one alone", not news & set(range(start[0])) and set(range(start[0])) <= olds)
    both = set(range(start[1], freeze[0]))
    check(f"dual-write: at both ({len(both)})", both and both <= olds and both <= news, f"{len(both - olds)} and {len(both - news)} are missing")
    after = set(range(freeze[1], last))
    check(f"held, and after the cut-over: at the new one alone ({len(after)})", after <= news and not after & olds, f"{len(after - news)} missing, {len(after & olds)} at the old one")
    first = {number: at for at, number in reversed(list(enumerate(new)))}
    order = sorted(after, key=first.get)
    # Requests are on the wire several at a time: the order of what arrives is that of batches, not of bytes.
    late = sum(1 for a, b in zip(order, order[1:]) if b < a - 200)
    check("what was held arrives before what came later", late == 0, f"{late} out of place")
    check("all of it under its tenant", tenants == {MOVES}, tenants)
    stays, tenants = arrived(files["old"], "globex")
    check("the tenant that stays is whole, at the old one alone", set(stays) == set(range(senders["globex"].next)) and not arrived(files["new"], "globex")[0] and tenants == {STAYS})
    return gate, ends


def purge(gate, ends):
    lib.stop(ends["new"])  # what comes now stays in the journal
    acme = Sender(gate, MOVES, MARK)
    acme.start()
    lib.wait_for("some records", lambda: acme.next > 20)
    acme.stop.set()
    acme.join()
    data = gate.home / "data"
    check("the tenant can be found on the disk", len(remains(data, MOVES, MARK)) > 1, remains(data, MOVES, MARK))
    gate.catalogue("state: deleted, deleted_at: 2020-01-01T00:00:00Z")
    lib.wait_for("deleted", lambda: gate.ask("/v1/tenants/acme").get("state") == "deleted")
    code, said = gate.command("tenants", "purge", "acme", "--yes")
    check("tenants purge", code == 0, said)
    check("nothing of it is left in the data directory", not remains(data, MOVES, MARK), remains(data, MOVES, MARK))
    signed = json.loads(said)["signed"]
    (gate.home / "record.jws").write_text(signed)
    verified = subprocess.run([lib.gate_binary(), "tenants", "verify", "record.jws", "--key", "data/destroyed/signing.pub"], cwd=gate.home, capture_output=True, text=True)
    check("the record is verified, and tells what was destroyed", verified.returncode == 0 and json.loads(verified.stdout)["tenant_id"] == MOVES, verified.stdout + verified.stderr)
    # By another hand: the signature as OpenSSL sees it.
    head, signature = signed.strip().rsplit(".", 1)
    (gate.home / "signed").write_text(head)
    (gate.home / "signature").write_bytes(base64.urlsafe_b64decode(signature + "=="))
    openssl = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "data/destroyed/signing.pub", "-rawin", "-in", "signed", "-sigfile", "signature"]
    verified = subprocess.run(openssl, cwd=gate.home, capture_output=True, text=True)
    check("OpenSSL verifies it, too", verified.returncode == 0, verified.stdout + verified.stderr)


if __name__ == "__main__":
    gate, ends = move()
    purge(gate, ends)
    lib.finish()
