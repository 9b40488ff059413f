# SPDX-License-Identifier: MIT
"""What goes wrong: peers that reset or vanish, full disks, killed children, signals,
descriptors that run out.  The end must be true, told in one line, and nothing left."""
import fcntl
import json
import os
import random
import re
import resource
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
import unittest

import support
from support import LiveTest, SCALE, pattern, read_all, read_exactly, reset, sha

Ki, Mi = 1 << 10, 1 << 20
GONE = '(Connection reset by peer|Broken pipe|connection reset by peer|broken pipe)'


def until_acknowledged(s):
    """Wait until the other kernel has all that was sent."""
    support.until('acknowledged', 30, lambda: struct.unpack('i', fcntl.ioctl(
        s, termios.TIOCOUTQ, b'\0\0\0\0'))[0] == 0)


def until_taken(pipe):
    """Wait until the reader of a pipe has taken all that was written."""
    support.until('taken', 30, lambda: struct.unpack('i', fcntl.ioctl(
        pipe, termios.FIONREAD, b'\0\0\0\0'))[0] == 0)


class Faults(LiveTest):
    def failure(self, err):
        """The one line about it: (line, its byte offset)."""
        lines = [line for line in err.splitlines() if ' at byte ' in line]
        self.assertEqual(len(lines), 1, err)
        return lines[0], int(re.search(r' at byte (\d+)', lines[0]).group(1))

    def ends(self, weir, status, regex):
        """It ends with this status and one line that matches; returns the offset."""
        self.assertEqual(weir.wait(), status, weir.err())
        line, offset = self.failure(weir.err())
        self.assertRegex(line, regex)
        return offset

    def held_open(self, data=b''):
        """A standard input that has given `data` and stays open: the writing end."""
        reading, writing = os.pipe()
        self.addCleanup(os.close, writing)
        os.write(writing, data)
        return os.fdopen(reading, 'rb'), writing


class CopyResets(Faults):
    def copy_to(self, handler, source, **options):
        peer = self.serve(handler)
        return peer, self.weir('copy', source, peer.endpoint, **options)

    def copy_from(self, handler, sink, **options):
        peer = self.serve(handler)
        return peer, self.weir('copy', peer.endpoint, sink, **options)

    def test_nobody_listens(self):
        s, port = support.free_port()
        self.addCleanup(s.close)
        endpoint = 'tcp://127.0.0.1:%d' % port
        at = self.ends(self.weir('copy', 'zero:', endpoint), 2, r'^weir: sink tcp://\S+: cannot open: .*refused')
        self.assertEqual(at, 0)
        target = self.path('target')
        self.ends(self.weir('copy', endpoint, target), 1, r'^weir: source tcp://\S+: cannot open: .*refused')
        self.assertFalse(os.path.exists(target))

    def test_sink_resets_at_once(self):
        _, weir = self.copy_to(reset, 'zero:')
        self.ends(weir, 2, '^weir: sink tcp://.*: ' + GONE)

    def test_sink_resets_while_we_send(self):
        def handler(s):
            read_exactly(s, 3 * Mi)
            reset(s)
        _, weir = self.copy_to(handler, 'zero:')
        self.assertGreaterEqual(self.ends(weir, 2, '^weir: sink tcp://.*: ' + GONE), 3 * Mi)

    def test_sink_resets_while_we_are_paused(self):
        go = threading.Event()

        def handler(s):
            go.wait(60 * SCALE)
            reset(s)
        _, weir = self.copy_to(handler, 'zero:')
        support.until('it waits', 30, lambda: support.proc_stat(weir.pid)[0] == 'S')
        self.at_rest(weir)
        go.set()
        self.assertGreater(self.ends(weir, 2, '^weir: sink tcp://.*: ' + GONE), 0)

    def test_sink_resets_while_the_source_is_silent(self):
        """Noticed without a write."""
        stdin, _ = self.held_open(b'some')

        def handler(s):
            read_exactly(s, 4)
            reset(s)
        _, weir = self.copy_to(handler, '-', stdin=stdin)
        self.assertEqual(self.ends(weir, 2, '^weir: sink tcp://.*: ' + GONE), 4)

    def test_sink_ends_its_side_and_takes_the_rest(self):
        """What a sink says is nobody's business, its end included."""
        data = pattern(2 * Mi + 1)

        def handler(s):
            s.sendall(b'bye')
            s.shutdown(socket.SHUT_WR)
            return sha(read_all(s))
        peer, weir = self.copy_to(handler, self.file('data', data))
        self.assertEqual(weir.wait(), 0, weir.err())
        self.assertEqual(peer.result(), sha(data))

    def test_sink_resets_after_its_end(self):
        def handler(s):
            s.shutdown(socket.SHUT_WR)
            read_exactly(s, Mi)
            reset(s)
        _, weir = self.copy_to(handler, 'zero:')
        self.assertGreaterEqual(self.ends(weir, 2, '^weir: sink tcp://.*: ' + GONE), Mi)

    def test_sink_resets_after_our_end(self):
        """It read the end, and says by resetting that it does not accept it."""
        def handler(s):
            read_all(s)
            reset(s)
        _, weir = self.copy_to(handler, 'zero:100000')
        self.assertEqual(self.ends(weir, 2, '^weir: sink tcp://.*: ' + GONE), 100000)

    def test_sink_closes_with_our_bytes_unread(self):
        def handler(s):
            s.recv(1)
            s.close()
        _, weir = self.copy_to(handler, 'zero:')
        self.ends(weir, 2, '^weir: sink tcp://.*: ' + GONE)

    def test_unix_sink_vanishes(self):
        def handler(s):
            read_exactly(s, 100_000)
            s.close()
        peer = self.serve(handler, socket.AF_UNIX)
        weir = self.weir('copy', 'zero:', peer.endpoint)
        self.assertGreaterEqual(self.ends(weir, 2, '^weir: sink unix:.*: ' + GONE), 100_000)

    def test_sinks_process_is_killed(self):
        code = ('import socket; s = socket.create_server(("127.0.0.1", 0)); '
                'print(s.getsockname()[1], flush=True); c = s.accept()[0]; c.recv(100000); print("got", flush=True); '
                'import time; time.sleep(600)')
        peer = self.child([sys.executable, '-c', code])
        port = int(support.until('it listens', 30, lambda: peer.out() if b'\n' in peer.out() else None))
        weir = self.weir('copy', 'zero:', 'tcp://127.0.0.1:%d' % port)
        support.until('it reads', 30, lambda: b'got' in peer.out())
        peer.signal(signal.SIGKILL)
        self.ends(weir, 2, '^weir: sink tcp://.*: ' + GONE)

    def test_source_resets_and_what_it_sent_arrives_first(self):
        data = pattern(100_001)

        def handler(s):
            s.sendall(data)
            until_acknowledged(s)
            reset(s)
        peer, weir = self.copy_from(handler, '-')
        self.assertEqual(self.ends(weir, 1, '^weir: source tcp://.*: .*reset'), len(data))
        self.assertEqual(weir.out(), data)

    def test_source_resets_at_once_and_no_file_is_made(self):
        target = self.path('target')
        _, weir = self.copy_from(reset, target)
        self.assertEqual(self.ends(weir, 1, '^weir: source tcp://.*: .*reset'), 0)
        self.assertFalse(os.path.exists(target))

    def test_source_resets_midway_and_the_old_file_stays(self):
        def handler(s):
            s.sendall(bytes(300_000))
            until_acknowledged(s)
            reset(s)
        target = self.file('target', b'old')
        _, weir = self.copy_from(handler, target)
        self.assertEqual(self.ends(weir, 1, '^weir: source tcp://.*: .*reset'), 300_000)
        with open(target, 'rb') as f:
            self.assertEqual(f.read(), b'old')

    def test_source_resets_midway_and_a_tcp_sink_is_reset_too(self):
        """A truncated stream never looks complete."""
        def source(s):
            s.sendall(bytes(100_000))
            until_acknowledged(s)
            reset(s)

        def sink(s):
            self.assertRaises(ConnectionResetError, read_all, s)
        to = self.serve(sink)
        _, weir = self.copy_from(source, to.endpoint)
        self.ends(weir, 1, '^weir: source tcp://.*: .*reset')
        to.result()

    def test_source_resets_while_it_is_paused(self):
        data, was_reset = pattern(64 * Mi), threading.Event() # more than a pipe holds by reference
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)

        def handler(s):
            s.settimeout(1)
            sent = 0
            try:
                while sent < len(data):
                    sent += s.send(data[sent:sent + 65536])
            except socket.timeout:
                pass
            reset(s)
            was_reset.set()
        peer = self.serve(handler)
        weir = self.weir('copy', '--json', peer.endpoint, '-', stdout=writing)
        os.close(writing)
        self.assertTrue(was_reset.wait(60 * SCALE))
        self.at_rest(weir)
        with os.fdopen(os.dup(reading), 'rb') as f:
            got = f.read()
        self.assertEqual(weir.wait(), 1, weir.err())
        outcome = json.loads(weir.err())
        self.assertEqual((outcome['end'], outcome['cause']), ('source failed', 'ECONNRESET'))
        # A failure drops what the sink still held, and says how much that was.
        self.assertEqual(outcome['bytes'], len(got))
        self.assertEqual(outcome['in'], outcome['bytes'] + outcome['dropped'])
        self.assertEqual(sha(got), sha(data[:len(got)]))


class RelayResets(Faults):
    """Either side resets in every state; the other side must see that it was no end."""

    def relay(self, *options):
        """Returns (weir, client's socket, server's socket)."""
        ready, server = threading.Event(), []

        def handler(s):
            server.append(s)
            ready.set()
        peer = self.serve(handler)
        weir = self.weir('relay', '-v', *options, 'tcp-listen://127.0.0.1:0', peer.endpoint)
        client = self.connect(weir.listening())
        self.assertTrue(ready.wait(30 * SCALE))
        return weir, client, server[0]

    def both_ways(self, test, *options):
        for who in ('server', 'client'):
            with self.subTest(resets=who):
                weir, client, server = self.relay(*options)
                bad, good = (server, client) if who == 'server' else (client, server)
                test(weir, bad, good)
                side = 'right' if who == 'server' else 'left'
                status = weir.wait()
                line, _ = self.failure(weir.err())
                self.assertRegex(line, r'^weir: %s .*%s.* \((reading|writing), ' % (side, GONE))
                self.assertEqual(status, 1 if '(reading' in line else 2, line)
                good.close()

    def assert_cut(self, s):
        """The end is told as a reset."""
        self.assertRaises((ConnectionResetError, BrokenPipeError), read_all, s)

    def test_nobody_listens_on_the_right(self):
        s, port = support.free_port()
        self.addCleanup(s.close)
        weir = self.weir('relay', '-v', 'tcp-listen://127.0.0.1:0', 'tcp://127.0.0.1:%d' % port)
        client = self.connect(weir.listening())
        self.assertEqual(weir.wait(), 2)
        self.assertRegex(self.failure(weir.err())[0], '^weir: right tcp://.*: cannot open: .*refused')
        try:
            self.assertEqual(read_all(client), b'')
        except ConnectionResetError:
            pass

    def test_while_idle(self):
        def test(weir, bad, good):
            bad.sendall(b'x')
            read_exactly(good, 1)
            good.sendall(b'x')
            read_exactly(bad, 1)
            reset(bad)
            self.assert_cut(good)
        self.both_ways(test)

    def test_while_it_sends(self):
        def test(weir, bad, good):
            bad.sendall(bytes(200_000))
            read_exactly(good, 100_000)
            until_acknowledged(bad)
            reset(bad)
            self.assert_cut(good)
        self.both_ways(test)

    def test_while_we_send(self):
        def blast(s):
            try:
                while True:
                    s.sendall(bytes(65536))
            except (ConnectionResetError, BrokenPipeError):
                return True

        def test(weir, bad, good):
            sender = self.thread(blast, good)
            read_exactly(bad, Mi)
            reset(bad)
            self.assertTrue(sender.result())
        self.both_ways(test)

    def test_while_we_are_paused(self):
        def fill(s):
            s.settimeout(1)
            try:
                while True:
                    s.send(bytes(65536))
            except socket.timeout:
                s.settimeout(60 * SCALE)

        def test(weir, bad, good):
            fill(good)
            self.at_rest(weir)
            reset(bad)
            self.assert_cut(good)
        self.both_ways(test)

    def test_after_our_end(self):
        def test(weir, bad, good):
            good.sendall(b'request')
            good.shutdown(socket.SHUT_WR)
            self.assertEqual(read_all(bad), b'request')
            bad.sendall(b'half an ans')
            until_acknowledged(bad)
            reset(bad)
            self.assert_cut(good)
        self.both_ways(test)

    def test_after_its_end(self):
        def test(weir, bad, good):
            bad.sendall(b'bye')
            bad.shutdown(socket.SHUT_WR)
            self.assertEqual(read_all(good), b'bye')
            good.sendall(b'something')
            read_exactly(bad, 9)
            reset(bad)
            # Its end was true, and stays so; writing to it no longer is.
            support.until('weir ends', 30, lambda: not weir.running())
        self.both_ways(test)

    def test_through_a_throttle(self):
        def test(weir, bad, good):
            bad.sendall(bytes(50_000))
            read_exactly(good, 20_000)
            until_acknowledged(bad)
            reset(bad)
            self.assert_cut(good)
        self.both_ways(test, '--rate', '1M')


class Files(Faults):
    def listing(self):
        return sorted(name for name in os.listdir(self.folder)
                      if not name.startswith(('stdout-', 'stderr-')))

    def in_small_tmpfs(self, script):
        """Run `script` in a folder of 1 MiB that only it sees."""
        support.need('unshare', 'mount')
        unshare = ['unshare', '--mount'] + (['--user', '--map-root-user'] if os.getuid() else [])
        mount = 'mount -t tmpfs -o size=1m weir-test "$1" && cd "$1"'
        if subprocess.run(unshare + ['sh', '-c', mount, 'sh', self.folder], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode:
            raise unittest.SkipTest('needs unshare --mount, and may not')
        os.mkdir(self.path('small'))
        child = self.child(unshare + ['sh', '-c', mount + '\n' + script, 'sh', self.path('small')],
                           env=dict(support.ENV, WEIR=support.WEIR))
        self.assertEqual(child.wait(), 0, child.err())
        return child

    def test_disk_full(self):
        child = self.in_small_tmpfs('echo old > target; $WEIR copy zero:10M target; echo $?; ls -A; cat target')
        self.assertEqual(child.out(), b'2\ntarget\nold\n', child.err())
        line, at = self.failure(child.err())
        self.assertRegex(line, r'^weir: sink target: [Nn]o space left on device at byte \d+$')
        self.assertLessEqual(at, Mi)
        self.assertGreater(at, Mi // 2)

    def test_disk_full_at_an_append(self):
        child = self.in_small_tmpfs('printf old > target; $WEIR copy --append zero:10M target; echo $?; ls -A; '
                                    'head -c 3 target')
        self.assertEqual(child.out(), b'2\ntarget\nold', child.err())
        self.failure(child.err())

    def test_full_device(self):
        at = self.ends(self.weir('copy', 'zero:', '/dev/full'), 2, r'sink /dev/full: [Nn]o space left')
        self.assertEqual(at, 0)

    def test_reader_of_standard_output_is_gone(self):
        reading, writing = os.pipe()
        os.close(reading)
        weir = self.weir('copy', 'zero:', '-', stdout=writing)
        os.close(writing)
        self.assertEqual(self.ends(weir, 2, '^weir: sink -: (cannot open: )?' + GONE), 0)

    def test_reader_of_standard_output_goes_while_the_source_is_silent(self):
        stdin, _ = self.held_open(b'12345')
        reading, writing = os.pipe()
        weir = self.weir('copy', '-', '-', stdin=stdin, stdout=writing)
        os.close(writing)
        self.assertEqual(os.read(reading, 5), b'12345')
        os.close(reading)
        self.assertEqual(self.ends(weir, 2, '^weir: sink -: ' + GONE), 5)

    def test_source_is_truncated_while_it_is_copied(self):
        source = self.file('source', bytes(16 * Mi))
        reading, writing = os.pipe()
        weir = self.weir('copy', source, '-', stdout=writing)
        os.close(writing)
        with os.fdopen(reading, 'rb') as f:
            f.read(Mi)
            os.truncate(source, 2 * Mi)
            rest = len(f.read())
        at = self.ends(weir, 1, '^weir: source .*: the source ended before')
        self.assertEqual(at, Mi + rest)
        self.assertGreaterEqual(at, 2 * Mi)

    def interrupted(self, number, status):
        target = self.file('target', b'old')
        os.chmod(target, 0o640)
        stdin, writing = self.held_open()
        weir = self.weir('copy', '-', target, stdin=stdin)
        os.write(writing, b'x' * 60_000)
        until_taken(writing)
        support.until('it sleeps', 30, lambda: support.proc_stat(weir.pid)[0] == 'S')
        weir.signal(number)
        self.assertEqual(weir.wait(), status, weir.err())
        self.assertEqual(self.listing(), ['target'])
        with open(target, 'rb') as f:
            self.assertEqual(f.read(), b'old')
        return weir

    def test_kill_9_leaves_the_old_file(self):
        try:
            os.close(os.open(self.folder, os.O_TMPFILE | os.O_WRONLY))
        except OSError:
            self.skipTest('the file system has no files without a name')
        self.interrupted(signal.SIGKILL, -signal.SIGKILL)

    def test_signals_leave_the_old_file(self):
        for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)):
            with self.subTest(signal=number):
                weir = self.interrupted(number, status)
                self.assert_one_line(weir.err(), '^weir: stopped by %s at byte 60000$' % signal.Signals(number).name)
            self.doCleanups()
            self.setUp()

    def test_signals_while_it_waits_for_a_peer(self):
        path = self.path('s')
        weir = self.weir('copy', '-v', 'unix-listen:' + path, 'null:')
        weir.listening()
        weir.signal(signal.SIGTERM)
        self.assertEqual(weir.wait(), 143, weir.err())
        self.assertFalse(os.path.exists(path))


class Children(Faults):
    def test_killed_source(self):
        at = self.ends(self.weir('copy', "exec:printf partial; kill -9 $$", self.path('target')), 1,
                       r'^weir: source exec:.*killed by signal 9')
        self.assertEqual(at, 7)
        self.assertFalse(os.path.exists(self.path('target')))

    def test_failing_source(self):
        target = self.file('target', b'old')
        at = self.ends(self.weir('copy', 'exec:printf partial; exit 3', target), 1, 'status 3')
        self.assertEqual(at, 7)
        with open(target, 'rb') as f:
            self.assertEqual(f.read(), b'old')

    def test_killed_sink(self):
        at = self.ends(self.weir('copy', 'zero:', 'exec:head -c 1000 > /dev/null; kill -9 $$'), 2,
                       r'^weir: sink exec:.*(killed by signal 9|roken pipe)')
        self.assertGreaterEqual(at, 1000)

    def test_killed_sink_while_the_source_is_silent(self):
        stdin, _ = self.held_open(b'1234')
        weir = self.weir('copy', '-', 'exec:head -c 4 > /dev/null; kill -9 $$', stdin=stdin)
        self.assertEqual(self.ends(weir, 2, r'^weir: sink exec:.*(killed by signal 9|roken pipe)'), 4)

    def test_sink_that_succeeds_without_reading_all(self):
        self.ends(self.weir('copy', 'zero:', 'exec:true'), 2, '^weir: sink exec:')

    def test_kill_from_outside(self):
        """Somebody kills the command's child: no end that looks true."""
        weir = self.weir('copy', 'exec:exec cat /dev/zero', 'exec:exec cat > /dev/null')
        kids = support.until('both run', 30, lambda: (lambda k: k if len(k) == 2 else None)(
            support.children(weir.pid)))
        os.kill(min(kids), signal.SIGKILL)
        self.assertEqual(weir.wait(), 1, weir.err())
        self.assertRegex(self.failure(weir.err())[0], r'^weir: source exec:.*killed by signal 9')

    def test_interrupted_children_are_gone(self):
        weir = self.weir('copy', 'exec:trap "" TERM; exec cat /dev/zero', 'exec:exec cat > /dev/null')
        support.until('both run', 30, lambda: len(support.children(weir.pid)) == 2)
        weir.signal(signal.SIGINT)
        self.assertEqual(weir.wait(), 130, weir.err())
        self.assertEqual(support.session(weir.pid), [])


class Weather(Faults):
    """Interruptions that must not show."""

    def storm(self, weir, s, signals):
        """Send blocks and signals in turn; returns the digest of what was sent."""
        blocks = []
        for i in range(150):
            block = pattern(random.Random(i).randrange(1, 90_000), i)
            blocks.append(block)
            s.sendall(block)
            for number in signals:
                weir.signal(number)
        s.shutdown(socket.SHUT_WR)
        return sha(b''.join(blocks))

    SIGNALS = [signal.SIGCHLD, signal.SIGWINCH, signal.SIGSTOP, signal.SIGCHLD, signal.SIGCONT,
               signal.SIGALRM, signal.SIGURG, signal.SIGSTOP, signal.SIGCONT]

    def ignore_alarm(self):
        """What it inherits: the default of SIGALRM is the end of the process."""
        old = signal.signal(signal.SIGALRM, signal.SIG_IGN)
        self.addCleanup(signal.signal, signal.SIGALRM, old)

    def test_signals_in_a_copy_through_a_child(self):
        self.ignore_alarm()
        weir = self.weir('copy', '-v', 'tcp-listen://127.0.0.1:0', "exec:cat > '%s'" % self.path('got'))
        s = self.connect(weir.listening())
        digest = self.storm(weir, s, self.SIGNALS)
        self.assertEqual(weir.wait(), 0, weir.err())
        self.assertEqual(support.sha_file(self.path('got')), digest)

    def test_signals_in_a_relay(self):
        self.ignore_alarm()

        def echo(s):
            while part := s.recv(65536):
                s.sendall(part)
            s.close()
        weir = self.weir('relay', '-v', 'tcp-listen://127.0.0.1:0', self.serve(echo).endpoint)
        s = self.connect(weir.listening())
        reader = self.thread(lambda: sha(read_all(s)))
        digest = self.storm(weir, s, self.SIGNALS)
        self.assertEqual(reader.result(60), digest)
        s.close()
        self.assertEqual(weir.wait(), 0, weir.err())

    def test_short_writes(self):
        data = pattern(400_003)
        source = self.file('data', data)

        def slowly(read):
            sizes, parts = random.Random(1), []
            while part := read(sizes.choice((1, 2, 511, 4095, 4096, 4097, 9999))):
                parts.append(part)
            return sha(b''.join(parts))

        def handler(s):
            digest = slowly(s.recv)
            s.close()
            return digest
        for family in (socket.AF_INET, socket.AF_UNIX):
            with self.subTest(family=family):
                peer = self.serve(handler, family)
                peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                weir = self.weir('copy', source, peer.endpoint)
                self.assertEqual(weir.wait(60), 0, weir.err())
                self.assertEqual(peer.result(), sha(data))
        reading, writing = os.pipe()
        fcntl.fcntl(writing, 1031, 4096)  # F_SETPIPE_SZ
        weir = self.weir('copy', source, '-', stdout=writing)
        os.close(writing)
        self.assertEqual(slowly(lambda n: os.read(reading, n)), sha(data))
        os.close(reading)
        self.assertEqual(weir.wait(), 0, weir.err())


class Descriptors(Faults):
    def limited(self, *args):
        support.need('prlimit')
        return self.child(['prlimit', '--nofile=40:40', support.WEIR] + list(args))

    def assert_calm(self, weir):
        """It does not spin."""
        before = support.cpu_seconds(weir.pid)
        time.sleep(1)  # what is measured: the CPU time in one second
        self.assertLess(support.cpu_seconds(weir.pid) - before, 0.25 * SCALE, weir.err())

    def echo(self):
        def handler(s):
            while part := s.recv(65536):
                s.sendall(part)
            s.close()
        return self.serve(handler, backlog=256)

    def ask(self, s, text):
        s.sendall(text)
        self.assertEqual(read_exactly(s, len(text)), text)

    def test_accepting_goes_on_when_descriptors_are_there_again(self):
        weir = self.limited('copy', '--many', '-v', '--json', '--max-peers', '1000', 'tcp-listen://127.0.0.1:0', 'null:')
        clients = [self.connect(weir.listening()) for _ in range(60)]
        support.until('descriptors ran out', 30, lambda: len(os.listdir('/proc/%d/fd' % weir.pid)) == 40)
        self.assert_calm(weir)
        for s in clients:
            s.sendall(b'12345')
            s.close()
        support.until(lambda: 'all were served: ' + weir.err()[-500:], 30,
                      lambda: weir.out().count(b'\n') == 60)
        for line in weir.out().splitlines():
            outcome = json.loads(line)
            self.assertEqual((outcome['end'], outcome['bytes']), ('finished', 5))
        weir.signal(signal.SIGINT)
        self.assertEqual(weir.wait(), 130)
        self.assertRegex(weir.err(), '60 peers served, 0 failed, 0 cut')

    def test_default_number_of_peers_fits_the_descriptors(self):
        """Others wait, and are served when those before them have left."""
        weir = self.limited('relay', '--many', '-v', 'tcp-listen://127.0.0.1:0', self.echo().endpoint)
        clients = [self.connect(weir.listening()) for _ in range(30)]
        for s in clients:
            s.sendall(b'hello')
        self.assert_calm(weir)
        for s in clients:  # they were accepted in this order
            self.assertEqual(read_exactly(s, 5), b'hello')
            s.close()
        support.until('they are gone', 30, lambda: weir.err().count('finished') == 60)
        self.assertNotIn('cannot open', weir.err())

    def test_too_many_peers_for_the_descriptors_do_no_harm(self):
        """Whoever cannot be served is told, with a line; the others and those after are served."""
        weir = self.limited('relay', '--many', '-v', '--max-peers', '1000', 'tcp-listen://127.0.0.1:0',
                            self.echo().endpoint)
        address = weir.listening()
        before = len(support.fds(weir.pid))
        first = [self.connect(address) for _ in range(8)]
        for s in first:
            self.ask(s, b'first')
        others = [self.connect(address) for _ in range(30)]
        self.assert_calm(weir)
        for s in first:
            self.ask(s, b'still')
        for s in first + others:
            s.close()
        support.until(lambda: 'all are gone: %r' % support.fds(weir.pid), 30,
                      lambda: len(support.fds(weir.pid)) == before)

        def served():
            """The last of the others may still be in the queue, and take the descriptors."""
            try:
                with self.connect(address) as last:
                    self.ask(last, b'after')
                return True
            except (ConnectionError, EOFError):
                return False

        support.until('somebody is served again', 30, served)

    def test_max_peers(self):
        weir = self.weir('relay', '--many', '-v', '--max-peers', '3', 'tcp-listen://127.0.0.1:0', self.echo().endpoint)
        address = weir.listening()
        clients = [self.connect(address) for _ in range(10)]
        for s in clients:
            s.sendall(b'?')
        for s in clients[:3]:
            self.assertEqual(read_exactly(s, 1), b'?')
        self.at_rest(weir)
        for s in clients[3:]:
            s.setblocking(False)
            self.assertRaises(BlockingIOError, s.recv, 1)
            s.settimeout(60 * SCALE)
        for i, s in enumerate(clients[3:]):
            clients[i].close()
            self.assertEqual(read_exactly(s, 1), b'?')

    def test_nothing_is_left_after_a_load(self):
        """Peers that come, go, reset and vanish in every state: descriptors and children
        return to where they were, and the next one is served."""
        def handler(s):
            try:
                sizes = random.Random(s.getpeername()[1])
                if sizes.random() < 0.3:
                    return reset(s)
                while part := s.recv(65536):
                    s.sendall(part)
                    if sizes.random() < 0.1:
                        return reset(s)
            except OSError:
                pass
            s.close()
        for right in (self.serve(handler, backlog=256).endpoint, 'exec:cat; sleep 0.01'):
            with self.subTest(right=right):
                weir = self.weir('relay', '--many', '-v', '--json', 'tcp-listen://127.0.0.1:0', right)
                address = weir.listening()
                before = len(support.fds(weir.pid))
                dice = random.Random(7)
                for _ in range(6):
                    clients = [self.connect(address) for _ in range(12)]
                    for s in clients:
                        try:
                            s.sendall(bytes(dice.choice((0, 1, 1000, 50_000))))
                            if dice.random() < 0.5:
                                s.shutdown(socket.SHUT_WR)
                            s.setblocking(False)
                            s.recv(1 if dice.random() < 0.5 else 100_000)
                        except OSError:
                            pass
                        if dice.random() < 0.4:
                            reset(s)
                        else:
                            s.close()
                support.until(lambda: 'all have ended: ' + weir.err()[-2000:], 60,
                              lambda: weir.out().count(b'\n') == 72)
                # A first child may make libuv open a pipe for its signals, and keep it.
                support.until(lambda: 'all are gone: %r' % support.fds(weir.pid), 60,
                              lambda: len(support.fds(weir.pid)) <= before + 2 and not support.children(weir.pid))
                left = len(support.fds(weir.pid))
                if right.startswith('exec'):
                    self.ask(self.connect(address), b'hello')
                self.assertTrue(weir.running(), weir.err()[-2000:])
                weir.signal(signal.SIGTERM)
                self.assertEqual(weir.wait(), 143, weir.err()[-2000:])
                self.assertLessEqual(left, before + (2 if right.startswith('exec') else 0))
                # A child that its command has just left may take a moment to end.
                support.until(lambda: 'all have ended: %r' % support.session(weir.pid), 60,
                              lambda: not support.session(weir.pid))


if __name__ == '__main__':
    support.main()
