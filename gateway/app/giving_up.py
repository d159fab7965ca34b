"""A person gives up on a message: what follows is what follows when its time is over."""

from __future__ import annotations

from datetime import datetime

from gateway.app.notices import Notices
from gateway.config import Settings
from gateway.delivery.outcome import Outcomes
from gateway.mail.delivery import Recorded
from gateway.store import tenants
from gateway.store.sqlite import Store


def give_up(settings: Settings, store: Store, name: str, *, now: datetime) -> Recorded:
    """Fail what waits of a message; a running server carries what follows from that.

    Raises Conflict when nothing waits, or when it is not a sender's.
    """
    find_tenant = store.read_now(tenants.load_all).get
    outcomes = Outcomes(
        find_tenant=find_tenant,
        hostname=settings.server.hostname,
        follow_ups=Notices(find_tenant).follow_ups,
    )
    return store.write_now(outcomes.give_up, name, now=now)
