# SPDX-License-Identifier: MIT
"""Peers made of Twisted, which knows what half-close and back-pressure are.

    twisted_peer.py echo              sends back what it gets, and ends when its peer did
    twisted_peer.py after-end         counts, and answers with the count after the end
    twisted_peer.py forward HOST PORT twisted.protocols.portforward to there

Prints the port on which it listens.  Ends with its standard input.
"""
import sys

from twisted.internet import endpoints, interfaces, protocol, reactor, stdio
from twisted.protocols import portforward
from zope.interface import implementer


@implementer(interfaces.IHalfCloseableProtocol)
class Echo(protocol.Protocol):
    """The transport is its own consumer: what it cannot send holds back what it reads."""

    def connectionMade(self):
        self.transport.registerProducer(self.transport, True)

    def dataReceived(self, data):
        self.transport.write(data)

    def readConnectionLost(self):
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def writeConnectionLost(self):
        pass


@implementer(interfaces.IHalfCloseableProtocol)
class AfterEnd(protocol.Protocol):
    count = 0

    def dataReceived(self, data):
        self.count += len(data)

    def readConnectionLost(self):
        self.transport.write(b'%d bytes\n' % self.count)
        self.transport.loseConnection()

    def writeConnectionLost(self):
        pass


class Lifeline(protocol.Protocol):
    def connectionLost(self, reason):
        if reactor.running:
            reactor.stop()


def make():
    if sys.argv[1] == 'forward':
        return portforward.ProxyFactory(sys.argv[2], int(sys.argv[3]))
    return protocol.Factory.forProtocol({'echo': Echo, 'after-end': AfterEnd}[sys.argv[1]])


def listening(port):
    print(port.getHost().port, flush=True)


endpoints.serverFromString(reactor, 'tcp:0:interface=127.0.0.1').listen(make()).addCallback(listening)
stdio.StandardIO(Lifeline())
reactor.run()
