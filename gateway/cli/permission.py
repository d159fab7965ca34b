"""A mailbox lets the gateway in by OAuth2: what both verbs that ask for it do.

What the browser comes back with is taken by the running server, or pasted at the terminal. For
a mailbox that is not saved yet nothing is kept before it was proven.
"""

from __future__ import annotations

import asyncio
import select
import sys
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

import typer

from gateway.cli.opening import Opened
from gateway.cli.readiness import NOT_RUNNING, ask_server
from gateway.cli.refusal import Refusal
from gateway.mail.tenant import Mailbox, Tenant
from gateway.store import authorizations

if TYPE_CHECKING:  # it brings Twisted
    from gateway.app.authorizing import Authorizing, Outcome

T = TypeVar("T")
Work = Callable[["Authorizing"], Coroutine[Any, Any, T]]

LOOK_SECONDS = 0.5
AWAITED = "Waiting for it; where no browser reaches the server paste the address it ends at: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """A mailbox that is not saved yet, in its tenant as that will be."""

    tenant: Tenant
    mailbox: Mailbox
    secret: str | None = field(default=None, repr=False)  # of its OAuth2 client

    @property
    def secrets(self) -> Mapping[tuple[str, str], str]:
        """What is to be kept with it, by (kind, name)."""
        return {("client", self.mailbox.address): self.secret} if self.secret else {}


def obtain(gateway: Opened, new: Newcomer) -> Outcome:
    """Ask a newcomer's owner, or the provider where none is asked; return what came of it.

    Nothing is kept. Raises Refusal when the answer cannot come, or did not in an hour.
    """
    if not new.mailbox.needs_person:
        return reach_out(
            gateway,
            lambda it: it.try_without_person(new.tenant, new.mailbox, awaited=True),
            new=new,
        )
    if not sys.stdin.isatty() and ask_server(gateway.settings.console.address):
        raise Refusal(f"{NOT_RUNNING}, and nobody is at a terminal: no answer could come")
    begun = work(
        gateway, lambda it: it.begin(new.tenant.id, new.mailbox, awaited=True), new=new
    )
    show_page(gateway, new.mailbox, begun.url, err=True)
    answer = _await_answer(gateway, begun.state)
    return reach_out(gateway, lambda it: it.finish(answer, awaited=True), new=new)


def show_page(gateway: Opened, mailbox: Mailbox, url: str, *, err: bool) -> None:
    """Print the page to say yes on, and where its answer goes; `err`: on standard error."""
    typer.echo(
        f"{mailbox.address}: open this page as its owner within an hour, and say yes:\n"
        f"{url}\n\n"
        f"The answer goes to {back_at(gateway)}, where the running server takes it.",
        err=err,
    )


def back_at(gateway: Opened) -> str:
    """Return the redirect address, to be registered at the provider."""
    from gateway.web.authorize import redirect_uri  # noqa: PLC0415 - it brings FastAPI

    return redirect_uri(gateway.settings.console.public_url)


def read_answer(text: str) -> dict[str, str]:
    """Return what a provider put into the address that it sent the browser to.

    Raises Refusal for what has no state: it cannot be told which link it answers.
    """
    pasted = text.strip()
    found = dict(parse_qsl(urlsplit(pasted).query or pasted))
    if not found.get("state") or not ("code" in found or "error" in found):
        raise Refusal(
            "that is not the address that the browser ended at: it holds state= and code="
        )
    return found


def work(gateway: Opened, begin: Work[T], *, new: Newcomer | None = None) -> T:
    """Do what reaches nobody outside."""
    return asyncio.run(_with(gateway, begin, new))


def reach_out(gateway: Opened, finish: Work[T], *, new: Newcomer | None = None) -> T:
    """Do what reaches out; once in a process."""
    from gateway.app import reactor  # noqa: PLC0415 - it brings Twisted

    return reactor.ask(lambda: _with(gateway, finish, new))


async def _with(gateway: Opened, step: Work[T], new: Newcomer | None) -> T:
    from gateway.app.authorizing import Authorizing  # noqa: PLC0415 - it brings Twisted
    from gateway.app.foundation import lay_foundation  # noqa: PLC0415
    from gateway.app.tokens import AccessTokens  # noqa: PLC0415

    base = await lay_foundation(gateway.settings, gateway.store)
    if new is not None:
        base.directory.know(new.tenant, new.secrets)
    tokens = AccessTokens(base)
    try:
        return await step(Authorizing(base, tokens))
    finally:
        await tokens.close()


def _await_answer(gateway: Opened, state: str) -> dict[str, str]:
    """Return what the running server left, or what a person pasted, whichever comes first."""
    seal = gateway.load_seal()
    until = monotonic() + authorizations.LIFE.total_seconds()
    listened = [sys.stdin] if sys.stdin.isatty() else []
    if listened:
        typer.echo(AWAITED, nl=False, err=True)
    while monotonic() < until:
        if select.select(listened, [], [], LOOK_SECONDS)[0]:
            line = sys.stdin.readline()
            if not line:  # the terminal is gone
                listened = []
            elif (pasted := _read_pasted(line)) is not None:
                return pasted
        answer = gateway.store.read_now(authorizations.find_answer, seal, state=state)
        if answer is not None:
            typer.echo("it came" if listened else "The answer came.", err=True)
            return answer
    raise Refusal("no answer came within an hour; begin anew")


def _read_pasted(line: str) -> dict[str, str] | None:
    """Return the answer that a person pasted; what is none is told, and waited for again."""
    if not line.strip():
        return None
    try:
        return read_answer(line)
    except Refusal as refusal:
        typer.echo(f"{refusal}\n{AWAITED}", nl=False, err=True)
        return None
