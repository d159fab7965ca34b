from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.mailbox.health import (
    KEPT,
    Evidence,
    Health,
    Trouble,
    add_trouble,
    is_refusal,
    judge,
    next_sign_in,
    read_evidence,
    write_evidence,
)
from gateway.providers.causes import CAUSES

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
DEAD_AFTER = timedelta(minutes=10)
LOGIN_WAITS = (timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=5))


def troubles(*seconds: int, cause: str = "login-ambiguous", refused: bool = True) -> Evidence:
    return tuple(
        Trouble(at=NOON + timedelta(seconds=at), cause=cause, refused=refused) for at in seconds
    )


def unreachable(*seconds: int) -> Evidence:
    return troubles(*seconds, cause="unreachable", refused=False)


@pytest.mark.parametrize(
    ("evidence", "health"),
    [
        pytest.param((), Health.OK, id="nothing against it"),
        pytest.param(troubles(0), Health.SUSPECT, id="one refusal"),
        pytest.param(troubles(0, 10, 20, 30), Health.SUSPECT, id="many refusals in a row"),
        pytest.param(troubles(0, 900), Health.SUSPECT, id="two refusals over a long time"),
        pytest.param(troubles(0, 70, 599), Health.SUSPECT, id="a second too early"),
        pytest.param(troubles(0, 70, 600), Health.DEAD, id="three over ten minutes"),
        pytest.param(unreachable(0, 60), Health.OK, id="a short outage"),
        pytest.param(unreachable(0, 600), Health.SUSPECT, id="a long outage is shown"),
        pytest.param(unreachable(*range(0, 86400, 900)), Health.SUSPECT, id="a day's outage"),
        pytest.param(
            troubles(*range(0, 7200, 900), cause="login-throttled", refused=False),
            Health.SUSPECT,
            id="throttled for hours",
        ),
        pytest.param(
            (*troubles(0, 10), *unreachable(300, 600, 900)),
            Health.SUSPECT,
            id="an outage adds nothing to two refusals",
        ),
        pytest.param(
            (*unreachable(0, 300), *troubles(590, 595, 600)),
            Health.SUSPECT,
            id="an outage before is no part of the ten minutes",
        ),
        pytest.param(
            (*troubles(0, 70, 600), *unreachable(900)),
            Health.DEAD,
            id="an outage heals nothing",
        ),
    ],
)
def test_health_follows_the_evidence(evidence: Evidence, health: Health) -> None:
    assert judge(evidence, dead_after=DEAD_AFTER) is health


@pytest.mark.parametrize("cause", ["login-throttled", "too-many-connections", "server-busy"])
def test_a_provider_that_asks_us_to_wait_refuses_nothing(cause: str) -> None:
    assert not is_refusal(CAUSES[cause].turn)


@pytest.mark.parametrize("cause", ["client-id-required", "client-bug"])
def test_a_fault_of_ours_is_not_held_against_the_mailbox(cause: str) -> None:
    assert not is_refusal(CAUSES[cause].turn)


@pytest.mark.parametrize("cause", ["login-ambiguous", "service-off", "secret-expired"])
def test_all_three_deaths_of_a_code_are_refusals(cause: str) -> None:
    """Expired, service switched off, code deleted."""
    assert is_refusal(CAUSES[cause].turn)


def test_the_default_waits_reach_death_and_no_sooner() -> None:
    """10 s, 1 min, 5 min, 5 min: dead at the fifth refusal, after 11 minutes and 10 s."""
    evidence: Evidence = ()
    at, health = NOON, Health.OK
    while health is not Health.DEAD:
        evidence = add_trouble(evidence, Trouble(at=at, cause="wrong-secret", refused=True))
        health = judge(evidence, dead_after=DEAD_AFTER)
        at += next_sign_in(evidence, health, login_waits=LOGIN_WAITS) or timedelta()
    assert [int((one.at - NOON).total_seconds()) for one in evidence] == [0, 10, 70, 370, 670]


@pytest.mark.parametrize(
    ("evidence", "seconds"),
    [
        (troubles(0, 70, 600), 1800),  # the provider, perhaps
        (troubles(0), 10),
        (troubles(0, 10), 60),
        (troubles(0, 1, 2, 3), 300),
        (troubles(0, 60, 7200), 86400),
        (troubles(0, 60, 700, cause="wrong-secret"), 86400),
        (troubles(0, cause="login-throttled", refused=False), 900),
        (troubles(0, 900, cause="login-throttled", refused=False), 1800),
        (troubles(0, 1, 2, 3, 4, cause="login-throttled", refused=False), 3600),
        (troubles(0, cause="too-many-connections", refused=False), 300),
    ],
)
def test_the_next_sign_in_waits_as_the_trouble_asks(evidence: Evidence, seconds: int) -> None:
    health = judge(evidence, dead_after=DEAD_AFTER)
    wait = next_sign_in(evidence, health, login_waits=LOGIN_WAITS)
    assert wait == timedelta(seconds=seconds)


def test_after_an_outage_the_network_decides() -> None:
    assert next_sign_in(unreachable(0), Health.OK, login_waits=LOGIN_WAITS) is None


def test_evidence_stays_small_and_keeps_the_first_refusal() -> None:
    evidence = troubles(0)
    for second in range(1, 1000):
        for one in (*troubles(second), *unreachable(second)):
            evidence = add_trouble(evidence, one)
    assert len(evidence) == 2 * KEPT
    assert evidence[0] == troubles(0)[0]
    assert judge(evidence, dead_after=DEAD_AFTER) is Health.DEAD


def test_evidence_survives_a_restart() -> None:
    evidence = (*troubles(0, 10), *unreachable(20))
    assert read_evidence(write_evidence(evidence)) == evidence
