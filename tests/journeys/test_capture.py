"""`serve --capture`: a helpdesk is tried, and nothing leaves; real mail is not touched."""

from __future__ import annotations

import select
import smtplib
import socket
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.test_out import PASSWORD, TENANT, dkim_records, letter
from tests.servers.gateway import Gateway
from tests.servers.opendkim import verify
from tests.servers.ports import wait_until
from tests.servers.postfix import Postfix
from tests.servers.webhook import SECRET, Helpdesk

WORKERS = 2  # as by default on two cores

pytestmark = pytest.mark.servers

MORE = """
[senders."alone@acme.example"]
[mailboxes."support@acme.example"]
host = "127.0.0.1"
port = {imap}
security = "none"
password_file = "mailbox-password"
[routes.helpdesk]
type = "webhook"
url = "{hook}"
secret_file = "hook-secret"
"""


@pytest.fixture
def imap() -> Iterator[socket.socket]:
    """A port where a mailbox would be; it becomes readable when somebody connects."""
    listener = socket.create_server(("127.0.0.1", 0))
    yield listener
    listener.close()


def is_called(listener: socket.socket) -> bool:
    return bool(select.select([listener], [], [], 0)[0])


def apply_tenant(
    gateway: Gateway, postfix: Postfix, helpdesk: Helpdesk, imap: socket.socket
) -> None:
    more = MORE.format(imap=imap.getsockname()[1], hook=helpdesk.url)
    gateway.apply(
        'route = "helpdesk"\n'
        + TENANT.format(port=postfix.port, ca_file=postfix.ca_file)
        + more,
        **{
            "upstream-password": "the-upstream-password",
            "submission-password": PASSWORD,
            "mailbox-password": "the-mailbox-password",
            "hook-secret": SECRET,
        },
    )


def submit(gateway: Gateway, message: EmailMessage) -> str:
    """Hand a mail in as a helpdesk does; return its id."""
    with smtplib.SMTP("127.0.0.1", gateway.plain) as client:
        client.login("acme.zammad", PASSWORD)
        client.mail(str(message["From"]))
        client.rcpt(str(message["To"]))
        code, reply = client.data(message.as_bytes(policy=SMTP))
    assert code == 250
    return reply.decode().split()[-1]


def entry(gateway: Gateway, id_: str) -> dict[str, Any]:
    found: dict[str, Any] = gateway.json("queue", "show", id_)
    return found


def wait_for_state(gateway: Gateway, id_: str, state: str) -> None:
    wait_until(
        lambda: entry(gateway, id_)["recipients"][0]["state"] == state,
        what=lambda: f"{state}: {entry(gateway, id_)}\n{gateway.log()}",
    )


def last_event(gateway: Gateway, id_: str) -> dict[str, Any]:
    event: dict[str, Any] = gateway.json("log", "trace", id_)["events"][-1]
    return event


def test_mail_is_captured_signed_and_nothing_leaves(
    gateway: Gateway, postfix: Postfix, helpdesk: Helpdesk, imap: socket.socket
) -> None:
    apply_tenant(gateway, postfix, helpdesk, imap)
    gateway.start("--capture")
    assert "server.captures" in gateway.log()
    assert "CAPTURE: nothing leaves this machine" in gateway.run("status").stdout
    id_ = submit(gateway, letter())
    wait_for_state(gateway, id_, "delivered")
    event = last_event(gateway, id_)
    assert event["meaning"].startswith("Captured, not sent: it lies in ")
    (file,) = (gateway.home / "state/captured").glob("*.eml")
    assert (str(file) in event["meaning"], file.stem) == (True, event["detail"]["remote_id"])
    assert "delivery.captured" in gateway.log()
    content = file.read_bytes()
    assert content.startswith(
        b"Return-Path: <support@acme.example>\r\nX-Original-To: ann@example.net\r\n"
    )
    assert "succeeded" in verify(content.replace(b"\r\n", b"\n"), keys=dkim_records(gateway))
    alone = letter()
    alone.replace_header("From", "alone@acme.example")
    waiting = entry(gateway, submit(gateway, alone))
    assert waiting["reason"] == "its sender has no upstream"
    sent = gateway.json("send", "--to", "ann@example.net")
    assert (sent["state"], sent["captured"], sent["signed"]) == (
        "delivered", True, ["acme.example"],
    )  # fmt: skip
    assert "captured   Captured, not sent" in gateway.run("send", "--to", "me@x.test").stdout
    assert len(list(file.parent.glob("*"))) == 3
    assert postfix.delivered() == []
    assert "TLS connection established" not in postfix.log()
    assert helpdesk.received == []
    assert not is_called(imap)
    books = gateway.json("status")["books"]
    assert (books["capture"]["delivered"], books["out"]["accepted"]) == (3, 0)
    assert all(page["difference"] == 0 for page in books.values())


def test_real_mail_that_waits_is_never_marked_delivered_by_a_capture(
    gateway: Gateway, postfix: Postfix, helpdesk: Helpdesk, imap: socket.socket
) -> None:
    """Nor does what was accepted to be captured become real mail afterwards."""
    apply_tenant(gateway, postfix, helpdesk, imap)
    postfix.stop()
    gateway.start()
    wait_until(lambda: is_called(imap), what=gateway.log)
    real = submit(gateway, letter(to="real@example.net"))
    wait_for_state(gateway, real, "deferred")
    held = submit(gateway, letter(to="held@example.net"))
    gateway.run("queue", "hold", held)
    gateway.kill()
    postfix.start()
    gateway.start("--capture")
    gateway.run("queue", "retry", real)
    gateway.run("queue", "release", held)
    captured = submit(gateway, letter(to="tried@example.net"))
    wait_for_state(gateway, captured, "delivered")
    left = letter(to="left@example.net")
    left.replace_header("From", "alone@acme.example")
    left_over = submit(gateway, left)
    gateway.kill()
    gateway.start("--capture")
    for id_ in (real, held):
        waiting = entry(gateway, id_)
        assert (waiting["recipients"][0]["state"], waiting["way"]) == ("queued", "upstream own")
        assert "--capture" in waiting["reason"]
        assert "without --capture" in waiting["fix"]
    assert (postfix.delivered(), gateway.stop()) == ([], 0)
    assert not any(b"real@" in one.read_bytes() for one in captures(gateway))
    gateway.start()
    for id_ in (real, held):
        wait_for_state(gateway, id_, "delivered")
    tenant = gateway.home / "tenant.toml"
    sender = '[senders."alone@acme.example"]\n'
    tenant.write_text(tenant.read_text().replace(sender, f'{sender}upstream = "own"\n'))
    gateway.run("apply", str(tenant))
    last = submit(gateway, letter(to="last@example.net"))
    wait_for_state(gateway, last, "delivered")
    assert recipients(postfix) == ["held@example.net", "last@example.net", "real@example.net"]
    left_entry = entry(gateway, left_over)
    assert (left_entry["recipients"][0]["state"], left_entry["way"]) == (
        "queued",
        "capture own",
    )
    assert "never leaves this machine" in left_entry["reason"]
    status = gateway.json("status")
    assert status["capture"] is False
    assert all(page["difference"] == 0 for page in status["books"].values())


def captures(gateway: Gateway) -> list[Path]:
    return list((gateway.home / "state/captured").glob("*.eml"))


def recipients(postfix: Postfix) -> list[str]:
    to = [one.partition(b"\nTo: ")[2].split(b"\n")[0] for one in postfix.delivered()]
    return sorted(one.decode() for one in to)
