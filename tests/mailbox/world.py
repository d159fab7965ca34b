"""A store, watchers and a tenant around a real IMAP server."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

from twisted.internet import asyncioreactor

from gateway.config import MailboxSettings
from gateway.mail.delivery import Outgoing
from gateway.mail.inbound import Fetched
from gateway.mail.tenant import Mailbox, Security, Tenant
from gateway.mailbox.watcher import FRESH_SIGN_IN, Backoff, Surroundings
from gateway.mailbox.watchers import Watchers
from gateway.net.imap import ImapPools
from gateway.net.oauth import TokenRefused
from gateway.providers.catalogue import load_catalogue
from gateway.sandbox.mailbox import MailboxServer
from gateway.store import inbox
from gateway.store.sqlite import Db, Store
from gateway.store.states import MailboxState, mailbox_state

if "twisted.internet.reactor" not in sys.modules:
    install: Any = asyncioreactor.install  # it has no annotations
    install(asyncio.new_event_loop())

CATALOGUE = load_catalogue()
SECONDS = 60.0


@dataclass
class World:
    """What a test sees: ids that arrived, states that changed, secrets it may alter."""

    store: Store
    pools: ImapPools
    watchers: Watchers
    tenant: Tenant
    secrets: dict[str, str]
    learnt: list[tuple[str, str]]  # our Message-IDs, and what a provider made of them
    tokens: list[str | TokenRefused]  # the next access tokens, by turns; the last one stays
    arrived: list[str] = field(default_factory=list)
    states: list[str] = field(default_factory=list)

    def watch(self, **changes: object) -> None:
        """Watch the tenant's only mailbox, with `changes` made to its settings."""
        (address,) = self.tenant.mailboxes
        mailbox = replace(self.tenant.mailboxes[address], **changes)  # type: ignore[arg-type]
        self.tenant = replace(self.tenant, mailboxes={address: mailbox})
        self.update()

    def update(self) -> None:
        """Tell the watchers that something may have changed."""
        self.watchers.update({self.tenant.id: self.tenant})

    async def messages(self, count: int) -> list[Fetched]:
        """Wait for `count` messages to have arrived; return them in that order."""
        await until(lambda: len(self.arrived) >= count, what=f"{count} messages")
        return await self.all_messages()

    async def all_messages(self) -> list[Fetched]:
        """Return what has arrived so far."""
        found = [await self.store.read(inbox.load, one) for one in self.arrived]
        return [one.fetched for one in found if one is not None]

    async def state(self) -> MailboxState | None:
        """Return the mailbox's state as stored."""
        (address,) = self.tenant.mailboxes
        return await self.store.read(mailbox_state, address)


def mailbox_at(port: int, address: str, **settings: object) -> Mailbox:
    """Return a mailbox of the generic preset on a plain loopback port."""
    mailbox = Mailbox(
        address=address, host="127.0.0.1", port=port, security=Security.NONE, junk="off"
    )
    return replace(mailbox, **settings)  # type: ignore[arg-type]


@asynccontextmanager
async def world(
    path: Path,
    mailbox: Mailbox,
    password: str,
    *,
    secrets: dict[str, str] | None = None,
    threads: int = 2,
    fresh_sign_in: timedelta = FRESH_SIGN_IN,
    backoff: Backoff = Backoff(  # noqa: B008 - frozen
        first=timedelta(milliseconds=50), longest=timedelta(milliseconds=300)
    ),
) -> AsyncIterator[World]:
    """Everything but the app; nothing is watched before `watch` or `update`."""
    store = Store.open(path / "gateway.db")
    pools = ImapPools.start(sign_in=threads, work=threads)
    secrets = {mailbox.address: password} if secrets is None else secrets
    arrived: list[str] = []
    states: list[str] = []

    async def secret(tenant: str, address: str) -> str | None:
        assert tenant == "acme"
        return secrets.get(address)

    tokens: list[str | TokenRefused] = []
    learnt: list[tuple[str, str]] = []

    def learn(db: Db, tenant: str, ours: str, theirs: str, now: datetime) -> bool:
        assert tenant == "acme"
        learnt.append((ours, theirs))
        return True

    def tell(_: str, state: MailboxState) -> Sequence[Outgoing]:
        states.append(state.state)
        return ()

    async def token(tenant: str, address: str, refused: str | None) -> str | TokenRefused:
        assert (tenant, address) == ("acme", mailbox.address)
        return tokens.pop(0) if len(tokens) > 1 else tokens[0]

    around = Surroundings(
        store=store,
        pools=pools,
        settings=MailboxSettings(
            dead_after=timedelta(milliseconds=300),
            login_waits=(timedelta(milliseconds=100),),
            poll_every=timedelta(milliseconds=200),
        ),
        catalogue=CATALOGUE,
        secret=secret,
        token=token,
        arrived=arrived.append,
        learn=learn,
        tell=tell,
        changed=lambda: None,
        now=lambda: datetime.now(UTC),
        backoff=backoff,
        spread=timedelta(milliseconds=300),
        fresh_sign_in=fresh_sign_in,
    )
    watchers = Watchers(around)
    tenant = Tenant(id="acme", mailboxes={mailbox.address: mailbox})
    try:
        yield World(store, pools, watchers, tenant, secrets, learnt, tokens, arrived, states)
    finally:
        await watchers.stop()
        pools.close()
        store.close()


async def until_idle(server: MailboxServer) -> None:
    """Return once a session idles; what comes before that may still be of its first round."""
    await until(
        lambda: any(one.parseState == "idle" for one in server.sessions), what="an IDLE"
    )


async def until(condition: Callable[[], bool], *, what: str) -> None:
    """Return once `condition` holds; it is looked at between the loop's other work."""
    try:
        async with asyncio.timeout(SECONDS):
            while not condition():  # noqa: ASYNC110 - what is waited for is elsewhere
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"waited {SECONDS:.0f} s for {what}") from None


def run(work: Callable[[], Awaitable[None]]) -> None:
    """Run a test's coroutine in the loop of Twisted's reactor, which sandboxes listen in."""

    async def bounded() -> None:
        async with asyncio.timeout(2 * SECONDS):
            await work()

    reactor: Any = import_module("twisted.internet.reactor")
    loop: asyncio.AbstractEventLoop = reactor._asyncioEventloop
    loop.run_until_complete(bounded())
