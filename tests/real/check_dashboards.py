"""Holds the dashboards to their rules, without a gate: uid, titles, descriptions, units, variables, PromQL.

Guarantee: a dashboard that Grafana would show half, or that reads a metric which the gate does not have, fails here.
"""

import json
import re
import subprocess

import lib
from lib import check

BOARDS = {"tenant": "portcullis-tenant", "leaks": "portcullis-leaks", "pipeline": "portcullis-pipeline"}
DRAWN = {"timeseries", "stat", "table", "gauge", "text"}
VARIABLES = {"$job": ".+", "$instance": ".+", "$tenant": ".+", "$__rate_interval": "1m", "$__range": "1h", "$__interval": "15s"}

# Every name that a query may use: the gate's own metrics, and Prometheus' `up`.
METRICS = set(
    """
portcullis_received_items_total portcullis_accepted_items_total portcullis_rejected_items_total portcullis_dropped_items_total
portcullis_refused_requests_total portcullis_received_bytes_total portcullis_request_duration_seconds
portcullis_redacted_values_total portcullis_unknown_fields_total
portcullis_findings_open portcullis_findings_suppressed_total portcullis_suppressions portcullis_suppressions_expired_total
portcullis_webhook_sent_total portcullis_webhook_failed_total portcullis_webhook_dropped_total portcullis_webhook_queue
portcullis_findings_total portcullis_detector_state_entries portcullis_detector_evicted_total portcullis_detector_cold_total portcullis_detector_blind_seconds_total
portcullis_exporter_sent_items_total portcullis_exporter_send_failed_total portcullis_exporter_rejected_items_total
portcullis_exporter_last_success_timestamp_seconds portcullis_exporter_queue_bytes portcullis_exporter_queue_capacity_bytes
portcullis_exporter_queue_oldest_seconds
portcullis_journal_bytes portcullis_journal_capacity_bytes portcullis_journal_segments portcullis_journal_fsync_seconds
portcullis_journal_corrupt_records_total portcullis_journal_failures_total
portcullis_held_bytes portcullis_catalogue_source_up portcullis_shared_limits_up portcullis_usage_failures_total
portcullis_quarantined_items portcullis_in_flight_bytes portcullis_in_flight_capacity_bytes
portcullis_tenant_last_item_timestamp_seconds portcullis_tenant_limit
portcullis_prometheus_series portcullis_prometheus_rejected_samples_total
portcullis_config_last_reload_successful portcullis_config_last_reload_timestamp_seconds portcullis_config_info portcullis_build_info
portcullis_catalogue_tenants portcullis_catalogue_age_seconds
up
""".split()
)


def load(name):
    return json.loads((lib.ROOT / f"dashboards/{name}.json").read_text())


def substitute(query, values=None):
    """A query with Grafana's variables replaced, longest name first."""
    values = {**VARIABLES, **(values or {})}
    for name in sorted(values, key=len, reverse=True):
        query = query.replace(name, values[name])
    return query


def panels(board):
    return [p for p in board["panels"] if p["type"] != "row"]


def queries(board):
    """(panel, query, whether it is an instant query)."""
    for panel in panels(board):
        for target in panel.get("targets", []):
            yield panel, target["expr"], target.get("instant", False)


def unknown_metrics(query):
    return {m for m in re.findall(r"\b(?:portcullis_\w+|up)\b(?=\s*[{\[)]|$)", query) if re.sub(r"_(bucket|count|sum)$", "", m) not in METRICS and m not in METRICS}


def parses(expressions):
    """None if promtool takes all expressions as rules, else its answer."""
    rules = {"groups": [{"name": "dashboards", "rules": [{"record": f"query:{n}", "expr": e} for n, e in enumerate(expressions)]}]}
    file = lib.scratch() / "queries.rules.json"
    file.write_text(json.dumps(rules))
    done = subprocess.run(["promtool", "check", "rules", "--lint=none", file], capture_output=True, text=True)
    return None if done.returncode == 0 else done.stdout + done.stderr


def main():
    for name, uid in BOARDS.items():
        board = load(name)
        check(f"{name}: uid is fixed, title is set, not editable", board["uid"] == uid and board["title"] and board["editable"] is False and not board.get("id"))
        ids = [p["id"] for p in board["panels"]]
        check(f"{name}: panel ids are unique", len(ids) == len(set(ids)))
        titles = [p["title"] for p in panels(board)]
        check(f"{name}: titles are set and unique", all(titles) and len(titles) == len(set(titles)))
        check(f"{name}: each panel has a description", not (bare := [p["title"] for p in panels(board) if not p.get("description")]), bare)
        odd = [p["title"] for p in panels(board) if p["type"] not in DRAWN or p["type"] != "text" and not p["fieldConfig"]["defaults"].get("unit")]
        check(f"{name}: each panel is of a known kind and has a unit", not odd, odd)
        fixed = [p["title"] for p in panels(board) if p["type"] != "text" and any(d != {"type": "prometheus", "uid": "${datasource}"} for d in [p["datasource"], *[t["datasource"] for t in p["targets"]]])]
        check(f"{name}: each panel reads the chosen data source", not fixed, fixed)
        overlap = [(a["title"], b["title"]) for i, a in enumerate(board["panels"]) for b in board["panels"][:i] if touching(a["gridPos"], b["gridPos"])]
        check(f"{name}: no panel lies on another", not overlap, overlap)
        names = [v["name"] for v in board["templating"]["list"]]
        wanted = ["datasource", "job", "instance"] + ([] if name == "pipeline" else ["tenant"])
        check(f"{name}: variables are {wanted}", names == wanted, names)
        lasting = [v["name"] for v in board["templating"]["list"] if v["type"] == "query" and (v["refresh"] != 2 or v["allValue"] != ".+")]
        check(f"{name}: variables are read anew with the time range", not lasting, lasting)
        loose = [p["title"] for p, q, _ in queries(board) for s in re.findall(r"\{[^}]*\}", q) if 'job=~"$job"' not in s or 'instance=~"$instance"' not in s]
        check(f"{name}: each selector is held to job and instance", not loose, loose)
        fixed = [p["title"] for p, q, _ in queries(board) if re.search(r"\[\d+[smhd]", q)]
        check(f"{name}: ranges follow $__rate_interval or $__range", not fixed, fixed)
        bare = [p["title"] for p, q, _ in queries(board) for m in re.findall(r"(\w+)\(portcullis_\w+_total\b", q) if m not in ("rate", "increase")]
        check(f"{name}: counters are read through rate or increase", not bare, bare)
        strange = {m for _, q, _ in queries(board) for m in unknown_metrics(q)}
        check(f"{name}: only metrics that the gate has", not strange, strange)
        answer = parses([substitute(q) for _, q, _ in queries(board)])
        check(f"{name}: all {len(list(queries(board)))} queries parse", answer is None, answer)
        left = [q for _, q, _ in queries(board) if "$" in substitute(q)]
        check(f"{name}: every variable of a query is known", not left, left)
        if "tenant" in names:
            text = " ".join(p["options"]["content"] for p in panels(board) if p["type"] == "text")
            check(f"{name}: says that a variable is a filter, not a boundary", "a filter, not a boundary" in text)


def touching(a, b):
    return a["x"] < b["x"] + b["w"] and b["x"] < a["x"] + a["w"] and a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"]


if __name__ == "__main__":
    main()
    lib.finish()
