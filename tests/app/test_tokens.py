"""Access tokens of a mailbox, from the sandbox's OAuth2 server."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.app.foundation import Foundation, lay_foundation
from gateway.app.tokens import NOT_AUTHORIZED, AccessTokens
from gateway.config import RouteSettings, Settings
from gateway.mail.tenant import Mailbox
from gateway.mail.tenant_file import read_tenant_file
from gateway.net.oauth import TokenRefused, Tokens
from gateway.net.unreachable import Unreachable
from gateway.sandbox.oauth import TokenServer
from gateway.store import grants, tenants
from gateway.store.sealing import Seal
from gateway.store.sqlite import Store

Run = Callable[[Any], Any]
BOX = "shop@acme.example"
HOUR = timedelta(hours=1)


class Place:
    """A store with one mailbox, its provider, and the access tokens of a process or two."""

    def __init__(self, base: Foundation, server: TokenServer) -> None:
        self.base = base
        self.server = server
        self.tokens = AccessTokens(base)
        self.other = AccessTokens(base)  # as another process would have it

    @property
    def mailbox(self) -> Mailbox:
        return self.base.directory.tenants["acme"].mailboxes[BOX]

    async def get(self, *, refused: str | None = None) -> str | TokenRefused:
        return await self.tokens.get("acme", self.mailbox, refused=refused)

    async def kept(self) -> grants.Grant:
        return await self.base.store.read(grants.load, self.base.seal, "acme", BOX)

    async def authorize(self, tokens: Tokens) -> None:
        """Keep tokens as a person's yes brings them."""
        store, seal = self.base.store, self.base.seal
        await store.write(grants.authorize, seal, "acme", BOX, tokens, now=_now())

    async def say_yes(self) -> None:
        """Keep a refresh token that is good at the provider, and no access token that is."""
        refresh = self.server._new_refresh(BOX)
        await self.authorize(Tokens(access="over", life=timedelta(0), refresh=refresh))


def _now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def place(home: Path, *, grant: str = "authorization-code") -> AsyncIterator[Place]:
    server = TokenServer()
    await server.start()
    file = read_tenant_file(
        tomllib.loads(f"""
            tenant = "acme"
            [mailboxes."{BOX}"]
            provider = "m365"
            client_id = "gateway"
            grant = "{grant}"
            token_url = "{server.token_url}"
        """)
    )
    store = Store.open(home / "gateway.db")
    settings = Settings(
        path=home / "gateway.conf", routes=RouteSettings(private_networks=("127.0.0.0/8",))
    )
    seal = Seal.load(settings.state / "secret.key")
    secrets = {("client", BOX): "s"}
    store.write_now(tenants.apply_tenant, file, secrets, seal, now=_now())
    here = Place(await lay_foundation(settings, store), server)
    try:
        yield here
    finally:
        await here.tokens.close()
        await here.other.close()
        await server.stop()
        store.close()


def test_nothing_is_asked_before_a_person_said_yes(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with place(tmp_path) as here:
            assert await here.get() == NOT_AUTHORIZED
            assert len(here.server.asked) == 0

    run(work())


def test_a_token_is_asked_for_once_by_however_many(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with place(tmp_path) as here:
            await here.say_yes()
            both = [here.get(), here.get(), here.other.get("acme", here.mailbox)]
            got = await asyncio.gather(*both)
            assert len(set(got)) == 1
            assert here.server.opens(BOX, str(got[0]))
            assert await here.get() == got[0]
            assert list(here.server.asked) == ["refresh_token"]

    run(work())


def test_a_provider_without_another_token_is_asked_once_and_not_for_ever(
    run: Run, tmp_path: Path
) -> None:
    """Some give the same one while it lives, or one that lives for no time."""

    async def work() -> None:
        async with place(tmp_path) as here, asyncio.timeout(30):
            await here.say_yes()
            here.server.repeats = True
            token = str(await here.get())
            assert await here.get(refused=token) == token
            here.server.life_seconds = 0
            assert await here.get(refused=token) == token
            assert await here.get() == token
            assert list(here.server.asked) == ["refresh_token"] * 4

    run(work())


def test_a_rotated_refresh_token_is_on_disk_before_its_access_token_is_used(
    run: Run, tmp_path: Path
) -> None:
    async def work() -> None:
        async with place(tmp_path) as here:
            await here.say_yes()
            before = (await here.kept()).refresh
            token = await here.get()
            after = await here.kept()
            assert (after.access, after.refresh != before) == (token, True)
            here.server.expire()
            renewed = await here.get(refused=str(token))
            assert renewed != token
            assert here.server.opens(BOX, str(renewed))

    run(work())


def test_who_is_cancelled_loses_no_rotated_token(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with place(tmp_path) as here:
            await here.say_yes()
            asking = asyncio.ensure_future(here.get())
            await here.server.asked.wait_for()
            asking.cancel()
            await here.tokens.close()
            kept = await here.kept()
            assert kept.access is not None
            assert here.server.opens(BOX, kept.access)

    run(work())


def test_a_permission_that_was_withdrawn_is_refused_in_the_providers_words(
    run: Run, tmp_path: Path
) -> None:
    async def work() -> None:
        async with place(tmp_path) as here:
            await here.say_yes()
            here.server.revoke(BOX)
            refused = await here.get()
            assert isinstance(refused, TokenRefused)
            assert refused.text.startswith("invalid_grant: AADSTS700082")
            await here.say_yes()
            assert isinstance(await here.get(), str)

    run(work())


def test_an_endpoint_that_is_down_leaves_the_permission_as_it_is(
    run: Run, tmp_path: Path
) -> None:
    async def work() -> None:
        async with place(tmp_path) as here:
            await here.say_yes()
            here.server.down = True
            with pytest.raises(Unreachable, match="gives no tokens now: 503"):
                await here.get()
            here.server.down = False
            assert isinstance(await here.get(), str)

    run(work())


def test_without_a_person_the_client_itself_asks(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with place(tmp_path, grant="client-credentials") as here:
            token = await here.get()
            assert here.server.opens(BOX, str(token))
            assert await here.other.get("acme", here.mailbox) == token
            assert list(here.server.asked) == ["client_credentials"]

    run(work())


def test_what_a_sign_in_rests_on_changes_with_a_new_yes_alone(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with place(tmp_path) as here:
            assert await here.tokens.mark("acme", here.mailbox) is None
            await here.say_yes()
            first = await here.tokens.mark("acme", here.mailbox)
            await here.get()
            assert await here.tokens.mark("acme", here.mailbox) == first
            await here.say_yes()
            assert await here.tokens.mark("acme", here.mailbox) not in (None, first)

    run(work())
