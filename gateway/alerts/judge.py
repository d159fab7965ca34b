"""What began, what is told of, what is over: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from gateway.mail.trouble import KnownTrouble, Trouble, TroubleChanges

AT_MOST_EVERY = timedelta(days=1)


def find_changes(
    known: Mapping[str, KnownTrouble], troubles: Sequence[Trouble], *, now: datetime
) -> TroubleChanges:
    """Return what a look changes, given every trouble of this moment.

    A cause that comes and goes is told at most once a day: what comes again sooner is kept,
    and told of once the day is over, if it lasts.
    """
    present = {one.cause: _with_its_beginning(one, known.get(one.cause)) for one in troubles}
    return TroubleChanges(
        begun=tuple(one for one in present.values() if not _is_open(known, one)),
        told=tuple(one for one in present.values() if _is_to_tell(known.get(one.cause), now)),
        ended=tuple(
            one for cause, one in known.items() if one.is_open and cause not in present
        ),
    )


def _with_its_beginning(trouble: Trouble, known: KnownTrouble | None) -> Trouble:
    """What is kept knows since when: not every look does."""
    return known.trouble if known and known.is_open else trouble


def _is_open(known: Mapping[str, KnownTrouble], trouble: Trouble) -> bool:
    before = known.get(trouble.cause)
    return before is not None and before.is_open


def _is_to_tell(known: KnownTrouble | None, now: datetime) -> bool:
    if known is None:
        return True
    if known.is_open and known.is_told:
        return False
    return known.told_at is None or now - known.told_at >= AT_MOST_EVERY
