"""What the parts of the test bed share: processes, ports, tokens, the gate, planted values, the count of checks."""

import base64
import hashlib
import hmac
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TOOLS = Path(os.environ.get("PORTCULLIS_TOOLS") or Path.home() / ".cache" / "portcullis-tools")
COLLECTOR = TOOLS / "collector" / "otelcol-bed"
SECRET = "a test secret that is long enough for HS256"
SIGNALS = ("logs", "traces", "metrics")

TENANTS = {
    "acme": "1a6f0a52-3c1d-4b8e-9f20-5d1e7c2b8a01",
    "globex": "2b7e1b63-4d2e-4c9f-8a31-6e2f8d3c9b02",
    "initech": "3c8f2c74-5e3f-4daf-9b42-7f3a9e4dac03",
    "hooli": "4d9a3d85-6f4a-4eb0-8c53-8a4baf5ebd04",
    "vandelay": "5eab4e96-7a5b-4fc1-9d64-9b5cba6fce05",  # deleted
    "nobody": "6fbc5fa7-8b6c-40d2-8e75-ac6dcb70df06",  # in no catalogue
}


# ---- counting

passed = failed = 0


def check(name, good, detail=""):
    """One check of the bed: prints a line, counts it."""
    global passed, failed
    if good:
        passed += 1
        print(f"ok    {name}", flush=True)
    else:
        failed += 1
        print(f"FAIL  {name}" + (f": {detail}" if detail != "" else ""), flush=True)
    return good


def note(text):
    print(f"      {text}", flush=True)


def finish():
    """Prints the count of this part and leaves with its exit code."""
    stop_all()
    print(f"{passed} passed, {failed} failed", flush=True)
    sys.exit(1 if failed else 0)


# ---- processes, ports

_running = []
_scratch = None


def scratch():
    """A folder of this run; kept for reading when BED_KEEP is set, or a check failed."""
    global _scratch
    if _scratch is None:
        _scratch = Path(tempfile.mkdtemp(prefix="portcullis-bed-", dir=os.environ.get("BED_DIR")))
    return _scratch


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def spawn(name, command, **keywords):
    """Starts a program with its output in <scratch>/<name>.log."""
    log = open(scratch() / f"{name}.log", "ab")
    process = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, **keywords)
    process.log = scratch() / f"{name}.log"
    process.title = name
    _running.append(process)
    return process


def stop(process, timeout=60):
    """SIGTERM, then SIGKILL; returns the exit code."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process in _running:
        _running.remove(process)
    return process.returncode


def stop_all():
    for process in reversed(list(_running)):
        stop(process, 15)


def _on_signal(number, _frame):
    stop_all()
    sys.exit(128 + number)


signal.signal(signal.SIGTERM, _on_signal)
signal.signal(signal.SIGINT, _on_signal)


def tail(process, lines=15):
    text = process.log.read_text(errors="replace").splitlines()
    return "\n".join(text[-lines:])


def http(url, body=None, headers=None, timeout=10):
    """(status, bytes); status 0 when nothing answers."""
    request = urllib.request.Request(url, data=body, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except (OSError, urllib.error.URLError):
        return 0, b""


def wait_for(what, probe, timeout=30, every=0.1):
    """Waits until probe() is true and returns it; a failed check and None after the time-out."""
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        value = probe()
        if value:
            return value
        time.sleep(every)
    check(what, False, f"not within {timeout} s")
    return None


# ---- tokens


def _b64(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def token(tenant, **claims):
    """An HS256 token for a tenant's id."""
    now = int(time.time())
    payload = {"iss": "bed", "aud": "portcullis", "sub": "service-bed", "iat": now, "exp": now + 3600, "tid": tenant, **claims}
    signed = _b64(b'{"alg":"HS256","typ":"JWT"}') + "." + _b64(json.dumps(payload).encode())
    return signed + "." + _b64(hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).digest())


# ---- the gate


def gate_binary():
    """The gate: PORTCULLIS_BIN, or the newer of the release and debug builds."""
    if os.environ.get("PORTCULLIS_BIN"):
        return Path(os.environ["PORTCULLIS_BIN"])
    built = [p for p in (ROOT / "target/release/portcullis", ROOT / "target/debug/portcullis") if p.exists()]
    return max(built, key=lambda p: p.stat().st_mtime) if built else ROOT / "target/release/portcullis"


class Gate:
    """One gate on free loopback ports. With BED_STAND_IN set, a Collector stands in: the bed then tests itself."""

    def __init__(self, destination, protocol="grpc", name="gate", quota=2 << 30, mismatch="reject"):
        self.name, self.process = name, None
        self.data = scratch() / f"{name}-data"
        self.data.mkdir(exist_ok=True)
        self.grpc, self.http, self.metrics, self.admin = (free_port() for _ in range(4))
        self.stand_in = bool(os.environ.get("BED_STAND_IN"))
        self.config = scratch() / f"{name}.yaml"
        if self.stand_in:
            self.config.write_text(collector_config(self.grpc, self.http, {"protocol": protocol, "endpoint": destination}))
            return
        text = (HERE / "gate.yaml.in").read_text()
        values = {
            "GRPC": self.grpc, "HTTP": self.http, "METRICS": self.metrics, "ADMIN": self.admin, "SECRET": SECRET,
            "CATALOGUE": HERE / "tenants.yaml", "DATA": self.data, "QUOTA": quota, "PROTOCOL": "grpc" if protocol == "grpc" else "http/protobuf", "DESTINATION": destination,
            "MISMATCH": mismatch,
        }
        for key, value in values.items():
            text = text.replace(f"@{key}@", str(value))
        self.config.write_text(text)

    def start(self, wait=True):
        if self.stand_in:
            command = [COLLECTOR, "--config", self.config]
        else:
            command = [gate_binary(), "serve", "--config", self.config]
        self.process = spawn(self.name, command, cwd=self.data)
        if wait and not wait_for(f"{self.name} is ready", self.ready, 30, 0.05):
            print(tail(self.process))
        return self

    def ready(self):
        if self.process.poll() is not None:
            return False
        if self.stand_in:
            return http(f"{self.otlp_http}/v1/logs", b"", {"content-type": "application/x-protobuf"})[0] == 200
        return http(f"http://127.0.0.1:{self.admin}/readyz")[0] == 200

    def kill(self):
        self.process.kill()
        self.process.wait()
        _running.remove(self.process)

    def stop(self):
        return stop(self.process)

    @property
    def otlp_grpc(self):
        return f"http://127.0.0.1:{self.grpc}"

    @property
    def otlp_http(self):
        return f"http://127.0.0.1:{self.http}"

    def metric(self, name, **labels):
        """The sum of one of the gate's own metrics over the series that carry the labels."""
        _, page = http(f"http://127.0.0.1:{self.metrics}/metrics")
        total = 0.0
        for line in page.decode().splitlines():
            if re.match(rf"{name}[ {{]", line) and all(f'{k}="{v}"' in line for k, v in labels.items()):
                total += float(line.rsplit("}", 1)[-1].split()[0] if "}" in line else line.split()[1])
        return total

    def findings(self):
        file = self.data / "findings.ndjson"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def collector_config(grpc, http_port, out, file=None):
    """A Collector's configuration: OTLP in; OTLP out or a file."""
    if file:
        exporters = f"  file:\n    path: {file}\n    flush_interval: 200ms\n"
        name = "file"
    elif out["protocol"] == "grpc":
        name = "otlp"
        exporters = f"  otlp:\n    endpoint: {out['endpoint'].removeprefix('http://')}\n    tls: {{ insecure: true }}\n"
    else:
        name = "otlphttp"
        exporters = f"  otlphttp:\n    endpoint: {out['endpoint']}\n"
    if out and out.get("headers"):
        exporters += "    headers:\n" + "".join(f"      {k}: {json.dumps(v)}\n" for k, v in out["headers"].items())
    if not file:
        exporters += "    sending_queue: { enabled: true, queue_size: 10000 }\n    retry_on_failure: { enabled: true, max_elapsed_time: 300s }\n"
    pipelines = "".join(f"    {s}: {{ receivers: [otlp], exporters: [{name}] }}\n" for s in SIGNALS)
    return (
        "receivers:\n  otlp:\n    protocols:\n"
        f"      grpc: {{ endpoint: \"127.0.0.1:{grpc}\", max_recv_msg_size_mib: 64 }}\n"
        f"      http: {{ endpoint: \"127.0.0.1:{http_port}\" }}\n"
        f"exporters:\n{exporters}service:\n  telemetry: {{ metrics: {{ level: none }} }}\n  pipelines:\n{pipelines}"
    )


# ---- planted values


def planted():
    return json.loads((HERE / "planted.json").read_text()), json.loads((HERE / "planted_keys.json").read_text())


def needles():
    """(lower-case needle, whether it is sought without separators)."""
    values, keys = planted()
    return sorted({(n.lower(), bool(p.get("digits"))) for p in values + keys for n in p["needles"]})


_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")


def unfold(text, depth=3):
    """A text, and what it turns into when it is percent-decoded, JSON-decoded or base64-decoded, to a depth."""
    yield text
    if depth == 0:
        return
    seen = {text}
    further = [urllib.parse.unquote_plus(text)]
    if "\\" in text:
        further.append(re.sub(r"\\u([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)), text).replace('\\"', '"').replace("\\/", "/"))
    for piece in _BASE64.findall(text):
        raw = piece.rstrip("=").replace("-", "+").replace("_", "/")
        try:
            further.append(base64.b64decode(raw + "=" * (-len(raw) % 4)).decode("utf-8", "ignore"))
        except ValueError:
            pass
    for other in further:
        if other not in seen:
            seen.add(other)
            yield from unfold(other, depth - 1)


def spill(texts, limit=20):
    """The needles found in any of the texts, decoded too: [(needle, excerpt)]."""
    found = []
    sought = needles()
    for text in set(texts):
        for form in unfold(text):
            low = form.lower()
            bare = re.sub(r"[\s.\-()+]", "", low)
            for needle, digits in sought:
                at = (bare if digits else low).find(needle)
                if at >= 0:
                    found.append((needle, (bare if digits else form)[max(0, at - 40) : at + 40]))
                    if len(found) >= limit:
                        return found
    return found


# ---- what the senders send


def cases(count, mismatch="reject"):
    """Who sends: how the tenant is said, and whose data it is (`tenant`), or why it must not arrive (`rejected`)."""
    # A token of Acme on data that is declared to be Globex's: rejected, or kept as the token's.
    leak = {"rejected": "tenant_mismatch"} if mismatch == "reject" else {"tenant": "acme"}
    t = TENANTS
    return [
        {"name": "token", "tenant": "acme", "headers": {"authorization": f"Bearer {token(t['acme'])}"}, "resource": {}, "count": count},
        {"name": "header", "tenant": "globex", "headers": {"x-tenant-id": t["globex"].upper()}, "resource": {}, "count": count},
        {"name": "tenantId", "tenant": "initech", "headers": {}, "resource": {"tenantId": t["initech"].upper()}, "count": count},
        {"name": "urn", "tenant": "hooli", "headers": {}, "resource": {"organization.id": f"urn:uuid:{t['hooli']}"}, "count": count},
        {"name": "braces", "tenant": "acme", "headers": {}, "resource": {"org_id": "{" + t["acme"] + "}"}, "count": count},
        {"name": "slug", "tenant": "globex", "headers": {}, "resource": {"tenant": "globex"}, "count": count},
        {"name": "agreed", "tenant": "acme", "headers": {"authorization": f"Bearer {token(t['acme'])}"}, "resource": {"tenant.id": t["acme"]}, "count": count},
        {"name": "leak", **leak, "headers": {"authorization": f"Bearer {token(t['acme'])}"}, "resource": {"tenant_id": t["globex"]}, "count": count},
        {"name": "unknown", "rejected": "unknown_tenant", "headers": {}, "resource": {"tenant_id": t["nobody"]}, "count": count},
        {"name": "deleted", "rejected": "deleted_tenant", "headers": {}, "resource": {"account_id": t["vandelay"]}, "count": count},
        {"name": "none", "rejected": "missing_tenant", "headers": {}, "resource": {}, "count": count},
    ]


# The aliases that must be gone from every resource on the far side.
ALIASES = {"tenant.id", "tenantId", "tenant", "tenant_uuid", "org_id", "organization.id", "account_id", "x-tenant-id", "x-scope-orgid"}


def send(run, sender, gate, protocols, given, timeout=120):
    """Runs a sender over protocols and cases; returns its stderr."""
    values, keys = planted()
    job = {"run": run, "grpc": gate.otlp_grpc, "http": gate.otlp_http, "protocols": protocols, "cases": given, "values": values, "keys": keys}
    environment = {**os.environ, "NODE_TOOLS": str(TOOLS / "node"), "NODE_PATH": str(TOOLS / "node/node_modules")}
    command = {
        "python": [TOOLS / "python/bin/python", HERE / "senders/send.py"],
        "node": ["node", HERE / "senders/send.mjs"],
        "go": [TOOLS / "go-sender/send"],
    }[sender]
    done = subprocess.run([str(c) for c in command], input=json.dumps(job), text=True, capture_output=True, timeout=timeout, env=environment)
    (scratch() / f"sender-{run}.log").write_text(done.stdout + done.stderr)
    check(f"{run}: the sender ended well", done.returncode == 0, done.stderr[-600:])
    return done.stderr


def expected(run, protocols, given, signal):
    """The ids of the log records, spans or data points that must arrive, each with its tenant's id."""
    marks = {"logs": [""], "traces": [""], "metrics": ["", "h", "g"]}[signal]
    return {
        f"{run}.{p}.{signal}.{c['name']}.{m}{n}": TENANTS[c["tenant"]]
        for p in protocols for c in given if "tenant" in c for n in range(c["count"]) for m in marks
    }
