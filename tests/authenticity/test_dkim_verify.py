from __future__ import annotations

import base64
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import dkim
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.authenticity.dkim import Signer, sign
from gateway.authenticity.dkim_verify import find_signatures, verify_signatures
from gateway.domain.keys import make_keys
from gateway.mail.inbound import AuthResult
from gateway.mail.message import parse_message
from tests.authenticity.letters import LETTER, rsa_key, signed

STOCK: Any = dkim  # it has no types
NAME = "s1._domainkey.acme.example"
OTHER_TYPE = "the key is of another type than the signature"
SIGNED = signed()
RECORD = f"v=DKIM1; k=rsa; p={rsa_key()[1]}"


def verify(content: bytes, records: Sequence[str] | None = (RECORD,)) -> list[AuthResult]:
    message = parse_message(content)
    keys = {NAME: None if records is None else [record.encode() for record in records]}
    return verify_signatures(message, find_signatures(message), keys, now=datetime.now(UTC))


def result(content: bytes, records: Sequence[str] | None = (RECORD,)) -> tuple[str, str]:
    [one] = verify(content, records)
    return one.result, one.reason


def signed_by_stock(algorithm: bytes = b"rsa-sha256", **options: Any) -> bytes:
    signature: bytes = STOCK.DKIM(LETTER, signature_algorithm=algorithm).sign(
        b"s1", b"acme.example", rsa_key()[0].encode(), **options
    )
    return signature + LETTER


def test_a_signature_of_ours_passes_and_names_its_domain() -> None:
    [one] = verify(signed())
    assert (one.method, one.result, one.domain, one.by) == (
        "dkim",
        "pass",
        "acme.example",
        "us",
    )


@pytest.mark.parametrize("header", [b"simple", b"relaxed"])
@pytest.mark.parametrize("body", [b"simple", b"relaxed"])
def test_every_canonicalisation_of_stock_dkimpy_passes(header: bytes, body: bytes) -> None:
    assert result(signed_by_stock(canonicalize=(header, body))) == ("pass", "")


def test_an_ed25519_signature_passes() -> None:
    """RFC 8463."""
    _, key = make_keys(made_on=date(2026, 1, 1))
    content = sign(LETTER, [Signer("acme.example", "s1", pem=key.pem)]) + LETTER
    assert result(content, [key.record]) == ("pass", "")


@pytest.mark.parametrize(
    ("before", "after"),
    [(b"Hello Bob", b"Hello Rob"), (b"Subject: Hello", b"Subject: Hullo"), (b"ann@", b"eve@")],
)
def test_a_changed_message_fails(before: bytes, after: bytes) -> None:
    assert result(signed().replace(before, after))[0] == "fail"


def test_an_added_from_fails() -> None:
    assert result(b"From: eve@evil.example\r\n" + signed())[0] == "fail"


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        (None, ("temperror", "the key cannot be asked for now")),
        ([], ("permerror", "the key is not published")),
        (["unrelated"], ("permerror", "the key is not published")),
        (["v=DKIM1; p="], ("permerror", "the key was revoked")),
        (["v=DKIM1; p=AAAA"], ("permerror", "the key record cannot be read")),
        (["v=DKIM1; p=" + "A" * 4000], ("permerror", "the key record cannot be read")),
        ([RECORD + "; t=y"], ("policy", "the key is in testing (t=y)")),
        ([RECORD + "; t=s"], ("pass", "")),
        ([RECORD + "; s=tlsrpt"], ("permerror", "the key is not for mail")),
        ([RECORD + "; h=sha1"], ("permerror", "the key is not for this hash")),
        ([RECORD.replace("rsa", "ed25519")], ("permerror", OTHER_TYPE)),
        (["other", RECORD], ("pass", "")),
    ],
)  # fmt: skip
def test_the_key_record_decides(records: list[str] | None, expected: tuple[str, str]) -> None:
    """RFC 6376 §3.6.1."""
    assert result(signed(), records) == expected


def test_a_part_of_the_body_proves_nothing() -> None:
    """RFC 6376 §8.2: with l= anything may be appended."""
    content = signed_by_stock(length=True)
    assert result(content) == ("policy", "only a part of the body is signed (l=)")


def test_sha1_proves_nothing() -> None:
    """RFC 8301 §3.1."""
    assert result(signed_by_stock(b"rsa-sha1"))[0] == "policy"


def test_a_key_under_1024_bits_proves_nothing() -> None:
    """RFC 8301 §3.2. The key is one of 768 bits, which OpenSSL no longer makes here."""
    public = (
        "MHwwDQYJKoZIhvcNAQEBBQADawAwaAJhALd5oviI2TwCKt5UsBm7EONLPMuGUH7hkWyut3x2CDgsjgnTmwPD"
        "WfE4ZRtvOfjDzRYwvbs2xc0qXc42MVz8v8xffjnmiKuuZlP8+/8fb8r2OicaAI5WCibxCq3Wo+QotQIDAQAB"
    )
    found, reason = result(signed(), [f"v=DKIM1; p={public}"])
    assert (found, reason) == ("policy", "the key has only 768 bits")


def test_a_signature_that_has_run_out_proves_nothing() -> None:
    content = signed().replace(b" t=", b" x=1; t=", 1)
    assert result(content)[0] == "permerror"


@pytest.mark.parametrize(
    "field",
    [
        b"DKIM-Signature: ",
        b"DKIM-Signature: v=1; v=1",
        b"DKIM-Signature: v=1; a=rsa-sha256; d=acme.example; s=s1; h=from; bh=AAAA; b=AAAA",
        b"DKIM-Signature: v=1; a=rsa-sha256; d=acme.example(.evil.example; s=s1; bh=AAAA; b=AA",
        b"DKIM-Signature: v=1; a=rsa-sha256; d=\xff\xfe; s=s1; h=from; bh=AAAA; b=AAAA",
        b"DKIM-Signature: v=1; a=rsa-sha256; d=[acme.example]; s=s1; h=from; bh=AAAA; b=AAAA",
        b"DKIM-Signature: v=1; a=rsa-sha256; d=acme.example; s=s1; bh=!; b=!",
        b"DKIM-Signature: v=1; b=" + b"A" * 10_000,
        b"DKIM-Signature: v=1; b=A" + b"\r\n " * 2000,
    ],
)
def test_a_broken_signature_is_never_a_pass(field: bytes) -> None:
    assert result(field + b"\r\n" + LETTER)[0] in ("permerror", "fail")


@given(st.lists(st.tuples(st.sampled_from([*"vabcdhilqstx", "bh"]), st.text()), max_size=9))
def test_no_field_whatever_makes_verifying_fail_itself(tags: list[tuple[str, str]]) -> None:
    usual = {"v": "1", "a": "rsa-sha256", "d": "acme.example", "s": "s1", "h": "from"}
    bodies = {"bh": base64.b64encode(b"x" * 32).decode(), "b": "AAAA"}
    text = "; ".join(f"{tag}={value}" for tag, value in (usual | bodies | dict(tags)).items())
    line = text.replace("\r", " ").replace("\n", " ").encode("utf-8", "surrogatepass")
    assert all(
        one.result != "pass" for one in verify(b"DKIM-Signature: " + line + b"\r\n" + LETTER)
    )


@given(st.binary(max_size=200))
def test_no_key_record_whatever_makes_verifying_fail_itself(record: bytes) -> None:
    message = parse_message(SIGNED)
    for text in (record, b"p=" + record, b"k=ed25519; p=" + base64.b64encode(record)):
        [one] = verify_signatures(
            message, find_signatures(message), {NAME: [text]}, now=datetime.now(UTC)
        )
        assert one.result != "pass"


def test_only_the_topmost_signatures_are_judged() -> None:
    broken = b"DKIM-Signature: v=1\r\n" * 20
    assert len(verify(broken + signed())) == 5


def test_a_hostile_header_takes_no_endless_time() -> None:
    names = b":".join(b"%x" % n for n in range(2000))
    field = (
        b"DKIM-Signature: v=1; a=rsa-sha256; d=acme.example; s=s1; bh=AAAA; b=AAAA; h=from:"
        + names[:6000] + b"0\r\n"
    )  # fmt: skip
    began = time.process_time()
    [one] = verify(field + b"x: y\r\n" * 50_000 + LETTER)
    assert one.reason == "the message has too many header fields"
    assert time.process_time() - began < 5
