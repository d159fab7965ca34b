"""The sandbox's submission server, asked by smtplib."""

import smtplib
import ssl
from collections.abc import Callable
from typing import Any

import pytest

from gateway.mail.tenant import Security
from gateway.net.tls import Certificate
from gateway.sandbox.transaction import Captured
from gateway.sandbox.upstream import Upstream, UpstreamSettings

MAIL = b"From: a@acme.example\r\nTo: b@example.net\r\nMessage-ID: <1@acme>\r\n\r\nHello\r\n"
ACCOUNTS = {"apikey": "secret"}


def test_a_submitted_mail_is_captured_with_its_envelope_and_user(serve: Any) -> None:
    upstream: Upstream = serve(Upstream(UpstreamSettings(accounts=ACCOUNTS)))
    with smtplib.SMTP("127.0.0.1", upstream.port, timeout=30) as client:
        client.login("apikey", "secret")
        client.sendmail("a@acme.example", ["b@example.net", "c@example.net"], MAIL)
    (captured,) = upstream.captured
    assert str(captured.envelope.return_path) == "a@acme.example"
    assert [str(one.address) for one in captured.envelope.recipients] == [
        "b@example.net",
        "c@example.net",
    ]
    assert (captured.content, captured.user, captured.tls) == (MAIL, "apikey", None)


def test_a_null_return_path_is_taken(serve: Any) -> None:
    upstream: Upstream = serve(Upstream(UpstreamSettings(require_login=False)))
    with smtplib.SMTP("127.0.0.1", upstream.port, timeout=30) as client:
        client.sendmail("", ["b@example.net"], MAIL)
    (captured,) = upstream.captured
    assert captured.envelope.return_path is None


def test_it_may_keep_nothing_in_memory_and_hand_all_on(serve: Any) -> None:
    handed: list[Captured] = []
    settings = UpstreamSettings(require_login=False, kept=0)
    upstream: Upstream = serve(Upstream(settings, deliver=handed.append))
    with smtplib.SMTP("127.0.0.1", upstream.port, timeout=30) as client:
        client.sendmail("a@acme.example", ["b@example.net"], MAIL)
    assert [one.content for one in handed] == [MAIL]
    assert len(upstream.captured) == 0


def test_starttls_comes_before_login(
    serve: Any, certificate: Certificate, trust: ssl.SSLContext
) -> None:
    upstream: Upstream = serve(
        Upstream(
            UpstreamSettings(
                accounts=ACCOUNTS, security=Security.STARTTLS, certificate=certificate
            )
        )
    )
    with smtplib.SMTP("localhost", upstream.port, timeout=30) as client:
        client.ehlo()
        assert not client.has_extn("auth")
        client.starttls(context=trust)
        client.login("apikey", "secret")
        client.sendmail("a@acme.example", ["b@example.net"], MAIL)
    (captured,) = upstream.captured
    assert (captured.tls or "").startswith("TLSv1.3 ")


def test_tls_from_the_first_byte(
    serve: Any, certificate: Certificate, trust: ssl.SSLContext
) -> None:
    upstream: Upstream = serve(
        Upstream(
            UpstreamSettings(accounts=ACCOUNTS, security=Security.TLS, certificate=certificate)
        )
    )
    with smtplib.SMTP_SSL("localhost", upstream.port, timeout=30, context=trust) as client:
        client.login("apikey", "secret")
        client.sendmail("a@acme.example", ["b@example.net"], MAIL)
    (captured,) = upstream.captured
    assert (captured.tls or "").startswith("TLSv1.3 ")


@pytest.mark.parametrize("mechanism", ["auth_plain", "auth_login"])
def test_a_wrong_password_is_refused(serve: Any, mechanism: str) -> None:
    upstream: Upstream = serve(Upstream(UpstreamSettings(accounts=ACCOUNTS)))
    with smtplib.SMTP("127.0.0.1", upstream.port, timeout=30) as client:
        client.ehlo()
        client.user, client.password = "apikey", "wrong"
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            client.auth(mechanism[5:].upper(), getattr(client, mechanism))
    assert refused.value.smtp_code == 535
    assert list(upstream.logins) == ["apikey"]


def test_mail_without_a_login_is_refused(serve: Any) -> None:
    upstream: Upstream = serve(Upstream(UpstreamSettings(accounts=ACCOUNTS)))
    with smtplib.SMTP("127.0.0.1", upstream.port, timeout=30) as client:
        client.ehlo()
        assert client.docmd("MAIL", "FROM:<a@acme.example>")[0] == 530


def test_any_login_is_taken_when_there_are_no_accounts(serve: Any) -> None:
    upstream: Upstream = serve(Upstream(UpstreamSettings()))
    with smtplib.SMTP("127.0.0.1", upstream.port, timeout=30) as client:
        assert client.login("whoever", "whatever")[0] == 235


def test_a_capture_can_be_waited_for(serve: Any, loop: Any) -> None:
    upstream: Upstream = serve(Upstream(UpstreamSettings(require_login=False)))

    def to_ann(captured: Captured) -> bool:
        return str(captured.envelope.recipients[0].address) == "ann@example.net"

    waiting = loop.begin(upstream.captured.wait_for(to_ann))
    with smtplib.SMTP("127.0.0.1", upstream.port, timeout=30) as client:
        client.sendmail("a@acme.example", ["bob@example.net"], MAIL)
        client.sendmail("a@acme.example", ["ann@example.net"], MAIL)
    assert to_ann(waiting.result(5))


def test_each_message_is_handed_to_the_callable(serve: Any) -> None:
    taken: list[Captured] = []
    deliver: Callable[[Captured], None] = taken.append
    upstream: Upstream = serve(Upstream(UpstreamSettings(require_login=False), deliver=deliver))
    with smtplib.SMTP("127.0.0.1", upstream.port, timeout=30) as client:
        client.sendmail("a@acme.example", ["b@example.net"], MAIL)
    assert [one.content for one in taken] == [MAIL]


def test_stopping_resets_open_sessions(loop: Any) -> None:
    upstream = Upstream(UpstreamSettings())
    loop.run(upstream.start())
    client = smtplib.SMTP("127.0.0.1", upstream.port, timeout=30)
    loop.run(upstream.stop())
    with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionResetError)):
        client.ehlo()
    assert not upstream.sessions
