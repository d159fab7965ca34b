"""What a state folder begins with is made by one process at a time, and whole."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.store.errors import NOT_OURS, StoreError


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
