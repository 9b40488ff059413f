# SPDX-License-Identifier: MIT
"""The small scenarios: instructions, bytes of memory, start-up.  Each returns a list of
tables, {"title", "columns", "rows", "note"}, and puts what the bars need into `bench.figures`."""
import os
import re
import resource
import select
import signal
import statistics
import subprocess
import time

import callgrind
import machine
import report
from machine import Child, Failure, LOAD_CORES, TOOL_CORES

KIB = 1024

OPERATIONS = [
    ("write-64", "`weir_consumer_write` of 64 bytes, all taken by the drain"),
    ("write-16k", "`weir_consumer_write` of 16 KiB, all taken by the drain"),
    ("give", "`weir_consumer_give` of a 16 KiB chunk to a valve"),
    ("receive", "`weir_consumer_give` of the chunk to a receiver, its callback included"),
    ("feed", "`weir_feeder_feed` of 16 KiB to a valve"),
    ("register", "register a push producer, unregister it"),
    ("pause", "a write that fills it, pause, drain, resume"),
]

# What stands before the sink, and how many sinks it gives to.
HOPS = [
    ("hop-join", "join", 1),
    ("hop-relay", "one direction of a relay", 1),
    ("hop-wrap", "wrap", 1),
    ("hop-tap", "tap that counts", 1),
    ("hop-hash", "tap that hashes (SHA-256 of 16 KiB, plain code, by libcrypto)", 1),
    ("hop-processor", "bare processor", 1),
    ("hop-proxy", "plain proxy", 1),
    ("hop-buffering", "buffering proxy", 1),
    ("hop-throttle", "throttle, its limit not reached", 1),
    ("give-chain", "valve that passes on", 1),
    ("hop-tee-1", "tee of 1 branch", 1),
    ("hop-tee-2", "tee of 2 branches", 2),
    ("hop-tee-8", "tee of 8 branches", 8),
]


def contract(bench):
    build = bench.build
    names = ["nothing"] + [o[0] for o in OPERATIONS] + [h[0] for h in HOPS]
    cost = {name: callgrind.per_operation(build, name) for name in names}
    cost = {name: c - cost["nothing"] for name, c in cost.items()}
    method = (f"callgrind (valgrind {machine.version('valgrind')}); each is the difference of "
              f"{2 * callgrind.COUNT} and {callgrind.COUNT} operations, less the empty loop's. ")
    hops = []
    for name, what, sinks in HOPS:
        hop = cost[name] - sinks * cost["give"]
        bench.figures[name] = hop
        hops.append([what, f"{cost[name]:.0f}", f"{hop:.0f}"])
    return [{
        "title": "The contract's cost",
        "columns": ["operation", "instructions"],
        "rows": [[what, f"{cost[name]:.0f}"] for name, what in OPERATIONS],
        "note": method + "The sink's drain counts the bytes and does nothing else; giving includes "
                "the reference that is taken for it.",
    }, {
        "title": "A hop: one chunk through what stands before a valve",
        "columns": ["before the valve", "instructions, all", "of these the hop"],
        "rows": hops,
        "note": method + "The hop is what is left when giving the chunk to each sink is taken off. "
                "The valve that passes on and the tee take a reference more for each sink.",
    }]


def schedules(bench):
    """How fast the simulator is; its seeds are the same each time."""
    count, rounds = (200, 3) if bench.quick else (1000, 9)
    rates = []
    for _ in range(rounds):
        child = Child([os.path.join(bench.build, "weir-sim"), "--seed", "1", "--count", str(count)],
                      TOOL_CORES, stdout=subprocess.PIPE)
        child.end()
        rates.append(count / child.cpu)
    return [{
        "title": "The simulator",
        "columns": ["what", "schedules a second of one core"],
        "rows": [["weir-sim, every rule checked", report.spread(rates, 0)]],
        "note": f"{rounds} runs of the seeds 1 to {count}, by CPU time.",
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
    try:
        peer, _ = port_listener.accept()
    except TimeoutError as why:
        raise Failure("it does not connect") from why
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
            try:
                early, late, peak = watch_stuck(bench, argv, s, zero)
            except machine.TROUBLE as why:
                machine.end_all()
                bench.missing(f"{name} in bound", str(why))
                continue
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
    ended = os.pidfd_open(pid)
    late = not select.select([ended], [], [], machine.START_LIMIT)[0]
    if late:
        os.kill(pid, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - start
    os.close(ended)
    if late:
        raise Failure(f"{argv[0]}: still running after {machine.START_LIMIT:.0f} s")
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
    middle = {name: statistics.median(w for w, _ in got) for name, got in times.items()}
    bench.figures["start ratio"] = middle["weir"] / middle["cat"]
    for name, got in times.items():
        wall = sorted(w for w, _ in got)
        rows.append([name, f"{middle[name]:.2f}", f"{wall[0]:.2f}",
                     f"{statistics.fmean(c for _, c in got):.2f}"])
    return [{
        "title": "Start and end: an empty file",
        "columns": ["program", "median, ms", "min, ms", "CPU, ms"],
        "rows": rows,
        "note": f"{len(times['weir'])} runs of each, in turn; from posix_spawn to the exit.",
    }]


def loopback(bench):
    """What the machine gives where nothing stands between: one stream, a core for each end."""
    if not bench.path("iperf3"):
        raise Failure("iperf3 is not installed")
    rates = []
    for _ in range(1 if bench.quick else 5):
        port = str(machine.free_port())
        server = Child([bench.path("iperf3"), "-s", "-1", "-B", "127.0.0.1",
                        "-p", port], TOOL_CORES,
                       stdout=subprocess.DEVNULL)
        machine.until(lambda port=port: machine.is_listening(int(port)), machine.START_LIMIT,
                      "iperf3 does not listen")
        client = Child([bench.path("iperf3"), "-c", "127.0.0.1", "-p", port, "-J", "-t",
                        "1" if bench.quick else "2"], LOAD_CORES, stdout=subprocess.PIPE)
        rates.append(client.result()["end"]["sum_received"]["bits_per_second"] / 8e9)
        server.end(accept=())
    return [{
        "title": "The machine's loopback",
        "columns": ["program", "GB/s"],
        "rows": [["iperf3, nothing between", report.spread(rates)]],
        "note": "",
    }]


SMALL = {"contract": contract, "schedules": schedules, "loopback": loopback, "memory": memory,
         "bound": bound, "startup": startup}
