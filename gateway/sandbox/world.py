"""A customer's world around the gateway: upstream, mailboxes, tokens, a zone, a helpdesk.

What leaves by the upstream lands in the sandbox mailbox of its recipient, where there is
one. What a customer writes lands in the tenant's sandbox mailbox.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr, make_msgid
from pathlib import Path

from gateway.mail.message import Edit, Message, apply_edits, parse_message
from gateway.mail.tenant import Security
from gateway.net.tls import own_certificate
from gateway.sandbox.dns import Zone, ZoneServer
from gateway.sandbox.folders import INBOX, SENT
from gateway.sandbox.helpdesk import Helpdesk
from gateway.sandbox.listening import HOST
from gateway.sandbox.mailbox import MailboxServer
from gateway.sandbox.oauth import TokenServer
from gateway.sandbox.transaction import Captured
from gateway.sandbox.upstream import HOSTNAME, Upstream, UpstreamSettings

Signer = Callable[[bytes], bytes]  # takes a message and returns it signed


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldSettings:
    """How the world is made."""

    directory: Path  # for the certificate
    security: Security = Security.NONE  # of upstream and mailboxes
    logins: dict[str, str] | None = None  # of the upstream; None takes any
    zone: Zone | None = None
    hook_secret: str | None = None  # "whsec_..."
    imap_port: int = 0  # a free one


class World:
    """All of the sandbox's servers; `open_world` starts and stops them."""

    def __init__(self, settings: WorldSettings) -> None:
        certificate = own_certificate(settings.directory, "localhost", now=datetime.now(UTC))
        self.ca_file = settings.directory / "ca.pem"  # what clients may trust
        self.tokens = TokenServer()
        self._logins = None if settings.logins is None else dict(settings.logins)
        self.upstream = Upstream(
            UpstreamSettings(
                accounts=self._logins,
                opens=self.tokens.opens,
                security=settings.security,
                certificate=certificate,
            ),
            deliver=self._land,
        )
        self.mailboxes = MailboxServer(
            security=settings.security, certificate=certificate, opens=self.tokens.opens
        )
        self.saves_sent = False  # what an account sends lies in its folder Sent, as it left
        self.filed: dict[str, str] = {}  # address -> folder for what comes, else INBOX
        self.zone = ZoneServer(settings.zone)
        self.helpdesk = Helpdesk(secret=settings.hook_secret)

    def write(
        self, message: bytes, *, mailbox: str, sender: str, sign: Signer | None = None
    ) -> bytes:
        """Deliver what a customer wrote into a tenant's mailbox; return it as it lies there.

        `sender` is the envelope's, which the provider writes into Return-Path. Raises
        LookupError when the sandbox has no such mailbox.
        """
        signed = sign(message) if sign else message
        landed = _stamp(signed, return_path=sender, recipient=mailbox)
        self.mailboxes.deliver(mailbox, landed)
        return landed

    def reply(
        self, content: bytes, text: str, *, customer: str, sign: Signer | None = None
    ) -> bytes:
        """Answer the message `content` as a customer would, into the mailbox it asks for.

        Returns the reply as it lies there. Raises LookupError when the sandbox has no such
        mailbox.
        """
        original = parse_message(content)
        ((_, mailbox), *_) = original.addresses("Reply-To") or original.addresses("From")
        answer = make_reply(original, text, customer=customer)
        return self.write(answer, mailbox=mailbox, sender=customer, sign=sign)

    async def end_code(self, address: str) -> None:
        """Let a mailbox's code expire, as providers do: IMAP and SMTP refuse it, and nobody
        stays signed in. Raises LookupError."""
        account = self.mailboxes.account(address)
        account.quirks = replace(self.mailboxes.quirks_of(account), code_expired=True)
        if self._logins is not None:
            self._logins.pop(address, None)
        self.mailboxes.hang_up(address)
        await self.upstream.end_sessions(address)

    def make_code(self, address: str, code: str) -> None:
        """Make a new code, as a mailbox's owner does at the provider. Raises LookupError."""
        account = self.mailboxes.account(address)
        account.password, account.quirks = code, None
        if self._logins is not None:
            self._logins[address] = code

    def _land(self, captured: Captured) -> None:
        if self.saves_sent and captured.user and self.mailboxes.has_account(captured.user):
            self.mailboxes.deliver(captured.user, captured.content, SENT)
        return_path = str(captured.envelope.return_path or "")
        for recipient in captured.envelope.recipients:
            address = str(recipient.address)
            if self.mailboxes.has_account(address):
                landed = _stamp(captured.content, return_path=return_path, recipient=address)
                self.mailboxes.deliver(address, landed, self.filed.get(address, INBOX))


@asynccontextmanager
async def open_world(settings: WorldSettings) -> AsyncIterator[World]:
    """Run the sandbox inside a `with` block. Raises OSError or CannotListenError."""
    world = World(settings)
    async with AsyncExitStack() as started:
        await world.mailboxes.start(settings.imap_port)
        started.push_async_callback(world.mailboxes.stop)
        for server in (world.upstream, world.zone, world.helpdesk, world.tokens):
            await server.start()
            started.push_async_callback(server.stop)
        yield world


def make_reply(original: Message, text: str, *, customer: str) -> bytes:
    """Return an answer to `original` with its text quoted below, as mail programs write it."""
    answer = EmailMessage(policy=SMTP)
    answer["Date"] = format_datetime(datetime.now(UTC))
    answer["From"] = customer
    answer["To"] = ", ".join(
        formataddr(one) for one in original.addresses("Reply-To") or original.addresses("From")
    )
    subject = original.text("Subject")
    answer["Subject"] = subject if subject.lower().startswith("re:") else f"Re: {subject}"
    answer["Message-ID"] = make_msgid(domain=customer.rpartition("@")[2])
    if original.message_id:
        answer["In-Reply-To"] = original.message_id
        answer["References"] = f"{original.text('References')} {original.message_id}".strip()
    answer.set_content(f"{text}\n\n{_quote(original)}")
    return answer.as_bytes()


def _quote(original: Message) -> str:
    parsed = message_from_bytes(original.content, policy=SMTP)
    text = parsed.get_body(("plain", "html"))
    said = text.get_content() if text else ""
    lines = "\n".join(f"> {line}" for line in said.splitlines())
    return f"On {original.text('Date')}, {original.text('From')} wrote:\n{lines}\n"


def _stamp(content: bytes, *, return_path: str, recipient: str) -> bytes:
    """Add what a provider adds at final delivery (RFC 5321 §4.4)."""
    client = return_path.rpartition("@")[2] or HOSTNAME
    received = f"from {client} ({client} [{HOST}]) by mx.sandbox.example for <{recipient}>"
    now = format_datetime(datetime.now(UTC))
    return apply_edits(
        content,
        (Edit("Received", f"{received}; {now}"), Edit("Return-Path", f"<{return_path}>")),
    )
