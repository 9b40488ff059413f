# SPDX-License-Identifier: MIT
"""A schedule, played on Twisted's classes: the other side of stage.c.

Where we refuse to do as Twisted does, the class here is mended, as little as makes
the difference; everything else stays compared.  Each mend names its row of the tables
in docs/twisted.md, in parentheses.
"""
import zlib

import twisted.internet
from twisted.internet import error, main, posixbase, task
from twisted.internet.abstract import FileDescriptor
from twisted.internet.protocol import Protocol
from twisted.internet.tcp import _AbortingMixin
from twisted.internet.testing import StringTransport
from twisted.protocols import loopback, pcp
from twisted.python.failure import Failure


class Player:
    """A producer that traces what it is told."""

    def __init__(self, stage, name):
        self.stage, self.name = stage, name

    def pauseProducing(self):
        self.stage.event("pause", self.name)

    def resumeProducing(self):
        self.stage.event("resume", self.name)

    def stopProducing(self):
        self.stage.event("stop", self.name)


class Stage:
    """One schedule at work; `trace` has a line for each act and event."""

    def __init__(self, schedule):
        self.trace = []
        self.answers = {kind: list(answers) for kind, answers in schedule.answers.items()}
        self.players = {name: Player(self, name) for name in "abc"}
        self.clock = task.Clock()
        self.writes = 0
        self.subject = SUBJECTS[schedule.subject](self, schedule.option)
        for act in schedule.calls:
            self.play(act)
            self.trace += self.subject.look()

    def play(self, act):
        self.trace.append("> " + act)
        verb, *args = act.split(":")
        self.trace.append("< " + (getattr(self.subject, verb)(*args) or "ok"))

    def event(self, kind, who=""):
        self.trace.append(f"{kind} {who}".rstrip())
        answers = self.answers.get(kind)
        for act in answers.pop(0) if answers else []:
            self.play(act)

    def bytes(self, size):
        self.writes += 1
        return bytes([self.writes & 0xFF]) * int(size)


def size(text):
    return float("inf") if text == "all" else int(text)


class Poll(posixbase._DisconnectSelectableMixin):
    """What FileDescriptor needs of a reactor."""

    def __init__(self, clock):
        self.callLater = clock.callLater
        self.readers, self.writers = set(), set()
        self.addReader, self.addWriter = self.readers.add, self.writers.add
        self.removeReader, self.removeWriter = self.readers.discard, self.writers.discard


class Fd(_AbortingMixin, FileDescriptor):
    """FileDescriptor with a kernel below it, as tcp.Connection is."""

    connected = 1

    def __init__(self, stage):
        self.stage = stage
        FileDescriptor.__init__(self, Poll(stage.clock))
        self.window = float("inf")
        self.writable = True
        self.broken = False

    def writeSomeData(self, data):
        offered = min(len(data), self.SEND_LIMIT)  # as tcp.Connection
        if not offered:
            return 0  # (row: nothing is sent when there is nothing)
        if self.broken:
            self.stage.trace.append("send fails")
            return main.CONNECTION_LOST
        taken = min(offered, self.window)
        self.window -= taken
        self.writable = taken == offered
        self.stage.trace.append(f"sent {taken} {zlib.adler32(data[:taken]):08x}"
                                + ("" if self.writable else " short"))
        return taken

    def connectionLost(self, reason):
        if self.disconnected:
            return  # as tcp.Connection, which has lost its socket by then
        FileDescriptor.connectionLost(self, reason)
        self.stage.trace.append("closed " + (
            "done" if reason.check(error.ConnectionDone)
            else "aborted" if reason.check(error.ConnectionAborted)
            else "lost" if reason.value is GONE else "broken"))

    def poll(self):
        """What a reactor does that finds `self` writable."""
        if self.writable and self in self.reactor.writers:
            why = self.doWrite()
            if why:
                self.reactor._disconnectSelectable(self, why, False)


GONE = error.ConnectionLost()


class HalfFd(Fd):
    """Its write half is closed, and that is the end of it, as it is of a valve's."""

    def _closeWriteConnection(self):
        # (row: half-close stops the producer)
        return main.CONNECTION_DONE

    def loseWriteConnection(self):
        # (row: half-close twice)
        if self.connected and not self._writeDisconnecting:
            Fd.loseWriteConnection(self)

    def unregisterProducer(self):
        Fd.unregisterProducer(self)
        if self.connected and self._writeDisconnecting:
            self.startWriting()  # (row: half-close after unregister)


class FdSubject:
    """FileDescriptor against a valve in the Twisted profile."""

    def __init__(self, stage, option):
        self.stage = stage
        self.fd = (HalfFd if option == "half" else Fd)(stage)

    def write(self, n):
        self.fd.write(self.stage.bytes(n))

    def register(self, who, mode):
        dead = self.fd.disconnected
        try:
            self.fd.registerProducer(self.stage.players[who], mode == "push")
        except RuntimeError:
            return "WEIR_EBUSY"
        return "WEIR_ECLOSED" if dead else "ok"  # (row: register after the end)

    def unregister(self):
        self.fd.unregisterProducer()

    def lose(self):
        self.fd.loseConnection()

    def halflose(self):
        self.fd.loseWriteConnection()

    def abort(self):
        self.fd.abortConnection()

    def turn(self):
        self.stage.clock.advance(0)
        self.fd.poll()

    def ready(self, window):
        self.fd.window, self.fd.writable = size(window), True
        self.fd.poll()

    def gone(self):
        if not self.fd._aborting:  # that is in no poll set any more
            self.fd.connectionLost(Failure(GONE))

    def look(self):
        fd = self.fd
        held = 0 if fd.disconnected else len(fd.dataBuffer) - fd.offset + fd._tempDataLen
        return [f"held {held}, producer {fd.producer.name if fd.producer else 'none'}"]


# `break` is a word of Python's.
setattr(FdSubject, "break", lambda self: (setattr(self.fd, "broken", True), self.ready(0))[1])


class MemorySubject:
    """StringTransport against the memory transport."""

    def __init__(self, stage, option):
        self.stage = stage
        self.transport = StringTransport(lenient=option == "lenient")

    def write(self, n):
        self.transport.write(self.stage.bytes(n))

    def register(self, who, mode):
        try:
            self.transport.registerProducer(self.stage.players[who], mode == "push")
        except RuntimeError:
            return "WEIR_EBUSY"
        return "ok"

    def unregister(self):
        if self.transport.producer:  # (row: unregister with none)
            self.transport.unregisterProducer()

    def lose(self):
        self.transport.loseConnection()

    def abort(self):
        self.transport.abortConnection()

    def clear(self):
        self.transport.clear()

    def pause(self):
        return self.tell(self.transport.pauseProducing)

    def resume(self):
        return self.tell(self.transport.resumeProducing)

    def stop(self):
        return self.tell(self.transport.stopProducing)

    def tell(self, call):
        try:
            call()
        except RuntimeError:
            return "refused"
        return "ok"

    def look(self):
        t = self.transport
        life = "disconnected" if t.disconnected else "disconnecting" if t.disconnecting else "open"
        who = f"{t.producer.name} {'push' if t.streaming else 'pull'}" if t.producer else "none"
        value = t.value()
        return [f"{life}, {len(value)} bytes {zlib.adler32(value):08x}, producer {who}, "
                f"source {t.producerState}"]


class End(Protocol):
    """What one end of a loopback has read."""

    def __init__(self, stage):
        self.stage, self.len, self.sum, self.state = stage, 0, 1, "open"

    def dataReceived(self, data):
        self.len += len(data)
        self.sum = zlib.adler32(data, self.sum)

    def connectionLost(self, reason):
        self.state = "done" if reason.check(error.ConnectionDone) else "failed"


class LoopbackSubject:
    """loopbackAsync() against the loopback transport."""

    def __init__(self, stage, _option):
        self.stage = stage
        self.ends = {"s": End(stage), "c": End(stage)}
        twisted.internet.reactor = stage.clock  # it asks nobody for another
        loopback.loopbackAsync(self.ends["s"], self.ends["c"])

    def write(self, end, n):
        if int(n):  # (row: loopback delivers empty writes)
            self.ends[end].transport.write(self.stage.bytes(n))
        else:
            self.stage.bytes(0)

    def push(self, end, who):
        return self.register(end, who, True)

    def pull(self, end, who):
        return self.register(end, who, False)

    def register(self, end, who, streaming):
        player = self.stage.players[who]
        taken = [e.transport.producer for e in self.ends.values()]
        if player in taken:  # (row: one producer, one consumer)
            return "WEIR_EBUSY"
        try:
            self.ends[end].transport.registerProducer(player, streaming)
        except AssertionError:
            return "WEIR_EBUSY"
        return "ok"

    def unregister(self, end):
        if self.ends[end].transport.producer:  # (row: unregister with none)
            self.ends[end].transport.unregisterProducer()

    def lose(self, end):
        self.unregister(end)  # (row: loopback closes at once)
        self.ends[end].transport.loseConnection()

    def look(self):
        while self.stage.clock.getDelayedCalls():
            self.stage.clock.advance(0)
        return [f"{name} has read {e.len} bytes {e.sum:08x}, {e.state}"
                for name, e in self.ends.items()]


class Behind:
    """The consumer behind a proxy: it traces what it is told."""

    def __init__(self, stage):
        self.stage, self.producer = stage, None

    def registerProducer(self, producer, _streaming):
        self.producer = producer

    def unregisterProducer(self):
        if self.producer:  # (row: unregister with none)
            self.producer = None
            self.stage.event("unregister")

    def write(self, data):
        # A proxy empties its buffer behind this; ours has before (row: written from inside
        # a flush).
        self.stage.subject.proxy._buffer.clear()
        data = data.encode("latin-1")
        self.stage.event("write", f"{len(data)} {zlib.adler32(data):08x}")

    def finish(self):
        self.stage.event("finish")


class Buffer(list):
    """A proxy's, which Behind.write() has emptied when the proxy does."""

    def __setitem__(self, index, value):
        pass


class Mended:
    """What both proxies have to be mended in."""

    def __init__(self, consumer):
        super().__init__(consumer)
        self._buffer = Buffer()
        self._paused = self._held_back = self.stopped = self.unregistered = False

    @property
    def paused(self):
        return self._paused or self._held_back

    @paused.setter
    def paused(self, value):
        self._paused, self._held_back = value, False

    def write(self, data):
        # (row: written behind bytes that are held)
        self._held_back = bool(self._buffer)
        super().write(data)
        self._held_back = False

    def stopProducing(self):
        self.stopped = True
        self.consumer.producer = None  # it has let go of us
        self._buffer.clear()
        super().stopProducing()
        self.producer = None  # (row: a proxy after its end)


class Basic(Mended, pcp.BasicProducerConsumerProxy):
    """The one that does not wait for what it holds when it is unregistered from."""

    def pauseProducing(self):
        if self.producer and not self.producerIsStreaming:
            self.paused = True  # (row: the pause of a pull producer)
        else:
            super().pauseProducing()

    def registerProducer(self, producer, streaming):
        self.unregistered = False
        super().registerProducer(producer, streaming)

    def unregisterProducer(self):
        if not self._buffer:
            super().unregisterProducer()
            return
        self.producer = None  # (row: unregister before what is held)
        self.unregistered = True

    def resumeProducing(self):
        held = bool(self._buffer)
        super().resumeProducing()
        if held and self.unregistered and not self._buffer and self.consumer:
            self.consumer.unregisterProducer()


class Buffering(Mended, pcp.ProducerConsumerProxy):
    pass


class ProxySubject:
    """pcp's proxies against ours.  Their data are text: they cannot join bytes
    (row: proxies of bytes)."""

    def __init__(self, stage, option):
        kind, mode = option.split("-")
        base = {"basic": Basic, "buffer": Buffering}[kind]
        self.stage, self.finished = stage, False
        self.proxy = type("Proxy", (base,), {"iAmStreaming": mode == "push"})(Behind(stage))

    def over(self):
        return self.finished or self.proxy.stopped  # (row: a proxy after its end)

    def write(self, n):
        data = self.stage.bytes(n).decode("latin-1")
        if self.over():
            return "WEIR_ECLOSED"
        if data:  # (row: empty writes through a proxy)
            self.proxy.write(data)
        return "ok"

    def register(self, who, mode):
        player = self.stage.players[who]
        if self.proxy.producer is not None and not self.proxy.stopped:
            return "WEIR_EBUSY"  # (row: a second producer of a proxy)
        if self.over():
            player.stopProducing()
            return "WEIR_ECLOSED"
        self.proxy.registerProducer(player, mode == "push")
        return "ok"

    def unregister(self):
        if self.proxy.producer and not self.proxy.stopped:  # (row: unregister with none)
            self.proxy.unregisterProducer()

    def finish(self):
        if not self.over():
            self.finished = True
            self.proxy.finish()

    def pause(self):
        self.tell(self.proxy.pauseProducing)

    def resume(self):
        self.tell(self.proxy.resumeProducing)

    def stop(self):
        self.tell(self.proxy.stopProducing)

    def tell(self, call):
        if not self.proxy.stopped:  # (row: a proxy after its end)
            call()

    def look(self):
        held = sum(map(len, self.proxy._buffer))
        producer = self.proxy.producer
        return [f"held {held}, producer {producer.name if producer else 'none'}"]


SUBJECTS = {"fd": FdSubject, "memory": MemorySubject, "loopback": LoopbackSubject,
            "proxy": ProxySubject}
