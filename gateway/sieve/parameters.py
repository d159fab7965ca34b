"""Values with parameters, such as Content-Type (RFC 2045 §5.1, RFC 2231)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from gateway.sieve.charsets import decode_octets
from gateway.sieve.encoded_words import decode_words

MAX_PARAMETERS = 200


@dataclass(frozen=True, slots=True)
class Structured:
    """A value in lower case and its parameters, their names in lower case."""

    value: str
    parameters: dict[str, str]

    @property
    def main(self) -> str:
        """What stands before the slash."""
        return self.value.partition("/")[0]

    @property
    def sub(self) -> str:
        """What stands behind the slash, or an empty string."""
        return self.value.partition("/")[2]


def parse_structured(text: str) -> Structured:
    """Return the value and its parameters; a type with more than one slash is `/`."""
    value, _, rest = text.partition(";")
    value = value.partition("(")[0].strip().lower()
    if value.count("/") > 1 or value.startswith("/") or value.endswith("/"):
        value = "/"
    return Structured(value, _joined(list(_pairs(rest))))


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    at = found = 0
    while at < len(text) and found < MAX_PARAMETERS:
        equals = text.find("=", at)
        if equals < 0:
            return
        name = text[at:equals].rpartition(";")[2].strip().lower()
        at = equals + 1
        while at < len(text) and text[at] in " \t":
            at += 1
        if text[at : at + 1] == '"':
            value, at = _quoted(text, at)
            end = text.find(";", at)
        else:
            end = text.find(";", at)
            value = text[at : end if end >= 0 else len(text)].strip()
        at = len(text) if end < 0 else end + 1
        found += 1
        if name:
            yield name, value


def _quoted(text: str, at: int) -> tuple[str, int]:
    parts: list[str] = []
    at += 1
    while at < len(text) and text[at] != '"':
        at += text[at] == "\\" and at + 1 < len(text)
        parts.append(text[at])
        at += 1
    return "".join(parts), at + 1


def _joined(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Join continued parameters and decode extended ones (RFC 2231 §3, §4)."""
    plain: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[str, bool]]] = {}
    for name, value in pairs:
        base, star, rest = name.partition("*")
        number, is_extended = rest.removesuffix("*"), name.endswith("*")
        if not star:
            plain.setdefault(base, decode_words(value))
        elif number.isascii() and (number.isdigit() or not number) and len(number) < 4:
            piece = (value, is_extended)
            pieces.setdefault(base, {}).setdefault(int(number or 0), piece)
    return {**plain, **{base: _assembled(found) for base, found in pieces.items()}}


def _assembled(pieces: dict[int, tuple[str, bool]]) -> str:
    charset, octets = "utf-8", b""
    for number in range(len(pieces)):
        if number not in pieces:
            break
        value, is_extended = pieces[number]
        if is_extended and number == 0:
            charset, value = _charset(value)
        piece = value.encode("utf-8", "surrogateescape")
        octets += unquote_to_bytes(piece) if is_extended else piece
    return decode_octets(octets, charset)


def _charset(value: str) -> tuple[str, str]:
    charset, quote, rest = value.partition("'")
    if not quote:
        return "utf-8", value
    return charset or "utf-8", rest.partition("'")[2]
