"""`gateway mailbox connect`: asks, signs in both ways, and only then saves the mailbox.

What an option gives is not asked; without a terminal nothing is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.asking import (
    Authority,
    Host,
    Port,
    Preset,
    Protection,
    Region,
    SecretFile,
    User,
    read_password,
)
from gateway.cli.check import why_nobody_is_reminded
from gateway.cli.joining import Add, join, save_joined
from gateway.cli.mailbox_questions import SecretFiles, Wanted, ask_for_all
from gateway.cli.opening import Config, Json, Opened, TenantId, opened, utc_now
from gateway.cli.output import counted, print_json, print_line, print_next, warn
from gateway.cli.permission import Newcomer, back_at, obtain
from gateway.cli.probing import as_document, print_steps, try_mailbox
from gateway.cli.refusal import Refusal
from gateway.mail.tenant import Mailbox
from gateway.mail.tenant_file import Items
from gateway.store import grants, states, tenants
from gateway.store.sealing import Seal
from gateway.store.sqlite import Db
from gateway.store.states import MailboxState

if TYPE_CHECKING:  # it brings Twisted
    from gateway.app.proving import Tried
    from gateway.mailbox.connect import Begun
    from gateway.net.oauth import Tokens

Address = Annotated[str | None, typer.Argument(metavar="ADDRESS", show_default=False)]
Sends = Annotated[
    str | None,
    typer.Option(help="By which it sends, if another.", show_default=False),
]
Since = Annotated[
    str | None, typer.Option("--fetch-from", help="now, or days as 30d.", show_default=False)
]
Answers = Annotated[
    bool | None, typer.Option("--answers/--no-answers", help="Answer automatically?")
]
By = Annotated[
    str | None,
    typer.Option(help="oauth2 or password, where it takes both.", show_default=False),
]
Client = Annotated[
    str | None, typer.Option(help="It signs in by OAuth2, as this app.", show_default=False)
]
Key = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Of a service account.", show_default=False),
]
Grant = Annotated[
    str | None,
    typer.Option(
        help="authorization-code, client-credentials or service-account.", show_default=False
    ),
]
Directory = Annotated[
    str | None, typer.Option(help="Of the organisation, at Microsoft.", show_default=False)
]
Url = Annotated[str | None, typer.Option(help="Where no preset knows it.", show_default=False)]
Scopes = Annotated[
    list[str] | None,
    typer.Option("--scope", help="Where no preset knows them.", show_default=False),
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
    host: Host = None,
    port: Port = None,
    security: Protection = None,
    smtp_host: Sends = None,
    smtp_port: Port = None,
    smtp_security: Protection = None,
    upstream: Way = None,
    region: Region = None,
    ca_file: Authority = None,
    username: User = None,
    password_file: SecretFile = None,
    sign_in: By = None,
    client_id: Client = None,
    client_secret_file: SecretFile = None,
    key_file: Key = None,
    grant: Grant = None,
    directory: Directory = None,
    authorize_url: Url = None,
    token_url: Url = None,
    scopes: Scopes = None,
    issued: Made = None,
    fetch_from: Since = None,
    answers: Answers = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Connect a mailbox; it is signed in to both ways before it is saved."""
    given = dict(locals())  # each option by its name, None where it was left out
    given["ca_file"] = str(ca_file.resolve()) if ca_file else None
    given["answers"] = None if answers is None else ("yes" if answers else "no")
    files = SecretFiles(password=password_file, client=client_secret_file)
    with opened(config) as gateway:
        wanted, mailbox, tried = _connect(gateway, tenant, given, files)
        notes = [*_notes(wanted, mailbox, tried), *why_nobody_is_reminded(gateway.settings)]
    _tell(mailbox, tenant, tried, notes=notes, as_json=as_json)


def _connect(
    gateway: Opened, tenant: str, given: dict[str, Any], files: SecretFiles
) -> tuple[Wanted, Mailbox, Tried]:
    gateway.find_tenant(tenant)
    wanted = ask_for_all(given, files, redirect_uri=lambda: back_at(gateway))
    _refuse_owned(gateway, tenant, wanted.address)
    add = partial(_add, wanted)
    joined = gateway.store.read_now(join, tenant, add).tenant
    mailbox = joined.mailboxes[wanted.address]
    if wanted.client is not None:
        new = Newcomer(tenant=joined, mailbox=mailbox, secret=wanted.client.secret)
        tried, granted = _let_in(gateway, new)
        secrets = dict(new.secrets)
    else:
        secret = read_password(wanted.secret_name.capitalize(), files.password)
        tried, granted = try_mailbox(gateway, joined, mailbox, secret=secret), None
        secrets = {("mailbox", wanted.address): secret}
    if tried.is_ok:
        gateway.store.write_now(
            _save, gateway.load_seal(), (tenant, mailbox.address), add,
            secrets=secrets, granted=granted, begun=tried.begun,
        )  # fmt: skip
    return wanted, mailbox, tried


def _let_in(gateway: Opened, new: Newcomer) -> tuple[Tried, Tokens | None]:
    outcome = obtain(gateway, new)
    if outcome.tried is None:
        raise Refusal(
            f"the mailbox was not saved: {outcome.meaning}",
            f"fix: {outcome.fix}" if outcome.fix else "",
        )
    return outcome.tried, outcome.granted


def _refuse_owned(gateway: Opened, tenant: str, address: str) -> None:
    """A mailbox address belongs to one tenant; raises Refusal."""
    for id_, known in gateway.store.read_now(tenants.load_all).items():
        if address in known.mailboxes and id_ != tenant:
            raise Refusal(f"{address} belongs to the tenant {id_} already, and to one only")


def _add(wanted: Wanted, items: Items) -> Items:
    """Return a tenant's items with the mailbox, and an upstream of its own; raises Refusal."""
    if ("mailbox", address := wanted.address) in items:
        raise Refusal(
            f"{address} is connected already; gateway mailbox reauth {address} gives it"
            " a new code, gateway mailbox delete removes it"
        )
    merged: Items = {**items, ("mailbox", address): wanted.mailbox}
    if wanted.upstream is not None:
        name = _free_name(wanted, {name for kind, name in items if kind == "upstream"})
        merged["upstream", name] = {**wanted.upstream, "mailbox": address}
        merged["mailbox", address] = {**wanted.mailbox, "upstream": name}
    return merged


def _free_name(wanted: Wanted, taken: set[str]) -> str:
    local = re.sub(r"[^a-z0-9_-]", "-", wanted.address.partition("@")[0])
    names = (local if not number else f"{local}-{number}" for number in range(len(taken) + 1))
    return next(name for name in names if name not in taken)


def _save(
    db: Db,
    seal: Seal,
    place: tuple[str, str],
    add: Add,
    *,
    secrets: Mapping[tuple[str, str], str],
    granted: Tokens | None,
    begun: Begun | None,
) -> None:
    """Keep a mailbox with all that opened it, in one transaction; `place`: tenant, address."""
    tenant, address = place
    now = utc_now()
    save_joined(db, seal, tenant, add, secrets, now=now)
    if granted is not None:
        grants.authorize(db, seal, tenant, address, granted, now=now)
    if begun is not None:
        begun.keep(db, address, now=now)
    # proven: what a file brings from now on is only a candidate
    states.save_mailbox_state(db, MailboxState(address=address, state="ok", since=now))


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
        days = "" if mailbox.fetch_from == "now" else f", and of the last {mailbox.fetch_from}"
        print_line(
            f"{mailbox.address}: connected, {counted(tried.messages, 'message')} in"
            f" {mailbox.folders[0]}; mail is fetched from now on{days}"
        )
        print_next("gateway mailbox list", f"gateway export {tenant}")


def _notes(wanted: Wanted, mailbox: Mailbox, tried: Tried) -> Iterator[str]:
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
