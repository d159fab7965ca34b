"""Characters to tokens (RFC 5228 §8.1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from gateway.sieve.diagnostics import Source

IDENTIFIER, TAG, NUMBER, STRING = "identifier", "tag", "number", "string"
PUNCTUATION, BAD, END = "punctuation", "bad", "end"  # BAD: reported, of no use

MAX_NUMBER = 2**64 - 1
MAX_IDENTIFIER = 32
_UNITS = {"k": 10, "m": 20, "g": 30}
_PUNCTUATION = frozenset(";,()[]{}")
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_DIGITS = frozenset("0123456789")
_NAME = _LETTERS | _DIGITS
_OTHER_QUOTES = "'\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb\u300c"
_MEANT = {
    "==": "tests compare by ':is' where no other tag stands",
    "=": 'a variable is set by: set "name" "value";',
    "!": "write 'not'",
    "&&": "write allof (..., ...)",
    "||": "write anyof (..., ...)",
    "//": "a comment begins with '#'",
}


class Token(NamedTuple):
    """One token: its kind, its value, and the span of source it covers."""

    kind: str
    value: str | int
    at: int
    end: int

    @property
    def width(self) -> int:
        """How many characters of source it covers."""
        return self.end - self.at


def read_tokens(source: Source) -> list[Token]:
    """Return the tokens, an END last; what cannot be one is reported and left out."""
    return [*_Lexer(source).tokens()]


class _Lexer:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._text = source.text
        self._at = 0
        self._over_lines: int | None = None  # where the last string of several lines begins

    def tokens(self) -> Iterator[Token]:
        while self._skip_space():
            token = self._next()
            if token is not None:
                yield token
        yield Token(END, "", len(self._text), len(self._text))

    def _next(self) -> Token | None:
        start = self._at
        first = self._text[start]
        if first in _PUNCTUATION:
            self._at += 1
            return Token(PUNCTUATION, first, start, self._at)
        if first == '"':
            return self._quoted()
        if first in _DIGITS:
            return self._number()
        if first in _LETTERS:
            return self._identifier()
        if first == ":" and self._text[start + 1 : start + 2] in _LETTERS:
            self._at += 1
            name = self._name()
            return Token(TAG if name else BAD, name, start, self._at)
        return self._unknown()

    def _skip_space(self) -> bool:
        """Go to the next character that counts; return whether there is one."""
        text = self._text
        while self._at < len(text):
            character = text[self._at]
            if character in " \t\r\n":
                self._at += 1
            elif character == "#":
                end = text.find("\n", self._at)
                self._at = len(text) if end < 0 else end + 1
            elif text.startswith("/*", self._at):
                self._skip_comment()
            else:
                return True
        return False

    def _skip_comment(self) -> None:
        end = self._text.find("*/", self._at + 2)
        if end < 0:
            self._source.error(self._at, "this comment is not closed by '*/'", width=2)
            end = len(self._text)
        self._at = end + 2

    def _name(self) -> str:
        start, text = self._at, self._text
        while self._at < len(text) and text[self._at] in _NAME:
            self._at += 1
        name = text[start : self._at]
        if len(name) > MAX_IDENTIFIER:
            self._source.error(start, "this name is too long", width=len(name))
            return ""
        return name.lower()

    def _identifier(self) -> Token | None:
        start = self._at
        name = self._name()
        if name == "text" and self._text[self._at : self._at + 1] == ":":
            return self._multi_line(start)
        return Token(IDENTIFIER if name else BAD, name, start, self._at)

    def _number(self) -> Token:
        start, text = self._at, self._text
        while self._at < len(text) and text[self._at] in _DIGITS:
            self._at += 1
        digits = text[start : self._at]
        unit = text[self._at : self._at + 1].lower()
        shift = _UNITS.get(unit, 0)
        self._at += 1 if shift else 0
        if text[self._at : self._at + 1] in _LETTERS:
            self._name()
            said = f"'{text[start : self._at][:20]}' is no number; it may end in K, M or G"
            self._source.error(start, said, width=self._at - start)
            return Token(NUMBER, 0, start, self._at)
        value = int(digits) << shift if len(digits) <= 20 else MAX_NUMBER + 1
        if value > MAX_NUMBER:
            self._source.error(start, "this number is too large", width=self._at - start)
            value = MAX_NUMBER
        return Token(NUMBER, value, start, self._at)

    def _quoted(self) -> Token:
        """Read a quoted string: a backslash only saves '"' and itself (RFC 5228 §2.4.2)."""
        start, text = self._at, self._text
        parts: list[str] = []
        at = start + 1
        while True:
            stop = _first_of(text, at)
            if stop < 0:
                self._source.error(start, f"this string is not closed by '\"'{self._hint()}")
                self._at = len(text)
                return Token(BAD, "", start, self._at)
            parts.append(text[at:stop])
            if text[stop] == '"':
                self._at = stop + 1
                if "\n" in text[start:stop]:
                    self._over_lines = start
                break
            self._check_escape(stop)
            parts.append(text[stop + 1 : stop + 2])
            at = stop + 2
        return Token(STRING, _with_crlf("".join(parts)), start, self._at)

    def _hint(self) -> str:
        """Say which string before this one probably lacks its quote."""
        if self._over_lines is None:
            return ""
        line = self._source.line_at(self._over_lines)
        return f"; does the string that begins in line {line} lack its own?"

    def _check_escape(self, at: int) -> None:
        escaped = self._text[at + 1 : at + 2]
        if escaped not in ('"', "\\", ""):
            self._source.warn(
                at,
                f'the string swallows this backslash: "\\{escaped}" is "{escaped}";'
                f' write "\\\\{escaped}" to keep it',
                width=2,
            )

    def _multi_line(self, start: int) -> Token | None:
        """Read `text:`, a comment or nothing, lines, and a lone dot (RFC 5228 §2.4.2)."""
        text = self._text
        end = text.find("\n", self._at)
        rest = text[self._at + 1 : end if end >= 0 else len(text)].strip(" \t\r")
        if end < 0 or (rest and not rest.startswith("#")):
            self._source.error(start, "'text:' must be followed by a line end", width=5)
            self._at += 1
            return None
        lines: list[str] = []
        at = end + 1
        while at < len(text):
            end = text.find("\n", at)
            end = len(text) if end < 0 else end
            line = text[at:end].removesuffix("\r")
            at = end + 1
            if line == ".":
                self._at = min(at, len(text))
                return Token(STRING, "".join(lines), start, self._at)
            lines.append((line[1:] if line.startswith("..") else line) + "\r\n")
        self._source.error(start, "this text is not ended by a line with only '.'", width=5)
        self._at = len(text)
        return Token(STRING, "".join(lines), start, self._at)

    def _unknown(self) -> Token | None:
        """Report a run of characters that belongs nowhere, once; a string in other quotes."""
        start, text = self._at, self._text
        while self._at < len(text) and text[self._at] not in ' \t\r\n;,()[]{}"':
            self._at += 1
        found = text[start : self._at]
        is_text = found[0] in _OTHER_QUOTES
        hint = 'a string stands in quotes like "this"' if is_text else _MEANT.get(found, "")
        said = f"'{found[:20]}' has no meaning here" + (f"; {hint}" if hint else "")
        self._source.error(start, said, width=len(found))
        return Token(BAD, found, start, self._at) if is_text else None


def _first_of(text: str, at: int) -> int:
    quote = text.find('"', at)
    backslash = text.find("\\", at, quote if quote >= 0 else len(text))
    return backslash if backslash >= 0 else quote


def _with_crlf(value: str) -> str:
    if "\n" not in value:
        return value
    return value.replace("\r\n", "\n").replace("\n", "\r\n")
