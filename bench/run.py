#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Measure weir against its peers.  bench/README.md says what and how."""
import argparse
import collections
import datetime
import json
import os
import signal
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# pylint: disable=wrong-import-position
import aims
import bulk
import crowd
import limits
import machine
import plot
import report
import resume
import small
import talk
import threads
from machine import TROUBLE, Unable

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# Others used more than this of one core: the run is repeated.
DISTURBED = 0.10
TRIES = 3

# Who has failed so often in a scenario, its first run included, is left out of the rest of it.
FAILURES = 2

# After so many seconds of the whole what is left has so many rounds, at most.
LATE, ROUNDS_LATE = 32 * 60, 3


class Bench:
    """What the scenarios share, and what has been found out."""

    def __init__(self, args, directory):
        self.quick = args.quick
        self.dir = directory
        self.here = os.path.join(ROOT, "bench")
        self.build = os.environ.get("WEIR_BUILD") or os.path.join(ROOT, "build-bench")
        self.seconds = 0.4 if args.quick else 1.2
        self.rounds_wanted = args.rounds or (3 if args.quick else 9)
        self.size = (256 if args.quick else 1024) * bulk.MIB
        self.patience = time.monotonic() + (20 if args.quick else 400)
        self.late = time.monotonic() + LATE
        self.source = self.file("source")
        self.rounds, self.figures, self.not_run = {}, {}, []
        self.repeated = self.disturbed = self.runs = 0
        self.listening = bulk.listening
        self.versions, self.found = {}, {}

    def file(self, name):
        return os.path.join(self.dir, name)

    def path(self, program):
        if program == "weir":
            return os.environ.get("WEIR") or os.path.join(self.build, "weir")
        if program == "python3":
            if program not in self.found:
                self.found[program] = machine.python_with("twisted")
            return self.found[program]
        ours = os.path.join(self.build, "bench", program)
        return ours if os.path.exists(ours) else machine.find(program)

    def version(self, program):
        if program not in self.versions:
            self.versions[program] = machine.version(program, self.path(program))
        return self.versions[program]

    def missing(self, what, why="not installed"):
        line = f"{what}: {why}"
        if line not in self.not_run:
            self.not_run.append(line)
            print(f"bench: not measured: {line}", file=sys.stderr)

    def make_source(self):
        block = os.urandom(bulk.MIB)
        with open(self.source, "wb") as f:
            for _ in range(self.size // len(block)):
                f.write(block)

    def measure(self, scenario, contestant):
        """One run, again while others disturb it and there is patience left."""
        for attempt in range(TRIES):
            with machine.Watch() as watch:
                got = scenario.run(self, contestant)
            self.runs += 1
            got["disturbed"] = watch.others > DISTURBED
            if not got["disturbed"] or time.monotonic() > self.patience:
                break
            if attempt < TRIES - 1:
                self.repeated += 1
                while not machine.is_quiet() and time.monotonic() < self.patience:
                    pass
        self.disturbed += got["disturbed"]
        return got

    def try_all(self, scenario, here, run, failures):
        """A sample by name of each of `here` that gave one; who cannot is taken out of it."""
        got = {}
        for c in list(here):
            try:
                got[c.name] = run(scenario, c)
            except TROUBLE as why:
                machine.end_all()
                failures[c.name].append(str(why))
                if isinstance(why, Unable) or len(failures[c.name]) == FAILURES:
                    here.remove(c)
        return got

    def run_scenario(self, scenario):
        print(f"{scenario.name} ", end="", file=sys.stderr, flush=True)
        here = []
        for c in scenario.contestants:
            if self.path(c.program):
                here.append(c)
            else:
                self.missing(c.name)
        rounds = self.rounds[scenario.name] = []
        failures = collections.defaultdict(list)
        # Not counted: it touches the memory that will be used, and shows who cannot take part.
        self.try_all(scenario, here, lambda s, c: s.run(self, c), failures)
        while here and len(rounds) < self.rounds_wanted:
            if time.monotonic() > self.late and len(rounds) >= ROUNDS_LATE:
                self.missing(f"more than {ROUNDS_LATE} rounds of {scenario.name}",
                             "the whole took too long")
                break
            here.append(here.pop(0))
            rounds.append(self.try_all(scenario, here, self.measure, failures))
            print(".", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        for name, whys in failures.items():
            left_out = "" if any(c.name == name for c in here) else ", and left out"
            self.missing(f"{name} in {scenario.name}",
                         f"failed {len(whys)} times{left_out}: {whys[-1]}"
                         if len(whys) > 1 else whys[0])
        return report.bulk_table(scenario, rounds)


SMALL = {**small.SMALL, **crowd.SMALL, **resume.SMALL}


def all_scenarios(directory):
    return bulk.scenarios(directory) + crowd.scenarios() + talk.scenarios() \
        + threads.scenarios()


def parse(names):
    parser = argparse.ArgumentParser(prog="bench/run.py", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--rounds", type=int, metavar="N", help="so many rounds")
    parser.add_argument("--only", action="append", choices=names, metavar="NAME",
                        help=f"this scenario alone; may be repeated: {', '.join(names)}")
    parser.add_argument("--dir", metavar="DIR", help="put the files there, not into memory")
    parser.add_argument("--json", metavar="FILE", help="write every sample there")
    parser.add_argument("--write", action="store_true",
                        help="write docs/performance.md also after a quick run; after one of "
                             "--only, the tables that were measured")
    args = parser.parse_args()
    if args.rounds is not None and args.rounds < 1:
        parser.error("--rounds: expected 1 or more")
    return args


def introduction(bench, took):
    kind = machine.file_system(bench.dir)
    lines = [
        f"Made by `make bench` on {datetime.date.today().isoformat()}: {machine.describe()}. "
        f"weir {bench.version('weir')}, {bench.rounds_wanted} rounds"
        f"{' (quick)' if bench.quick else ''}, {took / 60:.0f} minutes; files of "
        f"{bench.size // bulk.MIB} MiB on {kind}, other runs of {bench.seconds} s. "
        f"The program that is measured has one core, the load the other"
        f"{'s' if len(machine.CORES) > 2 else ''}. Figures are medians over the rounds (least "
        f"to most); a ratio is taken within a round.", ""]
    if bench.repeated:
        lines += [f"{bench.repeated} of {bench.runs} runs were thrown away and repeated because "
                  "other work used the machine.", ""]
    if bench.disturbed > bench.runs / 10:
        lines += [f"**Preliminary: the machine was not idle.** {bench.disturbed} runs that were "
                  "disturbed are in the figures.", ""]
    if bench.not_run:
        lines += ["Not measured: " + "; ".join(bench.not_run) + ".", ""]
    lines += [f"A system call that does nothing costs {call_ns(bench)} ns here; the dearer it is, the "
              "more the ring saves.", ""]
    return "\n".join(lines)


def call_ns(bench):
    return f"{bulk.loaded(bench, 'call').result()['ns']:.0f}"


def run(args, bench, scenarios):
    wanted = args.only or [s.name for s in scenarios] + list(SMALL)
    start = time.monotonic()
    used = [s for s in scenarios if s.name in wanted]
    tables = []
    if used:
        bench.make_source()
        tables += [bench.run_scenario(s) for s in used]
        tables += limits.tables(bench, used)
        os.unlink(bench.source)
    for name, measure in SMALL.items():
        if name not in wanted:
            continue
        print(name, file=sys.stderr)
        try:
            tables += measure(bench)
        except TROUBLE as why:
            machine.end_all()
            bench.missing(name, str(why))
    if used:
        tables.append(report.settings_table(bench, used))
    tables.insert(0, aims.table(bench))
    tables = [t for t in tables if t["rows"]]
    intro = introduction(bench, time.monotonic() - start)
    print(intro.replace("**", "").replace("`", ""))
    print("\n".join(map(report.as_text, tables)))
    if args.json:
        with open(args.json, "w", encoding="utf-8") as f:
            json.dump({"rounds": bench.rounds, "figures": bench.figures}, f, indent=1)
    if args.write or not (args.quick or args.only):
        write(args, bench, intro, tables)


def write(args, bench, intro, tables):
    """All of the document's section after a whole run, else the tables that were measured."""
    path = os.path.join(ROOT, "docs", "performance.md")
    if args.only:
        apart = (f"Measured apart from the others, on {datetime.date.today().isoformat()}: "
                 f"{machine.describe()}{', a quick run' if bench.quick else ''}.")
        kept = [dict(t, note=f"{t['note']} {apart}".strip()) for t in tables
                if t["title"] not in (aims.TITLE, report.VERSIONS)]
        report.write_section(path, lambda old: report.merge(old, kept))
    else:
        whole = intro + "\n" + "\n".join(map(report.as_markdown, tables))
        report.write_section(path, lambda old: whole)
    with open(path, encoding="utf-8") as document:
        drawn = plot.draw(document.read())
    with open(os.path.join(ROOT, "docs", "performance.svg"), "w", encoding="utf-8") as f:
        f.write(drawn)
    print(f"written to {os.path.relpath(path)}", file=sys.stderr)


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def on_signal(signum, _frame):
    # A second one must not cut the cleaning up.
    for other in SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    raise SystemExit(128 + signum)


def main():
    args = parse([s.name for s in all_scenarios(os.curdir)] + list(SMALL))
    for signum in SIGNALS:
        signal.signal(signum, on_signal)
    size = (256 if args.quick else 1024) * bulk.MIB
    with machine.scratch(size, args.dir) as directory:
        try:
            bench = Bench(args, directory)
            for program in ("weir", "load", "relay_uv", "micro", "idle", "crowd", "knock"):
                if not os.path.exists(bench.path(program) or ""):
                    sys.exit(f"bench: {program} has not been built: run make bench")
            run(args, bench, all_scenarios(directory))
        finally:
            machine.end_all()


if __name__ == "__main__":
    main()
