"""Evidence -> ok, suspect or dead; pure.

Dead takes three refusals of the sign-in over `[mailboxes] dead_after`: Chinese providers
say "wrong password" when they are merely busy. A network or name that fails, a throttle
and a fault of ours are never evidence for death, but last long enough to be shown. One
success heals.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.providers.causes import Turn

REFUSALS_TO_DIE = 3
KEPT = 10  # pieces of evidence of a kind: the first and the newest
PROBE_DEAD_EVERY = timedelta(days=1)
AMBIGUOUS = "login-ambiguous"  # it may be the code, and may be the provider
WAVE_PASSES = timedelta(hours=2)  # a provider that says so to everybody
PROBE_WAVE_EVERY = timedelta(minutes=30)
THROTTLE_WAITS = (timedelta(minutes=15), timedelta(minutes=30), timedelta(minutes=60))
CONNECTIONS_WAIT = timedelta(minutes=5)
STOPPING = frozenset({Turn.CREDENTIALS, Turn.SETTINGS})


class Health(StrEnum):
    """The words of `mailbox list --json`."""

    OK = "ok"
    SUSPECT = "suspect"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One try to sign in that failed since the last that did not; `refused`: by the server,
    for a reason that its owner can mend."""

    at: datetime
    cause: str  # of providers.causes, or "unreachable"
    refused: bool


Evidence = tuple[Trouble, ...]


def is_refusal(turn: Turn) -> bool:
    """Return whether a cause of that turn speaks against the secret or the account."""
    return turn in STOPPING


def add_trouble(evidence: Evidence, trouble: Trouble) -> Evidence:
    """Return the evidence with one more; of each kind the first and the newest are kept."""
    same = [one for one in evidence if one.refused is trouble.refused]
    dropped = same[1] if len(same) >= KEPT else None
    return (*(one for one in evidence if one is not dropped), trouble)


def judge(evidence: Evidence, *, dead_after: timedelta) -> Health:
    """Return the health that the evidence since the last success speaks for."""
    refusals = [one for one in evidence if one.refused]
    if len(refusals) >= REFUSALS_TO_DIE and _span(refusals) >= dead_after:
        return Health.DEAD
    if refusals or (evidence and _span(list(evidence)) >= dead_after):
        return Health.SUSPECT
    return Health.OK


def next_sign_in(
    evidence: Evidence, health: Health, *, login_waits: tuple[timedelta, ...]
) -> timedelta | None:
    """Return how long to wait after the newest evidence; None: as after a network failure.

    A dead sign-in is tried once a day, a throttled one ever more seldom. For two hours one
    that is refused without a reason is tried more often: the provider may recover, and then
    nobody has to be reminded.
    """
    newest = evidence[-1]
    if health is Health.DEAD:
        since = next(one.at for one in evidence if one.refused)
        may_pass = newest.cause == AMBIGUOUS and newest.at - since < WAVE_PASSES
        return PROBE_WAVE_EVERY if may_pass else PROBE_DEAD_EVERY
    if newest.cause == "login-throttled":
        return THROTTLE_WAITS[min(_in_a_row(evidence, newest.cause), len(THROTTLE_WAITS)) - 1]
    if newest.cause == "too-many-connections":
        return CONNECTIONS_WAIT
    if newest.refused:
        refusals = sum(one.refused for one in evidence)
        return login_waits[min(refusals, len(login_waits)) - 1]
    return None


def write_evidence(evidence: Evidence) -> str:
    """Return the evidence as JSON, for the store."""
    rows = [
        {"at": one.at.isoformat(), "cause": one.cause, "refused": one.refused}
        for one in evidence
    ]
    return json.dumps(rows)


def read_evidence(text: str) -> Evidence:
    """Return the evidence that `write_evidence` wrote."""
    return tuple(
        Trouble(
            at=datetime.fromisoformat(row["at"]), cause=row["cause"], refused=row["refused"]
        )
        for row in json.loads(text)
    )


def _span(evidence: list[Trouble]) -> timedelta:
    return evidence[-1].at - evidence[0].at


def _in_a_row(evidence: Evidence, cause: str) -> int:
    count = 0
    for one in reversed(evidence):
        if one.cause != cause:
            break
        count += 1
    return count
