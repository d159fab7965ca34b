"""The last chain of each tenant that compiled: it runs on even after a restart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.store.sqlite import Db


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptChain:
    """The texts of a chain that compiled, as `policy.kept` writes them."""

    tenant: str
    kind: str  # inbound | outbound
    version: str
    content: str
    kept_at: datetime


def keep(db: Db, chain: KeptChain) -> None:
    """Keep a chain in the place of the one before; nothing for a tenant that is gone."""
    db.execute(
        "INSERT INTO chains (tenant, kind, version, content, kept_at)"
        " SELECT ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM tenants WHERE id = ?1)"
        " ON CONFLICT (tenant, kind) DO UPDATE SET version = excluded.version,"
        " content = excluded.content, kept_at = excluded.kept_at",
        (chain.tenant, chain.kind, chain.version, chain.content, chain.kept_at.timestamp()),
    )


def load_all(db: Db) -> dict[tuple[str, str], KeptChain]:
    """Return what is kept, by tenant and kind."""
    rows = db.execute("SELECT tenant, kind, version, content, kept_at FROM chains")
    found = [
        KeptChain(
            tenant=tenant,
            kind=kind,
            version=version,
            content=content,
            kept_at=datetime.fromtimestamp(at, UTC),
        )
        for tenant, kind, version, content, at in rows
    ]
    return {(one.tenant, one.kind): one for one in found}
