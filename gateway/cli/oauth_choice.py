"""How a mailbox is to be signed in to, and as which OAuth2 client: asked where it matters."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer

from gateway.cli.asking import Asking
from gateway.cli.output import print_line
from gateway.cli.refusal import Refusal
from gateway.cli.tenant_source import read_secret_file
from gateway.mail.schema import SchemaError, unknown_key
from gateway.mail.tenant_file import GRANTS
from gateway.providers.catalogue import Provider

OAUTH2, PASSWORD = "oauth2", "password"
BY_PERSON, BY_PROGRAM = ASKED = GRANTS[:2]  # a service account comes by a tenant file
CLIENT_KEYS = ("client_id", "directory", "grant", "authorize_url", "token_url", "scopes")


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthClient:
    """The gateway as the provider knows it: keys of a tenant file, and its secret."""

    settings: dict[str, Any]
    secret: str | None = field(default=None, repr=False)  # None: a public client


def signs_in_by_oauth2(
    asking: Asking, given: dict[str, Any], preset: Provider, *, has_password: bool
) -> bool:
    """Return whether it signs in by OAuth2; a person is asked where the preset knows both."""
    if given["client_id"] is not None or has_password:
        return given["client_id"] is not None
    knows = {preset.login.secret, *preset.login.secret_alternatives}
    if preset.oauth2 is None or OAUTH2 not in knows:
        return False
    if "imap" not in preset.login.password_for:
        return True
    first = OAUTH2 if preset.login.secret == OAUTH2 else PASSWORD
    way = asking.ask("Sign in by oauth2 or password", "sign_in", default=first, read=_read_way)
    return bool(way == OAUTH2)


def ask_client(
    asking: Asking,
    given: dict[str, Any],
    preset: Provider,
    *,
    secret_file: Path | None,
    redirect_uri: Callable[[], str],
) -> OAuthClient:
    """Ask for what is missing of the client; raises Refusal where nobody can be asked."""
    rules = preset.oauth2
    if asking.is_person and given["client_id"] is None:
        print_line(f"An app of your own at {preset.name} lets the gateway in; register it")
        print_line(f"with the redirect address {redirect_uri()}")
    if rules and rules.app_scopes:
        question = f"{BY_PERSON} (its owner says yes) or {BY_PROGRAM} (of the organisation)"
        asking.ask(question, "grant", default=BY_PERSON, read=_read_grant)
    asking.ask("Client id of that app", "client_id", read=_read_id)
    secret = _read_secret(secret_file, is_needed=given["grant"] == BY_PROGRAM)
    if rules and rules.directory:
        asking.ask("Directory", "directory", default=rules.directory, read=str.strip)
    settings = {key: given[key] for key in CLIENT_KEYS if given[key]}
    usual = {"grant": BY_PERSON, "directory": rules.directory if rules else ""}
    kept = {key: one for key, one in settings.items() if one != usual.get(key)}
    return OAuthClient(settings=kept, secret=secret)


def _read_secret(file: Path | None, *, is_needed: bool) -> str | None:
    option = "--client-secret-file"
    if file is not None:
        try:
            return read_secret_file(option, str(file))
        except SchemaError as error:
            raise Refusal(str(error)) from error
    if sys.stdin.isatty():
        shown = "not shown" if is_needed else "not shown; empty: it has none"
        default = None if is_needed else ""
        return (
            typer.prompt(
                f"Client secret ({shown})", default, hide_input=True, show_default=False
            )
            or None
        )
    if is_needed:
        raise Refusal(f"{option} is missing, and nobody is at a terminal to be asked")
    return None


def _read_way(text: str) -> str:
    word = text.strip().casefold()
    if word not in (OAUTH2, PASSWORD):
        raise Refusal(unknown_key(word, (OAUTH2, PASSWORD), thing="way to sign in"))
    return word


def _read_grant(text: str) -> str:
    word = text.strip().casefold()
    if word not in ASKED:
        raise Refusal(unknown_key(word, ASKED, thing="grant"))
    return word


def _read_id(text: str) -> str:
    if not text.strip():
        raise Refusal("it is empty: the provider shows it beside the app")
    return text.strip()
