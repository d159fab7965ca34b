from __future__ import annotations

import pytest

from gateway.net.smtp_lines import dot_stuffed, parse_extensions


def test_extensions_keep_their_parameters_and_old_servers_are_understood() -> None:
    text = "mx.example\nPIPELINING\nsize 1000\nAUTH LOGIN\nAUTH=PLAIN"
    assert parse_extensions(text) == {"PIPELINING": "", "SIZE": "1000", "AUTH": "LOGIN PLAIN"}


@pytest.mark.parametrize(
    ("content", "wire"),
    [
        (b"a\r\n", b"a\r\n"),
        (b"a", b"a\r\n"),
        (b".\r\n..\r\n.", b"..\r\n...\r\n..\r\n"),
        (b"a.b\r\n\r\n.c\r\n", b"a.b\r\n\r\n..c\r\n"),
    ],
)
def test_no_line_of_the_content_is_a_lone_dot(content: bytes, wire: bytes) -> None:
    assert dot_stuffed(content) == wire
