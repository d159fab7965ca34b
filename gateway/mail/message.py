"""A message's bytes, its header fields, and the recorded edits of them (RFC 5322).

Stored bytes never change: what leaves is made from them by `apply_edits`. Header fields are
found by ourselves instead of by the email package, which rebuilds what it parses.
"""

from __future__ import annotations

import re
from binascii import a2b_base64, a2b_qp
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email import utils
from email.utils import getaddresses
from itertools import groupby
from typing import Any

from gateway.mail.charset import decode_named, guess_text
from gateway.mail.footer import append_footer

LENIENT: dict[str, Any] = (  # newer Pythons drop all addresses of a field with one odd name
    {"strict": False} if getattr(utils, "supports_strict_parsing", False) else {}
)
MOST_NESTED = 200
MOST_OF_WORD = 80
MOST_OF_LIST = 128 * 1024  # characters: some thousand addresses
CRLF = b"\r\n"
WORD = r"=\?[^?\s]{1,80}\?[bBqQ]\?.{0,1000}?\?="
ENCODED_WORDS = re.compile(rf"{WORD}(?:\s*{WORD})*")
WORDS = re.compile(r"=\?([^?\s]{1,80})\?([bBqQ])\?(.{0,1000}?)\?=")
COMMENT = re.compile(r"\([^()]{0,200}\)")
ID = re.compile(r"<[^<>\s]+>")
# RFC 5322 §2.2: a name, which blanks may follow (§4.5.8), and lines that are folded (§2.2.3)
FIELD = re.compile(rb"([!-9;-~]++)[ \t]*+:[^\n]*+(?:\n[ \t][^\n]*+)*+\n?")


@dataclass(frozen=True, slots=True)
class Field:
    """One header field: its name as written, its raw bytes with folding and final CRLF."""

    name: str
    raw: bytes

    @property
    def value(self) -> str:
        """The unfolded value, not decoded; bytes that are not UTF-8 are kept as surrogates."""
        text = self.raw.split(b":", 1)[1].decode("utf-8", "surrogateescape")
        return text.replace("\r\n", "").replace("\n", "").strip(" \t")

    @property
    def folded(self) -> str:
        """The value with its folding as written: set anew, it is the same lines."""
        text = self.raw.split(b":", 1)[1].decode("utf-8", "surrogateescape")
        return text.rstrip("\r\n").lstrip(" \t")

    @property
    def decoded(self) -> str:
        """The value with encoded words decoded (RFC 2047); what cannot be is left as it is.

        Of a field that is longer than any letter's, only the beginning is read.
        """
        return decode_words(self.value[:MOST_OF_LIST])


@dataclass(frozen=True, slots=True)
class Message:
    """The content of one message, CRLF line ends, and its header fields in order."""

    content: bytes
    fields: tuple[Field, ...]
    body_at: int  # offset of the first byte of the body

    def first(self, name: str) -> Field | None:
        """Return the first field called `name`, in any case, or None."""
        return next(self.all(name), None)

    def all(self, name: str) -> Iterator[Field]:
        """Yield the fields called `name`, in any case, in order."""
        wanted = name.lower()
        return (field for field in self.fields if field.name.lower() == wanted)

    def text(self, name: str) -> str:
        """Return the decoded value of the first field called `name`, or an empty string."""
        field = self.first(name)
        return field.decoded if field else ""

    def addresses(self, name: str) -> list[tuple[str, str]]:
        """Return (display name, address) of every mailbox in the fields called `name`.

        Of a field that is longer than any letter's, only the beginning is read.
        """
        values = list(_beginning([field.value for field in self.all(name)]))
        if any(one.count("(") + one.count(":") > MOST_NESTED for one in values):
            return []  # the parser calls itself for each comment and group in another one
        found = getaddresses(values, **LENIENT) if values else []
        return [(decode_words(shown), address) for shown, address in found if address]

    @property
    def message_id(self) -> str:
        """The Message-ID with its angle brackets, or an empty string.

        A comment beside it is no part of it (RFC 5322 §3.6.4).
        """
        field = self.first("Message-ID")
        found = ID.search(field.value) if field else None
        return found[0] if found else field.value if field else ""

    def words(self, name: str) -> list[str]:
        """Return the first word of each field called `name`, folded, without parameters and
        comments."""
        values = (COMMENT.sub(" ", field.decoded) for field in self.all(name))
        firsts = (one.split(";", 1)[0].split("(", 1)[0].strip().lower() for one in values)
        return [one[:MOST_OF_WORD] for one in firsts if one]

    @property
    def auto_submitted(self) -> str:
        """What Auto-Submitted says beside "no"; empty: a person wrote it (RFC 3834 §5)."""
        return next((one for one in self.words("Auto-Submitted") if one != "no"), "")


@dataclass(frozen=True, slots=True)
class Edit:
    """One recorded change of a header: `value` None removes, else adds.

    A removal takes every field of that name; an addition stands above all others, or
    below them with `last`. With `body` it is a footer: `value` goes under the text part of
    the media type `name`, and a signed or encrypted message stays as it is. With `span`, two
    offsets in the content as the edits before leave it, `value` stands in the place of what is
    between them.
    """

    name: str
    value: str | None
    last: bool = False
    body: bool = False
    span: tuple[int, int] | None = None


def parse_message(content: bytes) -> Message:
    """Return the message with its header fields found; never fails.

    A line that is no field ends the header (RFC 5322 §2.2 allows none such): what follows
    counts as body, and the bytes stay as they are.
    """
    fields: list[Field] = []
    at = 0
    while (found := FIELD.match(content, at)) is not None:
        fields.append(Field(found[1].decode("ascii"), found[0]))
        at = found.end()
    body_at = at + 2 if content[at : at + 2] == CRLF else at
    return Message(content, tuple(fields), body_at)


def apply_edits(content: bytes, edits: tuple[Edit, ...]) -> bytes:
    """Return what leaves: the stored bytes with the recorded edits made, in order."""
    for is_of_header, some in groupby(edits, key=_is_of_header):
        if is_of_header:
            content = _with_header(content, some)
            continue
        for edit in some:
            content = _with_body(content, edit)
    return content


def edited_header(content: bytes, edits: tuple[Edit, ...]) -> Message:
    """Return the header of what leaves; its body is there only where an edit needs it."""
    of_header = tuple(one for one in edits if not one.body)
    if not any(one.span for one in of_header):  # else its offsets are of the whole
        content = content[: parse_message(content).body_at]
    return parse_message(apply_edits(content, of_header))


def decode_words(text: str) -> str:
    """Return `text` with its encoded words decoded (RFC 2047), or as it is when broken.

    Bytes that were written as they are, such as a subject in GBK, are decoded as well.
    """
    if not text.isascii():
        text = guess_text(text.encode("utf-8", "surrogateescape"))
    if "=?" not in text:
        return text
    return ENCODED_WORDS.sub(_decoded_run, text)


def _beginning(values: list[str]) -> Iterator[str]:
    """Yield values of at most MOST_OF_LIST characters in all, cut between two addresses."""
    left = MOST_OF_LIST
    for value in values:
        yield value if len(value) <= left else value[:left].rpartition(",")[0]
        left = max(0, left - len(value))


def _decoded_run(found: re.Match[str]) -> str:
    """Return some encoded words in a row; a character may lie across two of them."""
    parts: list[tuple[str, bytearray]] = []
    for charset, encoding, encoded in WORDS.findall(found[0]):
        try:
            octets = _octets_of(encoding, encoded.encode())
        except ValueError:  # bad Base64
            return found[0]
        if not parts or parts[-1][0] != charset.lower():
            parts.append((charset.lower(), bytearray()))
        parts[-1][1].extend(octets)
    return "".join(decode_named(bytes(octets), charset) for charset, octets in parts)


def _octets_of(encoding: str, encoded: bytes) -> bytes:
    if encoding in "qQ":
        return a2b_qp(encoded, header=True)
    return a2b_base64(encoded + b"=" * (-len(encoded) % 4))


def _is_of_header(edit: Edit) -> bool:
    return not edit.body and edit.span is None


def _with_header(content: bytes, edits: Iterable[Edit]) -> bytes:
    """Return the content with its header edited; it is taken apart once for all edits."""
    edits = [*edits]
    if all(edit.value is not None and not edit.last for edit in edits):  # all stand on top
        return b"".join([*map(_line, reversed(edits)), content])
    message = parse_message(content)
    body_at = sum(len(field.raw) for field in message.fields)
    fields = [(field.name.lower(), field.raw) for field in message.fields]
    for edit in edits:
        name = edit.name.lower()
        if edit.value is None:
            fields = [one for one in fields if one[0] != name]
            continue
        fields.insert(len(fields) if edit.last else 0, (name, _line(edit)))
    return b"".join([*(raw for _, raw in fields), memoryview(content)[body_at:]])


def _line(edit: Edit) -> bytes:
    return f"{edit.name}: {edit.value}\r\n".encode("utf-8", "surrogateescape")


def _with_body(content: bytes, edit: Edit) -> bytes:
    if edit.span is None:
        return append_footer(content, edit.name, edit.value or "")
    start, end = edit.span
    new = (edit.value or "").encode("utf-8", "surrogateescape")
    return content[:start] + new + content[end:]
