"""Every mailbox of every tenant watched at once, one cheap task each."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.events import watch
from gateway.mail.tenant import Tenant
from gateway.mailbox.account import Account, account_of
from gateway.mailbox.slots import Slots
from gateway.mailbox.watcher import Surroundings, Watcher
from gateway.net.concurrency import spawn, stop_tasks

RESTART_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Watched:
    watcher: Watcher
    task: asyncio.Task[None]


class Watchers:
    """Starts, restarts and stops mailboxes as tenants change."""

    def __init__(
        self,
        around: Surroundings,
        *,
        trusted_ca: str | None = None,
        slots: Slots | None = None,
    ) -> None:
        self._around = around
        self._trusted_ca = trusted_ca
        self._slots = slots or Slots()
        self._watched: dict[str, _Watched] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def update(self, tenants: Mapping[str, Tenant]) -> None:
        """Watch exactly the mailboxes of `tenants`; call it after every change of tenants,
        secrets or pauses. What has not changed keeps its connection."""
        accounts = {one.address: one for one in self._accounts(tenants)}
        for address in self._watched.keys() - accounts.keys():
            self._end(self._watched.pop(address))
        for address, account in accounts.items():
            watched = self._watched.get(address)
            if watched is None:
                self._watched[address] = self._start(account, after=None)
            elif watched.watcher.account != account:
                self._end(watched)
                self._watched[address] = self._start(account, after=watched.task)
            else:
                watched.watcher.recheck()

    def wake(self, address: str) -> bool:
        """Look into a mailbox now; False when it is not watched."""
        watched = self._watched.get(address)
        if watched is not None:
            watched.watcher.wake()
        return watched is not None

    async def stop(self) -> None:
        """Hang up everywhere and wait until every task has ended."""
        tasks = [one.task for one in self._watched.values()]
        self._watched.clear()
        await stop_tasks([*tasks, *self._ending])

    def _accounts(self, tenants: Mapping[str, Tenant]) -> list[Account]:
        accounts = []
        for tenant in tenants.values():
            for mailbox in tenant.mailboxes.values():
                provider = self._around.catalogue.get(mailbox.provider)
                try:
                    if provider is None:
                        raise ValueError(f"no provider is called '{mailbox.provider}'")
                    account = account_of(
                        tenant.id,
                        mailbox,
                        provider=provider,
                        poll_every=self._around.settings.poll_every,
                        trusted_ca=self._trusted_ca,
                    )
                except ValueError as error:
                    watch.mailbox_not_watched(mailbox=mailbox.address, reason=str(error))
                else:
                    accounts.append(account)
        return accounts

    def _start(self, account: Account, *, after: asyncio.Task[None] | None) -> _Watched:
        watcher = Watcher(account, self._around, self._slots, answers_again=self._hurry_others)
        name = f"mailbox {account.address}"
        return _Watched(watcher, spawn(_keep(watcher, after=after), name=name))

    def _hurry_others(self, host: str) -> None:
        for one in self._watched.values():
            if one.watcher.account.endpoint.host == host:
                one.watcher.hurry()

    def _end(self, watched: _Watched) -> None:
        watched.task.cancel()
        self._ending.add(watched.task)
        watched.task.add_done_callback(self._ending.discard)


async def _keep(watcher: Watcher, *, after: asyncio.Task[None] | None) -> None:
    """Run a watcher once `after` has ended, and again should a fault of ours end it."""
    if after is not None:
        await asyncio.wait([after])
    while True:
        task = spawn(watcher.run(), name=f"watch {watcher.account.address}")
        try:
            await asyncio.wait([task])
        finally:
            await stop_tasks([task])
        await asyncio.sleep(RESTART_SECONDS)
