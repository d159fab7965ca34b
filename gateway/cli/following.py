"""Follows one message to one recipient until its upstream has answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event
from typing import Any

from gateway.cli.opening import Opened, utc_now
from gateway.cli.output import waiting
from gateway.mail.delivery import Lane, LaneKind, State
from gateway.mail.reply import read_line
from gateway.store import journal, people
from gateway.store.lanes import LaneState, lane_states
from gateway.store.people import QueueEntry, QueueRecipient
from gateway.store.sqlite import Db

LOOK_SECONDS = 0.2
ENDS = (State.DELIVERED, State.FAILED, State.HELD, State.CANCELLED)
OF_A_TRY = "delivery."


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How far a message has come: its entry of the queue, and the last try, if any."""

    entry: QueueEntry
    tried: dict[str, Any]  # the detail of the journal's newest delivery event
    lane: LaneState | None
    at: datetime

    @property
    def recipient(self) -> QueueRecipient:
        """The one recipient."""
        return self.entry.recipients[0]

    @property
    def is_captured(self) -> bool:
        """Whether the sandbox took it, in the place of the upstream: it was not sent."""
        is_capture = self.entry.lane_kind == LaneKind.CAPTURE
        return is_capture and self.recipient.state == State.DELIVERED

    @property
    def reply(self) -> str | None:
        """The words of the upstream, None when it was not reached."""
        said = self.tried.get("reply")
        return str(said) if said and read_line(said).code else None

    @property
    def seconds(self) -> float:
        """How long ago the message was accepted."""
        return (self.at - self.entry.accepted_at).total_seconds()

    @property
    def meaning(self) -> str | None:
        """Why it stands where it stands, in a sentence."""
        return self.tried.get("meaning") or self.entry.reason

    @property
    def fix(self) -> str | None:
        """What a person can do."""
        if self.recipient.state == State.DELIVERED:
            return None
        said = self.tried.get("fix") or self.entry.fix
        if said is None and self.tried and self.entry.upstream:
            return f"gateway upstream test {self.entry.tenant} {self.entry.upstream} tells why"
        return str(said) if said else None

    def is_settled(self, until: datetime) -> bool:
        """Whether nothing more can be expected before `until` unless a person acts."""
        if self.recipient.state in ENDS or self.entry.upstream is None:
            return True
        if self.lane is not None and self.lane.paused_by is not None:
            return self.lane.until is None or self.lane.until > until
        due = self.recipient.next_attempt_at
        return bool(self.tried) and due is not None and due > until


def follow(gateway: Opened, message: str, *, seconds: float) -> Course:
    """Return where the message stands when its upstream has answered, or time is up.

    Whoever interrupts it is told where it stands then.
    """
    until = utc_now() + timedelta(seconds=seconds)
    course = _look(gateway, message)
    with waiting(_told(course)) as shown:
        try:
            while not course.is_settled(until) and utc_now() < until:
                Event().wait(LOOK_SECONDS)
                course = _look(gateway, message)
                shown(_told(course))
        except KeyboardInterrupt:
            return course
    return course


def _look(gateway: Opened, message: str) -> Course:
    return gateway.store.read_now(_course, message, at=utc_now())


def _course(db: Db, message: str, *, at: datetime) -> Course:
    entry, timeline = people.entry(db, message), journal.timeline(db, message)
    if entry is None or timeline is None:
        raise AssertionError("what was accepted is in the store")
    tries = [
        one.detail
        for one in timeline.entries
        if one.message == message and one.event.startswith(OF_A_TRY)
    ]
    lane = Lane(entry.tenant, LaneKind(entry.lane_kind), entry.upstream or "")
    state = next((one for one in lane_states(db) if one.lane == lane), None)
    return Course(entry=entry, tried=tries[-1] if tries else {}, lane=state, at=at)


def _told(course: Course) -> str:
    way = course.entry.upstream or "an upstream"
    said = course.reply or course.meaning
    waits = f"{course.recipient.state}: waiting for {way}"
    return f"{waits}: {said}" if said else waits
