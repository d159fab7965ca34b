from __future__ import annotations

import asyncio

import pytest

from gateway.authenticity.dmarc import (
    BROKEN,
    Policy,
    find_policy,
    find_records,
    is_aligned,
    judge,
    organisational_domain,
    read_policy,
)
from gateway.config import DnsSettings
from gateway.mail.inbound import AuthResult
from gateway.net.dns import Resolver
from gateway.net.unreachable import Unreachable
from tests.servers.zone import Zone

NONE = Policy(request="none")


def passed(method: str, domain: str) -> AuthResult:
    return AuthResult(method=method, result="pass", domain=domain)


@pytest.mark.parametrize(
    ("records", "policy"),
    [
        ([b"v=DMARC1; p=reject"], Policy(request="reject")),
        ([b"v=DMARC1;p=none;adkim=s"], Policy(request="none", dkim_strict=True)),
        ([b"v=DMARC1; p=Quarantine; aspf=S;"], Policy(request="quarantine", spf_strict=True)),
        ([b"other", b"v=DMARC1; p=none"], NONE),
        ([b"v=DMARC1; p=nonsense; rua=mailto:a@b.example"], NONE),
        ([b"v=DMARC1; p=nonsense"], BROKEN),
        ([b"v=DMARC1; p=reject; sp=nonsense"], BROKEN),
        ([b"v=DMARC1; p=reject; sp=nonsense; rua=mailto:a@b.example"], NONE),
        ([b"v=DMARC1; p=reject; p=none"], BROKEN),
        ([b"v = DMARC1 ; p = reject ;;"], Policy(request="reject")),
        ([b"v=DMARC1; p=none", b"v=DMARC1; p=reject"], None),
        ([b"p=none; v=DMARC1"], None),
        ([b"v=DMARC10; p=none"], None),
        ([b"\xff\xfe;;;==", b""], None),
        ([], None),
    ],
)
def test_a_record_is_one_policy_or_none(records: list[bytes], policy: Policy | None) -> None:
    """RFC 7489 §6.3 and §6.6.3."""
    assert read_policy(find_records(records)) == policy


@pytest.mark.parametrize(
    ("domain", "organisation"),
    [
        ("mail.acme.co.uk", "acme.co.uk"),
        ("acme.com", "acme.com"),
        ("co.uk", "co.uk"),
        ("a.b.acme.example", "acme.example"),
    ],
)
def test_the_organisational_domain_is_below_the_public_suffix(
    domain: str, organisation: str
) -> None:
    """RFC 7489 §3.2."""
    assert organisational_domain(domain) == organisation


@pytest.mark.parametrize(
    ("domain", "header_from", "strict", "aligned"),
    [
        ("acme.com", "acme.com", True, True),
        ("mail.acme.com", "acme.com", False, True),
        ("mail.acme.com", "acme.com", True, False),
        ("a.acme.com", "b.acme.com", False, True),
        ("evilacme.com", "acme.com", False, False),
        ("other.co.uk", "acme.co.uk", False, False),
        ("co.uk", "acme.co.uk", False, False),
        ("", "", False, False),
    ],
)
def test_alignment_is_by_organisation_or_strict(
    domain: str, header_from: str, strict: bool, aligned: bool
) -> None:
    """RFC 7489 §3.1."""
    assert is_aligned(domain, header_from, strict=strict) is aligned


def test_a_policy_is_found_at_the_domain_then_at_its_organisation() -> None:
    records = {
        ("_dmarc.own.acme.com", "TXT"): ["v=DMARC1; p=reject"],
        ("_dmarc.acme.com", "TXT"): ["v=DMARC1; p=quarantine; sp=none"],
        ("_dmarc.two.acme.com", "TXT"): ["v=DMARC1; p=none", "v=DMARC1; p=reject"],
        ("_dmarc.only-a-note.acme.com", "TXT"): ["hello"],
    }
    with Zone(records) as zone:
        resolver = Resolver(DnsSettings(nameservers=(zone.address,)))
        for domain, request in [
            ("own.acme.com", "reject"),
            ("news.acme.com", "none"),
            ("only-a-note.acme.com", "none"),
            ("acme.com", "quarantine"),
        ]:
            assert asyncio.run(find_policy(resolver, domain)) == Policy(request=request)
        for domain in ("other.com", "two.acme.com"):
            assert asyncio.run(find_policy(resolver, domain)) is None
        zone.failing.add("_dmarc.acme.com")
        with pytest.raises(Unreachable):
            asyncio.run(find_policy(resolver, "acme.com"))


@pytest.mark.parametrize(
    ("results", "policy", "expected"),
    [
        ([passed("dkim", "mail.acme.com")], NONE, "pass"),
        ([passed("spf", "bounce.acme.com")], NONE, "pass"),
        (
            [passed("dkim", "mail.acme.com")],
            Policy(request="none", dkim_strict=True),
            "fail",
        ),
        ([passed("spf", "acme.com")], Policy(request="none", dkim_strict=True), "pass"),
        ([passed("dkim", "evil.com"), passed("spf", "evil.com")], NONE, "fail"),
        ([passed("arc", "acme.com")], NONE, "fail"),
        ([AuthResult(method="dkim", result="policy", domain="acme.com")], NONE, "fail"),
        ([AuthResult(method="dkim", result="temperror", domain="x")], NONE, "temperror"),
        ([], NONE, "fail"),
        ([passed("dkim", "acme.com")], None, "none"),
        ([passed("dkim", "acme.com")], BROKEN, "permerror"),
    ],
)
def test_a_pass_in_line_with_from_is_a_dmarc_pass(
    results: list[AuthResult], policy: Policy | None, expected: str
) -> None:
    assert judge(results, "acme.com", policy=policy).result == expected
