"""Our ids: 18 characters that sort by time and read well over a telephone."""

from __future__ import annotations

import secrets
import time
from datetime import datetime

ID_FIELD = "X-Gateway-Id"  # the header field that names a message of ours
REF_FIELD = "X-Gateway-Conversation-Ref"  # what a helpdesk calls a conversation
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's Base32: no I, L, O, U
SECOND = 1000 << 40  # what is further ahead was made before the clock was set back
_newest = [0]  # of this process, as a number


def new_id() -> str:
    """Return a new id: 10 characters of the time in milliseconds, 8 of chance (40 bits).

    It sorts after the one before, so that mail of one millisecond keeps its order, unless
    the clock was set back.
    """
    number = number_after(_newest[0], at_ms=time.time_ns() // 1_000_000)
    _newest[0] = number
    return _base32(number, 18)


def number_after(before: int, *, at_ms: int) -> int:
    """Return the number of an id that follows another one; `at_ms` is since 1970."""
    number = (at_ms << 40) | secrets.randbits(40)
    is_late = number <= before < number + SECOND
    return before + 1 + secrets.randbits(30) if is_late else number


def first_id(at: datetime) -> str:
    """Return what sorts before every id made at `at` or later, after every earlier one."""
    return _base32(int(at.timestamp() * 1000), 10)


def _base32(number: int, length: int) -> str:
    return "".join(ALPHABET[(number >> 5 * place) & 31] for place in reversed(range(length)))
