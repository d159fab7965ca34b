from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.alerts import troubles
from gateway.mail.delivery import Lane, LaneKind
from gateway.mail.tenant import Mailbox, Tenant, Upstream
from gateway.sieve.interface import Diagnostic
from gateway.store.lanes import LaneState
from gateway.store.states import MailboxState
from gateway.store.waiting import Held

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
LANE = Lane("acme", LaneKind.UPSTREAM, "own")
ACME = Tenant(
    id="acme",
    owner="boss@acme.example",
    upstreams={"own": Upstream(name="own")},
    mailboxes={"shop@acme.example": Mailbox(address="shop@acme.example")},
)
TENANTS = {"acme": ACME}


def paused(by: str | None, lane: Lane = LANE) -> LaneState:
    return LaneState(
        lane=lane, paused_by=by, reason="The code expired.", fix="Make a new one.",
        since=NOON, until=None, rate_per_minute=None, refusals=1,
    )  # fmt: skip


def test_a_refused_sign_in_is_told_to_the_owner_with_the_providers_words() -> None:
    [one] = troubles.refused_sign_ins([paused("sign-in")], TENANTS, now=NOON)
    assert one.cause == "upstream acme own"
    assert (one.tenant, one.owner, one.since) == ("acme", "boss@acme.example", NOON)
    assert one.why.startswith("The code expired.")
    assert one.fix.startswith("Make a new one.")
    assert one.command == "gateway upstream test acme own"


def test_the_owner_of_a_mailbox_that_cannot_send_is_reminded_and_not_told_twice() -> None:
    box = "shop@acme.example"
    leaning = Tenant(
        id="acme", owner="boss@acme.example", mailboxes={box: Mailbox(address=box)},
        upstreams={"own": Upstream(name="own", mailbox=box)},
    )  # fmt: skip
    states = [paused("sign-in"), paused("sign-in", Lane("acme", LANE.kind, box))]
    told = troubles.refused_sign_ins(states, {"acme": leaning}, now=NOON)
    assert [one.owner for one in told] == [None, None]


@pytest.mark.parametrize(
    "state",
    [
        paused("person"),
        paused("quota"),
        paused(None),
        paused("sign-in", Lane("x", LANE.kind, "y")),
    ],
)
def test_other_pauses_and_what_is_gone_are_no_trouble(state: LaneState) -> None:
    assert list(troubles.refused_sign_ins([state], TENANTS, now=NOON)) == []


def test_a_dead_mailbox_is_told_unless_nobody_has_it_any_more() -> None:
    dead = MailboxState(address="shop@acme.example", state="dead", since=NOON, reason="Gone.")
    [one] = troubles.dead_mailboxes([dead], TENANTS)
    assert (one.cause, one.owner) == ("mailbox shop@acme.example", None)  # he is reminded
    assert list(troubles.dead_mailboxes([dead], {})) == []


def test_held_mail_is_one_trouble_a_lane() -> None:
    stale = [
        Held(message="A", lane=LANE, recipients=3, reason="it could not be tried for 7 days"),
        Held(message="B", lane=Lane("acme", LaneKind.NONE, ""), recipients=1, reason="x"),
    ]
    own, none = troubles.held_mail(stale, TENANTS, now=NOON)
    assert own.fix.endswith("gateway queue release A")
    assert own.why == "It could not be tried for 7 days (3 so far)."
    assert none.cause == "stale acme none"
    assert "want of an upstream" in none.what


def test_what_a_route_does_not_take_is_one_trouble_whose_command_can_be_typed() -> None:
    desk = Lane("acme", LaneKind.ROUTE, "desk")
    aside = [Held(message="A", lane=desk, recipients=3, reason="set aside: it is gone")]
    [one] = troubles.set_aside(aside, TENANTS, now=NOON)
    assert (one.cause, one.owner) == ("aside acme route desk", "boss@acme.example")
    assert one.what == "acme: the route desk did not take mail, which is set aside"
    assert one.why.startswith("It is gone (3 so far).")
    assert one.fix.endswith("gateway queue release --tenant acme --way desk")


def test_books_are_told_by_page() -> None:
    [one] = troubles.differences({"out": 0, "in": 2}, now=NOON)
    assert (one.cause, one.owner) == ("books in", None)
    assert "is 2" in one.why


def test_a_full_store_is_told_with_its_reason() -> None:
    [one] = troubles.full_store("90 % is used", now=NOON)
    assert "90 % is used" in one.why
    assert list(troubles.full_store(None, now=NOON)) == []


@pytest.mark.parametrize(("days", "told"), [(15, 0), (14, 1), (-1, 1)])
def test_a_certificate_is_told_14_days_ahead(days: int, told: int) -> None:
    ends = NOON + timedelta(days=days)
    assert len(list(troubles.ending_certificate("/c.pem", ends, now=NOON))) == told


def test_a_chain_that_is_broken_by_a_file_of_its_own_is_told_to_the_owner() -> None:
    fault = Diagnostic(file="tenants/acme/inbound/10.sieve", line=3, column=1, message="no")
    faults = {("acme", "inbound"): fault, ("gone", "inbound"): fault}
    [one] = troubles.broken_chains(faults, TENANTS, now=NOON)
    assert (one.cause, one.owner) == ("policies acme inbound", "boss@acme.example")
    assert one.why.startswith("tenants/acme/inbound/10.sieve:3: no.")


def test_a_shared_file_is_the_operators_and_one_cause_for_all() -> None:
    fault = Diagnostic(file="inbound/10.sieve", line=1, column=1, message="no")
    faults = {("acme", "inbound"): fault, ("zeta", "inbound"): fault}
    both = {**TENANTS, "zeta": Tenant(id="zeta")}
    found = list(troubles.broken_chains(faults, both, now=NOON))
    assert {one.cause for one in found} == {"policies inbound/10.sieve"}
    assert {one.owner for one in found} == {None}
