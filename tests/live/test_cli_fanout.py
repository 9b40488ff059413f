# SPDX-License-Identifier: MIT
"""weir copy to several sinks: what each gets by its policy, and what is told of it."""
import fcntl
import glob
import hashlib
import json
import os
import pty
import signal
import socket
import struct
import subprocess
import termios
import threading

from support import (ENV, KIND, LiveTest, children, fds, free_port, main, memory, need, pattern,
                     read_all, read_exactly, reset, steady, until)

MB = 1 << 20


def lines(size):
    """About `size` bytes of numbered lines, of a length that no chunk is a multiple of."""
    return b''.join(b'%08d\n' % i for i in range(size // 9))


class FanOut(LiveTest):
    def read(self, name):
        with open(self.path(name), 'rb') as f:
            return f.read()

    def names(self):
        """What is in the folder, but for what the harness put there."""
        return sorted(n for n in os.listdir(self.folder)
                      if not n.startswith(('stdout-', 'stderr-', 'peer-')))

    def gated(self, handler, family=socket.AF_INET):
        """A peer that runs handler(connection, gate), and the gate, which it can wait for."""
        gate = threading.Event()
        peer = self.serve(lambda s: handler(s, gate), family)
        self.addCleanup(gate.set)  # before the peer is closed
        return peer, gate

    def slow_peer(self):
        """A peer that reads nothing until its gate is opened, and then all.  The kernel keeps
        less for a UNIX socket than for TCP, so that it soon is a slow one."""
        def serve(s, gate):
            gate.wait(120)
            return read_all(s)
        return self.gated(serve, socket.AF_UNIX)

    def sinks_of(self, err):
        """The object on standard error."""
        return json.loads(err.splitlines()[-1])

    def feed(self, weir, data):
        """Write to its standard input while what it writes is read; the latter."""
        def write():
            with weir.stdin:
                weir.stdin.write(data)
        task = self.thread(write)
        out = weir.stdout.read()
        task.result()
        return out

    def piped(self, *args, **options):
        return self.weir(*args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options)


class Whole(FanOut):
    def test_sinks_of_all_kinds_get_every_byte(self):
        data = pattern(2 * MB + 7)
        source = self.file('in', data)
        limits = ([], ['--rate', '20M', '--burst', '500k'], ['--high', '10k', '--low', '0'],
                  ['--budget', '256Ki'])
        for more in limits:
            with self.subTest(more=more):
                peer = self.serve(read_all)
                result = self.run_weir(
                    'copy', *more, source, self.path('a'), peer.endpoint, 'null:',
                    'exec:cat > ' + self.path('b'), '-', 'drop:' + self.path('c'),
                    'detach:' + self.path('d'), 'spill,max=1k,behind=1:' + self.path('e'),
                    'block:' + self.path('f'))
                self.assert_status(result, 0)
                self.assertEqual(result.out, data)
                self.assertEqual(peer.result(), data)
                for name in 'abef':
                    self.assertEqual(self.read(name), data, name)
                # A file that is dropped from or detached was slow; it was not here.
                for name in 'cd' if not more else '':
                    self.assertEqual(self.read(name), data, name)

    def test_one_sink_with_a_policy(self):
        data = pattern(MB)
        source = self.file('in', data)
        for policy in ('block', 'drop', 'detach', 'spill', 'detach,after=1h', 'spill,max=1'):
            with self.subTest(policy=policy):
                result, told = self.run_json('copy', source, policy + ':' + self.path('out'))
                self.assert_status(result, 0)
                self.assertEqual(self.read('out'), data)
                self.assertEqual([s['policy'] for s in told['sinks']], [policy.split(',')[0]])
                self.assertEqual(told['sink'], self.path('out'))

    def test_an_empty_source_makes_empty_files(self):
        self.assert_status(self.run_weir('copy', 'null:', self.path('a'), 'spill:' + self.path('b')), 0)
        self.assertEqual((self.read('a'), self.read('b')), (b'', b''))

    def test_appending_adds_to_every_file(self):
        self.file('a', b'old a, ')
        self.file('b', b'old b, ')
        result = self.run_weir('copy', '--append', '-', self.path('a'), 'null:', self.path('b'),
                               input=b'new')
        self.assert_status(result, 0)
        self.assertEqual((self.read('a'), self.read('b')), (b'old a, new', b'old b, new'))

    def test_sinks_that_listen_are_waited_for_in_turn(self):
        data = pattern(100000)
        weir = self.weir('copy', '-v', self.file('in', data), 'tcp-listen://127.0.0.1:0',
                         'tcp-listen://127.0.0.1:0')
        peers = [self.connect(weir.listening(i)) for i in range(2)]
        self.assertEqual([read_all(s) for s in peers], [data, data])
        for s in peers:
            s.close()
        self.assertEqual(weir.wait(), 0, weir.err())

    def test_each_of_many_peers_is_copied_to_all_sinks(self):
        """Its bytes, through a job of its own."""
        weir = self.weir('copy', '-v', '--many', '--append', 'tcp-listen://127.0.0.1:0',
                         self.path('a'), self.path('b'))
        for i in range(3):
            with self.connect(weir.listening()) as s:
                s.sendall(b'%d,' % i)
                s.shutdown(socket.SHUT_WR)
                read_all(s)
        weir.signal(signal.SIGINT)
        self.assertEqual(weir.wait(), 130)
        self.assertIn('3 peers served, 0 failed', weir.err())
        self.assertEqual(sorted(self.read('a')), sorted(b'0,1,2,'))
        self.assertEqual(self.read('a'), self.read('b'))

    def test_a_failing_sink_fails_its_peer_alone(self):
        weir = self.weir('copy', '-v', '--many', '--append', 'tcp-listen://127.0.0.1:0',
                         self.path('a'), 'exec:cat >/dev/null; exit 3')
        with self.connect(weir.listening()) as s:
            s.sendall(b'x')
            s.shutdown(socket.SHUT_WR)
            weir.line(r'^weir: peer tcp \S+: sink exec:.*: the command exited with status 3 at byte 1$')
        weir.signal(signal.SIGINT)
        self.assertEqual(weir.wait(), 130)
        self.assertIn('0 peers served, 1 failed', weir.err())
        self.assertEqual(self.read('a'), b'x')

    def test_sinks_that_answer_do_not_stall(self):
        def echo(s):
            while True:
                data = s.recv(65536)
                if not data:
                    return
                s.sendall(data)
        peers = [self.serve(echo) for _ in range(2)]
        result, told = self.run_json('copy', 'zero:20M', peers[0].endpoint, 'null:', peers[1].endpoint)
        self.assert_status(result, 0)
        self.assertEqual([s['bytes'] for s in told['sinks']], [20000000] * 3)


class Block(FanOut):
    def test_a_slow_sink_holds_everybody_and_memory_is_bounded(self):
        peer, gate = self.slow_peer()
        size = 100 * MB
        weir = self.weir('copy', '--json', '--progress', 'random:%d?seed=4' % size, self.path('a'),
                         peer.endpoint, 'exec:sha256sum > ' + self.path('sum'), stdout=subprocess.PIPE)
        self.at_rest(weir)
        weir.line(r'waiting for unix:\S+ \(full\)')
        if KIND == 'plain':
            self.assertLess(memory(weir.pid, 'VmHWM'), 32 * MB)
        gate.set()
        digest = hashlib.sha256(peer.result(seconds=120)).hexdigest()
        told = self.json_of(weir.stdout.read())
        self.assertEqual(weir.wait(), 0, weir.err())
        self.assertEqual(self.read('sum').split()[0].decode(), digest)
        self.assertEqual([s['bytes'] for s in told['sinks']], [size] * 3)
        self.assertGreater(told['sinks'][1]['held_s'], 0.3)
        self.assertLess(told['peak_budget'], 16 * MB)

    def test_a_source_that_we_hold_is_not_idle(self):
        peer, gate = self.slow_peer()
        weir = self.weir('copy', '--idle-timeout', '200ms', 'zero:10M', peer.endpoint, 'null:')
        self.at_rest(weir)  # for longer than the timeout
        self.assertTrue(weir.running(), weir.err())
        gate.set()
        self.assertEqual(weir.wait(), 0, weir.err())
        self.assertEqual(len(peer.result()), 10000000)

    def test_a_sink_that_stalls_is_the_one_that_held(self):
        peer, _ = self.slow_peer()
        result, told = self.run_json('copy', '--stall-timeout', '300ms', 'zero:', 'null:', peer.endpoint)
        self.assertEqual((result.status, told['cause'], told['side']), (4, 'WEIR_ESTALL', 'sink'))
        self.assert_one_line(result.err, r'^weir: sink unix:\S+: .*stall timeout.* at byte \d+\n$')
        self.assertEqual([(s['end'], s['cause']) for s in told['sinks']],
                         [('stopped', 'WEIR_ESTALL')] * 2)

    def test_an_idle_source_fails_every_sink(self):
        weir = self.piped('copy', '--json', '--idle-timeout', '200ms', '-', self.path('a'),
                          'spill:' + self.path('b'))
        weir.stdin.write(b'abc')
        weir.stdin.flush()
        told = self.json_of(weir.stdout.read())
        self.assertEqual(weir.wait(), 4)
        self.assert_one_line(weir.err(), r'weir: source -: .*idle.* at byte 3\n')
        self.assertEqual([(s['end'], s['cause']) for s in told['sinks']],
                         [('stopped', 'WEIR_EIDLE')] * 2)
        self.assertEqual(self.names(), [])


class Drop(FanOut):
    def test_what_is_dropped_is_counted_and_the_others_get_all(self):
        peer, gate = self.slow_peer()
        data = lines(8 * MB)
        weir = self.piped('copy', '--json', '-', '-', 'drop,behind=64k:' + peer.endpoint)
        out = self.feed(weir, data)
        gate.set()
        got = peer.result()
        self.assertEqual(weir.wait(), 0, weir.err())
        self.assertEqual(out, data)
        told = self.sinks_of(weir.err())
        all_, some = told['sinks']
        self.assertEqual((told['end'], told['exit'], told['bytes']), ('finished', 0, len(data)))
        self.assertEqual((all_['bytes'], all_['dropped']), (len(data), 0))
        self.assertEqual((some['end'], some['cause'], some['policy']), ('finished', None, 'drop'))
        self.assertEqual(some['bytes'], len(got))
        self.assertEqual(some['in'], len(data))
        self.assertEqual(some['dropped'], len(data) - len(got))
        self.assertGreater(some['dropped'], 0)
        self.assertLess(some['held_s'], 0.2)

    def test_whole_records_are_dropped(self):
        peer, gate = self.slow_peer()
        data = lines(8 * MB)
        weir = self.piped('copy', '-', '-', 'drop,behind=4k,record=lf:' + peer.endpoint)
        self.assertEqual(self.feed(weir, data), data)
        gate.set()
        got = peer.result()
        self.assertEqual(weir.wait(), 0, weir.err())
        self.assertEqual(weir.err(), '')  # not on a terminal
        self.assertLess(len(got), len(data))
        numbers = got.split(b'\n')
        self.assertEqual(numbers.pop(), b'')
        self.assertEqual({len(n) for n in numbers}, {8})
        self.assertEqual(numbers, sorted(set(numbers)))

    def test_a_terminal_is_told_how_much(self):
        peer, gate = self.slow_peer()
        ours, theirs = pty.openpty()
        weir = self.piped('copy', '--no-progress', '-', '-', 'drop,behind=1k:' + peer.endpoint,
                          stderr=theirs)
        os.close(theirs)
        self.feed(weir, lines(8 * MB))
        gate.set()
        peer.result()
        self.assertEqual(weir.wait(), 0)
        said = os.read(ours, 4096).decode()
        os.close(ours)
        self.assertRegex(said, r'^weir: sink unix:\S+: dropped [\d.]+ [kM]B of 8\.4 MB, as it may\r\n$')


class Detach(FanOut):
    def check_detached(self, policy, data):
        def serve(s, gate):
            gate.wait(120)
            try:
                return len(read_all(s))
            except ConnectionResetError:
                return 'reset'
        peer, gate = self.gated(serve)
        weir = self.piped('copy', '--json', '-v', '-', '-', policy + ':' + peer.endpoint)
        self.assertEqual(self.feed(weir, data), data)
        self.assertEqual(weir.wait(), 2)
        gate.set()
        self.assertEqual(peer.result(), 'reset')
        told = self.sinks_of(weir.err())
        whole, slow = told['sinks']
        self.assertEqual((told['end'], told['exit'], told['cause'], told['side']),
                         ('sink failed', 2, 'WEIR_ESLOW', 'sink'))
        self.assertEqual((whole['end'], whole['bytes']), ('finished', len(data)))
        self.assertEqual((slow['end'], slow['cause'], slow['policy']),
                         ('detached', 'WEIR_ESLOW', 'detach'))
        self.assertEqual(slow['in'], slow['bytes'] + slow['dropped'])
        self.assertGreater(slow['dropped'], 0)
        return slow

    def test_by_the_bytes_it_is_behind(self):
        slow = self.check_detached('detach,behind=64k', lines(40 * MB))
        self.assertLess(slow['held_s'], 0.2)
        self.assertLess(slow['in'], 40 * MB)

    def test_by_the_time_it_held_everybody(self):
        slow = self.check_detached('detach,after=500ms', lines(40 * MB))
        self.assertGreater(slow['held_s'], 0.49)

    def test_it_is_told_in_one_line(self):
        peer, _ = self.slow_peer()
        result = self.run_weir('copy', 'zero:8M', 'null:', 'detach,behind=1:' + peer.endpoint)
        self.assertEqual(result.status, 2)
        self.assert_one_line(result.err, r'^weir: sink unix:\S+: the sink was too slow and was let go '
                                         r'at byte \d+\n$')


class Spill(FanOut):
    def spilled_to(self, weir):
        """The size of the file that it spills to, which has no name, but a place."""
        for number, what in fds(weir.pid).items():
            if what.startswith(self.path('spills') + '/'):
                return os.stat('/proc/%d/fd/%d' % (weir.pid, number)).st_size
        return 0

    def test_a_full_spill_holds_everybody_and_order_is_kept(self):
        peer, gate = self.slow_peer()
        os.mkdir(self.path('spills'))
        data = pattern(16 * MB)
        source = self.file('in', data)
        policy = 'spill,max=4Mi,behind=64k,dir=%s:' % self.path('spills')
        weir = self.weir('copy', '--json', source, self.path('a'), policy + peer.endpoint,
                         'exec:cat > ' + self.path('b'), stdout=subprocess.PIPE)
        until('the spill to be full', 60, lambda: self.spilled_to(weir) == 4 * MB)
        self.at_rest(weir)
        self.assertEqual(self.spilled_to(weir), 4 * MB)
        self.assertLess(os.path.getsize(self.path('b')), len(data))
        gate.set()
        got = peer.result(seconds=60)
        told = self.json_of(weir.stdout.read())
        self.assertEqual(weir.wait(), 0, weir.err())
        self.assertTrue(got == data and self.read('a') == data and self.read('b') == data)
        slow = told['sinks'][1]
        self.assertEqual((slow['policy'], slow['dropped'], slow['bytes']), ('spill', 0, len(data)))
        self.assertGreaterEqual(slow['spilled'], 4 * MB)
        self.assertGreater(slow['held_s'], 0.3)
        self.assertEqual(os.listdir(self.path('spills')), [])

    def test_with_room_it_holds_nobody(self):
        peer, gate = self.slow_peer()
        data = pattern(16 * MB)
        weir = self.piped('copy', '--json', '-', '-', 'spill,behind=64k:' + peer.endpoint)
        self.assertEqual(self.feed(weir, data), data)  # before anything is read there
        self.assertTrue(weir.running())
        gate.set()
        self.assertTrue(peer.result(seconds=60) == data)
        self.assertEqual(weir.wait(), 0, weir.err())
        self.assertGreater(self.sinks_of(weir.err())['sinks'][1]['spilled'], 12 * MB)

    def test_a_folder_that_is_not_there_moves_nothing(self):
        result = self.run_weir('copy', 'zero:10', self.path('a'), 'spill,dir=/nowhere:' + self.path('b'))
        self.assertEqual(result.status, 2)
        self.assert_one_line(result.err, r'^weir: sink \S+/b: cannot open: the file to spill to: '
                                         r'No such file or directory at byte 0\n$')
        self.assertEqual(self.names(), [])


class Failures(FanOut):
    def test_a_sink_that_dies_is_told_at_once_and_leaves_the_others(self):
        def serve(s, died):
            read_exactly(s, 3)
            died.wait(120)
            reset(s)
        peer, died = self.gated(serve)
        weir = self.piped('copy', '-', self.path('a'), peer.endpoint, '-')
        weir.stdin.write(b'abc')
        weir.stdin.flush()
        self.assertEqual(os.read(weir.stdout.fileno(), 3), b'abc')
        died.set()
        weir.line(r'^weir: sink tcp://\S+: .*reset.* at byte 3$')
        self.assertTrue(weir.running())
        self.assertEqual(self.feed(weir, b'def'), b'def')
        self.assertEqual(weir.wait(), 2)
        self.assertEqual(weir.err().count('\n'), 1, weir.err())
        self.assertEqual(self.read('a'), b'abcdef')

    def test_when_all_have_died_the_source_is_stopped(self):
        result, told = self.run_json('copy', 'zero:', 'exec:head -c 10 >/dev/null; exit 3',
                                     'drop:exec:head -c 10 >/dev/null; kill -9 $$')
        self.assertEqual((result.status, told['exit'], told['end']), (2, 2, 'sink failed'))
        self.assertEqual([s['end'] for s in told['sinks']], ['sink failed'] * 2)
        self.assertEqual(result.err.count('\n'), 2, result.err)
        self.assertRegex(result.err, r'(?m)^weir: sink exec:head -c 10 >/dev/null; exit 3: .* at byte \d+$')
        self.assertRegex(result.err, r'(?m)^weir: sink exec:head -c 10 >/dev/null; kill -9 \$\$: .* at byte ')

    def test_a_source_that_fails_completes_no_sink(self):
        self.file('a', b'old')
        result, told = self.run_json('copy', 'exec:echo some; exit 3', self.path('a'),
                                     'exec:cat >/dev/null; touch ' + self.path('whole'),
                                     'spill:' + self.path('b'), 'drop:' + self.path('c'))
        self.assertEqual((result.status, told['end'], told['side']), (1, 'source failed', 'source'))
        self.assert_one_line(result.err, r'^weir: source exec:.*exited with status 3 at byte 5\n$')
        self.assertEqual([(s['end'], s['cause']) for s in told['sinks']],
                         [('source failed', 'WEIR_EEXIT')] * 4)
        self.assertEqual(self.names(), ['a'])
        self.assertEqual(self.read('a'), b'old')

    def test_a_sink_that_fails_before_the_source_does_is_told_as_well(self):
        def serve(s, failed):
            s.sendall(b'some\n')
            failed.wait(120)
            reset(s)
        peer, failed = self.gated(serve)
        weir = self.piped('copy', '--json', peer.endpoint, 'null:', 'exec:read x; exit 4')
        weir.line(r'^weir: sink exec:read x; exit 4: .*exited with status 4.* at byte \d$')
        failed.set()
        told = self.json_of(weir.stdout.read())
        self.assertEqual(weir.wait(), 1)
        self.assertRegex(weir.err(), r'^weir: sink .*\nweir: source .*reset.* at byte 5\n$')
        self.assertEqual([s['end'] for s in told['sinks']], ['source failed', 'sink failed'])
        self.assertIn('status 4', told['sinks'][1]['cause_text'])

    def test_a_sink_that_fails_as_the_source_does_is_told_as_well(self):
        def sink(s):
            read_exactly(s, 5)
            reset(s)

        def serve(s, failed):
            s.sendall(b'some\n')
            failed.wait(120)
            reset(s)
        peer, failed = self.gated(serve)
        weir = self.piped('copy', '--json', peer.endpoint, 'null:', self.serve(sink).endpoint)
        weir.line(r'^weir: sink tcp://\S+: .*reset.* at byte 5$')
        failed.set()
        told = self.json_of(weir.stdout.read())
        self.assertEqual(weir.wait(), 1)
        self.assertEqual([(s['end'], s['cause']) for s in told['sinks']],
                         [('source failed', 'ECONNRESET'), ('sink failed', 'ECONNRESET')])

    def test_a_sink_that_dies_before_all_are_open_moves_nothing(self):
        weir = self.weir('copy', '-v', 'zero:9', self.path('a'), 'exec:exit 3', 'tcp-listen://127.0.0.1:0')
        address = weir.listening()
        weir.line('opened sink exec')
        until('the command to be gone', 30, lambda: not children(weir.pid))
        # The reset may come before connect(2) has returned.
        with self.assertRaises(ConnectionResetError):
            self.connect(address).recv(1)
        self.assertEqual(weir.wait(), 2)
        weir.line(r'^weir: sink exec:exit 3: .*status 3\)? at byte 0$')
        self.assertNotIn('cannot open', weir.err())
        self.assertEqual(self.names(), [])

    def test_a_peer_that_was_connected_before_another_sink_failed_sees_no_end(self):
        """It would take it for the end of an empty stream."""
        def outcome(s):
            try:
                return s.recv(1)
            except ConnectionResetError:
                return 'reset'
        peer = self.serve(outcome)
        self.assertEqual(self.run_weir('copy', 'zero:9', peer.endpoint, self.path('no/where')).status, 2)
        self.assertEqual(peer.result(), 'reset')
        weir = self.weir('copy', '-v', 'zero:9', peer.endpoint, 'tcp-listen://127.0.0.1:0')
        weir.line('opened sink tcp')
        weir.signal(signal.SIGINT)
        self.assertEqual(weir.wait(), 130)
        self.assertEqual(peer.result(1), 'reset')

    def test_a_sink_that_cannot_be_opened_moves_nothing(self):
        port, number = free_port()
        self.addCleanup(port.close)
        refused = 'tcp://127.0.0.1:%d' % number
        result, told = self.run_json('copy', 'zero:10', self.path('a'),
                                     'exec:cat >/dev/null; touch ' + self.path('whole'), refused,
                                     self.path('b'))
        self.assertEqual(result.status, 2)
        self.assert_one_line(result.err,
                             r'^weir: sink tcp://\S+: cannot open: Connection refused at byte 0\n')
        self.assertEqual([(s['end'], s['cause']) for s in told['sinks']],
                         [(None, None)] * 2 + [('sink failed', 'ECONNREFUSED'), (None, None)])
        self.assertEqual(self.names(), [])
        result = self.run_weir('copy', self.path('nowhere'), self.path('a'), self.path('b'))
        self.assertEqual(result.status, 1)
        self.assert_one_line(result.err, r'^weir: source \S+nowhere: cannot open: ')
        self.assertEqual(self.names(), [])

    def test_a_sink_that_resets_after_the_end_has_not_got_all(self):
        def serve(s, ended):
            s.recv(1)
            ended.wait(120)
            reset(s)
        peer, ended = self.gated(serve)
        weir = self.weir('copy', '-v', self.file('in', b'x' * 1000), peer.endpoint, self.path('a'))
        until('the file', 30, lambda: os.path.exists(self.path('a')))
        ended.set()
        self.assertEqual(weir.wait(), 2)
        weir.line(r'^weir: sink tcp://\S+: .*reset.* at byte \d+$')
        self.assertEqual(self.read('a'), b'x' * 1000)

    def test_a_signal_leaves_no_file(self):
        self.file('b', b'old')
        for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            with self.subTest(number=number):
                weir = self.piped('copy', '--json', '-', self.path('a'), 'spill:' + self.path('b'), 'null:')
                weir.stdin.write(b'abc')
                weir.stdin.flush()
                until('bytes', 30, lambda: steady(lambda: self.unread(weir)) == 0)
                weir.signal(number)
                told = self.json_of(weir.stdout.read())
                self.assertEqual(weir.wait(), status)
                self.assert_one_line(weir.err(), r'^weir: stopped by SIG\w+ at byte \d\n$')
                self.assertEqual([(s['end'], s['cause']) for s in told['sinks']],
                                 [('stopped', 'WEIR_ESTOPPED')] * 3)
                self.assertEqual(self.names(), ['b'])
                self.assertEqual(self.read('b'), b'old')

    def unread(self, weir):
        return struct.unpack('i', fcntl.ioctl(weir.stdin.fileno(), termios.FIONREAD, b'\0' * 4))[0]

    def test_a_signal_after_the_source_has_ended_cuts_the_slow_sink_only(self):
        peer, _ = self.slow_peer()
        data = pattern(16 * MB)
        weir = self.weir('copy', '--json', self.file('in', data), self.path('a'),
                         'spill:' + peer.endpoint, stdout=subprocess.PIPE)
        until('the file', 60, lambda: os.path.exists(self.path('a')))
        weir.signal(signal.SIGINT)
        told = self.json_of(weir.stdout.read())
        self.assertEqual(weir.wait(), 130)
        self.assertEqual([(s['end'], s['cause']) for s in told['sinks']],
                         [('finished', None), ('stopped', 'WEIR_ESTOPPED')])
        self.assertTrue(self.read('a') == data)


class Told(FanOut):
    def test_json_has_an_object_for_each_sink(self):
        source = self.file('in', b'x' * 5000)
        result, told = self.run_json('copy', source, 'null:', 'drop,behind=9k:' + self.path('a'))
        self.assert_status(result, 0)
        self.assertEqual([told[k] for k in ('end', 'exit', 'cause', 'cause_text', 'side', 'source',
                                            'sink', 'bytes', 'in', 'dropped')],
                         ['finished', 0, None, None, None, source, None, 5000, 5000, 0])
        self.assertEqual([list(s) for s in told['sinks']],
                         [['sink', 'policy', 'end', 'cause', 'cause_text', 'bytes', 'in', 'dropped',
                           'spilled', 'held_s']] * 2)
        self.assertEqual([(s['sink'], s['policy'], s['end'], s['bytes']) for s in told['sinks']],
                         [('null:', 'block', 'finished', 5000), (self.path('a'), 'drop', 'finished', 5000)])

    def test_json_of_one_sink_has_one_as_well(self):
        result, told = self.run_json('copy', 'zero:9', 'null:')
        self.assertEqual(told['sink'], 'null:')
        self.assertEqual([(s['sink'], s['end'], s['bytes'], s['in']) for s in told['sinks']],
                         [('null:', 'finished', 9, 9)])
        result, told = self.run_json('copy', 'zero:9', 'exec:cat >/dev/null; exit 3')
        self.assertEqual(result.status, 2)
        self.assertEqual((told['end'], told['sinks'][0]['end'], told['sinks'][0]['cause']),
                         ('sink failed', 'sink failed', 'WEIR_EEXIT'))
        self.assertIn('status 3', told['sinks'][0]['cause_text'])

    def test_verbose_names_every_policy(self):
        result = self.run_weir('copy', '-v', 'zero:9', 'null:', 'drop,behind=4M,record=0x1e:null:',
                               'detach,after=1.5s:null:', 'spill,max=1G,dir=/tmp:null:')
        self.assertEqual(result.status, 0)
        for part in ('opened sink null: block\n',
                     'opened sink null: drop when 4.0 MB behind, in records that end in 0x1e\n',
                     'opened sink null: detach after it has held everybody for 1.500 s\n',
                     'opened sink null: spill when 1.0 MB behind, at most 1.0 GB to a file in /tmp\n',
                     'started, with 4 sinks\n', 'path: copy\n',
                     'sink null:: finished: 9 B; it held everybody for 0.000 s\n'):
            self.assertIn(part, result.err)
        # No more than the budget allows.
        result = self.run_weir('copy', '-v', '--budget', '256Ki', 'zero:9', 'drop:null:', 'spill:null:')
        self.assertIn('drop when 65.5 kB behind\n', result.err)


class Digests(FanOut):
    def digest(self, name, data):
        return hashlib.new(name, data).hexdigest()

    def test_one_of_the_source_and_one_of_each_sink(self):
        data = pattern(MB)
        source = self.file('in', data)
        result = self.run_weir('copy', '--hash', 'sha256', source, self.path('a'), 'spill:null:')
        digest = self.digest('sha256', data)
        self.assert_status(result, 0)
        self.assertEqual(result.out.decode(), ''.join(
            '%s  %s\n' % (digest, name) for name in (source, self.path('a'), 'null:')))

    def test_several_say_which_is_which(self):
        result = self.run_weir('copy', '--hash', 'sha256', '--hash', 'md5', '--hash', 'SHA256', '-',
                               'null:', input=b'abc')
        self.assert_status(result, 0)
        self.assertEqual(result.out.decode(), 'SHA256 (-) = %s\nMD5 (-) = %s\n' % (
            self.digest('sha256', b'abc'), self.digest('md5', b'abc')))
        result, told = self.run_json('copy', '--hash', 'sha256', '--hash', 'md5', '-', 'null:', input=b'abc')
        self.assertEqual(told['hash'], {n: self.digest(n, b'abc') for n in ('sha256', 'md5')})
        self.assertEqual(told['sinks'][0]['hash'], told['hash'])

    def test_nine_are_too_many(self):
        names = ('md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512', 'sha3-224', 'sha3-256', 'sha3-384')
        args = [word for name in names for word in ('--hash', name)]
        self.assertEqual(self.run_weir('copy', *args[:16], 'zero:1', 'null:').out.count(b'\n'), 8)
        result = self.run_weir('copy', *args, 'zero:1', 'null:')
        self.assertEqual(result.status, 3)
        self.assert_one_line(result.err, r'^weir: --hash sha3-384: expected .* at most 8')

    def test_that_of_a_sink_that_lost_bytes_is_of_what_it_got(self):
        peer, gate = self.slow_peer()
        data = lines(8 * MB)
        weir = self.piped('copy', '--json', '--hash', 'sha1', '-', '-', 'drop,behind=1k:' + peer.endpoint)
        self.feed(weir, data)
        gate.set()
        got = peer.result()
        self.assertEqual(weir.wait(), 0, weir.err())
        told = self.sinks_of(weir.err())
        self.assertLess(len(got), len(data))
        self.assertEqual(told['hash']['sha1'], self.digest('sha1', data))
        self.assertEqual([s['hash']['sha1'] for s in told['sinks']],
                         [self.digest('sha1', d) for d in (data, got)])

    def test_a_sink_that_failed_has_none(self):
        result = self.run_weir('copy', '--hash', 'sha1', '-', 'null:', 'exec:cat >/dev/null; exit 3',
                               input=b'abc')
        self.assertEqual(result.status, 2)
        digest = self.digest('sha1', b'abc')
        self.assertEqual(result.out.decode(), '%s  -\n%s  null:\n' % (digest, digest))
        result, told = self.run_json('copy', '--hash', 'sha1', 'exec:exit 1', 'null:', 'null:')
        self.assertEqual([told['hash']] + [s['hash'] for s in told['sinks']], [{'sha1': None}] * 3)

    def test_a_relay_has_one_each_way(self):
        def serve(s):
            with s:
                s.sendall(b'you said ' + read_all(s))
        peer = self.serve(serve)
        result = self.run_weir('relay', '--hash', 'sha256', '-', peer.endpoint, input=b'abc')
        self.assertEqual((result.status, result.out), (0, b'you said abc'))
        self.assertEqual(result.err, '%s  -\n%s  %s\n' % (
            self.digest('sha256', b'abc'), self.digest('sha256', b'you said abc'), peer.endpoint))
        result = self.run_weir('relay', '--json', '--hash', 'md5', '-', peer.endpoint, input=b'abc')
        told = json.loads(result.err)
        self.assertEqual([told[way]['hash'] for way in ('to_right', 'to_left')],
                         [{'md5': self.digest('md5', d)} for d in (b'abc', b'you said abc')])

    def libcrypto(self, text):
        """An environment in which libcrypto is another library."""
        need('cc')
        subprocess.run(['cc', '-shared', '-fPIC', '-o', self.path('libcrypto.so.3'),
                        self.file('libcrypto.c', text)], check=True)
        return dict(ENV, LD_LIBRARY_PATH=self.path(''))

    def test_one_that_cannot_be_computed_is_told(self):
        """libcrypto fails: a library in its place does."""
        env = self.libcrypto(b''.join(b'void *%s(void) { return (void *)%d; }\n' % f for f in (
            (b'EVP_get_digestbyname', 1), (b'EVP_MD_get_flags', 0), (b'EVP_MD_CTX_new', 1),
            (b'EVP_MD_CTX_free', 0), (b'EVP_MD_CTX_copy_ex', 1), (b'EVP_DigestInit_ex', 1),
            (b'EVP_DigestUpdate', 0), (b'EVP_DigestFinal_ex', 1))))
        for sinks in (['null:'], ['null:', 'null:']):
            result = self.run_weir('copy', '--hash', 'sha256', '-', *sinks, input=b'abc', env=env)
            self.assertEqual((result.status, result.out), (4, b''))
            self.assert_one_line(result.err, r'^weir: digest sha256: Input/output error\n$')
        result, told = self.run_json('copy', '--hash', 'sha256', '-', 'null:', input=b'abc', env=env)
        self.assertEqual((result.status, told['exit'], told['end'], told['hash']),
                         (4, 4, 'finished', {'sha256': None}))

    def test_without_a_libcrypto_it_is_refused_and_nothing_else(self):
        """One that lacks what we need is as none."""
        env = self.libcrypto(b'int EVP_get_digestbyname;\n')
        result = self.run_weir('copy', '--hash', 'sha256', '-', self.path('out'), input=b'abc', env=env)
        self.assertEqual((result.status, result.out), (3, b''))
        self.assert_one_line(result.err, r"^weir: --hash sha256: a library that this needs cannot be "
                                         r"loaded \(OpenSSL's libcrypto\)\n$")
        self.assertFalse(os.path.exists(self.path('out')))
        result = self.run_weir('copy', '-', '-', input=b'abc', env=env)
        self.assertEqual((result.status, result.out), (0, b'abc'))

    def test_libcrypto_is_loaded_for_it_alone(self):
        """To relocate it takes longer than a whole start without it."""
        for args, loaded in ((['copy', '-', '-'], False), (['copy', '--hash', 'md5', '-', '-'], True)):
            env = dict(ENV, LD_DEBUG='files', LD_DEBUG_OUTPUT=self.path('ld'))
            self.assertEqual(self.run_weir(*args, env=env).status, 0)
            said = ''
            for name in glob.glob(self.path('ld.*')):
                with open(name) as f:
                    said += f.read()
                os.unlink(name)
            self.assertIn('libuv.so', said)
            self.assertEqual('libcrypto' in said, loaded)


if __name__ == '__main__':
    main()
