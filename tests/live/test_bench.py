#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What judges the benchmark's figures: the guard, the aims, the tables, the picture."""
import contextlib
import io
import os
import subprocess
import sys
import types
import unittest
import unittest.mock

SRC = os.environ.get("WEIR_SRC") or os.path.join(os.path.dirname(__file__), "..", "..")
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(SRC, "bench"))

# pylint: disable=wrong-import-position
import aims
import bulk
import guard
import limits
import machine
import plot
import report
import run


def compared(kept, got):
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        bad = guard.compare(kept, got)
    return bad, said.getvalue()


def table(title, *rows):
    return {"title": title, "columns": ["program", "GB/s"], "rows": list(rows), "note": ""}


class Guard(unittest.TestCase):
    def test_same_count_says_nothing(self):
        self.assertEqual(compared({"give": 100}, {"give": 100}), (False, ""))

    def test_change_within_the_tolerance_says_nothing(self):
        self.assertEqual(compared({"a": 100, "b": 100}, {"a": 103, "b": 97}), (False, ""))

    def test_loss_fails_and_is_told_with_both_counts(self):
        bad, said = compared({"give": 1000}, {"give": 1040})
        self.assertTrue(bad)
        self.assertIn("give: kept 1,000, measured 1,040, +4.0%", said)

    def test_gain_passes_with_a_hint(self):
        bad, said = compared({"give": 1000}, {"give": 950})
        self.assertFalse(bad)
        self.assertIn("-5.0%", said)
        self.assertIn("--write", said)

    def test_gain_does_not_hide_a_loss(self):
        self.assertTrue(compared({"a": 100, "b": 100}, {"a": 50, "b": 110})[0])
        self.assertTrue(compared({"a": 100, "b": 100}, {"a": 110, "b": 50})[0])

    def test_run_that_is_not_kept_or_not_run_fails(self):
        self.assertTrue(compared({}, {"give": 100})[0])
        self.assertTrue(compared({"give": 100}, {})[0])


class Tables(unittest.TestCase):
    OLD = "Made then.\n\n" + "\n".join(map(report.as_markdown, [
        table("One", ["weir", "1"]), table("Two", ["weir", "2"]), table(report.VERSIONS)]))

    def test_partial_run_replaces_its_tables_and_no_other(self):
        new = report.merge(self.OLD.strip(), [table("Two", ["weir", "3"])])
        self.assertTrue(new.startswith("Made then."))
        self.assertIn("| weir | 1 |", new)
        self.assertIn("| weir | 3 |", new)
        self.assertNotIn("| weir | 2 |", new)

    def test_new_table_comes_behind_the_one_measured_before_it(self):
        new = report.merge(self.OLD.strip(), [table("One", ["weir", "1"]), table("Between")])
        titles = [line for line in new.split("\n") if line.startswith("### ")]
        self.assertEqual(titles, ["### One", "### Between", "### Two", "### " + report.VERSIONS])

    def test_merging_twice_is_merging_once(self):
        once = report.merge(self.OLD.strip(), [table("Two", ["weir", "3"]), table("New")])
        self.assertEqual(report.merge(once, [table("Two", ["weir", "3"]), table("New")]), once)


class Aims(unittest.TestCase):
    @staticmethod
    def verdicts(rounds, figures):
        bench = types.SimpleNamespace(rounds=rounds, figures=figures)
        return {row[0]: row[1:] for row in aims.table(bench)["rows"]}

    def test_ratio_is_the_median_over_the_rounds(self):
        rounds = [{"weir": {"rate": r, "cpu": 1}, "pv": {"rate": 1, "cpu": 1}}
                  for r in (0.5, 0.95, 9)]
        got = self.verdicts({"pipe-1m": rounds}, {})
        self.assertEqual(got["pipe-1m: at least 0.95 x pv"], ["0.95", "yes"])
        self.assertEqual(got["pipe-1m: CPU for a byte at most 0.5 x pv's"], ["1.00", "**no**"])

    def test_what_was_not_measured_has_no_verdict(self):
        self.assertEqual(self.verdicts({}, {}), {})
        self.assertEqual(self.verdicts({"pipe-1m": [{"weir": {"rate": 1, "cpu": 1}}]}, {}), {})

    def test_most_is_met_at_the_bar_and_not_above(self):
        what = "start and end by cat's: at most 2"
        self.assertEqual(self.verdicts({}, {"start ratio": 2.0})[what], ["2.00", "yes"])
        self.assertEqual(self.verdicts({}, {"start ratio": 2.01})[what], ["2.01", "**no**"])


class Runs(unittest.TestCase):
    """What cannot be measured takes nothing from the rest, and holds nothing up."""

    def measured(self, **contestants):
        """A scenario's table, and the bench, with programs that are functions."""
        bench = run.Bench(types.SimpleNamespace(quick=True, rounds=4), os.curdir)
        bench.patience = 0
        bench.path = lambda program: program
        scenario = types.SimpleNamespace(
            name="made-up", title="Made up", note="", measures=[report.Measure("rate", "GB/s")],
            contestants=[types.SimpleNamespace(name=n, program=n) for n in contestants],
            run=lambda _, c: contestants[c.name]())
        with contextlib.redirect_stderr(io.StringIO()):
            return bench.run_scenario(scenario), bench

    @staticmethod
    def give():
        return {"rate": 1.0}

    def test_who_fails_twice_is_left_out_and_said_once(self):
        calls = []

        def fail():
            calls.append(1)
            raise machine.Failure("no such luck")

        made, bench = self.measured(weir=self.give, broken=fail)
        self.assertEqual(len(calls), run.FAILURES)
        self.assertEqual([row[0] for row in made["rows"]], ["weir"])
        self.assertEqual([len(r) for r in bench.rounds["made-up"]], [1] * 4)
        self.assertEqual(bench.not_run,
                         ["broken in made-up: failed 2 times, and left out: no such luck"])

    def test_who_is_unable_is_asked_once(self):
        calls = []

        def unable():
            calls.append(1)
            raise machine.Unable("not here")

        self.assertEqual(self.measured(weir=self.give, other=unable)[1].not_run,
                         ["other in made-up: not here"])
        self.assertEqual(len(calls), 1)

    def test_one_failure_loses_one_round_and_is_told(self):
        answers = [ValueError("half an answer")]

        def once():
            if answers:
                raise answers.pop()
            return self.give()

        _, bench = self.measured(weir=self.give, shaky=once)
        self.assertEqual([len(r) for r in bench.rounds["made-up"]], [2] * 4)
        self.assertEqual(bench.not_run, ["shaky in made-up: half an answer"])

    def test_late_run_has_fewer_rounds(self):
        with unittest.mock.patch.object(run, "LATE", -1):
            _, bench = self.measured(weir=self.give)
        self.assertEqual(len(bench.rounds["made-up"]), run.ROUNDS_LATE)
        self.assertIn("more than 3 rounds of made-up", bench.not_run[0])

    def test_pipe_that_a_grandchild_holds_does_not_hold_us(self):
        with unittest.mock.patch.object(machine, "START_LIMIT", 0.2):
            child = machine.Child(["sh", "-c", "sleep 60 & echo $!"], machine.CORES,
                                  stdout=subprocess.PIPE)
            sleeper = int(machine.Lines(child.stdout).next(10))
            with self.assertRaises(machine.Failure):
                child.end()
        machine.until(lambda: not is_running(sleeper), 10, "the grandchild has not ended")

    def test_silent_child_does_not_hold_us(self):
        child = machine.Child(["sleep", "60"], machine.CORES, stdout=subprocess.PIPE)
        self.assertIsNone(machine.Lines(child.stdout).next(0.05))
        with self.assertRaises(machine.Failure):
            child.end(0.05)
        machine.end_all()
        self.assertFalse(is_running(child.pid))


def is_running(pid):
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    return False


class Limits(unittest.TestCase):
    REPORT = (" 60        |weir           |[k] _copy_to_iter\n 30        |weir           |[k] tcp_recvmsg\n"
              " 10        |weir           |[.] weir_loop_run\n 40        |load           |[k] tcp_sendmsg\n"
              " 7         |libuv-worker 1 |[.] read\n\n")

    def test_report_is_read_by_program_and_place(self):
        found = limits.read_report(self.REPORT)
        self.assertEqual(found["weir"], {(True, "_copy_to_iter"): 60, (True, "tcp_recvmsg"): 30,
                                         (False, "weir_loop_run"): 10})
        self.assertEqual(sum(found["load"].values()), 40)
        self.assertEqual(list(found), ["weir", "load", "libuv-worker 1"])

    def test_shares_are_of_the_whole_time_of_the_program(self):
        kernel, most = limits.shares(limits.read_report(self.REPORT)["weir"])
        self.assertEqual((kernel, most), (90, "`_copy_to_iter` 60, `tcp_recvmsg` 30"))

    def test_hidden_names_are_said(self):
        hidden = limits.read_report("9 |weir |[k] 0xffffffff81234567\n")["weir"]
        self.assertIn("kptr_restrict", limits.shares(hidden)[1])

    def test_no_sample_is_a_failure_and_no_division(self):
        with self.assertRaises(machine.Failure):
            limits.shares({})

    def test_absent_perf_is_said_and_no_failure(self):
        bench = run.Bench(types.SimpleNamespace(quick=True, rounds=1), os.curdir)
        bench.path = lambda program: None
        scenario = types.SimpleNamespace(name="s", measures=bulk.BULK, contestants=[])
        with contextlib.redirect_stderr(io.StringIO()):
            self.assertEqual(limits.tables(bench, [scenario]), [])
        self.assertEqual(bench.not_run, ["what limits: perf is not installed"])

    def test_best_peer_is_the_fastest_that_is_not_of_this_repository(self):
        names = {"weir": "/b/weir", "weir, copying": "/b/weir", "uv_poll": "/b/bench/relay_uv",
                 "slow": "/usr/bin/slow", "fast": "/usr/bin/fast"}
        rates = {"weir": 1, "weir, copying": 5, "uv_poll": 9, "slow": 2, "fast": 3}
        bench = types.SimpleNamespace(
            build="/b", path=names.get, rounds={"s": [{n: {"rate": r} for n, r in rates.items()}]})
        scenario = types.SimpleNamespace(name="s", contestants=[
            types.SimpleNamespace(name=n, program="weir" if n.startswith("weir") else n)
            for n in names])
        self.assertEqual([c.name for c in limits.chosen(bench, scenario)], ["weir", "fast"])


class Picture(unittest.TestCase):
    def document(self, ratio):
        rounds = [{"weir": {"rate": ratio, "cpu": 1, "disturbed": False},
                   "pv": {"rate": 1, "cpu": 1, "disturbed": False}}]
        scenario = types.SimpleNamespace(
            title="`weir copy`", note="", contestants=[types.SimpleNamespace(name="weir"),
                                                       types.SimpleNamespace(name="pv")],
            measures=[report.Measure("rate", "GB/s", 2, True),
                      report.Measure("cpu", "CPU s/GB", 2, True)])
        return "\n" + report.as_markdown(report.bulk_table(scenario, rounds))

    def test_row_is_what_the_table_says(self):
        self.assertEqual(list(plot.compared(self.document(2.5))),
                         [("weir copy", [("pv", (2.5, 2.5, 2.5), (1.0, 1.0, 1.0))])])

    def test_slower_and_faster_differ_in_side_and_colour(self):
        for ratio, kind in ((2, "good"), (0.5, "bad")):
            drawn = plot.mark(0, 0, (ratio, ratio, ratio), True)
            self.assertIn(f'class="{kind}"', drawn[1])
        self.assertLess(plot.position(0, 0.5), plot.position(0, 1))
        self.assertLess(plot.position(0, 1), plot.position(0, 2))


if __name__ == "__main__":
    unittest.main()
