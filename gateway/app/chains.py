"""Runs chains beside the event loop: in a thread, or what takes longer in a process.

A chain on a large message makes calls that hold the interpreter for tens of milliseconds (to
decode a body, to take it apart), in which the loop answers nobody, whatever thread they are
made in; and one that computes for long on a small message slows everything down that long. So
the first, and the second once the thread's patience is over, run in one of a few children,
which are started when they are first needed. A child that dies, or thinks for too long, is
replaced, and the message judged again by the next one; what kills that one, too, is the
caller's to count.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from queue import Empty, LifoQueue
from typing import BinaryIO, cast

from gateway.app.chain_child import Job, read_frame, write_frame
from gateway.net.concurrency import Pool
from gateway.policy.asked import Context, nothing_marked
from gateway.policy.chain import Chain, Judgement, run_chain
from gateway.policy.kept import write_kept
from gateway.sieve.interface import Limits
from gateway.store import rows

LARGE_BYTES = 64 * 1024  # above it a step of a chain may take longer than 5 ms
LARGE_CHAIN_CHARACTERS = 256 * 1024
PATIENCE_SECONDS = 0.02  # of a thread; most chains take less than one millisecond
ANSWER_SECONDS = 60.0  # with its compilation; a chain stops itself after two seconds
TRIES = 2
PROGRAM = Path(__file__).with_name("chain_child.py")
PACKAGES = Path(__file__).parents[2]  # where the child finds the same code as ours


class ChildLost(Exception):
    """A process that ran a chain has died, or was killed because it gave no answer."""


class ChildFault(Exception):
    """A fault of ours in a process that ran a chain, as it would be raised here."""


class ChainRunner:
    """Runs chains: on small mail in `pool`, what takes longer in so many `processes`."""

    def __init__(
        self, pool: Pool, *, processes: int, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        """Mail that took a thread `patience_seconds` is given to a process."""
        self._patience_seconds = patience_seconds
        self._small = pool
        self._large = Pool("policy processes", threads=processes)
        self._idle: LifoQueue[Child] = LifoQueue()
        self._is_closed = False

    async def run(
        self, chain: Chain, content: bytes, context: Context, *, on_error: str, limits: Limits
    ) -> Judgement:
        """Return what the chain makes of a message.

        Raises ChildLost when two processes in a row gave no answer, and ChildFault.
        """
        if not is_large(chain, content):
            seconds = min(limits.chain_seconds, self._patience_seconds)
            least = replace(limits, chain_seconds=seconds)
            judgement = await self._small.run(
                run_chain, chain, content, context, on_error=on_error, limits=least
            )
            if not judgement.timed_out:
                return judgement
        return await self._large.run(
            self._run_elsewhere, chain, content, context, on_error=on_error, limits=limits
        )

    def close(self) -> None:
        """Run nothing more, and end the processes."""
        self._is_closed = True
        self._large.close()
        with suppress(Empty):
            while True:
                self._idle.get_nowait().end()

    def _run_elsewhere(
        self, chain: Chain, content: bytes, context: Context, *, on_error: str, limits: Limits
    ) -> Judgement:
        job = Job(
            key=_key(chain, context),
            tenant=context.tenant,
            kind=chain.kind,
            context=replace(context, count=nothing_marked),
            on_error=on_error,
            limits=limits,
        )
        for left in reversed(range(TRIES)):
            child = self._take()
            try:
                judgement = child.judge(job, content, chain=chain, context=context)
            except (OSError, EOFError) as error:
                child.end()
                if not left:
                    raise ChildLost("the process that ran the policies has died") from error
            except BaseException:  # it waits for an answer: nobody else can use it
                child.end()
                raise
            else:
                self._give_back(child)
                return judgement
        raise ChildLost("no process ran the policies")

    def _take(self) -> Child:
        with suppress(Empty):
            return self._idle.get_nowait()
        return Child()

    def _give_back(self, child: Child) -> None:
        if self._is_closed:
            child.end()
        else:
            self._idle.put(child)


class Child:
    """One running process; used by one thread at a time."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", str(PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # what is wrong comes as an answer
            env=_environment(),
            start_new_session=True,  # an interrupt at our terminal is for us to handle
        )
        self._sink = cast("BinaryIO", self.process.stdin)
        self._source = cast("BinaryIO", self.process.stdout)

    def judge(self, job: Job, content: bytes, *, chain: Chain, context: Context) -> Judgement:
        """Return the child's judgement.

        Raises OSError or EOFError when it has none, ChildFault for a fault of ours.
        """
        watch = threading.Timer(ANSWER_SECONDS, self.process.kill)
        watch.daemon = True
        watch.start()
        try:
            write_frame(self._sink, rows.write(job).encode())
            write_frame(self._sink, content)
            while (frame := read_frame(self._source)) is not None:
                said = json.loads(frame)
                if "judgement" in said:
                    return rows.read(Judgement, said["judgement"])
                if "fault" in said:
                    raise ChildFault(said["fault"])
                answer = write_kept(chain) if "want" in said else context.count(*said["count"])
                write_frame(self._sink, str(answer).encode())
            raise EOFError("it ended without an answer")
        finally:
            watch.cancel()

    def end(self) -> None:
        """Kill it and wait until it is gone: it holds nothing that could be lost."""
        self.process.kill()
        self.process.wait()
        for pipe in (self._sink, self._source):
            with suppress(OSError):
                pipe.close()


def is_large(chain: Chain, content: bytes) -> bool:
    """Whether a step of the chain on a message may hold the interpreter for over 5 ms."""
    if not chain.files:
        return False
    characters = sum(map(len, chain.texts.values()))
    return len(content) > LARGE_BYTES or characters > LARGE_CHAIN_CHARACTERS


def _key(chain: Chain, context: Context) -> str:
    files = ",".join(file.path for file in chain.files)
    return f"{chain.kind} {context.tenant.id} {chain.version} {files}"


def _environment() -> dict[str, str]:
    """Only what Python needs to find its packages: ours may hold secrets."""
    paths = [str(PACKAGES), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": os.pathsep.join(paths)}
