"""What a person has to mend, in words for the mail that tells of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

UNANSWERED = "unanswered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One cause of one alert: told once, and once more when it is over."""

    cause: str  # names it for good: "upstream acme own"
    what: str  # a line: what happened
    why: str
    fix: str
    command: str  # that shows more
    since: datetime
    tenant: str | None = None  # None: it is the operator's alone
    owner: str | None = None  # the address that is told beside the operator


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTrouble:
    """A cause as it was kept: whether it lasts, and whether this time was told of."""

    trouble: Trouble
    is_open: bool
    is_told: bool
    told_at: datetime | None = None  # the last time, this one or an earlier one


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One mail to one person, on its way until it is sent."""

    message_id: str  # with angle brackets: the same at each try
    cause: str
    recipient: str
    content: bytes = field(repr=False)
    queued_at: datetime
    attempts: int = 0
    last_reply: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TroubleChanges:
    """What is kept after a look: causes that began, were told of, and are over."""

    begun: tuple[Trouble, ...] = ()
    told: tuple[Trouble, ...] = ()
    ended: tuple[KnownTrouble, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminder:
    """What somebody is told of a mailbox or an upstream, or the operator of a provider."""

    about: str  # the mailbox, the upstream's lane, or the provider of a wave
    kind: str  # dead | wave | unanswered | the calendar's | who paused the upstream
    reason: str
    fix: str
    owner: str = ""  # empty where the tenant names nobody: the operator is told
    link: str = ""  # to the page that takes a new code; empty where it is about no code
    is_sign_in: bool = False  # there is no code: the link leads to a sign-in by OAuth2
