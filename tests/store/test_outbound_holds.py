from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from gateway.mail.plan import Effect, EffectKind, Plan
from gateway.store import books, outbound_holds, people, plans, queue
from gateway.store.errors import Conflict
from gateway.store.sqlite import Store
from tests.store.values import NOON, outgoing

HOUR = timedelta(hours=1)
HOLD = Effect(kind=EffectKind.HOLD, file="outbound/30.sieve", line=4, reason="look")
GO = Plan(effects=(Effect(kind=EffectKind.STORE, target="INBOX"),), version="v2")


def hold(store: Store, *, until: datetime | None = None, **arguments: Any) -> str:
    effect = replace(HOLD, arguments={"reason": "look", **arguments})
    mail = replace(outgoing("ann@x.example", "bob@x.example", hold="look"), hold_until=until)
    id_ = store.write_now(queue.accept, mail, now=NOON)
    store.write_now(plans.store, id_, Plan(effects=(effect,), version="v1"), now=NOON)
    return id_


def ended(store: Store) -> outbound_holds.Ending:
    (id_,) = store.read_now(outbound_holds.ending)
    found = store.read_now(outbound_holds.load, id_, now=NOON)
    assert found is not None
    return found


def states(store: Store, id_: str) -> list[str]:
    entry = store.read_now(people.entry, id_)
    assert entry is not None
    return [one.state for one in entry.recipients]


def test_a_released_message_is_held_until_it_was_judged_on(store: Store) -> None:
    id_ = hold(store)
    assert store.read_now(outbound_holds.is_held, id_)
    assert store.write_now(outbound_holds.release, id_, event="queue.release", now=NOON) == 2
    assert states(store, id_) == ["held", "held"]
    with pytest.raises(Conflict, match="its hold has ended"):
        store.write_now(outbound_holds.release, id_, event="queue.release", now=NOON)
    going = ended(store)
    assert going.then == "release"
    assert [str(one.address) for one in going.outgoing.envelope.recipients] == [
        "ann@x.example", "bob@x.example",
    ]  # fmt: skip
    store.write_now(outbound_holds.keep_on, going, going.outgoing, GO, now=NOON)
    assert states(store, id_) == ["queued", "queued"]
    assert store.read_now(outbound_holds.ending) == []
    assert not store.read_now(outbound_holds.is_held, id_)


def test_a_file_behind_may_hold_it_again(store: Store) -> None:
    id_ = hold(store)
    store.write_now(outbound_holds.release, id_, event="queue.release", now=NOON)
    going = ended(store)
    again = replace(going.outgoing, hold="outbound/40.sieve:1 once more")
    store.write_now(outbound_holds.keep_on, going, again, going.plan, now=NOON)
    entry = store.read_now(people.entry, id_)
    assert entry is not None
    assert entry.reason == "outbound/40.sieve:1 once more"
    assert store.read_now(outbound_holds.is_held, id_)


def test_what_has_an_hour_to_leave_at_waits_for_it_when_it_is_released(store: Store) -> None:
    """RFC 4865 §4; a person who holds it and lets it go does not send it early either."""
    mail = outgoing(hold="look")
    later = replace(mail.envelope, hold_until=NOON + HOUR)
    store.write_now(queue.accept, replace(mail, envelope=later), now=NOON)
    plan = Plan(effects=(HOLD,), version="v1")
    store.write_now(plans.store, mail.id, plan, now=NOON)
    store.write_now(outbound_holds.release, mail.id, event="queue.release", now=NOON)
    going = ended(store)
    store.write_now(outbound_holds.keep_on, going, going.outgoing, GO, now=NOON)
    assert states(store, mail.id) == ["scheduled"]
    store.write_now(people.hold, mail.id, reason="wait", now=NOON)
    store.write_now(people.release, mail.id, now=NOON)
    entry = store.read_now(people.entry, mail.id)
    assert entry is not None
    assert entry.recipients[0].next_attempt_at == NOON + HOUR
    assert entry.reason == "it is scheduled for 2026-11-24 13:00:00Z"
    store.write_now(people.hold, mail.id, reason="wait", now=NOON)
    store.write_now(people.release, mail.id, now=NOON + HOUR)
    assert states(store, mail.id) == ["queued"]


@pytest.mark.parametrize("then", ["release", "reject", "discard", None])
def test_a_hold_with_a_time_ends_by_itself(store: Store, then: str | None) -> None:
    id_ = hold(store, until=NOON + HOUR, seconds=3600, then=then)
    entry = store.read_now(people.entry, id_)
    assert entry is not None
    assert entry.recipients[0].next_attempt_at == NOON + HOUR
    assert store.write_now(outbound_holds.end_due, now=NOON + HOUR * 0.9) == 0
    assert store.write_now(outbound_holds.end_due, now=NOON + HOUR) == 1
    assert store.write_now(outbound_holds.end_due, now=NOON + HOUR * 2) == 0
    assert ended(store).then == (then or "release")


def test_what_is_rejected_is_leased_whole_to_be_recorded(store: Store) -> None:
    hold(store, until=NOON, seconds=0, then="reject")
    store.write_now(outbound_holds.end_due, now=NOON)
    batch = store.write_now(outbound_holds.take, ended(store), now=NOON, lease=HOUR)
    assert len(batch.deliveries) == 2
    assert store.write_now(queue.renew, batch, now=NOON, lease=HOUR)
    assert store.read_now(outbound_holds.ending) == []


def test_what_is_discarded_is_in_the_books(store: Store) -> None:
    id_ = hold(store, until=NOON, seconds=0, then="discard")
    store.write_now(outbound_holds.end_due, now=NOON)
    store.write_now(outbound_holds.discard, ended(store), rule="30.sieve:4", now=NOON)
    assert states(store, id_) == ["cancelled", "cancelled"]
    assert store.read_now(books.outbound).removed == 2
    assert store.read_now(books.outbound).difference == 0


def test_what_a_person_removed_goes_nowhere(store: Store) -> None:
    id_ = hold(store, until=NOON, seconds=0, then="reject")
    store.write_now(outbound_holds.end_due, now=NOON)
    store.write_now(people.delete, id_, now=NOON)
    assert store.read_now(outbound_holds.ending) == []
    assert store.read_now(outbound_holds.load, id_, now=NOON) is None


def test_what_a_person_holds_is_not_judged_again(store: Store) -> None:
    id_ = store.write_now(queue.accept, outgoing(), now=NOON)
    store.write_now(people.hold, id_, reason="why", now=NOON)
    with pytest.raises(Conflict, match="no policy holds it"):
        store.write_now(outbound_holds.release, id_, event="queue.release", now=NOON)


def test_what_cannot_be_judged_is_held_again(store: Store) -> None:
    id_ = hold(store)
    store.write_now(outbound_holds.release, id_, event="queue.release", now=NOON)
    store.write_now(outbound_holds.hold_again, ended(store), reason="why")
    entry = store.read_now(people.entry, id_)
    assert entry is not None
    assert (entry.reason, store.read_now(outbound_holds.ending)) == ("why", [])
    assert store.write_now(outbound_holds.release, id_, event="queue.release", now=NOON) == 2
