# SPDX-License-Identifier: MIT
"""The small scenarios: instructions, bytes of memory, start-up.  Each returns a list of
tables, {"title", "columns", "rows", "note"}, and puts what the bars need into `bench.figures`."""
import os
import re
import resource
import signal
import statistics
import subprocess
import time

import machine
from machine import Child, Failure, TOOL_CORES

KIB = 1024

OPERATIONS = [
    ("write-64", "`weir_consumer_write` of 64 bytes, all taken by the drain"),
    ("write-16k", "`weir_consumer_write` of 16 KiB, all taken by the drain"),
    ("give", "`weir_consumer_give` of a 16 KiB chunk to a valve"),
    ("give-join", "the same through a `weir_join` before that valve"),
    ("give-chain", "the same through another valve before that valve"),
    ("register", "register a push producer, unregister it"),
    ("pause", "a write that fills it, pause, drain, resume"),
]


def collected(bench, operation, count):
    """The instructions that `micro` took, its start included."""
    child = Child([machine.find("valgrind"), "--tool=callgrind", "--callgrind-out-file=/dev/null",
                   bench.path("micro"), operation, str(count)], set(machine.CORES),
                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = child.end().decode(errors="replace")
    found = re.search(r"Collected : (\d+)", said)
    if not found:
        raise Failure("callgrind did not say what it collected")
    return int(found.group(1))


def contract(bench):
    if not machine.find("valgrind"):
        raise Failure("valgrind is not installed")
    count = 2000
    cost = {}
    for name in ["nothing"] + [name for name, _ in OPERATIONS]:
        cost[name] = (collected(bench, name, 2 * count) - collected(bench, name, count)) / count
    rows = [[what, f"{cost[name] - cost['nothing']:.0f}"] for name, what in OPERATIONS]
    hops = {"join": cost["give-join"] - cost["give"], "valve": cost["give-chain"] - cost["give"]}
    rows.append(["**a hop through a join** (the difference)", f"**{hops['join']:.0f}**"])
    rows.append(["**a hop through a valve** (the difference)", f"**{hops['valve']:.0f}**"])
    bench.figures.update({"hop join": hops["join"], "hop valve": hops["valve"]})
    return [{
        "title": "The contract's cost",
        "columns": ["operation", "instructions"],
        "rows": rows,
        "note": f"callgrind (valgrind {machine.version('valgrind')}); each is the difference of "
                f"{2 * count} and {count} operations, less the empty loop's. The sink's drain "
                "counts the bytes and does nothing else; giving includes the reference that is "
                "taken for it; the valve that passes on takes one more for the next.",
    }]


def memory(bench):
    first = 1000
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    total = 5000 if bench.quick else 10000
    if limit != resource.RLIM_INFINITY:
        total = min(total, limit - 128)
    if total < 2 * first:
        raise Failure(f"the limit of descriptors is {limit}, {2 * first} are needed")
    what = {
        "transport": "accepted, nothing more",
        "joined": "accepted, its source joined to its own sink: transport + join",
        "relay": "each two are a relay's ends: (2 transports + relay) / 2",
    }
    rows = []
    for mode, text in what.items():
        child = Child([bench.path("idle"), mode, str(first), str(total)], set(machine.CORES),
                      stdout=subprocess.PIPE)
        got = child.result()
        rows.append([text, f"{got['heap']:.0f}", f"{got['resident']:.0f}"])
        bench.figures[f"idle {mode}"] = got["heap"]
    return [{
        "title": "User-space memory of an idle TCP connection",
        "columns": ["what is counted", "heap, bytes a connection", "resident, bytes a connection"],
        "rows": rows,
        "note": f"From inside, mallinfo2() and /proc/self/statm, the difference between {first} "
                f"and {total} connections. sizeof: struct weir_valve {got['valve']}, struct "
                f"weir_transport {got['transport']}, uv_poll_t {got['uv_poll']} bytes. The "
                "kernel's memory is not in it.",
    }]


def resident(pid, field="VmRSS"):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(rf"^{field}:\s*(\d+)", f.read(), re.M).group(1))


def watch_stuck(bench, argv, port_listener, source):
    """Run it against a peer that never reads: KiB resident early, late, and the peak."""
    tool = Child(argv, TOOL_CORES, stdin=source, stdout=subprocess.DEVNULL)
    port_listener.settimeout(machine.START_LIMIT)
    peer, _ = port_listener.accept()
    with peer:
        time.sleep(0.5)
        early = resident(tool.pid)
        time.sleep(1.0 if bench.quick else 3.0)
        late, peak = resident(tool.pid), resident(tool.pid, "VmHWM")
        tool.send_signal(signal.SIGTERM)
        tool.end(accept=())
    return early, late, peak


def bound(bench):
    """A fast source before a TCP peer that accepts and never reads."""
    commands = [
        ("weir", "copy zero: tcp://...", ["copy", "--no-progress", "zero:", "tcp://127.0.0.1:{}"]),
        ("socat", "-u -b 262144 FILE:/dev/zero TCP:...",
         ["-u", "-b", "262144", "FILE:/dev/zero", "TCP:127.0.0.1:{}"]),
        ("nc", "HOST PORT < /dev/zero", ["127.0.0.1", "{}"]),
    ]
    rows = []
    for name, settings, arguments in commands:
        if not bench.path(name):
            bench.missing(name)
            continue
        with bench.listening() as s, open("/dev/zero", "rb") as zero:
            port = str(s.getsockname()[1])
            argv = [bench.path(name)] + [word.format(port) for word in arguments]
            early, late, peak = watch_stuck(bench, argv, s, zero)
        rows.append([f"{name} `{settings}`", str(early), f"{late - early:+d}", str(peak)])
        if name == "weir":
            bench.figures["stuck growth"] = (late - early) * KIB
    return [{
        "title": "A sink that never reads, a source that never ends",
        "columns": ["program", "resident after 0.5 s, KiB", "growth after that, KiB",
                    "peak, KiB"],
        "rows": rows,
        "note": "From outside, VmRSS and VmHWM of /proc/PID/status"
                f" over {1.5 if bench.quick else 3.5} s.",
    }]


def spawn(argv, out):
    """Milliseconds, wall and CPU, of one run."""
    actions = [(os.POSIX_SPAWN_OPEN, 1, out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)]
    start = time.perf_counter()
    pid = os.posix_spawn(argv[0], argv, os.environ, file_actions=actions)
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - start
    if status:
        raise Failure(f"{argv[0]}: exit status {os.waitstatus_to_exitcode(status)}")
    return wall * 1e3, (usage.ru_utime + usage.ru_stime) * 1e3


def startup(bench):
    empty, target = bench.file("empty"), bench.file("startup")
    with open(empty, "wb"):
        pass
    commands = {
        "weir": [bench.path("weir"), "copy", "--no-progress", empty, target],
        "cat": [bench.path("cat"), empty],
        "cp": [bench.path("cp"), empty, target],
    }
    times = {name: [] for name in commands}
    for i in range(60 if bench.quick else 200):
        names = list(commands)
        for name in names[i % 3:] + names[:i % 3]:
            times[name].append(spawn(commands[name], target if name == "cat" else os.devnull))
    rows = []
    for name, got in times.items():
        wall = sorted(w for w, _ in got)
        rows.append([name, f"{statistics.median(wall):.2f}", f"{wall[0]:.2f}",
                     f"{statistics.fmean(c for _, c in got):.2f}"])
    return [{
        "title": "Start and end: an empty file",
        "columns": ["program", "median, ms", "min, ms", "CPU, ms"],
        "rows": rows,
        "note": f"{len(times['weir'])} runs of each, in turn; from posix_spawn to the exit.",
    }]


SMALL = {"contract": contract, "memory": memory, "bound": bound, "startup": startup}
