"""Mail leaves by the upstream that its sender has: given late, or another one than before.

A person changes that at any moment: while mail waits, while it is being sent, and between the
judgement of a submission and its commit. So it is asked for in the transaction that accepts,
and a change of tenants moves what waits.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

from gateway.mail.delivery import Kind, Lane, LaneKind, Outgoing
from gateway.mail.tenant import Tenant, sender_keys
from gateway.store import journal
from gateway.store.sqlite import Db
from gateway.store.waiting import clocks, why_waiting

PERHAPS_SENT = timedelta(minutes=15)  # in which what was tried may still arrive by the other
OF_SENDERS = "lane_kind IN ('upstream', 'none', 'capture')"
WAITING = " UNION ".join(  # each state has an index of its own
    f"SELECT message, lane_kind, lane FROM delivery WHERE tenant = :tenant AND {OF_SENDERS}"
    f" AND state {states}"
    for states in ("IN ('queued', 'deferred', 'scheduled')", "= 'held'", "= 'claimed'")
)
WAITING_MAIL = f"FROM ({WAITING}) w JOIN message m ON m.id = w.message WHERE TRUE"
OF_AUTHOR = (
    "m.header_from = :header_from AND m.kind = :kind AND w.lane_kind = :lane_kind"
    " AND w.lane = :lane"
)


def lane_of_sender(db: Db, outgoing: Outgoing) -> Lane | None:
    """Return by which lane a submission leaves, as its sender is at this moment.

    None: its tenant was removed. That of other mail stays as it is, and where the sender is
    not there any more.
    """
    keys = sender_keys(outgoing.header_from)
    rows = db.execute(
        "SELECT i.name, json_extract(i.settings, '$.upstream') FROM tenants t"
        " LEFT JOIN tenant_items i ON i.tenant = t.id AND i.kind = 'sender'"
        " AND i.name IN (?, ?, ?) WHERE t.id = ?",
        (*keys, outgoing.tenant),
    ).fetchall()
    if not rows:
        return None
    found = dict(rows)
    key = next((one for one in keys if one in found), None)
    if key is None or outgoing.kind is not Kind.SUBMISSION:
        return outgoing.lane
    return _lane(outgoing.lane, found[key])


def follow_senders(db: Db, tenant: Tenant, *, now: datetime) -> dict[tuple[Lane, Lane], int]:
    """Have what waits leave by the upstream of its sender; return how many by (from, to).

    What is being sent goes on by the new one if it has to be tried again. What neither a
    helpdesk nor a mailbox of the tenant writes follows only where it has no way at all.
    """
    key = {"tenant": tenant.id}
    authors = db.execute(
        f"SELECT DISTINCT m.header_from, m.kind, w.lane_kind, w.lane {WAITING_MAIL}", key
    ).fetchall()
    moved: Counter[tuple[Lane, Lane]] = Counter()
    for header_from, kind, lane_kind, name in authors:
        before = Lane(tenant.id, LaneKind(lane_kind), name)
        upstream = _upstream_of(tenant, header_from, Kind(kind), has_way=bool(name))
        lane = _lane(before, upstream)
        if upstream not in tenant.upstreams or lane == before:
            continue
        where = {"header_from": header_from, "kind": kind, "lane_kind": lane_kind, "lane": name}
        ids = db.execute(f"SELECT m.id {WAITING_MAIL} AND {OF_AUTHOR}", key | where).fetchall()
        for (message,) in ids:
            moved[before, lane] += _move(db, message, before, lane, now=now)
    return dict(moved)


def _upstream_of(tenant: Tenant, author: str, kind: Kind, *, has_way: bool) -> str | None:
    """Return by which upstream an author's mail leaves now; None: it stays where it is.

    A mailbox's answers leave by its own upstream, else by that of its sender (design §12).
    """
    sender, mailbox = tenant.find_sender(author), tenant.mailboxes.get(author.casefold())
    of_sender = sender.upstream if sender else None
    if kind is Kind.SUBMISSION or not has_way:
        return of_sender
    if kind is not Kind.ANSWER or mailbox is None:
        return None
    return mailbox.upstream or of_sender


def _lane(before: Lane, upstream: str | None) -> Lane:
    """Return the lane of an upstream: what is captured stays so."""
    if before.kind is LaneKind.CAPTURE:
        return replace(before, name=upstream or "")
    kind = LaneKind.UPSTREAM if upstream else LaneKind.NONE
    return Lane(before.tenant, kind, upstream or "")


def _move(db: Db, message: str, before: Lane, lane: Lane, *, now: datetime) -> int:
    """What is queued is due, what was tried soon; what is held or scheduled stays so."""
    clock = clocks(db, lane, now=now)
    reason, fix = why_waiting(lane, "")
    changed = db.execute(
        "UPDATE delivery SET lane_kind = :kind, lane = :lane,"
        " reason = iif(state = 'queued', :reason, reason),"
        " fix = iif(state = 'queued', :fix, fix),"
        " sendable_seconds = sendable_seconds"
        " + iif(:sendable_since IS NULL, coalesce(max(0, :now - sendable_since), 0), 0),"
        " sendable_since = iif(:sendable_since IS NOT NULL AND state IN ('queued', 'deferred',"
        " 'claimed'), coalesce(sendable_since, :sendable_since), NULL),"
        " stalled_since = iif(:stalled_since IS NOT NULL AND state IN ('queued', 'deferred',"
        " 'claimed'), coalesce(stalled_since, :stalled_since), NULL),"
        " next_attempt_at = CASE state WHEN 'queued' THEN :now"
        " WHEN 'deferred' THEN min(next_attempt_at, :soon) ELSE next_attempt_at END"
        " WHERE message = :message AND lane_kind = :kind_before AND lane = :before"
        " AND finished_at IS NULL",
        {
            "kind": lane.kind.value, "lane": lane.name, "message": message, "reason": reason,
            "fix": fix, "sendable_since": clock.sendable_since,
            "stalled_since": clock.stalled_since, "now": now.timestamp(),
            "soon": (now + PERHAPS_SENT).timestamp(), "kind_before": before.kind.value,
            "before": before.name,
        },
    )  # fmt: skip
    journal.write(
        db, message, "delivery.moved", now=now, recipients=changed.rowcount,
        lane=f"{lane.kind}/{lane.name}", before=before.name or None,
    )  # fmt: skip
    return changed.rowcount
