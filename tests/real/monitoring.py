"""A real Prometheus scrapes the gate, a real Alertmanager gets its alerts.

Guarantee: every dashboard panel's query is answered with data (but for the panels listed here, whose cause does not occur),
the tenants' own metrics are there with tenant_id on every series and no personal data, and the leak alert reaches a pager,
and the gate's own webhook brings its findings to Alertmanager.
"""

import json
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import check_dashboards
import lib
import yaml
from lib import ROOT, check
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces
from receiver import Receiver

# Panels that may be empty: nothing in the bed makes a disk fail, a checksum break, a detector go blind or fill up.
MAY_BE_EMPTY = {
    "Detectors blind", "Blind share", "Evicted", "Failures", "Corrupt records",
    "Critical", "Medium and low", "Suppressed", "Webhook: failures",
}
PROTOBUF = {"content-type": "application/x-protobuf"}


class Pager:
    """A webhook that keeps what Alertmanager sends."""

    def __init__(self):
        pager, self.alerts = self, []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                pager.alerts += [{**a, "receiver": body["receiver"]} for a in body["alerts"]]
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def start_alertmanager(pager):
    """The shipped configuration, with a webhook in each receiver."""
    config = yaml.safe_load((ROOT / "dashboards/provisioning/alertmanager.yml").read_text())
    for receiver in config["receivers"]:
        receiver["webhook_configs"] = [{"url": f"http://127.0.0.1:{pager.port}/", "send_resolved": False}]
    config["route"]["group_wait"] = "0s"
    file = lib.scratch() / "alertmanager.yml"
    file.write_text(yaml.safe_dump(config))
    port = lib.free_port()
    command = ["prometheus-alertmanager", f"--config.file={file}", f"--storage.path={lib.scratch()}/alertmanager", f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
    process = lib.spawn("alertmanager", command)
    if not lib.wait_for("Alertmanager is ready", lambda: lib.http(f"http://127.0.0.1:{port}/-/ready")[0] == 200):
        print(lib.tail(process))
    return port


def start_prometheus(gate, alertmanager):
    """The shipped configuration, with this gate's ports and a second instead of fifteen."""
    config = yaml.safe_load((ROOT / "dashboards/provisioning/prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(ROOT / "rules/alerts/*.rules.yml")]
    config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{alertmanager}"]
    config["scrape_configs"] = [c for c in config["scrape_configs"] if c["job_name"] == "portcullis"]
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{gate.metrics}"]
    file = lib.scratch() / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    port = lib.free_port()
    process = lib.spawn("prometheus", ["prometheus", f"--config.file={file}", f"--storage.tsdb.path={lib.scratch()}/prometheus", f"--web.listen-address=127.0.0.1:{port}"])
    if not lib.wait_for("Prometheus is ready", lambda: lib.http(f"http://127.0.0.1:{port}/-/ready")[0] == 200):
        print(lib.tail(process))
    return port


def query(prometheus, expression):
    """(result, error) of an instant query."""
    _, body = lib.http(f"http://127.0.0.1:{prometheus}/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
    answer = json.loads(body or b"{}")
    return answer.get("data", {}).get("result", []), answer.get("error", "no answer" if not body else "")


def crossing(gate):
    """A trace whose child span is another tenant's than its parent: the injected trace_tenant_crossing."""
    trace_id = (0xBED).to_bytes(16, "big")
    for number, (tenant, parent) in enumerate([("acme", 0), ("globex", 1)], 1):
        request = traces.ExportTraceServiceRequest()
        group = request.resource_spans.add()
        group.resource.attributes.add(key="tenant_id").value.string_value = lib.TENANTS[tenant]
        group.resource.attributes.add(key="service.name").value.string_value = f"shop-{number}"
        now = time.time_ns()
        span = group.scope_spans.add().spans.add(trace_id=trace_id, span_id=number.to_bytes(8, "big"), name="GET /orders", kind=2 if number == 2 else 3)
        span.start_time_unix_nano, span.end_time_unix_nano = now - 1_000_000, now
        if parent:
            span.parent_span_id = parent.to_bytes(8, "big")
        lib.http(f"{gate.otlp_http}/v1/traces", request.SerializeToString(), PROTOBUF)


def oddities(gate):
    """Requests that the gate must refuse, one with a field that OTLP does not have, one that a transform drops."""
    status, _ = lib.http(f"{gate.otlp_http}/v1/logs", b"\xff\xff\xff\xff", PROTOBUF)
    check("bytes that are no protobuf are refused with 400", status == 400, status)
    bad = {"authorization": "Bearer " + lib.token(lib.TENANTS["acme"])[:-4] + "AAAA", **PROTOBUF}
    status, _ = lib.http(f"{gate.otlp_http}/v1/logs", one_log("acme"), bad)
    check("a token with a wrong signature is refused with 401", status == 401, status)
    status, _ = lib.http(f"{gate.otlp_http}/v1/logs", one_log("acme") + bytes([0xFA, 0x01, 0x01, 0x78]), PROTOBUF)
    check("an unknown field is no reason to refuse", status == 200, status)
    status, _ = lib.http(f"{gate.otlp_http}/v1/metrics", reserved_metric("acme"), PROTOBUF)
    check("a metric that has a name of the gate's own is acknowledged, and not exposed", status == 200, status)
    status, _ = lib.http(f"{gate.otlp_http}/v1/logs", one_log("acme", "bed.heartbeat"), PROTOBUF)
    check("a record that a transform drops is acknowledged", status == 200, status)


def one_log(tenant, mark=None):
    request = logs.ExportLogsServiceRequest()
    group = request.resource_logs.add()
    group.resource.attributes.add(key="tenant_id").value.string_value = lib.TENANTS[tenant]
    record = group.scope_logs.add().log_records.add()
    record.body.string_value = "hello"
    if mark:
        record.attributes.add(key=mark).value.bool_value = True
    return request.SerializeToString()


def reserved_metric(tenant):
    request = metrics.ExportMetricsServiceRequest()
    group = request.resource_metrics.add()
    group.resource.attributes.add(key="tenant_id").value.string_value = lib.TENANTS[tenant]
    metric = group.scope_metrics.add().metrics.add(name="portcullis_rejected_items")
    metric.gauge.data_points.add(time_unix_nano=time.time_ns(), as_int=1)
    return request.SerializeToString()


def dashboards(prometheus):
    instance = None
    for name in check_dashboards.BOARDS:
        board = check_dashboards.load(name)
        silent, wrong, empty = [], [], []
        for panel, expression, _ in check_dashboards.queries(board):
            result, error = query(prometheus, check_dashboards.substitute(expression, {"$__rate_interval": "30s", "$__range": "5m"}))
            if error:
                wrong.append((panel["title"], error))
            elif not result:
                (empty if panel["title"] in MAY_BE_EMPTY else silent).append(panel["title"])
        total = len(list(check_dashboards.queries(board)))
        check(f"dashboard {name}: no query fails", not wrong, wrong)
        check(f"dashboard {name}: {total - len(empty)} of {total} queries are answered with data", not silent, f"empty: {silent}")
        if empty:
            lib.note(f"may be empty, and is: {', '.join(dict.fromkeys(empty))}")
    for variable in ("$job", "$instance", "$tenant"):
        board = check_dashboards.load("tenant")
        values = {"$__rate_interval": "30s", "$__range": "5m", variable: "no-such-thing"}
        stubborn = [p["title"] for p, q, _ in check_dashboards.queries(board) if query(prometheus, check_dashboards.substitute(q, values))[0] and "vector(0)" not in q]
        check(f"dashboard tenant: {variable} filters every panel", not stubborn, stubborn)


def tenants_metrics(gate, prometheus):
    for tenant in ("acme", "globex", "initech"):
        result, error = query(prometheus, f'sum(bed_orders_total{{tenant_id="{lib.TENANTS[tenant]}"}})')
        check(f"the metrics of {tenant} are in Prometheus under its tenant_id", result and float(result[0]["value"][1]) > 0, error)
    result, _ = query(prometheus, '{__name__=~"bed_.*|target_info", tenant_id=""}')
    check("no series of a tenant is without tenant_id", not result, [r["metric"] for r in result[:2]])
    result, _ = query(prometheus, 'count(bed_orders_total{job="bed/bed-mon", instance=~".+"})')
    check("job and instance come from service.namespace, service.name and service.instance.id", result)
    _, page = lib.http(f"http://127.0.0.1:{gate.metrics}/metrics")
    spilled = lib.spill(page.decode().splitlines())
    check(f"no planted value on the metrics page ({len(page)} bytes)", page and not spilled, spilled[:3])
    result, _ = query(prometheus, "scrape_samples_scraped")
    check("Prometheus takes the whole page", result and query(prometheus, 'up{job="portcullis"}')[0][0]["value"][1] == "1")


def alerts(prometheus, alertmanager, pager):
    acme, globex = lib.TENANTS["acme"], lib.TENANTS["globex"]

    def paged(kind):
        return [a for a in pager.alerts if a["labels"]["alertname"] == "PortcullisLeakCertain" and a["labels"].get("class") == kind]

    for kind in ("token_tenant_mismatch", "trace_tenant_crossing"):
        got = lib.wait_for(f"the pager gets PortcullisLeakCertain of class {kind}", lambda: paged(kind), 30)
        if got:
            one = got[0]
            check(f"the leak alert ({kind}) reaches the pager through Alertmanager", one["receiver"] == "pager" and one["labels"]["severity"] == "page", one["labels"])
            check(f"the leak alert ({kind}) names the tenant", one["labels"].get("tenant_id") in (acme, globex) and one["labels"]["tenant_id"] in one["annotations"]["summary"], one)
    _, body = lib.http(f"http://127.0.0.1:{alertmanager}/api/v2/alerts")
    names = {a["labels"]["alertname"] for a in json.loads(body or b"[]")}
    lib.note(f"alerts at Alertmanager: {sorted(names)}")
    alarms = names & {"PortcullisGateDown", "PortcullisGateAbsent", "PortcullisJournalFull", "PortcullisJournalNearFull", "PortcullisJournalFailing", "PortcullisConfigReloadFailed"}
    check("no alert without a cause", not alarms, alarms)
    _, body = lib.http(f"http://127.0.0.1:{prometheus}/api/v1/rules")
    sick = [r["name"] for g in json.loads(body)["data"]["groups"] for r in g["rules"] if r["health"] == "err"]
    check("Prometheus evaluates every rule", not sick, sick)


def findings(alertmanager, gate):
    """The gate's webhook, with a real Alertmanager at its end."""

    def there(kind):
        _, body = lib.http(f"http://127.0.0.1:{alertmanager}/api/v2/alerts?filter=alertname%3DPortcullisFinding")
        return [a for a in json.loads(body or b"[]") if a["labels"].get("class") == kind]

    for kind in ("token_tenant_mismatch", "trace_tenant_crossing"):
        got = lib.wait_for(f"Alertmanager has the finding {kind}", lambda: there(kind), 30)
        if got:
            one = got[0]
            labels, notes = one["labels"], one["annotations"]
            check(f"the finding {kind} is at Alertmanager, active, with class, severity and tenant", one["status"]["state"] == "active" and labels["severity"] == "high" and labels["tenant_id"] in lib.TENANTS.values(), one)
            check(f"the finding {kind} says what to do and where it was seen", notes["runbook_url"] == "docs/runbook.md#leak-certain" and notes["summary"].startswith(kind) and notes["description"], notes)
            check(f"the finding {kind} goes on until it is told otherwise", one["endsAt"] > one["updatedAt"], one)
            ids = {f["id"] for f in gate.findings() if f["class"] == kind}
            check(f"the finding {kind} has the id that it has in the findings file", labels["finding_id"] in ids, (labels, ids))
    check("the webhook dropped nothing", gate.metric("portcullis_webhook_dropped_total") == 0 and gate.metric("portcullis_webhook_sent_total") > 0)


def deleted(gate, prometheus, catalogue):
    """A tenant is deleted: its series end, for Prometheus, at once, not after the five minutes of one that is silent."""
    gone, stays = lib.TENANTS["initech"], lib.TENANTS["globex"]
    tenants = yaml.safe_load(catalogue.read_text())
    for tenant in tenants["tenants"]:
        if tenant["id"] == gone:
            tenant.update(state="deleted", deleted_at="2020-01-01T00:00:00Z")
    catalogue.write_text(yaml.safe_dump(tenants))
    series = lambda tenant: query(prometheus, f'bed_orders_total{{tenant_id="{tenant}"}}')[0]
    before = bool(series(gone))
    ended = lib.wait_for("the series end", lambda: not series(gone), 20)
    check("a deleted tenant's series end in Prometheus at once", before and ended)
    check("and nobody else's", bool(series(stays)))


def main():
    far = Receiver()
    far.refuse = True  # the first attempts fail, so that failed sends are there to be drawn
    gate = lib.Gate(far.grpc_url, name="monitored")
    catalogue = lib.scratch() / "monitored-tenants.yaml"
    catalogue.write_text((lib.HERE / "tenants.yaml").read_text())
    if not gate.stand_in:
        gate.config.write_text(gate.config.read_text().replace(str(lib.HERE / "tenants.yaml"), str(catalogue)))
    pager = Pager()
    alertmanager = start_alertmanager(pager)
    if not gate.stand_in:
        webhook = f'webhook: {{ url: "http://127.0.0.1:{alertmanager}", secret: bed }}'
        gate.config.write_text(gate.config.read_text().replace("  settle: 1s\n", f"  settle: 1s\n  {webhook}\n"))
    gate.start()
    prometheus = start_prometheus(gate, alertmanager)
    given = lib.cases(5)
    # Several rounds, so that counters rise between scrapes.
    for turn in range(3):
        lib.send("mon", "python", gate, ["http"], given)
        if far.refuse:
            lib.wait_for("a send fails", lambda: gate.metric("portcullis_exporter_send_failed_total") > 0, 20)
        far.refuse, far.partial = False, turn < 2
        oddities(gate)
        if turn == 2:
            crossing(gate)  # last: a second class at a tenant already paged for must page at once, too
        time.sleep(2)
    time.sleep(3)
    tenants_metrics(gate, prometheus)
    dashboards(prometheus)
    alerts(prometheus, alertmanager, pager)
    findings(alertmanager, gate)
    deleted(gate, prometheus, catalogue)
    gate.stop()
    lib.wait_for("Prometheus sees that the gate is down", lambda: (query(prometheus, 'up{job="portcullis"}')[0] or [{"value": [0, ""]}])[0]["value"][1] == "0", 10)
    far.stop()


if __name__ == "__main__":
    main()
    lib.finish()
