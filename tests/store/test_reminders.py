from __future__ import annotations

from dataclasses import replace

from gateway.mail.trouble import Alert, Reminder
from gateway.store import alerts, people, reminders
from gateway.store.sqlite import Store
from tests.store.values import NOON, outgoing

DEAD = Reminder(about="a@163.com", kind="dead", reason="535 no", fix="Make a code.")
MAIL = Alert(
    message_id="<1@gateway.example>",
    cause="reminder dead a@163.com",
    recipient="it@acme.example",
    content=b"Subject: Hi\r\n\r\nHi\r\n",
    queued_at=NOON,
)


def tell(store: Store, reminder: Reminder) -> bool:
    return store.write_now(
        reminders.tell, reminder, outgoing=[outgoing()], mails=[MAIL], now=NOON
    )


def test_a_reminder_is_told_once_with_its_events_and_its_mails(store: Store) -> None:
    assert tell(store, DEAD)
    assert not tell(store, DEAD)
    assert store.read_now(reminders.told) == {"a@163.com": frozenset({"dead"})}
    assert store.read_now(alerts.waiting_alerts) == [MAIL]
    assert len(store.read_now(people.entries)) == 1


def test_what_is_over_may_be_told_again(store: Store) -> None:
    for about in ("a@163.com", "b@163.com"):
        reminder = replace(DEAD, about=about)
        store.write_now(reminders.tell, reminder, outgoing=[], mails=[], now=NOON)
    store.write_now(reminders.forget, "dead", but={"b@163.com"})
    assert store.read_now(reminders.told) == {"b@163.com": frozenset({"dead"})}
    assert tell(store, DEAD)


def test_the_end_of_what_was_told_is_told_once(store: Store) -> None:
    told = [outgoing()]
    assert not store.write_now(reminders.end, "a@163.com", "dead", outgoing=told, now=NOON)
    tell(store, DEAD)
    assert store.write_now(reminders.end, "a@163.com", "dead", outgoing=told, now=NOON)
    assert not store.write_now(reminders.end, "a@163.com", "dead", outgoing=told, now=NOON)
    assert store.read_now(reminders.told) == {}
    assert len(store.read_now(people.entries)) == 2
