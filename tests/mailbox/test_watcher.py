from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.mail.tenant import Tenant
from gateway.mailbox.watcher import FRESH_SIGN_IN, Backoff
from gateway.sandbox.mailbox import MailboxServer
from gateway.sandbox.quirks import NETEASE, Quirks
from gateway.store.states import MailboxState, mailbox_state, revive, save_mailbox_state
from tests.mailbox.world import World, mailbox_at, run, until, until_idle, world
from tests.servers.ports import free_ports

ADDRESS, CODE = "shop@163.com", "authorization-code"
MAIL = b"From: ann@example.net\r\nSubject: 1\r\n\r\nWhere is my order?\r\n"


@asynccontextmanager
async def provider(quirks: Quirks, port: int = 0) -> AsyncIterator[MailboxServer]:
    server = MailboxServer()
    await server.start(port)
    server.add_account(ADDRESS, CODE)
    server.quirks = quirks
    try:
        yield server
    finally:
        await server.stop()


def test_netease_opens_because_we_introduce_ourselves_and_is_polled(tmp_path: Path) -> None:
    async def work() -> None:
        async with provider(NETEASE) as server:
            server.quirks = Quirks(needs_id=True, no_idle=True)
            mailbox = mailbox_at(server.port, ADDRESS, provider="netease-163")
            async with world(tmp_path, mailbox, CODE) as here:
                here.watch()
                await until(lambda: here.states == ["ok"], what="the sign-in")
                server.deliver(ADDRESS, MAIL)
                here.watchers.wake(ADDRESS)  # its poll is a minute away
                (message,) = await here.messages(1)
                assert message.content == MAIL

    run(work)


def test_a_server_without_idle_is_polled(tmp_path: Path) -> None:
    async def work() -> None:
        async with (
            provider(Quirks(no_idle=True)) as server,
            world(tmp_path, mailbox_at(server.port, ADDRESS), CODE) as here,
        ):
            here.watch()
            await until(lambda: here.states == ["ok"], what="the sign-in")
            server.deliver(ADDRESS, MAIL)
            assert len(await here.messages(1)) == 1
            server.new_uidvalidity(ADDRESS)
            server.deliver(ADDRESS, MAIL.replace(b"Subject: 1", b"Subject: two"))
            messages = await here.messages(2)
            assert [b"two" in one.content for one in messages] == [False, True]
            assert len(server.logins) <= 3

    run(work)


def test_a_server_that_offers_idle_and_hangs_up_at_it_is_polled(tmp_path: Path) -> None:
    async def work() -> None:
        async with (
            provider(Quirks(instead={"IDLE": b"* BYE not for you\r\n"})) as server,
            world(tmp_path, mailbox_at(server.port, ADDRESS), CODE) as here,
        ):
            here.watch()
            await until(lambda: len(server.logins) == 4, what="three sessions cut short")
            for count in (1, 2, 3):
                server.deliver(ADDRESS, MAIL)
                await here.messages(count)
            assert len(server.logins) == 4

    run(work)


def test_idle_is_tried_again_by_a_fresh_sign_in(tmp_path: Path) -> None:
    """A network that cut three of them must not make a mailbox slow for good."""

    async def work() -> None:
        fresh = timedelta(seconds=1)
        async with (
            provider(Quirks(instead={"IDLE": b"* BYE not for you\r\n"})) as server,
            world(
                tmp_path, mailbox_at(server.port, ADDRESS), CODE, fresh_sign_in=fresh
            ) as here,
        ):
            here.watch()
            await until(lambda: len(server.logins) >= 4, what="three sessions cut short")
            server.quirks = Quirks()
            await until_idle(server)

    run(work)


def test_what_is_done_after_fetching_outlives_a_lost_connection(
    tmp_path: Path,
) -> None:
    async def work() -> None:
        async with provider(Quirks(instead={"STORE": b"* BYE restarting\r\n"})) as server:
            mailbox = mailbox_at(server.port, ADDRESS, after_fetch="seen")
            async with world(tmp_path, mailbox, CODE) as here:
                here.watch()
                await until(lambda: here.states == ["ok"], what="the sign-in")
                server.deliver(ADDRESS, MAIL)
                await here.messages(1)
                server.quirks = Quirks()
                (letter,) = server.folder(ADDRESS).letters
                await until(lambda: "\\Seen" in letter.flags, what="the flag")
                assert len(here.arrived) == 1

    run(work)


def test_what_comes_into_another_folder_is_found_without_idle_too(tmp_path: Path) -> None:
    async def work() -> None:
        async with provider(Quirks(no_idle=True)) as server:
            mailbox = mailbox_at(server.port, ADDRESS, junk="route")
            async with world(tmp_path, mailbox, CODE) as here:
                here.watch()
                await until(lambda: here.states == ["ok"], what="the sign-in")
                for count, folder in enumerate(("Junk", "INBOX", "Junk"), start=1):
                    server.deliver(ADDRESS, MAIL, folder)
                    assert (await here.messages(count))[-1].folder == folder
                assert len(server.logins) == 1

    run(work)


def test_mail_wakes_an_idle_session(tmp_path: Path) -> None:
    async def work() -> None:
        async with (
            provider(Quirks()) as server,
            world(tmp_path, mailbox_at(server.port, ADDRESS), CODE) as here,
        ):
            here.watch()
            await until(lambda: here.states == ["ok"], what="the sign-in")
            for count in (1, 2, 3):
                server.deliver(ADDRESS, MAIL)
                await here.messages(count)

    run(work)


def test_junk_is_fetched_and_marked(tmp_path: Path) -> None:
    async def work() -> None:
        async with provider(Quirks()) as server:
            mailbox = mailbox_at(server.port, ADDRESS, junk="route")
            async with world(tmp_path, mailbox, CODE) as here:
                here.watch()
                await until(lambda: here.states == ["ok"], what="the sign-in")
                server.deliver(ADDRESS, MAIL, "Junk")
                (message,) = await here.messages(1)
                assert (message.folder, message.junk) == ("Junk", True)

    run(work)


def test_an_overloaded_provider_never_kills_a_mailbox(tmp_path: Path) -> None:
    async def work() -> None:
        busy = Quirks(refuse_login="[UNAVAILABLE] Too busy, come back later")
        async with (
            provider(busy) as server,
            world(tmp_path, mailbox_at(server.port, ADDRESS), CODE) as here,
        ):
            here.watch()
            await until(lambda: len(server.logins) >= 6, what="six refusals")
            state = await here.state()
            assert state is not None
            assert (state.state, here.states) == ("suspect", ["suspect"])
            server.quirks = Quirks()
            await until(lambda: here.states == ["suspect", "ok"], what="the sign-in")

    run(work)


def test_a_paused_mailbox_is_left_alone(tmp_path: Path) -> None:
    async def work() -> None:
        async with (
            provider(Quirks()) as server,
            world(tmp_path, mailbox_at(server.port, ADDRESS), CODE) as here,
        ):
            server.add_account("other@163.com", CODE)
            here.secrets["other@163.com"] = CODE
            paused = MailboxState(
                address=ADDRESS, state="ok", since=datetime.now(UTC), paused=True
            )
            await here.store.write(save_mailbox_state, paused)
            mailboxes = {
                one: mailbox_at(server.port, one) for one in (ADDRESS, "other@163.com")
            }
            here.watchers.update({"acme": Tenant(id="acme", mailboxes=mailboxes)})
            here.watchers.wake(ADDRESS)
            await until(lambda: here.states == ["ok"], what="the other's sign-in")
            assert list(server.logins) == ["other@163.com"]

    run(work)


class ChangedWhileRead(dict[str, str]):
    """Secrets of which one is replaced in the moment that `change` is set for."""

    change: Callable[[], None] | None = None

    def get(self, address: str, default: Any = None) -> Any:
        found = super().get(address, default)
        change, self.change = self.change, None
        if change is not None:
            change()
        return found


def test_a_code_that_is_changed_while_it_is_looked_at_is_used_at_once(tmp_path: Path) -> None:
    secrets = ChangedWhileRead({ADDRESS: CODE})

    async def work() -> None:
        async with (
            provider(Quirks()) as server,
            world(tmp_path, mailbox_at(server.port, ADDRESS), CODE, secrets=secrets) as here,
        ):

            def change() -> None:
                server.account(ADDRESS).password = secrets[ADDRESS] = "another"
                here.update()

            here.watch()
            await until(lambda: here.states == ["ok"], what="the sign-in")
            secrets.change = change
            here.update()
            await until(lambda: len(server.logins) == 2, what="the sign-in with the new code")

    run(work)


def test_a_dead_mailbox_that_a_person_resumes_is_tried_at_once(tmp_path: Path) -> None:
    async def work() -> None:
        async with (
            provider(Quirks(code_expired=True)) as server,
            world(tmp_path, mailbox_at(server.port, ADDRESS), CODE) as here,
        ):
            here.watch()
            await until(lambda: here.states == ["suspect", "dead"], what="three refusals")
            server.quirks = Quirks()
            await here.store.write(revive, ADDRESS, reason="resumed", now=datetime.now(UTC))
            here.update()
            await until(lambda: here.states[-1] == "ok", what="the sign-in")

    run(work)


def test_a_connection_whose_code_died_meanwhile_is_found_out_by_a_fresh_sign_in(
    tmp_path: Path,
) -> None:
    """An open IDLE outlives its code: mail came by it as long as it lasted."""
    assert timedelta(days=1) == FRESH_SIGN_IN

    async def work() -> None:
        async with provider(Quirks()) as server:
            mailbox = mailbox_at(server.port, ADDRESS)
            async with world(tmp_path, mailbox, CODE) as here:
                here.watch()
                await until(lambda: here.states == ["ok"], what="the sign-in")
                server.quirks = Quirks(code_expired=True)
                server.deliver(ADDRESS, MAIL)
                await here.messages(1)
                assert (here.states, len(server.logins)) == (["ok"], 1)
            server.quirks = Quirks()
            fresh = timedelta(milliseconds=200)
            (tmp_path / "soon").mkdir()
            async with world(tmp_path / "soon", mailbox, CODE, fresh_sign_in=fresh) as here:
                here.watch()
                await until(lambda: here.states == ["ok"], what="the sign-in")
                server.quirks = Quirks(code_expired=True)
                await until(lambda: here.states == ["ok", "suspect", "dead"], what="refusals")

    run(work)


def test_a_sign_in_is_made_anew_again_and_again(tmp_path: Path) -> None:
    async def work() -> None:
        fresh = timedelta(milliseconds=200)
        async with (
            provider(Quirks()) as server,
            world(
                tmp_path, mailbox_at(server.port, ADDRESS), CODE, fresh_sign_in=fresh
            ) as here,
        ):
            here.watch()
            await until(lambda: len(server.logins) >= 4, what="four sign-ins")
            server.deliver(ADDRESS, MAIL)
            await here.messages(1)
            assert here.states == ["ok"]

    run(work)


def test_when_a_host_answers_again_all_its_mailboxes_are_back_soon(tmp_path: Path) -> None:
    """However long each of them was to wait by itself: here up to a day."""
    others = [f"other{number}@163.com" for number in range(5)]
    day = Backoff(first=timedelta(days=1), longest=timedelta(days=1))

    async def work() -> None:
        async with (
            provider(Quirks(), port=free_ports(1)[0]) as server,
            world(tmp_path, mailbox_at(server.port, ADDRESS), CODE, backoff=day) as here,
        ):
            for address in others:
                server.add_account(address, CODE)
                here.secrets[address] = CODE
            boxes = {one: mailbox_at(server.port, one) for one in (ADDRESS, *others)}
            here.watchers.update({"acme": Tenant(id="acme", mailboxes=boxes)})
            await until(lambda: here.states == ["ok"] * 6, what="the sign-ins")
            await server.stop()
            await wait_for_outage(here, boxes)
            await server.start(server.port)
            here.watchers.wake(ADDRESS)
            await until(lambda: set([*server.logins][6:]) == set(boxes), what="all")

    run(work)


def test_one_that_is_about_to_fail_hears_that_its_host_answers_again(tmp_path: Path) -> None:
    other, day = "other@163.com", timedelta(days=1)

    async def work() -> None:
        async with (
            provider(Quirks(), port=free_ports(1)[0]) as server,
            world(
                tmp_path, mailbox_at(server.port, ADDRESS), CODE,
                backoff=Backoff(first=day, longest=day),
            ) as here,
        ):  # fmt: skip
            server.add_account(other, CODE)
            here.secrets[other] = CODE
            boxes = {one: mailbox_at(server.port, one) for one in (ADDRESS, other)}
            here.watchers.update({"acme": Tenant(id="acme", mailboxes=boxes)})
            await until(lambda: here.states == ["ok"] * 2, what="the sign-ins")
            await server.stop()
            await wait_for_outage(here, boxes)
            mute = server.account(ADDRESS)
            mute.quirks = Quirks(deaf=True)
            await server.start(server.port)
            here.watchers.wake(ADDRESS)
            await until(lambda: list(server.logins)[2:] == [ADDRESS], what="a sign-in")
            here.watchers.wake(other)
            await until_idle(server)
            mute.quirks = None
            for session in [one for one in server.sessions if one.account is mute]:
                session.transport.abortConnection()
            await until(lambda: list(server.logins)[3:] == [other, ADDRESS], what="another")

    run(work)


async def wait_for_outage(here: World, addresses: Iterable[str]) -> None:
    """Return once each of the mailboxes knows that its host does not answer."""
    for address in addresses:
        state = await here.store.read(mailbox_state, address)
        while state is None or "unreachable" not in state.evidence:
            await asyncio.sleep(0.01)
            state = await here.store.read(mailbox_state, address)


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 10), (2, 20), (3, 40), (6, 320), (8, 900), (5000, 900)]
)
def test_the_bound_of_a_wait_doubles_up_to_a_quarter_of_an_hour(
    failures: int, seconds: int
) -> None:
    assert Backoff().after(failures, chance=1.0) == timedelta(seconds=seconds)
    assert Backoff().after(failures, chance=0.0) == timedelta()
