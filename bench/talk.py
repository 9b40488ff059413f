# SPDX-License-Identifier: MIT
"""Servers: small messages, and connections that come and go."""
import os
import subprocess

import bulk
import machine
import peers
from bulk import Scenario
from machine import Child, LOAD_CORES, Unable
from report import Measure

CONNECTIONS = 64
MESSAGE = 128
PEERS = 32

ECHO = [Measure("rate", "1,000 messages/s", 1, True), Measure("cpu", "CPU us/message", 2, True),
        Measure("busy", "its core busy, %", 0), Measure("load", "the load's core busy, %", 0),
        Measure("p50", "p50, us", 0), Measure("p99", "p99, us", 0)]

ACCEPT = [Measure("rate", "1,000 connections/s", 2, True),
          Measure("cpu", "CPU us/connection", 1, True), Measure("busy", "its core busy, %", 0)]


def has_ring(pid):
    """Whether a process has an io_uring open."""
    where = f"/proc/{pid}/fd"
    return any("io_uring" in os.readlink(f"{where}/{fd}") for fd in os.listdir(where))


def run_echo(bench, contestant):
    if not bench.path("echo_load"):
        raise Unable("liburing-dev, which the load needs, was not there when it was built")
    with bulk.serving(bench, contestant) as server:
        if contestant.engine == "ring" and not has_ring(server.pid):
            raise Unable("the library made no ring")
        load = Child([bench.path("echo_load"), str(server.port), str(bench.seconds), str(CONNECTIONS),
                      str(MESSAGE)], LOAD_CORES, stdout=subprocess.PIPE)
        got = load.result()
        cpu = machine.cpu_so_far(server.pid) - server.before
    return {"rate": got["messages"] / got["seconds"] / 1e3, "cpu": cpu / got["messages"] * 1e6,
            "busy": cpu / got["seconds"] * 100, "load": got["load"] * 100,
            "p50": got["p50"], "p99": got["p99"]}


def knock(bench, server, *listener, cores=None):
    load = Child([bench.path("knock"), str(server.port), str(bench.seconds), str(PEERS),
                  *map(str, listener)], cores or LOAD_CORES, stdout=subprocess.PIPE,
                 pass_fds=listener)
    got = load.result()
    cpu = server.so_far() - server.before
    return {"rate": got["connections"] / got["seconds"] / 1e3,
            "cpu": cpu / got["connections"] * 1e6, "busy": cpu / got["seconds"] * 100}


def run_accept(bench, contestant):
    with bulk.serving(bench, contestant) as server:
        return knock(bench, server)


def run_accept_relay(bench, contestant):
    with bulk.listening() as s, bulk.serving(bench, contestant, sink=s.getsockname()[1]) as server:
        return knock(bench, server, s.fileno())


def scenarios():
    limit = machine.descriptors()
    return [
        Scenario("echo", f"Echo, {CONNECTIONS} connections, messages of {MESSAGE} bytes", run_echo,
                 peers.echo(), ECHO,
                 "The load is bench/echo_load.c, by io_uring. Where a server's core is not busy, the "
                 "load was the limit, and only the CPU time compares."),
        Scenario("accept", "Connections accepted and closed", run_accept, peers.acceptors(limit),
                 ACCEPT, f"{PEERS} peers connect and wait for the end, again and again. Where a "
                 "server's core is not busy, the load was the limit, and only the CPU time "
                 "compares. haproxy is not among them: it resets whom it does not relay, "
                 "which is less than a connection's end. accept-relay compares with it."),
        Scenario("accept-relay", "Connections relayed that carry nothing", run_accept_relay,
                 peers.accepting_relays(limit), ACCEPT,
                 f"{PEERS} peers connect, end, and wait for the end that comes back from the "
                 "sink."),
    ]
