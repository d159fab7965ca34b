"""Sockets, session limits, and an end that keeps its promises."""

from __future__ import annotations

import shutil
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from gateway.config import ConfigError, ListenerSettings
from gateway.mail.tenant import Security
from gateway.net.tls import own_certificate

if TYPE_CHECKING:
    from tests.submission.conftest import Stage

BEGIN = b"MAIL FROM:<>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\n"
LETTER = b"From: support@acme.example\r\n\r\nHi\r\n.\r\n"


def test_each_listener_has_a_port_of_its_own(stage: Stage) -> None:
    assert len(set(stage.ports)) == 3
    assert 0 not in stage.ports


def test_a_port_in_use_is_named(stage: Stage, open_stage: Callable[..., Stage]) -> None:
    address = f"127.0.0.1:{stage.port()}"
    taken = (ListenerSettings(address=address, security=Security.NONE),)
    with pytest.raises(ConfigError, match=address):
        open_stage(listeners=taken)


def test_sessions_of_one_address_are_bounded(open_stage: Callable[..., Stage]) -> None:
    stage = open_stage(sessions_per_address=2)
    held = [stage.connect(), stage.connect()]
    assert all(client.read().startswith("220 ") for client in held)
    refused = stage.connect()
    assert refused.read().startswith("421 4.7.0 Too many sessions from your address")
    assert refused.read() == ""
    refused.close()
    held[0].close()
    stage.wait_until(lambda: stage.listeners.sessions == 1)
    assert stage.connect().read().startswith("220 ")


def test_sessions_in_all_are_bounded(open_stage: Callable[..., Stage]) -> None:
    stage = open_stage(sessions=1)
    held = stage.connect()
    assert held.read().startswith("220 ")
    assert stage.connect().read().startswith("421 4.7.0 Too many sessions:")


def test_one_address_may_hold_fifty_sessions_by_default(stage: Stage) -> None:
    held = [stage.connect() for _ in range(50)]
    assert all(client.read().startswith("220 ") for client in held)


def test_stop_says_goodbye_to_idle_sessions(stage: Stage) -> None:
    client = stage.signed_in()
    stopping = stage.begin(stage.listeners.stop(seconds=30))
    assert client.read().startswith("421 4.3.2 ")
    client.close()
    stopping.result(30)
    assert stage.listeners.sessions == 0
    with pytest.raises(ConnectionError):
        stage.connect()


def test_stop_waits_for_a_message_that_is_being_taken(stage: Stage) -> None:
    client = stage.signed_in()
    client.send(BEGIN)
    assert [client.read()[:3] for _ in range(3)] == ["250", "250", "354"]
    stopping = stage.begin(stage.listeners.stop(seconds=30))
    client.send(LETTER[:20])
    client.send(LETTER[20:])
    assert client.read().startswith("250 2.0.0 queued as ")
    assert client.read().startswith("421 4.3.2 ")
    client.close()
    stopping.result(30)
    assert len(stage.accepted) == 1


def test_stop_drops_what_does_not_end(stage: Stage) -> None:
    client = stage.signed_in()
    client.send(BEGIN)
    assert [client.read()[:3] for _ in range(3)] == ["250", "250", "354"]
    stage.run(stage.listeners.stop(seconds=0.05))
    assert client.read() == ""


def test_a_renewed_certificate_serves_new_sessions_and_drops_none(
    stage: Stage, tmp_path_factory: pytest.TempPathFactory
) -> None:
    held = stage.connect(Security.TLS)
    held.start_tls(stage.trust)
    held.read()
    before = serial(held.socket)
    other = tmp_path_factory.mktemp("renewed")
    shutil.copy(stage.state / "ca.pem", other)
    shutil.copy(stage.state / "ca.key", other)
    own_certificate(other, "gateway.example", now=datetime.now(UTC))
    for name in ("certificate.key", "certificate.pem"):
        (other / name).replace(stage.state / name)
    for security in (Security.TLS, Security.STARTTLS):
        fresh = stage.connect(security)
        if security is Security.STARTTLS:
            fresh.read()
            fresh.say("STARTTLS")
        fresh.start_tls(stage.trust)
        assert serial(fresh.socket) != before
    assert held.say("NOOP") == "250 2.0.0 OK"


def test_a_returning_client_resumes_its_tls_session(stage: Stage) -> None:
    context = stage.trust
    first = stage.connect(Security.TLS)
    first.start_tls(context)
    first.read()
    assert isinstance(first.socket, ssl.SSLSocket)
    ticket = first.socket.session
    again = stage.connect(Security.TLS)
    resumed = context.wrap_socket(again.socket, server_hostname="localhost", session=ticket)
    assert resumed.session_reused
    resumed.close()


def serial(connection: object) -> object:
    assert isinstance(connection, ssl.SSLSocket)
    found = connection.getpeercert()
    assert found
    return found["serialNumber"]
