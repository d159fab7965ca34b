"""Runs chains on large messages, one after the other, for `app.chains`: a program by itself.

What it reads and writes are frames: eight bytes of length, then so many bytes. A job is a
frame of JSON and one of content; it is answered by frames of JSON, the last one the result.
It keeps nothing, and ends when its standard input does, however its server ends.
"""

from __future__ import annotations

import json
import sys
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

from gateway.mail.tenant import Tenant
from gateway.policy.asked import Context
from gateway.policy.chain import Chain, Judgement, run_chain
from gateway.policy.kept import read_kept
from gateway.sieve.interface import Limits
from gateway.store import rows

KEPT_CHAINS = 32
LENGTH_BYTES = 8

Ask = Callable[[dict[str, Any]], bytes]
"""Sends a question and returns the frame that answers it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One chain to run; `context.count` is asked for by frames."""

    key: str  # names a compiled chain: its kind, tenant, version and files
    tenant: Tenant
    kind: str
    context: Context
    on_error: str
    limits: Limits


class Runner:
    """Keeps the chains that were compiled last."""

    def __init__(self) -> None:
        self._chains: OrderedDict[str, Chain] = OrderedDict()

    def run(self, job: Job, content: bytes, ask: Ask) -> Judgement:
        """Return what the chain makes of the content."""

        def count(kind: str, handle: str, key: str, seconds: int) -> int:
            return int(ask({"count": [kind, handle, key, seconds]}))

        context = replace(job.context, count=count)
        chain = self._chain(job, ask)
        return run_chain(chain, content, context, on_error=job.on_error, limits=job.limits)

    def _chain(self, job: Job, ask: Ask) -> Chain:
        chain = self._chains.get(job.key)
        if chain is None:
            kept = ask({"want": job.key}).decode()
            chain = read_kept(kept, job.tenant, job.kind, limits=job.limits)
        if chain is None:
            raise ValueError(f"{job.key}: what compiled elsewhere does not compile here")
        self._chains[job.key] = chain
        self._chains.move_to_end(job.key)
        if len(self._chains) > KEPT_CHAINS:
            self._chains.popitem(last=False)
        return chain


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer jobs until there are no more."""
    runner = Runner()

    def ask(question: dict[str, Any]) -> bytes:
        write_frame(sink, json.dumps(question).encode())
        answer = read_frame(source)
        if answer is None:
            raise EOFError("the server is gone")
        return answer

    while (asked := read_frame(source)) is not None:
        content = read_frame(source)
        if content is None:
            return
        try:
            judgement = runner.run(rows.read(Job, asked.decode()), content, ask)
        except Exception as error:  # noqa: BLE001 - a fault of ours, told where it is logged
            said = {"fault": f"{type(error).__name__}: {error}"}
        else:
            said = {"judgement": rows.write(judgement)}
        write_frame(sink, json.dumps(said).encode())


def read_frame(source: BinaryIO) -> bytes | None:
    """Return the next frame, None at the end; raises EOFError within one."""
    head = source.read(LENGTH_BYTES)
    if not head:
        return None
    length = int.from_bytes(head, "big")
    frame = source.read(length)
    if len(head) < LENGTH_BYTES or len(frame) < length:
        raise EOFError("a frame was cut off")
    return frame


def write_frame(sink: BinaryIO, frame: bytes) -> None:
    """Write one frame to its end."""
    sink.write(len(frame).to_bytes(LENGTH_BYTES, "big"))
    sink.write(frame)
    sink.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
