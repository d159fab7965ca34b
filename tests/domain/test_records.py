from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any

import dkim

from gateway.authenticity.dkim import Signer, sign
from gateway.config import DnsSettings
from gateway.domain.keys import make_keys
from gateway.domain.records import domain_records
from gateway.net.dns import Resolver
from tests.servers.zone import Zone

STOCK: Any = dkim  # it has no types
LETTER = b"From: a@acme.example\r\nSubject: x\r\n\r\nbody\r\n"


def test_the_records_have_full_names_and_one_unquoted_string() -> None:
    records = domain_records(
        "acme.example", [], spf_terms=["include:sendgrid.net"], reports_to="it@acme.example"
    )
    assert [asdict(record) for record in records] == [
        {
            "name": "acme.example",
            "type": "TXT",
            "value": "v=spf1 include:sendgrid.net ~all",
        },
        {
            "name": "_dmarc.acme.example",
            "type": "TXT",
            "value": "v=DMARC1; p=none; rua=mailto:it@acme.example",
        },
    ]


def test_two_upstreams_with_one_include_stand_in_one_spf_record_once() -> None:
    """RFC 7208 §3.2: a domain must not have two SPF records."""
    terms = ["include:a.example", "include:b.example", "include:a.example"]
    [spf, _] = domain_records("acme.example", [], spf_terms=terms)
    assert spf.value == "v=spf1 include:a.example include:b.example ~all"


def test_without_an_upstream_nothing_is_said_about_spf() -> None:
    assert [record.name for record in domain_records("acme.example", [])] == [
        "_dmarc.acme.example"
    ]


def test_what_is_published_verifies_what_is_signed() -> None:
    keys = make_keys(made_on=date(2026, 11, 24))
    signers = [Signer("acme.example", key.selector, pem=key.pem) for key in keys]
    signed = sign(LETTER, signers, now=datetime.now(UTC)) + LETTER
    records = domain_records("acme.example", keys)
    with Zone({(record.name, record.type): [record.value] for record in records}) as zone:
        resolver = Resolver(DnsSettings(nameservers=(zone.address,)))

        def fetch_key(name: bytes, timeout: int = 5) -> bytes:
            return asyncio.run(resolver.txt(name.decode()))[0]

        assert all(STOCK.DKIM(signed).verify(index, dnsfunc=fetch_key) for index in (0, 1))
