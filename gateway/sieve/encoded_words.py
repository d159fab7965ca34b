"""Encoded words in header fields (RFC 2047), decoded leniently: what is broken stays."""

from __future__ import annotations

import binascii

from gateway.sieve.charsets import decode_octets

MAX_WORD = 4096  # characters; RFC 2047 §2 allows 75
MAX_CHARSET = 64
MAX_LINE = 900  # characters; with the field's name below the 998 of RFC 5322 §2.1.1
_CONTROLS = frozenset([*map(chr, range(32)), "\x7f"])


def decode_words(text: str) -> str:
    """Return `text` with its encoded words decoded.

    Space between two encoded words is dropped (RFC 2047 §6.2), and a character that was cut
    between two words of one charset is made whole. A word that cannot be decoded is left.
    """
    if "=?" not in text:
        return text
    parts: list[str] = []
    pending: list[bytes] = []
    charset = ""
    at = 0
    while at < len(text):
        start = text.find("=?", at)
        word = _word_at(text, start) if start >= 0 else None
        if start >= 0 and word is None:
            start = _next_word(text, start + 2)
            word = _word_at(text, start) if start >= 0 else None
        gap = text[at:start] if word else text[at:]
        if not (charset and word and not gap.strip(" \t")):
            parts.append(_decoded(pending, charset) + gap)
            pending, charset = [], ""
        if word is None:
            break
        word_charset, octets, at = word
        if charset and word_charset != charset:
            parts.append(_decoded(pending, charset))
            pending = []
        pending.append(octets)
        charset = word_charset
    parts.append(_decoded(pending, charset))
    return "".join(parts)


def _next_word(text: str, at: int) -> int:
    """Return where the next decodable word begins, or -1."""
    start = text.find("=?", at)
    while start >= 0 and _word_at(text, start) is None:
        start = text.find("=?", start + 2)
    return start


def _word_at(text: str, at: int) -> tuple[str, bytes, int] | None:
    """Return charset, octets and end of the encoded word at `at`, or None."""
    second = text.find("?", at + 2, at + 2 + MAX_CHARSET)
    third = second + 2
    if second < 0 or text[third : third + 1] != "?":
        return None
    end = text.find("?=", third + 1, third + MAX_WORD)
    charset = text[at + 2 : second].split("*", 1)[0].lower()
    if end < 0 or not charset or " " in charset:
        return None
    octets = _octets(text[second + 1].lower(), text[third + 1 : end])
    if octets is None:
        return None
    return charset, octets, end + 2


def _octets(encoding: str, encoded: str) -> bytes | None:
    if not encoded.isascii():
        return None
    try:
        if encoding == "b":
            return binascii.a2b_base64(encoded + "=" * (-len(encoded) % 4))
        if encoding == "q":
            return binascii.a2b_qp(encoded.replace("_", " "), header=True)
    except binascii.Error:
        return None
    return None


def _decoded(octets: list[bytes], charset: str) -> str:
    return decode_octets(b"".join(octets), charset) if charset else ""


def encode_words(text: str, *, controls: bool = False) -> str:
    """Return `text` fit for a header field: plain, or in encoded words (RFC 2047).

    CR, LF and control characters become spaces, and long lines are folded (RFC 5322 §2.1.1).
    With `controls` those that an old header may hold stay: all but NUL, CR, LF (§4.1).
    """
    unfolded = text.replace("\r\n", "\n").replace("\n ", " ").replace("\n\t", "\t")
    removed = "\0\r\n" if controls else _CONTROLS
    clean = "".join(" " if c in removed else c for c in unfolded).strip()
    if clean.isascii() and "=?" not in clean:
        lines = _folded(clean)
        if max(map(len, lines)) <= MAX_LINE:
            return "\r\n".join(lines)
    words: list[str] = []
    chunk = b""
    for character in clean:
        octets = character.encode("utf-8", "replace")
        if len(chunk) + len(octets) > 45:
            words.append(_as_word(chunk))
            chunk = b""
        chunk += octets
    return "\r\n ".join([*words, _as_word(chunk)])


def _folded(text: str) -> list[str]:
    """Cut at spaces, so that no line passes 78 characters where it can be helped.

    No line is blank: of a longer run of spaces the rest is left out (RFC 5322 §3.2.2).
    """
    lines: list[str] = []
    while len(text) > 76 and (at := text.rfind(" ", 1, 76)) > 0:
        if not text[:at].isspace():
            lines.append(text[:at])
        text = text[at:]
    return [*lines, text]


def _as_word(octets: bytes) -> str:
    return f"=?utf-8?B?{binascii.b2a_base64(octets, newline=False).decode()}?="
