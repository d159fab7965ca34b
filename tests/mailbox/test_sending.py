from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.mail.delivery import Lane, LaneKind
from gateway.mail.tenant import Mailbox, Tenant, Upstream
from gateway.mailbox.sending import died_at, refused_lane_of, say_refused
from gateway.store.lanes import LaneState

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BOX = Mailbox(address="shop@acme.example")
ACME = Tenant(
    id="acme",
    upstreams={"own": Upstream(name="own", mailbox=BOX.address), "x": Upstream(name="x")},
    mailboxes={BOX.address: BOX},
)


def refused(name: str = "own", *, times: int = 3, until: datetime | None = None) -> LaneState:
    return LaneState(
        lane=Lane("acme", LaneKind.UPSTREAM, name), paused_by="sign-in", reason="It is off.",
        fix=None, since=NOON, until=until, rate_per_minute=None, refusals=times,
    )  # fmt: skip


@pytest.mark.parametrize(("name", "is_its"), [("own", True), (BOX.address, True), ("x", False)])
def test_a_mailbox_sends_by_the_lanes_that_take_its_code(name: str, is_its: bool) -> None:
    lane = refused(name)
    assert (refused_lane_of(ACME, BOX, {lane.lane: lane}) is lane) is is_its


@pytest.mark.parametrize(
    ("lane", "minutes", "died"),
    [
        (None, 60, False),
        (refused(until=NOON + 21 * MINUTE), 9, False),
        (refused(until=NOON + 21 * MINUTE), 10, True),
        (refused(times=1, until=NOON + MINUTE), 60, False),  # one, that may heal
        (refused(times=1, until=NOON + timedelta(days=1)), 10, True),  # the service is off
        (refused(times=1, until=None), 10, True),  # locked: never tried again by itself
    ],
)
def test_it_takes_three_refusals_or_one_that_only_a_person_can_mend(
    lane: LaneState | None, minutes: int, died: bool
) -> None:
    at = died_at(lane, dead_after=10 * MINUTE, now=NOON + minutes * MINUTE)
    assert at == (NOON + 10 * MINUTE if died else None)


def test_it_is_said_that_sending_alone_is_refused() -> None:
    assert say_refused(refused()) == "Sending is refused: It is off."
    assert say_refused(None) == "Sending is refused: the sign-in is refused"
