"""Checkpoints: the log of what was committed is copied into the file, beside the commits.

SQLite would have the commit that makes the log too long do it, and every 250 behind that
one wait for 32 MB to be copied and synced.
"""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

from gateway import events
from gateway.net.concurrency import Pool
from gateway.store.turn import Turn

LONG_BYTES = 32 * 1024 * 1024
LOOK_SECONDS = 0.25
BUSY_SECONDS = 10.0


async def keep_log_short(path: Path) -> None:
    """Copy whenever the log of the store at `path` is long, until cancelled."""
    pool = Pool("checkpoint", threads=1)
    log = path.with_name(f"{path.name}-wal")
    try:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if log.stat().st_size < LONG_BYTES:
                continue
            try:
                await pool.run(checkpoint, path)
            except sqlite3.Error as error:  # such as a full disk: the log stays as it is
                events.task_failed(task="checkpoint", error=error)
    finally:
        pool.close()


def checkpoint(path: Path) -> None:
    """Copy the log into the file and begin it anew; raises sqlite3.Error.

    Most is copied while others write; only for the little that they added meanwhile do
    they wait.
    """
    db = sqlite3.connect(path, isolation_level=None, timeout=BUSY_SECONDS)
    try:
        db.execute("PRAGMA wal_checkpoint(PASSIVE)")
        with Turn(path):
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        db.close()
