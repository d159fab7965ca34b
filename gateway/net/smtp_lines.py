"""The lines of an SMTP transaction, and the content as it goes over the wire; pure."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.mail.envelope import Envelope, Recipient


def parse_extensions(text: str) -> dict[str, str]:
    """Return the EHLO keywords and their parameters (RFC 5321 §4.1.1.1)."""
    found: dict[str, str] = {}
    for line in text.split("\n")[1:]:
        keyword, _, parameters = line.replace("AUTH=", "AUTH ", 1).partition(" ")
        found[keyword.upper()] = f"{found.get(keyword.upper(), '')} {parameters}".strip()
    return found


def mail_line(envelope: Envelope, content: bytes, *, offered: Mapping[str, str]) -> bytes:
    """Return MAIL with the parameters that the server offers to take."""
    words = [f"MAIL FROM:<{envelope.return_path or ''}>"]
    if "SIZE" in offered:  # RFC 1870
        words.append(f"SIZE={len(content)}")
    if "8BITMIME" in offered and not content.isascii():  # RFC 6152
        words.append("BODY=8BITMIME")
    utf8 = envelope.smtputf8 or envelope.needs_smtputf8
    if "SMTPUTF8" in offered and utf8:  # RFC 6531 §3.4
        words.append("SMTPUTF8")
    if "DSN" in offered and envelope.ret:  # RFC 3461 §4
        words.append(f"RET={envelope.ret}")
    if "DSN" in offered and envelope.envid:
        words.append(f"ENVID={envelope.envid}")
    return f"{' '.join(words)}\r\n".encode()


def rcpt_line(recipient: Recipient, *, offered: Mapping[str, str]) -> bytes:
    """Return RCPT with what was asked about notifications, where DSN is offered."""
    words = [f"RCPT TO:<{recipient.address}>"]
    if "DSN" in offered and recipient.notify:
        words.append(f"NOTIFY={recipient.notify}")
    if "DSN" in offered and recipient.orcpt:
        words.append(f"ORCPT={recipient.orcpt}")
    return f"{' '.join(words)}\r\n".encode()


def dot_stuffed(content: bytes) -> bytes:
    """Return the content as it goes over the wire, up to the final dot (RFC 5321 §4.5.2)."""
    if content.rfind(b"\r\n.") >= 0:  # half the time that `in` takes
        content = content.replace(b"\r\n.", b"\r\n..")
    if content.startswith(b"."):
        content = b"." + content
    return content if content.endswith(b"\r\n") else content + b"\r\n"
