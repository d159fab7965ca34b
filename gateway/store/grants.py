"""What owners granted by OAuth2: refresh tokens that rotate, access tokens that expire.

One process renews a grant at a time, by a lease. The new refresh token and its access token
are one commit, and only what is committed is used: after a crash the newest is at hand.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from gateway.net.oauth import Tokens
from gateway.store import needs, states, tenants
from gateway.store.lanes import resume_lane
from gateway.store.sealing import Seal
from gateway.store.sqlite import Db

LEASE = timedelta(seconds=90)  # longer than a token endpoint is waited for
MARGIN = timedelta(minutes=5)  # an access token is renewed before it runs out
REVIVED = "The permission was given anew; it is tried now."


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What is kept of one mailbox; nothing at all before its owner has said yes."""

    refresh: str | None = field(default=None, repr=False)
    access: str | None = field(default=None, repr=False)
    usable_until: datetime | None = None
    authorized_at: datetime | None = None

    def usable(self, *, now: datetime, refused: str | None = None) -> str | None:
        """Return the access token while it is good, and not the one that was refused."""
        if self.access is None or self.usable_until is None or self.usable_until <= now:
            return None
        return None if self.access == refused else self.access


def load(db: Db, seal: Seal, tenant: str, mailbox: str) -> Grant:
    """Return what is kept of a mailbox."""
    row = db.execute(
        "SELECT usable_until, authorized_at FROM grants WHERE tenant = ? AND mailbox = ?",
        (tenant, mailbox),
    ).fetchone() or (None, None)
    return Grant(
        refresh=tenants.open_secret(db, seal, tenant, "refresh", mailbox),
        access=tenants.open_secret(db, seal, tenant, "access", mailbox),
        usable_until=_time(row[0]),
        authorized_at=_time(row[1]),
    )


def borrow(
    db: Db, seal: Seal, tenant: str, mailbox: str, *, holder: str, now: datetime
) -> Grant | None:
    """Return the grant for `holder` alone to renew; None while another one does.

    What an earlier life of the same holder had is its own at once.
    """
    changed = db.execute(
        "INSERT INTO grants (tenant, mailbox, holder, held_until) VALUES (?,?,?,?)"
        " ON CONFLICT (tenant, mailbox) DO UPDATE SET holder = excluded.holder,"
        " held_until = excluded.held_until WHERE holder IS NULL"
        " OR holder = excluded.holder OR held_until <= ?",
        (tenant, mailbox, holder, (now + LEASE).timestamp(), now.timestamp()),
    )
    return load(db, seal, tenant, mailbox) if changed.rowcount else None


def give_back(db: Db, tenant: str, mailbox: str, *, holder: str) -> None:
    """End the lease of `holder`; what is kept stays as it is."""
    db.execute(
        "UPDATE grants SET holder = NULL, held_until = NULL"
        " WHERE tenant = ? AND mailbox = ? AND holder = ?",
        (tenant, mailbox, holder),
    )


def keep(
    db: Db, seal: Seal, tenant: str, mailbox: str, tokens: Tokens, *, holder: str, now: datetime
) -> bool:
    """Keep what a renewal brought and end the lease.

    Returns False, and keeps nothing, when the lease was lost meanwhile: something newer is
    there.
    """
    query = "SELECT 1 FROM grants WHERE tenant = ? AND mailbox = ? AND holder = ?"
    if db.execute(query, (tenant, mailbox, holder)).fetchone() is None:
        return False
    _store(db, seal, tenant, mailbox, tokens, now=now)
    give_back(db, tenant, mailbox, holder=holder)
    return True


def authorize(
    db: Db, seal: Seal, tenant: str, mailbox: str, tokens: Tokens, *, now: datetime
) -> None:
    """Keep what a person has just granted; the mailbox and its lanes are tried at once."""
    db.execute(
        "INSERT INTO grants (tenant, mailbox, authorized_at) VALUES (?,?,?) ON CONFLICT"
        " (tenant, mailbox) DO UPDATE SET authorized_at = excluded.authorized_at,"
        " holder = NULL, held_until = NULL",
        (tenant, mailbox, now.timestamp()),
    )
    _store(db, seal, tenant, mailbox, tokens, now=now)
    states.revive(db, mailbox, reason=REVIVED, now=now)
    for lane in needs.own_lanes(db, tenant, mailbox):
        resume_lane(db, lane, now=now)
    tenants.bump(db)


def _store(
    db: Db, seal: Seal, tenant: str, mailbox: str, tokens: Tokens, *, now: datetime
) -> None:
    if tokens.refresh is not None:
        tenants.store_sealed(
            db, (tenant, "refresh", mailbox), seal.seal(tokens.refresh), now=now
        )
    tenants.store_sealed(db, (tenant, "access", mailbox), seal.seal(tokens.access), now=now)
    until = now + tokens.life - min(MARGIN, tokens.life / 4)
    db.execute(
        "UPDATE grants SET usable_until = ? WHERE tenant = ? AND mailbox = ?",
        (until.timestamp(), tenant, mailbox),
    )


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
