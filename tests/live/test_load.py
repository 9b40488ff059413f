# SPDX-License-Identifier: MIT
"""Many at once, readers that never read, and memory as seen from outside."""
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
import time
import unittest

import support
from support import LiveTest, SCALE, memory, pattern

Ki, Mi = 1 << 10, 1 << 20
BLOCK = 1 << 20
CHUNK = 64 * Ki        # WEIR_BLOCK_LARGE, the most that one chunk can be
SCRATCH = Mi           # WEIR__SCRATCH_MAX, the most that a loop reads at once
CACHE = 4 * Mi         # the pool may keep free blocks

RELAYS = 1000
STALLED = 50
SIZE = 400_003         # bytes that each served reader gets
HIGH = 64 * Ki         # WEIR_HIGH_DEFAULT
HELD = Mi              # what an empty valve with default marks may be offered at once
# The reserves of two consumers a relay, and less on top than what the stalled ones hold.
BUDGET = RELAYS * 2 * 4096 + STALLED * HIGH * 3 // 4


def content():
    """A block, twice, so that any block-long part of its repetition is one slice."""
    block = pattern(BLOCK)
    return block + block


# ---- the source: a process of its own, asked for bytes by many at once ----

class Giving:
    """One connection: 12 bytes say from where in the content and how many."""

    def __init__(self, s):
        self.socket = s
        self.request = b''
        self.left = None

    def ready(self, twice):
        """Returns True once the request is known and everything was sent."""
        if self.left is None:
            part = self.socket.recv(12 - len(self.request))
            self.request += part
            if not part:
                return True  # it never asked
            if len(self.request) < 12:
                return False
            self.at, self.left = struct.unpack('>IQ', self.request)
        while self.left:
            start = self.at % BLOCK
            try:
                n = self.socket.send(memoryview(twice)[start:start + min(self.left, 256 * Ki)])
            except BlockingIOError:
                return False
            self.at += n
            self.left -= n
        return True


def source_main():
    support.raise_nofile()
    twice = content()
    listener = socket.socket()
    listener.bind(('127.0.0.1', 0))
    listener.listen(2048)
    listener.setblocking(False)
    print(listener.getsockname()[1], flush=True)
    poll = selectors.DefaultSelector()
    poll.register(listener, selectors.EVENT_READ)
    poll.register(sys.stdin, selectors.EVENT_READ)
    while True:
        for key, _ in poll.select():
            if key.fileobj is sys.stdin:
                return
            if key.fileobj is listener:
                try:
                    s, _ = listener.accept()
                except BlockingIOError:
                    continue
                s.setblocking(False)
                poll.register(s, selectors.EVENT_READ, Giving(s))
                continue
            s, giving = key.fileobj, key.data
            try:
                done = giving.ready(twice)
            except BlockingIOError:
                continue
            except OSError:
                done = True
            if done:
                poll.unregister(s)
                s.close()
            elif giving.left is not None:
                poll.modify(s, selectors.EVENT_WRITE, giving)


class Reader:
    """Asks for bytes, and compares what comes with what must come."""

    def __init__(self, address, index, size, rcvbuf=None):
        self.socket = support.connect(address, rcvbuf=rcvbuf)
        self.at, self.left = index * 7919, size

    def ask(self):
        self.socket.sendall(struct.pack('>IQ', self.at, self.left))
        self.socket.shutdown(socket.SHUT_WR)

    def read(self, twice):
        """Returns True at the right end; raises if a byte is wrong, missing or too much."""
        part = self.socket.recv(256 * Ki)
        if not part:
            if self.left:
                raise AssertionError('%d bytes are missing' % self.left)
            return True
        start = self.at % BLOCK
        if len(part) > self.left or part != twice[start:start + len(part)]:
            raise AssertionError('wrong bytes with %d left' % self.left)
        self.at += len(part)
        self.left -= len(part)
        return False


def read_to_the_end(readers, seconds):
    """Have all of them ask, then read from whoever has something."""
    twice = content()
    poll = selectors.DefaultSelector()
    end = time.monotonic() + seconds * SCALE
    for reader in readers:
        reader.ask()
        reader.socket.setblocking(False)
        poll.register(reader.socket, selectors.EVENT_READ, reader)
    left = len(readers)
    while left:
        events = poll.select(max(0, end - time.monotonic()))
        if not events and time.monotonic() > end:
            raise AssertionError('%d of %d readers were not served' % (left, len(readers)))
        for key, _ in events:
            if key.data.read(twice):
                poll.unregister(key.fileobj)
                left -= 1
    poll.close()


class Load(LiveTest):
    def setUp(self):
        super().setUp()
        if support.raise_nofile() < 4200:
            self.skipTest('needs 4200 descriptors')

    def weir(self, *args, **options):
        # Meson has malloc() fill what it gives, which touches pages that we do not.
        env = {name: value for name, value in support.ENV.items() if name != 'MALLOC_PERTURB_'}
        return super().weir(*args, env=env, **options)

    def source(self):
        child = self.child([sys.executable, os.path.abspath(__file__), 'source'], stdin=subprocess.PIPE)
        return int(support.until(lambda: 'the source listens: ' + child.err(), 30,
                                 lambda: child.out() if b'\n' in child.out() else None))

    def reader(self, *args, **options):
        reader = Reader(*args, **options)
        self.addCleanup(reader.socket.close)
        return reader

    def test_950_are_served_beside_50_that_never_read(self):
        port = self.source()
        weir = self.weir('relay', '--many', '-v', '--json', '--budget', str(BUDGET), '--max-peers', '1100',
                         'tcp-listen://127.0.0.1:0', 'tcp://127.0.0.1:%d' % port)
        address = weir.listening()
        base_memory, base_fds = memory(weir.pid, 'VmRSS'), len(support.fds(weir.pid))
        stalled = [self.reader(address, i, 1 << 40, rcvbuf=32 * Ki) for i in range(STALLED)]
        served = [self.reader(address, i, SIZE) for i in range(STALLED, RELAYS)]
        support.until('all relays are open', 60,
                      lambda: len(support.fds(weir.pid)) == base_fds + 2 * RELAYS)
        # Those who never read come first, and fill the budget.
        for reader in stalled:
            reader.ask()
        self.at_rest(weir)
        read_to_the_end(served, 60)
        for reader in served:
            reader.socket.close()
        support.until('the served are gone', 30,
                      lambda: len(support.fds(weir.pid)) == base_fds + 2 * STALLED)
        self.assertTrue(weir.running())
        peak, now = memory(weir.pid, 'VmHWM'), memory(weir.pid)
        weir.signal(signal.SIGTERM)
        self.assertEqual(weir.wait(), 128 + signal.SIGTERM, weir.err()[-2000:])
        self.assertRegex(weir.err(), r'stopped by SIGTERM: %d peers served, 0 failed, %d cut\n$' % (
            RELAYS - STALLED, STALLED))
        outcomes = [self.json_of(line) for line in weir.out().splitlines()]
        self.assertEqual(sum(o['end'] == 'finished' for o in outcomes), RELAYS - STALLED)
        budget = max(o['peak_budget'] for o in outcomes)
        print('\n%d relays, %d stalled, budget %.1f MiB: bytes held at most %.1f MiB; RSS %.1f MiB before, '
              'at most %.1f, %.1f after' % (RELAYS, STALLED, BUDGET / Mi, budget / Mi, base_memory / Mi,
                                            peak / Mi, now / Mi))
        self.assertLessEqual(budget, BUDGET)
        self.assertGreater(budget, BUDGET - 2 * CHUNK, 'the load never came near the budget: it proves nothing')
        if support.PLAIN:
            # Beside the budget: free blocks, the scratch buffer, code that was not
            # touched before (below 2 MiB), and 16 KiB of structures a relay.
            self.assertLess(peak - base_memory, BUDGET + CACHE + SCRATCH + 2 * Mi + RELAYS * 16 * Ki)

    def test_idle_relays_hold_no_buffers(self):
        port = self.source()
        weir = self.weir('relay', '--many', '-v', '--max-peers', '1100',
                         'tcp-listen://127.0.0.1:0', 'tcp://127.0.0.1:%d' % port)
        address = weir.listening()
        base_memory, base_fds = memory(weir.pid, 'RssAnon'), len(support.fds(weir.pid))
        idle = [self.connect(address) for _ in range(RELAYS)]
        support.until('all relays are open', 60,
                      lambda: len(support.fds(weir.pid)) == base_fds + 2 * RELAYS)
        self.at_rest(weir)
        each = (memory(weir.pid, 'RssAnon') - base_memory) / RELAYS
        print('\nan idle relay takes %.1f KiB' % (each / Ki))
        if support.PLAIN:
            # The smallest block is 4 KiB; two streams, a job and a relay are below 8.
            self.assertLess(each, 10 * Ki)
        for s in idle:
            s.close()
        support.until('all are gone', 60, lambda: len(support.fds(weir.pid)) == base_fds)
        weir.signal(signal.SIGINT)
        self.assertEqual(weir.wait(), 130, weir.err()[-2000:])

    # ---- one sink that never reads ----

    def never_read(self, kind):
        """A sink of which nobody reads: (endpoint, stdout)."""
        if kind == 'pipe':
            reading, writing = os.pipe()
            self.addCleanup(os.close, reading)
            self.addCleanup(os.close, writing)
            return '-', writing
        if kind == 'fifo':
            path = self.path('fifo')
            os.mkfifo(path)
            reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            self.addCleanup(os.close, reading)
            return path, None
        if kind == 'exec':
            return 'exec:exec sleep 600', None
        family = socket.AF_UNIX if kind == 'unix' else socket.AF_INET
        held = []
        self.addCleanup(held.clear)
        return self.serve(held.append, family).endpoint, None

    def held(self, source, kind, high=None, stdin=subprocess.DEVNULL):
        """Run until the sink is full, then stop; returns the memory and the outcome."""
        endpoint, stdout = self.never_read(kind)
        options = [] if high is None else ['--high', str(high)]
        # A kernel path holds nothing: that is for test_path.c.
        weir = self.weir('copy', '--path', 'copy', '--json', *options, source, endpoint, stdin=stdin, stdout=stdout)
        if kind == 'exec':
            support.until('the child runs', 30, lambda: support.children(weir.pid))
        # "Asleep" must be after it has begun: wait for the descriptors of both ends.
        support.until('it has begun', 30, lambda: support.proc_stat(weir.pid)[0] == 'S')
        self.at_rest(weir)
        at = memory(weir.pid, 'RssAnon'), memory(weir.pid, 'VmHWM')
        weir.signal(signal.SIGTERM)
        self.assertEqual(weir.wait(), 143, weir.err())
        text = weir.err().encode() if kind == 'pipe' else weir.out()
        outcome = self.json_of(text)
        self.doCleanups()
        LiveTest.setUp(self)
        return at, outcome

    def check_bound(self, source, kind, high):
        """MEM-1: held <= high + one chunk, by the outcome and by the memory."""
        silent, feeder = os.pipe()
        self.addCleanup(os.close, feeder)
        try:
            idle, _ = self.held('-', kind, high, stdin=silent)
        finally:
            os.close(silent)
        full, outcome = self.held(source, kind, high)
        least, mark = (high, high) if high else (HIGH, HELD)
        held = outcome['in'] - outcome['bytes']
        self.assertEqual(held, outcome['dropped'])
        self.assertGreaterEqual(held, least, 'it was not held back by its mark: this proves nothing')
        self.assertLessEqual(held, mark + CHUNK if high else mark)
        self.assertGreaterEqual(outcome['pauses'], 1)
        # Blocks are charged whole, and half of each may be empty; the scratch buffer; and
        # a reserve a consumer.
        self.assertLessEqual(outcome['peak_budget'], 2 * (mark + CHUNK) + SCRATCH + 4 * 4096)
        print('\n%s -> %s, --high %s: held %d KiB, memory + %d KiB, peak + %d KiB' % (
            source[:20], kind, high, held // Ki, (full[0] - idle[0]) // Ki, (full[1] - idle[1]) // Ki),
            end='')
        if support.PLAIN:
            # What is held; a chunk under way; the scratch buffer, at most as long as the
            # sink has room; 256 KiB for the pool's cache of blocks that was just used.
            bound = mark + CHUNK + min(mark, SCRATCH) + 256 * Ki
            self.assertLess(full[0] - idle[0], bound)
            # The peak counts code pages too, which the idle run did not touch.
            self.assertLess(full[1] - idle[1], bound + Mi)

    def test_memory_is_bounded_when_nobody_reads(self):
        for kind in ('tcp', 'unix', 'pipe', 'fifo', 'exec'):
            for high in (None, 64 * Ki, 4096):
                with self.subTest(sink=kind, high=high):
                    self.check_bound('zero:', kind, high)

    def test_memory_is_bounded_for_every_fast_source(self):
        def blast(s):
            block = bytes(Mi)
            try:
                while True:
                    s.sendall(block)
            except OSError:
                pass
        for name in ('file', 'exec', 'tcp', 'unix'):
            for high in (None, 64 * Ki):
                with self.subTest(source=name, high=high):
                    if name == 'file':
                        self.keep = support.tempfile.NamedTemporaryFile()
                        self.keep.truncate(1 << 30)
                        source = self.keep.name
                    elif name == 'exec':
                        source = 'exec:exec cat /dev/zero'
                    else:
                        family = socket.AF_UNIX if name == 'unix' else socket.AF_INET
                        source = self.keep_serving(blast, family)
                    self.check_bound(source, 'tcp', high)

    def keep_serving(self, handler, family):
        """A peer that lives longer than one run: until the class is done."""
        folder = support.tempfile.mkdtemp(prefix='weir-live-')
        peer = support.Peer(handler, family, os.path.join(folder, 's'), 8)
        self.addClassCleanup(support.shutil.rmtree, folder, True)
        self.addClassCleanup(peer.close)
        return peer.endpoint


if __name__ == '__main__':
    if sys.argv[1:] == ['source']:
        source_main()
    else:
        support.main()
