from datetime import UTC, datetime
from typing import Any

import pytest
from twisted.mail.imap4 import IllegalQueryError

from gateway.sandbox.folders import Letter
from gateway.sandbox.search import find_letters

LETTERS = [
    Letter(11, b"Subject: Order\r\n\r\nred", datetime(2026, 2, 1, 23, tzinfo=UTC), {"\\Seen"}),
    Letter(12, b"Message-ID: <1@a>\r\n\r\nblue", datetime(2026, 2, 2, tzinfo=UTC)),
    Letter(
        15, b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\n", datetime(2026, 2, 3, tzinfo=UTC)
    ),
]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ([b"ALL"], [1, 2, 3]),
        ([b"UID", b"12:*"], [2, 3]),
        ([b"UID", b"99:*"], [3]),
        ([b"2:3"], [2, 3]),
        ([b"SEEN"], [1]),
        ([b"UNSEEN", b"NOT", b"UID", b"15"], [2]),
        ([b"OR", b"UID", b"11", b"UID", b"15"], [1, 3]),
        ([[b"UNSEEN"], b"SUBJECT", "grüsse".encode()], [3]),
        ([b"HEADER", b"Message-ID", b"<1@a>"], [2]),
        ([b"SINCE", b"2-Feb-2026"], [2, 3]),
        ([b"BEFORE", b"2-Feb-2026"], [1]),
        ([b"ON", b"2-Feb-2026"], [2]),
        ([b"TEXT", b"RED"], [1]),
    ],
)
def test_keys_are_joined_by_and(query: list[Any], found: list[int]) -> None:
    assert find_letters(query, LETTERS) == found


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(IllegalQueryError):
        find_letters([b"COLOUR"], LETTERS)
