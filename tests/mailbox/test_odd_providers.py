"""The watcher at providers that behave as the real ones do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.mail.tenant import Security
from gateway.net.imap import Endpoint, ImapPools, ImapSession
from gateway.net.unreachable import Unreachable
from gateway.sandbox.accounts import ALL_MAIL
from gateway.sandbox.mailbox import MailboxServer
from gateway.sandbox.quirks import (
    GMAIL,
    GMAIL_THROTTLE,
    MICROSOFT,
    NETEASE,
    QQ,
    QQ_REFUSAL,
    Quirks,
)
from tests.mailbox.world import World, mailbox_at, run, until, world

CODE = "authorization-code"
ADDRESSES = {
    "qq": "shop@qq.com",
    "netease-163": "shop@163.com",
    "gmail": "shop@gmail.com",
    "m365": "shop@acme.example",
    "generic": "shop@acme.example",
}


@asynccontextmanager
async def at(
    provider: str, quirks: Quirks, path: Path, *, code: str = CODE
) -> AsyncIterator[tuple[MailboxServer, World]]:
    server = MailboxServer()
    await server.start()
    server.add_account(ADDRESSES[provider], CODE)
    server.quirks = quirks
    mailbox = mailbox_at(server.port, ADDRESSES[provider], provider=provider)
    try:
        async with world(path, mailbox, code) as here:
            here.watch()
            yield server, here
    finally:
        await server.stop()


def letter(subject: str, *, size_bytes: int = 10) -> bytes:
    return f"From: ann@example.net\r\nSubject: {subject}\r\n\r\n{'x' * size_bytes}\r\n".encode()


@pytest.mark.parametrize(("provider", "quirks"), [("qq", QQ), ("netease-163", NETEASE)])
def test_a_provider_that_counts_sign_ins_sees_one(
    provider: str, quirks: Quirks, tmp_path: Path
) -> None:
    async def work() -> None:
        limited = replace(quirks, sign_ins=1)
        async with at(provider, limited, tmp_path) as (server, here):
            await until(lambda: here.states == ["ok"], what="the sign-in")
            for number in range(1, 6):
                server.deliver(ADDRESSES[provider], letter(str(number)))
                here.watchers.wake(ADDRESSES[provider])  # its poll is minutes away
                await here.messages(number)
            assert len(server.logins) == 1

    run(work)


def test_words_in_gbk_are_understood_and_kept_readable(tmp_path: Path) -> None:
    async def work() -> None:
        async with at("qq", QQ, tmp_path, code="an-old-code") as (_, here):
            await until(lambda: here.states == ["suspect", "dead"], what="the refusals")
            state = await here.state()
            assert state is not None
            assert f"登录失败 {QQ_REFUSAL}" in (state.reason or "")
            assert "authorization code" in (state.fix or "")

    run(work)


def test_a_code_that_expires_is_noticed_at_the_next_sign_in_and_its_heir_heals(
    tmp_path: Path,
) -> None:
    async def work() -> None:
        async with at("netease-163", NETEASE, tmp_path) as (server, here):
            await until(lambda: here.states == ["ok"], what="the sign-in")
            server.quirks = replace(NETEASE, code_expired=True)
            server.new_uidvalidity(ADDRESSES["netease-163"])  # it hangs up
            here.watchers.wake(ADDRESSES["netease-163"])
            await until(lambda: here.states[-1] == "dead", what="the refusals")
            server.add_account(ADDRESSES["netease-163"], "a-new-code")
            server.quirks = NETEASE
            here.secrets[ADDRESSES["netease-163"]] = "a-new-code"
            here.update()
            await until(lambda: here.states[-1] == "ok", what="the new code")

    run(work)


def test_a_mail_with_two_labels_is_fetched_once(tmp_path: Path) -> None:
    async def work() -> None:
        async with at("gmail", GMAIL, tmp_path) as (server, here):
            await until(lambda: here.states == ["ok"], what="the sign-in")
            for number in (1, 2):
                server.deliver(ADDRESSES["gmail"], letter(str(number)))
                messages = await here.messages(number)
            assert len(server.folder(ADDRESSES["gmail"], ALL_MAIL).letters) == 2
            assert [one.folder for one in messages] == ["INBOX", "INBOX"]

    run(work)


def test_a_throttled_mailbox_is_not_dead_and_catches_up(tmp_path: Path) -> None:
    async def work() -> None:
        async with at("gmail", GMAIL, tmp_path) as (server, here):
            await until(lambda: here.states == ["ok"], what="the sign-in")
            server.quirks = replace(GMAIL, throttled=GMAIL_THROTTLE)
            server.deliver(ADDRESSES["gmail"], letter("late"))
            await until(lambda: len(server.logins) >= 5, what="five sessions cut short")
            assert "dead" not in here.states
            server.quirks = GMAIL
            (message,) = await here.messages(1)
            assert message.content == letter("late")

    run(work)


def test_where_passwords_are_off_the_way_is_named(tmp_path: Path) -> None:
    async def work() -> None:
        async with at("m365", MICROSOFT, tmp_path) as (_, here):
            await until(lambda: here.states == ["suspect", "dead"], what="the refusals")
            state = await here.state()
            assert state is not None
            assert "no longer accepts passwords" in (state.reason or "")

    run(work)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_bytes_in_pieces_are_the_same_mail(size: int, tmp_path: Path) -> None:
    async def work() -> None:
        async with at("generic", Quirks(pieces_of=size), tmp_path) as (server, here):
            await until(lambda: here.states == ["ok"], what="the sign-in")
            server.deliver(ADDRESSES["generic"], letter("slow", size_bytes=5000))
            (message,) = await here.messages(1)
            assert message.content == letter("slow", size_bytes=5000)

    run(work)


def test_a_connection_that_died_in_silence_is_noticed_when_idle_ends() -> None:
    async def work() -> None:
        server, pools = MailboxServer(), ImapPools.start(sign_in=1, work=1)
        await server.start()
        server.add_account("a@x.example", CODE)
        endpoint = Endpoint(
            host="127.0.0.1", port=server.port, security=Security.NONE, read_seconds=2
        )
        session = await ImapSession.connect(endpoint, pools)
        assert isinstance(session, ImapSession)
        await session.login("a@x.example", CODE)
        await session.select("INBOX")
        server.quirks = Quirks(deaf=True)
        with pytest.raises(Unreachable):
            await session.idle(asyncio.Event(), seconds=0.1)
        session.hang_up()
        await server.stop()
        pools.close()

    run(work)
