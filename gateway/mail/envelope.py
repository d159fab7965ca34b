"""Who a message is from and for, beside its content (RFC 5321 §2.3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.mail.address import Address
from gateway.mail.reply import Reply


@dataclass(frozen=True, slots=True)
class Recipient:
    """One RCPT: the address, and what it asked about notifications (RFC 3461 §4)."""

    address: Address
    notify: str | None = None  # "NEVER", or of SUCCESS,FAILURE,DELAY, as written
    orcpt: str | None = None  # "rfc822;ann@example.org", as written


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """MAIL and RCPT of one message; a null return path is None (RFC 5321 §4.5.5)."""

    return_path: Address | None
    recipients: tuple[Recipient, ...]
    ret: str | None = None  # "FULL" or "HDRS" (RFC 3461 §4.3)
    envid: str | None = None  # RFC 3461 §4.4, as written
    body_8bit: bool = False  # BODY=8BITMIME (RFC 6152)
    smtputf8: bool = False  # RFC 6531 §3.4
    hold_until: datetime | None = None  # FUTURERELEASE (RFC 4865)

    @property
    def needs_smtputf8(self) -> bool:
        """Whether one of its addresses has non-ASCII characters (RFC 6531 §3.4)."""
        if self.return_path is not None and self.return_path.needs_smtputf8:
            return True
        return any(one.address.needs_smtputf8 for one in self.recipients)


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """The client on the other end of a submission session."""

    address: str  # IP address
    port: int
    helo: str
    tls: str | None  # "TLSv1.3 TLS_AES_256_GCM_SHA384", or None in the clear
    mechanism: str = ""  # how it signed in: PLAIN or LOGIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What a helpdesk hands in: who signed in, envelope, content as received."""

    tenant: str
    credential: str  # "acme.zammad"
    envelope: Envelope
    content: bytes
    peer: Peer | None  # None: it came by the command line, not over a network
    received_at: datetime

    @property
    def client(self) -> str:
        """The IP address that it came from, empty without a network."""
        return self.peer.address if self.peer else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """One RCPT that was answered no: by whom, from and to whom, and what can be done."""

    tenant: str
    credential: str
    return_path: Address | None
    recipient: Address
    reply: Reply
    fix: str | None = None
