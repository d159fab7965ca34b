"""The verbs on the wire: what is offered, TLS, AUTH, pipelining, DATA."""

from __future__ import annotations

import re
import ssl
from base64 import b64encode
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from gateway.mail.tenant import Security

if TYPE_CHECKING:
    from tests.submission.conftest import Client, Stage

PASSWORD = "correct-horse-battery-staple"
BEGIN = b"MAIL FROM:<support@acme.example>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\n"
LETTER = b"From: support@acme.example\r\nSubject: x\r\n\r\nbody"


def plain(password: str = PASSWORD) -> str:
    return "AUTH PLAIN " + b64encode(f"\0acme.zammad\0{password}".encode()).decode()


def offered(client: Client) -> set[str]:
    client.read()
    return extensions(client)


def extensions(client: Client) -> set[str]:
    lines = client.say("EHLO desk.example").split("\n")[1:]
    return {re.sub("(?<=FUTURERELEASE ).*", "*", line[4:]) for line in lines}  # holds a time


def replies(client: Client, count: int) -> list[str]:
    return [client.read()[:9].rstrip() for _ in range(count)]


ALWAYS = {
    "SIZE 100000", "8BITMIME", "SMTPUTF8", "PIPELINING", "ENHANCEDSTATUSCODES", "DSN",
    "FUTURERELEASE *",
}  # fmt: skip


def test_starttls_comes_before_auth(stage: Stage) -> None:
    client = stage.connect(Security.STARTTLS)
    assert offered(client) == ALWAYS | {"STARTTLS"}
    assert client.say(plain()).startswith("538 5.7.11 ")
    assert client.say("MAIL FROM:<>").startswith("530 5.7.0 ")
    assert client.say("STARTTLS").startswith("220 ")
    client.start_tls(stage.trust)
    assert client.say("NOOP").startswith("250 ")
    assert client.say("MAIL FROM:<>").startswith("503 5.5.1 ")  # EHLO again, RFC 3207 §4.2
    words = extensions(client)
    assert words == ALWAYS | {"AUTH PLAIN LOGIN"}
    assert client.say("STARTTLS").startswith("503 5.5.1 ")
    assert client.say(plain()).startswith("235 2.7.0 ")


def test_a_plain_listener_offers_auth_and_requires_it(stage: Stage) -> None:
    client = stage.connect(Security.NONE)
    assert offered(client) == ALWAYS | {"AUTH PLAIN LOGIN"}
    assert client.say("MAIL FROM:<>").startswith("530 5.7.0 ")
    assert client.say(plain()).startswith("235 2.7.0 ")
    assert client.say("MAIL FROM:<>").startswith("250 2.1.0 ")


def test_commands_smuggled_behind_starttls_end_the_session(stage: Stage) -> None:
    client = stage.connect(Security.STARTTLS)
    offered(client)
    client.send(b"STARTTLS\r\nEHLO evil.example\r\n")
    assert client.read().startswith("501 5.5.1 ")
    assert client.read() == ""


@pytest.mark.parametrize("sent", [b"this is no handshake\r\n", b""])
def test_a_broken_handshake_ends_the_session(stage: Stage, sent: bytes) -> None:
    client = stage.connect(Security.STARTTLS)
    offered(client)
    client.say("STARTTLS")
    client.send(sent)
    client.close()
    stage.wait_until(lambda: stage.listeners.sessions == 0)


def test_a_handshake_that_never_comes_is_ended(open_stage: Callable[..., Stage]) -> None:
    stage = open_stage(idle_timeout_seconds=0.1)
    idle = stage.connect(Security.STARTTLS)
    offered(idle)
    idle.say("STARTTLS")
    stage.wait_until(lambda: stage.listeners.sessions == 0)
    assert idle.read() == ""


def test_a_handshake_does_not_keep_the_server_from_stopping(stage: Stage) -> None:
    client = stage.connect(Security.STARTTLS)
    offered(client)
    client.say("STARTTLS")
    stage.run(stage.listeners.stop(seconds=30))
    assert stage.listeners.sessions == 0


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_old_tls_is_refused(stage: Stage) -> None:
    client = stage.connect(Security.TLS)
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        client.start_tls(old)


def test_a_mechanism_may_be_written_in_any_case(stage: Stage) -> None:
    client = stage.connect()
    offered(client)
    assert client.say(plain().replace("AUTH PLAIN", "auth plain")).startswith("235 ")
    assert client.say(plain()).startswith("503 5.5.1 ")


def test_the_login_mechanism_asks_for_name_and_password(stage: Stage) -> None:
    client = stage.connect()
    offered(client)
    assert client.say("AUTH LOGIN") == "334 " + b64encode(b"Username:").decode()
    asked = client.say(b64encode(b"acme.zammad").decode())
    assert asked == "334 " + b64encode(b"Password:").decode()
    assert client.say(b64encode(PASSWORD.encode()).decode()).startswith("235 2.7.0 ")


@pytest.mark.parametrize(
    ("answer", "code"),
    [("*", "501 5.7.0"), ("%%", "501 5.5.2"), ("x" * 5000, "500 5.5.6"), ("", "501 5.5.2")],
)
def test_a_sign_in_that_is_cancelled_or_malformed_is_over(
    stage: Stage, answer: str, code: str
) -> None:
    client = stage.connect()
    offered(client)
    client.say("AUTH PLAIN")
    assert client.say(answer).startswith(code)
    assert client.say(plain()).startswith("235 ")


def test_wrong_passwords_are_bounded_by_address(open_stage: Callable[..., Stage]) -> None:
    stage = open_stage(auth_failures="3/10m")
    client = stage.connect()
    offered(client)
    codes = [client.say(plain("wrong"))[:9] for _ in range(4)]
    assert codes == ["535 5.7.8"] * 3 + ["454 4.7.0"]
    other = stage.connect()
    offered(other)
    assert other.say(plain()).startswith("454 4.7.0 ")
    stage.now += 601
    assert other.say(plain()).startswith("235 ")


def test_a_whole_session_may_be_pipelined(stage: Stage) -> None:
    client = stage.connect()
    hello = b"EHLO desk.example\r\n" + plain().encode() + b"\r\n"
    client.send(hello + BEGIN + LETTER + b"\r\n.\r\n" + BEGIN + LETTER + b"2\r\n.\r\nQUIT\r\n")
    codes = [client.read()[:3] for _ in range(12)]
    assert codes == ["220", "250", "235", *["250", "250", "354", "250"] * 2, "221"]
    assert [one.content[-7:] for one in stage.accepted] == [b"\nbody\r\n", b"body2\r\n"]


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r.\r\n", b"\r\n.\n", b"\r.\r"])
def test_a_second_message_cannot_be_smuggled_in_the_first(stage: Stage, end: bytes) -> None:
    client = stage.signed_in()
    client.send(BEGIN)
    assert replies(client, 3) == ["250 2.1.0", "250 2.1.5", "354 End w"]
    client.send(LETTER + end + BEGIN + LETTER + b"\r\n.\r\nNOOP\r\n")
    assert replies(client, 2) == ["550 5.6.0", "250 2.0.0"]
    assert stage.accepted == []


def test_a_message_over_the_limit_is_read_to_its_end_and_refused(stage: Stage) -> None:
    client = stage.signed_in()
    client.send(BEGIN + LETTER + b"\r\n")
    client.send((b"y" * 98 + b"\r\n") * 1500 + b".\r\n")
    assert replies(client, 4) == ["250 2.1.0", "250 2.1.5", "354 End w", "552 5.3.4"]
    client.send(BEGIN + LETTER + b"\r\n.\r\n")
    assert replies(client, 4)[-1] == "250 2.0.0"


def test_a_declared_size_over_the_limit_is_refused_at_mail(stage: Stage) -> None:
    client = stage.signed_in()
    assert client.say("MAIL FROM:<> SIZE=100001").startswith("552 5.3.4 ")
    assert client.say("MAIL FROM:<> SIZE=100000").startswith("250 ")


def test_endless_data_end_the_session(stage: Stage) -> None:
    client = stage.signed_in()
    client.send(BEGIN)
    replies(client, 3)
    with pytest.raises(ConnectionError):
        client.send(b"z" * 50_000_000)
    stage.wait_until(lambda: stage.listeners.sessions == 0)


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["RCPT TO:<a@example.org>"], "503 5.5.1"),
        (["DATA"], "503 5.5.1"),
        (["MAIL FROM:<>", "DATA"], "554 5.5.1"),
        (["MAIL FROM:<>", "MAIL FROM:<>"], "503 5.5.1"),
        (["MAIL FROM:<>", "RSET", "RCPT TO:<a@example.org>"], "503 5.5.1"),
        (["MAIL FROM:<>", "EHLO again", "RCPT TO:<a@example.org>"], "503 5.5.1"),
        (["MAIL FROM:<a@example.org> FOO=1"], "555 5.5.4"),
        (["MAIL FROM:<>", "RCPT TO:<nobody>"], "553 5.1.3"),
    ],
)
def test_the_order_of_commands_is_kept(stage: Stage, lines: list[str], code: str) -> None:
    client = stage.signed_in()
    assert [client.say(line) for line in lines][-1].startswith(code)


@pytest.mark.parametrize(
    "sent",
    [b"", b"EH", b"EHLO x\r\n", b"AUTH LOGIN\r\n", BEGIN[:20], BEGIN, BEGIN + LETTER,
     BEGIN + LETTER + b"\r\n."],
)  # fmt: skip
@pytest.mark.parametrize("security", [Security.NONE, Security.TLS])
def test_a_client_may_vanish_in_each_state_and_nothing_is_accepted(
    stage: Stage, sent: bytes, security: Security
) -> None:
    client = stage.connect(security)
    if security is Security.TLS:
        client.start_tls(stage.trust)
    client.read()
    client.say("EHLO desk.example")
    client.say(plain())
    client.send(sent)
    client.close()
    stage.wait_until(lambda: stage.listeners.sessions == 0)
    assert stage.accepted == []
