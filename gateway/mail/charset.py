"""Text in whatever charset it was written: the words of servers, and those of mail."""

from __future__ import annotations

import codecs

MAX_REPLY = 8192  # characters
CHARSETS = ("utf-8", "gbk")  # Chinese providers answer in GBK
CONTROLS = {code: "?" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}
WIDER: dict[str, tuple[str, ...]] = {  # what a name stands for in real mail, by codec
    "iso8859-1": ("cp1252",),
    "iso8859-9": ("cp1254",),
    "iso8859-11": ("cp874",),
    "gb2312": ("gb18030",),
    "gbk": ("gb18030",),
    "big5": ("cp950", "big5hkscs"),
    "cp950": ("cp950", "big5hkscs"),
    "shift_jis": ("cp932",),
    "euc_kr": ("cp949",),
    "iso2022_jp": ("iso2022_jp", "iso2022_jp_ext"),
}
ALSO_KNOWN = {  # names that Python does not know
    "x-gbk": "gbk",
    "cn-gb": "gbk",
    "gb_2312-80": "gbk",
    "x-sjis": "shift_jis",
    "windows-31j": "cp932",
    "x-euc-jp": "euc_jp",
    "x-euc-kr": "euc_kr",
    "windows-874": "cp874",
    "tis-620": "cp874",
    "cp-850": "cp850",
    "iso-8859-8-i": "iso8859-8",
}
NOT_OF_MAIL = ("escape", "idna", "punycode")  # codecs of the language


def decode_text(raw: bytes) -> str:
    """Return a server's words as UTF-8, GBK or Latin-1, whichever fits first; never fails."""
    for charset in CHARSETS:
        try:
            return raw.decode(charset)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def decode_reply(raw: bytes) -> str:
    """Like `decode_text`, for what is shown and kept: of words without end their beginning."""
    return without_controls(decode_text(raw)[:MAX_REPLY])


def without_controls(text: str) -> str:
    """Return the text with a question mark for each control character but tab and line end.

    One would speak to the terminal of whoever reads it, or end the text where it is kept.
    """
    return text.translate(CONTROLS)


def decode_named(raw: bytes, charset: str) -> str:
    """Return text that is said to be in `charset`; a wrong or unknown name costs no text.

    Mail programs write the name of a small charset over text of the larger one that grew out
    of it: GB2312 for GBK, ISO-8859-1 for Windows-1252, US-ASCII for anything.
    """
    codec = _codec(charset)
    if codec is None or codec == "ascii":
        return guess_text(raw)
    wider = WIDER.get(codec, (codec,))
    for one in wider:
        try:
            return raw.decode(one)
        except ValueError:
            continue
    text = raw.decode(wider[0], "replace")
    is_other = text.count("\ufffd") * 2 > sum(not one.isascii() for one in text)
    return guess_text(raw) if codec == "utf-8" and is_other else text


def guess_text(raw: bytes) -> str:
    """Return text of no known charset: UTF-8, or GBK where it is mostly common Chinese, or
    Windows-1252, of which nearly every byte is a character and which is no charset of Asia."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("gbk", "replace")
    foreign = sum(not one.isascii() for one in text)
    common = len(text.encode("gb2312", "ignore").decode("gb2312")) - (len(text) - foreign)
    if common * 2 > foreign:
        return text
    return raw.decode("cp1252", "replace")


def _codec(charset: str) -> str | None:
    name = charset.partition("*")[0].strip().lower()  # RFC 2231 §5: a language may follow
    try:
        codec = codecs.lookup(ALSO_KNOWN.get(name, name)).name
        "".encode(codec)  # not every codec is one of text
    except (LookupError, ValueError):
        return None
    return None if any(word in codec for word in NOT_OF_MAIL) else codec
