"""`gateway mailbox connect`: asks, signs in both ways, and only then saves the mailbox.

What an option gives is not asked; without a terminal nothing is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.asking import (
    Asking,
    read_address,
    read_password,
    read_port,
    read_provider,
    read_security,
)
from gateway.cli.check import why_nobody_is_reminded
from gateway.cli.opening import Config, Json, Opened, TenantId, opened, utc_now
from gateway.cli.output import counted, print_json, print_line, print_next, warn
from gateway.cli.probing import as_document, print_steps, try_mailbox
from gateway.cli.refusal import Refusal
from gateway.mail.schema import SchemaError
from gateway.mail.tenant import Mailbox
from gateway.mail.tenant_file import Items, TenantFile, build_tenant, find_faults
from gateway.providers.catalogue import Provider, load_catalogue
from gateway.providers.misfit import find_misfits
from gateway.store import tenants

if TYPE_CHECKING:  # it brings Twisted
    from gateway.app.proving import Tried

GENERIC = "generic"
CHANNEL = "channel"
CHANNEL_WORDS = {"amazon": "amazon-buyer-messages"}  # what people call it
DAYS = re.compile(r"\d{1,4}d")
YES, NO = ("yes", "y", "on", "true"), ("no", "n", "off", "false")

Word = Annotated[str | None, typer.Option(show_default=False)]
File = Annotated[Path | None, typer.Option(metavar="FILE", show_default=False)]
Port = Annotated[int | None, typer.Option(min=1, max=65535, show_default=False)]
Address = Annotated[str | None, typer.Argument(metavar="[ADDRESS]", show_default=False)]
Preset = Annotated[
    str | None, typer.Option(help="As gateway provider list shows.", show_default=False)
]
Protection = Annotated[
    str | None, typer.Option(help="tls, starttls or none.", show_default=False)
]
User = Annotated[str | None, typer.Option(help="Else the address.", show_default=False)]
Since = Annotated[
    str | None, typer.Option("--fetch-from", help="now, or days as 30d.", show_default=False)
]
Answers = Annotated[
    bool | None, typer.Option("--answers/--no-answers", help="Answer automatically?")
]
Made = Annotated[
    str | None, typer.Option(help="When its code was made: 2026-11-01.", show_default=False)
]
Way = Annotated[
    str | None, typer.Option(help="Its answers leave by this one.", show_default=False)
]


def connect(
    tenant: TenantId,
    address: Address = None,
    *,
    provider: Preset = None,
    host: Word = None,
    port: Port = None,
    security: Protection = None,
    smtp_host: Word = None,
    smtp_port: Port = None,
    smtp_security: Protection = None,
    upstream: Way = None,
    region: Word = None,
    ca_file: File = None,
    username: User = None,
    password_file: File = None,
    issued: Made = None,
    fetch_from: Since = None,
    answers: Answers = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Connect a mailbox; it is signed in to both ways before it is saved."""
    given: dict[str, Any] = {
        "address": address, "provider": provider, "host": host, "port": port,
        "security": security, "smtp_host": smtp_host, "smtp_port": smtp_port,
        "smtp_security": smtp_security, "upstream": upstream, "region": region,
        "ca_file": str(ca_file.resolve()) if ca_file else None, "username": username,
        "issued": issued, "fetch_from": fetch_from,
        "answers": None if answers is None else ("yes" if answers else "no"),
    }  # fmt: skip
    with opened(config) as gateway:
        wanted, mailbox, tried = _connect(gateway, tenant, given, password_file=password_file)
        notes = [*_notes(wanted, mailbox, tried), *why_nobody_is_reminded(gateway.settings)]
    _tell(mailbox, tenant, tried, notes=notes, as_json=as_json)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """Everything that was given or answered."""

    preset: Provider
    channel: Provider | None  # on top of it: Amazon's buyer messages
    address: str
    mailbox: dict[str, Any]  # its settings, as in a tenant file
    upstream: dict[str, Any] | None  # of its own, where SMTP is not as the preset says

    @property
    def secret_name(self) -> str:
        return self.preset.login.secret.replace("-", " ")


def _connect(
    gateway: Opened, tenant: str, given: dict[str, Any], *, password_file: Path | None
) -> tuple[_Wanted, Mailbox, Tried]:
    gateway.find_tenant(tenant)
    wanted = _complete(given)
    _refuse_owned(gateway, tenant, wanted.address)
    file = _joined(gateway, tenant, wanted)
    secret = read_password(wanted.secret_name.capitalize(), password_file)
    mailbox = file.tenant.mailboxes[wanted.address]
    tried = try_mailbox(gateway, file.tenant, mailbox, secret=secret)
    if tried.is_ok:
        _save(gateway, file, wanted.address, secret=secret)
    return wanted, mailbox, tried


def _complete(given: dict[str, Any]) -> _Wanted:
    """Ask for what is missing; raises Refusal where nobody is there to be asked."""
    asking = Asking(given)
    address = asking.ask("Address", "address", read=read_address)
    channel = _channel(asking, given, address)
    preset = _preset(asking, given, address, channel=channel)
    if preset.id == GENERIC or given["host"]:
        asking.ask("IMAP host", "host", read=str.strip)
        asking.ask("IMAP port", "port", default="993", read=read_port)
        usual = "tls" if given["port"] == 993 else "starttls"
        asking.ask("IMAP security", "security", default=usual, read=read_security)
        asking.ask("User name", "username", default=address, read=str.strip)
    own = _own_upstream(asking, given, preset)
    if preset.login.secret_life_days:
        today = utc_now().date().isoformat()
        asking.ask("Day the code was made", "issued", default=today, read=_read_day)
    asking.ask(
        "Fetch mail from now on, or of the last days, as 30d",
        "fetch_from", default="now", read=_read_since,
    )  # fmt: skip
    asking.ask("Answer automatically?", "answers", default="no", read=_read_yes)
    keys = (
        "host", "port", "security", "region", "ca_file", "username", "upstream", "issued",
        "fetch_from", "answers",
    )  # fmt: skip
    settings = {key: given[key] for key in keys if given[key] is not None}
    if preset.id != GENERIC:
        settings["provider"] = preset.id
    return _Wanted(
        preset=preset, channel=channel, address=address, mailbox=settings, upstream=own
    )


def _channel(asking: Asking, given: dict[str, Any], address: str) -> Provider | None:
    """Return the channel that was chosen; the provider of the mailbox itself is asked next."""
    if given["provider"] is None and given["host"] is None:
        asking.ask(
            "Provider (gateway provider list), amazon, or generic", "provider",
            default=_provider_of(address), read=_read_choice,
        )  # fmt: skip
    chosen = load_catalogue()[_read_choice(given["provider"] or GENERIC)]
    if chosen.role != CHANNEL:
        return None
    given["provider"] = None
    return chosen


def _preset(
    asking: Asking, given: dict[str, Any], address: str, *, channel: Provider | None
) -> Provider:
    if channel is not None and given["host"] is None:
        asking.ask(
            "Provider of the mailbox itself, or generic", "provider",
            default=_provider_of(address), read=_read_mailbox_provider,
        )  # fmt: skip
    return load_catalogue()[read_provider(given["provider"] or GENERIC)]


def _read_choice(text: str) -> str:
    return read_provider(CHANNEL_WORDS.get(text.strip().casefold(), text))


def _read_mailbox_provider(text: str) -> str:
    name = _read_choice(text)
    if load_catalogue()[name].role == CHANNEL:
        raise Refusal(f"'{text}' is where buyers write; name the provider of the mailbox")
    return name


def _provider_of(address: str) -> str:
    """Return the provider that an address belongs to by its end, else `generic`."""
    domain = address.rpartition("@")[2]
    fitting = (one.id for one in load_catalogue().values() if domain in one.domains)
    return next(fitting, GENERIC)


def _own_upstream(
    asking: Asking, given: dict[str, Any], preset: Provider
) -> dict[str, Any] | None:
    """Return where the mailbox sends, when that was asked or given and is not the preset's."""
    if given["upstream"] is not None or (preset.id != GENERIC and not given["smtp_host"]):
        return None
    question = "SMTP host, empty when it only receives"
    if not asking.ask(question, "smtp_host", default="", read=str.strip):
        return None
    asking.ask("SMTP port", "smtp_port", default="465", read=read_port)
    usual = "tls" if given["smtp_port"] == 465 else "starttls"
    asking.ask("SMTP security", "smtp_security", default=usual, read=read_security)
    keys = {"smtp_host": "host", "smtp_port": "port", "smtp_security": "security"}
    settings = {name: given[key] for key, name in keys.items()}
    shared = {key: given[key] for key in ("ca_file",) if given[key] is not None}
    return {**settings, **shared}


def _refuse_owned(gateway: Opened, tenant: str, address: str) -> None:
    """A mailbox address belongs to one tenant; raises Refusal."""
    for id_, known in gateway.store.read_now(tenants.load_all).items():
        if address in known.mailboxes and id_ != tenant:
            raise Refusal(f"{address} belongs to the tenant {id_} already, and to one only")
        if address in known.mailboxes:
            raise Refusal(
                f"{address} is connected already; gateway mailbox reauth {address} gives it"
                " a new code, gateway mailbox delete removes it"
            )


def _joined(gateway: Opened, tenant: str, wanted: _Wanted) -> TenantFile:
    """Return the tenant with its new mailbox, and an upstream of its own; raises Refusal."""
    settings, items = gateway.store.read_now(tenants.tables, tenant) or ({}, {})
    merged: Items = {**items, ("mailbox", wanted.address): wanted.mailbox}
    if wanted.upstream is not None:
        name = _free_name(wanted, {name for kind, name in items if kind == "upstream"})
        merged["upstream", name] = {**wanted.upstream, "mailbox": wanted.address}
        merged["mailbox", wanted.address] = {**wanted.mailbox, "upstream": name}
    try:
        built = build_tenant(tenant, settings, merged)
    except SchemaError as error:
        raise Refusal(str(error)) from error
    catalogue = load_catalogue()
    if faults := [*find_faults(built, providers=catalogue), *find_misfits(built, catalogue)]:
        raise Refusal(*faults)
    return TenantFile(tenant=built, settings=settings, items=merged)


def _free_name(wanted: _Wanted, taken: set[str]) -> str:
    local = re.sub(r"[^a-z0-9_-]", "-", wanted.address.partition("@")[0])
    names = (local if not number else f"{local}-{number}" for number in range(len(taken) + 1))
    return next(name for name in names if name not in taken)


def _save(gateway: Opened, file: TenantFile, address: str, *, secret: str) -> None:
    secrets = {("mailbox", address): secret}
    gateway.store.write_now(
        tenants.apply_tenant, file, secrets, gateway.load_seal(), now=utc_now()
    )


def _tell(
    mailbox: Mailbox, tenant: str, tried: Tried, *, notes: list[str], as_json: bool
) -> None:
    if as_json:
        saved = {"tenant": tenant, "address": mailbox.address, "provider": mailbox.provider}
        found = {"messages": tried.messages, "junk": tried.junk, "sends": tried.sends}
        print_json({**saved, "answers": mailbox.answers, **found, **as_document(tried.steps)})
    else:
        print_steps(tried.steps)
    if not tried.is_ok:
        raise Refusal("the mailbox was not saved: the test did not pass")
    for sentence in notes:
        warn(sentence)
    if not as_json:
        print_line(
            f"{mailbox.address}: connected, {counted(tried.messages, 'message')} in"
            f" {mailbox.folders[0]}, fetched from {mailbox.fetch_from} on"
        )
        print_next("gateway mailbox list", f"gateway export {tenant}")


def _notes(wanted: _Wanted, mailbox: Mailbox, tried: Tried) -> Iterator[str]:
    if wanted.channel is not None:
        yield (
            f"{wanted.channel.name}: set {mailbox.address} in Seller Central as the address for"
            " buyer messages; buyers get no automatic answers, are written to alone, and you"
            " are warned after 12 and 20 hours without an answer"
        )
    if not tried.sends:
        yield f"{mailbox.address} has no way to send: name one by --upstream or --smtp-host"
    if tried.messages == 0:
        yield (
            f"{mailbox.folders[0]} looks empty: some providers hide older mail from programs by"
            " a setting of their web mail"
        )


def _read_since(text: str) -> str:
    since = text.strip().casefold()
    if since != "now" and not DAYS.fullmatch(since):
        raise Refusal(f"'{text}' is not a beginning: write now, or days as 30d")
    return since


def _read_yes(text: str) -> bool:
    word = text.strip().casefold()
    if word not in (*YES, *NO):
        raise Refusal(f"'{text}' is no answer: write yes or no")
    return word in YES


def _read_day(text: str) -> str:
    try:
        return date.fromisoformat(text.strip()).isoformat()
    except ValueError as error:
        raise Refusal(f"'{text}' is not a day: write one such as 2026-11-01") from error
