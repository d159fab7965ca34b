"""Addresses that a tenant's mail is not sent to, and the recipients refused for it.

Whether an address is suppressed is asked at RCPT, of what was read when the revision changed:
a recipient costs no question to the store. An automatic answer asks the store itself, where it
is queued. What was accepted before an address was suppressed is on its way, and stays so.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from gateway.mail.delivery import Kind, LaneKind, State
from gateway.mail.envelope import Refused
from gateway.mail.ids import new_id
from gateway.mail.suppression import Suppression, SuppressionReason
from gateway.store import journal
from gateway.store.sqlite import Db

COLUMNS = "tenant, address, reason, evidence, expires_on"
IN_FORCE = "(expires_on IS NULL OR expires_on > :on)"


def suppress(db: Db, entry: Suppression, *, now: datetime) -> None:
    """Keep an entry in the place of one before it; what has run out is forgotten.

    What holds until somebody removes it is not replaced by what ends by itself.
    """
    db.execute(
        "DELETE FROM suppressions WHERE tenant = ? AND expires_on <= ?",
        (entry.tenant, _on(now)),
    )
    expires_on = entry.expires_on.isoformat() if entry.expires_on else None
    db.execute(
        f"INSERT INTO suppressions ({COLUMNS}, added_at) VALUES (?,?,?,?,?,?)"
        " ON CONFLICT (tenant, address) DO UPDATE SET reason = excluded.reason,"
        " evidence = excluded.evidence, expires_on = excluded.expires_on,"
        " added_at = excluded.added_at"
        " WHERE suppressions.expires_on IS NOT NULL OR excluded.expires_on IS NULL",
        (
            entry.tenant, entry.address, entry.reason.value, entry.evidence, expires_on,
            now.timestamp(),
        ),
    )  # fmt: skip
    _count_change(db)


def revision(db: Db) -> int:
    """Return a number that changes with every change of the entries."""
    row = db.execute("SELECT value FROM counters WHERE name = 'suppressions'").fetchone()
    return int(row[0]) if row else 0


def entries(db: Db, *, tenant: str | None = None, now: datetime) -> list[Suppression]:
    """Return what is in force, by tenant and address."""
    rows = db.execute(
        f"SELECT {COLUMNS} FROM suppressions WHERE (:tenant IS NULL OR tenant = :tenant)"
        f" AND {IN_FORCE} ORDER BY tenant, address",
        {"tenant": tenant, "on": _on(now)},
    )
    return [_suppression(row) for row in rows]


def find(db: Db, tenant: str, address: str, *, now: datetime) -> Suppression | None:
    """Return what is in force against `address`, folded; None: mail goes to it."""
    row = db.execute(
        f"SELECT {COLUMNS} FROM suppressions WHERE tenant = :tenant AND address = :address"
        f" AND {IN_FORCE}",
        {"tenant": tenant, "address": address, "on": _on(now)},
    ).fetchone()
    return _suppression(row) if row else None


def lift(db: Db, tenant: str, address: str) -> bool:
    """Let mail go to `address`, folded, again; False when nothing stood against it."""
    changed = db.execute(
        "DELETE FROM suppressions WHERE tenant = ? AND address = ?", (tenant, address)
    )
    _count_change(db)
    return changed.rowcount > 0


def forget(db: Db, tenant: str) -> None:
    """A tenant is gone: nothing stands against anybody for it any more."""
    db.execute("DELETE FROM suppressions WHERE tenant = ?", (tenant,))
    _count_change(db)


def note_refusal(db: Db, refused: Refused, *, now: datetime) -> str:
    """Keep that a recipient was not taken, so that people find it; return the id of that.

    It is a row of its own: the message, if there was one, belongs to the other recipients.
    """
    id_, sender, said = new_id(), str(refused.return_path or ""), refused.reply.as_line()
    db.execute(
        "INSERT INTO message (id, tenant, kind, message_id, return_path, header_from, envelope,"
        " edits, credential, size_bytes, accepted_at) VALUES (?,?,?,'',?,?,'{}','[]',?,0,?)",
        (
            id_, refused.tenant, Kind.REFUSED.value, sender or None, sender,
            refused.credential, now.timestamp(),
        ),
    )  # fmt: skip
    db.execute(
        "INSERT INTO delivery (message, tenant, lane_kind, lane, recipient, state, last_code,"
        " last_reply, finished_at) VALUES (?,?,?,'',?,?,?,?,?)",
        (
            id_, refused.tenant, LaneKind.NONE.value, str(refused.recipient),
            State.FAILED.value, refused.reply.code, said, now.timestamp(),
        ),
    )  # fmt: skip
    journal.write(
        db, id_, "recipient.refused", now=now, recipient=str(refused.recipient),
        credential=refused.credential, reply=said, fix=refused.fix, **{"from": sender},
    )  # fmt: skip
    return id_


def _count_change(db: Db) -> None:
    db.execute(
        "INSERT INTO counters (name, value) VALUES ('suppressions', 1)"
        " ON CONFLICT (name) DO UPDATE SET value = value + 1"
    )


def _on(now: datetime) -> str:
    return now.date().isoformat()


def _suppression(row: tuple[Any, ...]) -> Suppression:
    tenant, address, reason, evidence, expires_on = row
    return Suppression(
        tenant=tenant,
        address=address,
        reason=SuppressionReason(reason),
        evidence=evidence,
        expires_on=date.fromisoformat(expires_on) if expires_on else None,
    )
