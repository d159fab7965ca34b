"""What all processes that take mail count together, so that a limit holds for their sum.

They share memory in which each has a part that it alone writes; a sum reads all parts, so
nobody waits for a lock. An address has a place by a keyed hash: two addresses at one place are
counted as one, and nobody outside can choose them so. Failed sign-ins are written into a ring,
and each process reads what the others wrote before it judges the next one.

Times are those of `time.monotonic`, which is one clock for all processes of a machine.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from hashlib import blake2b
from mmap import mmap

from gateway.submission.rate import RecentCount

PLACES = 65_536  # for addresses
RING = 4096  # failures that are remembered of each process
KEY_BYTES = 16
COUNT_BYTES, WORD_BYTES = 4, 8
HEAD_BYTES = 4096  # a page, of which the key is the first bytes
PART_BYTES = PLACES * COUNT_BYTES + RING * 2 * WORD_BYTES + HEAD_BYTES


class _Part:
    """The counters of one process."""

    def __init__(self, view: memoryview) -> None:
        ring_at = PLACES * COUNT_BYTES
        times_at = ring_at + RING * WORD_BYTES
        totals_at = times_at + RING * WORD_BYTES
        self.sessions = view[:ring_at].cast("I")  # by place
        self.names = view[ring_at:times_at].cast("Q")
        self.times = view[times_at:totals_at].cast("d")
        self.totals = view[totals_at : totals_at + 2 * WORD_BYTES].cast("Q")

    @property
    def open_sessions(self) -> int:
        return self.totals[0]

    @property
    def failures(self) -> int:
        """How many were ever written; the last RING of them are there."""
        return self.totals[1]


class Tally:
    """The counters of all processes, as one of them has them: it writes its own `part`."""

    def __init__(self, memory: mmap, *, part: int) -> None:
        view = memoryview(memory)
        self._key = bytes(view[:KEY_BYTES])
        self.parts = [
            _Part(view[at : at + PART_BYTES]) for at in range(HEAD_BYTES, len(view), PART_BYTES)
        ]
        self._own = self.parts[part]

    @classmethod
    def alone(cls) -> Tally:
        """Return the counters of a process that takes mail alone."""
        number = open_memory(parts=1)
        try:
            return cls.shared(number, part=0)
        finally:
            os.close(number)

    @classmethod
    def shared(cls, number: int, *, part: int) -> Tally:
        """Return the counters behind the file descriptor of `open_memory`."""
        return cls(mmap(number, 0), part=part)

    @property
    def sessions(self) -> int:
        """How many sessions are open in all processes."""
        return sum(one.open_sessions for one in self.parts)

    def sessions_of(self, client: str) -> int:
        """Return how many sessions an address has open in all processes."""
        place = self.name_of(client) % PLACES
        return sum(one.sessions[place] for one in self.parts)

    def opened(self, client: str) -> None:
        """Count a session of an address."""
        self._own.sessions[self.name_of(client) % PLACES] += 1
        self._own.totals[0] += 1

    def closed(self, client: str) -> None:
        """Count it no more."""
        self._own.sessions[self.name_of(client) % PLACES] -= 1
        self._own.totals[0] -= 1

    def forget_sessions(self) -> None:
        """Say that this part has no sessions: its process is gone."""
        self._own.sessions[:] = memoryview(bytes(PLACES * COUNT_BYTES)).cast("I")
        self._own.totals[0] = 0

    def fail(self, name: int, *, now: float) -> None:
        """Write that a sign-in failed, for every process to read."""
        at = self._own.failures % RING
        self._own.names[at], self._own.times[at] = name, now
        self._own.totals[1] += 1  # last, so that nobody reads it before it is there

    def name_of(self, text: str) -> int:
        """Return the number by which a text is counted here."""
        digest = blake2b(text.encode(), key=self._key, digest_size=WORD_BYTES).digest()
        return int.from_bytes(digest, "little")


class FailureCount:
    """How often sign-ins failed in all processes within the last `seconds`, by key."""

    def __init__(self, tally: Tally, *, seconds: float) -> None:
        self._tally = tally
        self._recent = RecentCount(seconds=seconds)
        self._read = [0] * len(tally.parts)

    def add(self, key: str, *, now: float) -> None:
        """Count one more."""
        self._tally.fail(self._tally.name_of(key), now=now)

    def count(self, key: str, *, now: float) -> int:
        """Return how often `key` was added lately, in whichever process."""
        for at, name in sorted(self._news()):
            self._recent.add(str(name), now=at)
        return self._recent.count(str(self._tally.name_of(key)), now=now)

    def _news(self) -> Iterator[tuple[float, int]]:
        """Yield when what failed since the last look."""
        for number, part in enumerate(self._tally.parts):
            written = part.failures
            for each in range(max(self._read[number], written - RING), written):
                yield part.times[each % RING], part.names[each % RING]
            self._read[number] = written


def open_memory(*, parts: int) -> int:
    """Return a file descriptor of memory for so many processes; the caller closes it."""
    number = os.memfd_create("gateway-tally")
    os.write(number, secrets.token_bytes(KEY_BYTES))
    os.truncate(number, HEAD_BYTES + parts * PART_BYTES)
    return number
