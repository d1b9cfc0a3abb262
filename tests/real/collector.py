"""The real OpenTelemetry Collector before the gate, and behind it.

Guarantee: SDK -> Collector -> gate -> receiving end, and SDK -> gate -> Collector -> file, keep every record, its tenant
(given once by a header that the Collector passes on, once by an attribute), and none of the planted values.
"""

import json

import lib
from google.protobuf import json_format
from lib import check
from receiver import SERVICES, Receiver, attributes, items, texts

COUNT = 15
PROTOCOLS = ["grpc", "http"]


def collector(name, out=None, file=None):
    grpc, http = lib.free_port(), lib.free_port()
    config = lib.scratch() / f"{name}.yaml"
    config.write_text(lib.collector_config(grpc, http, out, file))
    process = lib.spawn(name, [lib.COLLECTOR, "--config", config])
    process.otlp_grpc, process.otlp_http = f"http://127.0.0.1:{grpc}", f"http://127.0.0.1:{http}"
    ready = lambda: lib.http(f"{process.otlp_http}/v1/logs", b"", {"content-type": "application/x-protobuf"})[0] == 200
    if not lib.wait_for(f"{name} is ready", ready, 20):
        print(lib.tail(process))
    return process


def from_messages(messages):
    """{signal: {id: tenant_id}} and all texts."""
    ids, found = {s: {} for s in lib.SIGNALS}, []
    for signal, message in messages:
        found.extend(texts(message))
        for resource, item in items(signal, message):
            if "bed.id" in (given := attributes(item)):
                ids[signal][given["bed.id"]] = resource.get("tenant_id")
    return ids, found


def compare(name, run, given, read):
    def complete():
        ids, _ = from_messages(read())
        return all(len(ids[s]) >= len(lib.expected(run, PROTOCOLS, given, s)) for s in lib.SIGNALS)

    lib.wait_for(f"{name}: all arrives", complete, 30, 0.5)
    ids, found = from_messages(read())
    for signal in lib.SIGNALS:
        want = lib.expected(run, PROTOCOLS, given, signal)
        wrong = {k for k in want.keys() | ids[signal].keys() if want.get(k) != ids[signal].get(k)}
        check(f"{name}: {signal}: {len(want)} ids, each under its tenant", not wrong, f"{len(wrong)} wrong, such as {sorted(wrong)[:3]}")
    spilled = lib.spill(found)
    check(f"{name}: no planted value in {len(set(found))} texts", found and not spilled, spilled[:5])


def before(protocol):
    far = Receiver()
    gate = lib.Gate(far.grpc_url, name=f"gate-behind-{protocol}").start()
    endpoint = gate.otlp_grpc if protocol == "grpc" else gate.otlp_http
    # The Collector authenticates as itself: a token of Acme; what is Acme's arrives, and only that.
    headers = {"authorization": f"Bearer {lib.token(lib.TENANTS['acme'])}"}
    first = collector(f"collector-before-{protocol}", {"protocol": protocol, "endpoint": endpoint, "headers": headers})
    given = [{"name": "plain", "tenant": "acme", "headers": {}, "resource": {}, "count": COUNT}]
    run = f"before{protocol}"
    lib.send(run, "python", first, PROTOCOLS, given)
    compare(f"Collector ({protocol}) before the gate", run, given, lambda: [(r.signal, r.decoded()) for r in list(far.requests)])
    check(f"the Collector ({protocol}) before the gate lost nothing", "Dropping data" not in lib.tail(first, 10**6), lib.tail(first, 3))
    lib.stop(first)
    gate.stop()
    far.stop()


def behind(protocol):
    out = lib.scratch() / f"collector-{protocol}.jsonl"
    last = collector(f"collector-behind-{protocol}", file=out)
    gate = lib.Gate(last.otlp_grpc if protocol == "grpc" else last.otlp_http, protocol, name=f"gate-before-{protocol}").start()
    given = [c for c in lib.cases(COUNT) if c["name"] in ("token", "header", "tenantId", "leak")]
    run = f"behind{protocol}"
    lib.send(run, "python", gate, PROTOCOLS, given)

    def read():
        if not out.exists():
            return []
        result = []
        for line in out.read_text().splitlines():
            try:
                value = json.loads(line)
            except ValueError:
                continue  # the last line, half written
            key = next(iter(value))
            signal = {"resourceLogs": "logs", "resourceSpans": "traces", "resourceMetrics": "metrics"}[key]
            result.append((signal, json_format.ParseDict(fix_ids(value), SERVICES[signal][1]())))
        return result

    compare(f"Collector ({protocol}) behind the gate, to a file", run, given, read)
    gate.stop()
    lib.stop(last)


def fix_ids(value):
    """OTLP/JSON writes ids in hex where protobuf's JSON has base64: leave them out, they are not looked at here."""
    if isinstance(value, dict):
        return {k: fix_ids(v) for k, v in value.items() if k not in ("traceId", "spanId", "parentSpanId")}
    return [fix_ids(v) for v in value] if isinstance(value, list) else value


if __name__ == "__main__":
    for protocol in ("grpc", "http"):
        before(protocol)
        behind(protocol)
    lib.finish()
