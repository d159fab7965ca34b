"""`gateway upstream add`: asks, tries the account, and only then saves it.

What an option gives is not asked; without a terminal nothing is. Upstream, sender, domain and
its keys are written together.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.asking import (
    Asking,
    Authority,
    Host,
    Port,
    Preset,
    Protection,
    Region,
    SecretFile,
    User,
    read_address_key,
    read_password,
    read_port,
    read_provider,
    read_security,
)
from gateway.cli.domain import keys_to_add
from gateway.cli.joining import join, save_joined
from gateway.cli.opening import Config, Json, Opened, TenantId, opened, utc_now
from gateway.cli.output import print_json, print_line, print_next
from gateway.cli.probing import as_document, print_steps, probe_upstream
from gateway.cli.refusal import Refusal
from gateway.mail.tenant import Security, Tenant
from gateway.mail.tenant_file import Items
from gateway.providers.catalogue import Provider, load_catalogue

if TYPE_CHECKING:  # it brings Twisted
    from gateway.delivery.probe import Step

GENERIC = "generic"

Shown = Annotated[str | None, typer.Option(help="What customers see.", show_default=False)]
From = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="ADDRESS", show_default=False, help="The address that sends by it."
    ),
]
Own = Annotated[
    str | None, typer.Option(help="Else the provider's, or own.", show_default=False)
]


def add(
    tenant: TenantId,
    *,
    provider: Preset = None,
    host: Host = None,
    port: Port = None,
    security: Protection = None,
    region: Region = None,
    ca_file: Authority = None,
    sender_name: Shown = None,
    sender: From = None,
    username: User = None,
    password_file: SecretFile = None,
    name: Own = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Add an account that mail leaves by; it is tried before it is saved."""
    given = {
        "provider": provider, "host": host, "port": port, "security": security,
        "region": region, "ca_file": str(ca_file.resolve()) if ca_file else None,
        "sender_name": sender_name, "sender": sender, "username": username, "name": name,
    }  # fmt: skip
    with opened(config) as gateway:
        wanted = _complete(given, gateway.find_tenant(tenant))
        joined = gateway.store.read_now(join, tenant, wanted.join).tenant
        upstream = joined.upstreams[wanted.name]
        secret = _password(wanted, password_file)
        steps = probe_upstream(gateway, upstream, sender=wanted.sender, secret=secret)
        if steps[-1].is_ok:
            _save(gateway, joined, wanted, secret=secret)
    _tell(wanted, {"tenant": tenant, "name": wanted.name}, steps, as_json=as_json)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """Everything that was given or answered."""

    preset: Provider
    name: str
    settings: dict[str, Any]  # of the upstream, as in a tenant file
    sender: str
    sender_name: str

    @property
    def domain(self) -> str:
        return self.sender.rpartition("@")[2]

    def join(self, items: Items) -> Items:
        """Return the items of its tenant with upstream, sender and domain; raises Refusal."""
        if ("upstream", self.name) in items:
            raise _taken(self.name)
        said = {"name": self.sender_name} if self.sender_name else {}
        known = items.get(("sender", self.sender), {})
        sender = {**known, **said, "upstream": self.name}
        merged = {**items, ("upstream", self.name): self.settings}
        merged["sender", self.sender] = sender
        if self.domain not in self.preset.domains:  # there only its own address sends
            merged.setdefault(("domain", self.domain), {})
        return merged


def _tell(
    wanted: _Wanted, saved: dict[str, str], steps: Sequence[Step], *, as_json: bool
) -> None:
    if as_json:
        print_json({**saved, "sender": wanted.sender, **as_document(steps)})
    else:
        print_steps(steps)
    if not steps[-1].is_ok:
        raise Refusal("the account was not saved: the test did not pass")
    if not as_json:
        print_line(f"{' '.join(saved.values())}: saved, {wanted.sender} sends by it")
        print_next(
            f"gateway domain records {wanted.domain}", f"gateway export {saved['tenant']}"
        )


def _complete(given: dict[str, Any], tenant: Tenant) -> _Wanted:
    """Ask for what is missing; raises Refusal where nobody is there to be asked."""
    asking = Asking(given)
    if given["provider"] is None and given["host"] is None:
        asking.ask(
            "Provider (gateway provider list), or generic", "provider", default=GENERIC,
            read=read_provider,
        )  # fmt: skip
    preset = load_catalogue()[read_provider(given["provider"] or GENERIC)]
    name = _choose_name(asking, given, preset, tenant=tenant)
    if preset.id == GENERIC:
        asking.ask("Host", "host", read=str.strip)
        asking.ask("Port", "port", default="587", read=read_port)
        asking.ask("Security", "security", default=_usual(given["port"]), read=read_security)
    elif given["security"] is not None:
        given["security"] = read_security(given["security"])
    asking.ask("Sender name, as customers see it", "sender_name", default="", read=str.strip)
    sender = asking.ask("Sender address", "sender", read=read_address_key)
    if not preset.login.smtp_user.startswith("fixed:"):
        asking.ask("User name", "username", default=sender, read=str.strip)
    keys = ("host", "port", "security", "region", "ca_file", "username")
    settings = {key: given[key] for key in keys if given[key] is not None}
    if preset.id != GENERIC:
        settings["provider"] = preset.id
    return _Wanted(
        preset=preset,
        name=name,
        settings=settings,
        sender=sender,
        sender_name=given["sender_name"],
    )


def _choose_name(
    asking: Asking, given: dict[str, Any], preset: Provider, *, tenant: Tenant
) -> str:
    """Return a name that is free, before all else is asked; raises Refusal."""

    def read_name(text: str) -> str:
        if (name := text.strip()) in tenant.upstreams:
            raise _taken(name)
        return name

    usual = "own" if preset.id == GENERIC else preset.id
    if given["name"] is None and usual in tenant.upstreams and asking.is_person:
        free = next(one for n in count(2) if (one := f"{usual}-{n}") not in tenant.upstreams)
        asking.ask(f"Name, as there is {usual} already", "name", default=free, read=read_name)
    return read_name(given["name"] or usual)


def _taken(name: str) -> Refusal:
    return Refusal(f"there is an upstream {name} already; --name gives this one another")


def _usual(port: int | None) -> str:
    # Its plain word: the prompt would list the choices of an enumeration.
    return (Security.TLS if port == 465 else Security.STARTTLS).value


def _password(wanted: _Wanted, file: Path | None) -> str | None:
    is_plain = wanted.settings.get("security") == Security.NONE
    if file is None and is_plain and not sys.stdin.isatty():
        return None
    return read_password("Password", file)


def _save(gateway: Opened, tenant: Tenant, wanted: _Wanted, *, secret: str | None) -> None:
    """Keep all of it, with keys where `tenant`, as it will be, has the domain as its own."""
    seal = gateway.load_seal()
    secrets = {("upstream", wanted.name): secret} if secret else {}
    domains = [wanted.domain] if wanted.domain in tenant.domains else []
    secrets |= keys_to_add(gateway, seal, tenant=tenant.id, domains=domains)
    gateway.store.write_now(save_joined, seal, tenant.id, wanted.join, secrets, now=utc_now())
