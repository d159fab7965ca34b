"""`gateway mailbox reauth`: a new code is tried both ways, and only then takes its place."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.asking import read_password
from gateway.cli.mailbox_state import Address, find_mailbox
from gateway.cli.opening import Config, Json, opened, utc_now
from gateway.cli.output import counted, print_json, print_line, print_next
from gateway.cli.probing import as_document, print_steps, try_mailbox
from gateway.cli.refusal import Refusal
from gateway.mail.schema import parse_secret
from gateway.store import mailboxes

File = Annotated[
    Path | None,
    typer.Option(metavar="FILE", show_default=False, help="Else from standard input."),
]


def reauth(
    address: Address,
    *,
    password_file: File = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Give a mailbox a new code; it is tried before it replaces the one in use."""
    with opened(config) as gateway:
        tenant, mailbox = find_mailbox(gateway, address)
        if mailbox.oauth2:
            sentence = f"{mailbox.address} signs in by OAuth2: it has a permission, no code"
            raise Refusal(sentence, f"next: gateway mailbox authorize {mailbox.address}")
        code = _read_code(password_file)
        tried = try_mailbox(gateway, tenant, mailbox, secret=code)
        due = 0
        if tried.is_ok:
            due = gateway.store.write_now(
                mailboxes.renew, gateway.load_seal(), tenant.id, mailbox.address, code,
                now=utc_now(),
            )  # fmt: skip
    if as_json:
        shown = {"address": mailbox.address, "tenant": tenant.id, "due": due}
        print_json({**shown, **as_document(tried.steps)})
    else:
        print_steps(tried.steps)
    if not tried.is_ok:
        raise Refusal("the code was not taken: the test did not pass; the one before stays")
    if not as_json:
        waiting = counted(due, "delivery", plural="deliveries")
        print_line(f"{mailbox.address}: the new code works and is in use, {waiting} due now")
        print_next("gateway mailbox list")


def _read_code(file: Path | None) -> str:
    if file is not None or sys.stdin.isatty():
        return read_password("New code", file)
    if code := parse_secret(sys.stdin.readline()):
        return code
    raise Refusal("there is no code on standard input; --password-file FILE names one")
