"""New bytes for a message with a part replaced, or enclosed in another (RFC 5703 §5, §6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256

from gateway.sieve.encoded_words import encode_words
from gateway.sieve.message import Field, Message
from gateway.sieve.mime import Part

_TEXT = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
OWN = ("content-type", "content-transfer-encoding", "content-disposition", "mime-version")


Splice = tuple[int, int, bytes]  # start and end of a part, and what stands there instead


def replaced(message: Message, *, text: str, mime: bool, headers: Mapping[str, str]) -> bytes:
    """Return the message with its whole body replaced by `text`.

    With `mime` the text has header fields of its own. `headers` replaces fields of the message.
    """
    kept = _kept(message, {*OWN, *(name.lower() for name in headers)})
    return kept + _fields({**headers, "MIME-Version": "1.0"}) + _with_type(text, mime=mime)


def splice(part: Part, *, text: str, mime: bool) -> Splice:
    """Return what replaces a part by `text`."""
    return part.start, part.end, _with_type(text, mime=mime).removesuffix(b"\r\n")


def spliced(message: Message, splices: Sequence[Splice]) -> bytes:
    """Return the message with parts of its body replaced; of two in one the outer counts."""
    body, at, parts = message.original, message.body_at, [message.head, b"\r\n"]
    for start, end, new in sorted(splices, key=lambda one: (one[0], -one[1])):
        if start >= at:
            parts += [body[at:start], new]
            at = end
    return b"".join([*parts, body[at:]])


def enclosed(message: Message, *, text: str, headers: Mapping[str, str]) -> bytes:
    """Return a message with `text` and the old one attached, unchanged (RFC 5703 §6)."""
    boundary = "=_" + sha256(message.original).hexdigest()[:32]
    keys = {*OWN, *(name.lower() for name in headers)}
    kept = _kept(message, keys)
    top = _fields(
        {
            **headers,
            "MIME-Version": "1.0",
            "Content-Type": f'multipart/mixed; boundary="{boundary}"',
        }
    )
    mark = f"--{boundary}".encode()
    return (
        kept
        + top
        + b"\r\n"
        + mark
        + b"\r\n"
        + _ended(_TEXT + text)
        + mark
        + b"\r\nContent-Type: message/rfc822\r\n\r\n"
        + message.content
        + b"\r\n"
        + mark
        + b"--\r\n"
    )


def _with_type(text: str, *, mime: bool) -> bytes:
    return _ended(text if mime else _TEXT + text)


def _kept(message: Message, without: set[str]) -> bytes:
    return b"".join(_line(field) for field in message.fields if field.key not in without)


def _line(field: Field) -> bytes:
    return field.name.encode() + b":" + field.raw.rstrip(b"\r\n") + b"\r\n"


def _fields(headers: Mapping[str, str]) -> bytes:
    lines = (f"{name}: {encode_words(value)}\r\n" for name, value in headers.items())
    return "".join(lines).encode("utf-8", "surrogateescape")


def _ended(text: str) -> bytes:
    octets = text.encode("utf-8", "surrogateescape")
    return octets if octets.endswith(b"\r\n") else octets + b"\r\n"
