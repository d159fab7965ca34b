from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.mail.ids import new_id
from gateway.store import people, queue, retention
from gateway.store.errors import StoreError, StoreFull
from gateway.store.sqlite import Db, Store
from tests.store.values import CONTENT, LANE, NOON, outgoing

FAR = NOON + timedelta(days=10_000)

ACCEPT_FOR_EVER = """
import asyncio, sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from gateway.store.sqlite import Store
from gateway.store import queue
from tests.store.values import NOON, outgoing

async def main():
    store = Store.open(Path(sys.argv[1]))
    async def session():
        while True:
            print(await store.write(queue.accept, outgoing(), now=NOON), flush=True)
    await asyncio.gather(*(session() for _ in range(20)))

asyncio.run(main())
"""


def test_a_copy_that_is_made_meanwhile_is_whole(tmp_path: Path) -> None:
    """As README tells how to back up: what was promised a moment ago is in the log still."""
    store, copied = Store.open(tmp_path / "gateway.db"), tmp_path / "copy.db"
    id_ = store.write_now(queue.accept, outgoing(), now=NOON)
    assert (tmp_path / "gateway.db-wal").stat().st_size
    words = ["-m", "sqlite_utils", str(tmp_path / "gateway.db"), f"vacuum into '{copied}'"]
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    store.close()
    copy = Store.open(copied)
    found = copy.read_now(people.entry, id_)
    copy.close()
    assert found is not None


def test_a_first_start_that_came_no_further_than_the_file_is_a_first_start(
    tmp_path: Path,
) -> None:
    path = tmp_path / "gateway.db"
    path.touch(mode=0o644)
    store = Store.open(path)
    assert store.read_now(lambda db: db.execute("PRAGMA auto_vacuum").fetchone()) == (2,)
    assert path.stat().st_mode & 0o777 == 0o600
    store.close()


def test_every_id_that_was_printed_survives_sigkill(tmp_path: Path) -> None:
    """250 is a promise: what `write` returned is on disk (RFC 5321 §6.1)."""
    path = tmp_path / "gateway.db"
    root = Path(__file__).parents[2]
    promised: set[str] = set()
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", ACCEPT_FOR_EVER, str(path)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=root,
            env=os.environ | {"PYTHONPATH": str(root)},
        ) as process:
            assert process.stdout is not None
            promised.update(process.stdout.readline().strip() for _ in range(300))
            process.send_signal(signal.SIGKILL)
            promised.update(line.strip() for line in process.stdout if line.endswith("\n"))
    store = Store.open(path)
    kept = {one.id for one in store.read_now(people.entries, limit=1_000_000)}
    store.close()
    assert promised
    assert promised <= kept


def test_one_callers_failure_is_its_own(store: Store) -> None:
    def refuse(db: Db) -> None:
        db.execute("INSERT INTO counters VALUES ('half', 1)")
        raise ValueError("no")

    async def both() -> tuple[object, object]:
        good = store.write(queue.accept, outgoing(), now=NOON)
        bad = store.write(refuse)
        return await asyncio.gather(good, bad, return_exceptions=True)

    accepted, refused = asyncio.run(both())
    assert isinstance(accepted, str)
    assert isinstance(refused, ValueError)
    assert store.read_now(lambda db: db.execute("SELECT * FROM counters").fetchall()) == []


def test_a_small_record_is_kept_beside_a_message_that_finds_no_room(tmp_path: Path) -> None:
    """Both wait for one commit: the disk fills up in the middle of it."""
    store = Store.open(tmp_path / "gateway.db")
    large = outgoing(content=CONTENT + b"x" * 1_000_000)

    def bound_file(db: Db) -> None:
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count = {pages + 20}")

    async def both() -> list[object]:
        await store.read(bound_file)
        gate = store.read(lambda _: None)  # so that what follows is one group
        writes = [
            store.write(queue.accept, large, now=NOON),
            store.write(queue.accept, outgoing(), now=NOON),
        ]
        return list(await asyncio.gather(gate, *writes, return_exceptions=True))

    _, refused, accepted = asyncio.run(both())
    assert isinstance(refused, StoreFull)
    assert isinstance(accepted, str)
    assert [one.id for one in store.read_now(people.entries)] == [accepted]
    store.close()


def test_a_fault_in_what_was_asked_is_not_one_of_the_file(store: Store) -> None:
    for ask in (store.read_now, store.write_now):
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            ask(lambda db: db.execute("SELECT 1 FROM nowhere"))
    assert store.read_now(people.entries) == []


def test_new_content_is_refused_when_the_disk_has_less_than_keep_free(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "gateway.db", keep_free=1 << 60)

    async def accept() -> None:
        await store.write_content(len(CONTENT), queue.accept, outgoing(lane=LANE), now=NOON)

    with pytest.raises(StoreFull):
        asyncio.run(accept())
    store.write_now(queue.accept, outgoing(), now=NOON)
    assert len(store.read_now(people.entries)) == 1
    store.close()


def test_a_file_that_is_no_store_is_refused_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    path.write_bytes(
        b"this is not a database, it is a letter to a friend, longer than a page" * 99
    )
    with pytest.raises(StoreError, match=r"gateway\.db: cannot be opened"):
        Store.open(path)


def test_a_state_that_is_no_directory_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(StoreError, match="state: is not a directory"):
        Store.open(tmp_path / "state" / "gateway.db")


def test_the_file_is_readable_by_its_owner_alone(store: Store, tmp_path: Path) -> None:
    assert (tmp_path / "gateway.db").stat().st_mode & 0o077 == 0


def test_new_content_is_refused_at_90_percent_and_the_journal_is_still_written(
    tmp_path: Path,
) -> None:
    limit = 4_000_000
    store = Store.open(tmp_path / "gateway.db", max_bytes=limit)
    large = outgoing(content=CONTENT + b"x" * 1_000_000)

    async def accept() -> str:
        letter = replace(large, id=new_id())
        return await store.write_content(1_000_000, queue.accept, letter, now=NOON)

    kept = [asyncio.run(accept()) for _ in range(4)]
    with pytest.raises(StoreFull, match="max_bytes"):
        asyncio.run(accept())
    store.write_now(people.delete, kept[0], now=NOON)
    store.write_now(retention.remove_contents, after="", sent_before=FAR, received_before=FAR)
    assert asyncio.run(accept())
    store.close()


def test_without_memory_every_call_is_answered(tmp_path: Path) -> None:
    """The thread ended, and whoever asked it waited for ever: sessions, workers, `/readyz`."""
    starved = [sys.executable, str(Path(__file__).with_name("starved.py")), str(tmp_path)]
    done = subprocess.run(starved, check=True, timeout=60, capture_output=True, text=True)
    assert done.stdout.count("MemoryError") == 3
