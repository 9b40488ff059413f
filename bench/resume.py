# SPDX-License-Identifier: MIT
"""How soon a producer runs again once its reader reads: ours, Node's, Twisted's."""
import contextlib
import fcntl
import os
import socket
import statistics
import struct
import subprocess
import termios
import time

import bulk
import machine
from machine import Child, Failure, LOAD_CORES, TOOL_CORES
from peers import Contestant

# A producer that was paused for so long has met a full buffer, in seconds.
SETTLED = 0.004
CYCLE_LIMIT = 5.0

# The kernel throws away what it is asked to put here (MSG_TRUNC).
ROOM = bytearray(1 << 20)

PROGRAMS = [
    Contestant("weir", "resume_weir", "bench/resume_weir.c", "{port}"),
    Contestant("node", "node", "bench/resume_node.js", "{port}", script="resume_node.js"),
    Contestant("twisted", "python3", "bench/resume_twisted.py", "{port}",
               script="resume_twisted.py"),
]


def waiting_bytes(peer):
    return struct.unpack("i", fcntl.ioctl(peer, termios.FIONREAD, bytes(4)))[0]


def wait_for_stall(lines, peer):
    """Until it is paused, and stays so: neither a word nor a byte comes any more."""
    deadline = time.monotonic() + CYCLE_LIMIT
    paused, there = False, -1
    while time.monotonic() < deadline:
        line = lines.next(SETTLED)
        if line is not None:
            paused = line == b"paused"
        elif paused and waiting_bytes(peer) == there:
            return
        else:
            there = waiting_bytes(peer)
    raise Failure("the producer is never held for long")


def one_resume(lines, peer):
    """Microseconds from the first read to the resume."""
    wait_for_stall(lines, peer)
    start = time.monotonic_ns()
    deadline = start + int(CYCLE_LIMIT * 1e9)
    while True:
        with contextlib.suppress(BlockingIOError):
            peer.recv_into(ROOM, len(ROOM), socket.MSG_TRUNC)
        line = lines.next(0)
        if line not in (None, b"paused"):
            return (int(line) - start) / 1e3
        if time.monotonic_ns() > deadline:
            raise Failure("the producer was not resumed")


def connected(listener, child):
    """The child's connection, or why there is none."""
    deadline = time.monotonic() + machine.START_LIMIT
    listener.settimeout(0.1)
    while True:
        try:
            return listener.accept()[0]
        except TimeoutError as why:
            if child.has_ended():
                child.end() # which tells what it said
                raise Failure("it ends without connecting") from why
            if time.monotonic() > deadline:
                raise Failure("it does not connect") from why


def run(bench, contestant, cycles):
    os.sched_setaffinity(0, LOAD_CORES)
    try:
        with bulk.listening() as s:
            child = Child(contestant.argv(bench, port=s.getsockname()[1]), TOOL_CORES,
                          stdout=subprocess.PIPE)
            with connected(s, child) as peer:
                peer.setblocking(False)
                lines = machine.Lines(child.stdout)
                for _ in range(3):
                    one_resume(lines, peer)
                got = [one_resume(lines, peer) for _ in range(cycles)]
        child.kill()
        child.end(accept=())
        return got
    finally:
        os.sched_setaffinity(0, machine.CORES)


def resume(bench):
    cycles, rounds = (30, 2) if bench.quick else (100, 6)
    here = []
    for c in PROGRAMS:
        if bench.path(c.program):
            here.append(c)
        else:
            bench.missing(c.name)
    times = {c.name: [] for c in PROGRAMS}
    for i in range(rounds):
        shift = i % max(1, len(here))
        for c in here[shift:] + here[:shift]:
            try:
                times[c.name] += run(bench, c, cycles)
            except machine.TROUBLE as why:
                machine.end_all()
                bench.missing(f"{c.name} in resume", str(why))
                here = [other for other in here if other is not c]
    rows = []
    for c in PROGRAMS:
        got = sorted(times[c.name])
        if got:
            late = got[min(len(got) - 1, len(got) * 99 // 100)]
            rows.append([c.name, f"{statistics.median(got):.0f}", f"{late:.0f}", str(len(got))])
            bench.figures[f"resume {c.name}"] = statistics.median(got)
    return [{
        "title": "From drained to resumed",
        "columns": ["program", "median, us", "p99, us", "times"],
        "rows": rows,
        "note": "A push producer writes 64 KiB at a time to a TCP peer that does not read, until "
                "it is held; then the peer reads all it can. From the first read to the producer's "
                "resume ('drain' in Node), with both clocks the system's monotonic one.",
    }]


SMALL = {"resume": resume}
