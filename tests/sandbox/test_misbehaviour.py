"""Every misbehaviour of the upstream, as a client sees it."""

import smtplib
import socket
import time
from dataclasses import replace
from typing import Any

import pytest

from gateway.sandbox.misbehaviour import Fault, Misbehaviour, Phase
from gateway.sandbox.upstream import Upstream, UpstreamSettings

MAIL = (
    b"From: a@acme.example\r\nTo: b@example.net\r\nMessage-ID: <1@acme>\r\n"
    b"DKIM-Signature: v=1; d=acme.example\r\n\r\nHello\r\n"
)
GONE = (smtplib.SMTPServerDisconnected, ConnectionResetError, BrokenPipeError)


@pytest.fixture
def upstream(serve: Any) -> Upstream:
    started: Upstream = serve(Upstream(UpstreamSettings(accounts={"u": "p"})))
    return started


def submit(upstream: Upstream, content: bytes = MAIL) -> str:
    """Send one mail and return the text of the last reply."""
    with smtplib.SMTP("127.0.0.1", upstream.port, timeout=30) as client:
        client.login("u", "p")
        for command in ("MAIL FROM:<a@acme.example>", "RCPT TO:<b@example.net>"):
            expect(client.docmd(command))
        return expect(client.data(content))


def expect(reply: tuple[int, bytes]) -> str:
    if reply[0] >= 400:
        raise smtplib.SMTPResponseException(*reply)
    return reply[1].decode()


@pytest.mark.parametrize("phase", [Phase.EHLO, Phase.AUTH, Phase.MAIL, Phase.RCPT, Phase.DATA])
@pytest.mark.parametrize("code", [451, 550])
def test_a_reply_is_given_instead_of_doing_what_a_command_asks(
    upstream: Upstream, phase: Phase, code: int
) -> None:
    upstream.misbehaviour = Misbehaviour(at={phase: f"{code} 4.7.1 Not now"})
    with pytest.raises(smtplib.SMTPException) as refused:
        submit(upstream)
    assert str(code) in str(refused.value)
    assert not len(upstream.captured)


def test_a_refused_greeting_ends_the_connection(upstream: Upstream) -> None:
    upstream.misbehaviour = Misbehaviour(at={Phase.GREETING: "554 5.7.1 Go away"})
    with pytest.raises(smtplib.SMTPConnectError) as refused:
        submit(upstream)
    assert refused.value.smtp_code == 554


@pytest.mark.parametrize("reply", ["452 4.2.2 Full", "550 5.7.1 Spam"])
def test_a_refusal_after_the_dot_keeps_nothing(upstream: Upstream, reply: str) -> None:
    upstream.misbehaviour = Misbehaviour(at={Phase.DOT: reply})
    with pytest.raises(smtplib.SMTPResponseException) as refused:
        submit(upstream)
    assert refused.value.smtp_code == int(reply[:3])
    assert not len(upstream.captured)


def test_another_250_keeps_the_mail(upstream: Upstream) -> None:
    upstream.misbehaviour = Misbehaviour(at={Phase.DOT: "250 Ok id=7"})
    assert submit(upstream) == "Ok id=7"
    assert len(upstream.captured) == 1


def test_one_recipient_of_two_is_refused(upstream: Upstream) -> None:
    upstream.misbehaviour = Misbehaviour(recipients={"x@example.net": "550 5.1.1 No such user"})
    with smtplib.SMTP("127.0.0.1", upstream.port, timeout=30) as client:
        client.login("u", "p")
        refused = client.sendmail("a@acme.example", ["x@example.net", "b@example.net"], MAIL)
    assert refused == {"x@example.net": (550, b"5.1.1 No such user")}
    (captured,) = upstream.captured
    assert len(captured.envelope.recipients) == 1


@pytest.mark.parametrize("phase", [Phase.EHLO, Phase.MAIL, Phase.DATA, Phase.CONTENT])
def test_a_connection_is_dropped(upstream: Upstream, phase: Phase) -> None:
    upstream.misbehaviour = Misbehaviour(at={phase: Fault.DROP})
    with pytest.raises(GONE):
        submit(upstream, MAIL + b"x" * 78 + b"\r\n")
    assert not len(upstream.captured)


@pytest.mark.parametrize(("fault", "kept"), [(Fault.DROP, 0), (Fault.KEEP_AND_DROP, 1)])
def test_a_connection_dropped_after_the_dot_may_have_kept_the_mail(
    upstream: Upstream, fault: Fault, kept: int
) -> None:
    upstream.misbehaviour = Misbehaviour(at={Phase.DOT: fault})
    with pytest.raises(GONE):
        submit(upstream)
    assert len(upstream.captured) == kept


@pytest.mark.parametrize("phase", [Phase.GREETING, Phase.MAIL, Phase.DOT])
def test_a_server_that_hangs_answers_nothing(upstream: Upstream, phase: Phase) -> None:
    upstream.misbehaviour = Misbehaviour(at={phase: Fault.HANG})
    client = smtplib.SMTP(timeout=0.3)
    with pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
        hand_in(client, upstream)
    client.close()


def test_garbage_is_answered(upstream: Upstream) -> None:
    upstream.misbehaviour = Misbehaviour(at={Phase.MAIL: Fault.GARBAGE})
    with smtplib.SMTP("127.0.0.1", upstream.port, timeout=30) as client:
        client.login("u", "p")
        client.putcmd("MAIL", "FROM:<a@acme.example>")
        assert client.file is None or b"what?" in client.file.readline()
        client.close()


@pytest.mark.parametrize(
    ("fault", "begin"),
    [
        (Fault.ENDLESS_LINE, b"250 250 250 "),
        (Fault.ENDLESS_REPLY, b"250-and more\r\n250-and more\r\n"),
        (Fault.FLOOD, b"250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n"),
    ],
)
def test_an_answer_has_no_end(upstream: Upstream, fault: Fault, begin: bytes) -> None:
    upstream.misbehaviour = Misbehaviour(at={Phase.EHLO: fault})
    with socket.create_connection(("127.0.0.1", upstream.port), timeout=30) as client:
        stream = client.makefile("rb")
        stream.readline()
        client.sendall(b"EHLO x\r\n")
        assert stream.read(5_000_000).startswith(begin)


def test_an_answer_runs_ahead(upstream: Upstream) -> None:
    upstream.misbehaviour = Misbehaviour(at={Phase.DATA: Fault.EARLY})
    with smtplib.SMTP("127.0.0.1", upstream.port, timeout=30) as client:
        client.login("u", "p")
        client.mail("a@acme.example")
        client.rcpt("b@example.net")
        assert client.docmd("DATA") == (354, b"Go ahead")
        assert client.getreply() == (250, b"2.0.0 Ok: queued as early")
    assert not len(upstream.captured)


def test_a_login_is_refused_with_the_text_given(upstream: Upstream) -> None:
    text = "5.7.8 Error: authentication failed: code expired"
    upstream.misbehaviour = Misbehaviour(refuse_login=text)
    with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        submit(upstream)
    assert (refused.value.smtp_code, refused.value.smtp_error) == (535, text.encode())


def test_the_message_id_is_replaced_and_the_250_tells_the_new_one(upstream: Upstream) -> None:
    upstream.misbehaviour = Misbehaviour(rewrite_message_id="email.amazonses.com")
    text = submit(upstream)
    (captured,) = upstream.captured
    assert text == f"Ok {captured.id}"
    assert f"Message-ID: <{captured.id}@email.amazonses.com>".encode() in captured.content
    assert b"<1@acme>" not in captured.content
    upstream.misbehaviour = replace(upstream.misbehaviour, hide_new_id=True)
    assert submit(upstream) == "2.0.0 Ok"


def test_a_second_signature_is_refused(upstream: Upstream) -> None:
    upstream.misbehaviour = Misbehaviour(refuse_second_signature=True)
    submit(upstream)
    with pytest.raises(smtplib.SMTPResponseException) as refused:
        submit(upstream, b"DKIM-Signature: v=1; d=b.example\r\n" + MAIL)
    assert refused.value.smtp_code == 554


def test_one_connection_too_many_is_greeted_with_421(upstream: Upstream) -> None:
    upstream.misbehaviour = Misbehaviour(max_connections=1)
    with smtplib.SMTP("127.0.0.1", upstream.port, timeout=30):
        with pytest.raises(smtplib.SMTPConnectError) as refused:
            smtplib.SMTP("127.0.0.1", upstream.port, timeout=30)
        assert refused.value.smtp_code == 421


@pytest.mark.parametrize("extension", ["8BITMIME", "SMTPUTF8", "DSN", "PIPELINING", "SIZE"])
def test_an_extension_is_left_out(upstream: Upstream, extension: str) -> None:
    with smtplib.SMTP("127.0.0.1", upstream.port, timeout=30) as client:
        client.ehlo()
        assert client.has_extn(extension)
        upstream.misbehaviour = Misbehaviour(without=frozenset({extension}))
        client.ehlo()
        assert not client.has_extn(extension)


def test_without_8bitmime_8_bit_content_is_refused(upstream: Upstream) -> None:
    upstream.misbehaviour = Misbehaviour(without=frozenset({"8BITMIME"}))
    with pytest.raises(smtplib.SMTPResponseException) as refused:
        submit(upstream, MAIL + "Grüße\r\n".encode())
    assert "5.6.3" in str(refused.value)


def test_slow_replies_take_their_time(upstream: Upstream) -> None:
    with smtplib.SMTP("127.0.0.1", upstream.port, timeout=30) as client:
        upstream.misbehaviour = Misbehaviour(slow_seconds=0.2)
        before = time.monotonic()
        client.noop()
        assert time.monotonic() - before >= 0.2


def test_a_misbehaviour_ends_while_the_session_goes_on(upstream: Upstream) -> None:
    upstream.misbehaviour = Misbehaviour(at={Phase.MAIL: "451 4.3.0 Later"})
    with smtplib.SMTP("127.0.0.1", upstream.port, timeout=30) as client:
        client.login("u", "p")
        assert client.mail("a@acme.example")[0] == 451
        upstream.misbehaviour = Misbehaviour()
        assert client.mail("a@acme.example")[0] == 250


def hand_in(client: smtplib.SMTP, upstream: Upstream) -> None:
    client.connect("127.0.0.1", upstream.port)
    client.login("u", "p")
    client.sendmail("a@acme.example", ["b@example.net"], MAIL)
