from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import cast

from gateway.mailbox.listing import LARGEST_BYTES, read_content
from gateway.net.imap import ImapRefused, ImapSession, Listed


def test_what_would_fill_our_memory_is_not_asked_for() -> None:
    listed = Listed(uid=1, size_bytes=LARGEST_BYTES + 1, internal_date=datetime.now(UTC))
    no_session = cast("ImapSession", None)
    refused = asyncio.run(read_content(no_session, listed))
    assert isinstance(refused, ImapRefused)
    assert refused.text == "157286401 bytes are too much to take in"
