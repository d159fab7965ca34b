from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.alerts.postman import Postman
from gateway.config import AlertSettings, ConfigError
from gateway.delivery.probe import Step
from gateway.mail.trouble import Alert, TroubleChanges
from gateway.store import alerts
from gateway.store.alerts import AlertCounts
from gateway.store.errors import StoreError
from gateway.store.sqlite import Store
from tests.store.values import refuse_writes

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
SETTINGS = AlertSettings(retry_waits=(MINUTE, 2 * MINUTE), give_up_after=DAY)
ALERT = Alert(
    message_id="<1@gw>", cause="test", recipient="it@gw.example", content=b"x", queued_at=NOON
)
TAKEN = Step(name="sent", seconds=0.1, said="250 2.0.0 Ok")
REFUSED = replace(TAKEN, said="450 4.2.0 Later", cause="busy")


class Round:
    """A store with one alert, and a server that says what it is told to say."""

    def __init__(self, directory: Path) -> None:
        self.store = Store.open(directory / "gateway.db")
        self.store.write_now(alerts.keep_changes, TroubleChanges(), [ALERT], now=NOON)
        self.answer: Step | ConfigError = TAKEN
        self.sent: list[str] = []
        self._postman = Postman(self.store, self._send, SETTINGS)

    async def _send(self, alert: Alert) -> Sequence[Step]:
        self.sent.append(alert.message_id)
        if isinstance(self.answer, ConfigError):
            raise self.answer
        return [self.answer]

    def go(self, at: datetime) -> AlertCounts:
        """Go round once; return what waits, was sent and failed."""
        asyncio.run(self._postman.go_round(now=at))
        return self.store.read_now(alerts.count_alerts)


def test_what_is_taken_is_off_the_queue_and_counted(tmp_path: Path) -> None:
    one = Round(tmp_path)
    assert one.go(NOON) == AlertCounts(sent=1)
    assert one.go(NOON + DAY) == AlertCounts(sent=1)
    assert one.sent == ["<1@gw>"]


def test_what_was_taken_while_the_store_failed_is_not_sent_every_second(
    tmp_path: Path,
) -> None:
    one = Round(tmp_path)
    one.store.read_now(refuse_writes, on=True)
    for _ in range(2):
        with pytest.raises(StoreError):
            one.go(NOON)
    one.store.read_now(refuse_writes, on=False)
    assert one.go(NOON) == AlertCounts(sent=1)
    assert one.sent == ["<1@gw>"]


def test_what_is_refused_waits_longer_each_time_and_keeps_its_id(tmp_path: Path) -> None:
    one = Round(tmp_path)
    one.answer = REFUSED
    for minutes in (0, 0.5, 1, 2, 3):
        assert one.go(NOON + minutes * MINUTE) == AlertCounts(waiting=1)
    assert one.sent == ["<1@gw>"] * 3
    [waiting] = one.store.read_now(alerts.waiting_alerts)
    assert (waiting.attempts, waiting.last_reply) == (3, "450 4.2.0 Later")
    one.store.write_now(alerts.hurry_alerts, now=NOON + 3 * MINUTE)
    one.answer = TAKEN
    assert one.go(NOON + 3 * MINUTE) == AlertCounts(sent=1)


def test_a_server_that_lets_nobody_in_is_tried_once_a_round(tmp_path: Path) -> None:
    one = Round(tmp_path)
    other = replace(ALERT, message_id="<2@gw>")
    one.store.write_now(alerts.keep_changes, TroubleChanges(), [other], now=NOON)
    one.answer = replace(REFUSED, name="tcp", said="nobody listens")
    assert one.go(NOON) == AlertCounts(waiting=2)
    assert one.sent == ["<1@gw>"]
    replies = [found.last_reply for found in one.store.read_now(alerts.waiting_alerts)]
    assert replies == ["nobody listens"] * 2


def test_a_file_that_cannot_be_read_is_a_wait_and_at_last_a_failure(tmp_path: Path) -> None:
    one = Round(tmp_path)
    one.answer = ConfigError("[alerts] password_file: x cannot be read")
    assert one.go(NOON) == AlertCounts(waiting=1)
    assert one.go(NOON + DAY) == AlertCounts(failed=1)
