from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.mail.trouble import Alert, KnownTrouble, Trouble, TroubleChanges
from gateway.store import alerts
from gateway.store.errors import StoreError
from gateway.store.sqlite import Db, Store
from gateway.store.states import MailboxState, dead_mailboxes, save_mailbox_state
from tests.store.values import NOON

TROUBLE = Trouble(
    cause="upstream acme own", what="w", why="y", fix="f", command="c", since=NOON,
    tenant="acme", owner="boss@acme.example",
)  # fmt: skip
ALERT = Alert(
    message_id="<1@gw>", cause=TROUBLE.cause, recipient="it@gw.example", content=b"x",
    queued_at=NOON,
)  # fmt: skip
BEGUN = TroubleChanges(begun=(TROUBLE,), told=(TROUBLE,))


def keep(store: Store, changes: TroubleChanges, *letters: Alert) -> dict[str, KnownTrouble]:
    store.write_now(alerts.keep_changes, changes, letters, now=NOON)
    return store.read_now(alerts.known_troubles)


def test_a_trouble_is_known_from_its_beginning_to_its_end_and_beyond(store: Store) -> None:
    known = keep(store, BEGUN)[TROUBLE.cause]
    assert known == KnownTrouble(trouble=TROUBLE, is_open=True, is_told=True, told_at=NOON)
    known = keep(store, TroubleChanges(ended=(known,)))[TROUBLE.cause]
    assert (known.is_open, known.told_at) == (False, NOON)
    again = keep(store, TroubleChanges(begun=(TROUBLE,)))[TROUBLE.cause]
    assert (again.is_open, again.is_told, again.told_at) == (True, False, NOON)


def test_what_is_told_and_what_tells_of_it_are_kept_together_or_not_at_all(
    store: Store,
) -> None:
    def fail(db: Db) -> None:
        alerts.keep_changes(db, BEGUN, [ALERT], now=NOON)
        raise StoreError("the disk is gone")

    with pytest.raises(StoreError):
        store.write_now(fail)
    assert store.read_now(alerts.known_troubles) == {}
    assert store.read_now(alerts.waiting_alerts) == []
    keep(store, BEGUN, ALERT)
    assert store.read_now(alerts.due_alerts, now=NOON) == [ALERT]


def test_an_alert_that_was_deferred_is_due_at_its_time(store: Store) -> None:
    keep(store, BEGUN, ALERT)
    later = NOON + timedelta(minutes=1)
    store.write_now(alerts.defer_alert, ALERT, reply="450 no", next_attempt_at=later)
    assert store.read_now(alerts.due_alerts, now=NOON) == []
    [due] = store.read_now(alerts.due_alerts, now=later)
    assert (due.attempts, due.last_reply) == (1, "450 no")
    for _ in range(2):  # the second time it is gone already
        store.write_now(alerts.finish_alert, due, outcome=alerts.SENT)
    assert store.read_now(alerts.count_alerts) == alerts.AlertCounts(sent=1)


def test_dead_mailboxes_are_those_alone(store: Store) -> None:
    for name, state in (
        ("a@x.example", "ok"),
        ("b@x.example", "suspect"),
        ("c@x.example", "dead"),
    ):
        kept = MailboxState(address=name, state=state, since=NOON)
        store.write_now(save_mailbox_state, kept)
    assert [one.address for one in store.read_now(dead_mailboxes)] == ["c@x.example"]


def test_nobody_is_told_more_than_twenty_times_an_hour_by_policies(store: Store) -> None:
    notices = [replace(ALERT, message_id=f"<{n}@gw>", cause="held X") for n in range(25)]
    queued = store.write_now(alerts.queue_notices, "acme", notices[:24], now=NOON)
    later = NOON + timedelta(hours=1)
    assert queued == alerts.NOTICES_AN_HOUR
    assert store.write_now(alerts.queue_notices, "acme", notices[24:], now=later) == 1
    assert len(store.read_now(alerts.waiting_alerts)) == 21
