"""The SMTP client: authenticated sessions that send one message after another.

A remote "no" is a value; what cannot be reached raises SessionLost. The envelope is pipelined
where the server offers it (RFC 2920), STARTTLS never falls back to clear text, and the
time-outs are those of RFC 5321 §4.5.3.2.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from gateway.mail.delivery import Phase
from gateway.mail.envelope import Envelope
from gateway.mail.reply import Reply
from gateway.mail.tenant import Security
from gateway.net.smtp_lines import dot_stuffed, mail_line, parse_extensions, rcpt_line
from gateway.net.smtp_wire import SessionLost, Wire, connect

__all__ = [
    "NO_REPLY", "Answer", "Endpoint", "Login", "Session", "SessionLost", "SessionRefused",
    "Timeouts", "TlsPolicy", "open_session",
]  # fmt: skip

NO_REPLY = 0
"""The code of a Reply that no server gave: it stands for silence, or for our own words."""

PACED_BYTES = 128 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A server; `addresses` are those it was resolved to, else the system resolves."""

    host: str
    port: int
    security: Security
    addresses: tuple[str, ...] = ()
    lmtp: bool = False  # RFC 2033: a reply to the dot for each recipient


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A user name and its secret: a password, or with `oauth2` an access token."""

    username: str = field(repr=False)  # a token, at some providers
    secret: str = field(repr=False)
    oauth2: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsPolicy:
    """The system's authorities are trusted, and those of `ca_file`; names are verified."""

    ca_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long to wait for each reply (RFC 5321 §4.5.3.2)."""

    connect_seconds: float = 30.0
    greeting_seconds: float = 300.0
    command_seconds: float = 300.0  # EHLO, AUTH, MAIL, RCPT
    data_seconds: float = 120.0
    block_seconds: float = 180.0
    dot_seconds: float = 600.0
    quit_seconds: float = 5.0


class Answer(NamedTuple):
    """What was said of one recipient, and how far the session had come."""

    phase: Phase
    reply: Reply


@dataclass(frozen=True, slots=True)
class SessionRefused:
    """The server did not let us in: at which step, in which words."""

    phase: Phase
    reply: Reply


async def open_session(
    endpoint: Endpoint,
    *,
    credentials: Login | None,
    tls: TlsPolicy,
    timeouts: Timeouts,
    local_name: str,
) -> Session | SessionRefused:
    """Connect, secure, greet and sign in; `local_name` is said in EHLO.

    Returns the refusal when the server says no. Raises SessionLost when it cannot be
    reached, falls silent, or its certificate is not good.
    """
    wire = await connect(
        endpoint.host,
        endpoint.port,
        addresses=endpoint.addresses,
        seconds=timeouts.connect_seconds,
    )
    session = Session(wire, endpoint, tls=tls, timeouts=timeouts, local_name=local_name)
    try:
        refused = await session.establish(credentials)
    except BaseException:
        session.abort()
        raise
    if refused is not None:
        await session.close()
        return refused
    return session


class Session:
    """One connection, signed in, for one message at a time."""

    def __init__(
        self,
        wire: Wire,
        endpoint: Endpoint,
        *,
        tls: TlsPolicy,
        timeouts: Timeouts,
        local_name: str,
    ) -> None:
        self.host = endpoint.host
        self.extensions: dict[str, str] = {}
        self.messages = 0  # sent by this session
        self._wire = wire
        self._endpoint = endpoint
        self._policy = tls
        self._timeouts = timeouts
        self._local_name = local_name
        self._needs_reset = False
        self._ended = False

    @property
    def is_usable(self) -> bool:
        """Whether another message may be tried here."""
        return not self._ended and self._wire.is_quiet

    @property
    def tls(self) -> str | None:
        """Protocol and cipher, or None in the clear."""
        return self._wire.tls

    async def send(
        self,
        envelope: Envelope,
        content: bytes,
        *,
        before_dot: Callable[[], Awaitable[bool]] | None = None,
    ) -> tuple[Answer, ...]:
        """Send one message; return an answer for each recipient, in order.

        `before_dot` is asked just before the final dot: False ends the session without it,
        nothing was sent, and the answer is empty. A connection lost after the dot is the
        answer (AFTER_DOT, NO_REPLY): perhaps delivered. Lost before it raises SessionLost,
        in phase MAIL only if MAIL was not answered.
        """
        try:
            answers = await self._transaction(envelope, content, before_dot)
        except BaseException:
            self.abort()
            raise
        self.messages += 1
        codes = {answer.reply.code for answer in answers}
        self._needs_reset = codes != {250}
        self._ended = self._ended or not codes or bool(codes & {421, NO_REPLY})
        return answers

    async def close(self) -> None:
        """Say QUIT, wait shortly for its answer, hang up."""
        self._ended = True
        self._wire.write(b"QUIT\r\n")
        with suppress(SessionLost):
            seconds = self._timeouts.quit_seconds
            await self._wire.replies(1, phase=Phase.AFTER_DOT, seconds=seconds)
        self._wire.close()

    def abort(self) -> None:
        """Hang up at once."""
        self._ended = True
        self._wire.abort()

    async def establish(self, credentials: Login | None) -> SessionRefused | None:
        """Take a fresh connection to the point where MAIL may be said.

        It is made of the steps below, which a probe takes one by one.
        """
        if self._endpoint.security is Security.TLS:
            self._wire.start_tls(self._policy.ca_file)
        refused = await self.greet() or await self.say_hello()
        if refused is None and self._endpoint.security is Security.STARTTLS:
            # RFC 3207 §4.2: forget what was said before
            refused = await self.ask_for_tls() or await self.say_hello()
        return refused or await self.sign_in(credentials)

    async def start_tls(self) -> None:
        """Begin TLS from the first byte (RFC 8314 §3) and wait for it; raises SessionLost."""
        self._wire.start_tls(self._policy.ca_file)
        await self.wait_until_secured()

    async def wait_until_secured(self) -> None:
        """Wait for the handshake alone; raises SessionLost."""
        await self._wire.wait_until_secured(seconds=self._timeouts.command_seconds)

    async def greet(self) -> SessionRefused | None:
        """Wait for the greeting (RFC 5321 §3.1)."""
        seconds = self._timeouts.greeting_seconds
        [greeting] = await self._wire.replies(1, phase=Phase.GREETING, seconds=seconds)
        return None if greeting.code == 220 else SessionRefused(Phase.GREETING, greeting)

    async def say_hello(self) -> SessionRefused | None:
        """Say EHLO, and learn what is offered."""
        greeting = "LHLO" if self._endpoint.lmtp else "EHLO"
        reply = await self._ask(f"{greeting} {self._local_name}", Phase.EHLO)
        if reply.code // 100 == 5 and not self._endpoint.lmtp:
            # RFC 5321 §3.2: an old server knows HELO alone
            reply = await self._ask(f"HELO {self._local_name}", Phase.EHLO)
            self.extensions = {}
        elif reply.code == 250:
            self.extensions = parse_extensions(reply.text)
        return None if reply.code == 250 else SessionRefused(Phase.EHLO, reply)

    async def ask_for_tls(self) -> SessionRefused | None:
        """Say STARTTLS and begin the handshake (RFC 3207); never goes on in the clear."""
        if "STARTTLS" not in self.extensions:
            words = "the server does not offer STARTTLS, and we do not go on in the clear"
            return SessionRefused(Phase.STARTTLS, Reply(NO_REPLY, None, words))
        reply = await self._ask("STARTTLS", Phase.STARTTLS)
        if reply.code != 220:
            return SessionRefused(Phase.STARTTLS, reply)
        self._wire.start_tls(self._policy.ca_file)
        return None

    async def sign_in(self, credentials: Login | None) -> SessionRefused | None:
        """Say AUTH by the first way that both know (RFC 4954); None signs in nobody."""
        if credentials is None:
            return None
        offered = self.extensions.get("AUTH", "").upper().split()
        if credentials.oauth2 and "XOAUTH2" in offered:
            reply = await self._auth_xoauth2(credentials)
        elif not credentials.oauth2 and "PLAIN" in offered:
            reply = await self._auth_plain(credentials)
        elif not credentials.oauth2 and "LOGIN" in offered:
            reply = await self._auth_login(credentials)
        else:
            words = "the server offers no way to sign in that we know"
            reply = Reply(NO_REPLY, None, f"{words} ({' '.join(offered) or 'none'})")
        return None if reply.code == 235 else SessionRefused(Phase.AUTH, reply)

    async def try_mail(self, envelope: Envelope) -> Reply:
        """Say MAIL and take it back with RSET; return the answer to MAIL. Nothing is sent."""
        self._wire.write(mail_line(envelope, b"", offered=self.extensions))
        seconds = self._timeouts.command_seconds
        [reply] = await self._wire.replies(1, phase=Phase.MAIL, seconds=seconds)
        if reply.code != 421:  # RFC 5321 §3.8: that one has said goodbye
            await self._ask("RSET", Phase.MAIL)
        return reply

    async def _auth_plain(self, login: Login) -> Reply:
        token = _base64(f"\0{login.username}\0{login.secret}")  # RFC 4616
        return await self._ask(f"AUTH PLAIN {token}", Phase.AUTH)

    async def _auth_login(self, login: Login) -> Reply:
        reply = await self._ask("AUTH LOGIN", Phase.AUTH)
        for word in (login.username, login.secret):
            if reply.code == 334:
                reply = await self._ask(_base64(word), Phase.AUTH)
        return reply

    async def _auth_xoauth2(self, login: Login) -> Reply:
        token = _base64(f"user={login.username}\1auth=Bearer {login.secret}\1\1")
        reply = await self._ask(f"AUTH XOAUTH2 {token}", Phase.AUTH)
        if reply.code == 334:  # the reason as JSON; an empty line asks for the refusal itself
            reply = await self._ask("", Phase.AUTH)
        return reply

    async def _ask(self, command: str, phase: Phase) -> Reply:
        early = self._wire.early_reply(phase)
        if early is not None and early.code != 421:  # a goodbye answers whatever we ask
            raise self._wire.out_of_step(phase)
        self._wire.write(f"{command}\r\n".encode())
        seconds = self._timeouts.command_seconds
        [reply] = await self._wire.replies(1, phase=phase, seconds=seconds)
        return reply

    async def _transaction(
        self,
        envelope: Envelope,
        content: bytes,
        before_dot: Callable[[], Awaitable[bool]] | None,
    ) -> tuple[Answer, ...]:
        if self._needs_reset:
            await self._ask("RSET", Phase.MAIL)
        mail, recipients, data = await self._send_envelope(envelope, content)
        accepted = [mail.code // 100 == 2 and one.code // 100 == 2 for one in recipients]
        finals = [Answer(Phase.DATA, data)] * sum(accepted)
        if data.code == 354 and finals:
            said = await self._send_content(content, before_dot, recipients=len(finals))
            if not said:
                self.abort()
                return ()
            finals = [Answer(Phase.AFTER_DOT, one) for one in said]
        elif data.code == 354:  # RFC 2920 §3.1: nobody is there to get it: a lone dot
            self._wire.write(b".\r\n")
            seconds = self._timeouts.dot_seconds
            await self._wire.replies(1, phase=Phase.DATA, seconds=seconds)
        if mail.code // 100 != 2:
            return (Answer(Phase.MAIL, mail),) * len(recipients)
        left = iter(finals)
        pairs = zip(recipients, accepted, strict=True)
        return tuple(next(left) if good else Answer(Phase.RCPT, one) for one, good in pairs)

    async def _send_envelope(
        self, envelope: Envelope, content: bytes
    ) -> tuple[Reply, list[Reply], Reply]:
        lines = [
            mail_line(envelope, content, offered=self.extensions),
            *(rcpt_line(one, offered=self.extensions) for one in envelope.recipients),
        ]
        if "PIPELINING" in self.extensions:
            self._wire.write(b"".join((*lines, b"DATA\r\n")))
            mail, *recipients, data = await self._envelope_replies(len(lines) + 1)
            return mail, recipients, data
        return await self._send_by_turns(lines)

    async def _envelope_replies(self, count: int) -> Sequence[Reply]:
        try:
            seconds = self._timeouts.command_seconds
            return await self._wire.replies(count, phase=Phase.MAIL, seconds=seconds)
        except SessionLost as lost:
            if self._wire.answered:
                raise SessionLost(Phase.RCPT, str(lost)) from lost
            raise

    async def _send_by_turns(self, lines: list[bytes]) -> tuple[Reply, list[Reply], Reply]:
        seconds = self._timeouts.command_seconds
        said: list[Reply] = []
        for line in lines:
            phase = Phase.RCPT if said else Phase.MAIL
            self._wire.write(line)
            said += await self._wire.replies(1, phase=phase, seconds=seconds)
            if said[0].code // 100 != 2:
                return said[0], [said[0]] * (len(lines) - 1), said[0]
        mail, *recipients = said
        if not any(one.code // 100 == 2 for one in recipients):
            return mail, recipients, recipients[-1]
        self._wire.write(b"DATA\r\n")
        seconds = self._timeouts.data_seconds
        [data] = await self._wire.replies(1, phase=Phase.DATA, seconds=seconds)
        return mail, recipients, data

    async def _send_content(
        self,
        content: bytes,
        before_dot: Callable[[], Awaitable[bool]] | None,
        *,
        recipients: int,
    ) -> list[Reply]:
        """Return the reply for each recipient; none when `before_dot` said no."""
        rest = dot_stuffed(content)
        if len(rest) > PACED_BYTES:
            await self._wire.write_paced(rest, seconds=self._timeouts.block_seconds)
            rest = b""
        if before_dot is not None and not await before_dot():
            return []
        if early := self._wire.early_reply(Phase.DATA):
            return self._without_dot(early) * recipients
        self._wire.write(rest + b".\r\n")
        count = recipients if self._endpoint.lmtp else 1
        try:
            seconds = self._timeouts.dot_seconds
            said = await self._wire.replies(count, phase=Phase.AFTER_DOT, seconds=seconds)
        except SessionLost as lost:
            self.abort()
            return [Reply(NO_REPLY, None, str(lost))] * recipients
        return said * (recipients // count)

    def _without_dot(self, early: Reply) -> list[Reply]:
        """A no to the content may come early; a yes to what is not there yet is no yes."""
        if early.code // 100 not in (4, 5):
            raise self._wire.out_of_step(Phase.DATA)
        self.abort()
        return [early]


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")
