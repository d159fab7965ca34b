"""Mail that waits in the gateway's queue, put there before the server starts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.mail.address import parse_address
from gateway.mail.delivery import Kind, Lane, LaneKind, Outgoing
from gateway.mail.envelope import Envelope, Recipient
from gateway.mail.ids import new_id
from gateway.store import queue
from gateway.store.sqlite import Db, Store
from tests.bench.load import RECIPIENT, SENDER, message_of

STEP = 1000
LANE = Lane("acme", LaneKind.UPSTREAM, "sink")


def defer(path: Path, *, messages: int, size_bytes: int = 4096) -> None:
    """Put so many messages into the store at `path`, deferred for a day."""
    store = Store.open(path)
    for begun in range(0, messages, STEP):
        count = min(STEP, messages - begun)
        store.write_now(_defer, count=count, content=message_of(size_bytes))
    store.close()


def _defer(db: Db, *, count: int, content: bytes) -> None:
    now = datetime.now(UTC)
    for _ in range(count):
        queue.accept(db, _message(content), now=now)
    db.execute(
        "UPDATE delivery SET state = 'deferred', attempts = 1, next_attempt_at = ?"
        " WHERE state = 'queued'",
        ((now + timedelta(days=1)).timestamp(),),
    )


def _message(content: bytes) -> Outgoing:
    id_ = new_id()
    return Outgoing(
        id=id_,
        tenant=LANE.tenant,
        lane=LANE,
        kind=Kind.SUBMISSION,
        envelope=Envelope(
            return_path=parse_address(SENDER),
            recipients=(Recipient(parse_address(RECIPIENT)),),
        ),
        content=content,
        message_id=f"<{id_}@acme.example>",
        header_from=SENDER,
        credential="acme.bench",
    )
