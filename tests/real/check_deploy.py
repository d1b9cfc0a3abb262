"""Holds alerts, runbook, compose file and provisioning to their rules, with the native programs where there are any.

Guarantee: alerts fire and stay quiet as their tests say, each has its runbook section, and the compose file starts only
pinned images with files that exist and that the programs themselves accept.
"""

import re
import subprocess

import lib
import yaml
from check_dashboards import METRICS
from lib import ROOT, TOOLS, check


def run(*command, **keywords):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, cwd=ROOT, **keywords)
    return done.returncode == 0, (done.stdout + done.stderr)[-1500:]


def alerts():
    rules = ROOT / "rules/alerts/portcullis.rules.yml"
    check("alerts: promtool takes the rules", *run("promtool", "check", "rules", rules))
    tests = sorted((ROOT / "rules/alerts/tests").glob("*.yml"))
    for test in tests:
        check(f"alerts: promtool test rules {test.name}", *run("promtool", "test", "rules", test))
    runbook = (ROOT / "docs/runbook.md").read_text()
    sections = {re.sub(r"[^a-z0-9 -]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^## (.+)$", runbook, re.M)}
    cases = [r for t in tests for c in yaml.safe_load(t.read_text())["tests"] for r in c["alert_rule_test"]]
    fires = {r["alertname"] for r in cases if r["exp_alerts"]}
    quiet = {r["alertname"] for r in cases if not r["exp_alerts"]}
    names = set()
    for group in yaml.safe_load(rules.read_text())["groups"]:
        for rule in group["rules"]:
            name, notes = rule["alert"], rule["annotations"]
            names.add(name)
            complete = "for" in rule and rule["labels"].get("severity") in ("page", "ticket") and notes.get("summary") and notes.get("description")
            check(f"alerts: {name} has severity, for, summary, description", complete)
            check(f"alerts: {name} names the tenant or says that it is about all", "tenant" in notes["summary"] or "tenant" in notes["description"] or "journal" in notes["summary"])
            url = notes.get("runbook_url", "")
            check(f"alerts: {name}'s runbook section exists", url.startswith("docs/runbook.md#") and url.split("#")[1] in sections, url)
            check(f"alerts: {name} is tested to fire and to stay quiet", name in fires and name in quiet)
            used = {re.sub(r"_(bucket|count|sum)$", "", m) for m in re.findall(r"portcullis_\w+", rule["expr"])}
            check(f"alerts: {name} reads metrics that the gate has", used <= METRICS, used - METRICS)
    mentioned = set(re.findall(r"\bPortcullis[A-Z]\w+", runbook))
    check("runbook: names every alert and no other", mentioned == names, mentioned ^ names)


def compose():
    file = ROOT / "docker-compose.yml"
    check("compose: the compose library itself loads it", *run(TOOLS / "compose/compose-go", file))
    # As the file says, before interpolation and defaults.
    services = yaml.safe_load(file.read_text())["services"]
    for name, service in services.items():
        image = service["image"]
        check(f"compose: {name}'s image is pinned", re.search(r":v?\d+\.\d+\.\d+$", image), image)
        check(f"compose: {name} publishes to the loopback only", all(p.startswith("127.0.0.1:") for p in service.get("ports", [])))
        check(f"compose: {name} drops capabilities", service.get("cap_drop") == ["ALL"] and "no-new-privileges:true" in service["security_opt"])
        missing = [v for v in service.get("volumes", []) if v.startswith("./") and not (ROOT / v.split(":")[0]).exists()]
        check(f"compose: {name}'s files exist", not missing, missing)
    hosts = set(services) | {"localhost"}
    for config in (ROOT / "dashboards/provisioning").rglob("*.y*ml"):
        text = config.read_text()
        yaml.safe_load(text)
        strangers = {h for h in re.findall(r"(?:https?://|- targets: \[|endpoint: \"?)([a-z][a-z-]*):\d+", text) if h not in hosts}
        check(f"provisioning: {config.name} points at services of the compose file", not strangers, strangers)
    dockerfile = (ROOT / "Dockerfile").read_text()
    stages = re.findall(r"^FROM (\S+)", dockerfile, re.M)
    check("Dockerfile: pinned images, more than one stage, not root", len(stages) > 1 and not any(s.endswith(":latest") or ":" not in s for s in stages) and re.search(r"^USER [1-9]", dockerfile, re.M))
    copied = [s for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.M) for s in line.split()[:-1]]
    check("Dockerfile: what it copies exists", all((ROOT / s).exists() for s in copied), copied)


def programs():
    config = (ROOT / "dashboards/provisioning/prometheus.yml").read_text()
    copy = lib.scratch() / "prometheus.yml"
    copy.write_text(config.replace("/etc/prometheus/rules/", f"{ROOT}/rules/alerts/"))
    check("prometheus.yml: promtool takes it, with its rules", *run("promtool", "check", "config", copy))
    check("alertmanager.yml: amtool takes it", *run("amtool", "check-config", ROOT / "dashboards/provisioning/alertmanager.yml"))
    provider = yaml.safe_load((ROOT / "dashboards/provisioning/grafana/dashboards/portcullis.yaml").read_text())["providers"][0]
    check("grafana: dashboards are provisioned and not editable", provider["allowUiUpdates"] is False and provider["options"]["path"] == "/var/lib/grafana/dashboards")
    if lib.gate_binary().exists():
        # The same file, with the folder of the image replaced by the repository's.
        copy = lib.scratch() / "portcullis.yaml"
        text = (ROOT / "dashboards/provisioning/portcullis.yaml").read_text()
        copy.write_text(text.replace("/etc/portcullis/", f"{ROOT}/dashboards/provisioning/").replace("/var/lib/portcullis", str(lib.scratch())))
        check("portcullis.yaml: portcullis validate takes it", *run(lib.gate_binary(), "validate", "--config", copy))


if __name__ == "__main__":
    alerts()
    compose()
    programs()
    lib.finish()
