"""Blocking IMAP calls made awaitable: what the remote did is a value, or Unreachable.

They run in small thread pools, in which a host has only so many places: one that swallows
connections or answers to nothing delays its own mailboxes, never those at other hosts.
"""

from __future__ import annotations

import asyncio
import imaplib
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from gateway.config import ConfigError
from gateway.mail.charset import decode_reply
from gateway.net.concurrency import Pool
from gateway.net.imap_values import ImapRefused
from gateway.net.imap_wire import Endpoint, Refusal, why
from gateway.net.unreachable import Unreachable

P = ParamSpec("P")
T = TypeVar("T")

CALL_SECONDS = 300.0
THREADS = 64  # as many as are busy at once are started
THREADS_A_HOST = 8
CANNOT_BE_READ = (  # what the library's parser makes of an answer that it does not expect
    imaplib.IMAP4.error, ValueError, LookupError, TypeError, AttributeError, RecursionError,
)  # fmt: skip


class HostPool:
    """A named thread pool of which one host never has more than `per_host` threads."""

    def __init__(self, name: str, *, threads: int, per_host: int = THREADS_A_HOST) -> None:
        self._pool = Pool(name, threads=threads)
        self._hosts = defaultdict[str, asyncio.Semaphore](lambda: asyncio.Semaphore(per_host))

    async def run(
        self, host: str, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return what `work` returns; raises what it raises, TimeoutError in CALL_SECONDS."""
        async with self._hosts[host], asyncio.timeout(CALL_SECONDS):
            return await self._pool.run(work, *args, **kwargs)

    def close(self) -> None:
        """Take no more work; what runs is not waited for."""
        self._pool.close()


@dataclass(frozen=True, slots=True)
class ImapPools:
    """Threads for connecting and signing in, and others for the rest: sign-ins that hang
    never delay the mailboxes that are connected."""

    sign_in: HostPool
    work: HostPool

    @classmethod
    def start(cls, *, sign_in: int = THREADS, work: int = THREADS) -> ImapPools:
        """Return two pools of up to that many threads."""
        return cls(
            HostPool("imap-sign-in", threads=sign_in),
            HostPool("imap", threads=work),
        )

    def close(self) -> None:
        """Take no more work."""
        self.sign_in.close()
        self.work.close()


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked of a server; `hang_up` ends its connection from any thread."""

    endpoint: Endpoint
    hang_up: Callable[[], None]

    async def make(self, phase: str, asked: Awaitable[T]) -> T | ImapRefused:
        """Return what `asked` returns, or the refusal; raises Unreachable."""
        try:
            return await asked
        except Refusal as refusal:
            return ImapRefused(phase, refusal.code, decode_reply(refusal.text))
        except (OSError, imaplib.IMAP4.abort, ConfigError) as error:  # a time-out is an OSError
            self.hang_up()
            raise Unreachable(f"{self.endpoint}: {why(error)}") from error
        except CANNOT_BE_READ as error:
            return ImapRefused(phase, "BAD", f"cannot be read: {type(error).__name__}")
        except asyncio.CancelledError:
            self.hang_up()
            raise
