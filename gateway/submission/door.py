"""The one door of what is handed in, over a network or by the command line: pure."""

from __future__ import annotations

from collections.abc import Callable

from gateway.mail.delivery import Outgoing
from gateway.mail.envelope import Submission
from gateway.mail.ids import new_id
from gateway.mail.reply import Reply
from gateway.mail.tenant import Tenant, Upstream
from gateway.submission.admission import find_refusal, find_way, read_letter
from gateway.submission.stamp import stamp


def admit(
    submission: Submission,
    tenant: Tenant,
    *,
    upstream_max_bytes: Callable[[Upstream], int | None],
    hostname: str,
) -> Outgoing | Reply:
    """Return the stamped message under an id of its own, or the refusal."""
    letter = read_letter(submission, tenant)
    if refusal := find_refusal(letter, tenant, upstream_max_bytes=upstream_max_bytes):
        return refusal
    return stamp(letter, find_way(letter, tenant), id=new_id(), hostname=hostname)
