"""Pure: mail that is not to leave before its hour (RFC 4865)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from gateway.mail.reply import Reply

MOST = timedelta(days=30)  # ahead
SECONDS = re.compile(r"[0-9]{1,9}")  # RFC 4865 §4
HOLDFOR, HOLDUNTIL = "HOLDFOR", "HOLDUNTIL"
PARAMETERS = frozenset({HOLDFOR, HOLDUNTIL})


def offer(*, now: datetime) -> str:
    """Return the line of EHLO: how far ahead mail may be scheduled (RFC 4865 §3)."""
    latest = (now + MOST).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"FUTURERELEASE {int(MOST.total_seconds())} {latest}"


def find_hold(given: Mapping[str, str], *, now: datetime) -> datetime | Reply | None:
    """Return until when MAIL asks to hold the message, None for not at all, or the refusal.

    An hour that is over holds nothing.
    """
    asked = PARAMETERS & given.keys()
    if not asked:
        return None
    if len(asked) > 1:
        return Reply(501, "5.5.4", "HOLDFOR and HOLDUNTIL exclude each other")
    until = _find_end(given, now)
    if until is None:
        return Reply(
            501, "5.5.4", "HOLDFOR takes seconds, HOLDUNTIL a time such as 2030-01-31T08:00:00Z"
        )
    if until - now > MOST:
        return Reply(501, "5.5.4", f"Mail is held for {MOST.days} days at most")
    return until if until > now else None


def _find_end(given: Mapping[str, str], now: datetime) -> datetime | None:
    if HOLDFOR in given:
        text = given[HOLDFOR]
        return now + timedelta(seconds=int(text)) if SECONDS.fullmatch(text) else None
    try:
        until = datetime.fromisoformat(given[HOLDUNTIL].upper())
        return until.astimezone(UTC) if until.tzinfo else None
    except (ValueError, OverflowError):
        return None
