"""Whose turn it is to write, among the processes of one server."""

from __future__ import annotations

import fcntl
from pathlib import Path
from types import TracebackType


class Turn:
    """A lock beside the store's file: who waits for it is woken when it is free.

    SQLite lets a process that finds the file locked look again after pauses that grow to
    100 ms, in which a busier one writes group after group. The lock is the system's, so it
    ends with its process.
    """

    def __init__(self, store: Path) -> None:
        self._file = store.with_name(f"{store.name}-turn").open("w")

    def __enter__(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)
