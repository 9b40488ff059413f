# SPDX-License-Identifier: MIT
"""What the live tests share: children, peers, memory and descriptors, and the command.

Nothing here sleeps to pass: it polls until a deadline, which is longer for builds
that are slower.  Every child runs in a session of its own and is gone, with all that
it started, when its test ends.
"""
import atexit
import collections
import ctypes
import errno
import hashlib
import json
import os
import random
import re
import resource
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

WEIR = os.environ.get('WEIR', '')

# Then Wine runs it, with files for standard streams.
WINDOWS = WEIR.endswith('.exe')
COMMAND = (shlex.split(os.environ.get('MESON_EXE_WRAPPER', 'wine')) if WINDOWS else []) + [WEIR]
SKIPPED = 77
HERE = os.path.dirname(os.path.abspath(__file__))


def _build_kind():
    """Which sanitizer the command was built with, if any."""
    try:
        with open(WEIR, 'rb') as f:
            text = f.read()
    except OSError:
        return None
    for kind in ('asan', 'tsan', 'msan'):
        if b'__%s_init' % kind.encode() in text:
            return kind
    return 'plain'


KIND = _build_kind()
PLAIN = KIND == 'plain'

# Deadlines are generous: they are met only by what hangs.
SCALE = 5 if WINDOWS else {'plain': 1, None: 1}.get(KIND, 4)

# A report of a sanitizer must not look like one of the command's own statuses.
ENV = dict(os.environ, LC_ALL='C.UTF-8' if WINDOWS else 'C')  # Wine's names follow it
for _name in ('ASAN_OPTIONS', 'TSAN_OPTIONS', 'UBSAN_OPTIONS'):
    ENV[_name] = ':'.join(filter(None, [ENV.get(_name), 'exitcode=99']))


def raise_nofile():
    """Raise the soft limit of descriptors to the hard one; returns it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard > 1 << 20:
        hard = max(soft, 1 << 16)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    return hard


# ---- waiting ----

def until(what, seconds, condition):
    """Poll `condition` until it gives something true, and return that."""
    end = time.monotonic() + seconds * SCALE
    pause = 0.001
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError('not within %g s: %s' % (seconds * SCALE, what() if callable(what) else what))
        time.sleep(pause)
        pause = min(pause * 1.5, 0.02)


def steady(read, seconds=10, hold=0.4):
    """Poll `read` until what it gives has not changed for `hold` seconds; returns it."""
    end = time.monotonic() + seconds * SCALE
    value, since = read(), time.monotonic()
    while time.monotonic() - since < hold:
        if time.monotonic() > end:
            raise AssertionError('still changing after %g s: %r' % (seconds * SCALE, value))
        time.sleep(0.02)
        now = read()
        if now != value:
            value, since = now, time.monotonic()
    return value


# ---- bytes ----

def pattern(size, seed=1):
    """`size` bytes in which no two places look alike; the same for the same seed."""
    return random.Random(seed).randbytes(size)


def sha(data):
    return hashlib.sha256(data).hexdigest()


def sha_file(path):
    digest = hashlib.sha256()
    with open(path, 'rb') as f:
        for block in iter(lambda: f.read(1 << 20), b''):
            digest.update(block)
    return digest.hexdigest()


# ---- processes, as /proc shows them ----

def proc_status(pid):
    with open('/proc/%d/status' % pid) as f:
        return dict(line.rstrip('\n').split(':\t', 1) for line in f if ':\t' in line)


def memory(pid, key='VmRSS'):
    """Bytes: VmRSS, VmHWM (the peak), RssAnon."""
    return int(proc_status(pid)[key].split()[0]) * 1024


def fds(pid):
    """Open descriptors: number -> what it is; without what a loop makes when it first needs it: its ring,
    and its pipe, both ends of which it holds."""
    found = {}
    for name in os.listdir('/proc/%d/fd' % pid):
        try:
            found[int(name)] = os.readlink('/proc/%d/fd/%s' % (pid, name))
        except OSError:
            pass
    ends = list(found.values())
    return {n: what for n, what in found.items()
            if 'io_uring' not in what and not (what.startswith('pipe:') and ends.count(what) == 2)}


def proc_stat(pid):
    with open('/proc/%d/stat' % pid) as f:
        return f.read().rsplit(')', 1)[1].split()


def cpu_seconds(pid):
    stat = proc_stat(pid)
    return (int(stat[11]) + int(stat[12])) / os.sysconf('SC_CLK_TCK')


def children(pid):
    """Direct children, zombies too: pid -> state letter."""
    found = {}
    for name in os.listdir('/proc'):
        if name.isdigit():
            try:
                stat = proc_stat(int(name))
            except OSError:
                continue
            if int(stat[1]) == pid:
                found[int(name)] = stat[0]
    return found


def session(sid):
    """All processes of a session."""
    found = []
    for name in os.listdir('/proc'):
        if name.isdigit():
            try:
                stat = proc_stat(int(name))
            except OSError:
                continue
            if int(stat[3]) == sid and stat[0] not in 'ZX':
                found.append(int(name))
    return found


# Orphans of our children become ours, so that none is left behind unseen.
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


_alive = set()


@atexit.register
def _end_all():
    for child in list(_alive):
        child.end()


def _give_up(*_):
    _end_all()
    os._exit(1)  # an exception would be taken for the test's


class Child:
    """A child in its own session.  `out` and `err` go to files unless given."""

    def __init__(self, argv, folder, **options):
        self.argv = argv
        self.files = []
        for name in ('stdout', 'stderr'):
            if options.get(name) is None:
                f = tempfile.NamedTemporaryFile(dir=folder, prefix=name + '-', delete=False)
                options[name] = f
                setattr(self, name + '_path', f.name)
                self.files.append(f)
        options.setdefault('stdin', subprocess.DEVNULL)
        options.setdefault('env', ENV)
        self.popen = subprocess.Popen(argv, start_new_session=True, **options)
        self.pid = self.popen.pid
        _alive.add(self)
        self.stdin, self.stdout = self.popen.stdin, self.popen.stdout
        for f in self.files:
            f.close()

    def out(self):
        with open(self.stdout_path, 'rb') as f:
            return f.read()

    def err(self):
        with open(self.stderr_path, 'rb') as f:
            return f.read().decode('utf-8', 'replace')

    def running(self):
        return self.popen.poll() is None

    def wait(self, seconds=30):
        """The exit status; a negative number for a signal."""
        try:
            return self.popen.wait(seconds * SCALE)
        except subprocess.TimeoutExpired:
            raise AssertionError('still running after %g s: %s\n%s' % (
                seconds * SCALE, ' '.join(map(str, self.argv)), self.err())) from None

    def signal(self, number):
        self.popen.send_signal(number)

    def line(self, regex, seconds=15):
        """Wait for a line on its standard error; returns the match."""
        def look():
            found = re.search(regex, self.err(), re.M)
            if not found and not self.running():
                found = re.search(regex, self.err(), re.M)
                if not found:
                    raise AssertionError('%s: exit %s\n%s' % (self.argv, self.popen.returncode, self.err()))
            return found
        return until(lambda: '%s in %r' % (regex, self.err()), seconds, look)

    def listening(self, index=0):
        """The address that weir -v says it listens on; a (host, port), or a path."""
        def found():
            return re.findall(r'listening on (.*)\n', self.err())
        until(lambda: 'listening in %r' % self.err(), 15, lambda: len(found()) > index or not self.running())
        if len(found()) <= index:
            raise AssertionError('%s: exit %s\n%s' % (self.argv, self.popen.returncode, self.err()))
        text = found()[index]
        host, colon, port = text.rpartition(':')
        return (host.strip('[]'), int(port)) if colon and port.isdigit() else text

    def end(self):
        """Kill what is left of it and of its session."""
        for _ in range(100):
            left = session(self.pid)
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            if not left:
                break
            time.sleep(0.01)
        self.popen.wait()
        _alive.discard(self)
        for pipe in (self.popen.stdin, self.popen.stdout, self.popen.stderr):
            if pipe:
                try:
                    pipe.close()
                except OSError:
                    pass


Result = collections.namedtuple('Result', 'status out err')


class LiveTest(unittest.TestCase):
    """A temporary folder, and children and peers that are gone when the test ends."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='weir-live-')
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.addCleanup(self._reap)

    def _reap(self):
        """Orphans that became ours."""
        while True:
            try:
                if os.waitpid(-1, os.WNOHANG)[0] == 0:
                    return
            except ChildProcessError:
                return

    def path(self, name):
        return os.path.join(self.folder, name)

    def file(self, name, data):
        with open(self.path(name), 'wb') as f:
            f.write(data)
        return self.path(name)

    def child(self, argv, **options):
        child = Child(argv, self.folder, **options)
        self.addCleanup(child.end)
        return child

    def weir(self, *args, **options):
        """Start the command."""
        return self.child(COMMAND + list(args), **options)

    def run_files(self, *args, seconds=30, **options):
        """Run the command to its end, with files for standard streams."""
        child = self.weir(*args, **options)
        status = child.wait(seconds)
        return Result(status, child.out() if options.get('stdout') is None else None, child.err())

    def run_weir(self, *args, input=b'', seconds=30, **options):
        """Run the command to its end."""
        child = self.child(COMMAND + list(args), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, **options)
        try:
            out, err = child.popen.communicate(input, seconds * SCALE)
        except subprocess.TimeoutExpired:
            raise AssertionError('still running after %g s: %s' % (seconds * SCALE, args)) from None
        return Result(child.popen.returncode, out, err.decode('utf-8', 'replace'))

    def run_json(self, *args, **options):
        """Run the command with --json; returns (result, the object)."""
        result = self.run_weir(args[0], '--json', *args[1:], **options)
        return result, self.json_of(result.out)

    def json_of(self, out):
        lines = out.decode().splitlines()
        self.assertEqual(len(lines), 1, 'one JSON object on one line: %r' % out)
        return json.loads(lines[0])

    def assert_status(self, result, status):
        self.assertEqual(result.status, status, result.err)
        if status == 0:
            self.assertEqual(result.err, '')

    def assert_one_line(self, err, regex):
        """An error is told in one line, which says it all."""
        self.assertRegex(err, regex)
        self.assertEqual(err.count('\n'), 1, err)
        self.assertTrue(err.startswith('weir: ') and err.endswith('\n'), err)

    def at_rest(self, weir):
        """Wait until the process sleeps for a while, as one in back-pressure does; one
        that spins never gets here."""
        def switches():
            status = proc_status(weir.pid)
            return status['voluntary_ctxt_switches'], status['State'][0] == 'S', cpu_seconds(weir.pid)
        self.assertTrue(steady(switches, 60)[1])

    def serve(self, handler, family=socket.AF_INET, backlog=64):
        """A peer that listens, and runs handler(connection) for each who comes, in
        threads of their own.  What a handler returns or raises is in its results."""
        peer = Peer(handler, family, self.path('peer-%d' % random.getrandbits(32)), backlog)
        self.addCleanup(peer.close)
        return peer

    def connect(self, address, **options):
        s = connect(address, **options)
        self.addCleanup(s.close)
        return s

    def thread(self, function, *args):
        """Run in a thread; result() waits, and raises what it raised."""
        return Task(function, *args)


class Task(threading.Thread):
    def __init__(self, function, *args):
        super().__init__(daemon=True)
        self.function, self.args = function, args
        self.value = self.error = None
        self.start()

    def run(self):
        try:
            self.value = self.function(*self.args)
        except BaseException as error:  # told by result()
            self.error = error

    def result(self, seconds=30):
        self.join(seconds * SCALE)
        if self.is_alive():
            raise AssertionError('not done after %g s: %s' % (seconds * SCALE, self.function))
        if self.error:
            raise self.error
        return self.value


class Peer:
    def __init__(self, handler, family, path, backlog):
        self.handler = handler
        self.tasks = []
        self.sockets = []
        self.lock = threading.Condition()
        self.socket = socket.socket(family)
        if family == socket.AF_UNIX:
            self.socket.bind(path)
            self.endpoint = 'unix:' + path
        elif family == socket.AF_INET6:
            self.socket.bind(('::1', 0))
            self.endpoint = 'tcp://[::1]:%d' % self.socket.getsockname()[1]
        else:
            self.socket.bind(('127.0.0.1', 0))
            self.endpoint = 'tcp://127.0.0.1:%d' % self.socket.getsockname()[1]
        self.socket.listen(backlog)
        self.address = self.socket.getsockname()
        self.accepter = threading.Thread(target=self._accept, daemon=True)
        self.accepter.start()

    def _accept(self):
        while True:
            try:
                s, _ = self.socket.accept()
            except OSError:
                return
            s.settimeout(60 * SCALE)
            with self.lock:
                self.sockets.append(s)
                self.tasks.append(Task(self.handler, s))
                self.lock.notify_all()

    def result(self, index=0, seconds=30):
        """What the handler of that connection returned."""
        with self.lock:
            if not self.lock.wait_for(lambda: len(self.tasks) > index, seconds * SCALE):
                raise AssertionError('nobody connected')
        return self.tasks[index].result(seconds)

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()
        self.accepter.join()
        for s in self.sockets:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()
        for task in self.tasks:
            task.join(10)


# ---- sockets ----

def connect(address, rcvbuf=None, sndbuf=None, seconds=15):
    """Connect to a (host, port) or a path, as soon as somebody listens there."""
    family = (socket.AF_UNIX if isinstance(address, str)
              else socket.AF_INET6 if ':' in address[0] else socket.AF_INET)
    end = time.monotonic() + seconds * SCALE
    while True:
        s = socket.socket(family)
        if rcvbuf:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        if sndbuf:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, sndbuf)
        s.settimeout(60 * SCALE)
        try:
            s.connect(address)
            return s
        except OSError as error:
            s.close()
            if error.errno not in (errno.ECONNREFUSED, errno.ENOENT) or time.monotonic() > end:
                raise
        time.sleep(0.01)


def read_all(s):
    """All bytes up to the end."""
    parts = []
    while True:
        part = s.recv(1 << 18)
        if not part:
            return b''.join(parts)
        parts.append(part)


def read_exactly(s, size):
    parts = []
    while size > 0:
        part = s.recv(min(size, 1 << 18))
        if not part:
            raise EOFError('%d bytes missing' % size)
        parts.append(part)
        size -= len(part)
    return b''.join(parts)


def reset(s):
    """Close with a reset."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
    s.close()


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(('::1', 0))
        return True
    except OSError:
        return False


def free_port():
    """A port on which nobody listens, nor soon will: it is kept bound."""
    s = socket.socket()
    s.bind(('127.0.0.1', 0))
    return s, s.getsockname()[1]


def need(*programs):
    """Skip without them."""
    for program in programs:
        if not shutil.which(program):
            raise unittest.SkipTest('needs ' + program)


def main():
    """Run the module's tests: exit 0, 1, or 77 if all were skipped."""
    if KIND is None:
        print('set WEIR to the command that was built')
        sys.exit(SKIPPED)
    # A test that takes too long is told to go, and must take its children along.
    signal.signal(signal.SIGTERM, _give_up)
    done = unittest.main(module='__main__', exit=False, verbosity=2).result
    if not done.wasSuccessful():
        sys.exit(1)
    sys.exit(SKIPPED if done.testsRun and len(done.skipped) == done.testsRun else 0)
