"""When a code ends, and who is told of it when; pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from gateway.mailbox.health import AMBIGUOUS, WAVE_PASSES

AHEAD_DAYS = (2, 10, 30)
WAVE_WITHIN = timedelta(minutes=30)
WAVE_MAILBOXES, WAVE_TENANTS = 5, 3
NEAR_ITS_END = timedelta(days=7)
DEAD, WAVE = "dead", "wave"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is known of one mailbox; `told` are the kinds of reminders it had already."""

    tenant: str
    address: str
    provider: str
    ends_on: date | None = None
    paused: bool = False
    refused_since: datetime | None = None  # the first refusal since a sign-in worked
    dead_since: datetime | None = None
    cause: str = ""
    told: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A reminder that is due: `dead`, or the calendar's, which names the last day."""

    address: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """One provider that refuses many at once: it is hardly the codes of all of them."""

    provider: str
    addresses: frozenset[str]


def find_notices(cases: Sequence[Case], *, now: datetime) -> Iterator[Notice]:
    """Yield the reminders that are due and were not told yet, at most one a mailbox.

    A paused mailbox gets those of the calendar only.
    """
    waves = find_waves(cases)
    for case in cases:
        kind = calendar_notice(case.ends_on, today=now.date())
        if case.dead_since is not None and not case.paused:
            in_wave = any(case.address in one.addresses for one in waves)
            # a wave delays an ambiguous reminder, and never suppresses one
            delay = WAVE_PASSES if in_wave and case.cause == AMBIGUOUS else timedelta()
            kind = DEAD if now >= case.dead_since + delay else None
        if kind is not None and kind not in case.told:
            yield Notice(address=case.address, kind=kind)


def find_waves(cases: Sequence[Case]) -> list[Wave]:
    """Return the providers at which many of several tenants were refused within half an hour.

    Mailboxes near the end of their code's term do not count: it explains them.
    """
    struck: defaultdict[str, list[_Struck]] = defaultdict(list)
    for one in cases:
        if one.refused_since is not None and not _is_near(one):
            struck[one.provider].append((one.refused_since, one.address, one.tenant))
    found = {provider: _in_waves(sorted(those)) for provider, those in sorted(struck.items())}
    return [
        Wave(provider=provider, addresses=addresses)
        for provider, addresses in found.items()
        if addresses
    ]


def calendar_notice(ends_on: date | None, *, today: date) -> str | None:
    """Return which notice of the calendar is due for a code, None when there is none.

    Of several that were missed the most urgent is told alone.
    """
    if ends_on is None:
        return None
    left = (ends_on - today).days
    if left < 0:
        return f"expired {ends_on.isoformat()}"
    days = next((days for days in AHEAD_DAYS if left <= days), None)
    return f"{days} days before {ends_on.isoformat()}" if days else None


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


_Struck = tuple[datetime, str, str]


def _in_waves(struck: Sequence[_Struck]) -> frozenset[str]:
    """Return the addresses that belong to a wave; `struck` are of one provider, in order.

    Each is looked at once: a wave may be of thousands.
    """
    found: set[str] = set()
    tenants: Counter[str] = Counter()  # of those from `begin` to `end`
    end = noted = 0
    for begin, (since, _, tenant) in enumerate(struck):
        while end < len(struck) and struck[end][0] <= since + WAVE_WITHIN:
            tenants[struck[end][2]] += 1
            end += 1
        if end - begin >= WAVE_MAILBOXES and len(tenants) >= WAVE_TENANTS:
            found.update(address for _, address, _ in struck[max(begin, noted) : end])
            noted = end
        tenants[tenant] -= 1
        if not tenants[tenant]:
            del tenants[tenant]
    return frozenset(found)


def _is_near(case: Case) -> bool:
    """Whether the calendar explains a refusal."""
    if case.ends_on is None or case.refused_since is None:
        return False
    return abs(case.refused_since.date() - case.ends_on) <= NEAR_ITS_END
