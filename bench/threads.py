# SPDX-License-Identifier: MIT
"""Relays with two threads, or two processes, each."""
import bulk
import machine
import peers
import talk
from bulk import Scenario
from machine import OTHER_CORES, TWO_CORES
from report import Measure

FLOWS = 64

BUSY = Measure("busy", "its cores busy, %", 0)
RELAYED = [*bulk.BULK, BUSY]
ACCEPT = [*talk.ACCEPT[:2], BUSY]


def run_relay(bench, contestant):
    got = bulk.run_relay(bench, contestant, FLOWS, cores=TWO_CORES, load_cores=OTHER_CORES)
    return {**got, "busy": got["rate"] * got["cpu"] * 100}


def run_accept(bench, contestant):
    with bulk.listening() as s, \
            bulk.serving(bench, contestant, cores=TWO_CORES, sink=s.getsockname()[1]) as server:
        return talk.knock(bench, server, s.fileno(), cores=OTHER_CORES)


def scenarios():
    limit = machine.descriptors()
    note = "Each program has two cores, of which 200 % can be busy"
    if OTHER_CORES == TWO_CORES:
        note += (", and the load has the same two: the machine has no others, so that the load takes "
                 "from the program what a second thread could add. Only the CPU time compares, "
                 "and nothing here says how a relay scales")
    note += "."
    return [
        Scenario("relay-threads", f"`weir relay --threads 2` TCP to TCP, {FLOWS} flows", run_relay,
                 peers.with_threads(limit), RELAYED, note),
        Scenario("accept-threads", "Connections relayed that carry nothing, by two threads",
                 run_accept, peers.with_threads(limit), ACCEPT,
                 f"{talk.PEERS} peers, as above. {note}"),
    ]
