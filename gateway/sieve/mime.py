"""The parts of a message (RFC 2045, 2046), found only when a test asks for them."""

from __future__ import annotations

import binascii
from collections.abc import Iterator
from dataclasses import dataclass, field

from gateway.sieve.charsets import decode_octets
from gateway.sieve.html import text_of_html
from gateway.sieve.message import Field, Message, parse_fields
from gateway.sieve.parameters import Structured, parse_structured

_PLAIN = Structured("text/plain", {})
_DIGEST = Structured("message/rfc822", {})
_IDENTITY = frozenset({"", "7bit", "8bit", "binary"})
_HTML = frozenset({"text/html", "application/xhtml+xml"})


class TooManyParts(ValueError):
    """A limit of parts or depth was passed; one sentence."""


@dataclass(slots=True, eq=False)
class Part:
    """One part: its header fields, and where it lies in the message's bytes."""

    whole: bytes
    fields: list[Field]
    start: int  # of its header
    body_at: int
    end: int
    type: Structured = _PLAIN
    children: list[Part] = field(default_factory=list)
    prologue: bytes = b""
    epilogue: bytes = b""

    @property
    def body(self) -> bytes:
        """Its body, transfer encoding left alone."""
        return self.whole[self.body_at : self.end]

    @property
    def is_text(self) -> bool:
        """Whether it holds text that a person reads."""
        return self.type.value.startswith("text/") or self.type.value in _HTML

    def named(self, name: str) -> list[Field]:
        """Return its fields of that lower-case name."""
        return [one for one in self.fields if one.key == name]

    def walk(self) -> Iterator[Part]:
        """Yield this part and all below, in the order they stand in."""
        yield self
        for child in self.children:
            yield from child.walk()

    def decoded(self, limit: int) -> bytes:
        """Return the body without its transfer encoding, at most `limit` bytes of it."""
        stated = next((one.unfolded.lower() for one in self.named(_ENCODING)), "")
        encoding = stated.partition("(")[0].partition(";")[0].strip()  # RFC 2045 §5.1: comments
        body = self.whole[self.body_at : min(self.end, self.body_at + 4 * limit + 4096)]
        if encoding == "base64":
            return _base64(body)[:limit]
        if encoding == "quoted-printable":
            return binascii.a2b_qp(body)[:limit]
        return body[:limit] if encoding in _IDENTITY else b""

    def text_of(self, decoded: bytes, *, readable: bool) -> str:
        """Return the decoded body as characters; with `readable` what a person would see."""
        charset = self.type.parameters.get("charset", "utf-8")
        text = decode_octets(decoded, charset, errors="surrogateescape")
        return text_of_html(text) if readable and self.type.value in _HTML else text


_ENCODING = "content-transfer-encoding"


def parse_parts(message: Message, *, max_parts: int, max_depth: int) -> Part:
    """Return the root part; raises TooManyParts at a limit."""
    return _Parser(message.original, max_parts, max_depth).root(message)


def content_type(fields: list[Field], default: Structured = _PLAIN) -> Structured:
    """Return the Content-Type of a header, or the default (RFC 2045 §5.2)."""
    for one in fields:
        if one.key == "content-type":
            return parse_structured(one.unfolded)
    return default


class _Parser:
    def __init__(self, whole: bytes, max_parts: int, max_depth: int) -> None:
        self._whole = whole
        self._left = max_parts
        self._parts = max_parts
        self._depth = max_depth

    def root(self, message: Message) -> Part:
        fields, end = message.fields, len(self._whole)
        part = Part(self._whole, fields, 0, message.body_at, end, content_type(fields))
        self._fill(part, 0)
        return part

    def _fill(self, part: Part, depth: int) -> None:
        """Find what lies below a part."""
        self._left -= 1
        if self._left < 0:
            raise TooManyParts(f"the message has more than {self._parts} parts")
        if depth > self._depth:
            raise TooManyParts(f"parts are nested deeper than {self._depth}")
        boundary = part.type.parameters.get("boundary", "")
        if part.type.value.startswith("multipart/") and boundary:
            self._multipart(part, boundary.encode("utf-8", "surrogateescape"), depth)
        elif part.type.value == "message/rfc822":
            child = self._part(part.body_at, part.end, _PLAIN)
            part.children = [child]
            self._fill(child, depth + 1)

    def _multipart(self, part: Part, boundary: bytes, depth: int) -> None:
        default = _DIGEST if part.type.value == "multipart/digest" else _PLAIN
        begun, body = -1, part.body_at
        for line, after, closing in self._delimiters(part, boundary):
            before = _without_line_end(self._whole, line, body)
            if begun < 0:
                part.prologue = self._whole[body:before]
            else:
                part.children.append(self._part(begun, max(begun, before), default))
            begun = after
            if closing:
                part.epilogue = self._whole[after : part.end]
                begun = -1
                break
        if begun >= 0:  # never closed: what follows is the last part
            part.children.append(self._part(begun, part.end, default))
        for child in part.children:
            self._fill(child, depth + 1)

    def _delimiters(self, part: Part, boundary: bytes) -> Iterator[tuple[int, int, bool]]:
        """Yield start, end and whether it closes, of each delimiter line (RFC 2046 §5.1.1)."""
        mark = b"--" + boundary
        at = self._whole.find(mark, part.body_at, part.end)
        while at >= 0:
            behind = at + 2
            if at == part.body_at or self._whole[at - 1 : at] == b"\n":  # or it is none
                end = self._whole.find(b"\n", at, part.end)
                end = part.end if end < 0 else end + 1
                rest = self._whole[at + len(mark) : min(end, at + len(mark) + 200)].rstrip()
                if rest in (b"", b"--"):
                    yield at, end, rest == b"--"
                    behind = end
            at = self._whole.find(mark, behind, part.end)

    def _part(self, start: int, end: int, default: Structured) -> Part:
        fields, body_at = parse_fields(self._whole, start, end)
        return Part(self._whole, fields, start, body_at, end, content_type(fields, default))


def _without_line_end(whole: bytes, at: int, least: int) -> int:
    """Return `at` without the line end before it, which belongs to the delimiter."""
    if at - 2 >= least and whole[at - 2 : at] == b"\r\n":
        return at - 2
    return at - 1 if at - 1 >= least and whole[at - 1 : at] == b"\n" else at


def _base64(body: bytes) -> bytes:
    clean = body.translate(None, _NOT_BASE64)
    clean = clean[: len(clean) - (len(clean) % 4 == 1)]
    try:
        return binascii.a2b_base64(clean + b"=" * (-len(clean) % 4))
    except binascii.Error:
        return b""


_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_BASE64 = bytes(sorted(set(range(256)) - set(_BASE64)))
