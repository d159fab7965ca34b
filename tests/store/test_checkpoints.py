from __future__ import annotations

from pathlib import Path

from gateway.store import queue
from gateway.store.checkpoints import checkpoint
from gateway.store.sqlite import Store
from tests.store.values import NOON, outgoing


def test_the_log_is_copied_and_begun_anew_while_the_store_is_open(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    store = Store.open(path, shared=True)
    log = path.with_name("gateway.db-wal")
    accepted = outgoing()
    store.write_now(queue.accept, accepted, now=NOON)
    assert log.stat().st_size > 0
    checkpoint(path)
    assert log.stat().st_size == 0
    assert store.read_now(queue.content_of, accepted.id) == accepted.content
    store.write_now(queue.accept, outgoing(), now=NOON)
    assert log.stat().st_size > 0
    store.close()
