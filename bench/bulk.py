# SPDX-License-Identifier: MIT
"""The bulk scenarios: bytes through one program, and what they cost it."""
import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import time

import machine
import peers
import report
from machine import Child, Failure, LOAD_CORES, TOOL_CORES

GB = 1e9
MIB = 1 << 20


def sample(bytes_, seconds, cpu):
    return {"rate": bytes_ / GB / seconds, "cpu": cpu / (bytes_ / GB)}


def loaded(bench, *arguments, cores=None, **options):
    return Child([bench.path("load"), *map(str, arguments)], cores or LOAD_CORES,
                 stdout=options.pop("stdout", subprocess.PIPE), **options)


def listening():
    return socket.create_server(("127.0.0.1", 0), backlog=4096)


def check_size(path, wanted):
    size = os.stat(path).st_size
    if size != wanted:
        raise Failure(f"{size} bytes arrived of {wanted}")


# ---- one run each ----

def run_file_to_file(bench, contestant):
    target = bench.file("copy")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(target)
    redirect = contestant.program in ("cat", "pv")
    start = time.monotonic()
    with open(target if redirect else os.devnull, "wb") as out:
        tool = Child(contestant.argv(bench, source=bench.source, target=target), TOOL_CORES,
                     stdout=out)
    tool.end()
    seconds = time.monotonic() - start
    check_size(target, bench.size)
    os.unlink(target)
    return sample(bench.size, seconds, tool.cpu)


def run_pipes(bench, contestant, size):
    """gen | contestant | sink; size is that of both pipes at the start."""
    ends = []
    for _ in range(2):
        pair = os.pipe()
        fcntl.fcntl(pair[1], fcntl.F_SETPIPE_SZ, size)
        ends.append(pair)
    (in_read, in_write), (out_read, out_write) = ends
    sink = loaded(bench, "sink", stdin=out_read)
    tool = Child(contestant.argv(bench), TOOL_CORES, stdin=in_read, stdout=out_write)
    gen = loaded(bench, "gen", bench.seconds, stdout=in_write)
    for fd in (in_read, in_write, out_read, out_write):
        os.close(fd)
    gen.end()
    tool.end()
    got = sink.result()
    return sample(got["bytes"], got["seconds"], tool.cpu)


def run_file_to_tcp(bench, contestant):
    if contestant.program == "nginx":
        return run_server_of_file(bench, contestant)
    with listening() as s, open(bench.source, "rb") as source:
        drain = loaded(bench, "drain", s.fileno(), pass_fds=[s.fileno()])
        tool = Child(contestant.argv(bench, source=bench.source, port=s.getsockname()[1]),
                     TOOL_CORES, stdin=source, stdout=subprocess.DEVNULL)
        tool.end()
        got = drain.result()
    if got["bytes"] != bench.size:
        raise Failure(f"{got['bytes']} bytes arrived of {bench.size}")
    return sample(got["bytes"], got["seconds"], tool.cpu)


def run_server_of_file(bench, contestant):
    """One that serves the file over HTTP; its start is not in it, as ours is."""
    with serving(bench, contestant) as server:
        got = loaded(bench, "get", server.port, f"/{os.path.basename(bench.source)}").result()
    if got["bytes"] < bench.size:
        raise Failure(f"{got['bytes']} bytes arrived of {bench.size}")
    return sample(got["bytes"], got["seconds"], server.used())


def run_tcp_to_file(bench, contestant):
    target = bench.file("copy")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(target)
    redirect = contestant.program == "nc"
    with listening() as s, open(target if redirect else os.devnull, "wb") as out:
        send = loaded(bench, "send", s.fileno(), bench.size, pass_fds=[s.fileno()])
        start = time.monotonic()
        tool = Child(contestant.argv(bench, target=target, port=s.getsockname()[1]), TOOL_CORES,
                     stdout=out)
        tool.end()
        seconds = time.monotonic() - start
        send.end()
    check_size(target, bench.size)
    os.unlink(target)
    return sample(bench.size, seconds, tool.cpu)


class Server(Child):
    """A contestant that serves a port; its CPU time counts from the moment when it listens."""

    def __init__(self, bench, contestant, cores=None, **have):
        self.port = machine.free_port()
        have = {"connections": 256, "descriptors": 1024, **have}
        super().__init__(contestant.argv(bench, port=self.port, **have), cores or TOOL_CORES,
                         stdout=subprocess.DEVNULL, env=contestant.environment())
        machine.until(lambda: machine.is_listening(self.port) or self.poll() is not None,
                      machine.START_LIMIT, f"{contestant.name} does not listen")
        if self.returncode is not None:
            machine.running.discard(self)
            raise Failure(self.stderr.read().decode(errors="replace").strip())
        self.workers = contestant.workers
        self.before = self.so_far()

    def so_far(self):
        """Seconds, its workers' included."""
        pids = [self.pid] + (machine.children(self.pid) if self.workers else [])
        return sum(map(machine.cpu_so_far, pids))

    def used(self):
        """Seconds, once it has ended."""
        return self.cpu - self.before


@contextlib.contextmanager
def serving(bench, contestant, **have):
    server = Server(bench, contestant, **have)
    yield server
    # Its children's time is its own once it has waited for them.
    if not contestant.workers:
        machine.until(lambda: not machine.children(server.pid), machine.START_LIMIT,
                      f"{contestant.name}: children stay")
    server.send_signal(signal.SIGTERM)
    server.end(accept=())


def run_relay(bench, contestant, flows, cores=None, load_cores=None):
    with listening() as s, \
            serving(bench, contestant, cores=cores, sink=s.getsockname()[1]) as server:
        load = loaded(bench, "relay", server.port, s.fileno(), bench.seconds, flows,
                      cores=load_cores, pass_fds=[s.fileno()])
        got = load.result()
    return sample(got["bytes"], got["seconds"], server.used())


# ---- the scenarios ----

BULK = [report.Measure("rate", "GB/s", 2, True), report.Measure("cpu", "CPU s/GB", 2, True)]


class Scenario:
    """`run(bench, contestant)` gives one sample: what `measures` names."""

    def __init__(self, name, title, run, contestants, measures=None, note=""):
        self.name, self.title, self.run, self.contestants = name, title, run, contestants
        self.measures, self.note = measures or BULK, note


def has_reflinks(directory):
    """Whether files of this file system can share their blocks."""
    one, two = (os.path.join(directory, f"reflink-{n}") for n in (1, 2))
    with open(one, "wb") as f:
        f.write(bytes(4096))
    made = subprocess.run(["cp", "--reflink=always", one, two], capture_output=True, check=False)
    for path in (one, two):
        with contextlib.suppress(OSError):
            os.unlink(path)
    return made.returncode == 0


def scenarios(directory):
    limit = machine.descriptors()
    return [
        Scenario("file-file", "`weir copy` file to file", run_file_to_file,
                 peers.file_to_file(has_reflinks(directory))),
        Scenario("pipe-64k", "`weir copy` pipe to pipe, pipes of 64 KiB",
                 lambda b, c: run_pipes(b, c, 65536), peers.pipes()),
        Scenario("pipe-1m", "`weir copy` pipe to pipe, pipes of 1 MiB",
                 lambda b, c: run_pipes(b, c, MIB), peers.pipes()),
        Scenario("file-tcp", "`weir copy` file to TCP", run_file_to_tcp, peers.file_to_tcp()),
        Scenario("tcp-file", "`weir copy` TCP to file", run_tcp_to_file, peers.tcp_to_file()),
    ] + [
        Scenario(f"relay-{n}", f"`weir relay` TCP to TCP, {n} flow{'s' if n > 1 else ''}",
                 lambda b, c, n=n: run_relay(b, c, n), peers.relays(limit, n))
        for n in (1, 8, 64)
    ]
