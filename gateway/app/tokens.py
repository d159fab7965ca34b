"""Access tokens of the mailboxes that sign in by OAuth2: at hand, renewed by one at a time.

In this process one task renews a mailbox's token and all who want it wait for that task; it
is not cancelled with them, or a refresh token that the provider has just replaced would be
lost. Other processes are kept away by a lease in the store (`store.grants`).
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from uuid import uuid4

from gateway.app.foundation import Foundation
from gateway.mail.tenant import Mailbox
from gateway.net.concurrency import spawn
from gateway.net.dns import Resolver
from gateway.net.http import Http
from gateway.net.oauth import (
    MAX_REPLY_BYTES,
    Client,
    NoTokens,
    TokenRefused,
    Tokens,
    ask_without_person,
    exchange_code,
    refresh_tokens,
)
from gateway.net.service_account import ask_as_service, read_key
from gateway.providers.oauth import client_of
from gateway.store import grants
from gateway.store.authorizations import Pending
from gateway.store.grants import Grant

LOOK_SECONDS = 0.2  # while another process renews
NO_KEY = TokenRefused(400, "invalid_client: there is no key_file yet")
NOT_AUTHORIZED = TokenRefused(400, "not authorized yet")

Key = tuple[str, str]
Renewed = str | TokenRefused | NoTokens


class AccessTokens:
    """Gives the access token of a mailbox."""

    def __init__(self, base: Foundation, *, holder: str | None = None) -> None:
        """`holder` names a process that there is one of; left out, it is one of many."""
        settings = base.settings
        self._store = base.store
        self._seal = base.seal
        self._directory = base.directory
        self._catalogue = base.catalogue
        self._http = Http(
            resolve=Resolver(settings.dns).addresses,
            private_networks=settings.routes.private_networks,
            max_reply_bytes=MAX_REPLY_BYTES,
        )
        self._holder = holder or uuid4().hex
        self._at_hand: dict[Key, tuple[int, Grant]] = {}  # with the directory's revision
        self._renewals: dict[Key, asyncio.Task[Renewed]] = {}

    async def get(
        self, tenant: str, mailbox: Mailbox, *, refused: str | None = None
    ) -> str | TokenRefused:
        """Return an access token that is good for some time, and not the `refused` one, if the
        provider has another.

        Its refresh token, where it came with a new one, is on disk. Raises NoTokens when
        the token endpoint gives no answer, which says nothing of the permission.
        """
        key = (tenant, mailbox.address)
        revision, grant = self._at_hand.get(key, (-1, Grant()))
        usable = grant.usable(now=_now(), refused=refused)
        if usable is not None and revision == self._directory.revision:
            return usable
        while True:
            begins = key not in self._renewals  # else one who may not know what was refused
            renewed = await asyncio.shield(self._renewal(key, mailbox, refused))
            if isinstance(renewed, NoTokens):
                raise NoTokens(str(renewed)) from renewed
            if begins or renewed != refused:
                return renewed

    async def mark(self, tenant: str, mailbox: Mailbox) -> str | None:
        """Return a word that changes when its sign-in is given anew, None before that."""
        grant = await self._store.read(grants.load, self._seal, tenant, mailbox.address)
        secret = await self._directory.secret(tenant, "client", mailbox.address)
        since = grant.authorized_at
        if mailbox.needs_person and since is None:
            return None
        return self._seal.mark(f"{since} {secret}")

    async def exchange(
        self, mailbox: Mailbox, pending: Pending, *, code: str
    ) -> Tokens | TokenRefused:
        """Return the tokens of a code; nothing is kept yet. Raises NoTokens."""
        client = await self.client(pending.tenant, mailbox)
        return await exchange_code(
            self._http,
            client,
            code=code,
            verifier=pending.verifier,
            redirect_uri=pending.redirect_uri,
        )

    async def ask(self, tenant: str, mailbox: Mailbox) -> Tokens | TokenRefused:
        """Return a token that needs nobody's yes; it is not kept. Raises NoTokens."""
        client = await self.client(tenant, mailbox)
        if not mailbox.by_service_account:
            return await ask_without_person(self._http, client)
        if client.secret is None:
            return NO_KEY
        key, subject = read_key(client.secret), mailbox.username or mailbox.address
        return await ask_as_service(self._http, client, key, mailbox=subject, now=_now())

    async def client(self, tenant: str, mailbox: Mailbox) -> Client:
        """Return the OAuth2 client that a mailbox signs in as."""
        secret = await self._directory.secret(tenant, "client", mailbox.address)
        return client_of(mailbox, self._catalogue[mailbox.provider], secret=secret)

    async def close(self) -> None:
        """Let renewals end, then close the kept connections."""
        await asyncio.gather(*self._renewals.values(), return_exceptions=True)
        await self._http.close()

    def _renewal(
        self, key: Key, mailbox: Mailbox, refused: str | None
    ) -> asyncio.Task[Renewed]:
        if key not in self._renewals:
            work = self._renew(key[0], mailbox, refused=refused)
            self._renewals[key] = spawn(work, name=f"access token of {mailbox.address}")
            self._renewals[key].add_done_callback(lambda _: self._renewals.pop(key, None))
        return self._renewals[key]

    async def _renew(self, tenant: str, mailbox: Mailbox, *, refused: str | None) -> Renewed:
        """Return what came of it; nothing of the network is raised, as nobody may listen."""
        key = (tenant, mailbox.address)
        while True:
            grant = await self._store.read(grants.load, self._seal, *key)
            if (usable := grant.usable(now=_now(), refused=refused)) is not None:
                self._at_hand[key] = (self._directory.revision, grant)
                return usable
            if mailbox.needs_person and grant.refresh is None:
                return NOT_AUTHORIZED
            held = await self._store.write(
                grants.borrow, self._seal, *key, holder=self._holder, now=_now()
            )
            if held is None:
                await asyncio.sleep(LOOK_SECONDS)
            elif (said := await self._renew_held(key, mailbox, held, refused)) is not None:
                return said

    async def _renew_held(
        self, key: Key, mailbox: Mailbox, held: Grant, refused: str | None
    ) -> Renewed | None:
        """Renew under our lease; None when somebody else put something newer into the store.

        What the provider gave is the answer, however short it lives, and were it the refused
        one: to ask again at once would bring the same.
        """
        try:
            if held.usable(now=_now(), refused=refused) is not None:
                return None  # another process was faster
            said = await self._ask(key[0], mailbox, held)
            if isinstance(said, TokenRefused):
                return said
            is_kept = await self._store.write(
                grants.keep, self._seal, *key, said, holder=self._holder, now=_now()
            )
        except NoTokens as error:
            return error
        finally:
            await self._store.write(grants.give_back, *key, holder=self._holder)
        return said.access if is_kept else None

    async def _ask(self, tenant: str, mailbox: Mailbox, held: Grant) -> Tokens | TokenRefused:
        if not mailbox.needs_person:
            return await self.ask(tenant, mailbox)
        client = await self.client(tenant, mailbox)
        return await refresh_tokens(self._http, client, refresh_token=held.refresh or "")


def _now() -> datetime:
    return datetime.now(UTC)
