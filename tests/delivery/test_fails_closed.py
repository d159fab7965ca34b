"""It fails closed: whatever becomes of tenants, no mail reaches another one's upstream.

The store, its directory, admission, accounts, signatures, the pool of sessions, leases and
the scheduler are the real ones; only what stands at the other end of a session is ours, and
notes by whose secret it was opened. EXAMPLES=5000 searches longer.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.app.accounts import Accounts
from gateway.app.directory import Directory
from gateway.app.signing import Signing
from gateway.app.submissions import Judged, keep
from gateway.config import DeliverySettings, Settings
from gateway.delivery.attempt import Sender
from gateway.delivery.leases import Leases
from gateway.delivery.outcome import Outcomes
from gateway.delivery.rate import LaneLimits
from gateway.delivery.retry import RetrySchedule
from gateway.delivery.scheduler import Scheduler
from gateway.delivery.upstream import Account, SessionPool
from gateway.delivery.verdict import BEFORE_MAIL
from gateway.mail.address import parse_address
from gateway.mail.delivery import (
    Batch,
    Kind,
    Lane,
    LaneKind,
    Outgoing,
    Phase,
    Recorded,
    Result,
)
from gateway.mail.envelope import Envelope, Peer, Recipient, Submission
from gateway.mail.ids import new_id
from gateway.mail.reply import Reply
from gateway.mail.tenant import Tenant
from gateway.mail.tenant_file import find_faults, read_tenant_file
from gateway.net.smtp import Answer as Said
from gateway.net.smtp import Endpoint, Login, Session
from gateway.providers.catalogue import load_catalogue
from gateway.store import books, lanes, people
from gateway.store import tenants as stored
from gateway.store.errors import Conflict
from gateway.store.sealing import Seal
from gateway.store.sqlite import Db, Store
from gateway.submission.door import admit
from tests.delivery.tenants import (
    AUTHORS,
    MAILBOX,
    Answer,
    Apply,
    Deliver,
    Look,
    Pause,
    Person,
    Remove,
    Submit,
    openings,
    steps,
)

EXAMPLES = int(os.environ.get("EXAMPLES", "120"))
SECONDS = 30.0
CATALOGUE = load_catalogue()
SCHEDULES = {LaneKind.UPSTREAM: RetrySchedule.of(DeliverySettings())}
SIGNATURE = re.compile(rb"DKIM-Signature: [^\r]*?d=(?P<domain>[^;]+);.*? s=(?P<selector>\w+);")


@dataclass(frozen=True)
class Sent:
    """One message as an upstream took it."""

    message: str
    host: str
    login: Login | None
    content: bytes


class Recording:
    """The session that the pool is given: it takes everything, and notes it."""

    tls = "TLSv1.3"
    is_usable = True

    def __init__(self, world: World, endpoint: Endpoint, login: Login | None) -> None:
        self.extensions = {"8BITMIME": "", "SMTPUTF8": ""}
        self.messages = 0
        self._world = world
        self._endpoint = endpoint
        self._login = login

    async def send(
        self,
        envelope: Envelope,
        content: bytes,
        *,
        before_dot: Callable[[], Awaitable[bool]],
    ) -> tuple[Said, ...]:
        await self._world.happen_meanwhile()
        if not await before_dot():
            return ()
        self.messages += 1
        found = re.search(rb"\r\nMessage-ID: <(\w+)@", b"\r\n" + content)
        assert found
        sent = Sent(found[1].decode(), self._endpoint.host, self._login, content)
        self._world.sent.append(sent)
        return (Said(Phase.AFTER_DOT, Reply(250, "2.0.0", "OK")),) * len(envelope.recipients)

    async def close(self) -> None:
        """Nobody is there."""

    def abort(self) -> None:
        """Nobody is there."""


class World:
    """The gateway's outbound side, with upstreams that take everything."""

    def __init__(self, home: Path) -> None:
        self._path = home / "gateway.db"
        self.store = Store.open(self._path)
        self.seal = Seal.load(home / "secret.key")
        self.directory = Directory(self.store, self.seal)
        self.owners: dict[str, str] = {}
        self.sent: list[Sent] = []
        self.faults: list[str] = []  # of signatures
        self._meanwhile: Apply | Remove | None = None
        self._news = asyncio.Event()
        self._rested: set[Lane] = set()
        self._loop = asyncio.get_running_loop()
        self._signing = Signing(self.store, self.seal, self.directory)
        self._outcomes = Outcomes(
            find_tenant=self.directory.find_tenant, hostname="gateway.example"
        )
        configured = Settings(path=home / "gateway.conf")
        self._accounts = Accounts(configured, self.directory, CATALOGUE)
        self._pool = SessionPool(local_name="gateway.example", open_session=self._open)

    async def take(self, step: object) -> None:
        """Do one step; what the gateway refuses is not done."""
        with suppress(Conflict):
            match step:
                case Apply() | Remove():
                    await self._change(step)
                case Look():
                    await self.directory.look()
                case Submit():
                    await self._submit(step)
                case Answer():
                    await self._answer()
                case Person():
                    await self._act(step)
                case Pause():
                    await self._pause(step)
                case Deliver():
                    self._meanwhile = step.meanwhile
                    await self._deliver()
                case _:
                    raise AssertionError(step)

    async def happen_meanwhile(self) -> None:
        """Change a tenant while a session is at work."""
        change, self._meanwhile = self._meanwhile, None
        if change is not None:
            with suppress(Conflict):
                await self._change(change)

    async def check(self) -> None:
        """Send what can be sent, then look at everything that was sent or waits."""
        await self.directory.look()
        await self._deliver()
        for entry in await self.store.read(people.entries):
            assert entry.reason, f"{entry} waits and nobody knows why"
        book = await self.store.read(books.outbound)
        assert book.difference == 0
        assert book.delivered == len(self.sent)
        assert len({one.message for one in self.sent}) == len(self.sent)

    async def close(self) -> None:
        await self._pool.close()
        self.store.close()

    async def _change(self, change: Apply | Remove) -> None:
        with other_process(self._path) as store:
            await self._write(store, change)
        if change.noticed:
            await self.directory.look()

    async def _write(self, store: Store, change: Apply | Remove) -> None:
        if isinstance(change, Remove):
            await store.write(
                stored.remove_tenant, change.tenant, force=change.force, now=datetime.now(UTC)
            )
            return
        file = read_tenant_file(change.table)
        assert not list(find_faults(file.tenant, providers=CATALOGUE))
        await store.write(
            stored.apply_tenant, file, secrets_of(change), self.seal, prune=change.prune,
            force=change.force, now=datetime.now(UTC),
        )  # fmt: skip

    async def _submit(self, step: Submit) -> None:
        known = [one for id_, one in self.directory.tenants.items() if id_ in step.tenants]
        for tenant in known:
            for author in AUTHORS:
                await self._submit_as(tenant, author, step)

    async def _submit_as(self, tenant: Tenant, author: str, step: Submit) -> None:
        now = datetime.now(UTC)
        submission = Submission(
            tenant=tenant.id,
            credential=f"{tenant.id}.desk",
            envelope=Envelope(
                return_path=parse_address(step.return_path) if step.return_path else None,
                recipients=(Recipient(parse_address("ann@customer.example")),),
                hold_until=now + timedelta(hours=1) if step.later else None,
            ),
            content=f"From: {author}\r\nSubject: Hi\r\n\r\nText.\r\n".encode(),
            peer=Peer(address="127.0.0.1", port=1, helo="desk", tls=None),
            received_at=now,
        )
        admitted = admit(
            submission, tenant, upstream_max_bytes=lambda _: None, hostname="gateway.example"
        )
        if isinstance(admitted, Reply):
            return
        assert admitted.lane.tenant == tenant.id
        domain = admitted.header_from.rpartition("@")[2]
        owners = {one.id for one in self.directory.tenants.values() if domain in one.domains}
        assert owners <= {tenant.id}, (
            f"{tenant.id} may write as {admitted.header_from}: {owners}"
        )
        await self._keep(admitted)

    async def _answer(self) -> None:
        owners = [one.id for one in self.directory.tenants.values() if MAILBOX in one.mailboxes]
        for owner in owners:
            await self._answer_as(owner)

    async def _answer_as(self, name: str) -> None:
        id_ = new_id()
        content = f"From: {MAILBOX}\r\nMessage-ID: <{id_}@163.com>\r\n\r\nText.\r\n"
        await self._keep(
            Outgoing(
                id=id_,
                tenant=name,
                lane=Lane(name, LaneKind.UPSTREAM, MAILBOX),
                kind=Kind.ANSWER,
                envelope=Envelope(
                    return_path=None,
                    recipients=(Recipient(parse_address("ann@customer.example")),),
                ),
                content=content.encode(),
                message_id=f"<{id_}@163.com>",
                header_from=MAILBOX,
            )
        )

    async def _keep(self, outgoing: Outgoing) -> None:
        self.owners[outgoing.id] = outgoing.tenant
        now = datetime.now(UTC)
        await self.store.write_content(
            1, keep, Judged(outgoing=outgoing), per_hour=None, mark=str, now=now
        )

    async def _act(self, step: Person) -> None:
        waiting = await self.store.read(people.entries)
        if not waiting:
            return
        id_, now = waiting[step.number % len(waiting)].id, datetime.now(UTC)
        if step.verb == "hold":
            await self.store.write(people.hold, id_, reason="wait", now=now)
        else:
            await self.store.write(getattr(people, step.verb), id_, now=now)

    async def _pause(self, step: Pause) -> None:
        lane, now = Lane(step.tenant, LaneKind.UPSTREAM, step.lane), datetime.now(UTC)
        if step.resumes:
            await self.store.write(lanes.resume_lane, lane, now=now)
        else:
            await self.store.write(
                lanes.pause_lane, lane, by="person", reason="wait", fix=None, now=now
            )

    async def _deliver(self) -> None:
        """Run schedulers until nothing is due; while a lane rests, what changed is noticed."""
        while await self.store.read(is_due, but=frozenset()):
            self._rested.clear()
            await self._run_scheduler()
            if self._rested:
                await self.directory.look()
        self._look_at_sent()

    def _look_at_sent(self) -> None:
        assert self.faults == []
        for one in self.sent:
            owner = self.owners[one.message]
            assert one.login is not None, f"{owner}'s mail went without a sign-in: {one}"
            assert one.login.secret.startswith(f"{owner}:"), f"{owner}'s mail leaked: {one}"

    async def _run_scheduler(self) -> None:
        leases = Leases(self.store)
        sender = Sender(
            self._pool,
            find_account=self._find_account,
            sign=self._sign,
            confirm=leases.confirm,
            catalogue=CATALOGUE,
            schedules=SCHEDULES,
        )
        scheduler = Scheduler(
            self.store,
            attempts={LaneKind.UPSTREAM: sender.attempt},
            limits=lambda _: LaneLimits(connections=3),
            record=self._record,
            leases=leases,
            owner="node/",
            stale_after=timedelta(days=7),
            revision=lambda: self.directory.revision,
        )
        await scheduler.start()
        async with asyncio.timeout(SECONDS):
            while await self.store.read(is_due, but=frozenset(self._rested)):
                self._news.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await self._news.wait()
        await scheduler.stop(grace_seconds=SECONDS)
        sender.close()

    async def _find_account(self, batch: Batch, refused: str | None) -> Account | None:
        await self._signing.prepare(batch.lane.tenant, batch.header_from)
        return await self._accounts.find(batch)

    def _sign(self, content: bytes, batch: Batch, profile: str) -> bytes:
        signed = self._signing.sign(content, batch, profile)
        tenant = self.directory.find_tenant(batch.lane.tenant)
        for one in SIGNATURE.finditer(signed.replace(b"\r\n", b"")):
            theirs = tenant is not None and one["domain"].decode() in tenant.domains
            if not theirs or one["selector"].decode() != batch.lane.tenant:
                self.faults.append(f"{batch.lane.tenant} signed: {one[0]!r}")
        return signed

    def _record(
        self, db: Db, batch: Batch, results: Sequence[Result], *, now: datetime
    ) -> Recorded:
        if results[-1].attempt.phase in BEFORE_MAIL:
            self._rested.add(batch.lane)
        self._loop.call_soon_threadsafe(self._news.set)
        return self._outcomes.record(db, batch, results, now=now)

    async def _open(
        self, endpoint: Endpoint, *, credentials: Login | None, **_: Any
    ) -> Session:
        await asyncio.sleep(0)
        return cast("Session", Recording(self, endpoint, credentials))


def is_due(db: Db, *, but: frozenset[Lane]) -> bool:
    """Whether a lane has something due or claimed, other than the lanes that rest."""
    now = datetime.now(UTC)
    due = {one.lane for one in lanes.due_lanes(db, now=now) if one.next_at <= now}
    claimed = db.execute("SELECT 1 FROM delivery WHERE state = 'claimed' LIMIT 1").fetchone()
    return bool(due - but) or claimed is not None


def secrets_of(change: Apply) -> dict[tuple[str, str], str]:
    """Return secrets that name their owner; the keys of domains have it for a selector."""
    tenant, table = change.table["tenant"], change.table
    secret = f"{tenant}:{change.version}"
    own = [name for name, item in table["upstreams"].items() if "mailbox" not in item]
    given = {("upstream", name): secret for name in own}
    given |= {("mailbox", name): secret for name in table["mailboxes"]}
    return given | {("dkim", f"{name}/{tenant}"): key() for name in table["domains"]}


@cache
def key() -> str:
    private = Ed25519PrivateKey.generate()
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@contextmanager
def other_process(path: Path) -> Iterator[Store]:
    """The command line's own connection: the server has to look to notice what it wrote."""
    other = Store.open(path)
    try:
        yield other
    finally:
        other.close()


@cache
def empty_home() -> Path:
    """A directory with a store without anything in it, made once."""
    home = Path(tempfile.mkdtemp(prefix="fails-closed-"))
    Store.open(home / "gateway.db").close()
    Seal.load(home / "secret.key")
    return home


async def live(taken: list[object]) -> None:
    with tempfile.TemporaryDirectory(prefix="fails-closed-") as home:
        shutil.copytree(empty_home(), home, dirs_exist_ok=True)
        world = World(Path(home))
        try:
            for step in taken:
                await world.take(step)
            await world.check()
        finally:
            await world.close()


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(openings, st.lists(steps, min_size=10, max_size=30))
def test_no_mail_reaches_an_upstream_that_is_not_its_tenants(
    opening: tuple[Apply, ...], taken: list[object]
) -> None:
    asyncio.run(live([*opening, *taken]))
