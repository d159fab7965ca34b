"""A fetched message on its way to the helpdesk."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.actions.route import (
    find_returned,
    find_route,
    return_address,
    tags_of,
    told,
    write_forward,
)
from gateway.mail.address import Address
from gateway.mail.delivery import Kind
from gateway.mail.message import Edit, apply_edits, parse_message
from gateway.mail.plan import Effect, EffectKind
from tests.actions.occasions import ACME, MAILBOX, SHOP, fetched, mail, mark, occasion

STORE = Effect(kind=EffectKind.STORE, target="INBOX", flags=("vip", "two words"))


def test_inbox_is_the_mailboxs_route_and_else_the_tenants() -> None:
    own = replace(MAILBOX, route="billing")
    assert find_route(ACME, own, "INBOX") is ACME.routes["billing"]
    assert find_route(ACME, MAILBOX, "inbox") is ACME.routes["desk"]
    assert find_route(ACME, MAILBOX, "billing") is ACME.routes["billing"]
    assert find_route(ACME, MAILBOX, "none") is None
    assert find_route(replace(ACME, route=None), MAILBOX, "INBOX") is None


def test_the_envelope_sender_is_never_the_customers() -> None:
    outgoing = write_forward(occasion(), STORE, route=ACME.routes["billing"], mark=mark)
    sender = outgoing.envelope.return_path
    assert sender is not None
    assert sender.domain == "acme.example"
    assert find_returned(sender, mark=mark) == "01ARZ3NDEKTSV4RRFF"
    assert str(outgoing.lane) == "acme/route/billing"
    assert (outgoing.kind, outgoing.origin) == (Kind.FORWARD, "01ARZ3NDEKTSV4RRFF")


@pytest.mark.parametrize(("route", "to"), [("billing", "in@b.example"), ("desk", SHOP)])
def test_it_goes_to_the_address_of_the_route_or_the_mailbox(route: str, to: str) -> None:
    outgoing = write_forward(occasion(), STORE, route=ACME.routes[route], mark=mark)
    assert [str(one.address) for one in outgoing.envelope.recipients] == [to]


def test_a_broken_recipient_of_a_policy_falls_back() -> None:
    effect = replace(STORE, arguments={"envelope_to": "no address"})
    outgoing = write_forward(occasion(), effect, route=ACME.routes["desk"], mark=mark)
    assert str(outgoing.envelope.recipients[0].address) == SHOP


def test_the_helpdesk_is_told_in_header_fields() -> None:
    flags = (*STORE.flags, "\\Flagged")  # an IMAP flag is no tag
    effect = replace(STORE, flags=flags, arguments={"fields": ["priority=high", "名=值"]})
    one = occasion(fetched=fetched(junk=True, backfill=True))
    outgoing = write_forward(one, effect, route=ACME.routes["desk"], mark=mark, tags=["x"])
    message = parse_message(apply_edits(outgoing.content, outgoing.edits))
    assert message.text("X-Gateway-Mailbox") == SHOP
    assert message.text("X-Gateway-Tags") == "vip two-words x"
    assert message.text("X-Gateway-Auth") == "spf=none dkim=pass dmarc=none arc=none"
    assert message.text("X-Gateway-Id") == "01ARZ3NDEKTSV4RRFF"
    assert message.text("X-Gateway-Backfill") == message.text("X-Gateway-Junk") == "true"
    fields = [field.decoded for field in message.all("X-Gateway-Field")]
    assert sorted(fields) == ["priority=high", "名=值"]
    assert tags_of(outgoing.edits) == ["vip", "two-words", "x"]
    assert told(outgoing.edits, "x-gateway-field") == ["priority=high", "名=值"]


def test_edits_of_the_policy_come_first_and_bytes_stay() -> None:
    effect = replace(STORE, edits=(Edit("X-Gateway-Tags", None), Edit("Subject", None)))
    content = mail(X_Gateway_Tags="forged")
    outgoing = write_forward(occasion(content), effect, route=ACME.routes["desk"], mark=mark)
    assert outgoing.content == content
    message = parse_message(apply_edits(content, outgoing.edits))
    assert [field.value for field in message.all("X-Gateway-Tags")] == ["vip two-words"]
    assert message.first("Subject") is None


def test_a_return_token_cannot_be_made_up() -> None:
    own = return_address(SHOP, "01ARZ3NDEKTSV4RRFF", mark=mark)
    assert own.local.startswith("shop+r-")
    forged = Address(own.local.replace("01arz3", "01arz4"), own.domain)
    assert find_returned(forged, mark=mark) is None
    assert find_returned(Address("shop", "acme.example"), mark=mark) is None


def test_a_local_part_without_room_stays_bare() -> None:
    address = f"{'a' * 60}@acme.example"
    assert str(return_address(address, "01ARZ3NDEKTSV4RRFF", mark=mark)) == address
