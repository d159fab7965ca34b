"""Our ids: 18 characters that sort by time and read well over a telephone."""

from __future__ import annotations

import secrets
import time
from datetime import datetime

ID_FIELD = "X-Gateway-Id"  # the header field that names a message of ours
REF_FIELD = "X-Gateway-Conversation-Ref"  # what a helpdesk calls a conversation
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's Base32: no I, L, O, U
NEWEST = [0]  # of this process, as a number
SECOND = 1000 << 40  # what is further ahead was made before the clock was set back


def new_id() -> str:
    """Return a new id: 10 characters of the time in milliseconds, 8 of chance (40 bits).

    It sorts after the one before, so that mail of one millisecond keeps its order, unless
    the clock was set back.
    """
    found, before = (time.time_ns() // 1_000_000 << 40) | secrets.randbits(40), NEWEST[0]
    if found <= before < found + SECOND:
        found = before + 1 + secrets.randbits(30)
    NEWEST[0] = found
    return _base32(found, 18)


def first_id(at: datetime) -> str:
    """Return what sorts before every id made at `at` or later, after every earlier one."""
    return _base32(int(at.timestamp() * 1000), 10)


def _base32(number: int, length: int) -> str:
    return "".join(ALPHABET[(number >> 5 * place) & 31] for place in reversed(range(length)))
