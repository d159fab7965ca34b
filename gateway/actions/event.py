"""What happened, told to a tenant's webhooks: `{"type", "timestamp", "data"}`.

Events go to the hooks that name them; a tenant without hooks gets them all at its default
webhook route, beside the mail. They are queued in the transaction of what they tell.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from gateway.mail.address import Address
from gateway.mail.delivery import Kind, Lane, LaneKind, Outgoing
from gateway.mail.envelope import Envelope, Recipient
from gateway.mail.ids import new_id
from gateway.mail.tenant import Tenant

IDS = ("message_id", "in_reply_to")


def write_event(
    tenant: Tenant,
    type_: str,
    data: dict[str, Any],
    *,
    now: datetime,
    origin: str | None = None,
) -> list[Outgoing]:
    """Return the event for each webhook of the tenant that wants it; often none.

    `origin` is the id of the message that it is about.
    """
    body = event_body(type_, data, at=now)
    return [
        Outgoing(
            id=new_id(),
            tenant=tenant.id,
            lane=lane,
            kind=Kind.EVENT,
            envelope=Envelope(return_path=None, recipients=(webhook_recipient(url),)),
            content=body,
            message_id="",
            header_from="",
            origin=origin,
        )
        for lane, url in find_listeners(tenant, type_)
    ]


def event_body(type_: str, data: dict[str, Any], *, at: datetime) -> bytes:
    """Return the JSON of an event; `at` is when it happened, not when it is sent.

    An id that the mail does not have is null.
    """
    ids = {name: data[name] or None for name in IDS if name in data}
    body = {"type": type_, "timestamp": iso(at), "data": data | ids}
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def find_listeners(tenant: Tenant, type_: str) -> list[tuple[Lane, str]]:
    """Return lane and URL of each webhook that is told of events of this type."""
    if tenant.hooks:
        return [
            (Lane(tenant.id, LaneKind.HOOK, hook.name), hook.url)
            for hook in tenant.hooks.values()
            if type_ in hook.events
        ]
    route = tenant.routes.get(tenant.route or "")
    if route is None or route.type != "webhook" or not route.url:
        return []
    return [(Lane(tenant.id, LaneKind.ROUTE, route.name), route.url)]


def iso(at: datetime) -> str:
    """Return the time as in `2026-11-24T10:00:00Z`."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def webhook_recipient(url: str) -> Recipient:
    """A queue row needs somebody it is for: the webhook's host, as `webhook@desk.example`."""
    return Recipient(Address("webhook", (urlsplit(url).hostname or "invalid").lower()))
