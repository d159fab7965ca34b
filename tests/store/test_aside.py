from __future__ import annotations

import pytest

from gateway.mail.ids import new_id
from gateway.mail.inbound import Fetched
from gateway.store import aside, books, folders, inbox
from gateway.store.sqlite import Store
from tests.store.values import CONTENT, NOON

BOX = "shop@163.com"


def set_aside(store: Store, *, uid: int, content: bytes = CONTENT) -> str:
    fetched = Fetched(
        id=new_id(),
        tenant="acme",
        mailbox=BOX,
        folder="INBOX",
        uidvalidity=1,
        uid=uid,
        internal_date=NOON,
        content=content,
    )
    store.write_now(inbox.set_aside, fetched, error="too odd", now=NOON)
    return fetched.id


def test_a_replayed_message_is_judged_again_as_backfill_and_the_books_balance(
    store: Store,
) -> None:
    id_ = set_aside(store, uid=1)
    assert store.read_now(aside.of_mailbox, BOX) == [id_]
    assert store.write_now(aside.replay, id_, now=NOON)
    again = store.read_now(inbox.load, id_)
    assert again is not None
    assert (again.state, again.outcome, again.fetched.backfill) == ("fetched", None, True)
    page = store.read_now(books.inbound)
    assert (page.set_aside, page.waiting, page.difference) == (0, 1, 0)
    assert not store.write_now(aside.replay, id_, now=NOON)


@pytest.mark.parametrize(("uidvalidity", "still_open"), [(1, {7}), (2, set())])
def test_one_without_bytes_is_fetched_again_where_its_uid_is_still_its_own(
    store: Store, uidvalidity: int, still_open: set[int]
) -> None:
    at = store.write_now(
        folders.start_folder, mailbox=BOX, folder="INBOX", uidvalidity=uidvalidity,
        baseline_uid=0, now=NOON,
    )  # fmt: skip
    id_ = set_aside(store, uid=7, content=b"")
    assert store.write_now(aside.replay, id_, now=NOON)
    assert store.read_now(folders.open_uids, at) == still_open
    assert store.read_now(inbox.load, id_) is None
    page = store.read_now(books.inbound)
    assert (page.fetched, page.set_aside, page.difference) == (0, 0, 0)
