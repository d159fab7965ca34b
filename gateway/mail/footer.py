"""A footer under the text parts of a message; every other byte stays as it is.

The email package reads the header of a part and writes none: what it rebuilds differs. Only
the part that gets the footer is written anew, in its own transfer encoding (RFC 2045 §6).
"""

from __future__ import annotations

import base64
import quopri
import re
from collections.abc import Iterator
from email.message import Message
from email.parser import BytesParser

CRLF = b"\r\n"
MAX_DEPTH = 30
SEALED_TYPES = frozenset({
    "multipart/signed", "multipart/encrypted", "application/pkcs7-mime",
    "application/x-pkcs7-mime", "application/pgp-encrypted",
})  # fmt: skip
INLINE_PGP = b"-----BEGIN PGP "
MAX_LINE_BYTES = 998  # RFC 5322 §2.1.1
TYPE_FIELD = re.compile(
    rb"(?im)^content-(?:type|transfer-encoding)[ \t]*:.*\r\n(?:[ \t].*\r\n)*"
)
BODY_END = re.compile(r"</body\s*>|</html\s*>", re.IGNORECASE)


def append_footer(content: bytes, media_type: str, footer: str) -> bytes:
    """Return the message with `footer` under its first shown part of `media_type`.

    `media_type` is `text/plain` or `text/html`. The message comes back unchanged when it has
    no such part, has that footer already, cannot be decoded, or is signed or encrypted
    (RFC 1847, RFC 8551, PGP in the text).
    """
    span = None if is_sealed(content) else _find(content, (0, len(content)), media_type)
    if span is None:
        return content
    start, end = span
    return content[:start] + _extended(content[start:end], media_type, footer) + content[end:]


def is_sealed(content: bytes) -> bool:
    """Whether a part is signed or encrypted: such a message is never edited in its body.

    Nor is one whose parts cannot be found.
    """
    if INLINE_PGP in content:
        return True
    types = (header.get_content_type() for header, _ in _parts(content, (0, len(content))))
    try:
        return any(one in SEALED_TYPES for one in types)
    except ValueError:  # of a parameter with a number of thousands of digits (RFC 2231 §3)
        return True


Span = tuple[int, int]


def _find(content: bytes, span: Span, media_type: str) -> Span | None:
    for header, part in _parts(content, span):
        attached = (header.get_content_disposition() or "inline") != "inline"
        if header.get_content_type() == media_type and not attached:
            return part
    return None


def _parts(content: bytes, span: Span, depth: int = 0) -> Iterator[tuple[Message, Span]]:
    """Yield header and place of the part at `span` and of every part inside of it."""
    start, end = span
    body_at = _body_at(content, start, end)
    header = BytesParser().parsebytes(content[start:body_at], headersonly=True)
    yield header, span
    boundary = header.get_boundary()
    if header.get_content_maintype() != "multipart" or not boundary or depth >= MAX_DEPTH:
        return
    for inner in _inside(content, (body_at, end), boundary):
        yield from _parts(content, inner, depth + 1)


def _inside(content: bytes, span: Span, boundary: str) -> Iterator[Span]:
    """Yield the places of the parts between boundaries (RFC 2046 §5.1.1)."""
    mark = re.escape(boundary.encode("utf-8", "surrogateescape"))
    line = re.compile(rb"(?:^|\r\n)--" + mark + rb"(--)?[ \t]*(?=\r\n|\Z)")
    begun: int | None = None
    for found in line.finditer(content[span[0] : span[1]]):
        if begun is not None:
            yield begun, span[0] + max(found.start(), begun - span[0])
        if found[1]:
            return
        begun = min(span[0] + found.end() + len(CRLF), span[1])
    if begun is not None:
        yield begun, span[1]


def _body_at(content: bytes, start: int, end: int) -> int:
    if content.startswith(CRLF, start):
        return min(start + len(CRLF), end)
    found = content.find(CRLF * 2, start, end)
    return end if found < 0 else found + len(CRLF * 2)


def _extended(part: bytes, media_type: str, footer: str) -> bytes:
    body_at = _body_at(part, 0, len(part))
    head, body = part[:body_at], part[body_at:]
    header = BytesParser().parsebytes(head, headersonly=True)
    encoding = str(header.get("Content-Transfer-Encoding", "7bit")).strip().lower()
    charset = header.get_content_charset() or "us-ascii"
    text = _decoded(body, encoding, charset)
    if text is None:
        return part
    lines = footer.replace("\r\n", "\n").strip("\n").replace("\n", "\r\n")
    if lines in text:
        return part
    longer = _under(text, lines) if media_type == "text/plain" else _inside_body(text, lines)
    written = _encoded(longer, encoding, charset)
    if written is not None:
        return head + written
    return _retyped(head, header) + _quoted(longer.encode("utf-8", "surrogateescape"))


def _decoded(body: bytes, encoding: str, charset: str) -> str | None:
    try:
        if encoding == "base64":
            body = base64.b64decode(body)
        elif encoding == "quoted-printable":
            body = quopri.decodestring(body.replace(CRLF, b"\n")).replace(b"\n", CRLF)
        elif encoding not in ("7bit", "8bit", "binary"):
            return None
        return body.decode(charset)
    except (ValueError, LookupError):  # a charset nobody knows, bytes that are not of it
        return None


def _encoded(text: str, encoding: str, charset: str) -> bytes | None:
    """Return the text as its part had it; None where it no longer fits in there."""
    try:
        octets = text.encode(charset)
    except ValueError:
        return None
    if encoding == "base64":
        return base64.encodebytes(octets).replace(b"\n", CRLF)
    if encoding == "quoted-printable":
        return _quoted(octets)
    is_long = any(len(line) > MAX_LINE_BYTES for line in octets.split(CRLF))
    return None if is_long or (encoding == "7bit" and not octets.isascii()) else octets


def _quoted(octets: bytes) -> bytes:
    return quopri.encodestring(octets.replace(CRLF, b"\n")).replace(b"\n", CRLF)


def _under(text: str, footer: str) -> str:
    end = "" if text.endswith("\n") or not text else "\r\n"
    return f"{text}{end}\r\n{footer}\r\n"


def _inside_body(text: str, footer: str) -> str:
    found = BODY_END.search(text)
    at = found.start() if found else len(text)
    return f"{text[:at]}\r\n{footer}\r\n{text[at:]}"


def _retyped(head: bytes, header: Message) -> bytes:
    """Return the header of a part that is UTF-8 in quoted-printable from now on."""
    kept = TYPE_FIELD.sub(b"", head.removesuffix(CRLF))
    flows = ((name, header.get_param(name)) for name in ("format", "delsp"))  # RFC 3676 §4
    words = [(name, word) for name, word in flows if isinstance(word, str) and word.isalnum()]
    more = "".join(f"; {name}={word}" for name, word in words)
    fields = [f'Content-Type: {header.get_content_type()}; charset="utf-8"{more}']
    fields.append("Content-Transfer-Encoding: quoted-printable")
    is_message = any(name in header for name in ("From", "Received", "Date"))
    if is_message and "MIME-Version" not in header:
        fields.append("MIME-Version: 1.0")  # RFC 2045 §4
    return kept + "".join(f"{field}\r\n" for field in fields).encode() + CRLF
