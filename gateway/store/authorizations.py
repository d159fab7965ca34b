"""Authorizations that were begun: who was asked to say yes, until when; each good once.

Where a command awaits the answer, since its mailbox is not kept yet, the running server leaves
it here for that command.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256

from gateway.store.sealing import Seal
from gateway.store.sqlite import Db

LIFE = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """One authorization on its way; its state is known by its hash alone."""

    tenant: str
    mailbox: str
    verifier: str = field(repr=False)  # RFC 7636
    redirect_uri: str
    awaited: bool = False  # by a command: what comes back is left for it


def begin(db: Db, seal: Seal, pending: Pending, *, state: str, now: datetime) -> None:
    """Keep an authorization until it is taken or has run out."""
    db.execute("DELETE FROM authorizations WHERE until <= ?", (now.timestamp(),))
    db.execute(
        "INSERT INTO authorizations (state, tenant, mailbox, verifier, redirect_uri, awaited,"
        " until) VALUES (?,?,?,?,?,?,?)",
        (
            _hash(state), pending.tenant, pending.mailbox, seal.seal(pending.verifier),
            pending.redirect_uri, int(pending.awaited), (now + LIFE).timestamp(),
        ),
    )  # fmt: skip


def take(
    db: Db, seal: Seal, *, state: str, awaited: bool = False, now: datetime
) -> Pending | None:
    """Return the authorization of a state and forget it; None when there is none.

    One that a command awaits is given to that command alone, which says so.
    """
    row = db.execute(
        "DELETE FROM authorizations WHERE state = ? AND awaited = ? AND until > ?"
        " RETURNING tenant, mailbox, verifier, redirect_uri",
        (_hash(state), int(awaited), now.timestamp()),
    ).fetchone()
    if row is None:
        return None
    return Pending(
        tenant=row[0],
        mailbox=row[1],
        verifier=seal.open(row[2]),
        redirect_uri=row[3],
        awaited=awaited,
    )


def leave(
    db: Db, seal: Seal, answer: Mapping[str, str], *, state: str, now: datetime
) -> str | None:
    """Leave what came back for the command that awaits it; the first answer counts.

    Returns the mailbox that it is about, None when no command awaits it.
    """
    row = db.execute(
        "UPDATE authorizations SET answer = ? WHERE state = ? AND awaited = 1"
        " AND answer IS NULL AND until > ? RETURNING mailbox",
        (seal.seal(json.dumps(dict(answer))), _hash(state), now.timestamp()),
    ).fetchone()
    return row[0] if row else None


def find_answer(db: Db, seal: Seal, *, state: str) -> dict[str, str] | None:
    """Return what was left for the command that awaits it, None before that."""
    query = "SELECT answer FROM authorizations WHERE state = ? AND answer IS NOT NULL"
    row = db.execute(query, (_hash(state),)).fetchone()
    found: dict[str, str] | None = json.loads(seal.open(row[0])) if row else None
    return found


def _hash(state: str) -> str:
    return sha256(state.encode()).hexdigest()
