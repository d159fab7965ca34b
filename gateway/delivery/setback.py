"""What of a batch goes back unsent, and what of it is kept all the same.

Where a fault of ours breaks a try off, what the server took is recorded, alone: nothing is
sent twice because what follows from it, such as a bounce for another recipient, could not be
made. The rest is tried again after a while.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from gateway.mail.delivery import Batch, Decision, Result
from gateway.store import interrupted, lanes, queue
from gateway.store.sqlite import Db


def put_off(db: Db, batch: Batch, *, reason: str) -> None:
    """Give a batch back of which nothing was sent, and keep why its lane rests."""
    queue.give_back(db, batch)
    lanes.set_rest(db, batch.lane, reason=reason, fix="mend that; it is tried again by itself")


def set_back(
    db: Db, batch: Batch, results: Sequence[Result], *, perhaps: bool, now: datetime
) -> None:
    """Keep what was taken and have the rest wait; without results `perhaps` it was, too."""
    taken = [one for one in results if one.verdict.decision is Decision.DELIVERED]
    if results:
        perhaps = any(one.verdict.decision is Decision.UNKNOWN for one in results)
    queue.record(db, batch, taken, now=now)
    interrupted.set_back(db, batch, perhaps=perhaps, now=now)
