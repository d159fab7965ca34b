"""When a code ends, and who is told of it when; pure."""

from __future__ import annotations

from datetime import date, timedelta


def expires_on(
    life_days: int, *, issued: date | None, entered_on: date | None, renewed_on: date | None
) -> date | None:
    """Return a code's last day, None where its term is not known.

    It counts from the newest of what a person said and when a person re-authenticated; else
    from the day the code was entered, which is not before it was made.
    """
    if not life_days:
        return None
    known = [one for one in (issued, renewed_on) if one is not None]
    began = max(known) if known else entered_on
    return began + timedelta(days=life_days) if began else None
