"""Mail follows its sender to another upstream, whatever it is doing when that is changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gateway.mail.delivery import (
    Attempt,
    Batch,
    Decision,
    Kind,
    Lane,
    LaneKind,
    Outgoing,
    Phase,
    Result,
    Verdict,
)
from gateway.mail.reply import Reply
from gateway.mail.tenant_file import read_tenant_file
from gateway.store import journal, lanes, people, queue, tenants
from gateway.store.errors import Conflict
from gateway.store.following import PERHAPS_SENT, lane_of_sender
from gateway.store.sealing import Seal
from gateway.store.sqlite import Db, Store
from gateway.store.tenants import Change
from tests.store.values import LANE, NOON, outgoing

OTHER = Lane("acme", LaneKind.UPSTREAM, "ses")
NOWHERE = Lane("acme", LaneKind.NONE, "")
MOVED = Change(kind="mail", name="1 from sendgrid to ses", action="moved")
HOUR = timedelta(hours=1)


@pytest.fixture
def seal(tmp_path: Path) -> Seal:
    return Seal.load(tmp_path / "secret.key")


def apply(
    store: Store,
    seal: Seal,
    *names: str,
    sender: Mapping[str, str],
    mailboxes: Mapping[str, Mapping[str, str]] = {},
    prune: bool = False,
) -> list[Change]:
    """Have `sender` as the settings of support@acme.example beside upstreams of these names."""
    table = {
        "tenant": "acme",
        "domains": {"acme.example": {}},
        "upstreams": {name: {"host": f"{name}.example"} for name in names},
        "senders": {"*@acme.example": sender},
        "mailboxes": mailboxes,
    }
    file = read_tenant_file(table)
    return store.write_now(tenants.apply_tenant, file, {}, seal, prune=prune, now=NOON)


def give(store: Store, seal: Seal, upstream: str) -> list[Change]:
    return apply(store, seal, "sendgrid", "ses", sender={"upstream": upstream})


def accept(store: Store, *, hold: str | None = None, lane: Lane = LANE) -> Outgoing:
    kept = outgoing(lane=lane, hold=hold)
    store.write_now(queue.accept, kept, now=NOON)
    return kept


def claim(store: Store, lane: Lane, *, now: datetime = NOON) -> list[Batch]:
    return store.write_now(
        queue.claim, lane, owner="node", now=now, lease=HOUR, messages=9, recipients=9
    )


def put_off(store: Store, batch: Batch, decision: Decision = Decision.DEFER) -> None:
    attempt = Attempt(at=NOON, host="x", phase=Phase.CONNECT, reply=Reply(0, None, "silence"))
    verdict = Verdict(decision=decision, cause="unreachable", meaning="it is away")
    (owed,) = batch.deliveries
    tried = Result(
        delivery=owed.number, attempt=attempt, verdict=verdict, next_attempt_at=NOON + HOUR
    )
    store.write_now(queue.record, batch, [tried], now=NOON)


def lane_of(store: Store, id_: str) -> str | None:
    entry = store.read_now(people.entry, id_)
    assert entry
    return entry.upstream


def test_what_is_queued_leaves_by_the_upstream_that_its_sender_has_now(
    store: Store, seal: Seal
) -> None:
    give(store, seal, "sendgrid")
    id_ = accept(store).id
    store.write_now(lanes.pause_lane, LANE, by="sign-in", reason="refused", fix=None, now=NOON)
    assert MOVED in give(store, seal, "ses")
    assert [one.message for one in claim(store, OTHER)] == [id_]
    story = store.read_now(journal.timeline, id_)
    assert story
    assert "delivery.moved" in [one.event for one in story.entries]
    assert MOVED not in give(store, seal, "ses")


def test_what_was_tried_follows_when_it_can_not_arrive_by_both(
    store: Store, seal: Seal
) -> None:
    give(store, seal, "sendgrid")
    id_ = accept(store).id
    put_off(store, claim(store, LANE)[0])
    give(store, seal, "ses")
    assert claim(store, OTHER) == []
    assert [one.message for one in claim(store, OTHER, now=NOON + PERHAPS_SENT)] == [id_]


@pytest.mark.parametrize("decision", [Decision.DEFER, Decision.SIGN_IN_REFUSED])
def test_what_is_being_sent_goes_on_by_the_new_one_if_it_is_not_taken(
    store: Store, seal: Seal, decision: Decision
) -> None:
    give(store, seal, "sendgrid")
    id_ = accept(store).id
    (batch,) = claim(store, LANE)
    store.write_now(lanes.pause_lane, LANE, by="sign-in", reason="refused", fix=None, now=NOON)
    give(store, seal, "ses")
    put_off(store, batch, decision)
    assert lane_of(store, id_) == "ses"

    def clock(db: Db) -> tuple[float, None]:
        query = "SELECT sendable_since, stalled_since FROM delivery"
        found: tuple[float, None] = db.execute(query).fetchone()
        return found

    assert store.read_now(clock) == (NOON.timestamp(), None)


def test_what_is_held_stays_so_on_its_new_way(store: Store, seal: Seal) -> None:
    give(store, seal, "sendgrid")
    id_ = accept(store, hold="a person").id
    give(store, seal, "ses")
    assert lane_of(store, id_) == "ses"
    assert claim(store, OTHER) == []


def test_an_upstream_whose_mail_follows_is_removed_without_force(
    store: Store, seal: Seal
) -> None:
    give(store, seal, "sendgrid")
    id_ = accept(store).id
    with pytest.raises(Conflict, match="1 delivery still waits"):
        apply(store, seal, sender={}, prune=True)
    apply(store, seal, "ses", sender={"upstream": "ses"}, prune=True)
    assert lane_of(store, id_) == "ses"


def test_an_answer_stays_on_the_way_of_its_mailbox(store: Store, seal: Seal) -> None:
    give(store, seal, "sendgrid")
    answer = replace(outgoing(), kind=Kind.ANSWER)
    store.write_now(queue.accept, answer, now=NOON)
    give(store, seal, "ses")
    assert lane_of(store, answer.id) == "sendgrid"


@pytest.mark.parametrize(("own", "way"), [({}, "ses"), ({"upstream": "sendgrid"}, "sendgrid")])
def test_an_answer_follows_the_sender_of_its_mailbox_unless_that_has_an_upstream(
    store: Store, seal: Seal, own: Mapping[str, str], way: str
) -> None:
    give(store, seal, "sendgrid")
    answer = replace(outgoing(), kind=Kind.ANSWER)
    store.write_now(queue.accept, answer, now=NOON)
    mailboxes = {"support@acme.example": {"provider": "gmail", **own}}
    apply(store, seal, "sendgrid", "ses", sender={"upstream": "ses"}, mailboxes=mailboxes)
    assert lane_of(store, answer.id) == way


@pytest.mark.parametrize("before", [NOWHERE, LANE])
def test_a_submission_leaves_by_what_its_sender_has_when_it_is_kept(
    store: Store, seal: Seal, before: Lane
) -> None:
    """It was judged before the change, by tenants of up to a second ago."""
    give(store, seal, "ses")
    assert store.read_now(lane_of_sender, outgoing(lane=before)) == OTHER


def test_what_is_captured_stays_so(store: Store, seal: Seal) -> None:
    give(store, seal, "ses")
    captured = replace(LANE, kind=LaneKind.CAPTURE)
    found = store.read_now(lane_of_sender, outgoing(lane=captured))
    assert found == replace(captured, name="ses")


def test_of_a_tenant_that_was_removed_meanwhile_nothing_is_kept(store: Store) -> None:
    assert store.read_now(lane_of_sender, outgoing()) is None
