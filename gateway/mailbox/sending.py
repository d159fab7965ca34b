"""What is known of a mailbox's account as one that sends: pure.

Reading and sending take the same code, and either may be refused alone: IMAP may go on for
days where SMTP was switched off.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from gateway.mail.delivery import Lane, LaneKind
from gateway.mail.tenant import Mailbox, Tenant
from gateway.mailbox.health import PROBE_DEAD_EVERY, REFUSALS_TO_DIE
from gateway.store.lanes import LaneState


def refused_lane_of(
    tenant: Tenant, mailbox: Mailbox, refused: Mapping[Lane, LaneState]
) -> LaneState | None:
    """Return the lane that signs in by the mailbox's code, where that is refused."""
    if not refused:
        return None
    leaning = [one.name for one in tenant.upstreams.values() if one.mailbox == mailbox.address]
    for name in (mailbox.address, *leaning):
        lane = refused.get(Lane(tenant.id, LaneKind.UPSTREAM, name))
        if lane is not None:
            return lane
    return None


def died_at(lane: LaneState | None, *, dead_after: timedelta, now: datetime) -> datetime | None:
    """Return when the account behind a refused lane died; None while it is not dead.

    It takes what reading takes: three refusals over `dead_after`. Where it is tried again in
    a day at the earliest, only a person can mend it, and one is proof enough.
    """
    if lane is None or lane.since is None:
        return None
    is_far = lane.until is None or lane.until - lane.since >= PROBE_DEAD_EVERY
    at = lane.since + dead_after
    return at if (lane.refusals >= REFUSALS_TO_DIE or is_far) and at <= now else None


def say_refused(lane: LaneState | None) -> str:
    """Return in a sentence that nothing leaves by the account."""
    said = (lane.reason if lane else None) or "the sign-in is refused"
    return f"Sending is refused: {said}"
