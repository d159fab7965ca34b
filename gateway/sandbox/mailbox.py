"""The sandbox's IMAP server: accounts in memory that mail can be delivered to."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable
from dataclasses import dataclass

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import ServerFactory

from gateway.mail.tenant import Security
from gateway.net.tls import Certificate
from gateway.sandbox.accounts import Account
from gateway.sandbox.arrivals import Arrivals
from gateway.sandbox.folders import INBOX, Folder
from gateway.sandbox.imap import ImapSession
from gateway.sandbox.listening import CLOSE_SECONDS, Listening, listen, tls_for_twisted
from gateway.sandbox.quirks import Quirks

Opens = Callable[[str, str], bool]
"""Whether (address, access token) is good."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """A message that was put into an account."""

    address: str
    folder: str
    uid: int
    content: bytes


class MailboxServer:
    """A provider's IMAP server on loopback.

    `quirks` hold for all accounts that have none of their own, and may be replaced at any
    time. `delivered` holds what `deliver` put into accounts, `clients` what clients said of
    themselves by ID.
    """

    def __init__(
        self,
        *,
        security: Security = Security.NONE,
        certificate: Certificate | None = None,
        opens: Opens | None = None,
    ) -> None:
        """`opens` tells whether an access token opens a mailbox; without it none does."""
        self.quirks = Quirks()
        self.sessions: set[ImapSession] = set()
        self.delivered: Arrivals[Delivered] = Arrivals()
        self.clients: Arrivals[str] = Arrivals()
        self.logins: Arrivals[str] = Arrivals()  # users that tried, refused ones included
        self.port = 0
        self._accounts: dict[str, Account] = {}
        self._opens = opens
        self._security = security
        self._tls = tls_for_twisted(certificate) if certificate else None
        self._listening: Listening | None = None

    async def start(self, port: int = 0) -> None:
        """Listen on loopback; `self.port` says where. Raises CannotListenError."""
        tls = self._tls if self._security is Security.TLS else None
        self._listening = listen(Reception(self), port, tls=tls)
        self.port = self._listening.port

    async def stop(self) -> None:
        """Stop listening and reset all connections."""
        if self._listening is not None:
            await self._listening.close()
        sessions = tuple(self.sessions)
        for session in sessions:
            session.transport.abortConnection()
        async with asyncio.timeout(CLOSE_SECONDS):
            await asyncio.gather(*(session.ended.wait() for session in sessions))

    def add_account(self, address: str, password: str) -> Account:
        """Open an account, or replace the one with that address."""
        account = self._accounts[address.casefold()] = Account(address, password)
        return account

    def account(self, address: str) -> Account:
        """Return the account of `address`, or of it without +detail. Raises LookupError."""
        if found := self._find(address):
            return found
        raise LookupError(f"the sandbox has no account {address}")

    def has_account(self, address: str) -> bool:
        """Whether mail to `address` can be delivered."""
        return self._find(address) is not None

    def folder(self, address: str, name: str = INBOX) -> Folder:
        """Return a folder of an account. Raises LookupError."""
        if found := self.account(address).find(name):
            return found
        raise LookupError(f"{address} has no folder {name}")

    def deliver(self, address: str, content: bytes, folder: str = INBOX) -> int:
        """Put a message into a folder, wake who is idle there, and return its UID.

        Raises LookupError.
        """
        uid = self.folder(address, folder).add(content)
        if self.quirks_of(self.account(address)).labels:
            self.account(address).label(content)
        self.delivered.add(Delivered(address, folder, uid, content))
        return uid

    def hang_up(self, address: str) -> None:
        """End the sessions that have a folder of an account selected. Raises LookupError."""
        for folder in self.account(address).folders.values():
            for listener in tuple(folder.listeners):
                listener.hang_up()

    def new_uidvalidity(self, address: str, folder: str = INBOX) -> None:
        """Renumber a folder as a server restored from backup does; its sessions end."""
        self.folder(address, folder).renumber()

    def sign_in(self, user: str, password: str) -> Account | str:
        """Return the account, or the text of the refusal."""
        self.logins.add(user)
        account = self._accounts.get(user.casefold())
        quirks = self.quirks_of(account)
        if quirks.refuse_login is not None:
            return quirks.refuse_login
        tried = sum(one == user for one in self.logins)
        too_many = quirks.sign_ins is not None and tried > quirks.sign_ins
        if account is None or quirks.code_expired or quirks.no_passwords or too_many:
            return quirks.refusal
        right = hmac.compare_digest(account.password.encode(), password.encode())
        return account if right else quirks.refusal

    @property
    def takes_tokens(self) -> bool:
        """Whether access tokens sign in."""
        return self._opens is not None

    def sign_in_by_token(self, user: str, token: str) -> Account | str:
        """Return the account, or the text of the refusal."""
        self.logins.add(user)
        account = self._accounts.get(user.casefold())
        good = account is not None and self._opens is not None and self._opens(user, token)
        return account if account and good else self.quirks_of(account).refusal

    def quirks_of(self, account: Account | None) -> Quirks:
        """Return what is odd about `account`, or about all."""
        return (account.quirks if account else None) or self.quirks

    def identified(self, client: str) -> None:
        """Hear what a client said of itself."""
        self.clients.add(client)

    def _find(self, address: str) -> Account | None:
        name = address.casefold()
        local, _, domain = name.rpartition("@")
        return self._accounts.get(name) or self._accounts.get(
            f"{local.partition('+')[0]}@{domain}"
        )

    def session_for(self) -> ImapSession:
        """Return a new connection's side."""
        return ImapSession(self, self._tls if self._security is Security.STARTTLS else None)


class Reception(ServerFactory):
    """Twisted's way to a connection."""

    noisy = False

    def __init__(self, server: MailboxServer) -> None:
        self._server = server

    def buildProtocol(self, addr: IAddress | None) -> ImapSession:
        """A client connected."""
        del addr
        return self._server.session_for()
