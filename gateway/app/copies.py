"""Copies of what was sent, for mailboxes whose provider keeps none: they are appended by us."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from gateway.actions.append import Appender, Shelf
from gateway.app.accounts import Accounts
from gateway.app.foundation import Foundation
from gateway.app.hooks import without_target
from gateway.app.proving import account_for
from gateway.mail.address import parse_address
from gateway.mail.delivery import (
    WRITTEN,
    Batch,
    Kind,
    Lane,
    LaneKind,
    Outgoing,
    Recorded,
    Result,
)
from gateway.mail.envelope import Envelope, Recipient
from gateway.mail.ids import new_id
from gateway.mailbox.account import find_sent
from gateway.net.imap import ImapPools


class SentCopies:
    """Queues a copy when mail has left by a mailbox's own account, and appends it."""

    def __init__(self, base: Foundation, accounts: Accounts) -> None:
        self._base = base
        self._accounts = accounts
        self._pools = ImapPools.start(sign_in=2, work=2)
        self._appender = Appender(pools=self._pools, settings=base.settings.routes)

    def follow_ups(self, batch: Batch, recorded: Recorded, now: datetime) -> Sequence[Outgoing]:
        """Return the copy of a batch of which something was delivered; often none."""
        if not recorded.delivered or batch.kind not in WRITTEN:
            return ()
        mailbox = self._accounts.own_mailbox(batch.lane)
        if mailbox is not None and mailbox.oauth2:
            return ()  # copies sign in by passwords
        provider = self._base.catalogue.get(mailbox.provider) if mailbox else None
        if mailbox is None or provider is None or provider.sender.saves_sent is not False:
            return ()
        to = Recipient(parse_address(mailbox.address), notify="NEVER")
        return (
            Outgoing(
                id=new_id(),
                tenant=batch.lane.tenant,
                lane=Lane(batch.lane.tenant, LaneKind.SENT, mailbox.address),
                kind=Kind.COPY,
                envelope=Envelope(return_path=None, recipients=(to,)),
                content=batch.content,
                message_id=batch.message_id,
                header_from=batch.header_from,
                edits=batch.edits,
                origin=batch.message,
            ),
        )

    async def attempt(self, batch: Batch) -> list[Result]:
        """Append one copy, unless the folder for sent mail has it already."""
        now = datetime.now(UTC)
        shelf = await self._shelf(batch.lane)
        if shelf is None:
            return [without_target(one.number, now) for one in batch.deliveries]
        return await self._appender.deliver(batch, shelf, now=now)

    def close(self) -> None:
        """Append nothing more."""
        self._pools.close()

    async def _shelf(self, lane: Lane) -> Shelf | None:
        tenant = self._base.directory.find_tenant(lane.tenant)
        mailbox = tenant.mailboxes.get(lane.name) if tenant else None
        secret = await self._base.directory.secret(lane.tenant, "mailbox", lane.name)
        if tenant is None or mailbox is None or secret is None:
            return None
        try:
            account = account_for(self._base, tenant, mailbox)
        except ValueError:  # no server is known: there is nowhere to look, either
            return None
        return Shelf(
            endpoint=account.endpoint,
            username=account.username,
            secret=secret,
            folder=None,
            find=partial(find_sent, provider=account.provider),
            is_copy=True,
        )
