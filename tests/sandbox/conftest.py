"""One loop for all tests of the sandbox: Twisted's asyncio reactor in a thread of its own.

The clients of the tests (smtplib, imapclient, urllib) block, so they cannot run in the loop
that serves them.
"""

import asyncio
import ssl
import sys
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib import import_module
from threading import Thread
from typing import Any, Protocol, TypeVar

import pytest
from twisted.internet import asyncioreactor

from gateway.net.tls import Certificate, own_certificate

T = TypeVar("T")
SECONDS = 60

if "twisted.internet.reactor" not in sys.modules:
    install: Any = asyncioreactor.install  # it has no annotations
    install(asyncio.new_event_loop())


class Server(Protocol):
    async def start(self, port: int = 0) -> None: ...

    async def stop(self) -> None: ...


class Loop:
    """What a test does with the loop from outside."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop and return what it returns."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(SECONDS)

    def call(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call a plain function in the loop."""

        async def called() -> T:
            return function(*args, **kwargs)

        return self.run(called())

    def begin(self, coroutine: Coroutine[Any, Any, T]) -> "Future[T]":
        """Run a coroutine while the test goes on."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)


@pytest.fixture
def loop() -> Iterator[Loop]:
    """The reactor's loop, running in a thread for one test: other rooms use it in between."""
    reactor: Any = import_module("twisted.internet.reactor")
    reactors_loop: asyncio.AbstractEventLoop = reactor._asyncioEventloop
    thread = Thread(target=reactors_loop.run_forever, daemon=True)
    thread.start()
    yield Loop(reactors_loop)
    reactors_loop.call_soon_threadsafe(reactors_loop.stop)
    thread.join(SECONDS)


@pytest.fixture
def serve(loop: Loop) -> Iterator[Callable[[Any], Any]]:
    """Start a server for one test and return it."""
    with ExitStack() as started:

        def start(server: Server) -> Server:
            loop.run(server.start())
            started.callback(lambda: loop.run(server.stop()))
            return server

        yield start


@pytest.fixture(scope="session")
def trust(certificate: Certificate) -> ssl.SSLContext:
    """What a client trusts."""
    return ssl.create_default_context(cafile=certificate.path.parent / "ca.pem")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return own_certificate(tmp_path_factory.mktemp("tls"), "localhost", now=datetime.now(UTC))
