"""The verbs as the standards have them, over the library's class.

MAIL, RCPT and DATA are ours whole: the library refuses the parameters of RFC 3461, loses
their case, and reads content line by line. EHLO is one write. STARTTLS, AUTH and QUIT close
what the library leaves open: pipelined plaintext, a second TLS, commands after goodbye.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import cache
from typing import Any

from aiosmtpd import smtp

from gateway.mail.address import Address
from gateway.mail.envelope import Recipient
from gateway.mail.reply import Reply
from gateway.submission import future
from gateway.submission.content import Content
from gateway.submission.login import Login, LoginResult
from gateway.submission.parameters import MailArguments, parse_mail, parse_rcpt
from gateway.submission.room import NO_ROOM, Room, Share
from gateway.submission.wire import BLOCK_BYTES, ClientGone, Wire

GIVE_UP_FACTOR = 10  # times the size limit that is read to reach the end of the data
EXTENSIONS = ("8BITMIME", "SMTPUTF8", "PIPELINING", "ENHANCEDSTATUSCODES", "DSN")


class Transaction(smtp.Envelope):
    """MAIL, RCPT and DATA of one message, as far as they have come."""

    def __init__(self) -> None:
        super().__init__()
        self.content: bytes = b""
        self.mail: MailArguments | None = None
        self.recipients: dict[Address, Recipient] = {}
        self.refused = 0  # recipients


class Commands(Wire):
    """One session of submission; `is_plain` offers AUTH without TLS."""

    AuthLoginUsernameChallenge = "Username:"
    AuthLoginPasswordChallenge = "Password:"

    envelope: Transaction

    def __init__(
        self,
        handler: Any,
        *,
        is_plain: bool,
        max_message_bytes: int,
        max_recipients: int,
        room: Room,
        **options: Any,
    ) -> None:
        super().__init__(
            handler,
            data_size_limit=max_message_bytes,
            enable_SMTPUTF8=True,
            authenticator=_hand_over,
            auth_require_tls=False,  # smtp_AUTH asks: the library knows of STARTTLS alone
            **options,
        )
        self.mechanism = ""  # of the last sign-in
        self._is_plain = is_plain
        self._max_message_bytes = max_message_bytes
        self._max_recipients = max_recipients
        self._room = room
        self._share = Share(room)

    def __dir__(self) -> list[str]:
        """Name the commands alone: the library looks through all members, each connection."""
        return _command_names()

    @property
    def login(self) -> Login | None:
        """Who has signed in, or None."""
        return self.session.auth_data

    def hand_over_share(self) -> Share:
        """Return the share of the message that was taken: whoever keeps it gives it back."""
        share, self._share = self._share, Share(self._room)
        return share

    async def obey(self, line: bytes) -> None:
        """Carry out one command line (RFC 5321 §4.1.1)."""
        verb, _, argument = line.partition(b" ")
        name = verb.upper().decode("ascii", "replace")
        command = self._smtp_methods.get(name)
        if command is None:
            await self.push("500 5.5.1 There is no such command")
            return
        await command(argument.strip().decode("utf-8", "surrogateescape") or None)

    async def smtp_EHLO(self, hostname: str | None) -> None:
        """Greet, and name what we can (RFC 5321 §4.1.1.1)."""
        if not hostname:
            await self.push("501 5.5.4 Write EHLO and your host's name")
            return
        self.envelope = self._create_envelope()
        self.session.extended_smtp = True
        self.session.host_name = hostname
        words = [self.hostname, f"SIZE {self._max_message_bytes}", *EXTENSIONS]
        words.append(future.offer(now=datetime.now(UTC)))
        if self.tls_context and not self.tls:
            words.append("STARTTLS")
        if self._is_plain or self.tls:
            words.append("AUTH PLAIN LOGIN")
        lines = [f"250-{word}" for word in words[:-1]] + [f"250 {words[-1]}"]
        await self.push("\r\n".join(lines))

    async def smtp_STARTTLS(self, argument: str | None) -> None:
        """Begin TLS (RFC 3207); what came in the clear behind the command ends the session."""
        if argument:
            await self.push("501 5.5.4 STARTTLS takes no argument")
        elif self.tls or not self.tls_context:
            await self.push("503 5.5.1 STARTTLS is not offered here")
        elif self.has_unread:  # RFC 3207 §4.2: an attacker may have put it there
            await self.hang_up("501 5.5.1 Nothing may follow STARTTLS before our reply")
        else:
            await self._start_tls()

    async def smtp_AUTH(self, argument: str | None) -> None:
        """Sign in (RFC 4954 §4): not within a transaction, and not in the clear."""
        if await self.check_helo_needed("EHLO"):
            return
        if not (self._is_plain or self.tls):
            await self.push("538 5.7.11 Sign in after STARTTLS")
        elif self.envelope.mail or self.login:
            await self.push("503 5.5.1 Sign in once, and before MAIL")
        else:
            mechanism, _, response = (argument or "").partition(" ")
            await super().smtp_AUTH(f"{mechanism.upper()} {response}".strip() or None)

    async def auth_PLAIN(self, server: Any, words: list[str]) -> smtp.AuthResult:
        """Sign in by RFC 4616."""
        self.mechanism = "PLAIN"
        return await self._judge(await super().auth_PLAIN(server, words))

    async def auth_LOGIN(self, server: Any, words: list[str]) -> smtp.AuthResult:
        """Sign in the way old clients do."""
        self.mechanism = "LOGIN"
        return await self._judge(await super().auth_LOGIN(server, words))

    async def check_auth_needed(self, _verb: str) -> bool:
        """Answer 530 before sign-in (RFC 4954 §6)."""
        if self.login:
            return False
        await self.push("530 5.7.0 Sign in first")
        return True

    async def smtp_MAIL(self, argument: str | None) -> None:
        """Begin a message."""
        if await self.check_helo_needed() or await self.check_auth_needed("MAIL"):
            return
        if self.envelope.mail:
            await self.push("503 5.5.1 A message was begun already")
            return
        said = parse_mail(
            argument or "", max_bytes=self._max_message_bytes, now=datetime.now(UTC)
        )
        if isinstance(said, Reply):
            await self.push(said.as_line())
            return
        self.envelope.mail = said
        await self.push("250 2.1.0 Sender OK")

    async def smtp_RCPT(self, argument: str | None) -> None:
        """Add a recipient; one that is named twice gets the message once."""
        if await self.check_helo_needed() or await self.check_auth_needed("RCPT"):
            return
        mail = self.envelope.mail
        if mail is None:
            await self.push("503 5.5.1 MAIL comes before RCPT")
            return
        said = parse_rcpt(argument or "", smtputf8=mail.smtputf8)
        if isinstance(said, Reply):
            await self._refuse_recipient(said)
        elif self._is_full_for(said):
            await self.push(f"452 4.5.3 A message takes {self._max_recipients} recipients")
        elif refusal := await self.event_handler.find_refusal_of(self, mail, said):
            await self._refuse_recipient(refusal)
        else:
            self.envelope.recipients.setdefault(said.address, said)
            await self.push("250 2.1.5 Recipient OK")

    async def smtp_DATA(self, argument: str | None) -> None:
        """Take the content, and answer for it (RFC 5321 §4.1.1.4)."""
        if await self.check_helo_needed() or await self.check_auth_needed("DATA"):
            return
        if argument:
            await self.push("501 5.5.4 DATA takes no argument")
        elif not self.envelope.mail:
            await self.push("503 5.5.1 MAIL and RCPT come before DATA")
        elif not self.envelope.recipients:
            await self.push("554 5.5.1 No recipient was accepted")
        else:
            try:
                await self._take_message(self.envelope.mail.size_bytes)
            finally:
                self._share.give_back()

    async def smtp_RSET(self, _argument: str | None) -> None:
        """Forget the message that was begun."""
        self.envelope = self._create_envelope()
        await self.push("250 2.0.0 OK")

    async def smtp_NOOP(self, _argument: str | None) -> None:
        """Do nothing."""
        await self.push("250 2.0.0 OK")

    async def smtp_VRFY(self, _argument: str | None) -> None:
        """Tell nothing of any address (RFC 5321 §7.3)."""
        await self.push("252 2.5.0 Send the message to find out")

    async def smtp_HELP(self, _argument: str | None) -> None:
        """Say where the verbs are told."""
        await self.push("214 2.0.0 See RFC 5321 and RFC 6409")

    async def smtp_QUIT(self, _argument: str | None) -> None:
        """Say goodbye."""
        await self.hang_up("221 2.0.0 Bye")

    def _is_full_for(self, recipient: Recipient) -> bool:
        named = self.envelope.recipients
        return recipient.address not in named and len(named) >= self._max_recipients

    def _create_envelope(self) -> Transaction:
        return Transaction()

    async def _start_tls(self) -> None:
        try:
            await super().smtp_STARTTLS(None)
        except smtp.TLSSetupException:  # the client broke off, or has no version of ours
            self.connection_lost(None)
        except asyncio.CancelledError:  # asyncio tells nobody of a handshake that we end
            self.connection_lost(None)
            raise

    async def _judge(self, given: smtp.AuthResult) -> smtp.AuthResult:
        """Ask who it is, once the mechanism has a name and a password."""
        if not isinstance(given.auth_data, smtp.LoginPassword):
            return given
        result: LoginResult = await self.event_handler.handle_login(self, given.auth_data)
        if not result.login:
            return smtp.AuthResult(success=False, handled=False, message=result.reply.as_line())
        return smtp.AuthResult(
            success=True, auth_data=result.login, message=result.reply.as_line()
        )

    async def _refuse_recipient(self, refusal: Reply) -> None:
        """Refuse one of a list: a wrong address is no fault of the session.

        Else nobody could write to a list in which many have died.
        """
        self.envelope.refused += 1
        if self.envelope.refused > self._max_recipients:
            await self.push(refusal.as_line())
        else:
            await self.push_harmless(refusal.as_line())

    async def _take_message(self, size_bytes: int) -> None:
        """Take a message that is said to be so large, once there is room for that."""
        if not self._share.has(size_bytes) and not await self._grow(size_bytes):
            await self.push(self.event_handler.refuse(self, self.envelope, NO_ROOM))
            return
        self._is_promising = True
        await self.push("354 End with CR LF . CR LF")
        content = await self._read_content()
        self.pause_timeout()
        reply = await self._answer(content)
        self._share.give_back()
        self.envelope = self._create_envelope()
        self._reset_timeout()
        self._is_promising = False
        await self.push(reply)
        if self._finishing:
            self.finish()

    async def _answer(self, content: bytes | Reply) -> str:
        try:
            if isinstance(content, Reply):
                return str(self.event_handler.refuse(self, self.envelope, content))
            self.envelope.content = content
            reply = await self.event_handler.handle_DATA(self, self.session, self.envelope)
        except Exception as error:  # noqa: BLE001 - a fault of ours is answered 451
            return await self.handle_exception(error)
        if reply.startswith("2"):
            self.forget_errors()
        return str(reply)

    async def _grow(self, size_bytes: int) -> bool:
        self.pause_timeout()
        has_grown = await self._share.grow(size_bytes)
        self._reset_timeout()
        return has_grown

    async def _read_content(self) -> bytes | Reply:
        """Read to the end of the data; what follows it is left to be read as commands."""
        content = Content(max_bytes=self._max_message_bytes)
        rest = None
        while rest is None:
            rest = content.feed(await self._read_block())
            self._reset_timeout()
            if not self._share.has(content.kept_bytes):
                await self._make_room(content)
            if content.size_bytes > self._max_message_bytes * GIVE_UP_FACTOR:
                await self.hang_up("552 5.3.4 The message has no end that we would wait for")
        self.unread(rest)
        return content.take()

    async def _make_room(self, content: Content) -> None:
        if not await self._grow(content.kept_bytes):
            content.drop(NO_ROOM)
            self._share.give_back()

    async def _read_block(self) -> bytes:
        try:
            block: bytes = await self._reader.read(BLOCK_BYTES)
        except OSError as error:
            raise ClientGone from error
        if not block:
            raise ClientGone
        return block


def _hand_over(
    _server: Any, _session: Any, _envelope: Any, _mechanism: str, given: smtp.LoginPassword
) -> smtp.AuthResult:
    """Stand in for the library's check, which cannot wait: `_judge` asks afterwards."""
    return smtp.AuthResult(success=False, handled=True, auth_data=given)


@cache
def _command_names() -> list[str]:
    return [name for name in dir(Commands) if name.startswith(("smtp_", "auth_"))]
