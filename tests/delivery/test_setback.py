from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.delivery.setback import set_back
from gateway.store import interrupted, queue
from gateway.store.sqlite import Store
from tests.store.test_queue import claim
from tests.store.values import NOON, outgoing

MINUTE = timedelta(minutes=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "gateway.db")
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("perhaps", "rests"),
    [(False, [1, 2, 4, 8, 16, 32, 60, 60]), (True, [15, 15, 15, 15, 16, 32, 60, 60])],
)
def test_what_a_fault_of_ours_keeps_back_rests_ever_longer(
    store: Store, perhaps: bool, rests: list[int]
) -> None:
    """What was perhaps delivered rests for a quarter of an hour at least."""
    store.write_now(queue.accept, outgoing(), now=NOON)
    now = NOON
    for minutes in rests:
        (batch,) = claim(store, now=now)
        store.write_now(set_back, batch, [], perhaps=perhaps, now=now)
        now += minutes * MINUTE
        assert claim(store, now=now - timedelta(seconds=1)) == []


def test_a_token_that_is_not_current_sets_nothing_back(store: Store) -> None:
    store.write_now(queue.accept, outgoing(), now=NOON)
    (batch,) = claim(store)
    store.write_now(interrupted.take_back, owner_prefix="node/", now=NOON)
    store.write_now(set_back, batch, [], perhaps=True, now=NOON)
    assert len(claim(store)) == 1
