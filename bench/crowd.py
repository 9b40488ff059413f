# SPDX-License-Identifier: MIT
"""Thousands of relays: what a byte costs when few are busy, and the memory of each."""
import contextlib
import re
import subprocess
import time

import bulk
import machine
import peers
import report
from bulk import GB, Scenario
from machine import Child, Failure, LOAD_CORES, Lines, RUN_LIMIT
from report import Measure

# Descriptors that a relay needs besides two for each of its connections.
SPARE = 450
WANTED = 10000
BUSY_SHARE = 100
STALLED = 64

MANY = [Measure("few", "CPU s/GB, all busy", 2, True),
        Measure("many", "CPU s/GB, 1 % busy", 2, True), Measure("more", "many by few", 2)]


def crowd_size():
    """As many relays as the limit of descriptors allows, in hundreds."""
    return min(WANTED, (machine.descriptors() - SPARE) // 2 // BUSY_SHARE * BUSY_SHARE)


class Crowd(Child):
    """bench/crowd.c at work; all its connections are there once this is made."""

    def __init__(self, bench, port, listener, *arguments):
        super().__init__([bench.path("crowd"), str(port), str(listener), *map(str, arguments)],
                         LOAD_CORES, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         pass_fds=[listener])
        self.lines = Lines(self.stdout)
        if self.line() != b"ready":
            raise Failure("crowd: not ready")

    def line(self):
        try:
            return self.lines.next(RUN_LIMIT)
        except Failure:
            self.end() # which tells what it said
            raise

    def go(self):
        self.stdin.write(b"go\n")
        self.stdin.flush()
        return parse_result(self.line())


def parse_result(line):
    found = re.match(rb'\{"bytes": (\d+), "seconds": ([\d.]+)\}', line or b"")
    if not found:
        raise Failure("crowd: broke off")
    return int(found.group(1)), float(found.group(2))


@contextlib.contextmanager
def crowded(bench, contestant, count, *arguments):
    """A relay and its crowd of `count`."""
    descriptors = min(machine.descriptors(), 2 * count + SPARE)
    with bulk.listening() as s:
        server = bulk.Server(bench, contestant, sink=s.getsockname()[1], connections=count,
                             descriptors=descriptors)
        crowd = Crowd(bench, server.port, s.fileno(), count, *arguments)
        yield server, crowd
        server.kill()
        server.end(accept=())
        crowd.stdin.close() # the word, or two, that it waits for
        crowd.end(accept=())


def cpu_per_byte(bench, contestant, count, busy):
    with crowded(bench, contestant, count, busy, bench.seconds) as (server, crowd):
        before = machine.cpu_so_far(server.pid)
        got, _ = crowd.go()
        return (machine.cpu_so_far(server.pid) - before) / (got / GB)


def run_many(bench, contestant):
    many = crowd_size()
    busy = many // BUSY_SHARE
    cost = {"few": cpu_per_byte(bench, contestant, busy, busy),
            "many": cpu_per_byte(bench, contestant, many, busy)}
    return {**cost, "more": cost["many"] / cost["few"]}


def scenarios():
    many = crowd_size()
    limit = machine.descriptors()
    note = f"{many // BUSY_SHARE} relays are busy in both columns."
    if many < WANTED:
        note += (f" The limit of descriptors, {limit}, allows a process {many} relays, "
                 f"not {WANTED}.")
    return [Scenario("relay-many", f"{many} relays, of which 1 % are busy", run_many,
                     peers.single_process_relays(limit), MANY, note)]


# ---- memory ----

def private_memory(pid):
    """Bytes of a process that are its own: resident, and no file's."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(r"^RssAnon:\s*(\d+)", f.read(), re.M).group(1)) * 1024


def idle_memory(bench, contestant, count):
    with crowded(bench, contestant, count, 0, 0) as (server, _):
        time.sleep(0.2)
        return private_memory(server.pid)


def stalled_memory(bench, contestant):
    """What a relay holds in its memory, and how much it took, when its reader does not read."""
    with crowded(bench, contestant, STALLED, "stall") as (server, crowd):
        before = private_memory(server.pid)
        took, _ = crowd.go()
        return (private_memory(server.pid) - before) / STALLED, took / STALLED


def relay_memory(bench):
    few, many = 500, min(crowd_size(), 2000 if bench.quick else WANTED)
    rows = []
    for c in peers.with_memory(machine.descriptors()):
        if not bench.path(c.program):
            bench.missing(c.name)
            continue
        try:
            idle = (idle_memory(bench, c, many) - idle_memory(bench, c, few)) / (many - few)
            stalled = [stalled_memory(bench, c) for _ in range(1 if bench.quick else 5)]
        except machine.TROUBLE as why:
            machine.end_all()
            bench.missing(f"{c.name} in relay-memory", str(why))
            continue
        held, took = ([n / 1024 for n in column] for column in zip(*stalled))
        rows.append([c.name, f"{idle:,.0f}", report.spread(held, 0), report.spread(took, 0)])
        bench.figures[f"stalled {c.name}"] = max(held) * 1024 # the most is what is bounded
    return [{
        "title": "User-space memory of a relay",
        "columns": ["program", "idle, bytes", "reader never reads, KiB",
                    "taken from its source then, KiB"],
        "rows": rows,
        "note": f"RssAnon from outside: between {few} and {many} idle relays, and of {STALLED} "
                "before and after their sources had written all that they could, each of these "
                "a mean of them, and its median, least and most over the runs. What was taken "
                "is for the most part in the kernel's socket buffers. haproxy splices, and what its "
                "reader does not take stays in a pipe, the kernel's too; weir, when it splices, reads "
                "that out of its pipe, one for all relays, and holds it where it is counted.",
    }]


SMALL = {"relay-memory": relay_memory}
