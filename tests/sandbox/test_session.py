"""The SMTP conversation itself: what is offered, and what is kept of parameters."""

import smtplib
import socket
from typing import Any

import pytest

from gateway.sandbox.upstream import Upstream, UpstreamSettings

MAIL = b"From: a@acme.example\r\nTo: b@example.net\r\n\r\nHello\r\n"


@pytest.fixture
def upstream(serve: Any) -> Upstream:
    started: Upstream = serve(
        Upstream(UpstreamSettings(require_login=False, max_message_bytes=1000))
    )
    return started


def test_the_extensions_of_a_provider_are_offered(upstream: Upstream) -> None:
    with smtplib.SMTP("127.0.0.1", upstream.port, timeout=30) as client:
        client.ehlo()
        assert set(client.esmtp_features) == {
            "size", "pipelining", "8bitmime", "smtputf8", "enhancedstatuscodes", "dsn", "auth"
        }  # fmt: skip


def test_dsn_parameters_are_kept_as_written(upstream: Upstream) -> None:
    with smtplib.SMTP("127.0.0.1", upstream.port, timeout=30) as client:
        client.ehlo()
        client.mail("a@acme.example", ["RET=HDRS", "ENVID=QQ314159", "BODY=8BITMIME"])
        client.rcpt("b@example.net", ["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;Bob@b.example"])
        client.data(MAIL)
    (captured,) = upstream.captured
    envelope = captured.envelope
    assert (envelope.ret, envelope.envid, envelope.body_8bit) == ("HDRS", "QQ314159", True)
    assert envelope.recipients[0].notify == "SUCCESS,FAILURE"
    assert envelope.recipients[0].orcpt == "rfc822;Bob@b.example"


def test_a_pipelined_envelope_is_answered_in_order(upstream: Upstream) -> None:
    with socket.create_connection(("127.0.0.1", upstream.port), timeout=30) as client:
        replies = client.makefile("rb")
        client.sendall(
            b"EHLO us\r\nMAIL FROM:<a@acme.example>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n"
        )
        codes = [reply[:3] for reply in replies_of(replies, 5)]
        client.sendall(MAIL + b".\r\nQUIT\r\n")
        codes += [reply[:3] for reply in replies_of(replies, 2)]
    assert codes == [b"220", b"250", b"250", b"250", b"354", b"250", b"221"]


def replies_of(replies: Any, count: int) -> list[bytes]:
    found: list[bytes] = []
    while len(found) < count:
        line = replies.readline()
        if line[3:4] == b" ":
            found.append(line)
    return found


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("MAIL FROM:<a@acme.example> SIZE=1001", b"552 5.3.4"),
        ("MAIL FROM:<a@acme.example> SIZE=big", b"501 5.5.4"),
        ("MAIL FROM:<a@acme.example> COLOUR=red", b"555 5.5.4"),
        ("MAIL FROM:a@acme.example", b"501 5.5.4"),
        ("MAIL FROM:<nobody>", b"501 5.1.7"),
        ("MAIL FROM:<üml@acme.example>", b"553 5.6.7"),
        ("RCPT TO:<b@example.net>", b"503 5.5.1"),
    ],
)
def test_what_is_wrong_is_refused_with_an_enhanced_code(
    upstream: Upstream, command: str, code: bytes
) -> None:
    with smtplib.SMTP("127.0.0.1", upstream.port, timeout=30) as client:
        client.ehlo()
        client.send(command.encode() + b"\r\n")
        number, text = client.getreply()
    assert b"%d %b" % (number, text[:5]) == code
