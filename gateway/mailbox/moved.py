"""A mail that a person moved, or that lies in two watched folders, is fetched once.

A move gives it another UID, and keeps its bytes and INTERNALDATE (RFC 9051 §6.6.2).
"""

from __future__ import annotations

from gateway.mail.inbound import Fetched
from gateway.net.imap import ImapRefused, ImapSession
from gateway.store import folders
from gateway.store.sqlite import Store


async def find_earlier(
    session: ImapSession, store: Store, fetched: Fetched
) -> str | ImapRefused | None:
    """Return the id under which we have the mail in `fetched` already, or None.

    In the folder that is open it may have come twice, to the second: then only one whose UID
    is gone was moved. Junk that was held, and that a person moved out, is a mail to hand on.
    Raises Unreachable.
    """
    for copy in await store.read(folders.copies_of, fetched):
        if copy.junk and copy.is_held and not fetched.junk:
            continue
        if copy.folder != fetched.folder:
            return copy.message
        if copy.uidvalidity != fetched.uidvalidity:
            continue  # `renumbering` has told what is new
        listed = await session.messages_above(max(0, copy.uid - 1), sizes=False)
        if isinstance(listed, ImapRefused):
            return listed
        if all(one.uid != copy.uid for one in listed):
            return copy.message
    return None
