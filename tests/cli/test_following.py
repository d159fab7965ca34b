"""When is there nothing more to wait for?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from gateway.cli.following import Course
from gateway.store.lanes import LaneState
from gateway.store.people import QueueEntry, QueueRecipient
from tests.store.values import LANE, NOON

UNTIL = NOON + timedelta(seconds=60)
LATER = UNTIL + timedelta(seconds=1)
SOON = NOON + timedelta(seconds=10)
TRY = {"reply": "451 4.3.0 later", "meaning": "It asks us to come back.", "cause": "later"}


def course(
    state: str = "queued",
    *,
    upstream: str | None = "sendgrid",
    tried: dict[str, Any] | None = None,
    **more: Any,
) -> Course:
    lane = more.pop("lane", None)
    recipient = QueueRecipient(
        address="ann@example.org", state=state, attempts=len(tried or {}), last_reply=None,
        next_attempt_at=more.pop("due", NOON), reason=more.pop("reason", None), fix=None,
    )  # fmt: skip
    entry = QueueEntry(
        id="ID", tenant="acme", direction="out",
        lane_kind="upstream" if upstream else "none",
        upstream=upstream, sender="", header_from="support@acme.example", message_id="",
        recipients=(recipient,), size_bytes=1, accepted_at=NOON,
    )  # fmt: skip
    return Course(entry=entry, tried=tried or {}, lane=lane, at=SOON)


def paused(until: Any) -> LaneState:
    return LaneState(
        lane=LANE, paused_by="sign-in", reason="refused", fix="mend it", since=NOON,
        until=until, rate_per_minute=None, refusals=1,
    )  # fmt: skip


@pytest.mark.parametrize(
    "settled",
    [
        course("delivered"),
        course("failed"),
        course("held"),
        course("cancelled"),
        course(upstream=None),
        course("deferred", tried=TRY, due=LATER),
        course(lane=paused(None)),
        course(lane=paused(LATER)),
    ],
)
def test_what_only_a_person_or_a_later_hour_can_change_is_settled(settled: Course) -> None:
    assert settled.is_settled(UNTIL)


@pytest.mark.parametrize(
    "open_",
    [
        course(),
        course("claimed"),
        course("deferred", tried=TRY, due=SOON),
        course(lane=paused(SOON)),
    ],
)
def test_what_may_still_be_answered_in_time_is_not(open_: Course) -> None:
    assert not open_.is_settled(UNTIL)


def test_the_last_try_says_why_and_before_it_the_queue() -> None:
    assert course(tried=TRY, reason="of the queue").meaning == "It asks us to come back."
    assert course(reason="of the queue").meaning == "of the queue"
    assert course().seconds == 10


def test_silence_is_no_reply_and_is_led_to_a_test_of_the_account() -> None:
    silent = course("deferred", tried={"reply": "127.0.0.1 takes no connection"})
    assert silent.reply is None
    assert silent.fix == "gateway upstream test acme sendgrid tells why"
    assert course("deferred", tried=TRY).reply == "451 4.3.0 later"
    assert course("delivered", tried=TRY).fix is None
