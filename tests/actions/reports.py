"""Reports as others send them: of feedback loops (RFC 5965), of servers (RFC 3464)."""

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


def dsn(message_id: str, *blocks: str) -> bytes:
    """Return a notification about the mail with this id, a block of fields a recipient."""
    statuses = "\r\n".join(f"{one}\r\n" for one in blocks)
    return f"""\
Return-Path: <>\r
From: Mail Delivery System <mailer-daemon@mx.example>\r
To: support@acme.example\r
Subject: Undelivered Mail Returned to Sender\r
Auto-Submitted: auto-replied\r
MIME-Version: 1.0\r
Content-Type: multipart/report; report-type="delivery-status";\r
 boundary="b"\r
\r
--b\r
Content-Type: text/plain; charset=us-ascii\r
\r
I am sorry to have to inform you that your message could not be delivered.\r
--b\r
Content-Type: message/delivery-status\r
\r
Reporting-MTA: dns; mx.example\r
Arrival-Date: Tue, 24 Nov 2026 10:00:00 +0000\r
\r
{statuses}\r
--b\r
Content-Type: text/rfc822-headers\r
\r
From: support@acme.example\r
Message-ID: {message_id}\r
--b--\r
""".encode()


def failed(
    recipient: str, *, status: str = "5.1.1", said: str = "550 5.1.1 no such user"
) -> str:
    """Return the fields of one recipient that was not delivered to, as Postfix writes them."""
    return (
        f"Final-Recipient: rfc822; {recipient}\r\nOriginal-Recipient: rfc822;{recipient}\r\n"
        f"Action: failed\r\nStatus: {status}\r\nRemote-MTA: dns; mx2.example\r\n"
        f"Diagnostic-Code: smtp; {said}"
    )
