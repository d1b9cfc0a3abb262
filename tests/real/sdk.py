"""Official SDKs -> gate -> a receiving end that reads with the official protobuf classes.

Guarantee: every record of a known tenant arrives once under its canonical tenant_id, nothing of another arrives,
and no planted value is anywhere in what arrived, decoded or not.
"""

import sys
import time
from collections import Counter

import lib
from lib import check
from receiver import Receiver, attributes, items, texts

COUNT = 15  # records of a case, at least as many as planted values
RUNS = [
    ("py", "python", ["grpc", "http", "grpc+gzip", "http+gzip"]),
    ("js", "node", ["grpc", "http", "json", "http+gzip"]),
    ("go", "go", ["grpc", "http"]),
]


def arrived(far, signal):
    """[(id, resource attributes, item, request)] of a signal; the gate's own findings are left out."""
    out = []
    for request in list(far.requests):
        if request.signal == signal:
            for resource, item in items(signal, request.decoded()):
                given = attributes(item)
                if "bed.id" in given:
                    out.append((given["bed.id"], resource, item, request))
    return out


def account(far, runs, given, protocol):
    for signal in lib.SIGNALS:
        want = {}
        for run, _, protocols in runs:
            want |= lib.expected(run, protocols, given, signal)
        lib.wait_for(f"{protocol}: all {signal} arrive", lambda: len({a[0] for a in arrived(far, signal)}) >= len(want), 30, 0.5)
        time.sleep(0.5)
        got = arrived(far, signal)
        counts = Counter(a[0] for a in got)
        missing, extra = set(want) - set(counts), set(counts) - set(want)
        check(f"{protocol}: {signal}: each of {len(want)} ids arrived", not missing, f"{len(missing)} missing, such as {sorted(missing)[:3]}")
        check(f"{protocol}: {signal}: nothing of a rejected tenant arrived", not extra, f"{len(extra)}, such as {sorted(extra)[:3]}")
        if signal != "metrics":
            twice = [i for i, n in counts.items() if n > 1]
            check(f"{protocol}: {signal}: none arrived twice", not twice, f"{len(twice)}, such as {twice[:3]}")
        wrong = [(i, r.get("tenant_id")) for i, r, _, _ in got if i in want and r.get("tenant_id") != want[i]]
        check(f"{protocol}: {signal}: tenant_id is the canonical id on each resource", not wrong, wrong[:3])
        aliases = sorted({k for _, r, item, _ in got for k in [*r, *attributes(item)] if k in lib.ALIASES})
        check(f"{protocol}: {signal}: no alias of the tenant is left", not aliases, aliases)
        mixed = [i for i, r, _, q in got if q.headers.get("x-scope-orgid") != r.get("tenant_id")]
        check(f"{protocol}: {signal}: X-Scope-OrgID of the request is the tenant of each item", not mixed, f"{len(mixed)}, such as {mixed[:3]}")


def clean(far, name):
    for signal in lib.SIGNALS:
        found = [t for r in far.requests if r.signal == signal for t in texts(r.decoded())]
        found += [r.body.decode("latin-1") for r in far.requests if r.signal == signal]
        spilled = lib.spill(found)
        check(f"{name}: {signal}: no planted value in {len(set(found))} distinct texts", found and not spilled, sorted({n for n, _ in spilled}) or "nothing arrived")
        for needle, excerpt in spilled[:5]:
            lib.note(f"{needle!r} in {excerpt!r}")
    partly = [r for r in far.requests if not r.decoded().IsInitialized()]
    check(f"{name}: the official classes read all {len(far.requests)} requests", not partly)


def accounted(gate, name, given):
    """Received = accepted + rejected + dropped, by the gate's own metrics."""
    received = gate.metric("portcullis_received_items_total")
    parts = [gate.metric(f"portcullis_{n}_items_total") for n in ("accepted", "rejected", "dropped")]
    check(f"{name}: the gate's own count adds up", received == sum(parts) > 0, f"received {received:.0f}, accepted, rejected, dropped {parts}")
    for reason in sorted({c["rejected"] for c in given if "rejected" in c}):
        check(f"{name}: rejected for {reason} is counted", gate.metric("portcullis_rejected_items_total", reason=reason) > 0)


def one(protocol, runs, mismatch):
    far = Receiver()
    gate = lib.Gate(far.grpc_url if protocol == "grpc" else far.http_url, protocol, name=f"gate-{protocol}", mismatch=mismatch).start()
    given = lib.cases(COUNT, mismatch)
    for run, sender, protocols in runs:
        lib.send(run, sender, gate, protocols, given)
    account(far, runs, given, f"out over {protocol}")
    clean(far, f"out over {protocol}")
    if not gate.stand_in:
        accounted(gate, f"out over {protocol}", given)
        classes = lib.wait_for("the injected leak is a finding", lambda: {f["class"] for f in gate.findings()}, 15)
        check("the injected leak is a finding of class token_tenant_mismatch", "token_tenant_mismatch" in (classes or ()), classes)
        spilled = lib.spill([(gate.data / "findings.ndjson").read_text(), gate.process.log.read_text()])
        check("no planted value in the findings or the gate's log", not spilled, spilled[:3])
        disk = b"".join(p.read_bytes() for p in gate.data.rglob("*") if p.is_file()).decode("latin-1")
        spilled = lib.spill([disk])
        check("no planted value on the gate's disk", not spilled, spilled[:3])
    check("the gate stopped with 0", gate.stop() == 0, gate.process.returncode)
    far.stop()


if __name__ == "__main__":
    chosen = [r for r in RUNS if len(sys.argv) < 2 or r[0] in sys.argv[1:]]
    one("grpc", chosen, "reject")
    # Out over HTTP: one sender is enough.
    one("http", [("py", "python", ["grpc"])], "keep_claim")
    lib.finish()
