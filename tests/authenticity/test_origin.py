from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.authenticity.origin import authenticate, find_sender, make_checker
from gateway.authenticity.trace import TrustedHops
from gateway.config import DnsSettings
from gateway.mail.inbound import Authenticity
from gateway.mail.message import parse_message
from tests.authenticity.letters import LETTER, rsa_key, sealed, signed
from tests.servers.zone import Zone

HOPS = TrustedHops(
    authserv_ids=("mx.provider.example",),
    border_received=("mx.provider.example",),
    writes_return_path=True,
    results_below_border=True,
)
BORDER = b"Received: from out.acme.example (x [192.0.2.1]) by mx.provider.example; now\r\n"
STATED = b"Authentication-Results: mx.provider.example; "
RECORDS = {
    ("s1._domainkey.acme.example", "TXT"): [f"v=DKIM1; p={rsa_key()[1]}"],
    ("s1._domainkey.evil.example", "TXT"): [f"v=DKIM1; p={rsa_key()[1]}"],
    ("s1._domainkey.list.example", "TXT"): [f"v=DKIM1; p={rsa_key()[1]}"],
    ("acme.example", "TXT"): ["v=spf1 ip4:192.0.2.1 -all"],
    ("bounce.acme.example", "TXT"): ["v=spf1 ip4:192.0.2.1 -all"],
    ("evil.example", "TXT"): ["v=spf1 ip4:192.0.2.1 -all"],
    ("_dmarc.acme.example", "TXT"): ["v=DMARC1; p=reject"],
}


@pytest.fixture
def zone() -> Iterator[Zone]:
    with Zone(RECORDS) as zone:
        yield zone


def check_all(
    contents: Sequence[bytes], zone: Zone, hops: TrustedHops = HOPS
) -> list[Authenticity]:
    async def work() -> list[Authenticity]:
        checker = make_checker(DnsSettings(nameservers=(zone.address,)))
        try:
            return [
                await authenticate(parse_message(content), hops=hops, checker=checker)
                for content in contents
            ]
        finally:
            await checker.close()

    return asyncio.run(work())


def check(content: bytes, zone: Zone, hops: TrustedHops = HOPS) -> Authenticity:
    return check_all([content], zone, hops)[0]


def handed_over(content: bytes, return_path: bytes, stated: bytes = b"") -> bytes:
    results = STATED + stated + b"\r\n" if stated else b""
    return b"Return-Path: <" + return_path + b">\r\n" + BORDER + results + content


def test_a_signed_letter_proves_its_from_without_any_provider(zone: Zone) -> None:
    found = check(signed(), zone, TrustedHops())
    assert found.proven == found.header_from == "ann@acme.example"
    assert [found.result(method) for method in ("dkim", "spf", "dmarc")] == [
        "pass",
        "none",
        "pass",
    ]
    assert (found.mail_from, found.mail_from_proven) == ("", False)


def test_spf_of_the_envelope_proves_from_and_envelope(zone: Zone) -> None:
    found = check(handed_over(LETTER, b"ann@acme.example"), zone)
    assert found.result("spf") == found.result("dmarc") == "pass"
    assert (found.proven, found.mail_from_proven) == ("ann@acme.example", True)


def test_an_envelope_of_the_same_organisation_is_proven_by_the_from(zone: Zone) -> None:
    zone.withdraw("bounce.acme.example", "TXT")
    found = check(handed_over(signed(), b"b1@bounce.acme.example"), zone)
    assert found.result("spf") == "none"
    assert (found.mail_from, found.mail_from_proven) == ("b1@bounce.acme.example", True)


def test_an_envelope_of_others_is_not_proven_by_the_from(zone: Zone) -> None:
    zone.withdraw("evil.example", "TXT")
    found = check(handed_over(signed(), b"eve@evil.example"), zone)
    assert (found.proven, found.mail_from_proven) == ("ann@acme.example", False)


def test_spf_and_dkim_of_another_domain_prove_nothing_of_from(zone: Zone) -> None:
    found = check(handed_over(signed(domain="evil.example"), b"eve@evil.example"), zone)
    assert found.result("spf") == found.result("dkim") == "pass"
    assert (found.result("dmarc"), found.proven) == ("fail", "")
    assert found.mail_from_proven  # eve may be answered: the envelope is hers


def test_a_null_envelope_sender_is_never_one_to_answer(zone: Zone) -> None:
    found = check(handed_over(signed(), b""), zone)
    assert (found.mail_from, found.mail_from_proven) == ("", False)
    assert found.proven == "ann@acme.example"


def test_strict_alignment_wants_the_same_domain(zone: Zone) -> None:
    zone.publish("_dmarc.acme.example", "TXT", "v=DMARC1; p=none; aspf=s")
    found = check(handed_over(LETTER, b"b1@bounce.acme.example"), zone)
    assert (found.result("spf"), found.result("dmarc"), found.proven) == ("pass", "fail", "")


def test_a_domain_without_dmarc_is_proven_by_alignment_all_the_same(zone: Zone) -> None:
    zone.withdraw("_dmarc.acme.example", "TXT")
    found = check(signed(), zone)
    assert (found.result("dmarc"), found.proven) == ("none", "ann@acme.example")


def test_while_the_policy_cannot_be_asked_only_the_same_domain_proves(zone: Zone) -> None:
    zone.failing.add("_dmarc.acme.example")
    same, other = check_all([signed(), handed_over(LETTER, b"b1@bounce.acme.example")], zone)
    assert (same.result("dmarc"), same.proven) == ("temperror", "ann@acme.example")
    assert (other.result("spf"), other.proven) == ("pass", "")


def test_a_key_that_cannot_be_asked_is_a_temporary_error(zone: Zone) -> None:
    zone.failing.add("s1._domainkey.acme.example")
    found = check(signed(), zone)
    assert (found.result("dkim"), found.result("dmarc"), found.proven) == (
        "temperror", "temperror", "",
    )  # fmt: skip


def test_the_providers_word_is_enough_and_is_named(zone: Zone) -> None:
    zone.withdraw("acme.example", "TXT")
    said = b"dmarc=pass header.from=acme.example"
    found = check(handed_over(LETTER, b"ann@acme.example", said), zone)
    assert found.proven == "ann@acme.example"
    assert [one.by for one in found.results if one.result == "pass"] == ["mx.provider.example"]


def test_the_providers_word_on_another_from_proves_nothing(zone: Zone) -> None:
    zone.withdraw("acme.example", "TXT")
    said = b"dmarc=pass header.from=evil.example"
    found = check(handed_over(LETTER, b"ann@acme.example", said), zone)
    assert (found.proven, found.result("dmarc")) == ("", "fail")


LISTED = TrustedHops(arc_sealers=("list.example",))


def test_what_a_listed_sealer_saw_pass_proves_the_from_and_is_named(zone: Zone) -> None:
    """RFC 8617 §7.2: a list has changed what the author signed."""
    passed_on = sealed(signed().replace(b"Hello Bob", b"Hello all"))
    listed, other = check(passed_on, zone, LISTED), check(passed_on, zone, TrustedHops())
    assert [one.result("arc") for one in (listed, other)] == ["pass", "pass"]
    assert [one.proven for one in (listed, other)] == ["ann@acme.example", ""]
    [dmarc] = [one for one in listed.results if one.method == "dmarc"]
    assert dmarc.reason == "dkim of acme.example, by the seal of list.example (p=reject)"


def test_what_a_sealer_saw_counts_for_its_from_and_an_unbroken_chain_alone(zone: Zone) -> None:
    saw = "dmarc=pass header.from=evil.example"
    for content in (
        sealed(signed().replace(b"Hello Bob", b"Hello all")) + b"more\r\n",
        sealed(LETTER, saw=saw),
        sealed(LETTER, saw="dmarc=fail header.from=acme.example"),
    ):
        found = check(content, zone, LISTED)
        assert (found.proven, found.result("dmarc")) == ("", "fail")


def test_what_a_sealer_saw_is_the_envelope_of_an_earlier_hop(zone: Zone) -> None:
    """Who has a sealed message could send it on with any envelope of that domain."""
    hops = replace(HOPS, arc_sealers=("list.example",))
    saw = "spf=pass smtp.mailfrom=evil.example"
    zone.withdraw("evil.example", "TXT")
    found = check(handed_over(sealed(signed(), saw=saw), b"victim@evil.example"), zone, hops)
    assert found.result("spf") == "pass"
    assert (found.proven, found.mail_from_proven) == ("ann@acme.example", False)


def test_a_key_of_a_chain_that_cannot_be_asked_is_told_and_proves_nothing(zone: Zone) -> None:
    zone.failing.add("s1._domainkey.list.example")
    found = check(sealed(signed(domain="evil.example")), zone, LISTED)
    assert (found.result("arc"), found.result("dmarc"), found.proven) == (
        "temperror", "fail", "",
    )  # fmt: skip


def test_forged_results_prove_nothing(zone: Zone) -> None:
    forged = STATED + b"dmarc=pass header.from=acme.example\r\n"
    found = check(forged + LETTER, zone, TrustedHops())
    assert (found.proven, found.result("dmarc")) == ("", "fail")


@pytest.mark.parametrize(
    "senders",
    [
        b"",
        b"From: \r\n",
        b"From: nobody\r\n",
        b"From: ann@acme.example, eve@evil.example\r\n",
        b"From: ann@acme.example <eve@evil.example>\r\n",
        b"From: <ann@acme.example>@evil.example\r\n",
        b"From: ann@acme.example\r\nFrom: eve@evil.example\r\n",
        b"From: \xff\xfe\xfd\r\n",
        b"From: ann@acme.example\x00@evil.example\r\n",
    ],
)
def test_without_exactly_one_from_nothing_is_proven(zone: Zone, senders: bytes) -> None:
    """RFC 7489 §6.6.1."""
    found = check(handed_over(senders + b"\r\nx\r\n", b"ann@acme.example"), zone)
    assert (found.header_from, found.proven, found.result("dmarc")) == ("", "", "permerror")
    assert found.mail_from_proven


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("Ann <ann@ACME.example>", "ann@acme.example"),
        ('"eve@evil.example" <ann@acme.example>', "ann@acme.example"),
        ("=?utf-8?q?eve=40evil=2Eexample?= <ann@acme.example>", "ann@acme.example"),
        ("ann@acme.example (Ann)", "ann@acme.example"),
        ("Ann <ann@m\u00fcller.example>", "ann@xn--mller-kva.example"),
    ],
)
def test_the_sender_is_the_one_address_in_from(value: str, address: str) -> None:
    assert str(find_sender(parse_message(f"From: {value}\r\n\r\n".encode()))) == address


@given(st.binary(max_size=60))
def test_no_from_whatever_makes_reading_fail(value: bytes) -> None:
    find_sender(parse_message(b"From: " + value + b"\r\n\r\n"))


@settings(max_examples=9)
@given(st.lists(st.binary(max_size=120), min_size=10, max_size=10))
def test_no_message_whatever_makes_authenticating_fail(contents: list[bytes]) -> None:
    letters = [
        b"From: ann@acme.example\r\nDKIM-Signature: " + one + b"\r\nReturn-Path: " + one + one
        for one in contents
    ]
    with Zone(RECORDS) as zone:
        found = check_all([*contents, *letters], zone)
    assert {one.proven for one in found} == {""}


def test_a_from_of_nested_comments_alone_has_no_sender() -> None:
    assert find_sender(parse_message(b"From: " + b"(" * 50_000 + b"a@b\r\n\r\nx")) is None
