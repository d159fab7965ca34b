"""AUTH: which credential is this? (RFC 4954)

A password is 32 random bytes of ours, so a keyed hash is compared and guessing is bounded
by a count of failures per address; the line of a refusal is what fail2ban reads.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Protocol

from gateway import events
from gateway.mail.reply import Reply
from gateway.mail.schema import parse_limit
from gateway.submission.tally import FailureCount, Tally

ACCEPTED = Reply(235, "2.7.0", "Signed in")
REFUSED = Reply(535, "5.7.8", "User name or password is not right")
TOO_MANY = Reply(454, "4.7.0", "Too many failed sign-ins from your address: try again later")
NO_HASH = "0" * 64  # compared when there is no such user, so that the time tells nothing
MAX_SHOWN = 80  # characters of a refused user name in the log


class StoredCredential(Protocol):
    """What login asks of a credential as the store has it."""

    @property
    def tenant(self) -> str: ...  # noqa: D102 - a field
    @property
    def username(self) -> str: ...  # noqa: D102 - a field
    @property
    def hashed(self) -> str: ...  # noqa: D102 - a field
    @property
    def networks(self) -> tuple[str, ...]: ...  # noqa: D102 - a field
    @property
    def messages_per_hour(self) -> int | None: ...  # noqa: D102 - a field


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Who has signed in: tenant, credential (`acme.zammad`), and its rate."""

    tenant: str
    credential: str
    messages_per_hour: int | None = None
    hashed: str = field(default="", repr=False, compare=False)  # its password's, as it was


@dataclass(frozen=True, slots=True)
class LoginResult:
    """What AUTH is answered, and who it is when that is a yes."""

    reply: Reply
    login: Login | None = None


class SignIn:
    """Judges user names and passwords; `auth_failures` is "10/10m", by client address."""

    def __init__(
        self,
        find_credential: Callable[[str], Awaitable[StoredCredential | None]],
        matches: Callable[[str, str], bool],
        *,
        auth_failures: str,
        clock: Callable[[], float],
        tally: Tally,
    ) -> None:
        self._find_credential = find_credential
        self._matches = matches
        self._limit, seconds = parse_limit(auth_failures)
        self._failures = FailureCount(tally, seconds=seconds)
        self._clock = clock

    async def __call__(
        self, username: str, password: str, client: str, mechanism: str = "PLAIN"
    ) -> LoginResult:
        """Return who `username` is; after too many failures of `client`, not even look."""
        key = _network_of(client)
        if self._failures.count(key, now=self._clock()) >= self._limit:
            _report(username, client, mechanism=mechanism, reason="too many failures")
            return LoginResult(TOO_MANY)
        found = await self._find_credential(username)
        reason = self._find_fault(found, password, client)
        if found is None or reason:
            self._failures.add(key, now=self._clock())
            _report(username, client, mechanism=mechanism, reason=reason)
            return LoginResult(REFUSED)
        login = Login(
            tenant=found.tenant,
            credential=found.username,
            messages_per_hour=found.messages_per_hour,
            hashed=found.hashed,
        )
        return LoginResult(ACCEPTED, login)

    async def again(self, login: Login, client: str) -> Login | None:
        """Return a login as it is now, for sessions live for long; None when it would be
        refused: it has another password, or the client lies outside of its networks."""
        found = await self._find_credential(login.credential)
        if found is None or found.hashed != login.hashed:
            return None
        if found.networks and not is_in_networks(client, found.networks):
            return None
        return replace(login, messages_per_hour=found.messages_per_hour)

    def _find_fault(self, found: StoredCredential | None, password: str, client: str) -> str:
        """Return why not, for the log alone: a client is not told which part was wrong."""
        is_right = self._matches(password, found.hashed if found else NO_HASH)
        if found is None:
            return "no such credential"
        if not is_right:
            return "wrong password"
        if found.networks and not is_in_networks(client, found.networks):
            return "client outside the credential's networks"
        return ""


def _report(username: str, client: str, *, mechanism: str, reason: str) -> None:
    events.sign_in_refused(
        client=client, username=username[:MAX_SHOWN], reason=reason, mechanism=mechanism
    )


def is_in_networks(client: str, networks: tuple[str, ...]) -> bool:
    """Whether the IP address `client` lies in one of `networks`; a single address counts."""
    address = ipaddress.ip_address(client)
    return any(address in _parsed(one) for one in networks)


@lru_cache(maxsize=1024)
def _parsed(network: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(network, strict=False)


def _network_of(client: str) -> str:
    """An IPv6 client owns a /64: counting its addresses one by one would bound nothing."""
    address = ipaddress.ip_address(client)
    if address.version == 4:
        return client
    return str(ipaddress.ip_network((address, 64), strict=False))
