"""A session signed in to one mailbox, with its first folder open."""

from __future__ import annotations

from gateway.mailbox.account import Account, find_junk
from gateway.net.imap import Folder, ImapRefused, ImapSession


async def open_mailbox(
    session: ImapSession, account: Account, secret: str, *, says_id: bool
) -> Folder | ImapRefused:
    """Sign in and prove it by SELECT: some providers refuse only there.

    Raises Unreachable.
    """
    if refused := await session.login(account.username, secret):
        return refused
    refused = await session.identify(always=says_id)
    if refused is not None and refused.code == "BYE":
        return refused  # another answer to ID does not matter
    return await session.select(account.mailbox.folders[0])


async def watched_folders(
    session: ImapSession, account: Account
) -> tuple[list[str], str | None]:
    """Return the folders that mail is fetched from, and which of them holds junk."""
    junk = None
    if account.mailbox.junk != "off":
        listed = await session.folders()
        junk = None if isinstance(listed, ImapRefused) else find_junk(listed, account.provider)
    names = [*account.mailbox.folders, *([junk] if junk else [])]
    return list(dict.fromkeys(names)), junk
