"""Authenticated sessions, pooled by lane: a tenant's session never carries another's mail.

Two tenants may have accounts at one host; the key is tenant and upstream, never the host.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace

from gateway.delivery.rate import LaneLimits
from gateway.mail.address import parse_address
from gateway.mail.delivery import Lane, Phase
from gateway.mail.envelope import Envelope
from gateway.mail.reply import Reply
from gateway.net.concurrency import spawn
from gateway.net.smtp import (
    Endpoint,
    Login,
    Session,
    SessionRefused,
    Timeouts,
    TlsPolicy,
    open_session,
)
from gateway.providers.catalogue import Provider

OpenSession = Callable[..., Awaitable[Session | SessionRefused]]
"""Opens one session, as `net.smtp.open_session` does."""

IDLE_SECONDS = 30.0
DEFAULT_MESSAGES = 100  # a connection, where the provider does not say


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Where a lane leads: server, sign-in, and what the provider's preset says of it."""

    endpoint: Endpoint
    credentials: Login | None
    provider: Provider
    tls: TlsPolicy = field(default_factory=TlsPolicy)
    dkim_profile: str = "sign"  # sign | none | without-ids
    names_mail: bool = False  # by our id, for its copy to be known by
    without_token: Reply | None = None  # why there is no access token to sign in with

    @property
    def messages_per_connection(self) -> int:
        """After how many messages a session is closed."""
        return self.provider.limits.messages_per_connection or DEFAULT_MESSAGES

    def as_allowed(self, envelope: Envelope) -> Envelope:
        """Return the envelope with a return path that the provider lets through.

        Some compare MAIL with the login and refuse even the null one: there a bounce of
        an automatic answer comes back to the mailbox itself. Another sender's address stays
        as it is, so that the provider's refusal is seen.
        """
        if self.provider.sender.otherwise != "reject-mail-from" or self.credentials is None:
            return envelope
        if "@" not in self.credentials.username:
            return envelope
        own, path = parse_address(self.credentials.username), envelope.return_path
        if path is not None and path.base.key != own.key:
            return envelope
        return replace(envelope, return_path=own)


def limits_of(provider: Provider, *, max_connections: int = 10) -> LaneLimits:
    """Return what a lane to this provider allows, at most `max_connections` at once."""
    limits = provider.limits
    return LaneLimits(
        connections=max(1, min(limits.connections or max_connections, max_connections)),
        rate_per_minute=limits.rate_per_minute,
        recipients_per_message=limits.recipients_per_message or 100,
    )


@dataclass(slots=True, eq=False)
class Pooled:
    """A session in hand: of which account, and whether it has sent before."""

    session: Session
    account: Account
    reused: bool = False
    idle_since: float = 0.0


class SessionPool:
    """Sessions at rest, the newest first; how many may be open is for the scheduler to say."""

    def __init__(
        self,
        *,
        local_name: str,
        timeouts: Timeouts | None = None,
        idle_seconds: float = IDLE_SECONDS,
        open_session: OpenSession = open_session,
    ) -> None:
        self._local_name = local_name
        self._timeouts = timeouts or Timeouts()
        self._idle_seconds = idle_seconds
        self._open_session = open_session
        self._idle: defaultdict[Lane, list[Pooled]] = defaultdict(list)
        self._sweeper: asyncio.TimerHandle | None = None

    async def take(
        self, lane: Lane, account: Account, *, fresh: bool = False
    ) -> Pooled | SessionRefused:
        """Return a session of the lane: one at rest unless `fresh`, else a new one.

        Raises SessionLost when the server cannot be reached.
        """
        if account.without_token is not None:
            return SessionRefused(Phase.TOKEN, account.without_token)
        idle = self._idle[lane]
        while idle and not fresh:
            pooled = idle.pop()
            if pooled.session.is_usable and pooled.account == account:
                return pooled
            self._close(pooled)
        opened = await self._open_session(
            account.endpoint,
            credentials=account.credentials,
            tls=account.tls,
            timeouts=self._timeouts,
            local_name=self._local_name,
        )
        return opened if isinstance(opened, SessionRefused) else Pooled(opened, account)

    def give_back(self, lane: Lane, pooled: Pooled) -> None:
        """Keep a session for the lane's next message, or close it after its share."""
        done = pooled.session.messages >= pooled.account.messages_per_connection
        if done or not pooled.session.is_usable:
            self._close(pooled)
            return
        loop = asyncio.get_running_loop()
        pooled.reused = True
        pooled.idle_since = loop.time()
        self._idle[lane].append(pooled)
        if self._sweeper is None:
            self._sweeper = loop.call_later(self._idle_seconds, self._sweep)

    def forget(self, lane: Lane) -> None:
        """Close the lane's sessions at rest: its account changed or has too many."""
        for pooled in self._idle.pop(lane, []):
            self._close(pooled)

    async def close(self) -> None:
        """Close every session at rest, politely."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        resting = [pooled for idle in self._idle.values() for pooled in idle]
        self._idle.clear()
        await asyncio.gather(*(one.session.close() for one in resting))

    def _sweep(self) -> None:
        self._sweeper = None
        loop = asyncio.get_running_loop()
        oldest = loop.time() - self._idle_seconds
        for lane, idle in list(self._idle.items()):
            self._idle[lane] = [one for one in idle if not self._is_old(one, oldest)]
            if not self._idle[lane]:
                del self._idle[lane]
        if since := list(self._waiting()):
            wait = min(since) + self._idle_seconds - loop.time()
            self._sweeper = loop.call_later(max(0.0, wait), self._sweep)

    def _is_old(self, pooled: Pooled, oldest: float) -> bool:
        if pooled.idle_since > oldest and pooled.session.is_usable:
            return False
        self._close(pooled)
        return True

    def _waiting(self) -> Iterator[float]:
        return (one.idle_since for idle in self._idle.values() for one in idle)

    def _close(self, pooled: Pooled) -> None:
        if pooled.session.is_usable:
            spawn(pooled.session.close(), name="close an upstream session")
        else:
            pooled.session.abort()
