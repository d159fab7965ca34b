"""The SMTP conversation: the library's hooks into our types; nothing is decided here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from aiosmtpd import smtp

from gateway import events
from gateway.mail.address import Address
from gateway.mail.delivery import Outgoing
from gateway.mail.envelope import Envelope, Peer, Recipient, Refused, Submission
from gateway.mail.reply import Reply
from gateway.mail.suppression import Suppression
from gateway.mail.tenant import Tenant, Upstream
from gateway.net.concurrency import spawn
from gateway.store.errors import StoreFull
from gateway.submission.admission import refuse_suppressed
from gateway.submission.commands import Commands, Transaction
from gateway.submission.door import admit
from gateway.submission.login import Login, LoginResult
from gateway.submission.parameters import MailArguments
from gateway.submission.room import Share
from gateway.submission.wire import report_fault

HOOKS = ["handle_DATA", "handle_exception"]  # that the library calls


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Whom the conversation asks: plain callables, given by `app`.

    `find_suppression` says why a tenant's mail is not sent to an address, `note_refusal`
    keeps that a recipient was refused, so that people find it. `accept` answers 250 only when
    the message is on disk, or how a policy or the login's rate refused it.
    """

    hostname: str
    sign_in: Callable[[str, str, str, str], Awaitable[LoginResult]]
    """User name, password, client's address, mechanism -> who it is."""
    sign_in_again: Callable[[Login, str], Awaitable[Login | None]]
    """Login, client's address -> the login as it is now; None when it would be refused."""
    find_tenant: Callable[[str], Tenant | None]
    upstream_max_bytes: Callable[[Upstream], int | None]
    find_suppression: Callable[[str, Address], Suppression | None]
    note_refusal: Callable[[Refused], Awaitable[object]]
    accept: Callable[[Outgoing, Login], Awaitable[Reply]]


class Conversation:
    """Answers sign-ins and messages of every session of submission."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def __dir__(self) -> list[str]:
        """Name the hooks alone: the library looks through all members, each connection."""
        return HOOKS

    async def handle_login(self, server: Commands, given: smtp.LoginPassword) -> LoginResult:
        """Ask which credential this is; a name or password that is not UTF-8 is none."""
        username = given.login.decode("utf-8", "replace")
        password = given.password.decode("utf-8", "replace")
        return await self._desk.sign_in(username, password, server.peer[0], server.mechanism)

    async def find_refusal_of(
        self, server: Commands, mail: MailArguments, recipient: Recipient
    ) -> Reply | None:
        """Return why a recipient is not taken, and keep that; the others are unharmed.

        This is the one place that asks: who is suppressed later gets what was accepted before.
        """
        login = server.login
        if login is None:
            return None
        found = self._desk.find_suppression(login.tenant, recipient.address)
        if found is None:
            return None
        refused = Refused(
            tenant=login.tenant,
            credential=login.credential,
            return_path=mail.return_path,
            recipient=recipient.address,
            reply=refuse_suppressed(found),
            fix=found.remove_command,
        )
        await self._desk.note_refusal(refused)
        events.recipient_refused(refused, client=server.peer[0])
        return refused.reply

    async def handle_DATA(
        self, server: Commands, _session: smtp.Session, envelope: Transaction
    ) -> str:
        """Judge, stamp and hand over one message; return the reply to its final dot."""
        login = server.login
        tenant = self._find_tenant(login) if login else None
        if login is None or tenant is None:
            return "530 5.7.0 Sign in again: this login was removed"
        login = await self._desk.sign_in_again(login, server.peer[0])
        if login is None:  # no 5yz: whoever has the new password loses no mail for it
            return "451 4.7.0 Sign in again: this login was changed"
        submission = submission_from(server, envelope, login=login)
        stamped = admit(
            submission,
            tenant,
            upstream_max_bytes=self._desk.upstream_max_bytes,
            hostname=self._desk.hostname,
        )
        if isinstance(stamped, Reply):
            return _refused(submission, stamped).as_line()
        share = server.hand_over_share()
        return (await self._keep(submission, stamped, login, share)).as_line()

    def refuse(self, server: Commands, envelope: Transaction, refusal: Reply) -> str:
        """Report that content was not taken; return the reply."""
        if login := server.login:
            _refused(submission_from(server, envelope, login=login), refusal)
        return refusal.as_line()

    async def handle_exception(self, error: Exception) -> str:
        """Answer 4yz for a fault of ours, without a word of it."""
        return report_fault(error)

    def _find_tenant(self, login: Login) -> Tenant | None:
        """Return the tenant if it still has this credential: sessions live for long."""
        tenant = self._desk.find_tenant(login.tenant)
        name = login.credential.removeprefix(f"{login.tenant}.")
        return tenant if tenant and name in tenant.credentials else None

    async def _keep(
        self, submission: Submission, stamped: Outgoing, login: Login, share: Share
    ) -> Reply:
        """Have the message accepted; a client that vanishes now does not undo it."""
        work = spawn(self._accept(submission, stamped, login), name="submission.accept")
        work.add_done_callback(lambda _: share.give_back())
        return await asyncio.shield(work)

    async def _accept(self, submission: Submission, stamped: Outgoing, login: Login) -> Reply:
        try:
            reply = await self._desk.accept(stamped, login)
        except StoreFull:
            reply = Reply(452, "4.3.1", "There is no room for new mail: try again later")
        except Exception as error:  # noqa: BLE001 - nobody may be left to raise it to
            events.session_fault(error=error)
            reply = Reply(451, "4.3.0", "Local error, try again later")
        if reply.code // 100 != 2:
            return _refused(submission, reply)
        events.submission_accepted(submission=submission, outgoing=stamped)
        return reply


def submission_from(server: Commands, envelope: Transaction, *, login: Login) -> Submission:
    """Return what the client handed in."""
    mail = envelope.mail
    if mail is None:
        raise ValueError("DATA without MAIL")
    return Submission(
        tenant=login.tenant,
        credential=login.credential,
        envelope=Envelope(
            return_path=mail.return_path,
            recipients=tuple(envelope.recipients.values()),
            ret=mail.ret,
            envid=mail.envid,
            body_8bit=mail.body_8bit or not envelope.content.isascii(),
            smtputf8=mail.smtputf8,
            hold_until=mail.hold_until,
        ),
        content=envelope.content,
        peer=peer_from(server),
        received_at=datetime.now(UTC),
    )


def peer_from(server: Commands) -> Peer:
    """Return who is on the other end."""
    address, port = server.peer
    helo = server.session.host_name or ""
    return Peer(
        address=address, port=port, helo=helo, tls=server.tls, mechanism=server.mechanism
    )


def _refused(submission: Submission, refusal: Reply) -> Reply:
    events.submission_refused(submission=submission, reply=refusal)
    return refusal
