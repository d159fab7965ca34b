"""A mailbox compared with its server on demand, beside the running server or without it."""

from __future__ import annotations

from datetime import UTC, datetime

from gateway.app.foundation import Foundation
from gateway.app.proving import account_for
from gateway.mail.tenant import Mailbox, Tenant
from gateway.mailbox.fetch import Fetcher
from gateway.mailbox.ledger import Ledger, Page, check_all
from gateway.net.imap import ImapPools, ImapRefused
from gateway.providers.diagnosis import Diagnosis, diagnose


async def compare(base: Foundation, tenant: Tenant, mailbox: Mailbox) -> Page | Diagnosis:
    """Return what the server has against what we have, missing mail fetched; or why not.

    Raises Unreachable, StoreError, and ValueError when no server or no code is known.
    """
    account = account_for(base, tenant, mailbox)
    secret = await base.directory.secret(tenant.id, "mailbox", mailbox.address)
    if secret is None:
        raise ValueError(f"{mailbox.address} has no code yet; gateway mailbox reauth gives one")
    fetcher = Fetcher(account, base.store, arrived=lambda _: None, now=_now)
    ledger = Ledger(account, base.store, fetcher, now=_now)
    pools = ImapPools.start(sign_in=1, work=1)
    try:
        page = await check_all(ledger, account, secret, pools=pools)
    finally:
        pools.close()
    return _explain(base, mailbox, page) if isinstance(page, ImapRefused) else page


def _explain(base: Foundation, mailbox: Mailbox, refused: ImapRefused) -> Diagnosis:
    return diagnose(
        base.catalogue[mailbox.provider],
        base.catalogue,
        phase=refused.phase,
        code=refused.code,
        text=refused.text,
        address=mailbox.address,
    )


def _now() -> datetime:
    return datetime.now(UTC)
