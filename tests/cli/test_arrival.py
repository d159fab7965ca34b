"""Is a fetched mail the one that was sent, and what is told of it?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.cli.arrival import Arrival, find_box, is_same
from gateway.mail.inbound import Authenticity, AuthResult, Fetched
from gateway.mail.message import parse_message
from gateway.mail.tenant import Mailbox, Tenant
from gateway.store.inbox import Inbound
from tests.cli.test_following import SOON, course
from tests.store.values import NOON

SENT = course("delivered", tried={"remote_id": "<0100-ab@ses.example>"})
SENT = replace(SENT, entry=replace(SENT.entry, id="01M8H63FY2E6P9B82W", message_id="<1@acme>"))


@pytest.mark.parametrize(
    ("header", "same"),
    [
        ("Message-ID: <1@acme>", True),
        ("Message-ID: <0100-ab@ses.example>", True),
        ("Received: by gateway.example id 01M8H63FY2E6P9B82W\r\nMessage-ID: <2@x>", True),
        ("Message-ID: <2@x>\r\nSubject: 01M8H63FY2E6P9B82W", False),
        ("Subject: without an id", False),
    ],
)
def test_a_mail_is_known_by_its_id_the_upstreams_or_our_stamp(
    header: str, *, same: bool
) -> None:
    assert is_same(parse_message(f"{header}\r\n\r\nHi\r\n".encode()), SENT) is same


def test_without_an_id_of_the_upstream_another_mail_is_another() -> None:
    silent = replace(SENT, tried={})
    assert not is_same(parse_message(b"Message-ID: <2@x>\r\n\r\nHi\r\n"), silent)


def test_a_pass_by_the_provider_or_by_us_is_enough() -> None:
    results = (
        AuthResult(method="spf", result="none", reason="the client is not known"),
        AuthResult(method="dkim", result="fail", domain="acme.example"),
        AuthResult(method="dkim", result="pass", domain="acme.example", by="mx.google.com"),
    )
    arrival = arrived(Authenticity(results=results))
    assert arrival.verdict("dkim").by == "mx.google.com"
    assert arrival.verdict("spf").reason == "the client is not known"
    assert arrival.verdict("dmarc").result == "none"
    assert (arrival.is_rewritten, arrival.seconds) == (True, 10)


def test_any_tenants_mailbox_is_found_in_any_case() -> None:
    box = Mailbox(address="Desk@acme.example")
    known = {"acme": Tenant(id="acme", mailboxes={box.address: box})}
    assert find_box(known, "desk@acme.example") == "Desk@acme.example"
    assert find_box(known, "ann@acme.example") is None


def arrived(authenticity: Authenticity) -> Arrival:
    fetched = Fetched(
        id="IN", tenant="acme", mailbox="desk@acme.example", folder="INBOX", uidvalidity=1,
        uid=1, internal_date=NOON, content=b"Message-ID: <2@x>\r\n\r\nHi\r\n",
    )  # fmt: skip
    found = Inbound(
        fetched=fetched, state="planned", outcome=None, rule=None,
        authenticity=authenticity,
    )  # fmt: skip
    return Arrival(sent=SENT.entry, found=found, at=SOON)
