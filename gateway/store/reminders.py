"""Which reminders were told: each once, until what it was about is over."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from gateway.mail.delivery import Outgoing
from gateway.mail.trouble import Alert, Reminder
from gateway.store import alerts
from gateway.store.queue import accept
from gateway.store.sqlite import Db


def told(db: Db) -> dict[str, frozenset[str]]:
    """Return the kinds of reminders told, by what they are about."""
    found: dict[str, set[str]] = {}
    for about, kind in db.execute("SELECT about, kind FROM reminders"):
        found.setdefault(about, set()).add(kind)
    return {about: frozenset(kinds) for about, kinds in found.items()}


def tell(
    db: Db,
    reminder: Reminder,
    *,
    outgoing: Sequence[Outgoing],
    mails: Sequence[Alert],
    now: datetime,
) -> bool:
    """Record a reminder, queue its events and its mails; False: it was told before."""
    changed = db.execute(
        "INSERT OR IGNORE INTO reminders (about, kind, told_at) VALUES (?,?,?)",
        (reminder.about, reminder.kind, now.timestamp()),
    )
    if not changed.rowcount:
        return False
    for one in outgoing:
        accept(db, one, now=now)
    alerts.queue(db, mails)
    return True


def end(db: Db, about: str, kind: str, *, outgoing: Sequence[Outgoing], now: datetime) -> bool:
    """Forget what was told and queue the events that say so; False: it was not told."""
    gone = db.execute("DELETE FROM reminders WHERE about = ? AND kind = ?", (about, kind))
    if not gone.rowcount:
        return False
    for one in outgoing:
        accept(db, one, now=now)
    return True


def forget(db: Db, kind: str, *, but: Collection[str]) -> None:
    """Forget the reminders of a kind, but those about `but`: what they told of is over."""
    kept = set(but)
    gone = [
        (about, kind)
        for (about,) in db.execute("SELECT about FROM reminders WHERE kind = ?", (kind,))
        if about not in kept
    ]
    db.executemany("DELETE FROM reminders WHERE about = ? AND kind = ?", gone)
