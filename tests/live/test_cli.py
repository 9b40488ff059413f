#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The command, as its users see it: exit statuses, messages, JSON, and what is on disk."""
import hashlib
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

WEIR = os.environ.get("WEIR")
SRC = os.environ.get("WEIR_SRC") or os.path.join(os.path.dirname(__file__), "..", "..")
LIMIT = 60  # seconds after which anything has hung
OPTIONS = ["--rate", "--burst", "--high", "--low", "--budget", "--idle-timeout",
           "--path", "--stall-timeout", "--timeout", "--json", "--progress", "--no-progress", "--many",
           "--max-peers", "--hash", "--verbose", "--help"]
ENDPOINTS = ["file:", "tcp://", "tcp-listen://", "unix:", "unix-listen:", "exec:", "null:",
             "zero:", "random:"]


def wait_for(what, condition, limit=LIMIT):
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError("in vain waited for " + what)


def numbers(count):
    """Bytes of which each position can be told from the others."""
    return b"".join(b"%d\n" % i for i in range(count))


class Running:
    """A weir at work, whose standard error is read all the while."""

    def __init__(self, *args, **kwargs):
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        kwargs.setdefault("stdout", subprocess.PIPE)
        self.popen = subprocess.Popen([WEIR, *args], stderr=subprocess.PIPE, **kwargs)
        self.stderr = b""
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        while True:
            data = os.read(self.popen.stderr.fileno(), 65536)
            if not data:
                return
            self.stderr += data

    def said(self, pattern):
        """Wait until standard error matches; the match's first group."""
        def look():
            if self.popen.poll() is not None:
                self.reader.join(1)
            found = re.search(pattern, self.stderr)
            if not found and self.popen.poll() is not None:
                raise AssertionError("ended, having said %r" % self.stderr)
            return found
        return wait_for(repr(pattern), look).group(1).decode()

    def port(self):
        return int(self.said(rb"listening on \S*:(\d+)\n"))

    def signal(self, number):
        self.popen.send_signal(number)

    def wait(self, limit=LIMIT):
        self.popen.wait(limit)
        self.reader.join(LIMIT)
        return self.popen.returncode

    def close(self):
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait()
        self.reader.join(LIMIT)
        for f in (self.popen.stdin, self.popen.stdout, self.popen.stderr):
            if f:
                f.close()


class Server:
    """Accepts on a free port, and serves each connection in a thread."""

    def __init__(self, serve):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.serve = serve
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.run, args=(peer,), daemon=True).start()

    def run(self, peer):
        with peer:
            try:
                self.serve(peer)
            except OSError:
                pass

    def url(self):
        return "tcp://127.0.0.1:%d" % self.port

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()
        self.thread.join(LIMIT)


def read_all(peer):
    data = []
    while True:
        piece = peer.recv(65536)
        if not piece:
            return b"".join(data)
        data.append(piece)


def echo(peer):
    while True:
        data = peer.recv(65536)
        if not data:
            return
        peer.sendall(data)


def reset(peer):
    """Close so that the other side gets a reset."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def unused_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="weir-cli-")
        self.addCleanup(shutil.rmtree, self.dir)

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, data):
        with open(self.path(name), "wb") as f:
            f.write(data)
        return self.path(name)

    def read(self, name):
        with open(self.path(name), "rb") as f:
            return f.read()

    def run_weir(self, *args, **kwargs):
        kwargs.setdefault("timeout", LIMIT)
        if "input" not in kwargs:
            kwargs.setdefault("stdin", subprocess.DEVNULL)
        kwargs.setdefault("stdout", subprocess.PIPE)
        return subprocess.run([WEIR, *args], stderr=subprocess.PIPE, cwd=self.dir, **kwargs)

    def start(self, *args, **kwargs):
        running = Running(*args, cwd=self.dir, **kwargs)
        self.addCleanup(running.close)
        return running

    def server(self, serve):
        server = Server(serve)
        self.addCleanup(server.close)
        return server

    def one_line(self, stderr, *parts):
        self.assertTrue(stderr.startswith(b"weir: "), stderr)
        self.assertTrue(stderr.endswith(b"\n"), stderr)
        self.assertEqual(stderr.count(b"\n"), 1, stderr)
        for part in parts:
            self.assertIn(part, stderr)

    def fails(self, status, args, *parts, **kwargs):
        """weir ends with this status, and says why in one line."""
        done = self.run_weir(*args, **kwargs)
        self.assertEqual(done.returncode, status, (args, done))
        self.one_line(done.stderr, *parts)
        return done

    def succeeds(self, *args, **kwargs):
        done = self.run_weir(*args, **kwargs)
        self.assertEqual((done.returncode, done.stderr), (0, b""), (args, done.stdout[:1000]))
        return done.stdout


class Usage(Case):
    def test_help_and_version_are_printed(self):
        self.assertRegex(self.succeeds("--version"), rb"^weir \d+\.\d+\.\d+\n$")
        general = self.succeeds("--help").decode()
        self.assertEqual(self.succeeds("-h").decode(), general)
        self.assertEqual(self.succeeds("help").decode(), general)
        for name in ENDPOINTS:
            self.assertIn(name, general)
        for command, own in (("copy", "--append"), ("relay", "--linger")):
            text = self.succeeds(command, "--help").decode()
            self.assertEqual(self.succeeds("help", command).decode(), text)
            self.assertEqual(self.succeeds(command, "-h").decode(), text)
            self.assertTrue(text.startswith("usage: weir %s " % command))
            for option in OPTIONS + [own]:
                self.assertIn(option, text)
            self.assertIn("Exit status", text)
            self.assertLessEqual(max(map(len, text.splitlines())), 90)

    def test_man_page_is_clean_and_has_every_option_and_endpoint(self):
        page = os.path.join(SRC, "docs", "man", "weir.1")
        with open(page) as f:
            text = f.read()
        for option in OPTIONS + ["--append", "--linger", "--threads"]:
            self.assertIn("Fl -" + option[2:], text)
        for name in ENDPOINTS:
            self.assertIn("Li " + name, text)
        for section in ("EXAMPLES", "EXIT STATUS"):
            self.assertIn(".Sh " + section, text)
        if not shutil.which("mandoc"):
            self.skipTest("no mandoc")
        done = subprocess.run(["mandoc", "-Tlint", page], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL)
        # Whether other pages are installed is the machine's affair.
        lines = [line for line in done.stdout.decode().splitlines()
                 if page + ":" in line and "referenced manual not found" not in line]
        self.assertEqual(lines, [])

    def test_completion_offers_commands_options_and_endpoints(self):
        if not shutil.which("bash"):
            self.skipTest("no bash")
        script = os.path.join(SRC, "tool", "completion", "weir.bash")

        def complete(*words):
            code = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
                    'COMP_LINE=$(echo "$*" | sed "s/ : /:/"); compopt() { :; }; _weir; printf "%s\\n" "${COMPREPLY[@]}"')
            return subprocess.run(["bash", "-c", code, "bash", script, *words], check=True,
                                  stdout=subprocess.PIPE, cwd=self.dir).stdout.decode().split()

        self.assertEqual(sorted(complete("weir", "")),
                         ["--help", "--version", "copy", "help", "relay"])
        self.assertEqual(sorted(complete("weir", "copy", "--")),
                         sorted(OPTIONS + ["--append"]))
        self.assertIn("--linger", complete("weir", "relay", "--l"))
        self.assertIn("--threads", complete("weir", "relay", "--t"))
        self.assertEqual(complete("weir", "relay", "--threads", ""), ["auto"])
        self.assertNotIn("--append", complete("weir", "relay", "--"))
        self.write("tape", b"")
        self.assertEqual(sorted(complete("weir", "copy", "t")), ["tape", "tcp-listen://", "tcp://"])
        self.assertEqual(complete("weir", "copy", "tape", "sp"), ["spill"])
        self.assertEqual(complete("weir", "relay", "-", "sp"), [])
        self.assertEqual(complete("weir", "copy", "--rate", ""), [])
        self.assertEqual(complete("weir", "copy", "file", ":", "ta"), ["tape"])

    def test_an_engine_that_does_not_exist_is_named(self):
        result = subprocess.run([WEIR, "copy", "zero:10", "null:"], env={**os.environ, "WEIR_ENGINE": "pol"},
                                capture_output=True, timeout=LIMIT)
        self.assertEqual(result.returncode, 3)
        self.assertEqual(result.stderr, b"weir: WEIR_ENGINE=pol: expected poll, ring or auto\n")

    def test_bad_usage_is_one_line_and_opens_nothing(self):
        self.write("in", b"x")
        listen = "tcp-listen://127.0.0.1:0"
        table = [
            ([], b"expected a command"),
            (["move"], b"move: expected a command"),
            (["help", "move"], b"move: expected"),
            (["--version", "x"], b"x: expected nothing more"),
            (["copy"], b"copy: expected SOURCE SINK"),
            (["copy", "in"], b"copy: expected SOURCE SINK"),
            (["relay", "-"], b"relay: expected LEFT RIGHT"),
            (["relay", "-", "exec:cat", "more"], b"more: expected one LEFT and one RIGHT"),
            (["copy", "in", "out", "--bogus"], b"--bogus: expected an option of copy"),
            (["copy", "in", "out", "-x"], b"-x: expected an option of copy"),
            (["copy", "in", "out", "-vx"], b"-vx: expected an option of copy"),
            (["copy", "in", "out", "--js"], b"--js: expected an option"),
            (["copy", "in", "out", "--json=1"], b"--json=1: expected no value"),
            (["copy", "in", "out", "--linger", "1"], b"--linger: expected an option of copy"),
            (["relay", "-", "exec:cat", "--append"], b"--append: expected an option of relay"),
            (["copy", "in", "out", "--rate"], b"--rate: expected bytes per second"),
            (["copy", "in", "out", "--rate", "0"], b"--rate 0: expected bytes per second"),
            (["copy", "in", "out", "--rate", "fast"], b"--rate fast: expected bytes"),
            (["copy", "in", "out", "--rate=-5"], b"--rate -5: expected bytes"),
            (["copy", "in", "out", "--burst", "5"], b"--burst: expected --rate"),
            (["copy", "in", "out", "--high", "0"], b"--high 0: expected a size"),
            (["copy", "in", "out", "--high", "5", "--low", "5"], b"--low: expected less"),
            (["copy", "in", "out", "--low", "1Mi"], b"--low without --high: expected less"),
            (["copy", "in", "out", "--budget", "1"], b"--budget 1: expected a size from 256Ki"),
            (["copy", "in", "out", "--idle-timeout", "0"], b"--idle-timeout 0: expected a dur"),
            (["copy", "in", "out", "--idle-timeout", "5x"], b"--idle-timeout 5x: expected"),
            (["copy", "in", "out", "--idle-timeout", "s"], b"--idle-timeout s: expected"),
            (["copy", "in", "out", "--idle-timeout", "1."], b"--idle-timeout 1.: expected"),
            (["copy", "in", "out", "--path", "slow"], b"--path slow: expected fastest, copy or k"),
            (["copy", "in", "out", "--stall-timeout", "0"], b"--stall-timeout 0: expected a d"),
            (["relay", "-", "tcp://h:1", "--timeout", "x"], b"--timeout x: expected a duration"),
            (["copy", "in", "out", "--max-peers", "3"], b"--max-peers: expected --many"),
            (["copy", listen, "out", "--many", "--max-peers", "0"], b"--max-peers 0: expected"),
            (["copy", listen, "out", "--many", "--max-peers", "1k"], b"--max-peers 1k: expected"),
            (["copy", "in", "out", "--many"], b"--many: expected exactly one"),
            (["relay", listen, listen, "--many"], b"--many: expected exactly one"),
            (["relay", listen, "-", "--many"], b"--many: expected an endpoint that can"),
            (["copy", "in", "null:", "--append"], b"--append: expected a file as SINK"),
            (["copy", "in", "in", "--append"], b"in: expected another file than SOURCE"),
            (["copy", "in", "zero:"], b"zero:: expected an endpoint that takes bytes"),
            (["copy", "in", "out", "drop:zero:"], b"zero:: expected an endpoint that takes bytes"),
            (["copy", "in", "out", "tcp://host"], b"tcp://host: expected a port"),
            (["copy", "in", "drop:tcp://host"], b"drop:tcp://host: expected a port"),
            (["copy", "in", "drop:"], b"drop:: expected a path"),
            (["copy", "in", "drop,behind=4M"], b"drop,behind=4M: expected a colon and an endpoint"),
            (["copy", "in", "drop,max=4M:out"], b"drop,max=4M: expected behind=SIZE or record=BYTE"),
            (["copy", "in", "drop,behind:out"], b"drop,behind: expected behind=SIZE or record"),
            (["copy", "in", "drop,:out"], b"drop,: expected behind=SIZE or record"),
            (["copy", "in", "drop,behind=0:out"], b"drop,behind=0: expected a size from 1 to 1Ti"),
            (["copy", "in", "drop,record=\\n:out"], b"drop,record=\\n: expected the byte that ends"),
            (["copy", "in", "drop,record=0x100:out"], b"drop,record=0x100: expected the byte"),
            (["copy", "in", "drop,behind=1k,record=:out"], b"drop,behind=1k,record=: expected the"),
            (["copy", "in", "detach,after=0:out"], b"detach,after=0: expected a duration above 0"),
            (["copy", "in", "detach,record=lf:out"], b"detach,record=lf: expected behind=SIZE or after"),
            (["copy", "in", "detach,after=1s,behind=1:out"],
             b"detach,after=1s,behind=1: expected either behind= or after="),
            (["copy", "in", "spill,max=0:out"], b"spill,max=0: expected a size of 1 or more"),
            (["copy", "in", "spill,dir=:out"], b"spill,dir=: expected a folder"),
            (["copy", "in", "spill,size=4:out"], b"spill,size=4: expected behind=SIZE, max=SIZE or dir"),
            (["copy", "in", "block,behind=1:out"], b"block,behind=1: expected block and a colon"),
            (["copy", "in", "drop:spill:out"], b"drop:spill:out: expected one policy"),
            (["copy", "drop:in", "out"], b"drop:in: expected SOURCE without a policy"),
            (["copy", "in", "drop,behind=100M:a", "spill,behind=100M:b"],
             b"behind=: expected at most half of --budget"),
            (["copy", "in", "--budget", "1Mi", "drop,behind=513Ki:a"], b"behind=: expected at most"),
            (["copy", "in", "-", "-"], b"-: expected standard output as one SINK only"),
            (["copy", "in", "out", "out"], b"out: expected another file than an earlier SINK"),
            (["copy", "in", "in", "./in"], b"./in: expected another file than an earlier SINK"),
            (["copy", listen, "a", "-", "--many"], b"--many: expected an endpoint that can"),
            (["copy", listen, "a", listen, "--many"], b"--many: expected exactly one"),
            (["copy", "in", "null:", "in", "--append"], b"in: expected another file than SOURCE"),
            (["relay", "in", "exec:cat"], b"in: expected an endpoint that works both ways"),
            (["relay", "-", "-"], b"-: expected standard input and output on one side"),
            (["copy", "tcp://host", "out"],
             b"tcp://host: expected a port, as in tcp://HOST:PORT"),
            (["copy", "in", "http://a/"], b"http://a/: expected a path, or one of the schemes"),
            (["copy", "in", "exec:"], b"exec:: expected a command"),
            (["copy", "tcp://a\nb:1", "out"], b"tcp://a\\x0ab:1: expected a host"),
            (["copy", "", "out"], b"expected a path"),
        ]
        for args, part in table:
            with self.subTest(args=args):
                done = self.fails(3, args, part)
                self.assertEqual(done.stdout, b"")
                self.assertEqual(sorted(os.listdir(self.dir)), ["in"])
        self.assertEqual(self.read("in"), b"x")

    def test_options_may_follow_operands_and_be_ended(self):
        self.write("in", b"abc")
        self.assertEqual(self.succeeds("copy", "in", "-", "--no-progress", "--high=5"), b"abc")
        self.assertEqual(self.succeeds("copy", "in", "--rate", "1M", "-"), b"abc")
        for name in ("drop:x", "spill,y:x"):  # a policy's name, but not a policy
            self.succeeds("copy", "in", "./" + name, "file:" + name + "2")
            self.assertEqual(self.read(name) + self.read(name + "2"), b"abcabc")
        self.succeeds("copy", "in", "drop")
        self.assertEqual(self.read("drop"), b"abc")
        self.succeeds("copy", "--", "in", "--json")
        self.assertEqual(self.read("--json"), b"abc")
        self.assertEqual(self.succeeds("copy", "--rate", "1", "--rate", "1M", "--", "--json", "-"),
                         b"abc")


class Copy(Case):
    def test_bytes_arrive_whole(self):
        data = numbers(300000)
        self.write("in", data)
        self.succeeds("copy", "in", "file:out")
        self.assertEqual(self.read("out"), data)
        self.assertEqual(self.succeeds("copy", "-", "-", input=data), data)
        self.succeeds("copy", "in", "out", "--append")
        self.assertEqual(self.read("out"), data + data)
        self.assertEqual(self.succeeds("copy", "null:", "-"), b"")
        self.assertEqual(self.succeeds("copy", "zero:3", "-"), b"\0\0\0")
        self.assertEqual(self.succeeds("copy", "random:64Ki?seed=5", "-"),
                         self.succeeds("copy", "random:64Ki?seed=5", "-", "--rate", "1M"))
        marks = ("--high", "1", "--low", "0", "--budget", "256Ki")
        self.assertEqual(self.succeeds("copy", "-", "-", *marks, input=data[:20000]), data[:20000])

    def test_a_source_that_cannot_be_opened_leaves_no_file(self):
        for source in ("nowhere", ".", "tcp://127.0.0.1:%d" % unused_port(), "unix:nowhere"):
            with self.subTest(source=source):
                self.fails(1, ["copy", source, "out"],
                           b"weir: source " + source.encode() + b": cannot open: ", b" at byte 0")
                self.assertEqual(os.listdir(self.dir), [])

    def test_a_sink_that_cannot_be_opened_is_the_sinks_fault(self):
        self.write("in", b"x")
        for sink in ("no/where", "tcp://127.0.0.1:%d" % unused_port(), "unix:nowhere"):
            with self.subTest(sink=sink):
                self.fails(2, ["copy", "in", sink],
                           b"weir: sink " + sink.encode() + b": cannot open: ", b" at byte 0")

    def test_a_taken_address_is_told(self):
        with socket.create_server(("127.0.0.1", 0)) as s:
            url = "tcp-listen://127.0.0.1:%d" % s.getsockname()[1]
            self.fails(1, ["copy", url, "out"], b"cannot open", b"in use")
            self.fails(2, ["copy", "zero:1", url], b"cannot open", b"in use")

    @unittest.skipUnless(os.path.exists("/dev/full"), "no /dev/full")
    def test_a_full_disk_is_the_sinks_fault(self):
        self.fails(2, ["copy", "zero:", "/dev/full"], b"weir: sink /dev/full: No space left")

    def test_a_reader_that_leaves_is_the_sinks_fault(self):
        r, w = os.pipe()
        weir = self.start("copy", "zero:", "-", stdout=w)
        os.close(w)
        self.assertEqual(len(os.read(r, 1)), 1)
        os.close(r)
        self.assertEqual(weir.wait(), 2)
        self.one_line(weir.stderr, b"weir: sink -: Broken pipe at byte ")

    def test_a_reset_source_is_a_failure_with_its_offset(self):
        def serve(peer):
            peer.sendall(b"12345")
            arrived.wait(LIMIT)
            reset(peer)
        arrived = threading.Event()
        server = self.server(serve)
        self.write("out", b"old")
        weir = self.start("copy", server.url(), "-")
        self.assertEqual(os.read(weir.popen.stdout.fileno(), 5), b"12345")
        arrived.set()
        self.assertEqual(weir.wait(), 1)
        self.one_line(weir.stderr, b"weir: source tcp://", b"reset", b" at byte 5\n")

    def test_a_sink_that_resets_after_the_end_has_not_got_all(self):
        def serve(peer):
            peer.recv(1)
            ended.wait(LIMIT)
            reset(peer)
        ended = threading.Event()
        server = self.server(serve)
        self.write("in", b"x" * 1000)
        weir = self.start("copy", "-v", "in", server.url())
        weir.said(rb"(weir: started)")
        ended.set()
        self.assertEqual(weir.wait(), 2)
        self.assertRegex(weir.stderr, rb"weir: sink tcp://\S+: .* at byte \d+\n$")

    def test_a_sink_that_echoes_does_not_stall(self):
        server = self.server(echo)
        done = self.run_weir("copy", "zero:20M", server.url(), "--json")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(json.loads(done.stdout)["bytes"], 20000000)

    def test_an_idle_source_is_given_up(self):
        weir = self.start("copy", "--idle-timeout", "300ms", "-", "null:", stdin=subprocess.PIPE)
        weir.popen.stdin.write(b"abc")
        weir.popen.stdin.flush()
        self.assertEqual(weir.wait(), 4)
        self.one_line(weir.stderr, b"weir: source -: ", b"idle", b" at byte 3\n")

    def test_a_sink_that_stalls_is_given_up(self):
        """A reader who takes some and then no more; the source is not to blame."""
        r, w = os.pipe()
        self.addCleanup(os.close, r)
        weir = self.start("copy", "--json", "--stall-timeout", "300ms", "--idle-timeout", "60s",
                          "zero:", "-", stdout=w)
        os.close(w)
        self.assertGreater(len(os.read(r, 5000)), 0)
        self.assertEqual(weir.wait(), 4)
        o = json.loads(weir.stderr)
        self.assertEqual((o["end"], o["cause"], o["side"]), ("stopped", "WEIR_ESTALL", "sink"))
        self.assertGreater(o["bytes"], 0)
        self.assertGreater(o["dropped"], 0)

    def test_a_sink_that_stalls_is_named(self):
        r, w = os.pipe()
        self.addCleanup(os.close, r)
        weir = self.start("copy", "--stall-timeout", "200ms", "zero:", "-", stdout=w)
        os.close(w)
        self.assertEqual(weir.wait(), 4)
        self.one_line(weir.stderr, b"weir: sink -: ", b"stall timeout", b" at byte ")

    def test_a_sink_that_a_rate_limit_holds_does_not_stall(self):
        out = self.succeeds("copy", "--stall-timeout", "100ms", "--rate", "4k", "--burst", "4k",
                            "zero:8k", "-")
        self.assertEqual(len(out), 8000)

    def test_the_time_limit_ends_what_moves(self):
        done = self.run_weir("copy", "--timeout", "300ms", "--stall-timeout", "60s", "zero:", "null:")
        self.assertEqual(done.returncode, 4)
        self.one_line(done.stderr, b"weir: the transfer took longer than the time limit at byte ")

    def test_a_copy_within_its_time_limits_finishes(self):
        out = self.succeeds("copy", "--timeout", "60s", "--stall-timeout", "60s", "zero:3M", "-")
        self.assertEqual(len(out), 3000000)

    def test_a_source_that_we_hold_is_not_idle(self):
        out = self.succeeds("copy", "--idle-timeout", "200ms", "--rate", "10k", "--burst", "1k",
                            "--high", "1k", "zero:12k", "-")
        self.assertEqual(len(out), 12000)

    def test_a_rate_holds_after_an_idle_time(self):
        rate, burst, size, idle = 400000, 40000, 400000, 3
        began = time.monotonic()
        weir = self.start("copy", "--rate", str(rate), "--burst", str(burst), "-", "-",
                          stdin=subprocess.PIPE)
        time.sleep(idle)  # the idle time itself
        resumed = time.monotonic()
        self.assertIsNone(weir.popen.poll())

        def feed():
            weir.popen.stdin.write(b"x" * size)
            weir.popen.stdin.close()
        feeder = threading.Thread(target=feed)
        feeder.start()
        got = 0
        while got < size:
            data = os.read(weir.popen.stdout.fileno(), 65536)
            self.assertTrue(data)
            got += len(data)
            # Seen later than it passed, so this cannot blame the innocent.
            self.assertLessEqual(got, burst + rate * (time.monotonic() - resumed) + 1)
        feeder.join()
        self.assertEqual(weir.wait(), 0)
        self.assertLess(time.monotonic() - began, idle + size / rate + 3)

    def test_json_names_are_valid_for_any_bytes(self):
        name = b'q"\\\n\xff\xc3\xa9\x01'
        with open(os.path.join(self.dir.encode(), name), "wb") as f:
            f.write(b"x")
        done = self.run_weir("copy", "--json", b"./" + name, "null:")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(json.loads(done.stdout)["source"], './q"\\\n\ufffd\u00e9\x01')


class Signals(Case):
    def test_a_signal_ends_it_and_leaves_the_old_file(self):
        for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)):
            with self.subTest(number=number):
                self.write("out", b"old")
                weir = self.start("copy", "-", "out", stdin=subprocess.PIPE)
                weir.popen.stdin.write(b"new")
                weir.popen.stdin.flush()
                self.wait_until_read(weir)
                weir.signal(number)
                self.assertEqual(weir.wait(), status)
                self.one_line(weir.stderr, b"weir: stopped by SIG", b" at byte 3\n")
                self.assertEqual(self.read("out"), b"old")
                self.assertEqual(os.listdir(self.dir), ["out"])

    def wait_until_read(self, weir):
        """Until the pipe to its standard input is empty."""
        import fcntl
        import termios

        def empty():
            buf = fcntl.ioctl(weir.popen.stdin.fileno(), termios.FIONREAD, b"\0\0\0\0")
            return struct.unpack("i", buf)[0] == 0
        wait_for("the bytes to be read", empty)

    def test_a_signal_while_waiting_for_a_peer_ends_it(self):
        weir = self.start("copy", "-v", "tcp-listen://127.0.0.1:0", "out")
        weir.port()
        weir.signal(signal.SIGINT)
        self.assertEqual(weir.wait(), 130)
        self.assertTrue(weir.stderr.endswith(b"weir: stopped by SIGINT at byte 0\n"))
        self.assertEqual(os.listdir(self.dir), [])

    def test_a_second_signal_ends_it_at_once(self):
        weir = self.start("copy", "-v", "-", "exec:trap '' TERM; echo ready >&2; exec sleep 4 2>/dev/null",
                          stdin=subprocess.PIPE)
        weir.said(rb"(ready)\n")
        began = time.monotonic()
        weir.signal(signal.SIGINT)
        weir.said(rb"(stopped by SIGINT)")
        weir.signal(signal.SIGINT)
        self.assertIn(weir.wait(), (130, -signal.SIGINT))
        self.assertLess(time.monotonic() - began, 1.5)

    def test_an_ignored_hangup_stays_ignored(self):
        weir = self.start("copy", "-v", "-", "-", stdin=subprocess.PIPE,
                          preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        weir.said(rb"(weir: started)")
        weir.signal(signal.SIGHUP)
        self.assertEqual(weir.popen.communicate(b"abc", LIMIT)[0], b"abc")
        self.assertEqual(weir.popen.returncode, 0)


class ClosedDescriptors(Case):
    def run_closed(self, closed, *args):
        def close():
            for fd in closed:
                os.close(fd)
        return subprocess.run([WEIR, *args], cwd=self.dir, timeout=LIMIT, preexec_fn=close,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)

    def test_a_closed_standard_input_or_output_is_refused(self):
        self.write("in", b"x")
        done = self.run_closed([0], "copy", "-", "out")
        self.assertEqual(done.returncode, 1)
        self.one_line(done.stderr, b"weir: source -: cannot open: Bad file descriptor at byte 0")
        done = self.run_closed([1], "copy", "in", "-")
        self.assertEqual(done.returncode, 2)
        self.one_line(done.stderr, b"weir: sink -: cannot open: Bad file descriptor at byte 0")
        done = self.run_closed([0], "relay", "exec:true", "-")
        self.assertEqual(done.returncode, 2)
        done = self.run_closed([1], "copy", "in", "null:", "--json")
        self.assertEqual(done.returncode, 2)
        self.one_line(done.stderr, b"weir: standard output: ")
        self.assertEqual(self.run_closed([1], "--help").returncode, 2)
        self.assertFalse(os.path.exists(self.path("out")))

    def test_messages_do_not_land_in_files(self):
        data = numbers(1000)
        self.write("in", data)
        for closed in ([2], [0, 2], [1, 2], [0, 1, 2], [0, 1]):
            with self.subTest(closed=closed):
                done = self.run_closed(closed, "copy", "-v", "--progress", "in", "out")
                self.assertEqual(done.returncode, 0)
                self.assertEqual(self.read("out"), data)
                self.assertEqual(self.read("in"), data)
        self.write("out", b"old")
        self.assertEqual(self.run_closed([0, 1, 2], "copy", "nowhere", "out").returncode, 1)
        self.assertEqual(self.read("out"), b"old")


class Json(Case):
    def outcome(self, status, *args, **kwargs):
        done = self.run_weir(*args, "--json", **kwargs)
        self.assertEqual(done.returncode, status, done)
        to_stdout = "-" not in args[2:3] and args[0] == "copy"
        text = done.stdout if to_stdout else done.stderr
        self.assertEqual(text.count(b"\n"), 1, done)
        if to_stdout and status:
            self.one_line(done.stderr)
        o = json.loads(text)
        self.assertEqual(o["exit"], status)
        self.assertEqual(o["command"], args[0])
        return o

    def test_a_copy_that_finished(self):
        self.write("in", b"x" * 5000)
        o = self.outcome(0, "copy", "in", "out")
        self.assertEqual([o[k] for k in ("end", "cause", "cause_text", "side", "source", "sink",
                                         "bytes", "in", "dropped")],
                         ["finished", None, None, None, "in", "out", 5000, 5000, 0])
        self.assertEqual(sorted(o["held_s"]), ["budget", "full", "rate", "user"])
        self.assertGreater(o["elapsed_s"], 0)
        self.assertGreater(o["rate"], 0)
        self.assertGreater(o["peak_budget"], 0)
        self.assertEqual(self.outcome(0, "copy", "in", "-")["bytes"], 5000)

    def test_each_failure_of_a_copy(self):
        o = self.outcome(1, "copy", "nowhere", "out")
        self.assertEqual((o["end"], o["cause"], o["side"], o["bytes"]),
                         ("source failed", "ENOENT", "source", 0))
        self.assertIn("No such file", o["cause_text"])
        o = self.outcome(2, "copy", "zero:1", "no/where")
        self.assertEqual((o["end"], o["cause"], o["side"]), ("sink failed", "ENOENT", "sink"))
        if os.path.exists("/dev/full"):
            o = self.outcome(2, "copy", "zero:1M", "/dev/full")
            self.assertEqual((o["end"], o["cause"]), ("sink failed", "ENOSPC"))
            self.assertEqual(o["in"], o["bytes"] + o["dropped"])
        r, w = os.pipe()
        self.addCleanup(os.close, w)
        self.addCleanup(os.close, r)
        o = self.outcome(4, "copy", "-", "null:", "--idle-timeout", "50ms", stdin=r)
        self.assertEqual((o["end"], o["cause"]), ("stopped", "WEIR_EIDLE"))

    def test_a_copy_that_takes_too_long(self):
        r, w = os.pipe()
        self.addCleanup(os.close, w)
        self.addCleanup(os.close, r)
        done = self.run_weir("copy", "--json", "--timeout", "50ms", "-", "null:", stdin=r)
        o = json.loads(done.stdout)
        self.assertEqual((o["end"], o["cause"], o["exit"], o["side"]),
                         ("stopped", "WEIR_ETIMELIMIT", 4, None))

    def test_an_interrupted_copy(self):
        weir = self.start("copy", "--json", "-v", "zero:", "null:")
        weir.said(rb"(weir: started)")
        weir.signal(signal.SIGINT)
        out = weir.popen.stdout.read()
        self.assertEqual(weir.wait(), 130)
        o = json.loads(out)
        self.assertEqual((o["end"], o["cause"], o["exit"], o["side"]),
                         ("stopped", "WEIR_ESTOPPED", 130, None))

    def test_held_times_name_the_cause(self):
        o = self.outcome(0, "copy", "zero:300k", "null:", "--rate", "500k", "--burst", "10k")
        self.assertGreater(o["held_s"]["rate"], 0.3)
        self.assertLess(o["held_s"]["full"], 0.2)
        self.assertGreater(o["pauses"], 0)

    def test_a_relay_has_an_object_each_way(self):
        server = self.server(lambda peer: peer.sendall(b"you said " + read_all(peer)))
        done = self.run_weir("relay", "--json", "-", server.url(), input=b"hello")
        self.assertEqual((done.returncode, done.stdout), (0, b"you said hello"))
        o = json.loads(done.stderr)
        self.assertEqual((o["command"], o["end"], o["exit"], o["left"], o["right"]),
                         ("relay", "finished", 0, "-", server.url()))
        self.assertEqual((o["to_right"]["bytes"], o["to_left"]["bytes"]), (5, 14))
        self.assertEqual((o["to_right"]["end"], o["to_left"]["end"]), ("finished", "finished"))
        o = self.outcome(2, "relay", "-", "tcp://127.0.0.1:%d" % unused_port())
        self.assertEqual((o["end"], o["cause"], o["side"]),
                         ("sink failed", "ECONNREFUSED", "right"))


class Relay(Case):
    def test_an_answer_after_our_end_arrives(self):
        def serve(peer):
            self.assertEqual(read_all(peer), b"request")
            time.sleep(1)  # the server thinks
            peer.sendall(answer)
        answer = numbers(20000)[:100000]
        server = self.server(serve)
        self.assertEqual(self.succeeds("relay", "-", server.url(), input=b"request"), answer)

    def test_half_close_passes_both_ways_through_a_listener(self):
        server = self.server(lambda peer: peer.sendall(read_all(peer)[::-1]))
        for rate in ((), ("--rate", "10M")):
            weir = self.start("relay", "-v", *rate, "tcp-listen://127.0.0.1:0", server.url())
            with socket.create_connection(("127.0.0.1", weir.port())) as s:
                s.settimeout(LIMIT)
                s.sendall(numbers(50000))
                s.shutdown(socket.SHUT_WR)
                self.assertEqual(read_all(s), numbers(50000)[::-1])
            self.assertEqual(weir.wait(), 0, weir.stderr)

    def test_the_other_ends_end_leaves_ours_alone(self):
        got = []
        done = threading.Event()

        def serve(peer):
            peer.shutdown(socket.SHUT_WR)
            got.append(read_all(peer))
            done.set()
        server = self.server(serve)
        weir = self.start("relay", "-", server.url(), stdin=subprocess.PIPE)
        self.assertEqual(weir.popen.stdout.read(), b"")  # their end came
        weir.popen.stdin.write(b"still here")
        weir.popen.stdin.close()
        self.assertEqual(weir.wait(), 0, weir.stderr)
        done.wait(LIMIT)
        self.assertEqual(got, [b"still here"])

    def test_linger_cuts_only_when_given(self):
        def serve(peer):
            read_all(peer)
            leave.wait(LIMIT)
        leave = threading.Event()
        self.addCleanup(leave.set)
        server = self.server(serve)
        patient = self.start("relay", "-", server.url())
        self.fails(4, ["relay", "--linger", "300ms", "-", server.url()], b"linger", b"right tcp://")
        self.assertIsNone(patient.popen.poll())
        leave.set()
        self.assertEqual(patient.wait(), 0)

    def test_each_byte_starts_the_linger_time_anew(self):
        def serve(peer):
            read_all(peer)
            for _ in range(10):
                peer.sendall(b".")
                time.sleep(0.15)
        server = self.server(serve)
        self.assertEqual(self.succeeds("relay", "--linger", "1s", "-", server.url()), b"." * 10)

    def test_the_failing_side_and_direction_are_named(self):
        def serve(peer):
            peer.sendall(b"abc")
            got.wait(LIMIT)
            reset(peer)
        got = threading.Event()
        server = self.server(serve)
        weir = self.start("relay", "-", server.url())
        self.assertEqual(os.read(weir.popen.stdout.fileno(), 3), b"abc")
        got.set()
        self.assertEqual(weir.wait(), 1)
        self.one_line(weir.stderr, b"weir: right tcp://", b"reset",
                      b" at byte 3 (reading, right to left)")
        refused = "tcp://127.0.0.1:%d" % unused_port()
        self.fails(1, ["relay", refused, "-"], b"weir: left tcp://", b"cannot open")
        self.fails(2, ["relay", "-", refused], b"weir: right tcp://", b"cannot open")

    def test_an_idle_relay_is_given_up(self):
        server = self.server(read_all)
        weir = self.start("relay", "--idle-timeout", "0.3", "-", server.url(),
                          stdin=subprocess.PIPE)
        self.assertEqual(weir.wait(), 4)
        self.one_line(weir.stderr, b"idle")

    def test_a_side_that_stalls_ends_a_relay(self):
        hold = threading.Event()
        self.addCleanup(hold.set)
        server = self.server(lambda peer: hold.wait(LIMIT))  # reads nothing
        weir = self.start("relay", "--stall-timeout", "0.3", "exec:cat /dev/zero", server.url())
        self.assertEqual(weir.wait(), 4)
        self.one_line(weir.stderr, b"weir: right tcp://", b"stall timeout",
                      b" (writing, left to right)\n")

    def test_the_time_limit_ends_a_relay_that_moves(self):
        server = self.server(read_all)
        weir = self.start("relay", "--timeout", "0.3", "exec:cat /dev/zero", server.url())
        self.assertEqual(weir.wait(), 4)
        self.one_line(weir.stderr, b"weir: the transfer took longer than the time limit at byte ",
                      b" left to right and 0 right to left\n")

    def test_a_signal_ends_a_relay(self):
        server = self.server(read_all)
        weir = self.start("relay", "-v", "-", server.url(), stdin=subprocess.PIPE)
        weir.said(rb"(weir: started)")
        weir.signal(signal.SIGTERM)
        self.assertEqual(weir.wait(), 143)
        self.assertIn(b"stopped by SIGTERM at byte 0 left to right and 0 right to left\n",
                      weir.stderr)

    def test_unix_sockets_are_relayed(self):
        server = self.server(lambda peer: peer.sendall(read_all(peer).upper()))
        weir = self.start("relay", "-v", "unix-listen:s", server.url())
        weir.said(rb"(listening on s)\n")
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(LIMIT)
            s.connect(self.path("s"))
            s.sendall(b"abc")
            s.shutdown(socket.SHUT_WR)
            self.assertEqual(read_all(s), b"ABC")
        self.assertEqual(weir.wait(), 0, weir.stderr)
        self.assertFalse(os.path.exists(self.path("s")))


class Many(Case):
    def connect(self, port):
        s = socket.create_connection(("127.0.0.1", port))
        s.settimeout(LIMIT)
        self.addCleanup(s.close)
        return s

    def stop(self, weir):
        weir.signal(signal.SIGINT)
        self.assertEqual(weir.wait(), 130)

    def test_peers_over_the_limit_wait(self):
        server = self.server(echo)
        weir = self.start("relay", "-v", "--many", "--max-peers", "2", "tcp-listen://127.0.0.1:0",
                          server.url())
        port = weir.port()
        peers = [self.connect(port) for _ in range(3)]
        for s in peers:
            s.sendall(b"hello")
        for s in peers[:2]:
            self.assertEqual(s.recv(5), b"hello")
        self.assertEqual(select.select([peers[2]], [], [], 0.3)[0], [])
        peers[0].shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(peers[0]), b"")
        self.assertEqual(peers[2].recv(5), b"hello")
        self.stop(weir)
        self.assertRegex(weir.stderr, rb"stopped by SIGINT: 1 peers served, 0 failed, 2 cut\n$")

    def test_a_failing_peer_is_one_line_and_stops_nobody(self):
        def serve(peer):
            data = peer.recv(100)
            if data == b"die":
                reset(peer)
            else:
                peer.sendall(data)
        server = self.server(serve)
        weir = self.start("relay", "--many", "--json", "-v", "tcp-listen://127.0.0.1:0",
                          server.url())
        port = weir.port()
        steady = self.connect(port)
        dying = self.connect(port)
        dying.sendall(b"die")
        with self.assertRaises(ConnectionResetError):
            dying.recv(1)
        dying.close()
        weir.said(rb"weir: (peer tcp \S+: right tcp://\S+: .*reset.*)\n")
        steady.sendall(b"alive")
        steady.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(steady), b"alive")
        outcomes = [json.loads(weir.popen.stdout.readline()) for _ in range(2)]
        self.assertEqual([o["exit"] for o in outcomes], [1, 0])
        self.assertTrue(outcomes[0]["peer"].startswith("tcp 127.0.0.1:"))
        self.stop(weir)

    def test_a_server_that_is_away_fails_each_peer_alone(self):
        weir = self.start("relay", "--many", "-v", "tcp-listen://127.0.0.1:0",
                          "tcp://127.0.0.1:%d" % unused_port())
        port = weir.port()
        for i in range(3):
            s = self.connect(port)
            try:
                self.assertEqual(s.recv(1), b"")
            except ConnectionResetError:
                pass
        wait_for("three lines", lambda: weir.stderr.count(b"cannot open: Connection refused") == 3)
        self.stop(weir)
        self.assertRegex(weir.stderr, rb"0 peers served, 3 failed, 0 cut\n$")

    def test_copy_serves_a_file_to_every_peer_and_takes_from_every_peer(self):
        data = numbers(100000)
        self.write("in", data)
        weir = self.start("copy", "--many", "-v", "in", "tcp-listen://127.0.0.1:0")
        port = weir.port()
        peers = [self.connect(port) for _ in range(3)]
        for s in peers:
            self.assertEqual(read_all(s), data)
            s.close()
        self.stop(weir)
        weir = self.start("copy", "--many", "-v", "--append", "tcp-listen://127.0.0.1:0", "out")
        port = weir.port()
        for i in range(3):
            with self.connect(port) as s:
                s.sendall(b"abc")
                s.shutdown(socket.SHUT_WR)
                read_all(s)
        wait_for("nine bytes", lambda: os.path.exists(self.path("out")) and
                 len(self.read("out")) == 9)
        self.stop(weir)

    def test_the_rate_is_that_of_all_peers_together(self):
        rate, burst, size = 1000000, 100000, 600000
        weir = self.start("copy", "--many", "-v", "--rate", str(rate), "--burst", str(burst),
                          "zero:%d" % size, "tcp-listen://127.0.0.1:0")
        port = weir.port()
        began = time.monotonic()
        got = []
        threads = [threading.Thread(target=lambda: got.append(len(read_all(self.connect(port)))))
                   for _ in range(2)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(LIMIT)
        self.assertEqual(got, [size, size])
        self.assertGreaterEqual(time.monotonic() - began, (2 * size - burst) / rate - 0.01)
        self.stop(weir)

    def test_an_idle_server_is_stopped(self):
        weir = self.start("copy", "--many", "-v", "tcp-listen://127.0.0.1:0", "out")
        weir.port()
        weir.signal(signal.SIGTERM)
        self.assertEqual(weir.wait(), 143)
        self.assertRegex(weir.stderr, rb"weir: stopped by SIGTERM: 0 peers served")


class Commands(Case):
    """exec: with programs that everybody has."""

    def test_filters_get_and_give_all(self):
        data = numbers(200000)
        self.write("in", data)
        self.succeeds("copy", "in", "exec:gzip -c > out.gz")
        self.assertEqual(self.succeeds("copy", "exec:gzip -dc out.gz", "-"), data)
        self.assertEqual(self.succeeds("copy", "exec:sort -n -r in", "-"),
                         b"".join(sorted(data.splitlines(True), key=int, reverse=True)))
        digest = hashlib.sha256(data).hexdigest().encode()
        self.assertEqual(self.succeeds("relay", "-", "exec:sha256sum", input=data).split()[0],
                         digest)
        self.assertEqual(self.succeeds("relay", "exec:cat in", "exec:cat > out2"), b"")
        self.assertEqual(self.read("out2"), data)

    def test_a_failing_source_command_is_told_and_leaves_the_old_file(self):
        self.write("out", b"old")
        self.fails(1, ["copy", "exec:echo new; exit 3", "out"],
                   b"weir: source exec:echo new; exit 3: ", b"exited with status 3", b" at byte 4")
        self.fails(1, ["copy", "exec:echo new; kill -9 $$", "out"], b"killed by signal 9")
        self.assertEqual(self.read("out"), b"old")

    def test_a_failing_sink_command_is_told(self):
        self.write("in", b"x")
        self.fails(2, ["copy", "in", "exec:cat >/dev/null; exit 5"], b"weir: sink exec:",
                   b"exited with status 5")
        self.fails(2, ["copy", "zero:", "exec:exit 6"], b"weir: sink exec:exit 6: ")

    def test_a_failing_source_kills_the_sink_command(self):
        self.fails(1, ["copy", "exec:echo some; sleep 0.3; exit 1", "exec:cat > part; touch whole"],
                   b"source")
        self.assertFalse(os.path.exists(self.path("whole")))

    def test_children_do_not_inherit_our_ignored_signals(self):
        out = self.succeeds("copy", "exec:yes | head -c 2; grep SigIgn /proc/self/status || true",
                            "-")
        self.assertEqual(out[:2], b"y\n")
        found = re.search(rb"SigIgn:\s*([0-9a-f]+)", out)
        if found:
            self.assertEqual(int(found.group(1), 16) & (1 << (signal.SIGPIPE - 1)), 0)


class Interop(Case):
    @unittest.skipUnless(shutil.which("nc"), "no nc")
    def test_nc_sends_and_receives(self):
        data = numbers(100000)
        self.write("in", data)
        weir = self.start("copy", "-v", "tcp-listen://127.0.0.1:0", "out")
        with open(self.path("in"), "rb") as f:
            subprocess.run(["nc", "-N", "127.0.0.1", str(weir.port())], stdin=f, timeout=LIMIT,
                           stdout=subprocess.DEVNULL, check=True)
        self.assertEqual(weir.wait(), 0)
        self.assertEqual(self.read("out"), data)
        weir = self.start("copy", "-v", "in", "tcp-listen://127.0.0.1:0")
        out = subprocess.run(["nc", "-d", "127.0.0.1", str(weir.port())], timeout=LIMIT,
                             stdout=subprocess.PIPE, check=True).stdout
        self.assertEqual(weir.wait(), 0)
        self.assertEqual(out, data)

    @unittest.skipUnless(shutil.which("socat"), "no socat")
    def test_socat_serves_over_a_unix_socket(self):
        data = numbers(100000)
        self.write("in", data)
        socat = subprocess.Popen(["socat", "-t", "30", "UNIX-LISTEN:s,fork", "EXEC:tac"],
                                 cwd=self.dir)
        try:
            wait_for("the socket", lambda: os.path.exists(self.path("s")))
            self.assertEqual(self.succeeds("relay", "-", "unix:s", input=data),
                             b"".join(reversed(data.splitlines(True))))
        finally:
            socat.terminate()
            socat.wait()

    @unittest.skipUnless(shutil.which("socat"), "no socat")
    def test_socat_connects_over_ipv6(self):
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            self.skipTest("no IPv6")
        weir = self.start("relay", "-v", "tcp-listen://[::1]:0", "exec:tr a-z A-Z")
        out = subprocess.run(["socat", "-t", "30", "-", "TCP6:[::1]:%d" % weir.port()],
                             input=b"shout", timeout=LIMIT, stdout=subprocess.PIPE).stdout
        self.assertEqual(out, b"SHOUT")
        self.assertEqual(weir.wait(), 0, weir.stderr)


class Progress(Case):
    def test_none_unless_on_a_terminal_or_asked_for(self):
        self.write("in", b"x" * 100000)
        self.succeeds("copy", "in", "null:")
        done = self.run_weir("copy", "--progress", "--rate", "100k", "--burst", "1k", "zero:150k",
                             "null:")
        self.assertEqual(done.returncode, 0)
        lines = done.stderr.splitlines()
        self.assertGreaterEqual(len(lines), 2)
        for line in lines:
            self.assertRegex(line, rb"^\d[\d.]* k?B  0:0\d  .*/s  mean .*/s  .*waiting for \S")
        self.assertIn(b"waiting for rate limit", lines[0])
        self.assertNotIn(b"\r", done.stderr)

    def on_terminal(self, *args, stdout=subprocess.DEVNULL):
        ours, theirs = pty.openpty()
        popen = subprocess.Popen([WEIR, *args], stdin=subprocess.DEVNULL, stderr=theirs,
                                 stdout=theirs if stdout is None else stdout, cwd=self.dir)
        os.close(theirs)
        seen = b""
        try:
            while True:
                try:
                    data = os.read(ours, 65536)
                except OSError:  # how Linux says that nobody has the other side any more
                    break
                if not data:
                    break
                seen += data
        finally:
            os.close(ours)
        self.assertEqual(popen.wait(LIMIT), 0, seen)
        return seen

    def test_one_line_is_redrawn_on_a_terminal(self):
        self.write("in", b"x" * 100000)
        limits = ("--rate", "100k", "--burst", "1k")
        seen = self.on_terminal("copy", *limits, "in", "null:")
        self.assertGreaterEqual(seen.count(b"\r"), 4)
        self.assertEqual(seen.count(b"\n"), 1, seen)
        self.assertTrue(seen.endswith(b"\r\n"), seen)
        self.assertIn(b"ETA 0:0", seen)
        self.assertIn(b"100%", seen)
        self.assertIn(b"waiting for rate limit", seen)
        self.assertEqual(self.on_terminal("copy", *limits, "--no-progress", "in", "null:"), b"")

    def test_none_when_the_bytes_go_to_the_same_terminal(self):
        self.write("in", b"x" * 30)
        seen = self.on_terminal("copy", "--rate", "50", "--burst", "5", "in", "-", stdout=None)
        self.assertEqual(seen, b"x" * 30)


class Verbose(Case):
    def test_it_says_what_was_opened_and_what_held_it_back(self):
        self.write("in", b"x" * 100000)
        done = self.run_weir("copy", "-v", "--rate", "500k", "--burst", "5k", "in", "out")
        self.assertEqual(done.returncode, 0)
        for part in (b"weir: opened source file in, 100000 bytes\n", b"weir: opened sink file out",
                     b"weir: started\n", b"weir: finished: 100.0 kB in 0.", b"by the rate limit",
                     b"weir: path: copy, since throttle must see the bytes\n",
                     b"weir: peak memory "):
            self.assertIn(part, done.stderr)

    def test_it_says_which_way_the_bytes_went(self):
        self.write("in", b"x" * 300000)
        for paths, name, carried in (("fastest", "copy_file_range", 300000), ("copy", "copy", 0),
                                     ("kernel", "copy_file_range", 300000)):
            done = self.run_weir("copy", "--path", paths, "-v", "--json", "in", "out")
            self.assertEqual(done.returncode, 0)
            path = json.loads(done.stdout)["path"]
            if path["why_copied"] == "kernel cannot move these bytes by itself":
                self.skipTest("a file system without copy_file_range")
            self.assertEqual((path["name"], path["bytes"]), (name, carried))
            self.assertEqual(path["why_copied"], None if carried else "join was told to copy")
            self.assertIn(b"weir: path: " + name.encode(), done.stderr)
        done = self.run_weir("copy", "--hash", "sha256", "--json", "in", "out")
        self.assertEqual(json.loads(done.stdout)["path"]["why_copied"], "tap must see the bytes")


if __name__ == "__main__":
    if not WEIR:
        print("WEIR names no command to test", file=sys.stderr)
        sys.exit(77)
    unittest.main()
