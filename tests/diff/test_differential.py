#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The same random schedules on Twisted and on weir's Twisted profiles, compared call by call.

  test_differential.py [--subject NAME] [--seed N] [--count N] [--schedule LINE]

A schedule is a line (stage.h); on a difference the shortest that still differs is printed,
with both traces and the seed that found it.  kept.txt has those that found something once.
DRIVER names the driver's binary.
"""
import argparse
import os
import random
import re
import subprocess
import sys

sys.dont_write_bytecode = True

try:
    import twisted_side
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

# pylint: disable=wrong-import-position
import schedules


class Driver:
    """weir's side: a process that plays a schedule for each line."""

    def __init__(self):
        self.process = None

    def trace(self, schedule):
        if not self.process:
            self.process = subprocess.Popen([os.environ["DRIVER"]], text=True,
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.process.stdin.write(f"{schedule}\n")
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if line == ".\n":
                return lines
            lines.append(line.rstrip("\n"))
        status = self.process.wait()
        self.process = None
        return lines + [f"the driver has ended with status {status}"]

    def close(self):
        """The driver's exit status, which says whether it leaked anything."""
        if not self.process:
            return 0
        self.process.stdin.close()
        status = self.process.wait()
        self.process.stdout.close()
        self.process = None
        return status


def differs(driver, schedule):
    return driver.trace(schedule) != twisted_side.Stage(schedule).trace


def shortest(driver, schedule):
    """Leave out whatever can be left out."""
    again = True
    while again:
        again = False
        for smaller in schedule.smaller():
            if differs(driver, smaller):
                schedule, again = smaller, True
                break
    return schedule


def report(driver, number, schedule):
    schedule = shortest(driver, schedule)
    ours, theirs = driver.trace(schedule), twisted_side.Stage(schedule).trace
    print(f"--subject {schedule.subject} --seed {number}: weir differs from Twisted in")
    print(f"  {schedule}")
    print(f"  {'Twisted':<40}weir")
    for i in range(max(len(ours), len(theirs))):
        left = theirs[i] if i < len(theirs) else ""
        right = ours[i] if i < len(ours) else ""
        print(f"{' ' if left == right else '!'} {left:<40}{right}")


def drawn(subject, first, count):
    for seed in range(first, first + count):
        yield seed, schedules.draw(subject, random.Random(f"{subject} {seed}"))


def run(name, numbered):
    """Compare until one differs; the exit status."""
    driver = Driver()
    count = 0
    for number, schedule in numbered:
        count += 1
        if differs(driver, schedule):
            report(driver, number, schedule)
            driver.close()
            return 1
    status = driver.close()
    print(f"{name}: {count} schedules, {'a fault behind them' if status else 'no difference'}")
    return status


def unknown_rows():
    """Exceptions of the tests that are not in the tables of docs/twisted.md."""
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "..", "..", "docs", "twisted.md"), encoding="utf-8") as f:
        table = f.read()
    found = []
    for name in ("twisted_side.py", "schedules.py"):
        with open(os.path.join(here, name), encoding="utf-8") as f:
            named = re.findall(r"\(row: ([^)]*)\)", " ".join(f.read().replace("#", " ").split()))
        found += [row for row in named if f"| {row} |" not in table]
    for row in found:
        print(f"docs/twisted.md has no row '{row}'")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--subject", choices=sorted(schedules.SHARES), help="one of them alone")
    parser.add_argument("--seed", type=int, help="the first seed; 1")
    parser.add_argument("--count", type=int, help="how many seeds; with --seed 1")
    parser.add_argument("--schedule", help="compare this line alone")
    args = parser.parse_args()

    if args.schedule:
        return run("given", [("-", schedules.parse(args.schedule))])
    failed = False
    if not (args.subject or args.seed or args.count):
        failed = bool(unknown_rows())
        failed = run("kept", schedules.kept()) or failed
    for subject, share in schedules.SHARES.items():
        if args.subject in (None, subject):
            count = args.count or (1 if args.seed else share)
            failed = run(subject, drawn(subject, args.seed or 1, count)) or failed
    return failed


if __name__ == "__main__":
    sys.exit(main())
