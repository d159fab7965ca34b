from __future__ import annotations

from gateway.store import reminders
from gateway.store.sqlite import Store
from tests.store.values import NOON, outgoing


def test_a_reminder_and_its_events_are_queued_once(store: Store) -> None:
    event = outgoing()
    assert store.write_now(reminders.tell, "a@163.com", "dead", outgoing=[event], now=NOON)
    assert not store.write_now(
        reminders.tell, "a@163.com", "dead", outgoing=[outgoing()], now=NOON
    )
    rows = store.read_now(lambda db: db.execute("SELECT message FROM delivery").fetchall())
    assert rows == [(event.id,)]
    assert store.read_now(reminders.told) == {"a@163.com": {"dead"}}


def test_what_is_over_may_be_told_again(store: Store) -> None:
    for about in ("a@163.com", "b@163.com"):
        for kind in ("dead", "2 days before 2026-11-26"):
            store.write_now(reminders.tell, about, kind, outgoing=(), now=NOON)
    store.write_now(reminders.forget, "dead", but={"b@163.com"})
    told = store.read_now(reminders.told)
    assert told["a@163.com"] == {"2 days before 2026-11-26"}
    assert "dead" in told["b@163.com"]
