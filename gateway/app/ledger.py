"""A mailbox compared with its server on demand, beside the running server or without it."""

from __future__ import annotations

from datetime import UTC, datetime

from gateway.app.foundation import Foundation
from gateway.app.proving import account_for
from gateway.app.tokens import AccessTokens
from gateway.mail.tenant import Mailbox, Tenant
from gateway.mailbox.fetch import Fetcher
from gateway.mailbox.ledger import Ledger, Page, check_all
from gateway.net.imap import ImapPools, ImapRefused
from gateway.net.oauth import TokenRefused
from gateway.providers.diagnosis import diagnose


async def compare(base: Foundation, tenant: Tenant, mailbox: Mailbox) -> Page | str:
    """Return what the server has against what we have, missing mail fetched; or a sentence
    on why not.

    Raises Unreachable, StoreError, and ValueError when no server or no code is known.
    """
    account = account_for(base, tenant, mailbox)
    secret = await _find_secret(base, tenant, mailbox)
    if isinstance(secret, ImapRefused):
        return _explain(base, mailbox, secret)
    fetcher = Fetcher(account, base.store, arrived=lambda _: None, now=_now)
    ledger = Ledger(account, base.store, fetcher, now=_now)
    pools = ImapPools.start(sign_in=1, work=1)
    try:
        page = await check_all(ledger, account, secret, pools=pools)
    finally:
        pools.close()
    return _explain(base, mailbox, page) if isinstance(page, ImapRefused) else page


async def _find_secret(base: Foundation, tenant: Tenant, mailbox: Mailbox) -> str | ImapRefused:
    """Return the code, or for OAuth2 an access token or why there is none."""
    if not mailbox.oauth2:
        code = await base.directory.secret(tenant.id, "mailbox", mailbox.address)
        if code is None:
            sentence = f"{mailbox.address} has no code yet; gateway mailbox reauth gives one"
            raise ValueError(sentence)
        return code
    tokens = AccessTokens(base)
    try:
        token = await tokens.get(tenant.id, mailbox)
    finally:
        await tokens.close()
    if isinstance(token, TokenRefused):
        return ImapRefused("token", str(token.status), token.text)
    return token


def _explain(base: Foundation, mailbox: Mailbox, refused: ImapRefused) -> str:
    found = diagnose(
        base.catalogue[mailbox.provider],
        base.catalogue,
        phase=refused.phase,
        code=refused.code,
        text=refused.text,
        address=mailbox.address,
        oauth2=mailbox.oauth2,
    )
    said = f'The server said: "{refused.text}"'
    return " ".join(filter(None, (found.meaning, said, found.fix)))


def _now() -> datetime:
    return datetime.now(UTC)
