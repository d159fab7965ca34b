from __future__ import annotations

import threading
from pathlib import Path

from gateway.store import queue
from gateway.store.sqlite import Store
from gateway.store.turn import Turn
from tests.store.values import NOON, outgoing


def test_a_commit_waits_for_its_turn(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    store, other = Store.open(path, shared=True), Store.open(path)
    accepted = outgoing()
    written = threading.Event()

    def write() -> None:
        store.write_now(queue.accept, accepted, now=NOON)
        written.set()

    with Turn(path):
        writer = threading.Thread(target=write)
        writer.start()
        assert other.read_now(queue.content_of, accepted.id) is None
        assert not written.is_set()
    writer.join(30)
    assert written.is_set()
    assert store.read_now(queue.content_of, accepted.id) == accepted.content
    store.close()
    other.close()
