"""Addresses in header fields (RFC 5322 §3.4, leniently) and in envelopes (RFC 5321 §4.1.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_ADDRESSES = 10_000  # of one field
MAX_TOKENS = 20 * MAX_ADDRESSES
_SPACE = " \t\r\n"
_WORD = r'[^()<>\[\]:;@\\,." \t\r\n]'
_WORDS = r'[^()<>\[\]:;@\\," \t\r\n]'  # with the dots between them
_ATOM = re.compile(f"{_WORD}+")
# ann@x.example or Ann Lee <ann@x.example>: what most fields hold; all else is read by tokens
_PLAIN = re.compile(
    rf"(?:((?:{_WORD}++[ \t]++)*+)<({_WORDS}++)@({_WORDS}++)>|({_WORDS}++)@({_WORDS}++))"
)
_ROUTE_ENDS = (("mark", ":"), ("mark", "<"), ("mark", ">"))


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One address: what is shown, and its two parts without quotes or comments."""

    local: str
    domain: str
    name: str = ""

    @property
    def address(self) -> str:
        """`local@domain`, the local part quoted where it has to be."""
        if not self.domain:
            return self.local
        return f"{_quoted_if_needed(self.local)}@{self.domain}"


def parse_mailboxes(value: str) -> list[Mailbox]:
    """Return the addresses in a header field's value, members of groups among them.

    What cannot be understood is skipped up to the next comma; never fails.
    """
    plain = _plain(value)
    return _Reader(value).mailboxes() if plain is None else [plain]


def parse_single(value: str) -> Mailbox | None:
    """Return the one address that `value` is, with or without a display name, or None."""
    plain = _plain(value)
    if plain is not None:
        return plain
    reader = _Reader(value)
    found = reader.mailboxes()
    if len(found) != 1 or reader.broken or not found[0].local or not found[0].domain:
        return None
    return found[0]


def parse_path(value: str) -> Mailbox | None:
    """Return the address of an envelope path, with or without angle brackets (RFC 5321 §4.1.2).

    A source route is dropped; the null path is a Mailbox without local part or domain.
    """
    text = value.strip()
    if text.startswith("<") != text.endswith(">"):
        return None
    text = text.removeprefix("<").removesuffix(">")
    if not text:
        return Mailbox("", "")
    if text.startswith("@"):
        route, colon, text = text.partition(":")
        if not colon or not all(map(_is_hop, route.split(","))):
            return None
    if _is_atom(text):
        return Mailbox(text, "")  # <postmaster>, without a domain
    if ":" in text.rpartition("@")[0] and not text.startswith('"'):
        return None
    found = parse_single(text)
    return found if found and not found.name else None


def _plain(value: str) -> Mailbox | None:
    found = _PLAIN.fullmatch(value)
    if found is None:
        return None
    name, local, domain, bare_local, bare_domain = found.groups()
    if name is None:
        return Mailbox(bare_local, bare_domain)
    return Mailbox(local, domain, " ".join(_ATOM.findall(name)))


def _is_hop(hop: str) -> bool:
    return hop.startswith("@") and all(map(_is_atom, hop[1:].split(".")))


def _is_atom(text: str) -> bool:
    return _ATOM.fullmatch(text) is not None


class _Reader:
    """A cursor over the tokens of one field's value."""

    def __init__(self, value: str) -> None:
        self.broken = False
        self._tokens = _tokens(value)
        self._at = 0

    def mailboxes(self) -> list[Mailbox]:
        found: list[Mailbox] = []
        while self._at < len(self._tokens) and len(found) < MAX_ADDRESSES:
            if self._peek() in (",", ";"):
                self._at += 1
                continue
            mailbox = self._mailbox()
            if mailbox is not None:
                found.append(mailbox)
        return found

    def _peek(self) -> str:
        return self._tokens[self._at][1] if self._is_mark() else ""

    def _is_mark(self) -> bool:
        return self._at < len(self._tokens) and self._tokens[self._at][0] == "mark"

    def _mailbox(self) -> Mailbox | None:
        """Read a phrase and what follows: an address in brackets, a bare one, or a group."""
        words, spaced = self._words()
        mark = self._peek()
        if mark == "<":
            return self._angle(words)
        if mark == ":":
            self._at += 1  # a group: its members follow like any address
            return None
        if mark == "@":
            self._at += 1
            domain = self._domain()
            return self._checked("".join(words), domain, single=not spaced)
        self.broken = True
        if not self._ended():  # a mark or a literal that belongs nowhere
            self._at += 1
            return None
        return Mailbox("".join(words), "") if words and not spaced else None

    def _checked(self, local: str, domain: str, *, single: bool) -> Mailbox | None:
        ended = self._at >= len(self._tokens) or self._peek() in (",", ";")
        if local and domain and single and ended:
            return Mailbox(local, domain)
        self.broken = True
        self._skip()
        return None

    def _words(self) -> tuple[list[str], bool]:
        """Read atoms, quoted strings and dots; tell whether two words stood side by side."""
        words: list[str] = []
        spaced, was_word = False, False
        while self._at < len(self._tokens):
            kind, text = self._tokens[self._at]
            is_word = kind in ("atom", "quoted")
            if not is_word and text != ".":
                break
            spaced = spaced or (is_word and was_word)
            was_word = is_word
            words.append(text)
            self._at += 1
        return words, spaced

    def _angle(self, words: list[str]) -> Mailbox | None:
        self._at += 1
        if self._peek() == "@":
            self._skip_route()
        local_words, odd = self._words()
        domain = ""
        if self._peek() == "@":
            self._at += 1
            domain = self._domain()
        closed = self._peek() == ">"
        name = _phrase(words)
        if closed:
            self._at += 1
        if not closed or odd or not local_words or not self._ended():
            self.broken = True
            self._skip()
            return None
        return Mailbox("".join(local_words), domain, name)

    def _ended(self) -> bool:
        return self._at >= len(self._tokens) or self._peek() in (",", ";")

    def _skip_route(self) -> None:
        """Skip a source route, `@a,@b:` (RFC 5322 §4.4)."""
        at = self._at
        while at < len(self._tokens) and self._tokens[at] not in _ROUTE_ENDS:
            at += 1
        if at < len(self._tokens) and self._tokens[at] == ("mark", ":"):
            self._at = at + 1

    def _domain(self) -> str:
        words: list[str] = []
        was_word = False
        while self._at < len(self._tokens):
            kind, text = self._tokens[self._at]
            is_word = kind in ("atom", "literal")
            if (not is_word and text != ".") or (is_word and was_word):
                break
            was_word = is_word
            words.append(text)
            self._at += 1
        return "".join(words)

    def _skip(self) -> None:
        while self._at < len(self._tokens) and self._peek() not in (",", ";"):
            self._at += 1


def _tokens(value: str) -> list[tuple[str, str]]:
    """Return (kind, text): atom, quoted, literal or mark; comments are left out."""
    found: list[tuple[str, str]] = []
    at = 0
    while at < len(value) and len(found) < MAX_TOKENS:
        first = value[at]
        if (atom := _ATOM.match(value, at)) is not None:
            found.append(("atom", atom[0]))
            at = atom.end()
        elif first in _SPACE:
            at += 1
        elif first == "(":
            at = _comment_end(value, at)
        elif first == '"':
            text, at = _quoted(value, at)
            found.append(("quoted", text))
        elif first == "[":
            end = value.find("]", at)
            end = len(value) if end < 0 else end + 1
            found.append(("literal", value[at:end]))
            at = end
        else:
            found.append(("mark", first))
            at += 1
    return found


def _phrase(words: list[str]) -> str:
    """Return a display name; a dot in it belongs to the word before (RFC 5322 §4.1)."""
    return " ".join(words).replace(" .", ".")


def _comment_end(value: str, at: int) -> int:
    depth = 0
    while at < len(value):
        character = value[at]
        at += 2 if character == "\\" else 1
        depth += (character == "(") - (character == ")")
        if not depth:
            break
    return at


def _quoted(value: str, at: int) -> tuple[str, int]:
    parts: list[str] = []
    at += 1
    while at < len(value) and value[at] != '"':
        at += value[at] == "\\" and at + 1 < len(value)
        parts.append(value[at])
        at += 1
    return "".join(parts), at + 1


def _quoted_if_needed(local: str) -> str:
    if _is_atom(local.replace(".", "")):
        return local
    return '"' + local.replace("\\", "\\\\").replace('"', '\\"') + '"'
