"""Values that many tests need, with sensible defaults."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gateway.mail.address import parse_address
from gateway.mail.delivery import (
    Attempt,
    Decision,
    Kind,
    Lane,
    LaneKind,
    Outgoing,
    Phase,
    Result,
    Verdict,
)
from gateway.mail.envelope import Envelope, Recipient
from gateway.mail.ids import new_id
from gateway.mail.reply import Reply
from gateway.store import queue
from gateway.store.sqlite import Db

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
LANE = Lane("acme", LaneKind.UPSTREAM, "sendgrid")
CONTENT = (
    b"From: Support <support@acme.example>\r\nTo: ann@example.org\r\nSubject: Hello\r\n"
    b"Date: Tue, 24 Nov 2026 12:00:00 +0000\r\nMessage-ID: <one@acme.example>\r\n"
    b"\r\nHello Ann\r\n"
)


def outgoing(  # the defaults are one mail of one tenant
    *recipients: str, lane: Lane = LANE, content: bytes = CONTENT, hold: str | None = None
) -> Outgoing:
    named = recipients or ("ann@example.org",)
    return Outgoing(
        id=new_id(),
        tenant=lane.tenant,
        lane=lane,
        kind=Kind.SUBMISSION,
        envelope=Envelope(
            return_path=parse_address("support@acme.example"),
            recipients=tuple(Recipient(parse_address(one)) for one in named),
        ),
        content=content,
        message_id="<one@acme.example>",
        header_from="support@acme.example",
        hold=hold,
    )


GONE = Verdict(
    decision=Decision.SET_ASIDE, cause="webhook-failed", meaning="it is gone", fix="mend it"
)


def set_aside(db: Db, lane: Lane, *, now: datetime = NOON) -> str:
    """Keep a message that its lane does not take; return its id."""
    queue.accept(db, outgoing(lane=lane), now=now)
    (batch,) = queue.claim(
        db, lane, owner="node", now=now, lease=timedelta(minutes=5), messages=1, recipients=9
    )
    attempt = Attempt(at=now, host="desk", phase=Phase.HTTP, reply=Reply(410, None, "Gone"))
    (owed,) = batch.deliveries
    tried = Result(delivery=owed.number, attempt=attempt, verdict=GONE, next_attempt_at=None)
    queue.record(db, batch, [tried], now=now)
    return batch.message


def refuse_writes(db: Db, *, on: bool) -> None:
    """Have SQLite refuse every write, as on a disk that went read-only, or no more."""
    db.execute(f"PRAGMA query_only = {int(on)}")
