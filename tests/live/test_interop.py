# SPDX-License-Identifier: MIT
"""Bytes through weir between programs that we did not write, in every pairing."""
import hashlib
import os
import socket
import subprocess
import sys
import threading
import unittest

import support
from support import LiveTest, SCALE, connect, pattern, read_all, read_exactly, sha, sha_file

MATRIX_SIZE = (1 << 18) + 7
SIZES = [0, 1, 65535, 65536, 65537, 10_000_003]
TWISTED = os.path.join(support.HERE, 'twisted_peer.py')


def send_and_end(s, data):
    """As a peer that only gives: returns how many bytes came back."""
    s.sendall(data)
    s.shutdown(socket.SHUT_WR)
    return len(read_all(s))


def take_all(s):
    digest = sha(read_all(s))
    s.close()
    return digest


class Source:
    """Gives `data` to the command, as what its kind says."""

    def __init__(self, test, kind, data):
        self.test, self.kind, self.data = test, kind, data
        self.stdin = subprocess.DEVNULL
        self.tasks = []
        self.endpoint = getattr(self, '_' + kind.replace('-', '_'))()

    def _file(self):
        return 'file:' + self.test.file('source', self.data)

    def _path(self):
        return self.test.file('source', self.data)

    def _stdin_file(self):
        self.stdin = open(self._path(), 'rb')
        self.test.addCleanup(self.stdin.close)
        return '-'

    def _stdin_pipe(self):
        self.stdin = subprocess.PIPE
        return '-'

    def _stdin_socket(self):
        ours, self.stdin = socket.socketpair()
        ours.settimeout(60 * SCALE)
        self.test.addCleanup(ours.close)
        self.test.addCleanup(self.stdin.close)
        self.tasks.append(self.test.thread(self._send, ours))
        return '-'

    def _send(self, s):
        s.sendall(self.data)
        s.shutdown(socket.SHUT_WR)

    def _fifo(self):
        path = self.test.path('source.fifo')
        os.mkfifo(path)
        self.tasks.append(self.test.thread(self._write, path))
        return path

    def _write(self, path):
        with open(path, 'wb') as f:
            f.write(self.data)

    def _exec(self):
        return "exec:cat '%s'" % self._path()

    def _serve(self, family):
        self.peer = self.test.serve(lambda s: send_and_end(s, self.data), family)
        return self.peer.endpoint

    def _tcp(self):
        return self._serve(socket.AF_INET)

    def _tcp6(self):
        return self._serve(socket.AF_INET6)

    def _unix(self):
        return self._serve(socket.AF_UNIX)

    def _tcp_listen(self):
        return 'tcp-listen://127.0.0.1:0'

    def _unix_listen(self):
        return 'unix-listen:' + self.test.path('source.sock')

    def start(self, weir):
        if self.stdin is subprocess.PIPE:
            self.tasks.append(self.test.thread(self._feed, weir))
        if self.kind.endswith('-listen'):
            s = self.test.connect(weir.listening())
            self.tasks.append(self.test.thread(send_and_end, s, self.data))

    def _feed(self, weir):
        weir.stdin.write(self.data)
        weir.stdin.close()

    def check(self):
        for task in self.tasks:
            task.result()


class Sink:
    """Takes what the command gives, and says its digest."""

    def __init__(self, test, kind):
        self.test, self.kind = test, kind
        self.stdout = None
        self.task = self.peer = self.target = None
        self.endpoint = getattr(self, '_' + kind.replace('-', '_'))()

    def _file(self):
        self.target = self.test.path('sink')
        return 'file:' + self.target

    def _stdout_file(self):
        return '-'

    def _stdout_pipe(self):
        self.stdout = subprocess.PIPE
        return '-'

    def _fifo(self):
        path = self.test.path('sink.fifo')
        os.mkfifo(path)
        self.task = self.test.thread(self._read, path)
        return path

    def _read(self, path):
        with open(path, 'rb') as f:
            return sha(f.read())

    def _exec(self):
        self.target = self.test.path('sink')
        return "exec:cat > '%s'" % self.target

    def _serve(self, family):
        self.peer = self.test.serve(take_all, family)
        return self.peer.endpoint

    def _tcp(self):
        return self._serve(socket.AF_INET)

    def _tcp6(self):
        return self._serve(socket.AF_INET6)

    def _unix(self):
        return self._serve(socket.AF_UNIX)

    def _tcp_listen(self):
        return 'tcp-listen://127.0.0.1:0'

    def _unix_listen(self):
        return 'unix-listen:' + self.test.path('sink.sock')

    def start(self, weir, index):
        if self.stdout is subprocess.PIPE:
            self.task = self.test.thread(lambda: sha(weir.stdout.read()))
        if self.kind.endswith('-listen'):
            self.task = self.test.thread(take_all, self.test.connect(weir.listening(index)))

    def digest(self, weir):
        if self.peer:
            return self.peer.result()
        if self.task:
            return self.task.result()
        return sha_file(self.target) if self.target else sha(weir.out())


SOURCES = ['file', 'path', 'stdin-file', 'stdin-pipe', 'stdin-socket', 'fifo', 'exec', 'tcp', 'unix',
           'tcp-listen', 'unix-listen']
SINKS = ['file', 'stdout-file', 'stdout-pipe', 'fifo', 'exec', 'tcp', 'unix', 'tcp-listen', 'unix-listen']
if support.has_ipv6():
    SOURCES.append('tcp6')
    SINKS.append('tcp6')


class CopyPairs(LiveTest):
    def copy(self, source_kind, sink_kind, data, *options):
        with self.subTest(source=source_kind, sink=sink_kind, size=len(data)):
            source, sink = Source(self, source_kind, data), Sink(self, sink_kind)
            weir = self.weir('copy', '-v', *options, source.endpoint, sink.endpoint,
                             stdin=source.stdin, stdout=sink.stdout)
            source.start(weir)
            sink.start(weir, 1 if source_kind.endswith('-listen') else 0)
            status = weir.wait()
            self.assertEqual(status, 0, weir.err())
            self.assertEqual(sink.digest(weir), sha(data), weir.err())
            source.check()
        self.doCleanups()
        self.setUp()

    def test_every_source_feeds_every_sink(self):
        data = pattern(MATRIX_SIZE)
        for source in SOURCES:
            for sink in SINKS:
                self.copy(source, sink, data)

    def test_every_source_gives_every_size(self):
        for size in SIZES:
            data = pattern(size)
            for source in SOURCES:
                self.copy(source, 'stdout-pipe', data)

    def test_every_sink_takes_every_size(self):
        for size in SIZES:
            data = pattern(size)
            for sink in SINKS:
                self.copy('path', sink, data)

    def test_small_marks_lose_nothing(self):
        for sink in SINKS:
            self.copy('tcp', sink, pattern(20_001), '--high', '1', '--low', '0')
            self.copy('stdin-pipe', sink, pattern(300_001), '--high', '5000', '--low', '4999')

    def test_pattern_is_the_same_everywhere(self):
        first = self.run_weir('copy', 'random:3Mi?seed=7', '-')
        self.assert_status(first, 0)
        self.assertEqual(len(first.out), 3 << 20)
        peer = self.serve(take_all)
        self.assert_status(self.run_weir('copy', 'random:3Mi?seed=7', peer.endpoint), 0)
        self.assertEqual(peer.result(), sha(first.out))
        zeros = self.run_weir('copy', 'zero:100001', '-')
        self.assertEqual(zeros.out, bytes(100001))


class Programs(LiveTest):
    """Pipelines with the usual programs."""

    def shell(self, script, *args, seconds=60):
        """Run `script` with $WEIR; fails unless every part of it succeeds."""
        child = self.child(['bash', '-c', 'set -o pipefail; cd "$0"; ' + script, self.folder] +
                           list(map(str, args)), env=dict(support.ENV, WEIR=support.WEIR))
        status = child.wait(seconds)
        self.assertEqual(status, 0, child.err())
        return child.out()

    def test_sort_gets_all_lines_and_weir_waits_for_it(self):
        self.shell("seq 1 200000 | $WEIR copy - exec:'sort -n -r > sorted'")
        self.shell('seq 200000 -1 1 | cmp - sorted')

    def test_gzip_there_and_back(self):
        data = self.file('data', b'a line that repeats itself\n' * 100000 + pattern(1_000_001))
        self.shell("$WEIR copy data exec:'gzip -1 > data.gz' && gzip -t data.gz && "
                   "$WEIR copy exec:'gzip -d < data.gz' back")
        self.assertEqual(sha_file(self.path('back')), sha_file(data))

    def test_a_filter_between_standard_streams(self):
        """relay - exec: makes a command a filter of ours: all it says after the end arrives."""
        data = pattern(2_000_003)
        result = self.run_weir('relay', '-', 'exec:sha256sum', input=data)
        self.assert_status(result, 0)
        self.assertEqual(result.out.split()[0].decode(), sha(data))
        result = self.run_weir('relay', '-', 'exec:gzip -1 | gzip -d', input=data)
        self.assert_status(result, 0)
        self.assertEqual(sha(result.out), sha(data))

    def test_dd_with_odd_blocks(self):
        self.file('data', pattern(1_234_567))
        self.shell('dd if=data bs=777 status=none | $WEIR copy - - | dd bs=1313 of=copy status=none')
        self.assertEqual(sha_file(self.path('copy')), sha_file(self.path('data')))

    def test_cat_on_both_sides(self):
        self.file('data', pattern(10_000_001))
        out = self.shell('cat data | $WEIR copy - - | cat | $WEIR copy - - | sha256sum')
        self.assertEqual(out.split()[0].decode(), sha_file(self.path('data')))

    def test_head_ends_the_stream_and_weir_says_so(self):
        child = self.child(['bash', '-c', '"$0" copy zero: - | head -c 100000; exit ${PIPESTATUS[0]}',
                            support.WEIR])
        self.assertEqual(child.wait(), 2, child.err())
        self.assertEqual(child.out(), bytes(100000))
        self.assert_one_line(child.err(), r'^weir: sink -: .*[Bb]roken pipe.* at byte \d+$')

    def test_append_adds(self):
        self.file('a', b'one\n')
        self.file('b', b'two\n')
        self.shell('$WEIR copy --append a c && $WEIR copy --append b c && $WEIR copy --append - c < a')
        with open(self.path('c'), 'rb') as f:
            self.assertEqual(f.read(), b'one\ntwo\none\n')

    def test_offsets_of_inherited_files_move_along(self):
        """The shell's redirections are shared: the next program goes on where weir ended."""
        self.file('data', b'x' * 10)
        out = self.shell('{ echo first; $WEIR copy data -; echo last; } > all; cat all')
        self.assertEqual(out, b'first\n' + b'x' * 10 + b'last\n')
        out = self.shell('{ head -c 0; $WEIR copy - got; cat; } < data; cat got')
        self.assertEqual(out, b'x' * 10)

    def test_socat_sends_and_receives(self):
        support.need('socat')
        self.file('data', pattern(5_000_001))
        # weir listens, socat connects
        weir = self.weir('copy', '-v', 'tcp-listen://127.0.0.1:0', self.path('got'))
        port = weir.listening()[1]
        self.shell('socat -u OPEN:data TCP:127.0.0.1:%d' % port)
        self.assertEqual(weir.wait(), 0, weir.err())
        self.assertEqual(sha_file(self.path('got')), sha_file(self.path('data')))
        # socat listens on a UNIX socket, weir connects
        socat = self.child(['socat', '-u', 'UNIX-LISTEN:%s' % self.path('s'),
                            'CREATE:%s' % self.path('got2')])
        support.until('socat listens', 15, lambda: os.path.exists(self.path('s')))
        self.assert_status(self.run_weir('copy', self.path('data'), 'unix:' + self.path('s')), 0)
        self.assertEqual(socat.wait(), 0, socat.err())
        self.assertEqual(sha_file(self.path('got2')), sha_file(self.path('data')))

    def test_socat_echo_through_a_relay(self):
        support.need('socat')
        data = pattern(3_000_001)
        relay = self.weir('relay', '-v', 'tcp-listen://127.0.0.1:0', 'exec:socat -t 30 - EXEC:cat')
        s = self.connect(relay.listening())
        sender = self.thread(lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)))
        self.assertEqual(sha(read_all(s)), sha(data), relay.err())
        sender.result()
        self.assertEqual(relay.wait(), 0, relay.err())

    def test_nc_sends_and_receives(self):
        support.need('nc')
        self.file('data', pattern(2_000_001))
        weir = self.weir('copy', '-v', 'tcp-listen://127.0.0.1:0', self.path('got'))
        self.shell('nc -N 127.0.0.1 %d < data' % weir.listening()[1])
        self.assertEqual(weir.wait(), 0, weir.err())
        self.assertEqual(sha_file(self.path('got')), sha_file(self.path('data')))
        nc = self.child(['nc', '-l', '-U', self.path('s')])
        support.until('nc listens', 15, lambda: os.path.exists(self.path('s')))
        self.assert_status(self.run_weir('copy', self.path('data'), 'unix:' + self.path('s')), 0)
        self.assertEqual(nc.wait(), 0, nc.err())
        self.assertEqual(sha(nc.out()), sha_file(self.path('data')))


class HalfClose(LiveTest):
    """One direction's end never cuts the other, whoever ends first."""

    def relay(self, handler, *options):
        """A relay to a server with `handler`, and a client connected to it."""
        peer = self.serve(handler)
        weir = self.weir('relay', '-v', *options, 'tcp-listen://127.0.0.1:0', peer.endpoint)
        return weir, peer, self.connect(weir.listening())

    def done(self, weir):
        self.assertEqual(weir.wait(), 0, weir.err())

    def test_answer_after_the_end_of_the_request(self):
        def handler(s):
            request = read_all(s)
            s.sendall(b'answer to ' + sha(request).encode())
            s.close()
        weir, _, s = self.relay(handler)
        request = pattern(700_001)
        s.sendall(request)
        s.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(s), b'answer to ' + sha(request).encode())
        s.close()
        self.done(weir)

    def test_a_long_answer_long_after_the_end_of_the_request(self):
        answer, go = pattern(4_000_001), threading.Event()

        def handler(s):
            self.assertEqual(read_all(s), b'?')
            go.wait(60 * SCALE)
            s.sendall(answer)
            s.close()
        weir, _, s = self.relay(handler)
        s.sendall(b'?')
        s.shutdown(socket.SHUT_WR)
        # Longer than any time after which a relay could wrongly call it done: copy's
        # grace is 1 s, a stream's linger 2 s.
        s.settimeout(2.5)
        self.assertRaises(socket.timeout, s.recv, 1)
        s.settimeout(60 * SCALE)
        go.set()
        self.assertEqual(sha(read_all(s)), sha(answer))
        s.close()
        self.done(weir)

    def test_client_goes_on_after_the_servers_end(self):
        request = pattern(4_000_001)

        def handler(s):
            s.sendall(b'greeting')
            s.shutdown(socket.SHUT_WR)
            return sha(read_all(s))
        weir, peer, s = self.relay(handler)
        self.assertEqual(read_all(s), b'greeting')
        s.sendall(request)
        s.shutdown(socket.SHUT_WR)
        self.assertEqual(peer.result(), sha(request))
        self.done(weir)

    def test_both_end_at_once_and_both_arrive(self):
        one, two = pattern(1_500_001, 1), pattern(2_500_003, 2)

        def exchange(s, data):
            sender = self.thread(lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)))
            got = sha(read_all(s))
            sender.result()
            return got
        weir, peer, s = self.relay(lambda s: exchange(s, two))
        self.assertEqual(exchange(s, one), sha(two))
        self.assertEqual(peer.result(), sha(one))
        self.done(weir)

    def test_empty_in_both_directions(self):
        weir, peer, s = self.relay(lambda s: (s.shutdown(socket.SHUT_WR), read_all(s))[1])
        s.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(s), b'')
        self.assertEqual(peer.result(), b'')
        self.done(weir)

    def test_each_end_is_passed_on_at_once(self):
        """The end itself, not only the bytes, must arrive while the other way is idle."""
        got_end = threading.Event()

        def handler(s):
            self.assertEqual(read_all(s), b'ping')
            got_end.set()
            s.sendall(b'pong')
            s.close()
        weir, _, s = self.relay(handler)
        s.sendall(b'ping')
        self.assertFalse(got_end.is_set())
        s.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(s), b'pong')
        self.assertTrue(got_end.is_set())
        self.done(weir)

    def test_one_byte_writes_without_delay(self):
        data = pattern(3000)

        def trickle(s):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for i in range(len(data)):
                s.sendall(data[i:i + 1])
            s.shutdown(socket.SHUT_WR)

        def handler(s):
            sender = self.thread(trickle, s)
            got = read_all(s)
            sender.result()
            return got
        weir, peer, s = self.relay(handler)
        self.assertEqual(handler(s), data)
        self.assertEqual(peer.result(), data)
        self.done(weir)

    def test_ping_pong_is_not_delayed(self):
        """Each byte is passed on when it comes: thousands of turns, one after another."""
        turns = 2000

        def handler(s):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(turns):
                s.sendall(read_exactly(s, 1))
        weir, peer, s = self.relay(handler)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(turns):
            s.sendall(bytes([i & 255]))
            self.assertEqual(s.recv(2), bytes([i & 255]))
        s.close()
        peer.result()

    def test_half_close_through_unix_sockets_and_standard_streams(self):
        def handler(s):
            digest = sha(read_all(s))
            s.sendall(digest.encode())
            s.close()
        data = pattern(600_001)
        peer = self.serve(handler, socket.AF_UNIX)
        result = self.run_weir('relay', '-', peer.endpoint, input=data)
        self.assert_status(result, 0)
        self.assertEqual(result.out.decode(), sha(data))
        weir = self.weir('relay', '-v', 'unix-listen:' + self.path('s'),
                         self.serve(handler, socket.AF_UNIX).endpoint)
        s = self.connect(weir.listening())
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(s).decode(), sha(data))
        self.done(weir)

    def test_the_last_bytes_survive_a_close_with_unread_ones(self):
        """A peer that closes with bytes of ours unread resets; what it had sent before
        was complete, and copy's sink must still have all of it."""
        data = pattern(500_001)
        weir = self.weir('copy', '-v', self.file('data', data), 'tcp-listen://127.0.0.1:0')
        s = self.connect(weir.listening())
        s.sendall(b'bytes that a copy does not want' * 10)
        self.assertEqual(sha(read_all(s)), sha(data))
        s.close()
        self.done(weir)


class Twisted(LiveTest):
    @classmethod
    def setUpClass(cls):
        code = 'import twisted.internet.endpoints, twisted.protocols.portforward'
        if subprocess.run([sys.executable, '-c', code], stderr=subprocess.DEVNULL).returncode:
            raise unittest.SkipTest('needs python3-twisted')

    def twisted(self, *args):
        child = self.child([sys.executable, TWISTED] + list(map(str, args)), stdin=subprocess.PIPE)
        return int(support.until('twisted listens: ' + child.err(), 30,
                                 lambda: child.out() if b'\n' in child.out() else None))

    def exchange(self, s, data):
        sender = self.thread(lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)))
        digest = hashlib.sha256()
        while part := s.recv(1 << 18):
            digest.update(part)
        sender.result()
        return digest.hexdigest()

    def relay_to(self, port, *options):
        weir = self.weir('relay', '-v', *options, 'tcp-listen://127.0.0.1:0', 'tcp://127.0.0.1:%d' % port)
        return weir, self.connect(weir.listening())

    def test_echo_of_every_size(self):
        port = self.twisted('echo')
        relay = self.weir('relay', '-v', '--many', 'tcp-listen://127.0.0.1:0', 'tcp://127.0.0.1:%d' % port)
        for size in SIZES:
            data = pattern(size)
            with self.subTest(size=size):
                self.assertEqual(self.exchange(self.connect(relay.listening()), data), sha(data), relay.err())

    def test_answer_after_the_end(self):
        weir, s = self.relay_to(self.twisted('after-end'))
        s.sendall(bytes(3_000_000))
        s.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(s), b'3000000 bytes\n')
        self.assertEqual(weir.wait(), 0, weir.err())

    def test_portforward_between_two_of_ours(self):
        """client - weir - twisted portforward - weir - server, with a server that takes
        its time: Twisted's forwarder pauses, and so do we.  It knows no half-close, so
        the client counts."""
        data = pattern(3_000_001)

        def handler(s):
            got = hashlib.sha256()
            left = len(data)
            while left:
                part = s.recv(65536)
                left -= len(part)
                got.update(part)
            s.sendall(data)
            self.assertEqual(s.recv(1), b'')
            s.close()
            return got.hexdigest()
        peer = self.serve(handler)
        inner = self.weir('relay', '-v', 'tcp-listen://127.0.0.1:0', peer.endpoint)
        forward = self.twisted('forward', *inner.listening())
        outer, s = self.relay_to(forward)
        s.sendall(data)
        self.assertEqual(sha(read_exactly(s, len(data))), sha(data))
        s.close()
        self.assertEqual(peer.result(), sha(data))
        # The forwarder closes fully at either end, so only the client's side knows the end.
        self.assertIn(outer.wait(), (0, 1, 2), outer.err())
        self.assertIn(inner.wait(), (0, 1, 2), inner.err())

    def test_echo_with_a_paused_reader(self):
        """Back-pressure from end to end: nobody drops, nobody hangs, when all resumes."""
        weir, s = self.relay_to(self.twisted('echo'), '--high', '64Ki')
        block, sent, got = pattern(1 << 16), hashlib.sha256(), hashlib.sha256()
        total = 0

        def push():
            nonlocal total
            try:
                n = s.send(block)
            except BlockingIOError:
                return total
            sent.update(block[:n])
            total += n
            return None
        s.setblocking(False)
        support.until('the client is held back', 60, push)
        # Somebody may still find room in a kernel buffer, which the kernel bounds.
        support.steady(lambda: push() or total, 60)
        self.assertLess(total, 200 << 20, 'somebody took all of it without a bound')
        s.setblocking(True)
        s.settimeout(60 * SCALE)
        sender = self.thread(lambda: (s.sendall(block), s.shutdown(socket.SHUT_WR)))
        sent.update(block)
        while part := s.recv(1 << 18):
            got.update(part)
        sender.result()
        self.assertEqual(got.hexdigest(), sent.hexdigest())
        self.assertEqual(weir.wait(), 0, weir.err())


if __name__ == '__main__':
    support.main()
