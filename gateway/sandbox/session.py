"""The sandbox's side of an SMTP conversation, over aiosmtpd.

aiosmtpd knows no RCPT parameters, upper-cases those of MAIL, and offers few extensions, so
EHLO, MAIL and RCPT are ours. Each command first asks the provider's `Misbehaviour`.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, NoReturn, Protocol, cast

from aiosmtpd import smtp

from gateway.mail.message import Edit, apply_edits, parse_message
from gateway.net.tls import abort
from gateway.sandbox.misbehaviour import Fault, Misbehaviour, Phase
from gateway.sandbox.transaction import (
    Captured,
    Transaction,
    open_transaction,
    parse_recipient,
)
from gateway.sandbox.xoauth2 import WHY, parse_xoauth2

MAX_MESSAGE_BYTES = 25 * 1024 * 1024
EXTENSIONS = ("PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "DSN")
ENDLESS = {
    Fault.ENDLESS_LINE: b"250 " * 2048,
    Fault.ENDLESS_REPLY: b"250-and more\r\n" * 512,
    Fault.FLOOD: b"250 2.0.0 Ok\r\n" * 512,
}
NOT_SMTP = b"\x15\x03\x01\x00 what?\xff\r\n"


class Provider(Protocol):
    """What a session needs of the server it belongs to."""

    misbehaviour: Misbehaviour
    sessions: set[Session]

    def keep(self, captured: Captured) -> None:
        """Take a message that arrived whole."""

    def next_id(self) -> str:
        """Return a new name for a message."""

    @property
    def takes_tokens(self) -> bool:
        """Whether access tokens sign in."""

    def check_token(self, user: str, token: str) -> smtp.AuthResult:
        """Return whether an access token signs `user` in."""


class Client(smtp.Session):
    """What the library knows of a client."""

    login_data: Any = None  # the library's own sets it and logs a warning at each login


class Session(smtp.SMTP):
    """One client's connection to the upstream."""

    def __init__(self, provider: Provider, *, require_login: bool, **options: Any) -> None:
        self._provider = provider
        self._require_login = require_login
        self._transaction: Transaction | None = None
        super().__init__(self, enable_SMTPUTF8=True, **options)

    @property
    def user(self) -> str | None:
        """Who signed in."""
        login = self._client.auth_data
        return login.login.decode("utf-8", "replace") if login else None

    async def end(self) -> None:
        """Reset the connection and wait until nothing of it runs."""
        conversation = self._handler_coroutine
        abort(self._wire)
        if conversation is not None:
            await asyncio.gather(conversation, return_exceptions=True)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the session; the library calls this again after STARTTLS."""
        self._wire = cast(asyncio.Transport, transport)
        self._provider.sessions.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Count the session no more."""
        self._provider.sessions.discard(self)
        super().connection_lost(error)

    async def push(self, status: Any) -> None:
        """Send one line of a reply, slowly where asked."""
        await asyncio.sleep(self._misbehaviour.slow_seconds)
        await super().push(status)

    async def smtp_EHLO(self, hostname: str | None) -> None:
        """RFC 5321 §4.1.1.1."""
        if await self._misbehaves(Phase.EHLO):
            return
        if not hostname:
            await self.push("501 5.5.4 EHLO needs a name")
            return
        self.envelope = self._create_envelope()
        self._client.extended_smtp = True
        self._client.host_name = hostname
        *lines, last = [self.hostname, *self._offered()]
        for line in lines:
            await self.push(f"250-{line}")
        await self.push(f"250 {last}")

    async def smtp_HELO(self, hostname: str | None) -> None:
        """RFC 5321 §4.1.1.1."""
        if not await self._misbehaves(Phase.EHLO):
            await super().smtp_HELO(hostname or "")

    async def smtp_STARTTLS(self, arg: str | None) -> None:
        """RFC 3207."""
        if not await self._misbehaves(Phase.STARTTLS):
            await super().smtp_STARTTLS(arg or "")

    async def smtp_AUTH(self, arg: str | None) -> None:
        """RFC 4954."""
        if not await self._misbehaves(Phase.AUTH):
            await super().smtp_AUTH(arg or "")

    async def auth_XOAUTH2(self, _: smtp.SMTP, args: list[str]) -> smtp.AuthResult:
        """Judge an access token, given with the command; the library finds it by its name."""
        found = parse_xoauth2(args[1].encode()) if len(args) > 1 else None
        if found is None or not self._provider.takes_tokens:
            await self.push("501 5.5.4 Syntax: AUTH XOAUTH2 base64")
            return smtp.AuthResult(success=False, handled=True)
        result = self._provider.check_token(*found)
        if not result.success:
            await self.challenge_auth(WHY)  # the client's empty line asks for the refusal
        return result

    async def smtp_MAIL(self, arg: str | None) -> None:
        """RFC 5321 §4.1.1.2."""
        if await self._misbehaves(Phase.MAIL):
            return
        if await self.check_helo_needed():
            return
        if self._require_login and not self._client.authenticated:
            await self.push("530 5.7.0 Sign in first")
            return
        if self._transaction is not None:
            await self.push("503 5.5.1 Nested MAIL")
            return
        await self.push(self._open_transaction(arg or ""))

    async def smtp_RCPT(self, arg: str | None) -> None:
        """RFC 5321 §4.1.1.3."""
        if await self._misbehaves(Phase.RCPT):
            return
        if self._transaction is None:
            await self.push("503 5.5.1 RCPT before MAIL")
            return
        await self.push(self._add_recipient(self._transaction, arg or ""))

    async def smtp_DATA(self, arg: str | None) -> None:
        """RFC 5321 §4.1.1.4."""
        if await self._misbehaves(Phase.DATA):
            return
        if Phase.CONTENT in self._misbehaviour.at and self._transaction is not None:
            await self.push("354 Go ahead")
            await self._reader.readline()
            await self._misbehaves(Phase.CONTENT)
            await self._close()
        await super().smtp_DATA(arg or "")

    async def handle_DATA(
        self, _server: smtp.SMTP, _session: smtp.Session, envelope: smtp.Envelope
    ) -> str:
        """Judge a message that came whole, keep it, return the reply (a hook of aiosmtpd)."""
        content = envelope.original_content or b""
        fault = self._misbehaviour.at.get(Phase.DOT)
        if fault is None:
            return self._find_refusal(content) or self._keep(content)
        if fault is Fault.KEEP_AND_DROP or fault.startswith("2"):
            self._keep(content)
        if not isinstance(fault, Fault):
            return fault
        await self._fail(fault)
        return "451 4.3.0 The line above is not a reply"

    async def handle_exception(self, error: Exception) -> str:
        """Answer 4yz for a fault of ours."""
        del error
        return "451 4.3.0 Local error"

    @property
    def _misbehaviour(self) -> Misbehaviour:
        return self._provider.misbehaviour

    async def _handle_client(self) -> None:
        cap = self._misbehaviour.max_connections
        if cap is not None and len(self._provider.sessions) > cap:
            await self.push("421 4.7.0 Too many connections")
            await self._close()
        if await self._misbehaves(Phase.GREETING):
            await self._close()
        await super()._handle_client()

    def _create_session(self) -> smtp.Session:
        self._client = Client(self.loop)
        return self._client

    def _create_envelope(self) -> smtp.Envelope:
        """Begin anew, as the library does after DATA, RSET, EHLO and STARTTLS."""
        self._transaction = None
        return super()._create_envelope()

    def _offered(self) -> list[str]:
        offered = [f"SIZE {self.data_size_limit}", *EXTENSIONS]
        if self.tls_context and not self._tls_protocol:
            offered.append("STARTTLS")
        if self._tls_protocol or not self._auth_require_tls:
            tokens = " XOAUTH2" if self._provider.takes_tokens else ""
            offered.append(f"AUTH PLAIN LOGIN{tokens}")
        return [line for line in offered if self._offers(line.split()[0])]

    def _offers(self, extension: str) -> bool:
        return extension not in self._misbehaviour.without

    def _open_transaction(self, arg: str) -> str:
        opened = open_transaction(
            arg,
            max_message_bytes=self.data_size_limit or MAX_MESSAGE_BYTES,
            without=self._misbehaviour.without,
        )
        if isinstance(opened, str):
            return opened
        self._transaction = opened
        return "250 2.1.0 Sender ok"

    def _add_recipient(self, transaction: Transaction, arg: str) -> str:
        named = parse_recipient(arg, transaction, without=self._misbehaviour.without)
        if isinstance(named, str):
            return named
        address = str(named.address)
        if reply := self._misbehaviour.recipients.get(address):
            return reply
        transaction.recipients.append(named)
        if self.envelope is not None:
            self.envelope.rcpt_tos.append(address)  # the library's DATA looks here
        return "250 2.1.5 Recipient ok"

    def _find_refusal(self, content: bytes) -> str | None:
        if not content.isascii() and not self._offers("8BITMIME"):
            return "554 5.6.3 8-bit content, but no 8BITMIME was offered"
        signatures = list(parse_message(content).all("DKIM-Signature"))
        if self._misbehaviour.refuse_second_signature and len(signatures) > 1:
            return "554 5.6.0 Transaction failed: Duplicate header 'DKIM-Signature'"
        return None

    def _keep(self, content: bytes) -> str:
        name = self._provider.next_id()
        domain = self._misbehaviour.rewrite_message_id
        if domain is not None:
            new_id = (Edit("Message-ID", None), Edit("Message-ID", f"<{name}@{domain}>"))
            content = apply_edits(content, new_id)
        self._provider.keep(self._describe(name, content))
        if self._misbehaviour.hide_new_id:
            return "250 2.0.0 Ok"
        return f"250 Ok {name}" if domain is not None else f"250 2.0.0 Ok: queued as {name}"

    def _describe(self, name: str, content: bytes) -> Captured:
        transaction = self._transaction or Transaction(None, {})
        return Captured(
            id=name,
            envelope=transaction.as_envelope(),
            content=content,
            helo=self._client.host_name or "",
            tls=self._tls(),
            user=self.user,
            at=datetime.now(UTC),
        )

    def _tls(self) -> str | None:
        tls = self._wire.get_extra_info("ssl_object")
        return f"{tls.version()} {tls.cipher()[0]}" if tls else None

    async def _misbehaves(self, phase: Phase) -> bool:
        """Whether something else happened than what the command asked for."""
        fault = self._misbehaviour.at.get(phase)
        if fault is None:
            return False
        if isinstance(fault, Fault):
            await self._fail(fault)
        else:
            await self.push(fault)
            if fault.startswith("421"):
                await self._close()
        return True

    async def _fail(self, fault: Fault) -> None:
        match fault:
            case Fault.GARBAGE:
                self._writer.write(NOT_SMTP)
            case Fault.ENDLESS_LINE | Fault.ENDLESS_REPLY | Fault.FLOOD:
                await self._pour(ENDLESS[fault])
            case Fault.EARLY:
                early = "354 Go ahead\r\n" if self._transaction else "250 Ok\r\n"
                await self.push(f"{early}250 2.0.0 Ok: queued as early")
            case Fault.HANG:
                await never()
            case Fault.DROP | Fault.KEEP_AND_DROP:
                abort(self._wire)
                await never()

    async def _pour(self, block: bytes) -> NoReturn:
        """Send the same again and again until the client hangs up."""
        while not self._wire.is_closing():
            self._writer.write(block)
            await self._writer.drain()
        await never()

    async def _close(self) -> NoReturn:
        self._wire.close()
        await never()


async def never() -> NoReturn:
    """Wait until the library cancels the conversation, as it does when the client is gone."""
    await asyncio.get_running_loop().create_future()
    raise RuntimeError("nobody else holds this future")
