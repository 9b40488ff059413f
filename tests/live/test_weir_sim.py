#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The program weir-sim, as its users see it: what it prints, and exit statuses."""
import os
import re
import subprocess
import unittest

SIM = os.path.join(os.environ.get("WEIR_BUILD", "build"), "weir-sim")


def run(*args):
    return subprocess.run([SIM, *args], capture_output=True, text=True, timeout=60)


class Program(unittest.TestCase):
    def test_help_names_every_option(self):
        done = run("--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for option in ["--seed", "--count", "--seconds", "--no-shrink", "-v", "--version"]:
            self.assertIn(option, done.stdout)

    def test_bad_usage_is_told_on_standard_error(self):
        for args in (["--seed"], ["--seed", "x"], ["--seed", "-1"], ["--count", "1x"],
                     ["--seed", "99999999999999999999"], ["--wrong"], ["extra"]):
            done = run(*args)
            self.assertEqual((done.returncode, done.stdout), (3, ""), args)
            self.assertIn("usage:", done.stderr)

    def test_one_seed_prints_the_same_schedule_and_events_each_time(self):
        first, second, other = (run("--seed", seed, "-v").stdout.splitlines()
                                for seed in ("5", "5", "6"))
        self.assertRegex(first[0], "^seed 5: ")
        self.assertRegex(first[-2], "^hash [0-9a-f]{16}$")
        self.assertEqual(first[:-1], second[:-1])  # the last line has a speed
        self.assertNotEqual(first[-2], other[-2])

    def test_count_and_seconds_bound_the_run(self):
        done = run("--seed", "1", "--count", "30")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"^30 schedules from seed 1, \d+ bytes, ")
        done = run("--seconds", "1")
        self.assertEqual(done.returncode, 0)
        self.assertGreater(int(re.match(r"(\d+) schedules", done.stdout).group(1)), 0)


if __name__ == "__main__":
    unittest.main()
