# SPDX-License-Identifier: MIT
"""weir relay --many --threads N: the peers of all threads are served, under one budget and
one set of limits, and end together."""
import os
import signal
import socket
import threading
import time

import support

KIB = 1 << 10
PEERS = 24 if support.PLAIN else 12


def echo(s):
    while True:
        data = s.recv(1 << 16)
        if not data:
            s.shutdown(socket.SHUT_WR)
            return
        s.sendall(data)




def switches(pid):
    """How often each thread has gone to sleep."""
    found = {}
    for tid in os.listdir('/proc/%d/task' % pid):
        with open('/proc/%d/task/%s/status' % (pid, tid)) as f:
            for line in f:
                if line.startswith('voluntary_ctxt_switches'):
                    found[int(tid)] = int(line.split()[1])
    return found


class Threads(support.LiveTest):
    def relay(self, server, *options, threads='2', listen='tcp-listen://127.0.0.1:0', **more):
        return self.weir('relay', '-v', '--many', '--threads', threads, *options, listen,
                         server if isinstance(server, str) else server.endpoint, **more)

    def stop(self, weir, number=signal.SIGTERM):
        weir.signal(number)
        self.assertEqual(weir.wait(), 128 + number, weir.err())
        return [int(n) for n in
                weir.line(r'stopped by SIG\w+: (\d+) peers served, (\d+) failed, (\d+) cut$').groups()]

    def exchange(self, address, data):
        s = self.connect(address)
        reader = self.thread(support.read_all, s)
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        got = reader.result(60)
        s.close()
        return got == data

    def test_all_bytes_of_many_peers_are_right_and_each_thread_has_some(self):
        weir = self.relay(self.serve(echo), '--json', threads='3')
        address = weir.listening()
        before = switches(weir.pid)
        tasks = [self.thread(self.exchange, address, support.pattern(300 * KIB, seed))
                 for seed in range(2 * PEERS)]
        self.assertTrue(all(task.result(60) for task in tasks))
        # By chance: that one of three gets none of so many is once in 90 million.
        after = switches(weir.pid)
        worked = [tid for tid in after if after[tid] > before.get(tid, 0) + 3]
        self.assertGreaterEqual(len(worked), 3 if support.PLAIN else 2)
        self.assertEqual(self.stop(weir), [2 * PEERS, 0, 0])
        lines = weir.out().decode().splitlines()
        self.assertEqual(len(lines), 2 * PEERS)
        self.assertTrue(all('"exit":0' in line.replace(' ', '') for line in lines))

    def test_a_tiny_budget_binds_over_all_threads_and_nobody_starves(self):
        """Peers that do not read, in all threads, hold what there is; the others go on."""
        weir = self.relay(self.serve(echo, backlog=128), '--budget', '1Mi', '--high', '256Ki')
        address = weir.listening()
        before = support.memory(weir.pid, 'VmHWM')
        stuck = [self.connect(address, rcvbuf=4096, sndbuf=1 << 20) for _ in range(PEERS)]
        data = support.pattern(1 << 20)
        for s in stuck:
            s.setblocking(False)
            s.settimeout(0)
        fed = [0] * len(stuck)

        def feed():
            for i, s in enumerate(stuck):
                try:
                    fed[i] += s.send(data[fed[i]:]) if fed[i] < len(data) else 0
                except BlockingIOError:
                    pass
            return tuple(fed)
        support.steady(feed, 60)
        tasks = [self.thread(self.exchange, address, support.pattern(200 * KIB, seed))
                 for seed in range(8)]
        self.assertTrue(all(task.result(60) for task in tasks))

        # And those who were stuck get every byte, when they read.
        def drain(i):
            s = stuck[i]
            s.settimeout(60 * support.SCALE)
            reader = self.thread(support.read_all, s)
            s.sendall(data[fed[i]:])
            s.shutdown(socket.SHUT_WR)
            return reader.result(60) == data
        tasks = [self.thread(drain, i) for i in range(len(stuck))]
        self.assertTrue(all(task.result(60) for task in tasks))
        if support.PLAIN:
            # A peer has a little beside its buffers, a loop its stock of free blocks.
            grown = support.memory(weir.pid, 'VmHWM') - before
            self.assertLess(grown, 5 << 20)
        self.assertEqual(self.stop(weir), [PEERS + 8, 0, 0])
        held = weir.line(r'of which buffers ([\d.]+) (\w+)$').groups()
        self.assertLessEqual(float(held[0]) * {'B': 1, 'kB': 1e3, 'MB': 1e6}[held[1]], 1.06e6)

    def test_a_signal_in_the_midst_ends_all_threads_and_is_told_once(self):
        def never(s):
            s.recv(1 << 16)
            time.sleep(0.1)
            try:
                while s.recv(1 << 16):
                    pass
            except OSError:
                pass
        weir = self.relay(self.serve(never), '--progress', threads='4')
        address = weir.listening()
        peers = [self.connect(address) for _ in range(PEERS)]
        for s in peers:
            s.sendall(b'x' * 100000)
        weir.line(r'^%d peers  -> %.1f MB' % (PEERS, PEERS / 10))  # of all, in one line
        self.assertEqual(self.stop(weir, signal.SIGINT), [0, 0, PEERS])
        self.assertEqual(weir.err().count('stopped by'), 1)
        self.assertEqual(weir.err().count('listening on'), 1)
        for s in peers:
            try:
                self.assertEqual(support.read_all(s), b'')
            except ConnectionResetError:
                pass

    def test_idle_threads_are_stopped(self):
        weir = self.relay('unix:nobody', threads='auto')
        weir.listening()
        self.assertEqual(self.stop(weir), [0, 0, 0])

    def test_every_address_is_shared_for_both_families(self):
        weir = self.relay(self.serve(echo), listen='tcp-listen://*:0')
        port = weir.listening()[1]
        hosts = ['127.0.0.1', '::1'] if support.has_ipv6() else ['127.0.0.1']
        for host in hosts:
            for seed in range(8):
                self.assertTrue(self.exchange((host, port), support.pattern(1000, seed)))
        self.assertEqual(self.stop(weir), [8 * len(hosts), 0, 0])

    def test_a_port_that_is_taken_is_taken_also_by_ourselves(self):
        weir = self.relay('tcp://127.0.0.1:9')
        port = weir.listening()[1]
        other = self.run_weir('relay', '--many', '--threads', '2', 'tcp-listen://127.0.0.1:%d' % port,
                              'tcp://127.0.0.1:9')
        self.assertEqual(other.status, 1)
        self.assert_one_line(other.err, 'cannot open: .*in use')
        self.stop(weir)

    def test_no_more_peers_than_allowed_over_all_threads(self):
        here, most, lock = [0], [0], threading.Lock()

        def count(s):
            with lock:
                here[0] += 1
                most[0] = max(most[0], here[0])
            data = support.read_all(s)
            with lock:
                here[0] -= 1
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
        weir = self.relay(self.serve(count), '--max-peers', '5')
        address = weir.listening()
        peers = [self.connect(address) for _ in range(PEERS)]
        for s in peers:
            s.sendall(b'hello')
        support.until('some peers', 30, lambda: most[0] >= 2)
        support.steady(lambda: here[0])
        for s in peers:
            s.shutdown(socket.SHUT_WR)
        for s in peers:
            self.assertEqual(support.read_all(s), b'hello')
        self.assertLessEqual(most[0], 5)
        self.assertEqual(self.stop(weir)[0], PEERS)

    def test_the_rate_is_that_of_all_threads_together(self):
        rate, size = 2000000, 300000

        def take(s):
            support.read_all(s)
            s.shutdown(socket.SHUT_WR)
        weir = self.relay(self.serve(take), '--rate', str(rate), '--burst', '100k')
        address = weir.listening()

        def send():
            s = self.connect(address)
            s.sendall(bytes(size))
            s.shutdown(socket.SHUT_WR)
            return support.read_all(s)
        began = time.monotonic()
        tasks = [self.thread(send) for _ in range(8)]
        for task in tasks:
            task.result(60)
        self.assertGreaterEqual(time.monotonic() - began, (8 * size - 100000) / rate - 0.01)
        self.assertEqual(self.stop(weir), [8, 0, 0])

    def test_bad_usage_is_told(self):
        tcp, to = 'tcp-listen://127.0.0.1:0', 'tcp://127.0.0.1:9'
        for args, said in (
                (['--many', '--threads', '0', tcp, to], r'--threads 0: expected a number from 1 to 256, or auto'),
                (['--many', '--threads', '-1', tcp, to], r'--threads -1: expected a number'),
                (['--many', '--threads', 'two', tcp, to], r'--threads two: expected a number'),
                (['--many', '--threads', '2k', tcp, to], r'--threads 2k: expected a number'),
                (['--many', '--threads', '257', tcp, to], r'--threads 257: expected a number'),
                (['--threads', '2', tcp, to], r'--threads: expected --many with it'),
                (['--many', '--threads', '2', 'unix-listen:' + self.path('s'), to],
                 r'--threads: expected tcp-listen:// to listen on'),
                (['--many', '--threads', '5', '--budget', '1Mi', tcp, to], r'--budget: expected 256Ki or more'),
                (['--many', '--threads', '5', '--max-peers', '4', tcp, to], r'--max-peers: expected 1 or more'),
                (['--many', '--threads', '5', '--rate', '4', tcp, to], r'--rate: expected 1 or more'),
                (['--many', '--threads', '5', '--rate', '9', '--burst', '4', tcp, to],
                 r'--burst: expected 1 or more')):
            with self.subTest(said):
                result = self.run_weir('relay', *args)
                self.assertEqual(result.status, 3)
                self.assert_one_line(result.err, 'weir: ' + said)
        result = self.run_weir('copy', '--many', '--threads', '2', tcp, 'null:')
        self.assertEqual(result.status, 3)

    def test_one_thread_listens_on_anything(self):
        path = self.path('s')
        weir = self.relay(self.serve(echo), threads='1', listen='unix-listen:' + path)
        self.assertTrue(self.exchange(weir.listening(), b'hello'))
        self.assertEqual(self.stop(weir), [1, 0, 0])


support.main()
