from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import cast

import pytest

from gateway.mailbox.listing import (
    LARGEST_BYTES,
    MOST_HEADER_BYTES,
    MOST_HEADER_LINES,
    find_excess,
    read_content,
)
from gateway.net.imap import ImapRefused, ImapSession, Listed


def test_what_would_fill_our_memory_is_not_asked_for() -> None:
    listed = Listed(uid=1, size_bytes=LARGEST_BYTES + 1, internal_date=datetime.now(UTC))
    no_session = cast("ImapSession", None)
    refused = asyncio.run(read_content(no_session, listed))
    assert isinstance(refused, ImapRefused)
    assert refused.text == "157286401 bytes are too much to take in"


def test_a_header_that_no_letter_has_is_not_read() -> None:
    long, many = b"a: " + b"x" * MOST_HEADER_BYTES, b"a:\r\n" * (MOST_HEADER_LINES + 2)
    assert find_excess(long) == "its header has more than 4194304 bytes, as no letter's"
    assert find_excess(many) == "its header has 100002 lines, as no letter's"


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_a_body_is_as_long_as_it_likes_whatever_ends_its_lines(end: bytes) -> None:
    body = (b"x" * 70 + end) * (MOST_HEADER_LINES + 2)
    assert find_excess(b"a: b" + end + end + body) is None
