"""The header and body of the mails that we write ourselves: bytes with CRLF, RFC 5322.

A value that lands in a header loses CR, LF and control characters and is written in encoded
words where it is not ASCII (RFC 2047). A body is US-ASCII as it is, anything else becomes
quoted-printable, so that no upstream has to re-encode it.
"""

from __future__ import annotations

import quopri
from collections.abc import Sequence
from email.header import Header

from gateway.mail.message import Message

MAX_LINE_BYTES = 998  # RFC 5322 §2.1.1
MAX_REFERENCES_BYTES = 1000
MAX_NAME = 200  # characters
FOLD = "\r\n "  # RFC 5322 §2.2.3
TEXT_TYPE = "text/plain; charset=utf-8"


def header_block(fields: Sequence[tuple[str, str]]) -> bytes:
    """Return the fields as they stand in a message, in order; their values are encoded.

    An address alone may hold UTF-8: it has no other form (RFC 6532 §3.2).
    """
    return "".join(f"{name}: {value}\r\n" for name, value in fields).encode("utf-8", "replace")


def encoded(value: str, *, name: str = "") -> str:
    """Return an unstructured value in ASCII, folded behind the field called `name`."""
    clean = plain(value)
    if clean.isascii() and len(clean) <= MAX_LINE_BYTES - len(name) - 2:
        return clean
    header = Header(clean, "utf-8", header_name=name, maxlinelen=76)
    return header.encode(linesep="\r\n")


def plain(value: str) -> str:
    """Return the value on one line, without control characters and broken bytes."""
    text = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    shown = "".join(char if char.isprintable() or char == " " else " " for char in text)
    return " ".join(shown.split(" ")).strip()


def mailbox(name: str, address: str) -> str:
    """Return `name <address>` for a header, the name quoted or encoded (RFC 5322 §3.4).

    A stranger's name may be as long as a letter: it is cut, so that its line has an end.
    """
    clean = plain(name)[:MAX_NAME].rstrip()
    if not clean:
        return address
    if not clean.isascii():
        return f"{encoded(clean)} <{address}>"
    escaped = clean.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}" <{address}>'


def text_part(text: str) -> tuple[str, bytes]:
    """Return transfer encoding and bytes of a text, which has any line ends."""
    lines = text.encode("utf-8", "replace").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if not lines.endswith(b"\n"):
        lines += b"\n"
    short = all(len(line) <= MAX_LINE_BYTES for line in lines.split(b"\n"))
    if lines.isascii() and short and b"\x00" not in lines:
        return "7bit", lines.replace(b"\n", b"\r\n")
    return "quoted-printable", quopri.encodestring(lines).replace(b"\n", b"\r\n")


def references_to(message: Message) -> str:
    """Return the References of a reply to `message` (RFC 5322 §3.6.4), at most 1,000 bytes.

    What is too long loses its middle: the first id names the conversation, the last ones
    are what mail programs look at.
    """
    field = message.first("References") or message.first("In-Reply-To")
    ids = [one for one in (field.value.split() if field else []) if _is_id(one)]
    own = message.message_id
    if _is_id(own):
        ids = [*(one for one in ids if one != own), own]
    joined = FOLD.join([*ids[:1], *_last_that_fit(ids)])
    if len(joined) > MAX_REFERENCES_BYTES:
        joined = ids[-1]
    return joined if len(joined) <= MAX_REFERENCES_BYTES else ""


def _last_that_fit(ids: Sequence[str]) -> list[str]:
    """Return the last ids that have room behind the first one, at least one if there is one.

    Each is looked at once: there may be a hundred thousand.
    """
    kept: list[str] = []
    room = MAX_REFERENCES_BYTES - sum(map(len, ids[:1]))
    for one in reversed(ids[1:]):
        room -= len(FOLD) + len(one)
        if room < 0 and kept:
            break
        kept.append(one)
    return kept[::-1]


def in_reply_to(message: Message) -> str:
    """Return the Message-ID that a reply names, empty when there is none to name."""
    own = message.message_id
    return own if _is_id(own) and len(own) <= MAX_LINE_BYTES // 2 else ""


def _is_id(text: str) -> bool:
    return (
        len(text) > 2
        and text.isascii()
        and text.isprintable()
        and " " not in text
        and text[0] == "<"
        and text[-1] == ">"
    )
