"""Values that many tests need, with sensible defaults."""

from __future__ import annotations

from datetime import UTC, datetime

from gateway.mail.address import parse_address
from gateway.mail.delivery import Kind, Lane, LaneKind, Outgoing
from gateway.mail.envelope import Envelope, Recipient
from gateway.mail.ids import new_id

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
LANE = Lane("acme", LaneKind.UPSTREAM, "sendgrid")
CONTENT = (
    b"From: Support <support@acme.example>\r\nTo: ann@example.org\r\nSubject: Hello\r\n"
    b"Date: Tue, 24 Nov 2026 12:00:00 +0000\r\nMessage-ID: <one@acme.example>\r\n"
    b"\r\nHello Ann\r\n"
)


def outgoing(  # the defaults are one mail of one tenant
    *recipients: str, lane: Lane = LANE, content: bytes = CONTENT, hold: str | None = None
) -> Outgoing:
    named = recipients or ("ann@example.org",)
    return Outgoing(
        id=new_id(),
        tenant=lane.tenant,
        lane=lane,
        kind=Kind.SUBMISSION,
        envelope=Envelope(
            return_path=parse_address("support@acme.example"),
            recipients=tuple(Recipient(parse_address(one)) for one in named),
        ),
        content=content,
        message_id="<one@acme.example>",
        header_from="support@acme.example",
        hold=hold,
    )
