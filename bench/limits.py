# SPDX-License-Identifier: MIT
"""What limits a bulk scenario: how busy the cores are, and what the kernel does for the program.

One run more, which is not measured, of weir and of the best of its peers, while perf(1) takes
samples of all cores by the clock: no counter of the processor is needed."""
import collections
import os
import re
import signal
import socket
import subprocess
from statistics import median

import bulk
import machine
from machine import Child, Failure, LOAD_CORES, Unable

FREQUENCY = 1999
SYMBOLS = 4
COLUMNS = ["scenario", "program", "its core busy, %", "the load's, %", "in the kernel, %",
           "where in the kernel most, % of its time"]


class Sampling:
    """perf at work while this is open; `samples` then has, by program, a count by symbol."""

    def __init__(self, bench):
        self.perf, self.file = bench.path("perf"), bench.file("perf.data")
        self.samples = {}

    def __enter__(self):
        # Both stay open: perf takes the end of its orders for an error.
        self.control = socket.socketpair()
        ours, theirs = self.control
        fd = theirs.fileno()
        self.child = Child([self.perf, "record", "-a", "-e", "cpu-clock", "-F", str(FREQUENCY),
                            "-D", "-1", f"--control=fd:{fd},{fd}", "-o", self.file], LOAD_CORES,
                           stdout=subprocess.DEVNULL, pass_fds=[fd])
        ours.settimeout(0.1)
        ours.sendall(b"enable\n")
        machine.until(self.has_begun, machine.START_LIMIT, "perf does not begin")
        return self

    def has_begun(self):
        if self.child.has_ended():
            self.child.end(accept=())
            with open("/proc/sys/kernel/perf_event_paranoid", encoding="ascii") as f:
                level = f.read().strip()
            raise Unable("perf cannot look at all processes here; kernel.perf_event_paranoid is "
                         f"{level}")
        try:
            return self.control[0].recv(16).startswith(b"ack")
        except TimeoutError:
            return False

    def __exit__(self, kind, *_):
        if not kind:
            self.child.send_signal(signal.SIGINT)
            self.child.end(accept=(0, -signal.SIGINT))
        for end in self.control:
            end.close()
        if kind:
            return
        said = Child([self.perf, "report", "-q", "--stdio", "-t", "|", "-F", "sample,comm,sym",
                      "-i", self.file], machine.CORES, stdout=subprocess.PIPE,
                     env={**os.environ, "LC_ALL": "C"}).end().decode(errors="replace")
        os.unlink(self.file)
        self.samples = read_report(said)


def read_report(text):
    """What perf report printed: {program: Counter of (whether the kernel's, symbol)}."""
    found = collections.defaultdict(collections.Counter)
    for line in text.split("\n"):
        row = re.match(r"\s*(\d+)\s*\|\s*(\S.*?)\s*\|\s*\[(.)\] (\S+)", line)
        if row:
            count, program, place, symbol = row.groups()
            found[program][place == "k", symbol] += int(count)
    return found


def shares(samples):
    """The kernel's share of a program's samples, in percent, and text of the most of it."""
    total = sum(samples.values())
    kernel = {symbol: n for (inside, symbol), n in samples.items() if inside}
    if not total:
        raise Failure("perf has no sample of it")
    most = sorted(kernel.items(), key=lambda item: -item[1])[:SYMBOLS]
    text = ", ".join(f"`{symbol}` {n / total * 100:.0f}" for symbol, n in most)
    if any(re.fullmatch(r"(0x)?[0-9a-f]{8,}", symbol) for symbol, _ in most):
        text = "the kernel hides its names (kptr_restrict)"
    return sum(kernel.values()) / total * 100, text


def chosen(bench, scenario):
    """weir, and the fastest program that is not of this repository."""
    ours, weir, peers = os.path.realpath(bench.build) + os.sep, [], []
    for c in scenario.contestants:
        rates = [r[c.name]["rate"] for r in bench.rounds[scenario.name] if c.name in r]
        if rates and c.name == "weir":
            weir.append(c)
        elif rates and c.program != "weir" and \
                not os.path.realpath(bench.path(c.program)).startswith(ours):
            peers.append((median(rates), c))
    return weir + [c for _, c in sorted(peers, key=lambda peer: peer[0])[-1:]]


def row(bench, scenario, contestant):
    with Sampling(bench) as sampling:
        scenario.run(bench, contestant)
    own = sampling.samples.get(contestant.program[:15], {})
    kernel, most = shares(own)
    # Of the rounds that were measured; the load's by the samples, which share one clock.
    busy = median(r[contestant.name]["rate"] * r[contestant.name]["cpu"] * 100
                  for r in bench.rounds[scenario.name] if contestant.name in r)
    load = sum(sampling.samples.get("load", {}).values())
    return [scenario.name, contestant.name, f"{busy:.0f}",
            f"{busy * load / sum(own.values()):.0f}" if load else "", f"{kernel:.0f}", most]


def all_rows(bench, scenarios):
    rows = []
    for s in scenarios:
        for c in chosen(bench, s):
            try:
                rows.append(row(bench, s, c))
            except Unable:
                machine.end_all()
                raise
            except machine.TROUBLE as why:
                machine.end_all()
                bench.missing(f"what limits {c.name} in {s.name}", str(why))
    return rows


def tables(bench, scenarios):
    """One, or none where perf cannot be had."""
    scenarios = [s for s in scenarios if s.measures[:len(bulk.BULK)] == bulk.BULK]
    if not scenarios:
        return []
    try:
        if not bench.path("perf"):
            raise Unable("perf is not installed")
        rows = all_rows(bench, scenarios)
    except Unable as why:
        bench.missing("what limits", str(why))
        return []
    return [{
        "title": "What limits",
        "columns": COLUMNS,
        "rows": rows,
        "note": "weir and the fastest of its peers. How busy the program's core is comes from the "
                "rounds above. The rest is of one run more, which counts nowhere else, sampled by "
                f"`perf record -e cpu-clock` (perf {bench.version('perf')}) {FREQUENCY} times a "
                "second; the load's core is put in proportion to the program's. Who is near 100 % "
                "is the limit; where nobody is, they wait for each other. What loopback does to receive counts for who sends; the clock does not "
                "look where interrupts are off, and finds that time where they come on again "
                "(`_raw_spin_unlock_irqrestore`).",
    }]
