"""Octets to characters by the charset a message names; never fails, never slow."""

from __future__ import annotations

import codecs
from functools import lru_cache

_NOT_OF_MAIL = ("escape", "idna", "punycode")  # codecs of the language


@lru_cache(maxsize=256)
def is_charset(name: str) -> bool:
    """Whether text can be decoded by that name."""
    if not name.isascii():
        return False
    try:
        codec = codecs.lookup(name)
    except (LookupError, ValueError):
        return False
    return not any(word in codec.name for word in _NOT_OF_MAIL)


def decode_octets(octets: bytes, charset: str, *, errors: str = "replace") -> str:
    """Return the characters; an unknown charset is taken for UTF-8.

    With `errors` of `surrogateescape` octets that fit nowhere can be found again.
    """
    try:
        text = octets.decode(charset if is_charset(charset) else "utf-8", errors)
    except (LookupError, ValueError):
        text = octets.decode("utf-8", errors)
    return text if _has_octets(text) else text.encode("utf-8", "replace").decode()


def _has_octets(text: str) -> bool:
    """Whether the text can become octets again: some charsets let half a character through."""
    if text.isascii():
        return True
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True
