"""`gateway apply` and `gateway export`: a tenant as a file."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.domain import keys_to_add
from gateway.cli.opening import Config, Force, Json, Opened, TenantId, Yes, opened, utc_now
from gateway.cli.output import counted, print_json, print_line, print_next, print_table, warn
from gateway.cli.refusal import Refusal
from gateway.cli.tenant_source import Source, load_source, missing_secrets
from gateway.mail.tenant_file import SECTIONS, Items, as_toml
from gateway.store import codes, tenants
from gateway.store.errors import Conflict
from gateway.store.sealing import Seal
from gateway.store.sqlite import Db
from gateway.store.tenants import Change

SIGNS = {"added": "+", "changed": "~", "removed": "-", "secret": "*", "moved": ">"}


def apply(
    file: Annotated[Path, typer.Argument(metavar="FILE", show_default=False)],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove what the file does not name.")
    ] = False,
    yes: Yes = False,
    force: Force = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Make a tenant as its file says, and print what changed."""
    source = load_source(file)
    with opened(config) as gateway:
        order = Order(source, gateway.load_seal(), prune=prune, force=force)
        try:
            if prune and not dry_run and not yes:
                order.agreed = _confirm(order.rehearse(gateway))
            changes = order.rehearse(gateway) if dry_run else order.carry_out(gateway)
        except Conflict as conflict:
            raise Refusal(f"{file}: {conflict}") from conflict
        id_ = source.file.tenant.id
        notes = [*source.doubts, *missing_secrets(source.file, _known_secrets(gateway, source))]
        notes += _candidates(gateway, id_)
    if as_json:
        shown = [_as_json(one) for one in changes]
        print_json({"tenant": id_, "dry_run": dry_run, "changes": shown, "notes": notes})
        return
    _print_changes(id_, changes, dry_run=dry_run)
    for note in notes:
        warn(note)
    _print_next(file, changes, dry_run=dry_run)


def export(tenant: TenantId, *, config: Config = None, as_json: Json = False) -> None:
    """Print a tenant as a file that reads back as the same tenant; secrets as references."""
    with opened(config) as gateway:
        gateway.find_tenant(tenant)
        settings, items = gateway.store.read_now(tenants.tables, tenant) or ({}, {})
    if as_json:
        print_json(as_document(tenant, settings, items))
    else:
        typer.echo(as_toml(tenant, settings, items), nl=False)


def as_document(tenant: str, settings: dict[str, Any], items: Items) -> dict[str, Any]:
    """Return a tenant as one nested table, in the shape of its file."""
    document: dict[str, Any] = {"tenant": tenant, **settings}
    for section, (kind, _) in SECTIONS.items():
        named = {
            name: item for (of_kind, name), item in sorted(items.items()) if of_kind == kind
        }
        if named:
            document[section] = named
    return document


class _Rehearsed(Exception):
    """Carries what would have changed out of the savepoint that undoes it."""

    def __init__(self, changes: list[Change]) -> None:
        super().__init__("rehearsed")
        self.changes = changes


class Order:
    """One file to apply; rehearsed and carried out by the same steps."""

    def __init__(self, source: Source, seal: Seal, *, prune: bool, force: bool) -> None:
        self._source = source
        self._seal = seal
        self._prune = prune
        self._force = force
        self.agreed: Collection[Change] | None = None  # what may be removed; None: anything

    def rehearse(self, gateway: Opened) -> list[Change]:
        """Return what would change; the store undoes it by the savepoint of this call."""
        try:
            gateway.store.write_now(self._rehearse, now=utc_now())
        except _Rehearsed as rehearsed:
            return rehearsed.changes
        raise AssertionError("a rehearsal always ends by its exception")

    def carry_out(self, gateway: Opened) -> list[Change]:
        """Change the store, with keys for domains that have none; return what changed."""
        tenant = self._source.file.tenant
        keys = keys_to_add(gateway, self._seal, tenant=tenant.id, domains=tenant.domains)
        self._source.secrets.update(keys)
        return gateway.store.write_now(self._apply, now=utc_now())

    def _rehearse(self, db: Db, *, now: datetime) -> None:
        raise _Rehearsed(self._apply(db, now=now))

    def _apply(self, db: Db, *, now: datetime) -> list[Change]:
        changes = tenants.apply_tenant(
            db,
            self._source.file,
            self._source.secrets,
            self._seal,
            prune=self._prune,
            force=self._force,
            now=now,
        )
        removed = [one for one in changes if one.action == "removed"]
        strange = [one for one in removed if self.agreed is not None and one not in self.agreed]
        if strange:
            added = f"{strange[0].kind} {strange[0].name} was added meanwhile"
            raise Conflict(f"{added}, and nobody was asked about it: apply it again")
        return changes


def _confirm(changes: Iterable[Change]) -> list[Change]:
    """Return what a person agrees to have removed; raises Refusal where nobody is asked."""
    removed = [one for one in changes if one.action == "removed"]
    if not removed:
        return removed
    names = ", ".join(f"{one.kind} {one.name}" for one in removed)
    if not sys.stdin.isatty():
        raise Refusal(f"--prune would remove {names}; --yes agrees")
    typer.confirm(f"Remove {names}?", abort=True, err=True)
    return removed


def _candidates(gateway: Opened, tenant: str) -> list[str]:
    return [
        f'[mailboxes."{address}"] has a new code: the server tries it first, and the one in use'
        " stays until it works; gateway mailbox list"
        for of_tenant, address in gateway.store.read_now(codes.candidates)
        if of_tenant == tenant
    ]


def _known_secrets(gateway: Opened, source: Source) -> set[tuple[str, str]]:
    tenant = source.file.tenant.id
    items = set(source.file.items)
    asked = items | {
        (of_client, name)
        for kind, name in items
        if kind == "mailbox"
        for of_client in ("client", "refresh")
    }
    return {
        (kind, name)
        for kind, name in asked
        if (kind, name) in source.secrets
        or gateway.store.read_now(tenants.has_secret, tenant, kind, name)
    }


def _as_json(change: Change) -> dict[str, Any]:
    return {
        "kind": change.kind,
        "name": change.name,
        "action": change.action,
        "keys": list(change.keys),
    }


def _print_changes(id_: str, changes: list[Change], *, dry_run: bool) -> None:
    print_table(
        ["", "what", "name", "change"],
        ([SIGNS[one.action], one.kind, one.name, _what(one)] for one in changes),
        empty=f"{id_}: nothing to change",
    )
    if changes:
        done = "would change; nothing was" if dry_run else "changed"
        print_line(f"{id_}: {counted(len(changes), 'thing')} {done}")


def _what(change: Change) -> str:
    match change.action:
        case "changed":
            return ", ".join(change.keys)
        case "secret":
            return "key made" if change.kind == "dkim" else "secret sealed"
        case _:
            return change.action


def _print_next(file: Path, changes: list[Change], *, dry_run: bool) -> None:
    if dry_run:
        print_next(f"gateway apply {file}")
        return
    new_domains = [one.name for one in changes if (one.kind, one.action) == ("domain", "added")]
    print_next(*(f"gateway domain records {name}" for name in new_domains), "gateway status")
