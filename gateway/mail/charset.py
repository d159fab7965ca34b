"""The words of servers, in whatever charset they were written."""

from __future__ import annotations

CHARSETS = ("utf-8", "gbk")  # Chinese providers answer in GBK
CONTROLS = {code: "?" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}


def decode_text(raw: bytes) -> str:
    """Return a server's words as UTF-8, GBK or Latin-1, whichever fits first; never fails."""
    for charset in CHARSETS:
        try:
            return raw.decode(charset)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def decode_reply(raw: bytes) -> str:
    """Like `decode_text`, for what is shown: a control character becomes a question mark.

    One would speak to the terminal of whoever reads it, or end the text where it is kept.
    """
    return decode_text(raw).translate(CONTROLS)
