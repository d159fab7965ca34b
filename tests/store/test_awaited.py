from __future__ import annotations

from datetime import timedelta

from gateway.store.awaited import (
    AWAITED_FOR,
    Awaited,
    await_copy,
    end_wait,
    find_awaited,
    forget,
    give_up,
)
from gateway.store.sqlite import Store
from tests.store.values import NOON

BOX, OTHER = "support@acme.example", "support@globex.example"


def put(store: Store, mailbox: str, message: str, *, days: int = 0) -> None:
    store.write_now(
        await_copy,
        mailbox=mailbox,
        message=message,
        message_id=f"<{message}@desk>",
        now=NOON - timedelta(days=days),
    )


def names(store: Store, mailbox: str = BOX) -> list[str]:
    return [one.message for one in store.read_now(find_awaited, mailbox)]


def test_copies_are_awaited_by_mailbox_the_newest_first(store: Store) -> None:
    for mailbox, message in ((BOX, "01"), (BOX, "02"), (OTHER, "03"), (BOX, "02")):
        put(store, mailbox, message)
    found = store.read_now(find_awaited, BOX)
    assert found == [Awaited(message=one, message_id=f"<{one}@desk>") for one in ("02", "01")]
    store.write_now(end_wait, BOX, "02")
    assert (names(store), names(store, OTHER)) == (["01"], ["03"])
    store.write_now(forget, BOX)
    assert (names(store), names(store, OTHER)) == ([], ["03"])


def test_a_copy_that_does_not_come_is_given_up(store: Store) -> None:
    put(store, BOX, "01", days=AWAITED_FOR.days)
    put(store, BOX, "02", days=AWAITED_FOR.days - 1)
    store.write_now(give_up, now=NOON)
    assert names(store) == ["02"]
