# SPDX-License-Identifier: MIT
"""The command under valgrind: no leak, no bad access, no descriptor left open.

At its end a process gives everything back anyway; what is checked is that the library
does, whatever way a run ends.
"""
import os
import re
import signal
import socket
import unittest

import support
from support import LiveTest, pattern, read_all, reset, sha

VALGRIND = ['valgrind', '-q', '--leak-check=full', '--show-leak-kinds=definite,indirect,possible',
            '--errors-for-leak-kinds=definite,indirect,possible', '--track-fds=yes',
            '--error-exitcode=9', '--child-silent-after-fork=yes', '--trace-children=no']


class Valgrind(LiveTest):
    @classmethod
    def setUpClass(cls):
        support.need('valgrind')
        if not support.PLAIN:
            raise unittest.SkipTest('not with a sanitizer')

    def start(self, *args, **options):
        self.log = self.path('valgrind.log')
        return self.child(VALGRIND + ['--log-file=' + self.log, support.WEIR] + list(args), **options)

    def clean(self, weir, status):
        """It ended with this status, and valgrind has nothing to say."""
        self.assertEqual(weir.wait(120), status, weir.err() + self.report())
        text = self.report()
        opened = re.findall(r'Open (?:file descriptor|\S+ socket) (\d+):.*\n((?:.*\n)*?.*)(?=\n==\d+== \n|\Z)', text)
        # Those that we inherited are not ours to close.
        left = [number for number, where in opened if int(number) > 2 and '<inherited from parent>' not in where]
        self.assertEqual(left, [], text)
        rest = re.search(r'Invalid|uninitialised|lost in loss record|Mismatched|reachable', text)
        self.assertIsNone(rest, text)
        # 0, 1 and 2 and the log, which is valgrind's own.
        for count in re.findall(r'FILE DESCRIPTORS: (\d+) open', text):
            self.assertLessEqual(int(count), 4, text)

    def report(self):
        with open(self.log) as f:
            return f.read()

    def test_a_leak_would_be_seen(self):
        """What is looked for must be what valgrind says: a descriptor of ours left open."""
        self.log = self.path('valgrind.log')
        child = self.child(VALGRIND + ['--log-file=' + self.log, 'bash', '-c', 'exec 7</dev/null'])
        self.assertRaises(AssertionError, self.clean, child, 0)
        self.assertIn('Open file descriptor 7', self.report())

    def test_copies(self):
        data = pattern(300_001)
        source, target = self.file('source', data), self.path('target')
        for args, status in (
                (('copy', source, target), 0),
                (('copy', '--append', source, target), 0),
                (('copy', '--json', 'random:200k', "exec:cat > '%s'" % target), 0),
                (('copy', 'exec:cat %s' % source, 'null:'), 0),
                (('copy', '--rate', '1M', '--burst', '100k', 'zero:200k', target), 0),
                (('copy', 'exec:echo x; exit 5', target), 1),
                (('copy', self.path('nothing'), target), 1),
                (('copy', source, self.path('no/such')), 2),
                (('copy', 'zero:', '/dev/full'), 2),
                (('copy', 'zero:', 'exec:exit 1'), 2),
                (('copy', '--idle-timeout', '50ms', 'exec:sleep 600', 'null:'), 4),
                (('copy', '--high', 'x', source, target), 3),
                (('--help',), 0)):
            with self.subTest(args=args):
                self.clean(self.start(*args), status)

    def test_copies_over_sockets(self):
        data = pattern(300_001)
        source = self.file('source', data)
        for family in (socket.AF_INET, socket.AF_UNIX):
            peer = self.serve(lambda s: (sha(read_all(s)), s.close())[0], family)
            self.clean(self.start('copy', source, peer.endpoint), 0)
            self.assertEqual(peer.result(), sha(data))
            peer = self.serve(lambda s: (s.recv(1000), reset(s) if s.family == socket.AF_INET else s.close()), family)
            self.clean(self.start('copy', 'zero:', peer.endpoint), 2)

    def test_relays(self):
        def echo(s):
            while part := s.recv(65536):
                s.sendall(part)
            s.close()
        weir = self.start('relay', '--many', '-v', 'tcp-listen://127.0.0.1:0', self.serve(echo).endpoint)
        clients = [self.connect(weir.listening()) for _ in range(8)]
        for i, s in enumerate(clients):
            s.sendall(pattern(10_000))
            self.assertTrue(s.recv(1))
            if i < 3:
                s.shutdown(socket.SHUT_WR)
                self.assertEqual(len(read_all(s)), 9_999)
            elif i < 5:
                reset(s)
        support.until('five have ended', 60, lambda: len(re.findall('peer .*right to left: ', weir.err())) >= 5)
        weir.signal(signal.SIGTERM)  # three are cut
        self.clean(weir, 143)

    def test_interrupted(self):
        for args, what in ((('copy', 'zero:', 'exec:exec sleep 600'), None),
                           (('copy', '-v', 'tcp-listen://127.0.0.1:0', 'null:'), 'listening on'),
                           (('copy', '-v', 'exec:exec sleep 600', self.path('target')), 'opened sink')):
            with self.subTest(args=args):
                weir = self.start(*args)
                if what:
                    weir.line(what, 60)
                else:
                    support.until('the child runs', 60, lambda: support.children(weir.pid))
                weir.signal(signal.SIGINT)
                self.clean(weir, 130)

    def test_refused(self):
        s, port = support.free_port()
        self.addCleanup(s.close)
        self.clean(self.start('copy', 'zero:1', 'tcp://127.0.0.1:%d' % port), 2)
        self.clean(self.start('copy', 'zero:1', 'unix:' + self.path('none')), 2)
        self.clean(self.start('copy', 'zero:1', 'tcp://no.such.host.invalid:1'), 2)


if __name__ == '__main__':
    support.main()
