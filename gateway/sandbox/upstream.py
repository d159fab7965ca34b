"""The sandbox's submission server: captures what arrives, and misbehaves on demand."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from aiosmtpd import smtp

from gateway.mail.tenant import Security
from gateway.net.tls import Certificate, ServerTls
from gateway.sandbox.arrivals import KEPT, Arrivals
from gateway.sandbox.listening import HOST
from gateway.sandbox.misbehaviour import Misbehaviour
from gateway.sandbox.session import MAX_MESSAGE_BYTES, Session
from gateway.sandbox.transaction import Captured

HOSTNAME = "smtp.sandbox.example"
IDLE_SECONDS = 300.0  # RFC 5321 §4.5.3.2.7


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamSettings:
    """What the upstream demands of its clients."""

    accounts: Mapping[str, str] | None = None  # user -> password now; None takes any login
    require_login: bool = True
    opens: Callable[[str, str], bool] | None = None  # (address, access token): XOAUTH2
    security: Security = Security.NONE
    certificate: Certificate | None = None  # for all but NONE
    max_message_bytes: int = MAX_MESSAGE_BYTES
    kept: int = KEPT  # messages in `captured`


class Upstream:
    """A provider's submission server on loopback.

    `misbehaviour` may be replaced at any time; sessions that are open follow. `captured`
    holds the newest messages. `deliver` is called with each one before its 250.
    """

    def __init__(
        self,
        settings: UpstreamSettings,
        *,
        deliver: Callable[[Captured], None] = lambda _: None,
    ) -> None:
        self.misbehaviour = Misbehaviour()
        self.captured: Arrivals[Captured] = Arrivals(kept=settings.kept)
        self.logins: Arrivals[str] = Arrivals()  # users that tried, refused ones included
        self.sessions: set[Session] = set()
        self.port = 0
        self._settings = settings
        self._deliver = deliver
        self._tls = ServerTls(settings.certificate).context if settings.certificate else None
        self._server: asyncio.Server | None = None

    async def start(self, port: int = 0) -> None:
        """Listen on loopback; `self.port` says where. Raises OSError."""
        loop = asyncio.get_running_loop()
        tls = self._tls if self._settings.security is Security.TLS else None
        self._server = await loop.create_server(self._open_session, HOST, port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and reset all connections."""
        if self._server is None:
            return
        self._server.close()
        await asyncio.gather(*(session.end() for session in tuple(self.sessions)))
        await self._server.wait_closed()

    async def end_sessions(self, user: str) -> None:
        """Reset the connections that `user` signed in on."""
        ended = [session for session in tuple(self.sessions) if session.user == user]
        await asyncio.gather(*(session.end() for session in ended))

    def keep(self, captured: Captured) -> None:
        """Take a message that arrived whole."""
        self._deliver(captured)
        self.captured.add(captured)

    def next_id(self) -> str:
        """Return a new name for a message, in the form Amazon SES has: it sorts by time."""
        now = int(datetime.now(UTC).timestamp() * 1000)
        return f"{now:016x}-{secrets.token_hex(4)}-{secrets.token_hex(6)}-000000"

    @property
    def takes_tokens(self) -> bool:
        """Whether access tokens sign in."""
        return self._settings.opens is not None

    def check_token(self, user: str, token: str) -> smtp.AuthResult:
        """Return whether an access token signs `user` in."""
        self.logins.add(user)
        if (text := self.misbehaviour.refuse_login) is not None:
            return smtp.AuthResult(success=False, handled=False, message=f"535 {text}")
        good = self._settings.opens is not None and self._settings.opens(user, token)
        login = smtp.LoginPassword(user.encode(), b"")
        return smtp.AuthResult(success=good, handled=False, auth_data=login)

    def _open_session(self) -> Session:
        starttls = self._settings.security is Security.STARTTLS
        return Session(
            self,
            require_login=self._settings.require_login,
            hostname=HOSTNAME,
            ident="ESMTP sandbox",
            data_size_limit=self._settings.max_message_bytes,
            tls_context=self._tls if starttls else None,
            auth_require_tls=starttls,
            authenticator=self._check_login,
            timeout=IDLE_SECONDS,
            loop=asyncio.get_running_loop(),
        )

    def _check_login(
        self,
        _server: smtp.SMTP,
        _session: smtp.Session,
        _envelope: smtp.Envelope,
        _mechanism: str,
        login: smtp.LoginPassword,
    ) -> smtp.AuthResult:
        user = login.login.decode("utf-8", "replace")
        self.logins.add(user)
        if (text := self.misbehaviour.refuse_login) is not None:
            return smtp.AuthResult(success=False, handled=False, message=f"535 {text}")
        accounts = self._settings.accounts
        if accounts is None:
            return smtp.AuthResult(success=True, auth_data=login)
        password = accounts.get(user)
        right = password is not None and hmac.compare_digest(password.encode(), login.password)
        return smtp.AuthResult(success=right, handled=False, auth_data=login)
