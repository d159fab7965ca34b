"""`gateway mailbox authorize`: a mailbox's owner lets the gateway in, by OAuth2."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.mailbox_state import Address, find_mailbox
from gateway.cli.opening import Config, Json, Opened, opened
from gateway.cli.output import print_json, print_line, print_next
from gateway.cli.permission import back_at, reach_out, read_answer, show_page, work
from gateway.cli.probing import as_document, print_steps
from gateway.cli.refusal import Refusal
from gateway.mail.tenant import Mailbox

if TYPE_CHECKING:  # it brings Twisted
    from gateway.app.authorizing import Outcome

QUESTION = "The address that the browser ends at; only Enter where its page said that it worked"


def authorize(
    address: Address,
    *,
    answer: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            show_default=False,
            help="Holds the address that the browser ended at; - reads standard input.",
        ),
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Let the gateway into a mailbox by OAuth2: print the page to say yes on, then prove it."""
    with opened(config) as gateway:
        tenant, mailbox = find_mailbox(gateway, address)
        if not mailbox.oauth2:
            raise Refusal(
                f"{mailbox.address} signs in by a password: give it client_id to use OAuth2"
            )
        if not mailbox.needs_person:
            outcome = reach_out(gateway, lambda it: it.try_without_person(tenant, mailbox))
        elif answer is not None:
            back = read_answer(_read(answer))
            outcome = reach_out(gateway, lambda it: it.finish(back))
        else:
            url = work(gateway, lambda it: it.begin(tenant.id, mailbox)).url
            pasted = _show(gateway, mailbox, url, as_json=as_json)
            if pasted is None:
                return
            back = read_answer(pasted)
            outcome = reach_out(gateway, lambda it: it.finish(back))
    _tell(mailbox, outcome, as_json=as_json)


def _show(gateway: Opened, mailbox: Mailbox, url: str, *, as_json: bool) -> str | None:
    """Show the page to say yes on; return what a person at a terminal pasted, if anything."""
    if as_json:
        back = back_at(gateway)
        print_json({"address": mailbox.address, "url": url, "redirect_uri": back})
        return None
    show_page(gateway, mailbox, url, err=False)
    if sys.stdin.isatty():
        pasted = str(typer.prompt(QUESTION, default="", show_default=False)).strip()
        if pasted:
            return pasted
    print_next("gateway mailbox list", f"gateway mailbox authorize {mailbox.address}")
    return None


def _read(answer: Path) -> str:
    if str(answer) == "-":
        return sys.stdin.read()
    try:
        return answer.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "is not UTF-8 text"
        raise Refusal(f"--answer: {answer}: {why.lower()}") from error


def _tell(mailbox: Mailbox, outcome: Outcome, *, as_json: bool) -> None:
    steps = outcome.tried.steps if outcome.tried else ()
    if as_json:
        untried = {"meaning": outcome.meaning, "fix": outcome.fix}
        found = as_document(steps) if steps else untried
        print_json({"address": mailbox.address, "authorized": outcome.is_ok, **found})
    elif steps:
        print_steps(steps)
    if outcome.is_ok:
        if not as_json:
            print_line(f"{mailbox.address}: the gateway was let in, and opened it both ways")
            print_next("gateway mailbox list")
        return
    if outcome.meaning and not as_json:
        print_line(f"cause: {outcome.meaning}")
        print_line(f"fix:   {outcome.fix}")
    raise Refusal(f"{mailbox.address} was not authorized")
