"""Comparators (RFC 4790): how two strings are the same, and which comes first."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

_ASCII_UPPER = {ord("a") + n: ord("A") + n for n in range(26)}


@dataclass(frozen=True, slots=True)
class Comparator:
    """A comparator: `fold` maps a string to what is compared character by character.

    `order` is the key that sorts; without `substrings` only :is, :value and :count work.
    """

    name: str
    fold: Callable[[str], str]
    order: Callable[[str], object]
    substrings: bool = True
    fold_keeps_length: bool = True


def ascii_upper(value: str) -> str:
    """Return `value` with ASCII letters in upper case, the rest as it is (RFC 4790 §9.2)."""
    return value.upper() if value.isascii() else value.translate(_ASCII_UPPER)


def unicode_fold(value: str) -> str:
    """Return title-case, decomposed characters (RFC 5051 §2)."""
    if value.isascii():
        return value.upper()
    return "".join(unicodedata.normalize("NFKD", character.title()) for character in value)


def numeric_order(value: str) -> tuple[int, int]:
    """Return the leading number; a string without one is above all others (RFC 4790 §9.1)."""
    digits = 0
    while digits < len(value) and value[digits] in "0123456789":
        digits += 1
    if not digits:
        return (1, 0)
    return (0, int(value[: min(digits, 4000)]))


def octets(value: str) -> bytes:
    """Return the octets of a string; bytes that were no UTF-8 come back as they were."""
    return value.encode("utf-8", "surrogateescape")


def _octet_order(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")


def _ascii_order(value: str) -> bytes:
    return _octet_order(ascii_upper(value))


def _unicode_order(value: str) -> bytes:
    return _octet_order(unicode_fold(value))


def _as_it_is(value: str) -> str:
    return value


OCTET = Comparator("i;octet", _as_it_is, _octet_order)
ASCII_CASEMAP = Comparator("i;ascii-casemap", ascii_upper, _ascii_order)
ASCII_NUMERIC = Comparator("i;ascii-numeric", _as_it_is, numeric_order, substrings=False)
UNICODE_CASEMAP = Comparator(
    "i;unicode-casemap", unicode_fold, _unicode_order, fold_keeps_length=False
)

COMPARATORS = {one.name: one for one in (OCTET, ASCII_CASEMAP, ASCII_NUMERIC, UNICODE_CASEMAP)}
# Need no `require`: the first two by RFC 5228 §2.7.3, the third because others ask none.
BUILT_IN = frozenset({"i;octet", "i;ascii-casemap", "i;unicode-casemap"})
