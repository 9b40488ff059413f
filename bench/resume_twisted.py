#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""As resume_weir.c: writes until it is paused, and says when it was resumed."""
import os
import sys
import time

from twisted.internet import interfaces, protocol, reactor
from zope.interface import implementer

CHUNK = bytes(65536)


@implementer(interfaces.IPushProducer)
class Producer(protocol.Protocol):
    def connectionMade(self):
        self.paused = False
        self.transport.registerProducer(self, True)
        self.fill()

    def fill(self):
        while not self.paused:
            self.transport.write(CHUNK)

    def pauseProducing(self):
        self.paused = True
        os.write(1, b"paused\n")

    def resumeProducing(self):
        os.write(1, b"%d\n" % time.monotonic_ns())
        self.paused = False
        self.fill()

    def stopProducing(self):
        pass

    def connectionLost(self, reason=None):
        if reactor.running:
            reactor.stop()


factory = protocol.ClientFactory()
factory.protocol = Producer
reactor.connectTCP("127.0.0.1", int(sys.argv[1]), factory)
reactor.run()
