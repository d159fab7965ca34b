from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from twisted.mail.imap4 import MessageSet, ReadOnlyMailbox

from gateway.sandbox.folders import Folder, Opened, parse_internal_date


def test_uids_only_grow() -> None:
    folder = Folder(1)
    folder.add(b"a")
    folder.remove(folder.letters, by=None)
    assert folder.add(b"b") == 2


def test_expunged_numbers_follow_each_other() -> None:
    """RFC 9051 §7.5.1: each EXPUNGE counts from what the last one left."""
    folder = Folder(1)
    for content in (b"a", b"b", b"c"):
        folder.add(content)
    first, second, _ = folder.letters
    assert folder.remove([first, second], by=None) == [1, 1]


def test_a_range_to_the_star_names_the_last_letter_at_least() -> None:
    folder = Folder(1)
    folder.add(b"a")
    library: Any = MessageSet  # it has no annotations
    found = folder.select(library(100, None), by_uid=True)
    assert [letter.content for _, letter in found] == [b"a"]


def test_an_examined_folder_cannot_be_changed() -> None:
    opened = Opened(Folder(1), writable=False)
    with pytest.raises(ReadOnlyMailbox):
        opened.expunge()


def test_append_dates_keep_their_zone() -> None:
    at = parse_internal_date(b" 1-Feb-2026 10:00:00 +0200")
    assert at == datetime(2026, 2, 1, 8, tzinfo=UTC)
    assert at.utcoffset() == timedelta(hours=2)
