"""Health and renewal together: what troubles of a day end in a reminder, and which do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from gateway.mailbox.health import (
    Evidence,
    Health,
    Trouble,
    add_trouble,
    is_refusal,
    judge,
    next_sign_in,
)
from gateway.mailbox.renewal import Case, find_notices
from gateway.providers.catalogue import load_catalogue
from gateway.providers.diagnosis import diagnose

CATALOGUE = load_catalogue()
BEGIN = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DEAD_AFTER = 10 * MINUTE
LOGIN_WAITS = (timedelta(seconds=10), MINUTE, 5 * MINUTE)
AFTER_AN_OUTAGE = 2 * MINUTE
UNREACHABLE = ("unreachable", "")

Server = Callable[[timedelta], tuple[str, str] | None]
"""What a sign-in meets so long after the beginning: (phase, text), or None: it works."""


def refusal(provider: str, phase: str, text: str) -> Trouble:
    code = "NO" if phase.startswith("imap") else 535
    found = diagnose(
        CATALOGUE[provider], CATALOGUE, phase=phase, code=code, text=text, address=None
    )
    return Trouble(at=BEGIN, cause=found.cause, refused=is_refusal(found.whose_turn))


def signed_in(provider: str, server: Server) -> Iterator[tuple[timedelta, Evidence, Health]]:
    """Yield what is known after each try of a day, as the watcher makes them."""
    at = timedelta()
    evidence: Evidence = ()
    while at < timedelta(days=1):
        met = server(at)
        if met is None:
            evidence = ()
            yield at, evidence, Health.OK
            return
        trouble = Trouble(at=BEGIN + at, cause="unreachable", refused=False)
        if met != UNREACHABLE:
            known = refusal(provider, *met)
            trouble = Trouble(at=BEGIN + at, cause=known.cause, refused=known.refused)
        evidence = add_trouble(evidence, trouble)
        health = judge(evidence, dead_after=DEAD_AFTER)
        yield at, evidence, health
        wait = next_sign_in(evidence, health, login_waits=LOGIN_WAITS)
        at += AFTER_AN_OUTAGE if wait is None else wait


def reminded_after(provider: str, server: Server) -> timedelta | None:
    """Return how long after the first trouble the owner is reminded, None: never."""
    for at, evidence, health in signed_in(provider, server):
        refused = [one.at for one in evidence if one.refused]
        case = Case(
            tenant="acme",
            address="shop@acme.example",
            provider=provider,
            refused_since=min(refused, default=None),
            dead_since=BEGIN + at if health is Health.DEAD else None,
        )
        if list(find_notices([case], now=BEGIN + at)):
            return at
    return None


def for_a_while(met: tuple[str, str], length: timedelta) -> Server:
    return lambda at: met if at < length else None


EXPIRED = ("imap-login", "LOGIN Login error or password error")
QQ_CODE = ("imap-login", "Authorized code is incorrect")
QQ_ANY = (
    "imap-login",
    "Account is abnormal, service is not open, password is incorrect, login frequency limited,"
    " or system is busy",
)
GMAIL_OFF = ("imap-login", "[ALERT] Your account is not enabled for IMAP use.")
TRY_LATER = ("imap-login", "[UNAVAILABLE] Temporary authentication failure, try later")


@pytest.mark.parametrize(
    ("provider", "server"),
    [
        pytest.param(
            "gmail", for_a_while(UNREACHABLE, 60 * MINUTE), id="an hour without network"
        ),
        pytest.param(
            "qq", for_a_while(UNREACHABLE, 23 * 60 * MINUTE), id="a day without names"
        ),
        pytest.param("qq", for_a_while(TRY_LATER, 60 * MINUTE), id="try later"),
        pytest.param(
            "netease-163", for_a_while(EXPIRED, timedelta(seconds=5)), id="one refusal"
        ),
        pytest.param("qq", for_a_while(QQ_ANY, 9 * MINUTE), id="busy for nine minutes"),
    ],
)
def test_what_heals_reminds_nobody(provider: str, server: Server) -> None:
    assert reminded_after(provider, server) is None


@pytest.mark.parametrize(
    ("provider", "met"),
    [
        pytest.param("netease-163", EXPIRED, id="the code has expired"),
        pytest.param("qq", QQ_CODE, id="the code was deleted"),
        pytest.param("qq", QQ_ANY, id="the service is off, in words for anything"),
        pytest.param("gmail", GMAIL_OFF, id="the service is off"),
    ],
)
def test_each_death_reminds_within_a_quarter_of_an_hour(
    provider: str, met: tuple[str, str]
) -> None:
    after = reminded_after(provider, lambda _: met)
    assert after is not None
    assert DEAD_AFTER <= after <= 15 * MINUTE
