from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.mail.inbound import Authenticity, Fetched
from gateway.mail.plan import Effect, EffectKind, Plan, Step
from gateway.store import books, holds, inbox, plans
from gateway.store.errors import Conflict
from gateway.store.sqlite import Store
from tests.store.values import NOON

MAIL = Fetched(
    id="in-1", tenant="acme", mailbox="support@acme.example", folder="INBOX", uidvalidity=1,
    uid=1, internal_date=NOON, content=b"From: ann@x.example\r\n\r\nHello\r\n",
)  # fmt: skip
HOLD = Effect(
    kind=EffectKind.HOLD, file="inbound/30.sieve", line=4, reason="look", flags=("vip",)
)
BEFORE = Step(file=HOLD.file, line=HOLD.line, text='hold "look"')
BEHIND = Step(file="inbound/40.sieve", line=1, text="keep")


def hold(store: Store, **arguments: Any) -> None:
    effect = replace(HOLD, arguments={"reason": "look", **arguments})
    plan = Plan(effects=(effect,), version="v1", trace=(BEFORE,))
    store.write_now(inbox.store_fetched, MAIL, now=NOON)
    store.write_now(inbox.store_plan, MAIL.id, Authenticity(), plan, now=NOON)
    (stored,) = store.read_now(inbox.effects, MAIL.id)
    store.write_now(
        inbox.finish_effect, MAIL.id, stored.number, event="effect.held", detail={},
        state="held", now=NOON,
    )  # fmt: skip
    store.write_now(inbox.finish, MAIL.id, "held", rule="look", now=NOON)


def test_a_released_message_is_judged_on_from_where_it_was_held(store: Store) -> None:
    hold(store)
    assert store.read_now(holds.is_held, MAIL.id)
    store.write_now(holds.release, MAIL.id, event="queue.release", now=NOON)
    found = store.read_now(inbox.load, MAIL.id)
    assert found is not None
    assert (found.state, found.outcome) == ("fetched", None)
    assert found.fetched.released is not None
    assert (found.fetched.released.file, found.fetched.released.flags) == (HOLD.file, ("vip",))
    [left] = store.read_now(inbox.unfinished)
    assert (left.message, left.mailbox) == (MAIL.id, MAIL.mailbox)
    assert store.read_now(books.inbound).difference == 0
    kept = Effect(kind=EffectKind.STORE, target="INBOX")
    again = Plan(effects=(kept,), version="v1", trace=(BEHIND,))
    assert store.write_now(inbox.store_plan, MAIL.id, Authenticity(), again, now=NOON)
    states = [one.state for one in store.read_now(inbox.effects, MAIL.id)]
    assert states == ["released", "planned"]
    explained = store.read_now(plans.load, MAIL.id)
    assert explained is not None
    assert explained.trace == (BEFORE, BEHIND)


def test_what_is_not_held_cannot_be_released(store: Store) -> None:
    store.write_now(inbox.store_fetched, MAIL, now=NOON)
    with pytest.raises(Conflict, match="not held"):
        store.write_now(holds.release, MAIL.id, event="queue.release", now=NOON)


@pytest.mark.parametrize(
    ("then", "state", "kind"),
    [
        ("release", "fetched", EffectKind.HOLD),
        (None, "fetched", EffectKind.HOLD),
        ("reject", "planned", EffectKind.REJECT),
        ("discard", "planned", EffectKind.DISCARD),
    ],
)
def test_a_hold_with_a_time_ends_as_it_says(
    store: Store, then: str | None, state: str, kind: EffectKind
) -> None:
    hold(store, seconds=60, then=then)
    assert store.read_now(holds.next_end) == NOON + timedelta(seconds=60)
    assert store.write_now(holds.end_due, now=NOON + timedelta(seconds=59)) == 0
    assert store.write_now(holds.end_due, now=NOON + timedelta(seconds=60)) == 1
    assert store.write_now(holds.end_due, now=NOON + timedelta(hours=1)) == 0
    found = store.read_now(inbox.load, MAIL.id)
    assert found is not None
    assert found.state == state
    assert store.read_now(inbox.effects, MAIL.id)[-1].effect.kind is kind
    assert store.read_now(books.inbound).difference == 0


def test_a_hold_without_a_time_waits_for_a_person(store: Store) -> None:
    hold(store)
    assert store.read_now(holds.next_end) is None
    assert store.write_now(holds.end_due, now=NOON + timedelta(days=300)) == 0


def test_what_had_no_route_is_tried_again(store: Store) -> None:
    plan = Plan(effects=(Effect(kind=EffectKind.STORE, target="desk"),), version="v1")
    store.write_now(inbox.store_fetched, MAIL, now=NOON)
    store.write_now(inbox.store_plan, MAIL.id, Authenticity(), plan, now=NOON)
    (stored,) = store.read_now(inbox.effects, MAIL.id)
    store.write_now(
        inbox.finish_effect, MAIL.id, stored.number, event="effect.held", detail={},
        state="held", now=NOON,
    )  # fmt: skip
    store.write_now(inbox.finish, MAIL.id, "held", rule="no route", now=NOON)
    store.write_now(holds.release, MAIL.id, event="queue.release", now=NOON)
    assert [one.state for one in store.read_now(inbox.effects, MAIL.id)] == ["planned"]
