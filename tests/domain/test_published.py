from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date

import pytest

from gateway.domain.keys import make_keys
from gateway.domain.published import bounded, compare
from gateway.domain.records import DnsRecord

KEY = DnsRecord(name="s._domainkey.acme.example", type="TXT", value="v=DKIM1; k=rsa; p=AAAA")
SPF = DnsRecord(name="acme.example", type="TXT", value="v=spf1 include:a.example ~all")
DMARC = DnsRecord(name="_dmarc.acme.example", type="TXT", value="v=DMARC1; p=none")


@pytest.mark.parametrize(
    ("record", "found", "state"),
    [
        (KEY, [b"v=DKIM1; k=rsa; p=AAAA"], "published"),
        (KEY, [b"v=DKIM1;k=rsa;p=AA AA;"], "published"),
        (KEY, [b"v=DKIM1; k=rsa; p=BBBB"], "wrong"),
        (KEY, [], "missing"),
        (SPF, [b"other", b"v=spf1 mx include:a.example -all"], "published"),
        (SPF, [b"v=spf1 +include:A.example ~all"], "published"),
        (SPF, [b"v=spf1 mx -all"], "wrong"),
        (SPF, [b"v=spf1 include:a.example ~all", b"v=spf1 -all"], "wrong"),
        (SPF, [b"other"], "missing"),
        (DMARC, [b"v=DMARC1; p=reject"], "published"),
        (DMARC, [b"v=DMARC1; rua=mailto:a@acme.example"], "wrong"),
        (DMARC, [], "missing"),
    ],
)
def test_a_record_is_published_wrong_or_missing(
    record: DnsRecord, found: list[bytes], state: str
) -> None:
    finding = compare(record, found)
    assert finding.state == state
    assert (finding.difference is not None) == (state == "wrong")


def test_the_difference_names_what_spf_lacks() -> None:
    assert compare(SPF, [b"v=spf1 -all"]).difference == "it lacks include:a.example"


def test_the_difference_shows_where_two_keys_part() -> None:
    """The first 60 characters are the same in all of RSA."""
    own, other = (make_keys(made_on=date(2026, 11, 1))[0].record for _ in range(2))
    wanted = replace(KEY, value=own)
    told = compare(wanted, [other.encode()]).difference or ""
    said, _, rest = told.removeprefix("it says ...").partition(", and is to say ...")
    assert (said in other, rest in own, said in own) == (True, True, False)
    cut = compare(wanted, [own[:255].encode()]).difference or ""
    assert cut.startswith("it ends after 253 of ")  # without the spaces
    assert compare(KEY, [b"v=DKIM1; k=rsa; p=B"]).difference == (
        "it says v=DKIM1;k=rsa;p=B, and is to say v=DKIM1;k=rsa;p=AAAA"
    )


@pytest.mark.parametrize(
    ("own", "included", "state"),
    [
        ("a mx include:a.example", "v=spf1 a mx ~all", "published"),
        ("a mx a:b.example/24 exists:%{i}.b.example include:a.example", "v=spf1 " + "mx " * 6,
         "wrong"),
        ("include:a.example", "v=spf1 include:a.example", "wrong"),  # it never ends
        ("ip4:192.0.2.1 ip6:2001:db8::1 include:a.example", "", "published"),
    ],
)  # fmt: skip
def test_more_look_ups_than_receivers_make_are_wrong(
    own: str, included: str, state: str
) -> None:
    """RFC 7208 §4.6.4: more than ten are a permanent error."""

    async def txt(name: str) -> list[bytes]:
        return [included.encode()] if name == "a.example" else []

    found = [f"v=spf1 {own} ~all".encode()]
    finding = asyncio.run(bounded(compare(SPF, found), found, txt=txt))
    assert finding.state == state
    assert ("look-ups" in (finding.difference or "")) == (state == "wrong")
