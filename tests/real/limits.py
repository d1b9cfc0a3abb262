"""Two gates that share their tenants' limits through a real Redis.

Guarantee: together they let through what one alone may, however the load lies; while Redis is away each tier goes on as
it is told, and no acknowledgement waits for it, whether Redis is gone or only hangs; when it is back they share again.
"""

import http.client
import json
import shutil
import signal
import threading
import time
from pathlib import Path

import lib
from lib import check

LIMIT = 500  # records a second, of each tenant over both gates
RECORDS = 25  # in a request
SENDERS = 3  # of one load
OPEN, CLOSED = lib.TENANTS["acme"], lib.TENANTS["globex"]
BODY = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "order shipped"}}] * RECORDS}]}]})


class Redis:
    def __init__(self):
        self.home = lib.scratch() / "redis"
        self.home.mkdir()
        self.port = lib.free_port()
        self.process = None

    def start(self):
        self.process = lib.spawn("redis", [
            shutil.which("redis-server"), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.home),
            "--save", "", "--requirepass", "no-secret",
        ], cwd=self.home)
        return self

    def stop(self):
        lib.stop(self.process)

    @property
    def url(self):
        return f"redis://:no-secret@127.0.0.1:{self.port}/0"


def gate_with(name, redis, catalogue):
    gate = lib.Gate("http://127.0.0.1:1", name=name)
    (gate.data / "redis-url").write_text(redis.url + "\n")
    identity = {
        "default_limits": {"items_per_second": LIMIT, "items_burst": LIMIT // 5},
        "shared_limits": {
            "redis": {"url_file": str(gate.data / "redis-url")},
            "on_failure": {"default": "open", "tiers": {"database": "closed"}},
        },
    }
    lines = []
    for line in gate.config.read_text().splitlines():
        if line.strip().startswith("catalogue:"):
            lines.append(f"  catalogue: {{ file: {json.dumps(str(catalogue))} }}")
            lines += [f"  {key}: {json.dumps(value)}" for key, value in identity.items()]
        else:
            lines.append(line)
    gate.config.write_text("\n".join(lines) + "\n")
    return gate


class Load:
    """Sends one tenant's records to one gate at twice its limit, and never mind what it is told."""

    def __init__(self, gate, tenant):
        self.gate, self.tenant, self.pause = gate, tenant, SENDERS * RECORDS / (LIMIT * 2)
        self.taken, self.times, self.done, self.odd = 0, [], False, set()
        self.lock = threading.Lock()
        for _ in range(SENDERS):
            threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        headers = {"content-type": "application/json", "authorization": f"Bearer {lib.token(self.tenant)}"}
        connection = http.client.HTTPConnection("127.0.0.1", self.gate.http, timeout=30)
        due = time.time()
        while not self.done:
            due = max(due + self.pause, time.time() - 0.1)
            time.sleep(max(0.0, due - time.time()))
            began = time.time()
            try:
                connection.request("POST", "/v1/logs", BODY, headers)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.odd.add(type(error).__name__)
                connection.close()
                continue
            if answer.status == 200:
                with self.lock:
                    self.taken += RECORDS
                    self.times.append(time.time() - began)
            elif answer.status != 429:
                self.odd.add(answer.status)


class Stretch:
    """What each load had taken, in records a second, between two moments."""

    def __init__(self, loads, seconds=4):
        before = [load.taken for load in loads]
        for load in loads:
            load.times = []
        time.sleep(seconds)
        self.each = [(load.taken - old) / seconds for load, old in zip(loads, before)]
        self.all = sum(self.each)
        times = sorted(t for load in loads for t in load.times)
        self.p99 = times[int(len(times) * 0.99)] if times else 99.0
        self.text = " + ".join(f"{one:.0f}" for one in self.each) + f" records/s, p99 {self.p99 * 1000:.0f} ms"


def near(value, wanted, by=0.2):
    return abs(value - wanted) <= wanted * by


def share():
    redis = Redis().start()
    catalogue = lib.scratch() / "limits-tenants.json"
    catalogue.write_text(json.dumps({"tenants": [{"id": OPEN}, {"id": CLOSED, "isolation": "database"}]}))
    gates = [gate_with(f"gate-{n}", redis, catalogue).start() for n in (1, 2)]
    seen = lambda wanted: all(gate.metric("portcullis_shared_limits_gates") == wanted for gate in gates)
    check("both gates know of each other", bool(lib.wait_for("two gates", lambda: seen(2), 10)))

    loads = [Load(gate, tenant) for tenant in (OPEN, CLOSED) for gate in gates]
    time.sleep(3)
    both = Stretch(loads)
    lib.note(f"shared: {both.text}")
    check("two gates let through the limit of one tenant together", near(sum(both.each[:2]), LIMIT), both.text)
    check("and of another", near(sum(both.each[2:]), LIMIT), both.text)
    check("each gate has its part", min(both.each) > LIMIT * 0.3, both.text)

    loads[1].done = True
    time.sleep(4)
    one = Stretch(loads[:1])
    lib.note(f"one gate alone has load: {one.text}")
    check("a gate alone with the load has the whole limit", near(one.all, LIMIT), one.text)
    loads[1] = Load(gates[1], OPEN)
    time.sleep(3)

    redis.process.send_signal(signal.SIGSTOP)
    time.sleep(4)
    hangs = Stretch(loads)
    lib.note(f"Redis hangs: {hangs.text}")
    redis.process.send_signal(signal.SIGCONT)
    check("while Redis hangs the open tier has the whole limit at each gate", near(sum(hangs.each[:2]), 2 * LIMIT), hangs.text)
    check("the closed tier has its equal part at each", near(sum(hangs.each[2:]), LIMIT), hangs.text)
    check("no acknowledgement waits for it", hangs.p99 < max(0.25, both.p99 * 3), f"{both.text}; {hangs.text}")
    check("it is said", all(gate.metric("portcullis_shared_limits_up") == 0 or gate.metric("portcullis_shared_limits_failures_total") > 0 for gate in gates))
    check("Redis answers again: said, too", bool(lib.wait_for("up", lambda: all(gate.metric("portcullis_shared_limits_up") == 1 for gate in gates), 10)))

    redis.stop()
    time.sleep(4)
    away = Stretch(loads)
    lib.note(f"Redis is gone: {away.text}")
    check("Redis is gone: the same for the open tier", near(sum(away.each[:2]), 2 * LIMIT), away.text)
    check("and for the closed one", near(sum(away.each[2:]), LIMIT), away.text)
    check("and no acknowledgement waits", away.p99 < max(0.25, both.p99 * 3), f"{both.text}; {away.text}")
    check("the metric says that it is away", all(gate.metric("portcullis_shared_limits_up") == 0 for gate in gates))

    redis.start()
    check("Redis is back", bool(lib.wait_for("up", lambda: all(gate.metric("portcullis_shared_limits_up") == 1 for gate in gates), 15)))
    time.sleep(3)
    back = Stretch(loads)
    lib.note(f"Redis is back: {back.text}")
    check("limits are shared again", near(sum(back.each[:2]), LIMIT) and near(sum(back.each[2:]), LIMIT), back.text)

    for load in loads:
        load.done = True
    odd = set().union(*(load.odd for load in loads))
    check("nothing but 200 and 429 was answered", not odd, str(odd))
    logs = "".join(Path(path).read_text(errors="replace") for path in lib.scratch().glob("gate-*.log"))
    check("the password is in no log", "no-secret" not in logs)
    for gate in gates:
        gate.kill()
    redis.stop()


if shutil.which("redis-server") is None:
    check("redis-server is installed", False, "tests/real/tools puts it there")
else:
    share()
lib.finish()
