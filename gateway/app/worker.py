"""One process that takes mail in beside the server, on sockets that the server has opened."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial

from gateway import events, log_formats
from gateway.app import reactor
from gateway.app.foundation import Foundation, lay_foundation, open_store
from gateway.app.intake import Intake
from gateway.app.listening import server_tls
from gateway.app.policies import open_chains
from gateway.app.workers import READY
from gateway.config import Settings
from gateway.net.concurrency import keep_pauses_short, spawn_lasting, stop_tasks
from gateway.store.errors import StoreError
from gateway.submission.tally import Tally

LOOK_SECONDS = 0.5
TELL_SECONDS = 0.01  # the server is told once for what is queued within this time


def take_mail(settings: Settings, numbers: Sequence[int], *, tally: tuple[int, int]) -> None:
    """Take mail on the sockets of these file descriptors until SIGTERM.

    `tally` are the file descriptor of what the processes count together, and our part of it.

    Ends at once when the server is gone: only the server may deliver, and a next one opens
    the same ports.
    """
    log_formats.set_up(log_format=settings.log.format, hostname=settings.server.hostname)
    sockets = [socket.socket(fileno=number) for number in numbers]
    shared, part = tally
    worker = Worker(settings, sockets, Tally.shared(shared, part=part))

    async def begin() -> bool:
        await worker.start()
        keep_pauses_short()
        return True

    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the server decides, and ends its workers
    reactor.run(begin, worker.stop)


class Worker:
    """Takes mail on `sockets` and tells the server of it."""

    def __init__(
        self, settings: Settings, sockets: Sequence[socket.socket], tally: Tally
    ) -> None:
        self._settings = settings
        self._tally = tally
        self._sockets = sockets
        self._stack = AsyncExitStack()
        self._is_telling = False

    async def start(self) -> None:
        """Begin; raises ConfigError or StoreError."""
        settings, stack = self._settings, self._stack
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), self._read_from_server)
        store = open_store(settings)
        stack.callback(store.close)
        base = await lay_foundation(settings, store)
        chains = await open_chains(base)
        stack.callback(chains.close)
        intake = Intake(
            base,
            chains=chains,
            tls=server_tls(settings),
            sockets=self._sockets,
            queued=self._tell_soon,
            tally=self._tally,
        )
        stack.push_async_callback(intake.stop)
        await intake.start()
        tasks = [spawn_lasting(partial(_look, base), name="look for changes")]
        stack.push_async_callback(stop_tasks, tasks)
        os.set_blocking(sys.stdout.fileno(), False)
        os.write(sys.stdout.fileno(), READY)

    async def stop(self) -> None:
        """Let sessions end, then close the store."""
        await self._stack.aclose()

    def _read_from_server(self) -> None:
        if not os.read(sys.stdin.fileno(), 1):
            os._exit(1)

    def _tell_soon(self) -> None:
        if not self._is_telling:
            self._is_telling = True
            asyncio.get_running_loop().call_later(TELL_SECONDS, self._tell)

    def _tell(self) -> None:
        self._is_telling = False
        with suppress(BlockingIOError, BrokenPipeError):  # it has unread dots, or is gone
            os.write(sys.stdout.fileno(), b".")


async def _look(base: Foundation) -> None:
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            await base.directory.look()
        except StoreError as error:  # it may pass
            events.task_failed(task="look for changes", error=error)
