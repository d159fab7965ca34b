"""A session signed in to one mailbox, with its first folder open."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gateway.mailbox.account import Account, find_junk, plain_name
from gateway.net.imap import Folder, ImapRefused, ImapSession

WANTS_ID = "unsafe login"
Renew = Callable[[str], Awaitable[str | ImapRefused]]
"""An access token that was refused -> another one; raises Unreachable."""


async def open_mailbox(
    session: ImapSession,
    account: Account,
    secret: str,
    *,
    says_id: bool,
    renew: Renew | None = None,
) -> Folder | ImapRefused:
    """Sign in by a password or access token, and prove it by SELECT.

    Some providers refuse only there. Raises Unreachable.
    """
    if refused := await _sign_in(session, account, secret, renew=renew):
        return refused
    refused = await session.identify(always=says_id)
    if refused is not None and refused.code == "BYE":
        return refused  # another answer to ID does not matter
    return await select_first(session, account, says_id=says_id)


async def select_first(
    session: ImapSession, account: Account, *, says_id: bool
) -> Folder | ImapRefused:
    """Open the main folder; where that is refused for want of ID, say it and open it.

    NetEase's software serves many domains of its own, whose owners choose no preset.
    """
    folder = await session.select(account.mailbox.folders[0])
    if says_id or not isinstance(folder, ImapRefused) or WANTS_ID not in folder.text.lower():
        return folder
    refused = await session.identify(always=True)
    return refused or await session.select(account.mailbox.folders[0])


async def _sign_in(
    session: ImapSession, account: Account, secret: str, *, renew: Renew | None
) -> ImapRefused | None:
    """Sign in; an access token that is refused before its time is renewed once."""
    sent = account.provider.login.as_sent(secret)
    refused = await session.login(account.username, sent, oauth2=account.oauth2)
    if refused is None or refused.code == "BYE" or not account.oauth2 or renew is None:
        return refused
    token = await renew(secret)
    if isinstance(token, ImapRefused):
        return token
    return await session.login(account.username, token, oauth2=True)


async def watched_folders(
    session: ImapSession, account: Account
) -> tuple[list[str], str | ImapRefused | None]:
    """Return the folders that mail is fetched from, and which of them holds junk, where the
    server tells."""
    junk = await find_junk_of(session, account)
    names = [*account.mailbox.folders, *([junk] if isinstance(junk, str) else [])]
    return list(dict.fromkeys(names)), junk


async def find_junk_of(session: ImapSession, account: Account) -> str | ImapRefused | None:
    """Return the folder for junk, None where there is none now or none is wanted."""
    if account.mailbox.junk == "off":
        return None
    listed = await session.folders()
    junk = listed if isinstance(listed, ImapRefused) else find_junk(listed, account.provider)
    if not isinstance(junk, str):
        return junk
    # one of `folders`, perhaps, without the server's prefix
    named = {plain_name(one): one for one in account.mailbox.folders}
    return named.get(plain_name(junk), junk)
