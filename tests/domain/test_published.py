from __future__ import annotations

import pytest

from gateway.domain.published import compare
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
        (SPF, [b"v=spf1 mx -all"], "wrong"),
        (SPF, [b"v=spf1 include:a.example ~all", b"v=spf1 -all"], "wrong"),
        (SPF, [b"other"], "missing"),
        (DMARC, [b"v=DMARC1; p=reject"], "published"),
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
