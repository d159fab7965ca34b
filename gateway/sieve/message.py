"""The message as a script sees it: header fields with its edits made, the body as it is."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from gateway.sieve.addresses import Mailbox, parse_mailboxes
from gateway.sieve.encoded_words import decode_words
from gateway.sieve.interface import HeaderEdit

# RFC 5322 §2.2: a name is printable ASCII; §4.5 allows the blanks behind it; §2.2.3: folding
_FIELD = re.compile(rb"([!-9;-~]++)[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+\n?)")
_EMPTY_LINE = re.compile(rb"\r?\n")


class Field:
    """One header field: its name as written and its raw value, decoded when asked for."""

    __slots__ = ("_decoded", "_mailboxes", "key", "name", "raw")

    def __init__(self, name: str, raw: bytes) -> None:
        self.name = name
        self.key = name.lower()
        self.raw = raw
        self._decoded: str | None = None
        self._mailboxes: list[Mailbox] | None = None

    @property
    def unfolded(self) -> str:
        """The value on one line and trimmed, its encoded words left alone (RFC 5322 §2.2.3).

        A tab that folds a line is a space, as others read it.
        """
        text = self.raw.decode("utf-8", "surrogateescape").replace("\r", "")
        return text.replace("\n\t", " ").replace("\n", "").strip(" \t")

    @property
    def value(self) -> str:
        """The value unfolded, trimmed and decoded (RFC 5228 §2.4.2.2, RFC 2047)."""
        if self._decoded is None:
            self._decoded = decode_words(self.unfolded)
        return self._decoded

    @property
    def mailboxes(self) -> list[Mailbox]:
        """The addresses in it (RFC 5322 §3.4)."""
        if self._mailboxes is None:
            self._mailboxes = parse_mailboxes(self.unfolded)
        return self._mailboxes


class Message:
    """A message's header fields in order, and its bytes."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.fields, self._body_at = parse_fields(content)
        self._edited = False
        self._by_key: dict[str, list[Field]] = {}

    def shared(self) -> Message:
        """Return the same message for another script; an edit of one is none of the other."""
        other = Message.__new__(Message)
        other._content, other._body_at = self._content, self._body_at
        other.fields, other._edited = [*self.fields], self._edited
        other._by_key = self._by_key
        return other

    @property
    def original(self) -> bytes:
        """The message as it was before any edit of its header."""
        return self._content

    @property
    def body_at(self) -> int:
        """Where the body begins in the original."""
        return self._body_at

    @property
    def has_body(self) -> bool:
        """Whether there is a body, be it an empty one: an empty line ends the header."""
        at = self._body_at
        return at < len(self._content) or self._content[:at].endswith((b"\n\r\n", b"\n\n"))

    @property
    def head(self) -> bytes:
        """The header fields, with the edits made so far, without the empty line."""
        return b"".join(_line(field) for field in self.fields)

    @property
    def body(self) -> bytes:
        """What follows the header and its empty line."""
        return self._content[self._body_at :]

    @property
    def content(self) -> bytes:
        """The whole message, with the edits made so far."""
        if not self._edited:
            return self._content
        return self.head + b"\r\n" + self.body

    @property
    def size(self) -> int:
        """Its length in octets (RFC 5228 §5.9)."""
        return len(self.content)

    def named(self, names: Sequence[str]) -> Sequence[Field]:
        """Return the fields with one of the names, in any case, name by name."""
        return self.keyed([name.lower() for name in names])

    def keyed(self, keys: Sequence[str]) -> Sequence[Field]:
        """Return the fields with one of the names in lower case, name by name."""
        if not self._by_key:
            for field in self.fields:
                self._by_key.setdefault(field.key, []).append(field)
        if len(keys) == 1:
            return self._by_key.get(keys[0], [])
        return [field for key in keys for field in self._by_key.get(key, ())]

    def edit(self, edit: HeaderEdit) -> None:
        """Make one change of the header (RFC 5293)."""
        self._edited = True
        self._by_key = {}
        if edit.value is not None:
            field = Field(edit.name, b" " + edit.value.encode("utf-8", "surrogateescape"))
            self.fields.insert(len(self.fields) if edit.last else 0, field)
            return
        self._remove(edit.name, {edit.index})

    def remove(self, name: str, places: Collection[int]) -> None:
        """Remove the fields of that name at `places`, counted from 1, in one go."""
        self._edited = True
        self._by_key = {}
        self._remove(name, places)

    def _remove(self, name: str, places: Collection[int]) -> None:
        key, at, kept = name.lower(), 0, []
        for field in self.fields:
            at += field.key == key
            if field.key != key or at not in places:
                kept.append(field)
        self.fields[:] = kept  # the root of the parts has the same list


def edited(content: bytes, edits: Sequence[HeaderEdit]) -> bytes:
    """Return `content` with the edits made, in order."""
    message = Message(content)
    for edit in edits:
        message.edit(edit)
    return message.content


def parse_fields(
    content: bytes, at: int = 0, length: int | None = None
) -> tuple[list[Field], int]:
    """Return the header fields from `at` on and where the body begins; never fails.

    A line that is no field ends the header (RFC 5322 §2.2 allows none such).
    """
    fields: list[Field] = []
    length = len(content) if length is None else length
    while (found := _FIELD.match(content, at, length)) is not None:
        fields.append(Field(found[1].decode("ascii"), found[2]))
        at = found.end()
    end = _EMPTY_LINE.match(content, at, length)
    return fields, at if end is None else end.end()


def _line(field: Field) -> bytes:
    return field.name.encode() + b":" + field.raw.rstrip(b"\r\n") + b"\r\n"
