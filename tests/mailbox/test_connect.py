from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from gateway.mailbox.account import account_of
from gateway.mailbox.connect import Proof, prove
from gateway.net.imap import ImapPools
from gateway.sandbox.mailbox import MailboxServer
from gateway.sandbox.quirks import GMAIL, NETEASE, Quirks
from tests.mailbox.world import CATALOGUE, mailbox_at, run

ADDRESS, CODE = "shop@163.com", "authorization-code"


@dataclass
class Provider:
    """A provider of mailboxes, and a way to prove a login there."""

    server: MailboxServer
    pools: ImapPools

    async def prove(
        self, code: str = CODE, *, port: int = 0, preset: str = "netease-163"
    ) -> Proof:
        account = account_of(
            "acme",
            mailbox_at(port or self.server.port, ADDRESS, provider=preset),
            provider=CATALOGUE[preset],
            poll_every=timedelta(minutes=2),
        )
        return await prove(account, code, pools=self.pools, catalogue=CATALOGUE)


@asynccontextmanager
async def provider(quirks: Quirks = NETEASE) -> AsyncIterator[Provider]:
    server, pools = MailboxServer(), ImapPools.start(sign_in=1, work=1)
    await server.start()
    server.add_account(ADDRESS, CODE)
    server.quirks = quirks
    try:
        yield Provider(server, pools)
    finally:
        await server.stop()
        pools.close()


@pytest.mark.parametrize("preset", ["netease-163", "generic"])
def test_a_good_login_is_proven_as_far_as_select(preset: str) -> None:
    """NetEase serves other domains, too: ID is said where it turns out to be wanted."""

    async def work() -> None:
        async with provider() as here:
            here.server.deliver(ADDRESS, b"Subject: x\r\n\r\nx\r\n")
            proof = await here.prove(preset=preset)
            assert proof.failure is None
            names = ["connect", "login", "id", "select"]
            assert [(step.name, step.passed) for step in proof.steps] == [
                (name, True) for name in names
            ]
            assert all(0 <= step.seconds < 10 for step in proof.steps)
            assert (proof.messages, proof.junk) == (1, "Junk")
            assert proof.begun is not None
            assert proof.begun.beginning.baseline_uid == 1

    run(work)


def test_a_mailbox_whose_mail_is_not_told_now_can_be_connected() -> None:
    async def work() -> None:
        async with provider(replace(NETEASE, throttled="Too much")) as here:
            here.server.deliver(ADDRESS, b"Subject: x\r\n\r\nx\r\n")
            proof = await here.prove()
            assert proof.failure is None
            assert proof.begun is not None
            assert proof.begun.beginning.baseline_uid == 1

    run(work)


def test_an_app_password_is_taken_as_google_shows_it() -> None:
    async def work() -> None:
        async with provider(GMAIL) as here:
            here.server.add_account(ADDRESS, "abcdefghijklmnop")
            proof = await here.prove("abcd efgh ijkl mnop", preset="gmail")
            assert proof.failure is None

    run(work)


def test_a_wrong_code_is_told_in_the_providers_cause_and_fix() -> None:
    async def work() -> None:
        async with provider() as here:
            proof = await here.prove("wrong")
            assert proof.failure is not None
            assert proof.failure.cause == "login-ambiguous"
            assert "180 days" in (proof.failure.fix or "")
            assert proof.failure.said == "NO LOGIN Login error or password error"
            assert (proof.steps[-1].name, proof.steps[-1].passed) == ("login", False)
            assert "wrong" not in repr(proof)

    run(work)


def test_a_server_that_cannot_be_reached_is_told_without_a_traceback() -> None:
    async def work() -> None:
        async with provider() as here:
            proof = await here.prove(port=1)
            assert proof.failure is not None
            assert proof.failure.cause == "connection-refused"
            assert [step.name for step in proof.steps] == ["connect"]

    run(work)


def test_a_server_that_is_lost_at_the_end_has_failed_at_its_last_step_once() -> None:
    async def work() -> None:
        endless = {"LIST": b"* LIST {99999999999}\r\n"}
        async with provider(Quirks(instead=endless)) as here:
            proof = await here.prove()
            assert proof.failure is not None
            assert [step.name for step in proof.steps] == ["connect", "login", "id", "select"]
            assert not proof.steps[-1].passed

    run(work)


@pytest.mark.parametrize("idles", [True, False])
def test_whether_the_server_idles_is_found_out(idles: bool) -> None:
    async def work() -> None:
        async with provider(Quirks(no_idle=not idles)) as here:
            account = account_of(
                "acme",
                mailbox_at(here.server.port, ADDRESS),
                provider=CATALOGUE["generic"],
                poll_every=timedelta(minutes=2),
            )
            proof = await prove(account, CODE, pools=here.pools, catalogue=CATALOGUE)
            assert proof.idles is idles

    run(work)
