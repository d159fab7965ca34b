"""The sandbox's OAuth2 server: /authorize and /token, over Twisted's web server.

Whoever is sent to /authorize says yes at once, as the `login_hint` (RFC 6749 §4.1). Refresh
tokens rotate: one that was used is never good again, as strict providers have it.
"""

from __future__ import annotations

import json
import secrets
import time
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from weakref import WeakSet

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from gateway.net.oauth import make_challenge
from gateway.net.service_account import GRANT_TYPE
from gateway.sandbox.arrivals import Arrivals
from gateway.sandbox.listening import HOST, Listening, listen

LIBRARY: Any = Site  # it has no annotations
SKEW_SECONDS = 60.0
MOST_LIFE_SECONDS = 3600
ANYBODY = ""  # the mailbox of a token that a program got for itself
PAGE = "<html><body>This service is being maintained.</body></html>"
Said = tuple[int, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Code:
    """A yes that was not exchanged yet."""

    address: str
    challenge: str
    redirect_uri: str


class TokenServer:
    """A provider's authorization server on loopback, with one client.

    May be changed at any time: `life_seconds` of access tokens, whether it `rotates` refresh
    tokens, whether it `repeats` an access token that it gave, whether the owner `says_yes`,
    whether it is `down` (a page instead of JSON), which `service_accounts` there are and what
    is `delegated` to them.
    `asked` holds the grant types that were asked for.
    """

    def __init__(self) -> None:
        self.client_id = "gateway"
        self.secret = "s"  # noqa: S105 (of a server on loopback that keeps nothing)
        self.life_seconds = 3600
        self.rotates = True
        self.repeats = False
        self.says_yes = True
        self.down = False
        self.asked: Arrivals[str] = Arrivals()
        self.service_accounts: dict[str, RSAPublicKey] = {}  # by their addresses
        self.delegated: set[tuple[str, str]] = set()  # (address, scope): in any mailbox
        self.channels: WeakSet[Any] = WeakSet()  # connections that were used
        self.port = 0
        self._codes: dict[str, Code] = {}
        self._refresh: dict[str, str] = {}  # token -> address
        self._access: dict[str, tuple[str, float]] = {}  # token -> address, until
        self._listening: Listening | None = None

    @property
    def authorize_url(self) -> str:
        """Where a person says yes."""
        return f"http://{HOST}:{self.port}/authorize"

    @property
    def token_url(self) -> str:
        """Where tokens are asked for."""
        return f"http://{HOST}:{self.port}/token"

    async def start(self, port: int = 0) -> None:
        """Listen on loopback; `self.port` says where. Raises CannotListenError."""
        site = LIBRARY(_Pages(self))
        site.noisy = False
        self._listening = listen(site, port)
        self.port = self._listening.port

    async def stop(self) -> None:
        """Stop listening and close all connections."""
        if self._listening is not None:
            await self._listening.close()
        for channel in tuple(self.channels):
            channel.loseConnection()

    def opens(self, address: str, token: str) -> bool:
        """Whether an access token opens a mailbox now."""
        of, until = self._access.get(token, (None, 0.0))
        return of in (ANYBODY, address.casefold()) and time.monotonic() < until

    def expire(self) -> None:
        """End the life of every access token; refresh tokens stay good."""
        self._access.clear()

    def revoke(self, address: str) -> None:
        """Withdraw what the owner of a mailbox granted."""
        key = address.casefold()
        self._refresh = {one: of for one, of in self._refresh.items() if of != key}
        self._access = {one: at for one, at in self._access.items() if at[0] != key}

    def authorize(self, asked: Mapping[str, str]) -> str:
        """Return where the browser is sent: back, with a code or with the refusal."""
        answer = {"error": "access_denied", "state": asked.get("state", "")}
        if self.says_yes and asked.get("client_id") == self.client_id:
            code = secrets.token_urlsafe(16)
            self._codes[code] = Code(
                address=asked.get("login_hint", "").casefold(),
                challenge=asked.get("code_challenge", ""),
                redirect_uri=asked.get("redirect_uri", ""),
            )
            answer = {"code": code, "state": asked.get("state", "")}
        return f"{asked.get('redirect_uri', '')}?{urlencode(answer)}"

    def answer(self, asked: Mapping[str, str]) -> Said:
        """Return status and document that the token endpoint answers (RFC 6749 §5)."""
        self.asked.add(asked.get("grant_type", ""))
        if asked.get("grant_type") == GRANT_TYPE:
            return self._grant_service(asked.get("assertion", ""))
        if asked.get("client_id") != self.client_id or (
            asked.get("client_secret") != self.secret
        ):
            return 401, {"error": "invalid_client", "error_description": "AADSTS7000215"}
        match asked.get("grant_type"):
            case "authorization_code":
                return self._exchange(asked)
            case "refresh_token":
                return self._renew(asked.get("refresh_token", ""))
            case "client_credentials":
                return self._grant(ANYBODY, refresh=None)
        return 400, {"error": "unsupported_grant_type"}

    def _grant_service(self, assertion: str) -> Said:
        """Judge a service account's word as Google does (RFC 7523 §3)."""
        try:
            claims = read_assertion(assertion, self.service_accounts)
        except (ValueError, LookupError, InvalidSignature):
            return _invalid_grant("Invalid JWT Signature.")
        now = time.time()
        if claims.get("aud") != self.token_url or not (
            now - SKEW_SECONDS <= claims["iat"] <= now + SKEW_SECONDS
            and now < claims["exp"] <= claims["iat"] + MOST_LIFE_SECONDS
        ):
            return _invalid_grant("Invalid JWT: it is not for now, or not for here.")
        if (claims["iss"], claims.get("scope")) not in self.delegated:
            said = "Client is unauthorized to retrieve access tokens using this method"
            return 401, {"error": "unauthorized_client", "error_description": said}
        return self._grant(str(claims["sub"]).casefold(), refresh=None)

    def _exchange(self, asked: Mapping[str, str]) -> Said:
        code = self._codes.pop(asked.get("code", ""), None)
        challenge = make_challenge(asked.get("code_verifier", ""))
        redirect_uri = asked.get("redirect_uri")
        if code is None or (code.challenge, code.redirect_uri) != (challenge, redirect_uri):
            return _invalid_grant("The code is not good")
        return self._grant(code.address, refresh=self._new_refresh(code.address))

    def _renew(self, token: str) -> Said:
        address = self._refresh.get(token)
        if address is None:
            return _invalid_grant("AADSTS700082: The refresh token has expired or was revoked.")
        if not self.rotates:
            return self._grant(address, refresh=None)
        del self._refresh[token]
        return self._grant(address, refresh=self._new_refresh(address))

    def _new_refresh(self, address: str) -> str:
        token = f"refresh-{secrets.token_urlsafe(24)}"
        self._refresh[token] = address
        return token

    def _grant(self, address: str, *, refresh: str | None) -> Said:
        given = [one for one, (of, _) in self._access.items() if self.repeats and of == address]
        token = given[0] if given else f"access-{secrets.token_urlsafe(24)}"
        self._access[token] = (address, time.monotonic() + self.life_seconds)
        granted: dict[str, Any] = {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": self.life_seconds,
        }
        return 200, granted | ({"refresh_token": refresh} if refresh else {})


class _Pages(Resource):
    """Twisted's way to a request."""

    isLeaf = True

    def __init__(self, server: TokenServer) -> None:
        resource: Any = Resource
        resource.__init__(self)
        self._server = server

    def render_GET(self, request: Request) -> bytes:
        """Send a person back who was sent to say yes."""
        arrived: Any = request
        self._server.channels.add(arrived.channel)
        arrived.redirect(self._server.authorize(_fields(arrived.args)).encode())
        return b""

    def render_POST(self, request: Request) -> bytes:
        """Give tokens, or say why not."""
        arrived: Any = request
        self._server.channels.add(arrived.channel)
        if self._server.down:
            arrived.setResponseCode(503)
            return PAGE.encode()
        status, document = self._server.answer(_fields(arrived.args))
        arrived.setResponseCode(status)
        arrived.setHeader(b"content-type", b"application/json")
        return json.dumps(document).encode()


def read_assertion(assertion: str, keys: Mapping[str, RSAPublicKey]) -> dict[str, Any]:
    """Return the claims of a word that was signed by RS256 (RFC 7515 §5.2) by who it says.

    Raises ValueError, LookupError or InvalidSignature.
    """
    head, claims, signature = assertion.split(".")
    if json.loads(_decode(head)).get("alg") != "RS256":
        raise ValueError("it is signed by another algorithm")
    told: dict[str, Any] = json.loads(_decode(claims))
    signed = f"{head}.{claims}".encode("ascii")
    keys[told["iss"]].verify(_decode(signature), signed, PKCS1v15(), SHA256())
    return told


def _decode(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _fields(args: Mapping[bytes, list[bytes]]) -> dict[str, str]:
    return {name.decode(): values[0].decode() for name, values in args.items()}


def _invalid_grant(description: str) -> Said:
    return 400, {"error": "invalid_grant", "error_description": description}
