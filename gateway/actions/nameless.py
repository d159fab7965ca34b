"""A bounce that does not give the mail back that it is about, as QQ and NetEase may write it.

It is tied to a mail by what it does say: whom it was for. Only where that is certain: one mail
alone of the tenant left for that recipient in the last days with the mailbox's address as its
envelope sender, and the bounce is of the mailbox's own provider. Anybody can write one, so it
must be proven to be of that domain, or have come from nowhere else: whatever enters from
outside has a Received field that says from where (RFC 5321 §4.4). Nobody is suppressed for it.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import replace
from datetime import timedelta

from gateway.actions.undelivered import Undelivered
from gateway.mail.inbound import Authenticity, Fetched
from gateway.mail.message import parse_message
from gateway.store.sent import find_sole
from gateway.store.sqlite import Db

LAST_DAYS = timedelta(days=5)  # in which a server has given up: RFC 5321 §4.5.4.1
FROM = re.compile(r"\s*from\s", re.IGNORECASE)
# It begins where its characters do: else each of a million would be a beginning to try.
ADDRESS = re.compile(r"(?<![0-9A-Fa-f.:])[0-9A-Fa-f]*[.:][0-9A-Fa-f.:]+")
INSIDE = tuple(
    ipaddress.ip_network(one)
    for one in (
        "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10",
        "::1/128", "fc00::/7", "fe80::/10",
    )
)  # fmt: skip


def tie(
    db: Db, undelivered: Undelivered, fetched: Fetched, authenticity: Authenticity
) -> Undelivered:
    """Return what a bounce says with the id of the only mail that it can be about, if any."""
    names = [name for one in undelivered.failures for name in one.names]
    if undelivered.ids or len(names) != 1 or not is_of_provider(fetched, authenticity):
        return undelivered
    sent = find_sole(
        db,
        tenant=fetched.tenant,
        return_path=fetched.mailbox,
        recipient=names[0],
        since=fetched.internal_date - LAST_DAYS,
    )
    if sent is None or not sent.message_id:
        return undelivered
    return replace(undelivered, ids=(sent.message_id,), by_recipient=True)


def is_of_provider(fetched: Fetched, authenticity: Authenticity) -> bool:
    """Return whether a mail is of the mailbox's own domain for certain (pure)."""
    sender = authenticity.header_from
    if sender.rpartition("@")[2] != fetched.mailbox.rpartition("@")[2]:
        return False
    received = [field.value for field in parse_message(fetched.content).all("Received")]
    return authenticity.proven == sender or all(map(_is_from_inside, received))


def _is_from_inside(received: str) -> bool:
    """Whether a hop was handed over within the provider's own network, or by nobody."""
    if not FROM.match(received):
        return True
    found = [ip for one in ADDRESS.findall(received) if (ip := _as_ip(one))]
    return bool(found) and all(any(ip in net for net in INSIDE) for ip in found)


def _as_ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.rstrip(".:"))
    except ValueError:
        return None
