"""OAuth 2.0 as mail needs it: a person's yes once, access tokens from then on (RFC 6749).

A token endpoint's refusal is a value. What is no answer of a token endpoint, a page above
all, is `NoTokens`: it says nothing of the permission.
"""

from __future__ import annotations

import json
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode, urlsplit

from gateway.config import ConfigError
from gateway.net.http import Http, HttpReply, Refused
from gateway.net.unreachable import Unreachable

MAX_REPLY_BYTES = 64 * 1024  # Microsoft's tokens alone are some kilobytes each
USUAL_LIFE = timedelta(minutes=10)  # where expires_in is left out (RFC 6749 §5.1)
PASSING = frozenset({"temporarily_unavailable", "server_error", "slow_down"})
MOST_TEXT = 300
HEADERS = {
    "Content-Type": "application/x-www-form-urlencoded",
    "Accept": "application/json",
}


class NoTokens(Unreachable):
    """A token endpoint gave no usable answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """The gateway as a provider knows it, and where that provider is asked."""

    client_id: str
    secret: str | None = field(default=None, repr=False)  # None: a public client
    authorize_url: str = ""
    token_url: str
    scopes: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)  # more, of the first request
    ca_file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What was granted; a `refresh` token takes the place of the one before it."""

    access: str = field(repr=False)
    life: timedelta
    refresh: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class TokenRefused:
    """The token endpoint said no: its status, its error code with the description."""

    status: int
    text: str


def make_verifier() -> str:
    """Return a new secret that ties a code to who asked for it (RFC 7636 §4.1)."""
    return secrets.token_urlsafe(48)


def make_challenge(verifier: str) -> str:
    """Return what is shown of a verifier: S256 (RFC 7636 §4.2)."""
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def authorization_url(
    client: Client, *, redirect_uri: str, state: str, verifier: str, address: str
) -> str:
    """Return the page on which the owner of `address` says yes (RFC 6749 §4.1.1)."""
    asked = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": redirect_uri,
        "scope": " ".join(client.scopes),
        "state": state,
        "code_challenge": make_challenge(verifier),
        "code_challenge_method": "S256",
        "login_hint": address,
    }
    joint = "&" if urlsplit(client.authorize_url).query else "?"
    return f"{client.authorize_url}{joint}{urlencode({**asked, **client.parameters})}"


async def exchange_code(
    http: Http, client: Client, *, code: str, verifier: str, redirect_uri: str
) -> Tokens | TokenRefused:
    """Return the tokens of a code (RFC 6749 §4.1.3, RFC 7636 §4.5); raises NoTokens."""
    fields = {"code": code, "redirect_uri": redirect_uri, "code_verifier": verifier}
    return await _ask(http, client, "authorization_code", fields)


async def refresh_tokens(
    http: Http, client: Client, *, refresh_token: str
) -> Tokens | TokenRefused:
    """Return new tokens by the refresh token (RFC 6749 §6); raises NoTokens."""
    return await _ask(http, client, "refresh_token", {"refresh_token": refresh_token})


async def ask_without_person(http: Http, client: Client) -> Tokens | TokenRefused:
    """Return a token by the client's own credentials (RFC 6749 §4.4); raises NoTokens."""
    fields = {"scope": " ".join(client.scopes)}
    return await _ask(http, client, "client_credentials", fields)


def read_reply(reply: HttpReply, *, host: str) -> Tokens | TokenRefused:
    """Return what a token endpoint answered (RFC 6749 §5).

    Raises NoTokens for what is not its answer, and where it asks to try again later.
    """
    said = _document(reply.text)
    if reply.status == 200 and isinstance(said.get("access_token"), str):
        return _granted(said)
    error = str(said.get("error", ""))
    if reply.status >= 500 or reply.status == 429 or error in PASSING:
        raise NoTokens(f"{host} gives no tokens now: {reply.status} {error}".rstrip())
    if not error or reply.status < 400:
        sentence = f"{host} answered {reply.status} with something that is not a token"
        raise NoTokens(f"{sentence}: check token_url, directory and any proxy on the way")
    return TokenRefused(reply.status, _sentence(error, said.get("error_description")))


async def _ask(
    http: Http, client: Client, grant: str, fields: Mapping[str, str]
) -> Tokens | TokenRefused:
    own = {"grant_type": grant, "client_id": client.client_id}
    if client.secret is not None:
        own["client_secret"] = client.secret  # RFC 6749 §2.3.1
    return await ask_endpoint(http, client, {**own, **fields})


async def ask_endpoint(
    http: Http, client: Client, fields: Mapping[str, str]
) -> Tokens | TokenRefused:
    """Return what the token endpoint answers to these fields alone; raises NoTokens."""
    body = urlencode(fields).encode("ascii")
    host = urlsplit(client.token_url).hostname or client.token_url
    try:
        reply = await http.post(
            client.token_url, body=body, headers=HEADERS, ca_file=client.ca_file
        )
    except (Refused, ConfigError) as error:
        raise NoTokens(f"token_url: {error}") from error
    except Unreachable as error:
        raise NoTokens(f"{host} gives no tokens now: {error}") from error
    return read_reply(reply, host=host)


def _document(text: str) -> dict[str, Any]:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _granted(said: Mapping[str, Any]) -> Tokens:
    try:
        life = timedelta(seconds=int(said["expires_in"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        life = USUAL_LIFE
    refresh = said.get("refresh_token")
    return Tokens(
        access=said["access_token"],
        life=life,
        refresh=refresh if isinstance(refresh, str) and refresh else None,
    )


def _sentence(error: str, description: object) -> str:
    """Return code and description in one line, without the numbers that follow Microsoft's."""
    told = " ".join(str(description or "").partition("Trace ID:")[0].split())
    return f"{error}: {told}"[:MOST_TEXT] if told else error[:MOST_TEXT]
