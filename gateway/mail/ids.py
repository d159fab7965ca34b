"""Our ids: 18 characters that sort by time and read well over a telephone."""

from __future__ import annotations

import secrets
import time
from datetime import datetime

ID_FIELD = "X-Gateway-Id"  # the header field that names a message of ours
REF_FIELD = "X-Gateway-Conversation-Ref"  # what a helpdesk calls a conversation
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's Base32: no I, L, O, U


def new_id() -> str:
    """Return a new id: 10 characters of the time in milliseconds, 8 of chance (40 bits)."""
    return _base32(time.time_ns() // 1_000_000, 10) + _base32(secrets.randbits(40), 8)


def first_id(at: datetime) -> str:
    """Return what sorts before every id made at `at` or later, after every earlier one."""
    return _base32(int(at.timestamp() * 1000), 10)


def _base32(number: int, length: int) -> str:
    return "".join(ALPHABET[(number >> 5 * place) & 31] for place in reversed(range(length)))
