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
from machine import Child, Failure, LOAD_CORES, TOOL_CORES

GB = 1e9
MIB = 1 << 20


class Contestant:
    """A program in a scenario.  `command` makes its argv from what the scenario has."""

    def __init__(self, name, program, settings, command, config=None):
        self.name, self.program, self.settings = name, program, settings
        self.command, self.config = command, config

    def argv(self, bench, **have):
        program = bench.path(self.program)
        if self.config:
            have["config"] = bench.file(f"{self.program}.conf")
            with open(have["config"], "w", encoding="ascii") as f:
                f.write(self.config.format(dir=bench.dir, **have))
        return [program] + [word.format(dir=bench.dir, **have) for word in self.command.split()]


def sample(bytes_, seconds, cpu):
    return {"rate": bytes_ / GB / seconds, "cpu": cpu / (bytes_ / GB)}


def loaded(bench, *arguments, **options):
    return Child([bench.path("load"), *map(str, arguments)], LOAD_CORES,
                 stdout=options.pop("stdout", subprocess.PIPE), **options)


def listening():
    return socket.create_server(("127.0.0.1", 0), backlog=64)


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
    with listening() as s, open(bench.source, "rb") as source:
        drain = loaded(bench, "drain", s.fileno(), pass_fds=[s.fileno()])
        tool = Child(contestant.argv(bench, source=bench.source, port=s.getsockname()[1]),
                     TOOL_CORES, stdin=source, stdout=subprocess.DEVNULL)
        tool.end()
        got = drain.result()
    if got["bytes"] != bench.size:
        raise Failure(f"{got['bytes']} bytes arrived of {bench.size}")
    return sample(got["bytes"], got["seconds"], tool.cpu)


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


def run_relay(bench, contestant, flows):
    port = machine.free_port()
    with listening() as s:
        tool = Child(contestant.argv(bench, port=port, sink=s.getsockname()[1]), TOOL_CORES,
                     stdout=subprocess.DEVNULL)
        machine.until(lambda: machine.is_listening(port) or tool.poll() is not None,
                      machine.START_LIMIT, f"{contestant.name} does not listen")
        if tool.returncode is not None:
            machine.running.discard(tool)
            raise Failure(tool.stderr.read().decode(errors="replace").strip())
        before = machine.cpu_so_far(tool.pid)
        load = loaded(bench, "relay", port, s.fileno(), bench.seconds, flows,
                      pass_fds=[s.fileno()])
        got = load.result()
        # Its children's time is its own once it has waited for them.
        machine.until(lambda: not machine.has_children(tool.pid), machine.START_LIMIT,
                      f"{contestant.name}: children stay")
        tool.send_signal(signal.SIGTERM)
        tool.end(accept=())
    return sample(got["bytes"], got["seconds"], tool.cpu - before)


# ---- who takes part ----

HAPROXY = """\
global
    nbthread 1
    maxconn 256
    tune.pipesize 1048576
defaults
    mode tcp
    option splice-request
    option splice-response
    timeout connect 10s
    timeout client 60s
    timeout server 60s
listen relay
    bind 127.0.0.1:{port}
    server sink 127.0.0.1:{sink}
"""

NGINX = """\
load_module {modules}/ngx_stream_module.so;
daemon off;
master_process off;
worker_processes 1;
pid {{dir}}/nginx.pid;
error_log stderr crit;
events {{{{ worker_connections 256; }}}}
stream {{{{
    server {{{{
        listen 127.0.0.1:{{port}};
        proxy_pass 127.0.0.1:{{sink}};
        proxy_buffer_size 256k;
    }}}}
}}}}
"""


def nginx_config():
    for modules in ("/usr/lib/nginx/modules", "/usr/lib64/nginx/modules"):
        if os.path.exists(f"{modules}/ngx_stream_module.so"):
            return NGINX.format(modules=modules)
    return None


def relays():
    listen = "TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,backlog=64,fork,nodelay"
    all_ = [
        Contestant("weir", "weir", "relay --many",
                   "relay --many --no-progress tcp-listen://127.0.0.1:{port} "
                   "tcp://127.0.0.1:{sink}"),
        Contestant("socat", "socat", "-b 262144 TCP-LISTEN:...,fork,nodelay TCP:...,nodelay",
                   f"-b 262144 {listen} TCP:127.0.0.1:{{sink}},nodelay"),
        Contestant("uv_poll 256 KiB", "relay_uv", "bench/relay_uv.c, read and send of 256 KiB",
                   "{port} {sink} 262144"),
        Contestant("uv_poll 1 MiB", "relay_uv", "bench/relay_uv.c, read and send of 1 MiB",
                   "{port} {sink} 1048576"),
        Contestant("haproxy", "haproxy", "nbthread 1, mode tcp, splice-request, splice-response, "
                   "tune.pipesize 1 MiB", "-db -f {config}", HAPROXY),
        Contestant("nginx", "nginx", "stream, one process, proxy_buffer_size 256k",
                   "-p {dir} -e stderr -c {config}", nginx_config()),
    ]
    return [c for c in all_ if c.program != "nginx" or c.config]


def pipes():
    return [
        Contestant("weir", "weir", "copy - -", "copy --no-progress - -"),
        Contestant("cat", "cat", "", ""),
        Contestant("pv", "pv", "-q", "-q"),
    ]


class Scenario:
    """`run(bench, contestant)` gives one sample."""

    def __init__(self, name, title, run, contestants):
        self.name, self.title, self.run, self.contestants = name, title, run, contestants


def scenarios():
    return [
        Scenario("file-file", "`weir copy` file to file", run_file_to_file, [
            Contestant("weir", "weir", "copy FILE FILE", "copy --no-progress {source} {target}"),
            Contestant("cat", "cat", "FILE > FILE", "{source}"),
            Contestant("cp", "cp", "FILE FILE", "{source} {target}"),
            Contestant("pv", "pv", "-q FILE > FILE", "-q {source}"),
        ]),
        Scenario("pipe-64k", "`weir copy` pipe to pipe, pipes of 64 KiB",
                 lambda b, c: run_pipes(b, c, 65536), pipes()),
        Scenario("pipe-1m", "`weir copy` pipe to pipe, pipes of 1 MiB",
                 lambda b, c: run_pipes(b, c, MIB), pipes()),
        Scenario("file-tcp", "`weir copy` file to TCP", run_file_to_tcp, [
            Contestant("weir", "weir", "copy FILE tcp://...",
                       "copy --no-progress {source} tcp://127.0.0.1:{port}"),
            Contestant("socat", "socat", "-u -b 262144 FILE:... TCP:...",
                       "-u -b 262144 FILE:{source} TCP:127.0.0.1:{port}"),
            Contestant("nc", "nc", "-N HOST PORT < FILE", "-N 127.0.0.1 {port}"),
        ]),
        Scenario("tcp-file", "`weir copy` TCP to file", run_tcp_to_file, [
            Contestant("weir", "weir", "copy tcp://... FILE",
                       "copy --no-progress tcp://127.0.0.1:{port} {target}"),
            Contestant("socat", "socat", "-u -b 262144 TCP:... CREATE:...",
                       "-u -b 262144 TCP:127.0.0.1:{port} CREATE:{target}"),
            Contestant("nc", "nc", "-d HOST PORT > FILE", "-d 127.0.0.1 {port}"),
        ]),
        Scenario("relay-1", "`weir relay` TCP to TCP, 1 flow",
                 lambda b, c: run_relay(b, c, 1), relays()),
        Scenario("relay-8", "`weir relay` TCP to TCP, 8 flows",
                 lambda b, c: run_relay(b, c, 8), relays()),
    ]
