"""A process whose SQLite is out of memory: each call of its store must be answered.

    starved.py DIRECTORY

The limit holds for the whole process, and is never lifted.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from gateway.store.errors import StoreError
from gateway.store.sqlite import Db, Store


def starve(db: Db) -> None:
    db.execute("PRAGMA hard_heap_limit=1").fetchall()


def count(db: Db) -> None:
    db.execute("INSERT OR REPLACE INTO counters (name, value) VALUES ('a', 1)")


if __name__ == "__main__":
    store = Store.open(Path(sys.argv[1]) / "gateway.db")
    with suppress(StoreError):
        store.read_now(starve)
    for call in (store.write_now, store.read_now, store.write_now):
        try:
            call(count)
        except StoreError as error:
            print(error)
    sys.stdout.flush()
    os._exit(0)
