"""The MIME parts of a fetched message: its texts and attachments. No bytes make it fail.

The tree is the email package's; what is broken in a part costs that part, never the message.
A forwarded message inside (message/rfc822) is an attachment, it is not looked into.
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from collections.abc import Iterator
from dataclasses import dataclass
from email.errors import InvalidBase64LengthDefect, MessageError
from email.message import Message as Part
from email.parser import BytesParser
from email.policy import Compat32
from html import unescape
from itertools import takewhile
from typing import Any

from gateway.mail.charset import decode_named, guess_text
from gateway.mail.message import decode_words, parse_message

MAX_PARTS = 500
MAX_DEPTH = 30
MAX_FIELD = 16 * 1024  # characters: a name of a file, or a boundary, is far shorter
BROKEN = (
    MessageError, ValueError, LookupError, TypeError, AttributeError, AssertionError,
    RecursionError,
)  # fmt: skip
TAG = re.compile(r"<(/?)(!--|[a-zA-Z!?][a-zA-Z0-9]*)")
BLOCKS = frozenset(
    {
        "p", "div", "br", "hr", "tr", "li", "ul", "ol", "dl", "dt", "dd", "h1", "h2", "h3",
        "h4", "h5", "h6", "table", "blockquote", "pre",
        "section", "article", "header", "footer",
    }
)  # fmt: skip
CELLS = frozenset({"td", "th"})
SILENT_END = {
    name: re.compile(rf"</{name}[^<>]{{0,80}}>", re.IGNORECASE)
    for name in ("style", "script", "title")
}
NO_CHARACTER = re.compile(r"&#[xX]?[0-9a-fA-F]{10,};?")  # Python makes no number of thousands
BASE64_LINE = re.compile(r"[A-Za-z0-9+/]+={0,2}|")
WHOLE = frozenset({"message/rfc822", "message/global", "message/delivery-status"})
UNNAMED = {"message/rfc822": "message.eml", "text/calendar": "invitation.ics"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """One attached part, decoded."""

    name: str
    type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a message consists of, for people."""

    text: str
    html: str
    attachments: tuple[Attachment, ...]


def read_parts(content: bytes) -> Parts:
    """Return texts and attachments of a message; the raw body as text where MIME gives up."""
    try:
        return _read(BytesParser(_Leafy, policy=_LENIENT).parsebytes(content))
    except BROKEN:
        body = content[parse_message(content).body_at :]
        return Parts(text=clean(guess_text(body)), html="", attachments=())


def clean(text: str) -> str:
    """Return the text as JSON and databases take it: no NUL, whole characters, LF."""
    whole = text.encode("utf-8", "replace").decode("utf-8", "replace")
    return whole.replace("\x00", "\ufffd").replace("\r\n", "\n").replace("\r", "\n")


def text_of_html(markup: str) -> str:
    """Return the words of an HTML text, a line a block.

    The library's parser takes minutes for some 100 KB that are made for it; this one reads
    each character once.
    """
    words = "".join(_words(markup))
    kept = [" ".join(line.split()) for line in words.splitlines()]
    return "\n".join(line for at, line in enumerate(kept) if line or (at and kept[at - 1]))


def _words(markup: str) -> Iterator[str]:
    at = 0
    while (start := markup.find("<", at)) >= 0:
        yield _said(markup[at:start])
        tag = TAG.match(markup, start)
        if tag is None:  # "a < b"
            yield "<"
            at = start + 1
            continue
        name = tag[2].lower()
        yield "\n" if name in BLOCKS else " " if name in CELLS else ""
        at = _end_of(markup, "" if tag[1] else name, tag.end())
    yield _said(markup[at:])


def _said(text: str) -> str:
    return unescape(NO_CHARACTER.sub("\ufffd", text).replace("\n", " "))


def _end_of(markup: str, name: str, at: int) -> int:
    """Return where the text goes on after a tag, a comment, or what nobody sees; an end tag
    has no `name`."""
    closing = "-->" if name == "!--" else ">"
    found = markup.find(closing, at)
    if found < 0:
        return len(markup)
    if name not in SILENT_END:
        return found + len(closing)
    ending = SILENT_END[name].search(markup, found)
    return ending.end() if ending else len(markup)


class _Leafy(Part):
    """A part of which the parser leaves a message inside as it is: it is handed on byte for
    byte, since what is built anew has no good signature."""

    def get_content_type(self) -> str:
        kind = super().get_content_type()
        return kind if kind not in WHOLE else "application/octet-stream"


class _Lenient(Compat32):
    """The library's policy, but for header fields with bytes that belong in none, and for
    those without end: it copies what is left of one at each semicolon."""

    def header_fetch_parse(self, name: str, value: str) -> Any:
        del name
        some = value[:MAX_FIELD]
        return some if some.isascii() else guess_text(some.encode("ascii", "surrogateescape"))


_LENIENT = _Lenient()


def _read(message: Part) -> Parts:
    texts: list[str] = []
    said: set[str] = set()  # of those, with their white space folded
    pages: list[str] = []
    attachments: list[Attachment] = []
    told: set[int] = set()  # alternatives that have a plain text
    for part, alternative in _leaves(message):
        kind = _type_of(part)
        if kind == "text/plain" and not _is_attached(part):
            texts.append(_text(part))
            said.add(_folded(texts[-1]))
            if texts[-1].strip():
                told.add(alternative)
        elif kind == "text/html" and not _is_attached(part):
            pages.append(_text(part))
            words = text_of_html(pages[-1])
            if alternative not in told and _folded(words) not in said:
                texts.append(words)
                said.add(_folded(words))
        else:
            attachments.append(_attachment(part, kind, number=len(attachments) + 1))
    text = "\n".join(one for one in texts if one.strip())
    return Parts(text=text, html="\n".join(pages), attachments=tuple(attachments))


def _folded(text: str) -> str:
    return " ".join(text.split())


def _leaves(message: Part) -> Iterator[tuple[Part, int]]:
    """Yield the parts that hold something, in order, at most MAX_PARTS, each with a number of
    what it is an alternative in; parts outside of any have a number of their own."""
    waiting: list[tuple[Any, int, int]] = [(message, 0, 0)]
    seen = 0
    while waiting and seen < MAX_PARTS:
        part, depth, alternative = waiting.pop()
        if not isinstance(part, Part):
            continue
        payload: Any = part.get_payload()
        is_tree = isinstance(payload, list) and part.get_content_maintype() == "multipart"
        if is_tree and depth < MAX_DEPTH:
            if part.get_content_subtype() == "alternative":
                alternative = id(part)
            waiting.extend((one, depth + 1, alternative) for one in reversed(payload))
            continue
        seen += 1
        yield part, alternative or seen


def _type_of(part: Part) -> str:
    try:
        return Part.get_content_type(part)
    except BROKEN:
        return "application/octet-stream"


def _is_attached(part: Part) -> bool:
    try:
        return part.get_content_disposition() == "attachment" or bool(part.get_filename())
    except BROKEN:
        return True


def _text(part: Part) -> str:
    octets = _octets(part)
    try:
        return clean(decode_named(octets, part.get_content_charset("us-ascii")))
    except BROKEN:
        return clean(guess_text(octets))


def _octets(part: Part) -> bytes:
    try:
        payload = part.get_payload(decode=True)
        if any(isinstance(one, InvalidBase64LengthDefect) for one in part.defects):
            return _base64(str(part.get_payload()))
        if isinstance(payload, bytes):
            return payload
        inner = part.get_payload()
        if isinstance(inner, list):  # deeper than is looked into
            return b"\r\n".join(one.as_bytes() for one in inner if isinstance(one, Part))
        return str(inner or "").encode()
    except BROKEN:
        return b""


def _base64(text: str) -> bytes:
    """Return what lines of Base64 hold, up to the first that is none: lists write below it."""
    lines = takewhile(BASE64_LINE.fullmatch, map(str.strip, text.splitlines()))
    whole = "".join(lines).partition("=")[0]
    whole = whole[: len(whole) - (len(whole) % 4 == 1)]  # one digit alone is no octet
    return a2b_base64(whole + "=" * (-len(whole) % 4))


def _attachment(part: Part, kind: str, *, number: int) -> Attachment:
    try:
        name = _file_name(part)
    except BROKEN:
        name = ""
    shown = " ".join(clean(name).split()).replace("/", "_").replace("\\", "_")[:255]
    fallback = UNNAMED.get(kind, f"attachment-{number}")
    return Attachment(name=shown or fallback, type=clean(kind), content=_octets(part))


def _file_name(part: Part) -> str:
    """Return the name as RFC 2231 has it, or in encoded words, as most mail programs write."""
    for field, parameter in (("content-disposition", "filename"), ("content-type", "name")):
        found: Any = part.get_param(parameter, "", field)
        if isinstance(found, tuple):
            charset, _, text = found
            return decode_named(bytes(text, "raw-unicode-escape"), charset or "us-ascii")
        if found:
            return decode_words(" ".join(str(found).split()))
    return ""
