"""What a report in a mailbox is about, and what comes of it: shared by its three kinds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.mail.delivery import Outgoing
from gateway.mail.inbound import Fetched
from gateway.mail.tenant import Tenant
from gateway.store.sent import Sent, find_sent
from gateway.store.sqlite import Db

FindOurs = Callable[[Db, str, str], str | None]
"""Returns the Message-ID that we know a tenant's mail by, for one that an upstream gave it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """The message that brings a report, and whose it is."""

    fetched: Fetched
    tenant: Tenant
    now: datetime
    find_ours: FindOurs


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of a report: our id of the mail, whom it is about, the events queued."""

    about: str | None = None
    recipients: tuple[str, ...] = ()
    told: tuple[Outgoing, ...] = ()


def find_reported(db: Db, ids: Sequence[str], arrival: Arrival) -> Sent | None:
    """Return the tenant's mail that a report names by its ids, or by an upstream's for it."""
    tenant = arrival.tenant.id
    for id_ in ids:
        for name in (id_, arrival.find_ours(db, tenant, id_)):
            if name and (sent := find_sent(db, tenant=tenant, message_id=name)):
                return sent
    return None
