"""How envelopes and batches lie in their rows, and back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from gateway.mail.address import Address
from gateway.mail.delivery import Batch, Delivery, Kind, Lane
from gateway.mail.envelope import Envelope, Recipient
from gateway.mail.message import Edit, apply_edits
from gateway.store.sqlite import Db
from gateway.store.threads import REF_OF_MESSAGE


def envelope_row(envelope: Envelope) -> str:
    """Return what an envelope says beside its addresses, as JSON."""
    row = {
        "ret": envelope.ret,
        "envid": envelope.envid,
        "body_8bit": envelope.body_8bit or None,
        "smtputf8": envelope.smtputf8 or None,
        "hold_until": envelope.hold_until.timestamp() if envelope.hold_until else None,
    }
    return json.dumps({key: value for key, value in row.items() if value is not None})


def _envelope(return_path: str | None, row: str, recipients: Iterable[Recipient]) -> Envelope:
    said = json.loads(row)
    hold_until = said.pop("hold_until", None)
    return Envelope(
        return_path=_stored_address(return_path) if return_path else None,
        recipients=tuple(recipients),
        hold_until=time_of(hold_until) if hold_until is not None else None,
        **said,
    )


def edits_row(edits: tuple[Edit, ...]) -> str:
    """Return recorded edits as JSON."""
    return json.dumps([[one.name, one.value, one.last, one.body, one.span] for one in edits])


def _edit(name: str, value: str | None, last: bool, body: bool, span: list[int] | None) -> Edit:
    return Edit(name, value, last, body, (span[0], span[1]) if span else None)


def _stored_address(text: str) -> Address:
    local, _, domain = text.rpartition("@")
    return Address(local, domain)


def time_of(seconds: float) -> datetime:
    """Return the aware time of a column."""
    return datetime.fromtimestamp(seconds, UTC)


def delivery_of(row: Sequence[Any], now: datetime) -> Delivery:
    """Return the delivery of a claimed row, its give-up clock read at `now`."""
    number, recipient, notify, orcpt, attempts, seconds, since, delay_told = row
    running = now.timestamp() - since if since is not None else 0.0
    return Delivery(
        number=number,
        recipient=Recipient(_stored_address(recipient), notify, orcpt),
        attempts=attempts,
        sendable_seconds=seconds + running,
        is_delay_told=bool(delay_told),
    )


def content_that_leaves(db: Db, message: str) -> bytes | None:
    """Return the bytes of a message with its recorded edits, None when kept no more."""
    row = db.execute(
        "SELECT c.bytes, m.edits FROM message m JOIN content c ON c.message = m.id"
        " WHERE m.id = ?",
        (message,),
    ).fetchone()
    return (
        apply_edits(row[0], tuple(_edit(*one) for one in json.loads(row[1]))) if row else None
    )


def load_batch(
    db: Db,
    message: str,
    lane: Lane,
    *,
    token: str,
    until: datetime,
    deliveries: tuple[Delivery, ...],
) -> Batch:
    """Return what is sent of a claimed message: its stored bytes and the leased deliveries."""
    row = db.execute(
        "SELECT m.kind, m.message_id, m.return_path, m.header_from, m.envelope, m.edits,"
        " m.origin, m.accepted_at, c.bytes, m.conversation, m.sequence,"
        f" {REF_OF_MESSAGE} FROM message m"
        " JOIN content c ON c.message = m.id"
        " WHERE m.id = ?",
        (message,),
    ).fetchone()
    envelope = _envelope(row[2], row[4], [one.recipient for one in deliveries])
    return Batch(
        message=message,
        lane=lane,
        kind=Kind(row[0]),
        token=token,
        lease_until=until,
        envelope=envelope,
        content=row[8],
        edits=tuple(_edit(*one) for one in json.loads(row[5])),
        message_id=row[1],
        header_from=row[3],
        accepted_at=time_of(row[7]),
        origin=row[6],
        conversation=row[9],
        sequence=row[10],
        conversation_ref=row[11],
        deliveries=deliveries,
    )
