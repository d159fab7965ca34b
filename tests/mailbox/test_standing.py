from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.config import MailboxSettings
from gateway.mail.address import Address
from gateway.mail.delivery import Kind, Lane, LaneKind, Outgoing
from gateway.mail.envelope import Envelope, Recipient
from gateway.mail.ids import new_id
from gateway.mail.tenant import Mailbox
from gateway.mailbox.account import account_of
from gateway.mailbox.standing import Standing
from gateway.net.imap import ImapRefused
from gateway.net.unreachable import Unreachable
from gateway.store import lanes, states
from gateway.store.sqlite import Db, Store
from gateway.store.states import MailboxState, mailbox_state
from tests.mailbox.world import CATALOGUE, run

ADDRESS = "shop@163.com"
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
FULL = (
    "CREATE TRIGGER full BEFORE INSERT ON mailbox_states BEGIN SELECT RAISE(ABORT, 'no'); END"
)
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

    def tell(state: MailboxState) -> list[Outgoing]:
        changes.append(state)
        return [event_of(state)]

    return Standing(
        account,
        store,
        settings=MailboxSettings(),
        catalogue=CATALOGUE,
        tell=tell,
        changed=lambda: None,
        now=clock,
    )


def event_of(state: MailboxState) -> Outgoing:
    return Outgoing(
        id=new_id(),
        tenant="acme",
        kind=Kind.EVENT,
        lane=Lane("acme", LaneKind.HOOK, "desk"),
        envelope=Envelope(return_path=None, recipients=(Recipient(Address("hook", "desk")),)),
        content=state.state.encode(),
        message_id="",
        header_from="",
    )


def waits() -> Iterator[timedelta]:
    yield from (timedelta(seconds=one) for one in (10, 60, 300, 300))
    yield timedelta(minutes=30)  # it may be the provider


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


def test_what_a_person_does_while_a_dead_mailbox_is_tried_is_not_undone(
    tmp_path: Path,
) -> None:
    async def work() -> None:
        async with opened(tmp_path) as store:
            clock, changes = Clock(), list[MailboxState]()
            here = standing(store, clock, changes)
            for waited in waits():
                await here.refused(EXPIRED)
                clock.pass_by(seconds=waited.total_seconds())
            await store.write(states.revive, ADDRESS, reason="resumed", now=clock.now)
            _, wait = await here.refused(EXPIRED)
            assert wait == next(waits())
            state = await store.read(mailbox_state, ADDRESS)
            assert state is not None
            assert (state.state, state.evidence.count("login-ambiguous")) == ("suspect", 1)
            await store.write(Db.execute, "DELETE FROM mailbox_states")
            await here.refused(EXPIRED)
            assert await store.read(mailbox_state, ADDRESS) is None

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


def test_a_health_and_its_event_are_kept_together_or_not_at_all(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as store:
            here = standing(store, Clock(), [])
            await store.write(Db.execute, FULL)
            with pytest.raises(sqlite3.IntegrityError):
                await here.succeeded()
            assert await store.read(mailbox_state, ADDRESS) is None
            await store.write(Db.execute, "DROP TRIGGER full")
            await here.succeeded()
            state = await store.read(mailbox_state, ADDRESS)
            assert state is not None
            assert state.state == "ok"
            (lane,) = await store.read(lanes.due_lanes, now=NOON)
            assert lane.lane.kind is LaneKind.HOOK

    run(work)
