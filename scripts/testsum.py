#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Add up meson's testlog.json files and print "N passed, N failed" last.

usage: testsum.py [--failed N] [--passed N] FILE...

A file that is not there, or has no test in it, counts as one failure: its
tests did not run. Skipped tests count as neither, and are named before the
sum, with the first line that they printed. Exit status 1 if anything failed.
"""
import argparse
import json
import sys

GOOD = {"OK", "EXPECTEDFAIL"}
SKIPPED = {"SKIP"}


def results(path):
    """The (name, result, first line) of each test of a log, or None if it has none."""
    try:
        with open(path, encoding="utf-8") as log:
            rows = [json.loads(line) for line in log if line.strip()]
    except (OSError, ValueError):
        return None
    return [
        (row["name"], row["result"], row.get("stdout", "").partition("\n")[0])
        for row in rows
    ] or None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--failed", type=int, default=0)
    parser.add_argument("--passed", type=int, default=0)
    parser.add_argument("files", nargs="*")
    args = parser.parse_args()

    passed, failed = args.passed, args.failed
    for path in args.files:
        rows = results(path)
        if rows is None:
            print(f"no test results in {path}")
            failed += 1
            continue
        for name, result, line in rows:
            if result in GOOD:
                passed += 1
            elif result in SKIPPED:
                print(f"skipped: {name}" + (f" ({line})" if line else ""))
            else:
                print(f"failed: {name} ({result})")
                failed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
