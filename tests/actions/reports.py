"""Reports as others send them: of feedback loops (RFC 5965), of servers (RFC 3464 or not)."""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP


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


def qmail(message_id: str, *recipients: str, said: str = "") -> bytes:
    """Return a bounce in qmail's format (QSBMF): paragraphs, then the mail itself."""
    why = said or "192.0.2.7 does not like recipient.\nRemote host said: 550 5.1.1 no such user"
    told = "\n".join(f"<{one}>:\n{why}\nGiving up on 192.0.2.7.\n" for one in recipients)
    return _plain(
        "MAILER-DAEMON@mx.example",
        "failure notice",
        f"Hi. This is the qmail-send program at mx.example.\nI'm afraid I wasn't able to"
        f" deliver your message.\n\n{told}\n--- Below this line is a copy of the message.\n\n"
        f"Return-Path: <support@acme.example>\nMessage-ID: {message_id}\n"
        f"To: {', '.join(recipients)}\nSubject: Offer\n\nBuy now. Or ask eve@example.org.\n",
    )


def exim(message_id: str, *reasons: tuple[str, str]) -> bytes:
    """Return a bounce as Exim writes it: an address a line, and below it why."""
    told = "\n".join(f"  {one}\n    {why}" for one, why in reasons)
    return _plain(
        "Mail Delivery System <Mailer-Daemon@mx.example>",
        "Mail delivery failed: returning message to sender",
        "A message that you sent could not be delivered to one or more of its\nrecipients."
        f" This is a permanent error. The following address(es) failed:\n\n{told}\n\n"
        "------ This is a copy of the message, including all the headers. ------\n\n"
        f"Received: from desk by mx.example\nMessage-Id: {message_id}\nTo: eve@example.org\n",
    )


def delayed_by_exim(message_id: str, recipient: str) -> bytes:
    """Return what Exim writes of a mail that it still tries."""
    return _plain(
        "Mail Delivery System <Mailer-Daemon@mx.example>",
        "Warning: message 1cDwkI-0008LG-PH delayed 24 hours",
        "A message that you sent has not yet been delivered to one or more of its recipients"
        f" after more than 24 hours on the queue.\n\nMessage-ID: {message_id}\n\n"
        f"  {recipient}\n    Delay reason: mailbox is full\n",
    )


def exchange(message_id: str, recipient: str) -> bytes:
    """Return a bounce of Exchange whose report for programs was lost on the way."""
    return _plain(
        "MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@mx.example",
        "Undeliverable: Offer",
        f"Delivery has failed to these recipients or groups:\n\n{recipient}\nThe address is not"
        " known here.\n\nDiagnostic information for administrators:\n\nGenerating server:"
        f" mx.example\n\n{recipient}\n#550 5.1.1 RESOLVER.ADR.RecipNotFound; not found ##\n\n"
        f"Original message headers:\n\nReceived: from desk.example\nMessage-ID: {message_id}\n",
    )


def netease(
    message_id: str | None,
    *recipients: str,
    said: str = "用户不存在",
    sender: str = "Postmaster@163.com",
) -> bytes:
    """Return a bounce of NetEase: whom the mail was for, one reason for them all.

    Without an id it does not give the mail back.
    """
    message = _report(sender, "系统退信")
    message.set_content(
        "抱歉，您的邮件被退回来了……\n原邮件信息：\n  时　间 2026-11-24 10:00:00\n"
        f"  主　题 Offer\n  收件人 {', '.join(recipients)}\n退信原因/\nBounce reason：\n"
        f"  {said}\n建议解决方案：\n  请稍后再试。\n",
        charset="gb2312",
    )
    if message_id is not None:
        message.add_attachment(_returned(message_id))
    return message.as_bytes(policy=SMTP)


def qq(message_id: str, recipient: str) -> bytes:
    """Return a bounce of QQ: a page, and the mail as a file."""
    message = _report('"PostMaster" <PostMaster@qq.com>', "来自qq.com的退信")
    message.set_content(
        "<p>尊敬的 support@acme.example：</p>"
        f"<table><tr><td>无法发送到 {recipient}</td></tr>"
        "<tr><td>退信原因</td><td>收件人空间不足<br>"
        "host mx.example[192.0.2.7] said: 552 5.2.2 mailbox full</td></tr>"
        "<tr><td>解决方案</td><td>请联系您的收件人</td></tr></table>",
        subtype="html",
    )
    message.add_attachment(
        _returned(message_id).as_bytes(policy=SMTP),
        maintype="application", subtype="octet-stream", filename="mail.eml",
    )  # fmt: skip
    return message.as_bytes(policy=SMTP)


def _plain(sender: str, subject: str, text: str) -> bytes:
    message = _report(sender, subject)
    message.set_content(text)
    return message.as_bytes(policy=SMTP)


def _report(sender: str, subject: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, "support@acme.example", subject
    return message


def _returned(message_id: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["Subject"] = "support@acme.example", "Offer"
    mail["Message-ID"] = message_id
    mail.set_content("Buy now.\n")
    return mail
