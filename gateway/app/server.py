"""Starts everything in order, and stops it in reverse.

The order is an AsyncExitStack: what is entered last is left first, so the listeners close
before deliveries drain, and the store closes last. Twisted's reactor owns loop and signals;
its shutdown waits for the stack. A MultiService was refused: it stops its children at once.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import time
from contextlib import AsyncExitStack, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial

from gateway import events, log_formats
from gateway.app import reactor
from gateway.app.alarms import begin_alerts, mails_of_reminders
from gateway.app.authorizing import Authorizing
from gateway.app.capture import Capture
from gateway.app.cleaning import keep_clean
from gateway.app.foundation import Foundation, lay_foundation, open_store, path_of_store
from gateway.app.holding import HeldSubmissions
from gateway.app.hooks import HookCarrier
from gateway.app.inbound import Inbound
from gateway.app.intake import Intake
from gateway.app.listening import (
    open_listeners,
    renew_certificate,
    report_own_certificate,
    server_tls,
)
from gateway.app.outbound import Outbound
from gateway.app.pages import build_pages
from gateway.app.policies import CurrentChains, open_chains
from gateway.app.reminding import Reminders
from gateway.app.renewing import Renewals
from gateway.app.tokens import AccessTokens
from gateway.app.way_news import WayNews
from gateway.app.workers import Workers, count_workers
from gateway.config import ConfigError, Settings
from gateway.net.concurrency import keep_pauses_short, spawn_lasting, stop_tasks
from gateway.net.open_files import raise_limit
from gateway.store import alerts, books, figures
from gateway.store.capturing import set_capturing
from gateway.store.checkpoints import keep_log_short
from gateway.store.errors import StoreError
from gateway.store.sqlite import Db, Store
from gateway.submission.tally import Tally
from gateway.web.downloads import Links
from gateway.web.health import HealthState
from gateway.web.metrics import Figures
from gateway.web.renewal import RenewalLinks
from gateway.web.serving import serve_web

LOOK_SECONDS = 0.5


def serve(settings: Settings, *, capture: bool = False) -> None:
    """Run until SIGTERM or SIGINT; raises ConfigError or StoreError when it cannot start.

    With `capture` nothing leaves the machine: see `app.capture`.
    """
    log_formats.set_up(log_format=settings.log.format, hostname=settings.server.hostname)
    raise_limit()
    server = Server(settings, capture=capture)

    async def begin() -> bool:
        await server.start()
        keep_pauses_short()
        return True

    reactor.outlive_hangup(events.reload_asked)
    reactor.run(begin, server.stop)


class Server:
    """Every part of the gateway; mail is taken here, or in workers beside."""

    def __init__(self, settings: Settings, *, capture: bool = False) -> None:
        self._settings = settings
        self._capture = Capture(settings) if capture else None
        self._stack = AsyncExitStack()
        self._waiting_for = ["store", "listeners", "mailboxes"]

    async def start(self) -> None:
        """Start everything; raises ConfigError or StoreError and leaves nothing running."""
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise

    async def stop(self) -> None:
        """Drain: listeners first, then what is in flight, the store last."""
        events.server_stopping()
        _notify("STOPPING=1")
        await self._stack.aclose()

    async def _start(self) -> None:
        settings, stack = self._settings, self._stack
        _lock(settings, stack)
        store = await self._open_store()
        base = await lay_foundation(settings, store)
        links = _links(base)
        hooks = HookCarrier(base, link=links.make)
        stack.push_async_callback(hooks.close)
        chains = await self._open_chains(base)
        tokens = AccessTokens(base, holder=f"{settings.server.hostname}/")
        stack.push_async_callback(tokens.close)
        outbound = Outbound(base, tokens, webhook=hooks.attempt, capture=self._capture)
        renewals = Renewals(base, outbound.accounts)
        stack.callback(renewals.close)
        reminders = Reminders(base, _renewal_links(links), write_mails=mails_of_reminders(base))
        authorizing = Authorizing(base, tokens, authorized=base.directory.expect_change)
        await self._open_web(base, links, renewals, reminders, authorizing)
        self._waiting_for.remove("store")
        inbound = await self._begin_inbound(
            base, outbound, chains, tokens=tokens, renewals=renewals, reminders=reminders
        )
        self._waiting_for.remove("mailboxes")
        stack.push_async_callback(outbound.stop)
        await outbound.start()
        ports = await self._start_intake(base, chains, outbound)
        self._waiting_for.remove("listeners")
        tasks = [
            spawn_lasting(
                partial(self._look, base, chains, outbound, inbound), name="look for changes"
            ),
            spawn_lasting(WayNews(base).run, name="tell of ways out"),
            spawn_lasting(partial(renew_certificate, settings), name="renew certificate"),
            spawn_lasting(partial(keep_clean, store, settings.retention), name="retention"),
            spawn_lasting(partial(keep_log_short, path_of_store(settings)), name="checkpoints"),
            spawn_lasting(_held(base, chains, outbound).run, name="held submissions"),
            *begin_alerts(base, chains),
        ]
        stack.push_async_callback(stop_tasks, tasks)
        _report_start(base, ports, inbound)

    async def _open_chains(self, base: Foundation) -> CurrentChains:
        chains = await open_chains(base)
        self._stack.callback(chains.close)
        await chains.compile_all(base.directory.tenants.values())
        return chains

    async def _start_intake(
        self, base: Foundation, chains: CurrentChains, outbound: Outbound
    ) -> list[int]:
        """Take mail here, or in workers beside; return the ports of the listeners."""
        settings, stack = self._settings, self._stack
        sockets = await open_listeners(settings.submission)
        for one in sockets:
            stack.callback(one.close)
        queued = outbound.scheduler.wake
        tls = server_tls(settings)
        report_own_certificate(settings)
        beside = count_workers(settings) - 1
        taking: Workers | Intake
        if beside:
            taking = Workers(settings, count=beside, sockets=sockets, queued=queued)
        else:
            taking = Intake(
                base, chains=chains, tls=tls, sockets=sockets, queued=queued,
                tally=Tally.alone(),
            )  # fmt: skip
        stack.push_async_callback(taking.stop)
        await taking.start()
        return [int(one.getsockname()[1]) for one in sockets]

    async def _open_store(self) -> Store:
        store = open_store(self._settings)
        self._stack.callback(store.close)
        await store.write(set_capturing, on=self._capture is not None)
        return store

    async def _begin_inbound(
        self,
        base: Foundation,
        outbound: Outbound,
        chains: CurrentChains,
        *,
        tokens: AccessTokens,
        renewals: Renewals,
        reminders: Reminders,
    ) -> Inbound | None:
        """Watch the mailboxes; a server that captures begins that instead."""
        if self._capture is not None:
            await self._capture.start()
            self._stack.push_async_callback(self._capture.stop)
            return None
        inbound = Inbound(
            base,
            outbound.accounts,
            chains,
            tokens=tokens,
            queued=outbound.scheduler.wake,
            renewals=renewals,
            reminders=reminders,
        )
        await inbound.start()
        self._stack.push_async_callback(inbound.stop)
        return inbound

    async def _open_web(
        self,
        base: Foundation,
        links: Links,
        renewals: Renewals,
        reminders: Reminders,
        authorizing: Authorizing,
    ) -> None:
        pages = build_pages(
            base,
            self._health(base.store),
            links=links,
            renewals=renewals,
            reminders=reminders,
            renewal_links=_renewal_links(links),
            authorizing=authorizing,
        )
        web = await serve_web(pages, self._settings.console.address)
        self._stack.push_async_callback(web.stop)

    async def _look(
        self,
        base: Foundation,
        chains: CurrentChains,
        outbound: Outbound,
        inbound: Inbound | None,
    ) -> None:
        """Act within a second on what the command line wrote, and on changed policies."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                written = await base.directory.look()
            except StoreError as error:  # it may pass
                events.task_failed(task="look for changes", error=error)
                continue
            await chains.compile_all(base.directory.tenants.values())
            if written:
                outbound.scheduler.wake()
            if inbound is None:
                continue
            if written:
                inbound.wake()
            inbound.look()

    def _health(self, store: Store) -> HealthState:
        async def measure() -> Figures:
            return await store.read(_measure, now=datetime.now(UTC))

        return HealthState(
            waiting_for=lambda: list(self._waiting_for),
            ask_store=lambda: store.read(_answer),
            measure=measure,
        )


def _held(base: Foundation, chains: CurrentChains, outbound: Outbound) -> HeldSubmissions:
    record, wake = outbound.outcomes.record, outbound.scheduler.wake
    return HeldSubmissions(base, chains, record=record, queued=wake)


def _links(base: Foundation) -> Links:
    public_url = base.settings.console.public_url
    return Links(public_url=public_url, mark=base.seal.mark, clock=time.time)


def _renewal_links(links: Links) -> RenewalLinks:
    return RenewalLinks(public_url=links.public_url, mark=links.mark, clock=links.clock)


def _lock(settings: Settings, stack: AsyncExitStack) -> None:
    """Two servers on one state would each believe that the other's leases are its own."""
    settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = stack.enter_context((settings.state / "lock").open("w"))
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        sentence = "another gateway serves this state already; stop that one first"
        raise ConfigError(f"{settings.state}: {sentence}") from error


def _measure(db: Db, *, now: datetime) -> Figures:
    pages: dict[str, books.Outbound | books.Inbound] = {
        page: books.outbound(db, page=page) for page in books.PAGES
    }
    pages["in"] = books.inbound(db)
    counts = figures.count(db, now=now)
    return Figures(
        queue=counts.deliveries,
        oldest_waiting_seconds=counts.oldest_waiting_seconds,
        books={page: asdict(one) for page, one in pages.items()},
        differences={page: one.difference for page, one in pages.items()},
        lanes_paused=counts.lanes_paused,
        mailboxes=counts.mailboxes,
        alerts=asdict(alerts.count_alerts(db)),
    )


def _answer(db: Db) -> object:
    return db.execute("SELECT 1").fetchone()


def _report_start(base: Foundation, ports: list[int], inbound: Inbound | None) -> None:
    tenants = base.directory.tenants.values()
    mailboxes = sum(len(one.mailboxes) for one in tenants) if inbound else 0
    events.server_started(
        listeners=",".join(str(port) for port in ports),
        mailboxes=mailboxes,
        tenants=len(tenants),
    )
    _notify("READY=1")


def _notify(state: str) -> None:
    """Tell systemd, where it asked to be told (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.connect(address.replace("@", "\0", 1) if address[0] == "@" else address)
        client.send(state.encode())
