"""Follows a mail of ours into the connected mailbox that it was sent to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event
from typing import Any

from gateway.cli.following import Course
from gateway.cli.opening import Opened, utc_now
from gateway.cli.output import print_step, waiting
from gateway.mail.delivery import State
from gateway.mail.inbound import Authenticity, AuthResult
from gateway.mail.message import Message, parse_message
from gateway.mail.tenant import Tenant
from gateway.mailbox.health import Health
from gateway.store import inbox, states, tenants
from gateway.store.inbox import Inbound
from gateway.store.people import QueueEntry
from gateway.store.sqlite import Db

LOOK_SECONDS = 0.2
STIR_AFTER = timedelta(seconds=2)  # doubles: folders that are polled, Junk above all, can wait
METHODS = ("spf", "dkim", "dmarc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Our mail as it lay in a mailbox, with what could be proven of it there."""

    sent: QueueEntry
    found: Inbound
    at: datetime

    @property
    def message(self) -> Message:
        """The mail as its receiver has it."""
        return parse_message(self.found.fetched.content)

    @property
    def seconds(self) -> float:
        """How long after it was accepted it had come and was judged."""
        return (self.at - self.sent.accepted_at).total_seconds()

    @property
    def is_rewritten(self) -> bool:
        """Whether somebody on the way gave it another Message-ID."""
        return self.message.message_id != self.sent.message_id

    def verdict(self, method: str) -> AuthResult:
        """Return the best result of a method: a pass by the provider or by us is enough."""
        proven = self.found.authenticity or Authenticity()
        mine = [one for one in proven.results if one.method == method]
        passed = (one for one in mine if one.result == "pass")
        none = AuthResult(method=method, result="none")
        return next(passed, next(iter(mine), none))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What became of a mail behind its upstream, where we can see that: in a mailbox."""

    box: str | None = None
    arrival: Arrival | None = None
    unseen: str | None = None  # why it could not be looked for

    @property
    def is_missing(self) -> bool:
        """Whether it should have come in and did not."""
        return self.box is not None and self.arrival is None and self.unseen is None


def find_box(known: Mapping[str, Tenant], address: str) -> str | None:
    """Return the connected mailbox at `address`, of whichever tenant; None: it is not one."""
    names = (name for one in known.values() for name in one.mailboxes)
    return next((name for name in names if name.casefold() == address.casefold()), None)


def follow_on(gateway: Opened, course: Course, box: str | None, *, seconds: float) -> Ending:
    """Return what became of a mail that left for `box`, seen by the running server.

    It is waited for so long, until it is fetched and judged; None is no mailbox of ours.
    """
    if box is None or course.is_captured or course.recipient.state != State.DELIVERED:
        return Ending()
    if unseen := _why_unseen(gateway, box):
        return Ending(box=box, unseen=unseen)
    return Ending(box=box, arrival=_wait_for(gateway, course, box, seconds=seconds))


def is_same(message: Message, course: Course) -> bool:
    """Return whether a fetched mail is ours, its Message-ID rewritten or not.

    It is known by that id, by the one that the upstream named, or by our Received field.
    """
    sent, id_ = course.entry, message.message_id
    theirs = str(course.tried.get("remote_id") or "").strip("<>")
    stamped = (sent.id in field.value for field in message.all("Received"))
    return id_ == sent.message_id or bool(theirs and theirs in id_) or any(stamped)


def print_arrival(arrival: Arrival) -> None:
    """Print what became of it a line each: folder, From, what was proven, its Message-ID."""
    fetched, message = arrival.found.fetched, arrival.message
    where = f"{fetched.mailbox}: {fetched.folder}, after {arrival.seconds:.1f} s"
    print_step("arrived", where, style="yellow" if fetched.junk else "green")
    print_step("from", message.text("From"))
    for method in METHODS:
        print_step(method, _in_words(arrival.verdict(method)))
    change = "rewritten to" if arrival.is_rewritten else "kept:"
    print_step("message-id", f"{change} {message.message_id}")


def as_document(arrival: Arrival) -> dict[str, Any]:
    """Return the same as it stands in JSON."""
    fetched, message = arrival.found.fetched, arrival.message
    return {
        "mailbox": fetched.mailbox,
        "id": fetched.id,
        "folder": fetched.folder,
        "junk": fetched.junk,
        "from": message.text("From"),
        "message_id": message.message_id or None,
        "rewritten": arrival.is_rewritten,
        **{method: _as_result(arrival.verdict(method)) for method in METHODS},
        "seconds": round(arrival.seconds, 3),
    }


def _why_unseen(gateway: Opened, box: str) -> str | None:
    state = gateway.store.read_now(states.mailbox_state, box)
    if state is not None and state.paused:
        return f"it is paused: gateway mailbox resume {box}"
    if state is not None and state.state == Health.DEAD:
        return f"its sign-in is refused: {state.fix or 'gateway mailbox list'}"
    return None


def _wait_for(gateway: Opened, course: Course, box: str, *, seconds: float) -> Arrival | None:
    """Return None when it has not come in time, or whoever waited interrupted it."""
    begun, stir_after = utc_now(), STIR_AFTER
    until = begun + timedelta(seconds=seconds)
    with waiting(f"{box}: waiting for it to come in"):
        try:
            while (arrival := _look(gateway, course, box)) is None and utc_now() < until:
                Event().wait(LOOK_SECONDS)
                if utc_now() - begun > stir_after:
                    gateway.store.write_now(tenants.bump)  # its watcher looks again
                    stir_after *= 2
        except KeyboardInterrupt:
            return None
    return arrival


def _look(gateway: Opened, course: Course, box: str) -> Arrival | None:
    return gateway.store.read_now(_find, course, box, now=utc_now)


def _find(db: Db, course: Course, box: str, *, now: Callable[[], datetime]) -> Arrival | None:
    for id_ in inbox.fetched_since(db, box, course.entry.accepted_at):
        found = inbox.load(db, id_)
        if found is None or found.state == "fetched":
            continue
        if is_same(parse_message(found.fetched.content), course):
            return Arrival(sent=course.entry, found=found, at=now())
    return None


def _in_words(result: AuthResult) -> str:
    by = "verified here" if result.by == "us" else f"says {result.by}"
    about = f" {result.domain}" if result.domain else ""
    reason = f" ({result.reason})" if result.reason and result.result != "pass" else ""
    return f"{result.result}{about}, {by}{reason}"


def _as_result(result: AuthResult) -> dict[str, str]:
    return {
        "result": result.result,
        "domain": result.domain,
        "by": result.by,
        "reason": result.reason,
    }
