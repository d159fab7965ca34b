"""Twisted's listening ports, opened and closed from asyncio."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import Any

from twisted.internet.defer import maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.ssl import DefaultOpenSSLContextFactory

from gateway.net.tls import Certificate

HOST = "127.0.0.1"
CLOSE_SECONDS = 5.0
TRIES = 20  # a TCP port that is free may be taken on UDP


class Listening:
    """Open ports of one server; `port` is the number of all of them."""

    def __init__(self, *ports: Any) -> None:
        self._ports = ports
        self.port: int = ports[0].getHost().port

    async def close(self) -> None:
        """Stop listening; connections that are open stay so."""
        for port in self._ports:
            closed = maybeDeferred(port.stopListening)
            async with asyncio.timeout(CLOSE_SECONDS):
                await closed.asFuture(asyncio.get_running_loop())


def listen(
    factory: Any, port: int = 0, *, tls: DefaultOpenSSLContextFactory | None = None
) -> Listening:
    """Listen on loopback; `port` 0 takes a free one; with `tls` from the first byte.

    Raises CannotListenError.
    """
    reactor = _reactor()
    if tls is None:
        return Listening(reactor.listenTCP(port, factory, interface=HOST))
    return Listening(reactor.listenSSL(port, factory, tls, interface=HOST))


async def listen_both(factory: Any, datagrams: DatagramProtocol, *, port: int = 0) -> Listening:
    """Listen on TCP and UDP with one number. Raises CannotListenError."""
    reactor = _reactor()
    for tries in range(TRIES):
        stream = reactor.listenTCP(port, factory, interface=HOST)
        try:
            return Listening(
                stream, reactor.listenUDP(stream.getHost().port, datagrams, interface=HOST)
            )
        except CannotListenError:
            await Listening(stream).close()
            if port or tries == TRIES - 1:
                raise
    raise RuntimeError("the last try returns or raises")


def tls_for_twisted(certificate: Certificate) -> DefaultOpenSSLContextFactory:
    """Return a server's TLS context; the chain is left out, clients know the CA."""
    library: Any = DefaultOpenSSLContextFactory  # it has no annotations
    context: DefaultOpenSSLContextFactory = library(str(certificate.key), str(certificate.path))
    return context


def _reactor() -> Any:
    """Look the reactor up when it is needed: the first import of it installs one for good."""
    return import_module("twisted.internet.reactor")
