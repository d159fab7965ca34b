"""What a state folder begins with is made by one process at a time, and whole."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlite_utils import Database

from gateway.store.errors import NOT_OURS, StoreError
from gateway.store.schema import migrate

BUSY_SECONDS = 30  # another process of ours may hold the write lock for one group


@contextmanager
def alone_in(folder: Path) -> Iterator[int]:
    """Let nobody else make or replace files of ours in `folder` meanwhile.

    Yields the folder's descriptor; raises StoreError. The lock is the folder's own, so it
    leaves no file behind and ends with its process.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError as error:
        raise StoreError(f"{folder}: cannot be opened: {NOT_OURS}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)  # and the lock with it


def connect(path: Path) -> sqlite3.Connection:
    """Open or make the store's file, with the schema of this release; raises sqlite3.Error."""
    is_begun = path.exists() and path.stat().st_size > 0  # else a process came no further
    connection = sqlite3.connect(
        path, isolation_level=None, timeout=BUSY_SECONDS, cached_statements=256
    )
    if not is_begun:
        _protect(path)
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA cache_size=-32768")  # KiB
    # a checkpoint copies and syncs: every 32 MB, so that few commits have to wait for one
    connection.execute("PRAGMA wal_autocheckpoint=8000")  # pages
    connection.execute("PRAGMA journal_size_limit=67108864")
    connection.execute("PRAGMA temp_store=MEMORY")
    migrate(Database(connection))
    return connection


def _protect(path: Path) -> None:
    """Make the file its folder's owner's alone: root may type a verb before the first start."""
    path.chmod(0o600)
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
