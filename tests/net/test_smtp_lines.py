from __future__ import annotations

import pytest

from gateway.mail.address import parse_address
from gateway.mail.envelope import Envelope, Recipient
from gateway.net.smtp_lines import dot_stuffed, mail_line, parse_extensions


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


def test_an_address_beyond_ascii_asks_for_smtputf8_though_no_client_did() -> None:
    """RFC 6531 §3.4: an answer or a notification of ours goes there, too."""
    to = Recipient(parse_address("用户@例え.example"))
    envelope = Envelope(return_path=None, recipients=(to,))
    line = mail_line(envelope, b"", offered={"SMTPUTF8": "", "8BITMIME": ""})
    assert line == b"MAIL FROM:<> SMTPUTF8\r\n"
