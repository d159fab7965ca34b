"""An application on uvicorn, inside of the loop that runs already."""

from __future__ import annotations

import os
import socket
from asyncio import Task
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from gateway.config import ConfigError
from gateway.net.concurrency import spawn

BACKLOG = 128
GRACE_SECONDS = 5  # a slow reader does not hold up the end for longer


class Serving:
    """An application that is being served; `port` is the one in use."""

    def __init__(self, server: _Server, task: Task[None], *, port: int) -> None:
        self.port = port
        self._server = server
        self._task = task

    async def stop(self) -> None:
        """Take no more requests, finish those that run, and return when all is closed."""
        self._server.should_exit = True
        await self._task


async def serve_web(app: Any, address: str) -> Serving:
    """Serve an ASGI application on `HOST:PORT`; port 0 lets the system choose.

    Connections are taken from the moment this returns. Raises ConfigError when the address
    cannot be had.
    """
    listening = _listen(address)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = _Server(config)
    task = spawn(server.serve(sockets=[listening]), name="web")
    return Serving(server, task, port=listening.getsockname()[1])


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the program: it drains mail before it ends."""
        yield


def _listen(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, int(port)), family=family, backlog=BACKLOG)
    except (OSError, ValueError) as error:
        number = getattr(error, "errno", None)  # the library adds to its words
        why = os.strerror(number).lower() if number else "is not an address and a port"
        raise ConfigError(f"[console] address '{address}': {why}") from error
    listening.setblocking(False)
    return listening
