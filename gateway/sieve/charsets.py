"""Octets to characters by the charset a message names; never fails, never slow."""

from __future__ import annotations

import codecs
from functools import lru_cache

_NOT_OF_MAIL = ("escape", "idna", "punycode")  # codecs of the language
_MEANT = {  # by the name of a small charset real mail means the larger one that grew out of it
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
}
_ALIASES = {"x-gbk": "gb18030", "gb_2312-80": "gb18030", "x-sjis": "cp932"}


@lru_cache(maxsize=256)
def _codec(name: str) -> str | None:
    if not name.isascii():
        return None
    try:
        codec = codecs.lookup(_ALIASES.get(name.strip().lower(), name)).name
    except (LookupError, ValueError):
        return None
    is_of_mail = not any(word in codec for word in _NOT_OF_MAIL)
    return _MEANT.get(codec, codec) if is_of_mail else None


def decode_octets(octets: bytes, charset: str, *, errors: str = "replace") -> str:
    """Return the characters; an unknown charset is taken for UTF-8.

    With `errors` of `surrogateescape` octets that fit nowhere can be found again.
    """
    try:
        text = octets.decode(_codec(charset) or "utf-8", errors)
    except (LookupError, ValueError):
        text = octets.decode("utf-8", errors)
    return text if _has_octets(text) else text.encode("utf-8", "replace").decode()


def as_text(value: str) -> str:
    """Return `value` with U+FFFD for what was kept as octets: what a database or JSON takes."""
    if value.isascii():
        return value
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _has_octets(text: str) -> bool:
    """Whether the text can become octets again: some charsets let half a character through."""
    if text.isascii():
        return True
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True
