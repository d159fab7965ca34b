"""The embedded store: one connection, one thread, group commit."""

from __future__ import annotations

import asyncio
import queue
import shutil
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeAlias, TypeGuard, TypeVar

from gateway import events
from gateway.store.begin import alone_in, connect
from gateway.store.errors import NOT_OURS, StoreError, StoreFull
from gateway.store.turn import Turn

P = ParamSpec("P")
T = TypeVar("T")
Db: TypeAlias = sqlite3.Connection

GROUP_CALLERS = 50
MARGIN_BYTES = 1024 * 1024  # for what is small, and must be written
GROUP_BYTES = 8 * 1024 * 1024
FAULTS_OF_THE_FILE = frozenset({
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_READONLY,
})  # fmt: skip
OF_SQLITE = (sqlite3.Error, MemoryError)  # the second is how it says SQLITE_NOMEM
FULL_AT = 0.9  # of [retention] max_bytes, and of what the disk has for us


@dataclass(slots=True)
class _Call:
    work: Callable[[Db], Any]
    future: Future[Any] | asyncio.Future[Any]
    writes: bool
    size_bytes: int = 0
    loop: asyncio.AbstractEventLoop | None = None  # of an asyncio future


class Store:
    """One open store; `write` and `read` run a function of this package in its thread."""

    def __init__(
        self, path: Path, *, keep_free: int, max_bytes: int | None, shared: bool
    ) -> None:
        self._path = path
        self._shared = shared
        self._turn: AbstractContextManager[None] = Turn(path) if shared else nullcontext()
        self._keep_free = keep_free
        self._max_bytes = max_bytes
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._full: str | None = None  # why there is no room for new mail
        self._room = 0  # bytes that are free on the disk, as of this group
        self._has_failed = False  # the last commit found no room: told once
        self._opened: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        keep_free: int = 0,
        max_bytes: int | None = None,
        shared: bool = False,
    ) -> Store:
        """Open or make the store at `path`; raises StoreError when it cannot be used.

        With less than `keep_free` bytes left on the disk, or with 90 % used of `max_bytes`
        or of what the disk has for us, `write_content` is refused by StoreFull while
        everything else can still be written. `shared` is for the processes of a server: they
        take turns, and leave the log to `checkpoints.keep_log_short`.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except (FileExistsError, NotADirectoryError) as error:
            raise StoreError(f"{path.parent}: is not a directory") from error
        store = cls(path, keep_free=keep_free, max_bytes=max_bytes, shared=shared)
        store._thread.start()
        store._opened.result()
        return store

    async def write(
        self,
        work: Callable[Concatenate[Db, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Return what `work` returns, once the commit that holds it is on disk.

        It runs in a savepoint of its own: what it raises undoes it alone, and is raised here.
        """
        bound = partial(_bound, work, args, kwargs)
        return await self._submit_and_wait(bound, writes=True, size_bytes=0)

    async def write_content(
        self,
        size_bytes: int,
        work: Callable[Concatenate[Db, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Like `write`, for `size_bytes` of new content; raises StoreFull without room."""
        bound = partial(_bound, work, args, kwargs)
        return await self._submit_and_wait(bound, writes=True, size_bytes=max(1, size_bytes))

    async def read(
        self, work: Callable[Concatenate[Db, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return what `work` returns, run on one state of the store, between two commits."""
        bound = partial(_bound, work, args, kwargs)
        return await self._submit_and_wait(bound, writes=False, size_bytes=0)

    async def why_full(self) -> str | None:
        """Return why there is no room for new mail at this moment, None when there is."""
        return await self.read(self._find_why_full)

    def write_now(
        self, work: Callable[Concatenate[Db, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """`write` for the command line: waits for the commit."""
        bound = partial(_bound, work, args, kwargs)
        return self._submit(bound, writes=True, size_bytes=0).result()

    def read_now(
        self, work: Callable[Concatenate[Db, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """`read` for the command line."""
        bound = partial(_bound, work, args, kwargs)
        return self._submit(bound, writes=False, size_bytes=0).result()

    def close(self) -> None:
        """Commit what was handed in, then close."""
        self._calls.put(None)
        self._thread.join()

    def _submit(self, work: Callable[[Db], T], *, writes: bool, size_bytes: int) -> Future[T]:
        future: Future[T] = Future()
        self._calls.put(_Call(work, future, writes, size_bytes))
        return future

    async def _submit_and_wait(
        self, work: Callable[[Db], T], *, writes: bool, size_bytes: int
    ) -> T:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._calls.put(_Call(work, future, writes, size_bytes, loop))
        return await future

    def _run(self) -> None:
        try:
            with alone_in(self._path.parent):  # two that begin it would be in each other's way
                db = connect(self._path)
            if self._shared:
                db.execute("PRAGMA wal_autocheckpoint=0")
        except (sqlite3.Error, OSError) as error:
            sentence = f"{self._path}: cannot be opened: {_cause(error)}"
            self._opened.set_exception(StoreError(sentence))
            return
        except Exception as error:  # noqa: BLE001 - raised by `open`
            self._opened.set_exception(error)
            return
        self._opened.set_result(None)
        while group := self._next_group():
            try:
                self._serve(db, group)
            except Exception as error:  # noqa: BLE001 - as of no memory: nobody waits for ever
                self._fail(db, group, error)
        with suppress(sqlite3.Error):
            db.execute("PRAGMA optimize")
        db.close()

    def _next_group(self) -> list[_Call]:
        group: list[_Call] = []
        size_bytes = 0
        call = self._calls.get()
        while call is not None:
            group.append(call)
            size_bytes += call.size_bytes
            if len(group) >= GROUP_CALLERS or size_bytes >= GROUP_BYTES:
                break
            try:
                call = self._calls.get_nowait()
            except queue.Empty:
                break
        else:
            if group:
                self._calls.put(None)  # close after this group
        return group

    def _serve(self, db: Db, group: list[_Call]) -> None:
        reads = [call for call in group if not call.writes]
        writes = [call for call in group if call.writes]
        if reads:
            _settle_all([(call, self._in_snapshot(db, call)) for call in reads])
        if writes:
            with self._turn:
                settled = self._commit(db, writes)
            _settle_all(settled)

    def _fail(self, db: Db, group: list[_Call], error: Exception) -> None:
        """Answer all that wait for a group that was broken off, and go on with the next."""
        with suppress(*OF_SQLITE):
            db.execute("ROLLBACK")
        failure = _as_store_error(error, self._path, what="nothing was read or written")
        _settle_all([(call, _Outcome(error=failure)) for call in group])

    def _commit(self, db: Db, calls: list[_Call]) -> list[tuple[_Call, _Outcome]]:
        try:
            if any(call.size_bytes for call in calls):
                self._look_for_room(db)
            db.execute("BEGIN IMMEDIATE")
            settled = [(call, self._in_savepoint(db, call)) for call in calls]
            db.execute("COMMIT")
        except (*OF_SQLITE, OSError) as error:
            with suppress(*OF_SQLITE):
                db.execute("ROLLBACK")
            return self._commit_alone(db, calls, error)
        self._has_failed = False
        return settled

    def _commit_alone(
        self, db: Db, calls: list[_Call], error: Exception
    ) -> list[tuple[_Call, _Outcome]]:
        """Give each caller of a group that failed a try of its own: a record of a few bytes
        does not fail with the large message that stood beside it."""
        if len(calls) > 1 and _code_of(error) != sqlite3.SQLITE_BUSY:
            return [one for call in calls for one in self._commit(db, [call])]
        failure = _as_store_error(error, self._path, what="not written")
        if isinstance(failure, StoreFull):
            self._give_room_back(db)
            if not self._has_failed:
                events.store_full(reason=str(error))
            self._has_failed = True
        return [(call, _Outcome(error=failure)) for call in calls]

    def _give_room_back(self, db: Db) -> None:
        """What did not fit has made the log beside the file longer, and that stays so."""
        with suppress(sqlite3.Error):
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _in_savepoint(self, db: Db, call: _Call) -> _Outcome:
        if call.size_bytes and (reason := self._full or self._why_too_large(call)):
            return _Outcome(error=StoreFull(reason))
        db.execute("SAVEPOINT caller")
        outcome = _try(call.work, db)
        if _is_of_store(outcome.error):
            raise outcome.error
        if outcome.error is not None:
            db.execute("ROLLBACK TO caller")
        db.execute("RELEASE caller")
        return outcome

    def _why_too_large(self, call: _Call) -> str | None:
        """Content is written twice, to the log and to the file: what does not fit in the
        middle of a commit leaves a log that is longer, and no room for anybody."""
        left = self._room - 2 * call.size_bytes
        if left < MARGIN_BYTES:
            return "it does not fit on the disk any more"
        self._room = left
        return None

    def _in_snapshot(self, db: Db, call: _Call) -> _Outcome:
        """Run a read on one state of the file, whatever other processes commit meanwhile."""
        try:
            db.execute("BEGIN")
            outcome = _try(call.work, db)
            db.execute("COMMIT")
        except OF_SQLITE as error:
            outcome = _Outcome(error=error)
        if _is_of_store(outcome.error):
            with suppress(*OF_SQLITE):
                db.execute("ROLLBACK")
            return _Outcome(error=_as_store_error(outcome.error, self._path, what="not read"))
        return outcome

    def _look_for_room(self, db: Db) -> None:
        reason = self._find_why_full(db)
        if reason and not self._full:
            events.store_full(reason=reason)
        self._full = reason

    def _find_why_full(self, db: Db) -> str | None:
        self._room = shutil.disk_usage(self._path.parent).free
        return self._why_full(_used_bytes(db), self._room)

    def _why_full(self, used: int, free: int) -> str | None:
        if free < self._keep_free:
            return "less than [storage] keep_free is left on the disk"
        if self._max_bytes is not None and used >= FULL_AT * self._max_bytes:
            return "90 % of [retention] max_bytes is used"
        if used >= FULL_AT * (used + free):
            return "90 % of what the disk has for the store is used"
        return None


@dataclass(slots=True)
class _Outcome:
    value: Any = None
    error: BaseException | None = None


def _bound(work: Callable[..., T], args: Any, kwargs: Any, db: Db) -> T:
    return work(db, *args, **kwargs)


def _try(work: Callable[[Db], Any], db: Db) -> _Outcome:
    try:
        return _Outcome(value=work(db))
    except Exception as error:  # noqa: BLE001 - it is the caller's, who waits for it
        return _Outcome(error=error)


def _settle_all(settled: list[tuple[_Call, _Outcome]]) -> None:
    """Answer a whole group; a loop is woken once for all of its callers."""
    by_loop: dict[asyncio.AbstractEventLoop | None, list[tuple[_Call, _Outcome]]] = {}
    for call, outcome in settled:
        by_loop.setdefault(call.loop, []).append((call, outcome))
    for loop, group in by_loop.items():
        if loop is None:
            _settle(group)
            continue
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, group)


def _settle(group: list[tuple[_Call, _Outcome]]) -> None:
    for call, outcome in group:
        if call.future.done():  # its caller has gone
            continue
        if outcome.error is not None:
            call.future.set_exception(outcome.error)
        else:
            call.future.set_result(outcome.value)


def _used_bytes(db: Db) -> int:
    """Return how much of the file holds something: free pages take new mail."""
    pages, unused, size_bytes = (
        db.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - unused) * size_bytes)


def _is_of_store(error: BaseException | None) -> TypeGuard[sqlite3.Error | MemoryError]:
    """Whether the file failed, or memory, not what was asked of it: of a full disk SQLite may
    have undone the whole transaction already."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, sqlite3.Error) and _code_of(error) in FAULTS_OF_THE_FILE


def _as_store_error(error: Exception, path: Path, *, what: str) -> StoreError:
    sentence = f"{path}: {what}: {str(error) or type(error).__name__}"
    made = StoreFull(sentence) if _is_full(error) else StoreError(sentence)
    made.__cause__ = error
    return made


def _is_full(error: Exception) -> bool:
    return _code_of(error) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)


def _code_of(error: Exception) -> int:
    """Return the primary result code: the upper bits tell which call it was."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _cause(error: Exception) -> str:
    return NOT_OURS if isinstance(error, PermissionError) else str(error)
