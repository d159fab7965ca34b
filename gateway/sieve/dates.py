"""Dates in header fields (RFC 5322 §3.3) and the parts of them (RFC 5260 §4.2)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta, timezone, tzinfo

_MONTHS = {
    name: number
    for number, name in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1
    )
}
_ZONES = {"ut": 0, "gmt": 0, "utc": 0, "z": 0, "est": -5, "edt": -4, "cst": -6, "cdt": -5}
_ZONES |= {"mst": -7, "mdt": -6, "pst": -8, "pdt": -7}
_MJD_OFFSET = 678576  # of the proleptic ordinal of 17 November 1858


def parse_date(value: str) -> datetime | None:
    """Return the date in a header field's value, its zone kept, or None.

    What stands before the last semicolon is skipped, as in Received. The first year and the
    last are no dates here: in another zone they would have no number.
    """
    words = _without_comments(value.rpartition(";")[2]).replace(",", " ").split()
    if words and words[0][:1].isalpha():
        words = words[1:]
    if len(words) < 4:
        return None
    day, month, year, clock = words[:4]
    zone = parse_zone(words[4]) if len(words) > 4 else UTC
    numbers = _numbers(day, year, clock)
    if numbers is None or zone is None or month.lower() not in _MONTHS:
        return None
    try:
        day_number, year_number, (hour, minute, second) = numbers
        if not MINYEAR < year_number < MAXYEAR:
            return None
        return datetime(
            year_number, _MONTHS[month.lower()], day_number, hour, minute, second, tzinfo=zone
        )
    except ValueError:
        return None


def parse_zone(text: str) -> tzinfo | None:
    """Return the zone of `+hhmm`, or of an old name (RFC 5322 §4.3), or None."""
    if text.lower() in _ZONES:
        return timezone(timedelta(hours=_ZONES[text.lower()]))
    sign, digits = text[:1], text[1:]
    if sign not in ("+", "-") or len(digits) != 4 or not _is_number(digits):
        return None
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 23 or minutes > 59:
        return None
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if sign == "-" else offset)


def _without_comments(text: str) -> str:
    kept: list[str] = []
    depth = 0
    for character in text:
        depth += character == "("
        if not depth:
            kept.append(character)
        elif character == ")":
            depth -= 1
    return "".join(kept)


def _numbers(day: str, year: str, clock: str) -> tuple[int, int, tuple[int, int, int]] | None:
    parts = clock.split(":")
    if len(parts) not in (2, 3) or not all(map(_is_number, [day, year, *parts])):
        return None
    number = int(year)
    if len(year) < 4:  # RFC 5322 §4.3
        number += 2000 if len(year) == 2 and number < 50 else 1900
    hour, minute, second = (*map(int, parts), 0)[:3]
    return int(day), number, (hour, minute, min(second, 59))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 6


def _zone(date: datetime) -> str:
    return date.strftime("%z")[:5] or "+0000"


def _julian(date: datetime) -> str:
    """Return the Modified Julian Day, counted in UTC."""
    return str(date.astimezone(UTC).date().toordinal() - _MJD_OFFSET)


def _iso8601(date: datetime) -> str:
    zone = _zone(date)
    return f"{_date(date)}T{_time(date)}{zone[:3]}:{zone[3:]}"


def _std11(date: datetime) -> str:
    day = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"][date.weekday()]
    month = [*_MONTHS][date.month - 1].capitalize()
    return f"{day}, {date.day:02d} {month} {date.year:04d} {_time(date)} {_zone(date)}"


def _date(date: datetime) -> str:
    return f"{date.year:04d}-{date.month:02d}-{date.day:02d}"


def _time(date: datetime) -> str:
    return f"{date.hour:02d}:{date.minute:02d}:{date.second:02d}"


DATE_PARTS: dict[str, Callable[[datetime], str]] = {
    "year": lambda date: f"{date.year:04d}",
    "month": lambda date: f"{date.month:02d}",
    "day": lambda date: f"{date.day:02d}",
    "date": _date,
    "julian": _julian,
    "hour": lambda date: f"{date.hour:02d}",
    "minute": lambda date: f"{date.minute:02d}",
    "second": lambda date: f"{date.second:02d}",
    "time": _time,
    "iso8601": _iso8601,
    "std11": _std11,
    "zone": _zone,
    "weekday": lambda date: str(date.isoweekday() % 7),
}
