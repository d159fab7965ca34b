"""Tenants and everything of theirs; secrets sealed.

An item (a domain, sender, upstream, mailbox, route, hook or credential) is a row with its
plain table; a domain and a mailbox belong to one tenant only, and the index says so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from gateway.mail.delivery import Lane, LaneKind
from gateway.mail.tenant import Tenant
from gateway.mail.tenant_file import Items, TenantFile, build_tenant
from gateway.store import codes, folders, needs, states, suppressions
from gateway.store.errors import Conflict
from gateway.store.following import follow_senders
from gateway.store.lanes import lanes_of, resume_lane, resume_refused, resume_way
from gateway.store.sealing import Seal
from gateway.store.sqlite import Db

WAYS = ("upstream", "route", "hook")
OF_READING = frozenset({  # of a mailbox: with another one its account is the same
    "after_fetch", "answers", "fetch_from", "folders", "issued", "junk", "route", "upstream",
})  # fmt: skip
KEYS_KEPT = timedelta(days=30)  # of a removed domain
DOMAIN_OF_KEY = "substr(secrets.name, 1, instr(secrets.name, '/') - 1)"
Secrets = Mapping[tuple[str, str], str]
"""Secrets by (kind, name): upstream, mailbox, client, route, hook, credential, dkim."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that an apply changed, or would change."""

    kind: str
    name: str
    action: str  # added | changed | removed | secret | moved
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCredential:
    """A submission login as the listener checks it."""

    tenant: str
    username: str
    hashed: str
    networks: tuple[str, ...]
    messages_per_hour: int | None


def revision(db: Db) -> int:
    """Return a number that grows with every change of tenants or secrets."""
    row = db.execute("SELECT value FROM counters WHERE name = 'tenants'").fetchone()
    return int(row[0]) if row else 0


def load_all(db: Db) -> dict[str, Tenant]:
    """Return every tenant by its id."""
    ids = [row[0] for row in db.execute("SELECT id FROM tenants ORDER BY id")]
    return {id_: tenant for id_ in ids if (tenant := load(db, id_))}


def load(db: Db, id_: str) -> Tenant | None:
    """Return one tenant, None when there is none."""
    found = tables(db, id_)
    return build_tenant(id_, *found) if found else None


def tables(db: Db, id_: str) -> tuple[dict[str, Any], Items] | None:
    """Return a tenant's plain tables, settings and items, None when there is none."""
    row = db.execute("SELECT settings FROM tenants WHERE id = ?", (id_,)).fetchone()
    if row is None:
        return None
    query = "SELECT kind, name, settings FROM tenant_items WHERE tenant = ?"
    items = {(kind, name): json.loads(text) for kind, name, text in db.execute(query, (id_,))}
    return json.loads(row[0]), items


def find_changes(db: Db, file: TenantFile, *, prune: bool) -> list[Change]:
    """Return what applying `file` would change, secrets left out."""
    id_ = file.tenant.id
    settings, items = tables(db, id_) or (None, {})
    changes = []
    if settings is None:
        changes.append(Change(kind="tenant", name=id_, action="added"))
    elif keys := _differing(settings, _plain(file.settings)):
        changes.append(Change(kind="tenant", name=id_, action="changed", keys=keys))
    for (kind, name), item in file.items.items():
        known = items.get((kind, name))
        if known is None:
            changes.append(Change(kind=kind, name=name, action="added"))
        elif keys := _differing(known, _plain(item)):
            changes.append(Change(kind=kind, name=name, action="changed", keys=keys))
    gone = [key for key in items if key not in file.items] if prune else []
    return changes + [Change(kind=kind, name=name, action="removed") for kind, name in gone]


def apply_tenant(
    db: Db,
    file: TenantFile,
    secrets: Secrets,
    seal: Seal,
    *,
    prune: bool = False,
    force: bool = False,
    now: datetime,
) -> list[Change]:
    """Make the store say what `file` says; return what changed.

    Without `prune`, what the file does not name stays. A secret that was applied before
    is not applied again: it may have been replaced since. A new one for a mailbox that works
    is only a candidate. DKIM keys are for a domain that has none: others may be published.
    Raises Conflict when a domain or mailbox is another tenant's, or mail still needs what would
    be removed.
    """
    id_ = file.tenant.id
    changes = find_changes(db, file, prune=prune)
    folders.expect_mail(db, load(db, id_), file.tenant, now=now)
    db.execute(
        "INSERT INTO tenants (id, settings, changed_at) VALUES (?,?,?) ON CONFLICT (id)"
        " DO UPDATE SET settings = excluded.settings, changed_at = excluded.changed_at",
        (id_, json.dumps(_plain(file.settings)), now.timestamp()),
    )
    _refuse_strange_senders(db, file)
    for (kind, name), item in file.items.items():
        put_item(db, id_, kind, name, item)
    gone = [one for one in changes if one.action == "removed"]
    for change in changes:
        if change not in gone:
            resume_refused(db, _lanes_by(db, id_, change), now=now)
    changes += _apply_secrets(db, seal, id_, secrets, now=now)
    changes += _remove_all(db, id_, gone, force=force, now=now)
    bump(db)
    return changes


def _lanes_by(db: Db, tenant: str, change: Change) -> list[Lane]:
    """Return the lanes whose account is another one by a change."""
    if change.kind == "mailbox":
        is_other = change.action == "added" or not OF_READING.issuperset(change.keys)
        return needs.own_lanes(db, tenant, change.name) if is_other else []
    return lanes_of(tenant, change.kind, change.name) if change.kind in WAYS else []


def _remove_all(
    db: Db, tenant: str, gone: Sequence[Change], *, force: bool, now: datetime
) -> list[Change]:
    """Remove senders, have mail follow those that are left, then remove the rest; return what
    was moved: it does not need the way any more that it waited for."""
    senders = [one for one in gone if one.kind == "sender"]
    for change in senders:
        remove_item(db, tenant, change.kind, change.name, now=now)
    left = load(db, tenant)
    moved = follow_senders(db, left, now=now) if left else {}
    for change in gone:
        if change not in senders:
            remove_item(db, tenant, change.kind, change.name, force=force, now=now)
    return [
        Change(kind="mail", name=f"{count} from {before.name or 'no upstream'} to {lane.name}",
               action="moved")
        for (before, lane), count in moved.items()
    ]  # fmt: skip


def _refuse_strange_senders(db: Db, file: TenantFile) -> None:
    """An address in a domain of another tenant is never ours to send as."""
    for address in file.tenant.senders:
        domain = address.rpartition("@")[2]
        query = (
            "SELECT tenant FROM tenant_items WHERE kind = 'domain' AND name = ? AND tenant <> ?"
        )
        if owner := db.execute(query, (domain, file.tenant.id)).fetchone():
            raise Conflict(f"the sender {address} is in a domain of the tenant {owner[0]}")


def _refuse_strange_users(db: Db, tenant: str, domain: str) -> None:
    """A domain is taken by nobody while another tenant may still write in its name."""
    query = (
        "SELECT tenant, name FROM tenant_items WHERE kind = 'sender' AND tenant <> ?1"
        " AND substr(name, -length(?2)) = ?2"
    )
    if user := db.execute(query, (tenant, f"@{domain}")).fetchone():
        raise Conflict(f"the tenant {user[0]} has the sender {user[1]} in the domain {domain}")


def put_item(db: Db, tenant: str, kind: str, name: str, item: Mapping[str, Any]) -> None:
    """Add or change one item; raises Conflict when it is another tenant's."""
    if kind in ("domain", "mailbox"):
        query = "SELECT tenant FROM tenant_items WHERE kind = ? AND name = ? AND tenant <> ?"
        if owner := db.execute(query, (kind, name, tenant)).fetchone():
            raise Conflict(f"the {kind} {name} belongs to the tenant {owner[0]} already")
    if kind == "domain":
        _refuse_strange_users(db, tenant, name)
    db.execute(
        "INSERT INTO tenant_items (tenant, kind, name, settings) VALUES (?,?,?,?)"
        " ON CONFLICT (tenant, kind, name) DO UPDATE SET settings = excluded.settings",
        (tenant, kind, name, json.dumps(_plain(item))),
    )


def remove_item(
    db: Db, tenant: str, kind: str, name: str, *, force: bool = False, now: datetime
) -> None:
    """Remove one item; mail that waits for it is held with `force`, else raises Conflict."""
    if kind in WAYS:
        needs.free_lane(db, Lane(tenant, LaneKind(kind), name), force=force, now=now)
    if kind == "mailbox":
        needs.free_mailbox(db, tenant, name, force=force, now=now)
        _forget_grant(db, tenant, name)
    if kind == "domain":  # its keys stay for a while: their records are published still
        db.execute(
            "UPDATE secrets SET changed_at = ? WHERE tenant = ? AND kind = 'dkim'"
            f" AND {DOMAIN_OF_KEY} = ?",
            (now.timestamp(), tenant, name),
        )
    where = "tenant = ? AND kind = ? AND name = ?"
    db.execute(f"DELETE FROM tenant_items WHERE {where}", (tenant, kind, name))
    db.execute(f"DELETE FROM secrets WHERE {where}", (tenant, kind, name))


def remove_tenant(db: Db, id_: str, *, force: bool = False, now: datetime) -> None:
    """Remove a tenant; its mail stays for the viewer. Raises Conflict like `remove_item`."""
    found = tables(db, id_)
    if found is None:
        raise Conflict(f"there is no tenant '{id_}'; gateway tenant list shows them")
    for kind, name in found[1]:
        remove_item(db, id_, kind, name, force=force, now=now)
    needs.free_lane(db, Lane(id_, LaneKind.NONE, ""), force=force, now=now)
    db.execute("DELETE FROM tenants WHERE id = ?", (id_,))
    db.execute("DELETE FROM secrets WHERE tenant = ? AND kind <> 'dkim'", (id_,))
    suppressions.forget(db, id_)
    bump(db)


def forget_keys(db: Db, *, now: datetime) -> None:
    """Remove the DKIM keys of domains that were removed 30 days ago."""
    db.execute(
        "DELETE FROM secrets WHERE kind = 'dkim' AND changed_at <= ? AND NOT EXISTS"
        " (SELECT 1 FROM tenant_items i WHERE i.tenant = secrets.tenant AND i.kind = 'domain'"
        f" AND i.name = {DOMAIN_OF_KEY})",
        ((now - KEYS_KEPT).timestamp(),),
    )


def bump(db: Db) -> None:
    """Say that tenants or secrets changed: a running server reads them again."""
    db.execute(
        "INSERT INTO counters (name, value) VALUES ('tenants', 1)"
        " ON CONFLICT (name) DO UPDATE SET value = value + 1"
    )


def put_secret(
    db: Db, seal: Seal, tenant: str, kind: str, name: str, secret: str, *, now: datetime
) -> None:
    """Seal a secret in the place of the one before it; a credential's is only hashed."""
    kept = seal.hash_password(secret).encode() if kind == "credential" else seal.seal(secret)
    store_sealed(db, (tenant, kind, name), kept, now=now)
    if kind in WAYS:
        resume_way(db, tenant, kind, name, now=now)
    if kind in ("mailbox", "client"):
        states.revive(db, name, reason="A new code was entered; it is tried now.", now=now)
        for lane in needs.own_lanes(db, tenant, name):
            resume_lane(db, lane, now=now)
    bump(db)


def store_sealed(db: Db, key: tuple[str, str, str], sealed: bytes, *, now: datetime) -> None:
    """Keep a sealed secret under (tenant, kind, name); nobody is told."""
    db.execute(
        "INSERT INTO secrets (tenant, kind, name, sealed, changed_at) VALUES (?,?,?,?,?)"
        " ON CONFLICT (tenant, kind, name) DO UPDATE SET sealed = excluded.sealed,"
        " changed_at = excluded.changed_at",
        (*key, sealed, now.timestamp()),
    )


def open_secret(db: Db, seal: Seal, tenant: str, kind: str, name: str) -> str | None:
    """Return a secret, None when there is none; raises StoreError when it cannot be opened."""
    query = "SELECT sealed FROM secrets WHERE tenant = ? AND kind = ? AND name = ?"
    row = db.execute(query, (tenant, kind, name)).fetchone()
    return seal.open(row[0]) if row else None


def dkim_keys(db: Db, seal: Seal, tenant: str, domain: str) -> list[tuple[str, str]]:
    """Return (selector, PEM) of a domain's keys; they are kept as `DOMAIN/SELECTOR`."""
    rows = db.execute(
        "SELECT name, sealed FROM secrets WHERE tenant = ? AND kind = 'dkim'"
        " AND substr(name, 1, ?) = ? ORDER BY name DESC",
        (tenant, len(domain) + 1, f"{domain}/"),
    )
    return [(name.partition("/")[2], seal.open(sealed)) for name, sealed in rows]


def reseal(db: Db, seal: Seal) -> int:
    """Seal every secret by the newest key; return how many. Hashes of passwords stay."""
    rows = db.execute(
        "SELECT tenant, kind, name, sealed FROM secrets WHERE kind <> 'credential'"
    ).fetchall()
    db.executemany(
        "UPDATE secrets SET sealed = ? WHERE tenant = ? AND kind = ? AND name = ?",
        [(seal.reseal(row[3]), *row[:3]) for row in rows],
    )
    bump(db)
    return len(rows)


def has_secret(db: Db, tenant: str, kind: str, name: str) -> bool:
    """Whether a secret is kept, without opening it."""
    query = "SELECT 1 FROM secrets WHERE tenant = ? AND kind = ? AND name = ?"
    return db.execute(query, (tenant, kind, name)).fetchone() is not None


def credentials(db: Db) -> dict[str, StoredCredential]:
    """Return every submission login by its user name, `TENANT.NAME`."""
    rows = db.execute(
        "SELECT i.tenant, i.name, i.settings, s.sealed FROM tenant_items i JOIN secrets s"
        " ON s.tenant = i.tenant AND s.kind = 'credential' AND s.name = i.name"
        " WHERE i.kind = 'credential'"
    )
    found = (_credential(*row) for row in rows)
    return {one.username: one for one in found}


def _credential(tenant: str, name: str, settings: str, hashed: bytes) -> StoredCredential:
    table = json.loads(settings)
    return StoredCredential(
        tenant=tenant,
        username=f"{tenant}.{name}",
        hashed=hashed.decode(),
        networks=tuple(table.get("networks", ())),
        messages_per_hour=table.get("messages_per_hour"),
    )


def _forget_grant(db: Db, tenant: str, mailbox: str) -> None:
    db.execute(
        "DELETE FROM secrets WHERE tenant = ? AND name = ?"
        " AND kind IN ('client', 'refresh', 'access')",
        (tenant, mailbox),
    )
    for table in ("grants", "authorizations"):
        db.execute(f"DELETE FROM {table} WHERE tenant = ? AND mailbox = ?", (tenant, mailbox))


def _apply_secrets(
    db: Db, seal: Seal, tenant: str, secrets: Secrets, *, now: datetime
) -> list[Change]:
    query = f"SELECT DISTINCT {DOMAIN_OF_KEY} FROM secrets WHERE tenant = ? AND kind = 'dkim'"
    with_keys = {row[0] for row in db.execute(query, (tenant,))}
    return [
        Change(kind=kind, name=name, action="secret")
        for (kind, name), secret in secrets.items()
        if not (kind == "dkim" and name.partition("/")[0] in with_keys)
        and _apply_secret(db, seal, (tenant, kind, name), secret, now)
    ]


def _apply_secret(
    db: Db, seal: Seal, key: tuple[str, str, str], secret: str, now: datetime
) -> bool:
    where = "tenant = ? AND kind = ? AND name = ?"
    row = db.execute(f"SELECT applied_hash FROM secrets WHERE {where}", key).fetchone()
    if row is not None and row[0] is not None and seal.matches(secret, row[0]):
        return False  # also when the key has been rotated since
    tenant, kind, name = key
    if kind == "mailbox" and codes.is_in_use(db, tenant, name):
        codes.propose(db, seal, tenant, name, secret, now=now)
    else:
        put_secret(db, seal, *key, secret, now=now)
    hashed = seal.hash_password(secret)
    db.execute(f"UPDATE secrets SET applied_hash = ? WHERE {where}", (hashed, *key))
    return True


def _differing(known: Mapping[str, Any], wanted: Mapping[str, Any]) -> tuple[str, ...]:
    keys = sorted({*known, *wanted})
    return tuple(key for key in keys if known.get(key) != wanted.get(key))


def _plain(table: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value.isoformat() if isinstance(value, date) else value
        for key, value in table.items()
    }
