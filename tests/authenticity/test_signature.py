from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.authenticity.signature import DKIM_TAGS, Signature, read_dkim, read_signature
from tests.authenticity.letters import signed_with

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AT = int(NOW.timestamp())


def read(**tags: str | None) -> Signature:
    return read_dkim(signed_with(**tags).partition(b"\r\nFrom:")[0])  # type: ignore[arg-type]  # apart is never None


def test_a_signature_tells_its_key_its_form_and_what_it_signs() -> None:
    found = read(h="From : to")
    assert (found.fault, found.key_name) == (None, "s1._domainkey.acme.example")
    assert (found.key_type, found.form) == (b"rsa", b"relaxed/simple")
    assert found.signed_names == [b"from", b"to"]
    assert read(c=None).form == b"simple/simple"


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"h": "to:subject"}, "From is not signed (h=)"),
        ({"v": "2"}, "the version is not known (v=)"),
        ({"v": None}, "a tag is missing (v=)"),
        ({"bh": None}, "a tag is missing (bh=)"),
        ({"d": "[acme.example]"}, "the domain is none (d=)"),
        ({"bh": "!"}, "the field is malformed (bh=)"),
        ({"x": "soon"}, "the field is malformed (x=)"),
        ({"t": "2", "x": "1"}, "the signature ran out before it was made (x=)"),
        ({"q": "foo/bar"}, "the key is not in DNS (q=)"),
        ({"i": "@evil.example"}, "the identity is not of the domain (i=)"),
    ],
)
def test_what_the_standard_does_not_allow_speaks_against_it(
    tags: dict[str, str | None], reason: str
) -> None:
    """RFC 6376 §6.1.1."""
    assert read(**tags).fault == ("permerror", reason)


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({}, None),
        ({"x": f"{AT - 200}"}, None),
        ({"x": f"{AT - 400}"}, "the signature has run out (x=)"),
        ({"t": f"{AT + 200}"}, None),
        ({"t": f"{AT + 400}"}, "the signature is of a time to come (t=)"),
    ],
)
def test_its_time_counts_but_for_five_minutes(tags: dict[str, str], reason: str | None) -> None:
    found = read(**tags).time_fault(NOW)
    assert (found.reason if found else None) == reason


def test_base64_that_is_none_is_no_signature() -> None:
    assert read().octets(b"b")
    assert read(bh="AAA").octets(b"bh") == b""


def test_a_field_without_the_tags_asked_for_is_not_read() -> None:
    raw = b"ARC-Seal: i=1; a=rsa-sha256; d=acme.example; s=s1; b=AAAA"
    assert read_signature(raw, mandatory=(b"i", b"a", b"b", b"d", b"s")).fault is None
    assert read_signature(raw, mandatory=DKIM_TAGS).fault == (
        "permerror",
        "a tag is missing (v=)",
    )
