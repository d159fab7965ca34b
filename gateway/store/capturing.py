"""Whether the gateway captures: what is accepted meanwhile never leaves the machine.

It is kept here and asked in the transaction that accepts a message, whichever process that
is. What is captured has lanes of a kind of its own, which a server that captures carries alone
and any other never: mail that waited before is not touched, and captured mail that still waits
does not leave later.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.mail.delivery import Lane, LaneKind
from gateway.store.sqlite import Db

CAPTURED = "it was accepted by gateway serve --capture, so it never leaves this machine"
CAPTURED_FIX = "gateway serve --capture takes it, gateway queue delete ID removes it"
WAITS = "gateway serve was started with --capture: nothing leaves this machine"
WAITS_FIX = "start gateway serve without --capture"


def set_capturing(db: Db, *, on: bool) -> None:
    """Say what a starting server does with what is accepted from now on."""
    db.execute("INSERT OR REPLACE INTO counters (name, value) VALUES ('capturing', ?)", (on,))


def is_capturing(db: Db) -> bool:
    """Whether the server captures, or did when it last ran."""
    row = db.execute("SELECT value FROM counters WHERE name = 'capturing'").fetchone()
    return bool(row and row[0])


def lane_now(db: Db, lane: Lane) -> Lane:
    """Return by which lane a message that is accepted now goes instead of by `lane`."""
    if lane.kind in (LaneKind.UPSTREAM, LaneKind.NONE) and is_capturing(db):
        return replace(lane, kind=LaneKind.CAPTURE)
    return lane
