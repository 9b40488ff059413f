# SPDX-License-Identifier: MIT
"""The machine: what it is, who else uses it, and processes that end when we do."""
import contextlib
import json
import os
import platform
import re
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

TICK = os.sysconf("SC_CLK_TCK")
CORES = sorted(os.sched_getaffinity(0))
# The program that is measured has a core for itself, all others share the rest.
TOOL_CORES = {CORES[0]}
LOAD_CORES = set(CORES[1:]) or TOOL_CORES
# Where it has two, the load shares them if there are no others.
TWO_CORES = set(CORES[:2])
OTHER_CORES = set(CORES[2:]) or TWO_CORES

START_LIMIT = 10.0
RUN_LIMIT = 30.0

running = set()


class Failure(Exception):
    """A contestant did not do its work."""


class Unable(Failure):
    """It cannot, on this machine or in this build; no use trying again."""


# What may come of a run, none of which may end the others.
TROUBLE = (Failure, OSError, ValueError, subprocess.SubprocessError)


class Lines:
    """What a child says, line by line, with a limit of time."""

    def __init__(self, stream):
        self.fd, self.rest = stream.fileno(), b""

    def next(self, limit):
        """The next line, or None."""
        while b"\n" not in self.rest:
            if not select.select([self.fd], [], [], limit)[0]:
                return None
            got = os.read(self.fd, 4096)
            if not got:
                raise Failure("it ended too soon")
            self.rest += got
        line, _, self.rest = self.rest.partition(b"\n")
        return line


def read_all(stream, limit):
    """Until the end, which a grandchild that has the pipe as well may keep from coming."""
    got, deadline = b"", time.monotonic() + limit
    while True:
        left = max(0.0, deadline - time.monotonic())
        if not select.select([stream], [], [], left)[0]:
            raise Failure("a child of it has not ended")
        more = os.read(stream.fileno(), 65536)
        if not more:
            return got
        got += more


class Child(subprocess.Popen):
    """A process on given cores, whose CPU time is kept when it has ended."""

    def __init__(self, argv, cores, **options):
        os.sched_setaffinity(0, cores)
        try:
            options.setdefault("stdin", subprocess.DEVNULL)
            options.setdefault("stderr", subprocess.PIPE)
            # A group of its own, so that its children end with it.
            super().__init__(argv, start_new_session=True, **options)
        finally:
            os.sched_setaffinity(0, CORES)
        running.add(self)
        self.cpu = 0.0

    def end(self, limit=RUN_LIMIT, accept=(0,)):
        """Wait, and return what it printed."""
        deadline = time.monotonic() + limit
        while True:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > deadline:
                raise Failure(f"{self.args[0]}: still running after {limit:.0f} s")
            time.sleep(0.001)
        running.discard(self)
        self.returncode = os.waitstatus_to_exitcode(status)
        self.cpu = usage.ru_utime + usage.ru_stime
        try:
            out = read_all(self.stdout, START_LIMIT) if self.stdout else b""
            err = read_all(self.stderr, START_LIMIT) if self.stderr else b""
        except Failure:
            with contextlib.suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)
            raise
        finally:
            self.close()
        if accept and self.returncode not in accept:
            last = err.decode(errors="replace").strip().split("\n")[-1]
            raise Failure(f"{self.args[0]}: exit status {self.returncode}: {last}")
        return out

    def has_ended(self):
        """Without reaping it, which is end()'s."""
        return bool(os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT))

    def send_signal(self, sig):
        """Popen's would reap one that has ended, and its CPU time would be lost."""
        if self.returncode is None:
            os.kill(self.pid, sig)

    def result(self, limit=RUN_LIMIT):
        return json.loads(self.end(limit))

    def close(self):
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream:
                stream.close()


def end_all():
    for child in list(running):
        with contextlib.suppress(OSError):
            os.killpg(child.pid, signal.SIGKILL)
        with contextlib.suppress(OSError):
            os.waitpid(child.pid, 0)
        child.returncode = -9
        child.close()
        running.discard(child)


def cpu_so_far(pid):
    """Seconds that a process which is still there has used, its threads included."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as f:
            total += int(f.read().split()[0])
    return total / 1e9


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return list(map(int, f.read().split()))


def descriptors():
    """How many a process may have at most."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return 1 << 20 if limit == resource.RLIM_INFINITY else limit


def until(condition, limit, what):
    deadline = time.monotonic() + limit
    while not condition():
        if time.monotonic() > deadline:
            raise Failure(what)
        time.sleep(0.005)


# ---- ports ----

def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def is_listening(port):
    wanted = f":{port:04X}"
    with open("/proc/net/tcp", encoding="ascii") as f:
        next(f)
        for line in f:
            fields = line.split()
            if fields[3] == "0A" and fields[1].endswith(wanted):
                return True
    return False


# ---- who else uses the machine ----

def soft_interrupt_threads():
    """The stat files of ksoftirqd: on loopback its work is ours."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/comm", encoding="utf-8") as f:
                if f.read().startswith("ksoftirqd/"):
                    found.append(f"/proc/{pid}/stat")
    return found


SOFT_INTERRUPTS = soft_interrupt_threads()


class Watch:
    """The CPU time that others used while this was open, in seconds a second."""

    def __enter__(self):
        self.wall, self.busy, self.own = time.monotonic(), busy_time(), own_time()
        return self

    def __exit__(self, *_):
        wall = time.monotonic() - self.wall
        self.wall = wall
        self.others = max(0.0, busy_time() - self.busy - (own_time() - self.own)) / wall


def busy_time():
    with open("/proc/stat", encoding="ascii") as f:
        user, nice, system, _idle, _wait, irq, softirq, steal = map(int, f.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICK


def own_time():
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    for stat in SOFT_INTERRUPTS:
        with open(stat, encoding="ascii") as f:
            total += sum(map(int, f.read().rpartition(")")[2].split()[11:13])) / TICK
    return total


def is_quiet():
    with Watch() as watch:
        time.sleep(0.3)
    return watch.others < 0.05


# ---- where the files are ----

@contextlib.contextmanager
def scratch(need, where=None):
    """A directory that is gone afterwards: in `where`, or in memory if there is room."""
    with contextlib.suppress(OSError):
        if not where and shutil.disk_usage("/dev/shm").free > 2 * need:
            where = "/dev/shm"
    with tempfile.TemporaryDirectory(prefix="weir-bench-", dir=where) as path:
        yield path


def file_system(path):
    kind = subprocess.run(["stat", "-f", "-c", "%T", path], capture_output=True, text=True,
                          check=False, timeout=START_LIMIT)
    return kind.stdout.strip() or "unknown"


# ---- descriptions ----

def describe():
    model = platform.machine()
    with contextlib.suppress(OSError):
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            found = re.search(r"^model name\s*:\s*(.+)$", f.read(), re.M)
            model = found.group(1).strip() if found else model
    return f"{len(CORES)} cores of {model}, Linux {platform.release()}"


VERSIONS = {
    "weir": (["--version"], r"weir (\S+)"),
    "cat": (["--version"], r"coreutils\) (\S+)"),
    "cp": (["--version"], r"coreutils\) (\S+)"),
    "pv": (["--version"], r"pv (\d\S*)"),
    "socat": (["-V"], r"version (\d\S*)"),
    "haproxy": (["-v"], r"version (\d[^\s-]*)"),
    "iperf3": (["--version"], r"iperf (\d\S*)"),
    "node": (["--version"], r"v(\d\S*)"),
    "nginx": (["-v"], r"nginx/(\S+)"),
    "perf": (["--version"], r"version (\S+)"),
    "valgrind": (["--version"], r"valgrind-(\S+)"),
}


def version(name, path=None):
    """The version of a peer, or "" when it does not say."""
    if name == "nc":
        said = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "netcat-openbsd"],
                              capture_output=True, text=True, check=False, timeout=START_LIMIT)
        return said.stdout.split("-")[0]
    if name not in VERSIONS:
        return ""
    arguments, pattern = VERSIONS[name]
    said = subprocess.run([path or find(name), *arguments], capture_output=True, text=True,
                          check=False, timeout=START_LIMIT)
    found = re.search(pattern, said.stdout + said.stderr)
    return found.group(1) if found else ""


def python_with(module):
    """A Python that has the module: this one, or the system's, for which Debian packages it."""
    for python in (sys.executable, "/usr/bin/python3"):
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run([python, "-c", f"import {module}"], stdin=subprocess.DEVNULL,
                           capture_output=True, check=True, timeout=START_LIMIT)
            return python
    return None


def find(name):
    """The path of a program, or None."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
