"""New codes: each is tried both ways, and one that opened everything replaces the old."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime

from gateway import events
from gateway.app.accounts import Accounts
from gateway.app.foundation import Foundation
from gateway.app.proving import MailboxTrial, Tried
from gateway.delivery.probe import Step
from gateway.events import watch
from gateway.mail.tenant import Mailbox, Tenant
from gateway.providers.causes import CAUSES, Turn
from gateway.store import codes, mailboxes
from gateway.store.errors import StoreError

AGAIN_SECONDS = 60.0  # a candidate that could not be tried now
FINAL = frozenset({Turn.CREDENTIALS, Turn.SETTINGS, Turn.SENDER})


class Renewals:
    """Tries codes for the page that reminders link to, and those that a file brought."""

    def __init__(self, base: Foundation, accounts: Accounts) -> None:
        self._base = base
        self._trial = MailboxTrial(base, accounts)
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Look for candidates now."""
        self._woken.set()

    async def renew(self, tenant: Tenant, mailbox: Mailbox, code: str) -> Tried:
        """Try a code; keep it if it opened everything. Raises ValueError and StoreError."""
        tried = await self._trial.run(tenant, mailbox, secret=code)
        if tried.is_ok:
            place = (self._base.seal, tenant.id, mailbox.address, code)
            await self._base.store.write(mailboxes.renew, *place, now=datetime.now(UTC))
            self._base.directory.expect_change()
            watch.code_renewed(tenant=tenant.id, mailbox=mailbox.address, by_file=False)
        return tried

    async def run(self) -> None:
        """Try what files brought, until cancelled."""
        while True:
            self._woken.clear()
            try:
                for tenant, address in await self._base.store.read(codes.candidates):
                    await self._try_candidate(tenant, address)
            except StoreError as error:  # such as a full disk: it may pass
                events.task_failed(task="renew codes", error=error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_SECONDS):
                    await self._woken.wait()

    def close(self) -> None:
        """Try nothing more."""
        self._trial.close()

    async def _try_candidate(self, id_: str, address: str) -> None:
        tenant = self._base.directory.find_tenant(id_)
        mailbox = tenant.mailboxes.get(address) if tenant else None
        code = await self._base.directory.secret(id_, codes.CANDIDATE, address)
        if tenant is None or mailbox is None or code is None:
            return
        try:
            tried = await self._trial.run(tenant, mailbox, secret=code)
        except ValueError as error:
            watch.code_refused(tenant=id_, mailbox=address, cause="settings", said=str(error))
            return
        last, place = tried.steps[-1], (self._base.seal, id_, address, code)
        if tried.is_ok:
            now = datetime.now(UTC)
            if await self._base.store.write(mailboxes.take_candidate, *place, now=now):
                self._base.directory.expect_change()
                watch.code_renewed(tenant=id_, mailbox=address, by_file=True)
        elif is_final(last) and await self._base.store.write(codes.refuse_candidate, *place):
            watch.code_refused(
                tenant=id_, mailbox=address, cause=last.cause or "", said=last.said
            )


def is_final(step: Step) -> bool:
    """Return whether a refusal speaks against the code; an outage or a throttle passes."""
    known = CAUSES.get(step.cause or "")
    return known is not None and known.turn in FINAL
