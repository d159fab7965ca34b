from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from gateway.net.imap_values import Listed, Piece, listed_from, piece_from, with_prefix

CHINA = timezone(timedelta(hours=8))


def test_a_listed_message_has_its_date_in_utc_and_flags_as_text() -> None:
    item = {
        b"RFC822.SIZE": 77,
        b"INTERNALDATE": datetime(2026, 5, 4, 3, 2, 1, tzinfo=CHINA),
        b"FLAGS": (b"\\Seen", "\u91cd\u8981".encode("gbk")),
    }
    assert listed_from(5, item) == Listed(
        uid=5,
        size_bytes=77,
        internal_date=datetime(2026, 5, 3, 19, 2, 1, tzinfo=UTC),
        flags=frozenset({"\\Seen", "\u91cd\u8981"}),
    )


def test_what_was_not_given_is_none() -> None:
    assert listed_from(5, {}) == Listed(uid=5, size_bytes=None, internal_date=None)
    assert piece_from(None) is None
    assert piece_from({b"BODY[]": None}) is None


def test_a_body_may_come_as_a_piece() -> None:
    assert piece_from({b"SEQ": 1, b"BODY[]<1048576>": b"rest"}) == Piece(
        b"rest", is_whole=False
    )
    assert piece_from({b"SEQ": 1, b"body[]": b"all"}) == Piece(b"all", is_whole=True)
    assert piece_from({b"BODY[]<1048576>": None}) == Piece(b"", is_whole=False)


@pytest.mark.parametrize(
    ("folder", "prefixes", "full"),
    [
        ("Done", ("INBOX.",), "INBOX.Done"),
        ("INBOX.Done", ("INBOX.",), "INBOX.Done"),
        ("inbox", ("INBOX.",), "inbox"),
        ("shared.team", ("INBOX.", "shared."), "shared.team"),
        ("[Gmail]/Spam", ("",), "[Gmail]/Spam"),
        ("Done", (), "Done"),
    ],
)
def test_a_folder_lies_below_the_servers_prefix(
    folder: str, prefixes: tuple[str, ...], full: str
) -> None:
    assert with_prefix(folder, prefixes) == full
