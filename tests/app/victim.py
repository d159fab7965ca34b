"""A process that brings fetched mail to its end, and dies of judging what says POISON.

    victim.py DIRECTORY

It ends when nothing is left to do.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from gateway.actions.notice import NoticePath
from gateway.actions.perform import Judged, Neighbours, Performer
from gateway.app.working import Work
from gateway.config import AnswerSettings
from gateway.mail.inbound import Authenticity, Fetched
from gateway.mail.plan import Effect, EffectKind, Plan
from gateway.net.concurrency import spawn, stop_tasks
from gateway.store import inbox
from gateway.store.sqlite import Store
from tests.actions.occasions import ACME, NOON, PROOF, WAY, mark

KEEP = Effect(kind=EffectKind.STORE, target="INBOX")


async def authenticate(_: Fetched) -> Authenticity:
    return PROOF


async def judge(fetched: Fetched, _: Authenticity) -> Judged:
    if b"POISON" in fetched.content:
        os._exit(66)
    return Judged(plan=Plan(effects=(KEEP,), version="v1"))


async def work(store: Store) -> None:
    near = Neighbours(
        tenants=lambda: {"acme": ACME},
        authenticate=authenticate,
        judge=judge,
        way_for=lambda *_: WAY,
        mark=mark,
        learn=lambda *_: None,
        find_ours=lambda *_: None,
        now=lambda: NOON,
    )
    performer = Performer(store, near, answers=AnswerSettings(), notices=NoticePath())
    done = asyncio.Event()
    working = Work(store, performer.perform, queued=done.set, now=lambda: NOON)
    task = spawn(working.run(), name="work")
    while await store.read(inbox.unfinished):
        await done.wait()
        done.clear()
    await stop_tasks([task])


if __name__ == "__main__":
    opened = Store.open(Path(sys.argv[1]) / "gateway.db")
    asyncio.run(work(opened))
    opened.close()
