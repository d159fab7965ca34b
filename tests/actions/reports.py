"""ARF reports as feedback loops send them (RFC 5965)."""

from __future__ import annotations


def arf(message_id: str, *, recipient: str = "", kind: str = "abuse") -> bytes:
    """Return a report about the mail with this id; without `recipient` a redacted one."""
    named = f"Original-Rcpt-To: <{recipient}>\r\n" if recipient else ""
    return f"""\
From: Feedback loop <loop@provider.example>\r
To: support@acme.example\r
Subject: complaint about message\r
Message-ID: <report{message_id[1:]}\r
MIME-Version: 1.0\r
Content-Type: multipart/report; report-type=feedback-report; boundary="b"\r
\r
--b\r
Content-Type: text/plain\r
\r
This is a report of a mail that was marked as unwanted.\r
--b\r
Content-Type: message/feedback-report\r
\r
Feedback-Type: {kind}\r
User-Agent: Loop/1.0\r
Version: 1\r
Original-Mail-From: <support@acme.example>\r
{named}\r
--b\r
Content-Type: message/rfc822\r
\r
From: support@acme.example\r
To: redacted@provider.example\r
Subject: Offer\r
Message-ID: {message_id}\r
\r
Buy now.\r
--b--\r
""".encode()
