from __future__ import annotations

import pytest

from gateway.mail.charset import decode_reply, decode_text


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
