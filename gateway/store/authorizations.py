"""Authorizations that were begun: who was asked to say yes, until when; each good once."""

from __future__ import annotations

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


def begin(db: Db, seal: Seal, pending: Pending, *, state: str, now: datetime) -> None:
    """Keep an authorization until it is taken or has run out."""
    db.execute("DELETE FROM authorizations WHERE until <= ?", (now.timestamp(),))
    db.execute(
        "INSERT INTO authorizations (state, tenant, mailbox, verifier, redirect_uri, until)"
        " VALUES (?,?,?,?,?,?)",
        (
            _hash(state), pending.tenant, pending.mailbox, seal.seal(pending.verifier),
            pending.redirect_uri, (now + LIFE).timestamp(),
        ),
    )  # fmt: skip


def take(db: Db, seal: Seal, *, state: str, now: datetime) -> Pending | None:
    """Return the authorization of a state and forget it; None when there is none."""
    row = db.execute(
        "DELETE FROM authorizations WHERE state = ? AND until > ?"
        " RETURNING tenant, mailbox, verifier, redirect_uri",
        (_hash(state), now.timestamp()),
    ).fetchone()
    if row is None:
        return None
    return Pending(
        tenant=row[0], mailbox=row[1], verifier=seal.open(row[2]), redirect_uri=row[3]
    )


def _hash(state: str) -> str:
    return sha256(state.encode()).hexdigest()
