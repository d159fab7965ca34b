"""Mails of Amazon's buyers that nobody has answered yet; each is told of twice, at most.

A buyer is known by the alias without its +detail. An entry ends with a person's answer, or
when the last warning was told.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gateway.mail.address import Address
from gateway.mail.delivery import Outgoing
from gateway.mail.inbound import Fetched
from gateway.mail.trouble import Alert
from gateway.store import alerts, journal
from gateway.store.queue import accept
from gateway.store.sqlite import Db
from gateway.store.threads import REF_OF_MESSAGE

WARNED_AFTER_HOURS = (12, 20)  # Amazon asks for an answer in 24, on weekends too


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """One mail that waits for an answer, and the warning that is due."""

    message: str
    tenant: str
    mailbox: str
    message_id: str
    conversation: str | None
    conversation_ref: str | None
    header_from: str
    received_at: datetime
    hours: int  # of WARNED_AFTER_HOURS


def begin(db: Db, fetched: Fetched, buyer: Address, *, since: datetime) -> None:
    """Let a buyer's mail wait for an answer from `since` on."""
    db.execute(
        "INSERT OR IGNORE INTO unanswered (message, tenant, mailbox, buyer, since)"
        " VALUES (?,?,?,?,?)",
        (fetched.id, fetched.tenant, fetched.mailbox, buyer.base.key, since.timestamp()),
    )


def end(db: Db, tenant: str, buyers: Iterable[Address]) -> None:
    """A person wrote to these buyers: nothing of theirs waits any more."""
    db.executemany(
        "DELETE FROM unanswered WHERE tenant = ? AND buyer = ?",
        [(tenant, one.base.key) for one in buyers],
    )


def forget(db: Db, message: str) -> None:
    """Its mailbox is gone: nobody is warned."""
    db.execute("DELETE FROM unanswered WHERE message = ?", (message,))


def due(db: Db, *, now: datetime) -> list[Unanswered]:
    """Return what is to be warned of now, oldest first; of several warnings the last one."""
    first = timedelta(hours=WARNED_AFTER_HOURS[0])
    rows = db.execute(
        "SELECT u.message, u.tenant, u.mailbox, m.message_id, m.conversation, m.header_from,"
        f" u.since, u.warned, {REF_OF_MESSAGE}"
        " FROM unanswered u JOIN message m ON m.id = u.message"
        " WHERE u.since <= ? ORDER BY u.since",
        ((now - first).timestamp(),),
    )
    found = [(row, _stage(row[6], now)) for row in rows]
    return [
        Unanswered(
            message=row[0],
            tenant=row[1],
            mailbox=row[2],
            message_id=row[3],
            conversation=row[4],
            conversation_ref=row[8],
            header_from=row[5],
            received_at=datetime.fromtimestamp(row[6], UTC),
            hours=hours,
        )
        for row, hours in found
        if hours > row[7]
    ]


def warn(
    db: Db,
    one: Unanswered,
    *,
    fix: str,
    outgoing: Sequence[Outgoing],
    mails: Sequence[Alert],
    now: datetime,
) -> bool:
    """Record a warning, queue its events and its mails; False: told or answered meanwhile."""
    changed = db.execute(
        "UPDATE unanswered SET warned = ? WHERE message = ? AND warned < ?",
        (one.hours, one.message, one.hours),
    )
    if not changed.rowcount:
        return False
    if one.hours == WARNED_AFTER_HOURS[-1]:
        forget(db, one.message)
    journal.write(db, one.message, "message.unanswered", now=now, hours=one.hours, fix=fix)
    for event in outgoing:
        accept(db, event, now=now)
    alerts.queue(db, mails)
    return True


def _stage(since: float, now: datetime) -> int:
    age_hours = (now.timestamp() - since) / 3600
    return max(hours for hours in (0, *WARNED_AFTER_HOURS) if hours <= age_hours)
