"""Kills the gate with SIGKILL, again and again, under load.

Guarantee: every record that was acknowledged is on the far side after the last restart. Duplicates are allowed, loss is not.
usage: kill9.py [kills]
"""

import http.client
import random
import re
import sys
import threading
import time

import lib
from lib import check
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from receiver import Receiver

KILLS = int(sys.argv[1]) if len(sys.argv) > 1 else 50
SENDERS = 20
BATCH = 25
SEED = int(time.time())
ID = re.compile(rb"k9-[0-9a-f]{12}")


class Sender(threading.Thread):
    """One connection that sends batches one after the other, and notes which were acknowledged whole."""

    def __init__(self, gate, number, stop):
        super().__init__(daemon=True)
        self.gate, self.number, self.stop = gate, number, stop
        self.acknowledged, self.sent, self.refused, self.broken, self.partial = [], 0, 0, 0, 0
        tenants = ["acme", "globex", "initech", "hooli"]
        self.tenants = [lib.TENANTS[tenants[number % 4]]]
        if number % 5 == 0:  # batches of two tenants: acknowledged only when both lanes are safe
            self.tenants.append(lib.TENANTS[tenants[(number + 1) % 4]])
        self.template = self.encode()

    def encode(self):
        """A batch with ids of a fixed width, so that a new one is made by replacing bytes."""
        request = logs.ExportLogsServiceRequest()
        for at, tenant in enumerate(self.tenants):
            group = request.resource_logs.add()
            group.resource.attributes.add(key="tenant_id").value.string_value = tenant
            group.resource.attributes.add(key="service.name").value.string_value = f"kill9-{self.number}"
            records = group.scope_logs.add().log_records
            for n in range(at, BATCH, len(self.tenants)):
                record = records.add(time_unix_nano=1_700_000_000_000_000_000 + n)
                record.body.string_value = "order shipped for maria.lindholm@kvarnby-post.se"
                record.attributes.add(key="bed.id").value.string_value = f"k9-{n:012x}"
        return request.SerializeToString()

    def run(self):
        base = self.number << 32
        connection = None
        while not self.stop.is_set():
            first = base + self.sent * BATCH
            self.sent += 1
            body = ID.sub(lambda m: b"k9-%012x" % (first + int(m[0][3:], 16)), self.template)
            try:
                if connection is None:
                    connection = http.client.HTTPConnection("127.0.0.1", self.gate.http, timeout=20)
                connection.request("POST", "/v1/logs", body, {"content-type": "application/x-protobuf"})
                answer = connection.getresponse()
                content = answer.read()
                if answer.status == 200:
                    # A partial success would have rejected some for good: then nothing here is owed.
                    if logs.ExportLogsServiceResponse.FromString(content).partial_success.rejected_log_records:
                        self.partial += 1
                    else:
                        self.acknowledged.append(first)
                else:
                    self.refused += 1
                    time.sleep(0.05)
            except (OSError, http.client.HTTPException):
                self.broken += 1
                connection = None
                time.sleep(0.02)


def main():
    random.seed(SEED)
    arrived, lock = {}, threading.Lock()
    spilled = []

    def count(request):
        found = ID.findall(request.body)
        with lock:
            for one in found:
                number = int(one[3:], 16)
                arrived[number] = arrived.get(number, 0) + 1
            if b"maria.lindholm" in request.body:
                spilled.append(request)

    far = Receiver(count)
    gate = lib.Gate(far.grpc_url, "grpc", name="kill9").start()
    stop = threading.Event()
    senders = [Sender(gate, n, stop) for n in range(SENDERS)]
    for sender in senders:
        sender.start()
    started, slowest = time.monotonic(), 0.0
    for n in range(KILLS):
        # Some die at once, some in the middle of start-up, most under full load.
        time.sleep(random.choice([0.02, 0.1, 0.3]) + random.random() * 0.5)
        gate.kill()
        again = time.monotonic()
        gate.start(wait=False)
        if n % 5:
            if not lib.wait_for(f"the gate comes back after kill {n + 1}", gate.ready, 20, 0.02):
                print(lib.tail(gate.process))
                break
            slowest = max(slowest, time.monotonic() - again)
    lib.wait_for("the gate comes back after the last kill", gate.ready, 20, 0.05)
    time.sleep(0.5)
    stop.set()
    for sender in senders:
        sender.join(30)
    under_load = time.monotonic() - started
    owed = {first + n for s in senders for first in s.acknowledged for n in range(BATCH)}
    lib.note(f"seed {SEED}; {KILLS} kills in {under_load:.0f} s; slowest restart {slowest:.2f} s; broken requests {sum(s.broken for s in senders)}, refused {sum(s.refused for s in senders)}, partial {sum(s.partial for s in senders)}")
    # What is acknowledged and not yet delivered is in the journal: let it drain.
    until, last, quiet = time.monotonic() + 90, -1, 0
    while time.monotonic() < until and quiet < 6:
        time.sleep(0.5)
        with lock:
            now, missing = sum(arrived.values()), len(owed - arrived.keys())
        quiet = quiet + 1 if missing == 0 or now == last else 0
        if missing == 0:
            break
        if now != last:
            quiet = 0
        last = now
        if quiet >= 6 and missing and time.monotonic() < until - 60:
            quiet = 0  # retries may be backing off: give them time
    with lock:
        lost = owed - arrived.keys()
        delivered, twice = len(arrived), sum(n - 1 for n in arrived.values())
        beyond = len(arrived.keys() - owed)
    lib.note(f"acknowledged {len(owed)}, delivered {delivered}, duplicates {twice}, delivered without acknowledgement {beyond}, lost {len(lost)}")
    check(f"kill -9 x {KILLS}: nothing acknowledged is lost ({len(owed)} records)", owed and not lost, f"{len(lost)} lost, such as {sorted(lost)[:5]}")
    check("kill -9: most of the load was acknowledged", len(owed) > KILLS * BATCH, len(owed))
    if not gate.stand_in:
        check("kill -9: nothing unscrubbed came out", not spilled, len(spilled))
        check("kill -9: no damaged records after it all", gate.metric("portcullis_journal_corrupt_records_total") == 0)
    check("kill -9: the gate stops with 0 in the end", gate.stop() == 0, gate.process.returncode)
    far.stop()


main()
lib.finish()
