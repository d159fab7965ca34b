from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.config import MailboxSettings
from gateway.mail.tenant import Mailbox
from gateway.mailbox.account import account_of
from gateway.mailbox.standing import Standing
from gateway.net.imap import ImapRefused
from gateway.net.unreachable import Unreachable
from gateway.store.sqlite import Store
from gateway.store.states import MailboxState, mailbox_state
from tests.mailbox.world import CATALOGUE, run

ADDRESS = "shop@163.com"
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
EXPIRED = ImapRefused("imap-login", "NO", "LOGIN Login error or password error")


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **units: float) -> None:
        self.now += timedelta(**units)


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Store]:
    store = Store.open(path / "gateway.db")
    try:
        yield store
    finally:
        store.close()


def standing(store: Store, clock: Clock, changes: list[MailboxState]) -> Standing:
    account = account_of(
        "acme",
        Mailbox(address=ADDRESS),
        provider=CATALOGUE["netease-163"],
        poll_every=timedelta(minutes=2),
    )
    return Standing(
        account,
        store,
        settings=MailboxSettings(),
        catalogue=CATALOGUE,
        changed=changes.append,
        now=clock,
    )


def waits() -> Iterator[timedelta]:
    yield from (timedelta(seconds=one) for one in (10, 60, 300, 300))
    yield timedelta(days=1)


def test_an_expired_code_is_dead_after_ten_minutes_with_the_providers_fix(
    tmp_path: Path,
) -> None:
    async def work() -> None:
        async with opened(tmp_path) as store:
            clock, changes = Clock(), list[MailboxState]()
            here = standing(store, clock, changes)
            await here.load()
            await here.succeeded()
            for expected in waits():
                _, wait = await here.refused(EXPIRED)
                assert wait == expected
                clock.pass_by(seconds=expected.total_seconds())
            assert [one.state for one in changes] == ["ok", "suspect", "dead"]
            assert changes[-1].since == NOON + timedelta(seconds=670)
            assert "180 days" in (changes[-1].fix or "")
            assert "Login error or password error" in (changes[-1].reason or "")

    run(work)


def test_a_restart_in_between_does_not_start_the_evidence_anew(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as store:
            clock, changes = Clock(), list[MailboxState]()
            for _ in range(3):
                here = standing(store, clock, changes)
                await here.load()
                await here.refused(EXPIRED)
                clock.pass_by(minutes=5)
            assert [one.state for one in changes] == ["suspect", "dead"]

    run(work)


def test_one_success_heals_and_clears_the_evidence(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as store:
            clock, changes = Clock(), list[MailboxState]()
            here = standing(store, clock, changes)
            for _ in range(2):
                await here.refused(EXPIRED)
                clock.pass_by(minutes=9)
            await here.succeeded()
            await here.refused(EXPIRED)
            state = await store.read(mailbox_state, ADDRESS)
            assert state is not None
            assert [one.state for one in changes] == ["suspect", "ok", "suspect"]
            assert (state.state, state.evidence.count("login-ambiguous")) == ("suspect", 1)

    run(work)


def test_an_outage_does_not_hide_what_a_person_is_to_mend(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as store:
            here = standing(store, Clock(), [])
            await here.refused(EXPIRED)
            await here.unreachable(Unreachable("imap.163.com:993: no answer in time"))
            state = await store.read(mailbox_state, ADDRESS)
            assert state is not None
            assert "password error" in (state.reason or "")

    run(work)


def test_a_first_outage_is_told_but_a_short_one_later_is_not(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as store:
            clock, changes = Clock(), list[MailboxState]()
            here = standing(store, clock, changes)
            outage = Unreachable("imap.163.com:993: no answer in time")
            await here.unreachable(outage)
            assert [(one.state, one.reason) for one in changes] == [("suspect", str(outage))]
            await here.succeeded()
            await here.unreachable(outage)
            clock.pass_by(minutes=9)
            await here.unreachable(outage)
            assert [one.state for one in changes] == ["suspect", "ok"]
            clock.pass_by(minutes=1)
            await here.unreachable(outage)
            assert [one.state for one in changes] == ["suspect", "ok", "suspect"]

    run(work)
