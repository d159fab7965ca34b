"""A customer whose provider signs: writes mail that can be proven."""

from __future__ import annotations

from datetime import UTC, date, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

from gateway.authenticity.dkim import Signer, sign
from gateway.domain.keys import make_keys
from tests.servers.zone import Zone

DOMAIN = "customer.example"


class Customer:
    """Ann, whose domain publishes a DKIM key in `zone`."""

    address = f"ann@{DOMAIN}"

    def __init__(self, zone: Zone) -> None:
        key, _ = make_keys(made_on=date(2026, 11, 24))
        self._signer = Signer(DOMAIN, key.selector, pem=key.pem)
        zone.publish(f"{key.selector}._domainkey.{DOMAIN}", "TXT", key.record)
        zone.publish(f"_dmarc.{DOMAIN}", "TXT", "v=DMARC1; p=reject")

    def write(
        self,
        *,
        to: str,
        subject: str = "Where is my order?",
        sender: str | None = None,
        reply_to: str = "",
    ) -> bytes:
        """Return a signed mail; `reply_to` is the Message-ID that it answers."""
        message = EmailMessage()
        message["From"] = f"Ann <{sender or self.address}>"
        message["To"] = to
        message["Subject"] = subject
        message["Date"] = format_datetime(datetime.now(UTC))
        message["Message-ID"] = make_msgid(domain=DOMAIN)
        if reply_to:
            message["In-Reply-To"] = message["References"] = reply_to
        message.set_content("Hello, where is my order?\n")
        content = message.as_bytes().replace(b"\n", b"\r\n")
        return sign(content, [self._signer]) + content
