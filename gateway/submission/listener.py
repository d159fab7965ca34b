"""The sockets of [[submission.listeners]]: TLS, and how many sessions one may hold."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from gateway import events
from gateway.config import ConfigError, ListenerSettings, SubmissionSettings
from gateway.mail.tenant import Security
from gateway.net.tls import ServerTls
from gateway.submission.commands import Commands
from gateway.submission.login import is_in_networks
from gateway.submission.room import Room
from gateway.submission.session import Conversation
from gateway.submission.tally import Tally
from gateway.submission.wire import Wire

BACKLOG = 512
HANDSHAKE_SECONDS = 30.0
PLAIN = ("127.0.0.0/8", "::1/128")


def open_sockets(settings: SubmissionSettings) -> list[socket.socket]:
    """Return a listening socket for each listener, in order.

    Raises ConfigError naming the one that cannot be opened, and leaves none open.
    """
    opened: list[socket.socket] = []
    for listener in settings.listeners:
        family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
        at = (listener.host, listener.port)
        try:
            opened.append(socket.create_server(at, family=family, backlog=BACKLOG))
        except OSError as error:
            for one in opened:
                one.close()
            raise ConfigError(
                f"[[submission.listeners]] address '{listener.address}': cannot be opened:"
                f" {os.strerror(error.errno).lower() if error.errno else error}"
            ) from error
    return opened


class Listeners:
    """Every listening socket of submission, and the sessions that came by them."""

    def __init__(
        self,
        settings: SubmissionSettings,
        conversation: Conversation,
        *,
        sockets: Sequence[socket.socket],
        hostname: str,
        support: str | None,
        tls: ServerTls | None,
        room: Room,
        tally: Tally,
    ) -> None:
        """`sockets` are those of `open_sockets`; without TLS `tls` may be None.

        `support` is the address that refusals name, None: they name nobody.
        """
        self._settings = settings
        self._conversation = conversation
        self._hostname = hostname
        self._support = support
        self._tls = tls
        self._room = room
        self._tally = tally
        self._sockets = sockets
        self._servers: list[asyncio.Server] = []
        self._stopping = False
        self._sessions: dict[Wire, str] = {}
        self._all_closed = asyncio.Event()

    @property
    def sessions(self) -> int:
        """How many sessions are open here."""
        return len(self._sessions)

    async def start(self) -> None:
        """Take connections on every socket."""
        for listener, bound in zip(self._settings.listeners, self._sockets, strict=True):
            self._servers.append(await self._take_from(listener, bound))

    async def stop(self, *, seconds: float) -> None:
        """Close the listeners, let sessions past DATA end; the others are told 421 at once.

        What is left after `seconds` is dropped.
        """
        self._stopping = True
        for server in self._servers:
            server.close()
        for session in list(self._sessions):
            session.finish()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._sessions:
                    self._all_closed.clear()
                    await self._all_closed.wait()
        for session in list(self._sessions):
            session.abort()

    async def _take_from(
        self, listener: ListenerSettings, bound: socket.socket
    ) -> asyncio.Server:
        is_tls = listener.security is Security.TLS
        return await asyncio.get_running_loop().create_server(
            partial(self._begin, listener),
            sock=bound,
            backlog=BACKLOG,
            ssl=self._context() if is_tls else None,
            ssl_handshake_timeout=HANDSHAKE_SECONDS if is_tls else None,
        )

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            raise ConfigError(
                "[[submission.listeners]] a listener with TLS needs a certificate"
            )
        self._tls.refresh()
        return self._tls.context

    def _begin(self, listener: ListenerSettings) -> Commands:
        is_plain = listener.security is Security.NONE
        context = None if is_plain else self._context()  # looks for renewed files, too
        return Commands(
            self._conversation,
            opened=partial(self._opened, is_plain=is_plain),
            closed=self._closed,
            is_plain=is_plain,
            tls_context=context if listener.security is Security.STARTTLS else None,
            hostname=self._hostname,
            support=self._support,
            timeout=self._settings.idle_timeout_seconds,
            max_message_bytes=self._settings.max_message_bytes,
            max_recipients=self._settings.max_recipients,
            room=self._room,
        )

    def _opened(self, session: Wire, *, is_plain: bool) -> str | None:
        client, port = session.peer
        events.session_opened(client=client, port=port)
        self._sessions[session] = client
        self._tally.opened(client)
        if is_plain and not is_in_networks(client, PLAIN + self._settings.plain_networks):
            return "554 5.7.1 This port is for listed networks: use another with TLS"
        if self._stopping:
            return "421 4.3.2 The server is stopping: connect again later"
        if self._tally.sessions > self._settings.sessions:
            return "421 4.7.0 Too many sessions: try again later"
        if self._tally.sessions_of(client) > self._settings.sessions_per_address:
            return "421 4.7.0 Too many sessions from your address: close some first"
        return None

    def _closed(self, session: Wire) -> None:
        client = self._sessions.pop(session)
        events.session_closed(client=client, port=session.peer[1])
        self._tally.closed(client)
        if not self._sessions:
            self._all_closed.set()
