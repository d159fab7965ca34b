"""What a helpdesk's library sees: sign in, send, be told why not."""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

import pytest

from gateway.mail.address import Address
from gateway.mail.delivery import Kind, LaneKind
from gateway.mail.suppression import Suppression, SuppressionReason
from gateway.mail.tenant import Security
from gateway.store.errors import StoreFull
from gateway.submission.wire import MAX_ERRORS

if TYPE_CHECKING:
    from tests.submission.conftest import Stage

PASSWORD = "correct-horse-battery-staple"


def letter(**headers: str) -> EmailMessage:
    message = EmailMessage()
    for name, value in {"From": "support@acme.example", "To": "ann@example.org"}.items():
        message[name] = headers.pop(name, value)
    for name, value in headers.items():
        message[name] = value
    message.set_content("Hello\n.\nBye\n")
    return message


def connected(stage: Stage, security: Security) -> smtplib.SMTP:
    port = stage.port(security)
    if security is Security.TLS:
        return smtplib.SMTP_SSL("localhost", port, context=stage.trust, timeout=30)
    client = smtplib.SMTP("localhost", port, timeout=30)
    if security is Security.STARTTLS:
        client.starttls(context=stage.trust)
    return client


def error_of(refused: pytest.ExceptionInfo[smtplib.SMTPDataError]) -> str:
    error = refused.value.smtp_error
    return error.decode() if isinstance(error, bytes) else error


@pytest.fixture
def client(stage: Stage) -> Iterator[smtplib.SMTP]:
    with connected(stage, Security.NONE) as found:
        found.login("acme.zammad", PASSWORD)
        yield found


@pytest.mark.parametrize("changed", [{"hashed": "other"}, {"networks": ("192.0.2.0/24",)}])
def test_a_session_that_would_not_be_let_in_any_more_sends_nothing_more(
    stage: Stage, client: smtplib.SMTP, changed: dict[str, Any]
) -> None:
    """A password that was replaced, as one that leaked, ends with what is signed in by it."""
    client.send_message(letter())
    stage.credentials["acme.zammad"] = replace(stage.credentials["acme.zammad"], **changed)
    with pytest.raises(smtplib.SMTPDataError) as refused:
        client.send_message(letter())
    assert refused.value.smtp_code == 451
    assert len(stage.accepted) == 1


@pytest.mark.parametrize("security", list(Security))
@pytest.mark.parametrize("mechanism", ["plain", "login"])
def test_a_message_is_accepted_over_each_kind_of_listener(
    stage: Stage, security: Security, mechanism: str
) -> None:
    with connected(stage, security) as client:
        client.user, client.password = "acme.zammad", PASSWORD
        client.ehlo_or_helo_if_needed()
        method = {"plain": client.auth_plain, "login": client.auth_login}[mechanism]
        client.auth(mechanism.upper(), method)
        refused = client.send_message(letter())
    assert refused == {}
    (outgoing,) = stage.accepted
    assert (outgoing.tenant, outgoing.kind) == ("acme", Kind.SUBMISSION)
    assert outgoing.credential == "acme.zammad"
    assert (outgoing.lane.kind, outgoing.lane.name) == (LaneKind.UPSTREAM, "own")
    assert outgoing.envelope.return_path == Address("support", "acme.example")
    assert outgoing.content.endswith(b"\r\n\r\nHello\r\n.\r\nBye\r\n")
    word = b"with ESMTPA " if security is Security.NONE else b"with ESMTPSA "
    assert word in outgoing.content
    assert (b"TLSv1.3" in outgoing.content) == (security is not Security.NONE)


def test_the_reply_names_our_id(stage: Stage, client: smtplib.SMTP) -> None:
    client.mail("support@acme.example")
    client.rcpt("ann@example.org")
    code, text = client.data(letter().as_string())
    assert (code, text.decode()) == (250, f"2.0.0 queued as {stage.accepted[0].id}")


def test_notification_parameters_reach_the_envelope(stage: Stage, client: smtplib.SMTP) -> None:
    client.send_message(
        letter(),
        mail_options=["RET=HDRS", "ENVID=CaSe+2B", "BODY=8BITMIME"],
        rcpt_options=["NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;Ann@example.org"],
    )
    envelope = stage.accepted[0].envelope
    assert (envelope.ret, envelope.envid, envelope.body_8bit) == ("HDRS", "CaSe+2B", True)
    (recipient,) = envelope.recipients
    assert (recipient.notify, recipient.orcpt) == ("SUCCESS,DELAY", "rfc822;Ann@example.org")


def test_an_address_beyond_ascii_needs_and_gets_smtputf8(
    stage: Stage, client: smtplib.SMTP
) -> None:
    client.send_message(letter(To="用户@例子.example"))
    envelope = stage.accepted[0].envelope
    assert envelope.smtputf8
    assert str(envelope.recipients[0].address) == "用户@xn--fsqu00a.example"
    assert b"UTF8SMTPA" in stage.accepted[0].content


def test_a_sender_that_is_not_the_tenants_is_refused(
    stage: Stage, client: smtplib.SMTP
) -> None:
    with pytest.raises(smtplib.SMTPDataError) as refused:
        client.send_message(letter(From="ann@example.org"))
    assert refused.value.smtp_code == 550
    assert error_of(refused).startswith("5.7.1 <ann@example.org>")
    assert stage.accepted == []


def suppress(stage: Stage, address: str) -> Suppression:
    entry = Suppression(
        tenant="acme", address=address, reason=SuppressionReason.BY_HAND, evidence=""
    )
    stage.suppressed["acme", address] = entry
    return entry


def test_a_suppressed_recipient_is_refused_alone(stage: Stage, client: smtplib.SMTP) -> None:
    entry = suppress(stage, "ann@xn--mnchen-3ya.example")
    client.command_encoding = "utf-8"
    client.docmd("MAIL", "FROM:<support@acme.example> SMTPUTF8")
    code, said = client.docmd("RCPT", "TO:<Ann@MÜNCHEN.example>")
    assert (code, said[:6]) == (550, b"5.7.1 ")
    assert entry.remove_command.encode() in said
    assert client.rcpt("ben@example.org")[0] == 250
    assert client.data(letter().as_string())[0] == 250
    assert [str(one.address) for one in stage.accepted[0].envelope.recipients] == [
        "ben@example.org"
    ]
    (refused,) = stage.refused
    assert (refused.tenant, refused.credential) == ("acme", "acme.zammad")
    assert str(refused.recipient) == "Ann@xn--mnchen-3ya.example"
    assert refused.fix == entry.remove_command


def test_a_list_in_which_many_have_died_still_goes_to_the_others(
    open_stage: Callable[..., Stage],
) -> None:
    stage = open_stage(max_recipients=2 * MAX_ERRORS)
    dead = [f"dead{number}@example.org" for number in range(MAX_ERRORS + 5)]
    for one in dead:
        suppress(stage, one)
    with connected(stage, Security.NONE) as client:
        client.login("acme.zammad", PASSWORD)
        refused = client.sendmail(
            "support@acme.example", [*dead, "ben@example.org"], letter().as_string()
        )
    assert set(refused) == set(dead)
    assert [str(one.address) for one in stage.accepted[0].envelope.recipients] == [
        "ben@example.org"
    ]


def test_endless_wrong_recipients_end_the_session(
    open_stage: Callable[..., Stage],
) -> None:
    stage = open_stage(max_recipients=2)
    with connected(stage, Security.NONE) as client:
        client.login("acme.zammad", PASSWORD)
        client.mail("support@acme.example")
        codes = [client.docmd("RCPT", "TO:<nobody>")[0] for _ in range(2 + MAX_ERRORS + 1)]
        assert set(codes) == {553}
        assert client.getreply() == (421, b"4.7.0 Too many errors")


def test_mail_for_suppressed_recipients_alone_is_not_taken(
    stage: Stage, client: smtplib.SMTP
) -> None:
    suppress(stage, "ann@example.org")
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        client.send_message(letter())
    assert refused.value.recipients["ann@example.org"][0] == 550
    assert stage.accepted == []


def test_a_sender_without_upstream_is_accepted_and_waits(
    stage: Stage, client: smtplib.SMTP
) -> None:
    client.send_message(letter(From="waits@acme.example"))
    assert stage.accepted[0].lane.kind is LaneKind.NONE


def test_a_login_that_was_removed_sends_nothing_more(stage: Stage) -> None:
    with connected(stage, Security.NONE) as client:
        client.login("acme.gone", PASSWORD)
        with pytest.raises(smtplib.SMTPDataError) as refused:
            client.send_message(letter())
    assert refused.value.smtp_code == 530
    assert stage.accepted == []


@pytest.mark.parametrize(
    ("fault", "code"),
    [(StoreFull("disk"), "452 4.3.1"), (RuntimeError("secret path /x"), "451 4.3.0")],
)
def test_a_fault_of_ours_is_answered_4yz_without_its_text(
    stage: Stage, client: smtplib.SMTP, fault: Exception, code: str
) -> None:
    stage.fault = fault
    with pytest.raises(smtplib.SMTPDataError) as refused:
        client.send_message(letter())
    line = f"{refused.value.smtp_code} {error_of(refused)}"
    assert line.startswith(code)
    assert str(fault) not in line
    stage.fault = None
    client.send_message(letter())
    assert len(stage.accepted) == 1


@pytest.mark.parametrize("linger", [None, b"\1\0\0\0\0\0\0\0"], ids=["closed", "reset"])
def test_a_client_that_vanishes_after_the_dot_has_its_message_accepted(
    stage: Stage, linger: bytes | None
) -> None:
    stage.call(stage.gate.clear)
    client = stage.signed_in()
    client.send(b"MAIL FROM:<>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\n")
    assert [client.read()[:3] for _ in range(3)] == ["250", "250", "354"]
    client.send(b"From: support@acme.example\r\n\r\nHi\r\n.\r\n")
    stage.wait_until(lambda: stage.waiting == 1)
    if linger:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    client.close()
    if linger:
        stage.wait_until(lambda: stage.listeners.sessions == 0)
    stage.call(stage.gate.set)
    stage.wait_until(lambda: len(stage.accepted) == 1)
    stage.wait_until(lambda: stage.listeners.sessions == 0)


def test_events_name_the_message_and_no_content(
    stage: Stage, client: smtplib.SMTP, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "gateway")
    client.send_message(letter(Subject="Topsecret"))
    seen: list[dict[str, Any]] = [
        vars(one) for one in caplog.records if vars(one).get("event") == "submission.accepted"
    ]
    assert seen[0]["details"]["id"] == stage.accepted[0].id
    assert "Topsecret" not in str(seen)
    assert PASSWORD not in caplog.text


@pytest.fixture
def open_twice(open_stage: Callable[..., Stage]) -> Stage:
    return open_stage(max_recipients=2)


def test_recipients_over_the_limit_are_put_off_and_the_others_served(open_twice: Stage) -> None:
    with connected(open_twice, Security.NONE) as client:
        client.login("acme.zammad", PASSWORD)
        people = ["a@example.org", "b@example.org", "c@example.org", "a@example.org"]
        refused = client.send_message(letter(), to_addrs=people)
    assert {who: reply[0] for who, reply in refused.items()} == {"c@example.org": 452}
    assert len(open_twice.accepted[0].envelope.recipients) == 2
