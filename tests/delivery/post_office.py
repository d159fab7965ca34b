"""A store, a sandbox provider and everything of delivery between them, on real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.config import DeliverySettings, RouteSettings
from gateway.delivery.attempt import Sender
from gateway.delivery.leases import Leases
from gateway.delivery.outcome import Outcomes
from gateway.delivery.rate import LaneLimits
from gateway.delivery.retry import RetrySchedule
from gateway.delivery.scheduler import Scheduler
from gateway.delivery.upstream import Account, SessionPool
from gateway.mail.address import parse_address
from gateway.mail.delivery import Batch, Kind, Lane, LaneKind, Outgoing, Recorded, Result
from gateway.mail.envelope import Envelope, Recipient
from gateway.mail.ids import new_id
from gateway.mail.tenant import Route, Security, Tenant
from gateway.net.smtp import (
    Endpoint,
    Login,
    Session,
    SessionRefused,
    Timeouts,
    open_session,
)
from gateway.providers.catalogue import load_catalogue
from gateway.sandbox.misbehaviour import Misbehaviour
from gateway.sandbox.upstream import Upstream, UpstreamSettings
from gateway.store import lanes, queue
from gateway.store.sqlite import Db, Store

CATALOGUE = load_catalogue()
PATIENT = Timeouts(
    connect_seconds=30, greeting_seconds=30, command_seconds=30, data_seconds=30,
    block_seconds=30, dot_seconds=30, quit_seconds=1,
)  # fmt: skip
SECONDS = 30
LANE = Lane("acme", LaneKind.UPSTREAM, "own")
TENANT = Tenant(
    id="acme",
    route="desk",
    routes={"desk": Route(name="desk", type="smtp", to="d@desk.example")},
)
LIMITS = LaneLimits(connections=4)


class PostOffice:
    """Everything, with the sandbox's `provider` at the other end of every upstream lane."""

    def __init__(
        self, store: Store, provider: Upstream, *, timeouts: Timeouts = PATIENT
    ) -> None:
        self.store = store
        self.provider = provider
        self.timeouts = timeouts  # of the sessions that are opened from now on
        self.pool = SessionPool(local_name="gw.example", open_session=self._open_session)
        self.leases = Leases(store)
        self.limits = {LANE: LIMITS}
        self.revision = 0  # of the tenants, as attempts know them
        self.accounts: dict[Lane, Account | None] = {}
        self.renewed: Account | None = None  # where a refused access token is replaced
        self.signed: list[tuple[str, str]] = []
        self.signature = b"DKIM-Signature: v=1\r\n"
        self.record_faults: list[Exception] = []  # raised by the next records
        self._news = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._outcomes = Outcomes(find_tenant=lambda _: TENANT, hostname="gw.example")
        schedule = RetrySchedule.of(DeliverySettings())
        routes = RetrySchedule.of(RouteSettings())
        self.sender = Sender(
            self.pool,
            find_account=self.find_account,
            sign=self._sign,
            confirm=self.leases.confirm,
            catalogue=CATALOGUE,
            schedules={LaneKind.UPSTREAM: schedule, LaneKind.ROUTE: routes},
        )
        self.scheduler = Scheduler(
            store,
            attempts={LaneKind.UPSTREAM: self.sender.attempt},
            limits=lambda lane: self.limits.get(lane, LIMITS),
            record=self._record,
            leases=self.leases,
            owner="node",
            stale_after=DeliverySettings().stale_after,
            revision=lambda: self.revision,
        )

    def account(self, *, port: int | None = None, preset: str = "generic") -> Account:
        """Return an account at the sandbox, or at another port of this machine."""
        endpoint = Endpoint(
            host="127.0.0.1", port=port or self.provider.port, security=Security.NONE
        )
        login = Login(username="relay", secret="s3cret")
        return Account(endpoint=endpoint, credentials=login, provider=CATALOGUE[preset])

    async def find_account(self, batch: Batch, refused: str | None) -> Account | None:
        """Return the account of the batch's lane: at the sandbox unless a test says else."""
        if refused is not None:
            return self.renewed
        return self.accounts.get(batch.lane, self.account())

    async def accept(self, *recipients: str, lane: Lane = LANE, **changes: Any) -> str:
        """Queue a message from support@acme.example."""
        given = recipients or ("ann@example.net",)
        id_ = new_id()
        outgoing = Outgoing(
            id=id_, tenant=lane.tenant, lane=lane, kind=Kind.SUBMISSION,
            envelope=Envelope(
                return_path=parse_address("support@acme.example"),
                recipients=tuple(Recipient(parse_address(one)) for one in given),
            ),
            content=f"From: support@acme.example\r\nSubject: {id_}\r\n\r\nText.\r\n".encode(),
            message_id=f"<{id_}@acme.example>", header_from="support@acme.example",
        )  # fmt: skip
        now = datetime.now(UTC)
        await self.store.write(queue.accept, replace(outgoing, **changes), now=now)
        self.scheduler.wake()
        return id_

    async def claim(self, *, lane: Lane = LANE) -> Batch:
        """Claim one message, as the scheduler would."""
        [batch] = await self.store.write(
            queue.claim, lane, owner="node", now=datetime.now(UTC), lease=self.leases.length,
            messages=1, recipients=100,
        )  # fmt: skip
        self.leases.hold(batch)
        return batch

    async def states(self) -> dict[str, str]:
        """Return the state of the deliveries in upstream lanes, by recipient."""
        return await self.store.read(_states)

    async def lane_state(self, lane: Lane = LANE) -> lanes.LaneState | None:
        """Return what the store knows of a lane."""
        found = await self.store.read(lanes.lane_states)
        return next((one for one in found if one.lane == lane), None)

    async def wait_until(self, holds: Callable[[dict[str, str]], bool]) -> dict[str, str]:
        """Return the states of the deliveries once `holds` is true of them."""
        async with asyncio.timeout(SECONDS):
            while not holds(states := await self.states()):
                await self.recorded()
        return states

    async def recorded(self) -> None:
        """Wait until something more is recorded, or for a moment."""
        self._news.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await self._news.wait()

    def misbehave(self, **how: Any) -> None:
        """Let the provider misbehave from now on."""
        self.provider.misbehaviour = Misbehaviour(**how)

    async def _open_session(self, endpoint: Endpoint, **how: Any) -> Session | SessionRefused:
        return await open_session(endpoint, **(how | {"timeouts": self.timeouts}))

    def _record(
        self, db: Db, batch: Batch, results: Sequence[Result], *, now: datetime
    ) -> Recorded:
        self._loop.call_soon_threadsafe(self._news.set)
        if self.record_faults:
            raise self.record_faults.pop()
        return self._outcomes.record(db, batch, results, now=now)

    def _sign(self, content: bytes, batch: Batch, profile: str) -> bytes:
        self.signed.append((batch.header_from, profile))
        return self.signature + content


@asynccontextmanager
async def open_post_office(
    directory: Path,
    *,
    started: bool = True,
    settings: UpstreamSettings | None = None,
    timeouts: Timeouts = PATIENT,
) -> AsyncIterator[PostOffice]:
    """Open everything, and end it in order; `settings` are the provider's."""
    store = Store.open(directory / "gateway.db")
    provider = Upstream(settings or UpstreamSettings())
    await provider.start()
    office = PostOffice(store, provider, timeouts=timeouts)
    if started:
        await office.scheduler.start()
    try:
        yield office
    finally:
        if started:
            await office.scheduler.stop(grace_seconds=1)
        office.sender.close()
        await office.pool.close()
        await provider.stop()
        store.close()


def _states(db: Db) -> dict[str, str]:
    rows = db.execute("SELECT recipient, state FROM delivery WHERE lane_kind = 'upstream'")
    return dict(rows.fetchall())
