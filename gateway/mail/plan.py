"""What the policies decided: data, carried out by `actions`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from gateway.mail.message import Edit

MOST_SHOWN = 80  # characters


class EffectKind(StrEnum):
    """The effects a chain can ask for; the words of `policy test --json`."""

    STORE = "store"  # keep, fileinto and route; target INBOX is the default route
    REDIRECT = "redirect"
    REJECT = "reject"
    VACATION = "vacation"
    HOLD = "hold"
    AGENT = "agent"
    NOTIFY = "notify"
    DISCARD = "discard"  # recorded so that a discarded mail names its rule


HOLD_ENDS = {"release": "released", "reject": "rejected", "discard": "discarded"}
"""What `hold :then` may say, and what is then done with the message."""


Done = tuple[str, str, str, int]
"""A command that was run (`setenvelope` with its part), its target, and its file and line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One thing to do, and which line of which file asked for it."""

    kind: EffectKind
    target: str = ""
    file: str = ""
    line: int = 0
    reason: str = ""
    flags: tuple[str, ...] = ()
    edits: tuple[Edit, ...] = ()  # the message as it was at that moment
    arguments: dict[str, Any] = field(default_factory=dict)  # of vacation, reject, hold, ...
    globals: tuple[tuple[str, str], ...] = ()  # of a hold: what files behind it may ask for
    held_by: str = ""  # of a hold: the file of the chain; `file` may be one that it includes
    done: tuple[Done, ...] = ()  # of a hold: what was asked for before it

    @property
    def shown_target(self) -> str:
        """The beginning of its target, on one line: an agent's guidance may be a page."""
        first = (self.target.strip().splitlines() or [""])[0][:MOST_SHOWN]
        return first if first == self.target else f"{first} ..."


def end_of_hold(hold: Effect, *, begun_at: datetime) -> datetime | None:
    """Return when a hold ends by itself (`hold :for SECONDS`), None when it does not."""
    seconds = hold.arguments.get("seconds")
    return None if seconds is None else begun_at + timedelta(seconds=int(seconds))


def words_of_end(hold: Effect, *, at: datetime) -> str:
    """Return for people what becomes of a held message when its hold ends."""
    end = HOLD_ENDS[hold.arguments.get("then") or "release"]
    return f"it is {end} at {at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"


class Step(NamedTuple):
    """One line of the trace: a command or test that ran, and what it compared."""

    file: str
    line: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Effects in order; the version of the chain; the trace; errors that held the message."""

    effects: tuple[Effect, ...]
    version: str
    trace: tuple[Step, ...] = ()
    errors: tuple[str, ...] = ()
