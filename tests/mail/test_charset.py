from __future__ import annotations

import pytest

from gateway.mail.charset import decode_named, decode_reply, decode_text


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("登录失败".encode(), "登录失败"),
        ("登录失败".encode("gbk"), "登录失败"),
        (b"caf\xe9 \xff", "café ÿ"),
    ],
)
def test_the_words_of_a_server_are_read_in_its_charset(raw: bytes, text: str) -> None:
    assert decode_text(raw) == text


def test_a_control_character_is_shown_and_not_obeyed() -> None:
    assert decode_reply(b"550 a\0b\x1b[2J\rc\td\ne") == "550 a?b?[2J?c\td\ne"
    assert len(decode_reply("登".encode() * 1_000_000)) == 8192


@pytest.mark.parametrize(
    ("said", "written", "text"),
    [
        ("gb2312", "gbk", "朱镕基"),
        ("GBK", "gb18030", "你好😀"),
        ("x-gbk", "gbk", "你好"),
        ("iso-8859-1", "cp1252", "“smart” €"),
        ("shift_jis", "cp932", "①髙"),
        ("ks_c_5601-1987", "cp949", "똠방"),
        ("big5", "big5hkscs", "嘅"),
        ("us-ascii", "utf-8", "Grüße"),
        ("us-ascii", "latin-1", "Grüße, Straße, à côté"),
        ("us-ascii", "gbk", "你好，世界"),
        ("utf-8", "gbk", "你好世界"),
        ("no-such", "gbk", "你好"),
        ("undefined", "utf-8", "Grüße"),
    ],
)
def test_text_is_read_by_what_its_charset_stands_for(
    said: str, written: str, text: str
) -> None:
    assert decode_named(text.encode(written), said) == text


def test_a_text_cut_within_a_character_keeps_the_others() -> None:
    assert decode_named("你好".encode()[:-1], "utf-8") == "你\ufffd"
