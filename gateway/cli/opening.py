"""Finds gateway.conf and opens the store; the options that every verb has."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.refusal import Refusal, refuse_unknown
from gateway.config import Settings, load_settings
from gateway.mail.tenant import Tenant
from gateway.store import tenants
from gateway.store.sealing import Seal
from gateway.store.sqlite import Store

VARIABLE = "GATEWAY_CONFIG"
PLACES = (Path("gateway.conf"), Path("/etc/gateway/gateway.conf"))

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        show_default=False,
        help="The configuration; else $GATEWAY_CONFIG, ./gateway.conf,"
        " /etc/gateway/gateway.conf.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
LONGEST_WAIT = 7 * 86_400  # seconds
OfTenant = Annotated[
    str | None,
    typer.Option("--tenant", metavar="TENANT", show_default=False, help="This tenant's only."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Force = Annotated[bool, typer.Option("--force", help="Hold the mail that still needs it.")]
TenantId = Annotated[str, typer.Argument(metavar="TENANT", show_default=False)]
ID = typer.Argument(
    metavar="ID", show_default=False, help="Ours, a Message-ID, or the upstream's id."
)
Id = Annotated[str, ID]

Verbs = Mapping[str, Callable[..., None]]
"""The verbs of a noun by their names."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The settings and the store of one gateway, while a verb works on them."""

    settings: Settings
    store: Store

    def load_seal(self) -> Seal:
        """Return what seals and opens secrets; raises StoreError."""
        return Seal.load(self.settings.state / "secret.key")

    def find_tenant(self, id_: str) -> Tenant:
        """Return the tenant; raises Refusal with the nearest name when there is none."""
        if tenant := self.store.read_now(tenants.load, id_):
            return tenant
        known = self.store.read_now(tenants.load_all)
        raise refuse_unknown(id_, known, thing="tenant", make=f"gateway tenant add {id_}")

    def check_tenant(self, id_: str | None) -> None:
        """Refuse a --tenant that names nobody; None is everybody."""
        if id_ is not None:
            self.find_tenant(id_)


@contextmanager
def opened(config: Path | None) -> Iterator[Opened]:
    """Open what `config`, or the file found in its place, describes; closed at the end."""
    settings = load_settings(find_config(config))
    store = Store.open(settings.state / "gateway.db")
    try:
        yield Opened(settings, store)
    finally:
        store.close()


def find_config(given: Path | None) -> Path:
    """Return the configuration file to use; raises Refusal when there is none."""
    if given is not None:
        return given
    if named := os.environ.get(VARIABLE):
        return Path(named)
    for place in PLACES:
        if place.exists():
            return place
    raise Refusal(
        "there is no gateway.conf here or in /etc/gateway; gateway init writes one,"
        " --config FILE names one"
    )


def utc_now() -> datetime:
    """Return this moment, as the store wants it."""
    return datetime.now(UTC)
