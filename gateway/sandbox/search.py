"""SEARCH, as far as a gateway needs it (RFC 9051 §6.4.4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any, Protocol

from twisted.mail.imap4 import IllegalQueryError, parseIdList

from gateway.mail.message import parse_message

Key = Any  # bytes, or a list of keys in parentheses
HEADERS = {"FROM": "From", "TO": "To", "CC": "Cc", "SUBJECT": "Subject"}
find_ids: Any = parseIdList  # it has no annotations
FLAGS = {"SEEN", "ANSWERED", "FLAGGED", "DELETED", "DRAFT"}


class Findable(Protocol):
    """What a search looks at."""

    uid: int
    content: bytes
    internal_date: datetime
    flags: set[str]


def find_letters(query: Sequence[Key], letters: Sequence[Findable]) -> list[int]:
    """Return the sequence numbers of the letters that match all keys of `query`.

    Raises IllegalQueryError for a key that is not known here.
    """
    return [
        number
        for number, letter in enumerate(letters, 1)
        if _matches(list(query), number, letter, letters=letters)
    ]


def _matches(
    keys: list[Key], number: int, letter: Findable, *, letters: Sequence[Findable]
) -> bool:
    while keys:
        if not _matches_next(keys, number, letter, letters=letters):
            return False
    return True


def _matches_next(
    keys: list[Key], number: int, letter: Findable, *, letters: Sequence[Findable]
) -> bool:
    """Take one key and its arguments off `keys`."""
    key = keys.pop(0)
    if isinstance(key, list):
        return _matches(list(key), number, letter, letters=letters)
    name = key.decode("ascii", "replace").upper()
    if name == "NOT":
        return not _matches_next(keys, number, letter, letters=letters)
    if name == "OR":
        sides = [_matches_next(keys, number, letter, letters=letters) for _ in range(2)]
        return any(sides)
    if name == "UID":
        return letter.uid in find_ids(keys.pop(0), letters[-1].uid)
    if key[:1].isdigit() or key[:1] == b"*":
        return number in find_ids(key, len(letters))
    return _matches_content(name, keys, letter)


def _matches_content(name: str, keys: list[Key], letter: Findable) -> bool:
    if name == "ALL":
        return True
    if name in FLAGS:
        return f"\\{name.capitalize()}" in letter.flags
    if name.removeprefix("UN") in FLAGS:
        return f"\\{name.removeprefix('UN').capitalize()}" not in letter.flags
    if name == "HEADER":
        return _in_header(keys.pop(0).decode("ascii"), keys.pop(0), letter)
    if name in HEADERS:
        return _in_header(HEADERS[name], keys.pop(0), letter)
    if name in {"TEXT", "BODY"}:
        return keys.pop(0).lower() in letter.content.lower()
    if compare := BY_DAY.get(name):
        return compare(letter.internal_date.date(), parse_day(keys.pop(0)))
    raise IllegalQueryError(f"{name} is not known here")


BY_DAY: dict[str, Callable[[date, date], bool]] = {
    "SINCE": lambda came, day: came >= day,
    "BEFORE": lambda came, day: came < day,
    "ON": lambda came, day: came == day,
}


def parse_day(text: bytes) -> date:
    """Return the day in `1-Feb-2026`. Raises ValueError."""
    return datetime.strptime(text.decode("ascii"), "%d-%b-%Y").date()


def _in_header(name: str, wanted: bytes, letter: Findable) -> bool:
    text = wanted.decode("utf-8", "replace").casefold()
    return any(
        text in field.decoded.casefold() for field in parse_message(letter.content).all(name)
    )
