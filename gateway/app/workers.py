"""The processes beside the server that take mail in: started, watched, started again.

They share the listening sockets and the store's file. Each says `ready` and then a dot for
whatever it has queued, on its standard output; it ends when its standard input does, which
the system closes when the server dies, however it dies.
"""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from signal import SIGTERM
from socket import socket

from gateway import events
from gateway.config import ConfigError, Settings
from gateway.net.concurrency import spawn_lasting, stop_tasks
from gateway.submission.tally import Tally, open_memory

READY = b"ready\n"
MOST_BY_DEFAULT = 4
START_SECONDS = 60.0
DRAIN_SECONDS = 40.0  # a little more than a worker takes by itself
REST_SECONDS = 1.0  # before a worker that ended is started again


def count_workers(settings: Settings) -> int:
    """Return how many processes there are to be in all: [server] workers, or by the cores."""
    cores = len(os.sched_getaffinity(0))
    return settings.server.workers or min(cores, MOST_BY_DEFAULT)


class Workers:
    """`count` processes that take mail on `sockets`; `queued` is called when one has some."""

    def __init__(
        self,
        settings: Settings,
        *,
        count: int,
        sockets: Sequence[socket],
        queued: Callable[[], None],
        start_seconds: float = START_SECONDS,
    ) -> None:
        """All of them together have `start_seconds` to listen."""
        self._start_seconds = start_seconds
        self._settings = settings
        self._count = count
        self._sockets = sockets
        self._queued = queued
        self._running: set[Process] = set()
        self._tally = open_memory(parts=count)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Return when each of them listens; raises ConfigError when one cannot."""
        try:
            async with asyncio.timeout(self._start_seconds):
                started = [await self._start_one(part) for part in range(self._count)]
        except TimeoutError as error:
            seconds = f"{self._start_seconds:g} seconds"
            late = f"the processes that take mail were not up in {seconds}"
            raise ConfigError(f"{late}: write fewer [server] workers") from error
        self._tasks = [
            spawn_lasting(partial(self._keep_up, process, part), name=f"worker {process.pid}")
            for part, process in enumerate(started)
        ]

    async def stop(self) -> None:
        """Let their sessions end, then end them."""
        await stop_tasks(self._tasks)
        for one in self._sockets:
            one.close()  # or clients would wait in a queue that nobody serves
        running = list(self._running)
        for process in running:
            with suppress(ProcessLookupError):
                process.send_signal(SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                await asyncio.gather(*(one.wait() for one in running))
        for process in running:
            with suppress(ProcessLookupError):
                process.kill()
        os.close(self._tally)

    async def _start_one(self, part: int) -> Process:
        Tally.shared(self._tally, part=part).forget_sessions()  # of the one that had it before
        numbers = [one.fileno() for one in self._sockets]
        words = ["-m", "gateway", "serve", "--config", str(self._settings.path)]
        given = ",".join(str(number) for number in numbers)
        process = await asyncio.create_subprocess_exec(
            sys.executable, *words, "--take-mail", given, "--tally", f"{self._tally},{part}",
            stdin=PIPE, stdout=PIPE, pass_fds=[*numbers, self._tally],
        )  # fmt: skip
        try:
            said = await _says(process).readline()
        except asyncio.CancelledError:  # it takes too long, or the server ends
            process.kill()
            await process.wait()
            raise
        if said != READY:
            await process.wait()
            raise ConfigError("a process that takes mail could not start: see the log above")
        self._running.add(process)
        return process

    async def _keep_up(self, process: Process, part: int) -> None:
        """Listen to a worker; start another one when it has ended."""
        while True:
            while await _says(process).read(4096):
                self._queued()
            self._running.discard(process)
            events.worker_ended(pid=process.pid, code=await process.wait())
            process = await self._start_again(part)

    async def _start_again(self, part: int) -> Process:
        while True:
            await asyncio.sleep(REST_SECONDS)
            try:
                async with asyncio.timeout(self._start_seconds):
                    return await self._start_one(part)
            except (ConfigError, OSError, TimeoutError) as error:
                events.task_failed(task="start of a worker", error=error)


def _says(process: Process) -> asyncio.StreamReader:
    if process.stdout is None:
        raise ValueError("a worker is started with a pipe")
    return process.stdout
