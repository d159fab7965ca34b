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
from gateway.net.service_account import ServiceKey, read_key
from gateway.providers.catalogue import Provider

OAUTH2, PASSWORD = "oauth2", "password"
BY_PERSON, BY_PROGRAM, BY_KEY = GRANTS
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
    says_so = given["client_id"] is not None or given["grant"] is not None
    if says_so or has_password:
        return says_so
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
    _ask_grant(asking, given, preset)
    if given["grant"] == BY_KEY:
        question = "Key file of the service account (JSON)"
        key = asking.ask(question, "key_file", read=_read_key)
        return OAuthClient(settings=_kept(given, {}), secret=key.text)
    if asking.is_person and given["client_id"] is None:
        print_line(f"An app of your own at {preset.name} lets the gateway in; register it")
        if given["grant"] != BY_PROGRAM:
            print_line(f"with the redirect address {redirect_uri()}")
    asking.ask("Client id of that app", "client_id", read=_read_id)
    secret = _read_secret(secret_file, is_needed=given["grant"] == BY_PROGRAM)
    if rules and rules.directory:
        asking.ask("Directory", "directory", default=rules.directory, read=str.strip)
    usual = {"grant": BY_PERSON, "directory": rules.directory if rules else ""}
    return OAuthClient(settings=_kept(given, usual), secret=secret)


def _ask_grant(asking: Asking, given: dict[str, Any], preset: Provider) -> None:
    """Ask who lets the gateway in, where the preset knows more than one way."""
    rules = preset.oauth2
    others = []
    if rules and rules.app_scopes:
        others.append(f"{BY_PROGRAM} (of the organisation)")
    if rules and rules.service_accounts:
        others.append(f"{BY_KEY} (of a Workspace)")
    if others or given["grant"] is not None:
        question = " or ".join([f"{BY_PERSON} (its owner says yes)", *others])
        asking.ask(question, "grant", default=BY_PERSON, read=_read_grant)


def _kept(given: dict[str, Any], usual: dict[str, str]) -> dict[str, Any]:
    """Return the client's keys as they stand in a tenant file, without what is as usual."""
    settings = {key: given[key] for key in CLIENT_KEYS if given[key]}
    return {key: one for key, one in settings.items() if one != usual.get(key)}


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
    if word not in GRANTS:
        raise Refusal(unknown_key(word, GRANTS, thing="grant"))
    return word


def _read_id(text: str) -> str:
    if not text.strip():
        raise Refusal("it is empty: the provider shows it beside the app")
    return text.strip()


def _read_key(text: str) -> ServiceKey:
    path = Path(text.strip()).expanduser()
    try:
        return read_key(path.read_text("utf-8-sig"))
    except OSError as error:
        raise Refusal(f"{path}: {(error.strerror or 'cannot be read').lower()}") from error
    except ValueError as error:
        raise Refusal(f"{path}: {error}") from error
