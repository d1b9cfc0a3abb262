"""Checks the last line of `portcullis demo --json`: it adds up, leaks are found, and nothing planted was delivered."""

import json
import sys

CLASSES = {
    "token_tenant_mismatch",
    "metric_tenant_mismatch",
    "trace_tenant_crossing",
    "cross_tenant_read",
    "cross_tenant_attempt",
    "deleted_tenant_active",
}


def total(value):
    """A count, or the sum of counts by signal or reason."""
    return sum(total(part) for part in value.values()) if isinstance(value, dict) else value


with open(sys.argv[1], encoding="utf-8") as file:
    lines = file.read().splitlines()
summary = json.loads(lines[-1])
numbers = {key: total(summary[key]) for key in ("received", "delivered", "rejected", "dropped_by_policy", "redacted")}
planted = summary["planted_values_delivered"]
classes = {finding["class"] if isinstance(finding, dict) else finding for finding in summary["findings"]}
print(json.dumps({**numbers, "findings": sorted(classes), "planted_values_delivered": planted}))

wrong = []
if planted != 0:
    wrong.append(f"{planted} planted values were delivered")
if numbers["received"] != numbers["delivered"] + numbers["rejected"] + numbers["dropped_by_policy"]:
    wrong.append("received is not delivered + rejected + dropped_by_policy")
wrong += [f"{key} is 0" for key in ("received", "delivered", "rejected", "redacted") if numbers[key] <= 0]
wrong += [f"no finding of the class {name}" for name in sorted(CLASSES - classes)]
wrong += summary.get("wrong", [])
for what in wrong:
    print("FAIL", what)
sys.exit(bool(wrong))
