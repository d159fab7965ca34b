"""Who is told that a buyer at Amazon waits: looked at each minute, told once each."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from gateway import events
from gateway.actions.event import iso, write_event
from gateway.app.foundation import Foundation
from gateway.app.reminding import WriteMails
from gateway.mail.tenant import Tenant
from gateway.mail.trouble import UNANSWERED, Reminder
from gateway.store import unanswered
from gateway.store.errors import StoreError
from gateway.store.unanswered import Unanswered

LOOK_SECONDS = 60.0
ANSWER_WITHIN = timedelta(hours=24)
EVENT = "message.unanswered"
FIX = (
    "Answer it in the helpdesk, or mark it 'No response needed' in Seller Central: Amazon"
    " counts 24 hours, on weekends too, and no automatic answer."
)


class Clocks:
    """Looks which mails of buyers nobody has answered."""

    def __init__(self, base: Foundation, *, write_mails: WriteMails | None) -> None:
        self._base = base
        self._write_mails = write_mails

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                await self.look(now=datetime.now(UTC))
            except StoreError as error:  # such as a full disk: it may pass
                events.task_failed(task="warn of unanswered mail", error=error)
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self, *, now: datetime) -> None:
        """Tell what is due and was not told yet."""
        for one in await self._base.store.read(unanswered.due, now=now):
            tenant = self._base.directory.find_tenant(one.tenant)
            if tenant is None or one.mailbox not in tenant.mailboxes:
                await self._base.store.write(unanswered.forget, one.message)
            else:
                await self._warn(one, tenant, now=now)

    async def _warn(self, one: Unanswered, tenant: Tenant, *, now: datetime) -> None:
        reason = f"A buyer's mail to {one.mailbox} waits for an answer for {one.hours} hours."
        reminder = Reminder(
            about=one.mailbox, kind=UNANSWERED, owner=tenant.owner, reason=reason, fix=FIX
        )
        data = {
            "id": one.message,
            "tenant": one.tenant,
            "mailbox": one.mailbox,
            "conversation": one.conversation,
            "conversation_ref": one.conversation_ref,
            "message_id": one.message_id,
            "from": one.header_from,
            "hours": one.hours,
            "answer_by": iso(one.received_at + ANSWER_WITHIN),
            "fix": FIX,
        }
        told = await self._base.store.write(
            unanswered.warn,
            one,
            fix=FIX,
            outgoing=write_event(tenant, EVENT, data, now=now, origin=one.message),
            mails=self._write_mails(reminder, now) if self._write_mails else (),
            now=now,
        )
        if told:
            events.message_unanswered(
                message_id=one.message, tenant=one.tenant, mailbox=one.mailbox, hours=one.hours
            )
