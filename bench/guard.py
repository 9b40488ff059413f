#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Compare the instructions of small fixed runs with those that are kept.

Exit status: 0 none is more than the tolerance above what is kept, 1 one is, or there is a run
that the file does not know, 77 no counts are kept for this compiler and machine."""
import argparse
import concurrent.futures
import json
import os
import platform
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# pylint: disable=wrong-import-position
import callgrind
import machine
from machine import Failure

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
KEPT = os.path.join(ROOT, "bench", "instructions.json")
TOLERANCE = 0.03
SCHEDULES = 50
PACKAGES = ["libc6", "libuv1", "libssl3", "valgrind"]


def compiler(build):
    """The compiler that made `build`, and its version in full."""
    with open(os.path.join(build, "meson-info", "intro-targets.json"), encoding="utf-8") as f:
        targets = json.load(f)
    command = next(s["compiler"] for t in targets for s in t["target_sources"]
                   if s.get("language") == "c")
    said = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    first = said.stdout.split("\n")[0]
    kind = "clang" if "clang" in first else "gcc"
    version = subprocess.run([*command, "-dumpversion"], capture_output=True, text=True,
                             check=True).stdout.strip()
    return f"{kind} {version.split('.')[0]}, {platform.machine()}", first


def is_release(build):
    with open(os.path.join(build, "meson-info", "intro-buildoptions.json"), encoding="utf-8") as f:
        return any(o["name"] == "buildtype" and o["value"] == "release" for o in json.load(f))


def made_with(full_version):
    """What else decides: the libraries that are called, and the counter."""
    said = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}\n", *PACKAGES],
                          capture_output=True, text=True, check=False)
    return {"compiler": full_version, **dict(line.split(" ") for line in said.stdout.splitlines())}


def runs(build):
    """What is counted: a name, and a function that counts it."""
    def operation(name, program):
        return lambda: callgrind.per_operation(build, name, program)

    def whole(*argv):
        return lambda: callgrind.collected(argv, build)

    # The longest first, so that none is left over at the end.
    found = {
        f"{SCHEDULES} simulated schedules":
            whole("./weir-sim", "--seed", "1", "--count", str(SCHEDULES)),
        "copy of 1 MiB through a loopback": operation("copy", "fixed"),
        "1,000 messages through a relay": operation("messages", "fixed"),
        "weir --version": whole("./weir", "--version"),
    }
    for name in callgrind.operations(build):
        if name != "nothing":
            found[name] = operation(name, "micro")
    return found


def measure(build):
    wanted = runs(build)
    with concurrent.futures.ThreadPoolExecutor(len(machine.CORES)) as pool:
        pending = {name: pool.submit(count) for name, count in wanted.items()}
        return {name: round(p.result(), 1) for name, p in pending.items()}


def compare(kept, got):
    """Print each difference; returns whether any is one too many."""
    bad = better = False
    for name in sorted(kept.keys() | got.keys()):
        if name not in got or name not in kept:
            print(f"guard: {name}: {'is not run any more' if name in kept else 'is not kept'}")
            bad = True
            continue
        change = got[name] / kept[name] - 1
        if abs(got[name] - kept[name]) <= TOLERANCE * kept[name]:
            continue
        print(f"guard: {name}: kept {kept[name]:,.0f}, measured {got[name]:,.0f}, {change:+.1%}")
        bad = bad or change > 0
        better = better or change < 0
    if better and not bad:
        print("guard: fewer instructions than are kept: make guard ARGS=--write keeps the gain")
    return bad


def main():
    parser = argparse.ArgumentParser(prog="bench/guard.py", description=__doc__)
    parser.add_argument("--write", action="store_true", help="keep what is measured")
    args = parser.parse_args()
    build = os.environ.get("WEIR_BUILD") or os.path.join(ROOT, "build-bench")
    if not is_release(build):
        sys.exit(f"guard: {build} is no release build")
    key, full_version = compiler(build)
    with open(KEPT, encoding="utf-8") as f:
        kept = json.load(f)
    if key not in kept and not args.write:
        print(f"guard: no counts are kept for {key}: not compared")
        sys.exit(77)
    try:
        got = measure(build)
    except (Failure, subprocess.TimeoutExpired) as why:
        sys.exit(f"guard: {why}")
    now = made_with(full_version)
    if args.write:
        kept[key] = {"made with": now, "instructions": got}
        with open(KEPT, "w", encoding="utf-8") as f:
            json.dump(kept, f, indent=1, sort_keys=True)
            f.write("\n")
        print(f"guard: {len(got)} counts are kept for {key}")
        return
    if compare(kept[key]["instructions"], got):
        then = kept[key]["made with"]
        for name in sorted(now.keys() | then.keys()):
            if now.get(name) != then.get(name):
                print(f"guard: {name} was {then.get(name)}, is {now.get(name)}")
        print("guard: where it is meant to be so: make guard ARGS=--write")
        sys.exit(1)
    print(f"guard: {len(got)} counts, none more than {TOLERANCE:.0%} above what is kept for {key}")


if __name__ == "__main__":
    main()
