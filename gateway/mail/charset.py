"""The words of servers, in whatever charset they were written."""

from __future__ import annotations

CHARSETS = ("utf-8", "gbk")  # Chinese providers answer in GBK


def decode_text(raw: bytes) -> str:
    """Return a server's words as UTF-8, GBK or Latin-1, whichever fits first; never fails."""
    for charset in CHARSETS:
        try:
            return raw.decode(charset)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")
