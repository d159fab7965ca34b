"""What is accepted while the gateway captures never takes a real way, then or later."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from gateway.mail.delivery import Decision, Lane, LaneKind
from gateway.mail.tenant_file import read_tenant_file
from gateway.store import books, journal, lanes, people, queue, tenants, waiting
from gateway.store.capturing import CAPTURED, WAITS, is_capturing, set_capturing
from gateway.store.sealing import Seal
from gateway.store.sqlite import Store
from tests.store.test_queue import result
from tests.store.values import LANE, NOON, outgoing

NOWHERE = Lane("acme", LaneKind.NONE, "")
CAPTURE = Lane("acme", LaneKind.CAPTURE, LANE.name)
HELPDESK = Lane("acme", LaneKind.ROUTE, "helpdesk")
ACME = {
    "tenant": "acme",
    "senders": {"support@acme.example": {"upstream": "sendgrid"}},
    "upstreams": {"sendgrid": {"provider": "sendgrid"}},
}


def accept(store: Store, *, lane: Lane = LANE, capturing: bool | None = None) -> str:
    if capturing is not None:
        store.write_now(set_capturing, on=capturing)
    return store.write_now(queue.accept, outgoing(lane=lane), now=NOON)


def due(store: Store) -> set[Lane]:
    return {one.lane for one in store.read_now(lanes.due_lanes, now=NOON)}


def entry(store: Store, id_: str) -> people.QueueEntry:
    found = store.read_now(people.entry, id_)
    assert found is not None
    return found


def claimed(store: Store, lane: Lane) -> list[str]:
    batches = store.write_now(
        queue.claim, lane, owner="n", now=NOON, lease=timedelta(minutes=1), messages=9,
        recipients=9,
    )  # fmt: skip
    return [one.message for one in batches]


def test_only_what_is_accepted_meanwhile_is_captured(store: Store) -> None:
    before = accept(store)
    during = accept(store, capturing=True)
    after = accept(store, capturing=False)
    assert due(store) == {LANE, CAPTURE}
    assert claimed(store, CAPTURE) == [during]
    assert sorted(claimed(store, LANE)) == sorted([before, after])


def test_both_kinds_of_waiting_mail_say_why(store: Store) -> None:
    real = accept(store)
    assert entry(store, real).reason == people.ITS_TURN
    captured = accept(store, capturing=True)
    assert (entry(store, real).reason, entry(store, captured).reason) == (WAITS, CAPTURED)
    nowhere = store.write_now(queue.accept, outgoing(lane=NOWHERE, hold="look"), now=NOON)
    assert entry(store, nowhere).reason == "look"
    store.write_now(set_capturing, on=False)
    said = (entry(store, real).reason, entry(store, captured).reason)
    assert said == (people.ITS_TURN, CAPTURED)


def test_a_search_does_not_take_a_capture_for_a_delivery(store: Store) -> None:
    id_ = accept(store, capturing=True)
    (batch,) = store.write_now(
        queue.claim, CAPTURE, owner="n", now=NOON, lease=timedelta(minutes=1), messages=1,
        recipients=1,
    )  # fmt: skip
    results = result(batch, Decision.DELIVERED)
    store.write_now(queue.record, batch, results, now=NOON)
    (found,) = store.write_now(journal.search, [id_])
    assert found.states == ("captured",)


def test_what_goes_to_the_helpdesk_keeps_its_way(store: Store) -> None:
    accept(store, lane=HELPDESK, capturing=True)
    assert due(store) == {HELPDESK}


def test_a_paused_upstream_and_its_capture_do_not_know_each_other(store: Store) -> None:
    accept(store, capturing=True)
    store.write_now(lanes.pause_lane, LANE, by="person", reason="rest", fix=None, now=NOON)
    assert due(store) == {CAPTURE}
    store.write_now(lanes.resume_lane, CAPTURE, now=NOON)
    assert store.read_now(lanes.is_paused, LANE, now=NOON)


def test_a_sender_without_upstream_waits_with_its_reason_and_stays_captured(
    store: Store, tmp_path: Path
) -> None:
    id_ = accept(store, lane=NOWHERE, capturing=True)
    assert due(store) == set()
    assert entry(store, id_).reason == "its sender has no upstream"
    store.write_now(set_capturing, on=False)
    file, seal = read_tenant_file(ACME), Seal.load(tmp_path / "secret.key")
    store.write_now(tenants.apply_tenant, file, {}, seal, now=NOON)
    assert due(store) == {CAPTURE}
    assert entry(store, id_).reason == CAPTURED


def test_it_grows_stale_as_any_other(store: Store) -> None:
    accept(store, lane=NOWHERE, capturing=True)
    week = timedelta(days=7)
    assert store.write_now(waiting.hold_stale, stale_after=week, now=NOON + week)


def test_captured_mail_has_books_of_its_own(store: Store) -> None:
    first = accept(store, capturing=True)
    accept(store, lane=NOWHERE)
    store.write_now(people.delete, first, now=NOON)
    book = store.read_now(books.outbound, page="capture")
    assert (book.accepted, book.removed, book.waiting, book.difference) == (2, 1, 1, 0)
    assert store.read_now(books.outbound).accepted == 0


def test_it_lasts_until_it_is_ended(store: Store) -> None:
    assert not store.read_now(is_capturing)
    accept(store, capturing=True)
    assert store.read_now(is_capturing)
