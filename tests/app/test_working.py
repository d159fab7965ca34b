"""Fetched mail is brought to its end, and one that ends the process takes nobody along."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from gateway.app.working import Work
from gateway.net.concurrency import spawn, stop_tasks
from gateway.sieve.interface import CompileError
from gateway.store import inbox
from gateway.store.errors import Conflict, StoreError
from gateway.store.sqlite import Store
from tests.actions.occasions import NOON, fetched, mail

SUBJECTS = ("one", "POISON", "three", "four", "five", "six")


def test_a_mail_that_ends_the_process_is_held_and_those_beside_it_are_not(
    tmp_path: Path,
) -> None:
    """Some are judged beside it and die with it; it is held after three lives, alone."""
    with_mail(tmp_path)
    victim = [sys.executable, str(Path(__file__).with_name("victim.py")), str(tmp_path)]
    lives = [subprocess.run(victim, check=False, timeout=60).returncode for _ in range(4)]
    assert lives == [66, 66, 66, 0]
    store = Store.open(tmp_path / "gateway.db")
    ended = [store.read_now(inbox.load, id_of(at)) for at in range(len(SUBJECTS))]
    store.close()
    outcomes = [one.outcome for one in ended if one is not None]
    assert outcomes == ["routed", "held", "routed", "routed", "routed", "routed"]


@pytest.mark.parametrize("fault", [None, StoreError("full"), CompileError([])])
def test_a_try_that_we_cut_short_does_not_count(
    tmp_path: Path, fault: Exception | None
) -> None:
    """An orderly stop, a full disk, a broken policy: however often, no mail is held for it."""

    async def life(store: Store) -> None:
        begun = asyncio.Event()

        async def perform(id_: str) -> None:
            await store.write(inbox.begin_try, id_)
            begun.set()
            if fault is not None:
                raise fault
            await asyncio.Event().wait()

        work = Work(store, perform, queued=begun.set, now=lambda: NOON)
        task = spawn(work.run(), name="work")
        await begun.wait()
        await stop_tasks([task])
        await work.stop()

    assert begun_after(life, tmp_path) == [False] * len(SUBJECTS)


def test_a_fault_that_a_mail_brings_out_counts(tmp_path: Path) -> None:
    """Else it would be tried for ever, and no person asked."""

    async def life(store: Store) -> None:
        async def perform(id_: str) -> None:
            await store.write(inbox.begin_try, id_)
            raise Conflict("what it asks for goes against what is there")

        work = Work(store, perform, queued=lambda: None, now=lambda: NOON)
        for at in range(len(SUBJECTS)):
            await work._bring_to_its_end(id_of(at))

    assert begun_after(life, tmp_path) == [True] * len(SUBJECTS)


def begun_after(
    life: Callable[[Store], Coroutine[Any, Any, None]], directory: Path
) -> list[bool]:
    """Return of each mail that is left whether a try of it counts."""
    with_mail(directory)
    store = Store.open(directory / "gateway.db")
    asyncio.run(life(store))
    left = store.read_now(inbox.unfinished)
    store.close()
    return [one.was_begun for one in left]


def with_mail(directory: Path) -> None:
    store = Store.open(directory / "gateway.db")
    for at, subject in enumerate(SUBJECTS):
        one = fetched(mail(Subject=subject), id=id_of(at), uid=at + 1)
        store.write_now(inbox.store_fetched, one, now=NOON)
    store.close()


def id_of(at: int) -> str:
    return f"01ARZ3NDEKTSV4RR{at:02}"
