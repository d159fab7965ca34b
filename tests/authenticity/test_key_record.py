from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.authenticity.dkim import Signer
from gateway.authenticity.key_record import find_key, verify
from gateway.authenticity.signature import Finding, read_dkim
from tests.authenticity.letters import DOMAIN, rsa_key, signed_with

RECORD = f"v=DKIM1; k=rsa; p={rsa_key()[1]}".encode()
SIGNATURE = read_dkim(signed_with().partition(b"\r\nFrom:")[0])
DIGEST = hashlib.sha256(b"x").digest()


def test_an_rsa_key_knows_its_signatures_by_their_whole_length() -> None:
    """RFC 8017 §8.2.2: zeros before a signature make it another, of a wrong length."""
    key = find_key([RECORD], SIGNATURE)
    assert not isinstance(key, Finding)
    signature = Signer(DOMAIN, "s1", pem=rsa_key()[0]).sign(DIGEST)
    assert verify(key, signature=signature, digest=DIGEST)
    assert not verify(key, signature=b"\0" + signature, digest=DIGEST)
    assert not verify(key, signature=b"", digest=DIGEST)


def test_an_ed25519_key_knows_its_signatures() -> None:
    """RFC 8463."""
    private = Ed25519PrivateKey.generate()
    raw = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    record = b"v=DKIM1; k=ed25519; p=" + base64.b64encode(raw)
    signature = read_dkim(
        signed_with().partition(b"\r\nFrom:")[0].replace(b"a=rsa", b"a=ed25519")
    )
    key = find_key([record], signature)
    assert not isinstance(key, Finding)
    assert verify(key, signature=private.sign(DIGEST), digest=DIGEST)
    assert not verify(key, signature=private.sign(b"other"), digest=DIGEST)


@pytest.mark.parametrize(
    ("records", "result", "reason"),
    [
        (None, "temperror", "the key cannot be asked for now"),
        ([], "permerror", "the key is not published"),
        ([b"v=spf1 -all"], "permerror", "the key is not published"),
        ([RECORD, b"v=DKIM1; p="], "permerror", "several keys are published under this name"),
        ([RECORD + b"; p=AAAA"], "permerror", "the key record cannot be read"),
        (
            [b"v=DKIM2; " + RECORD.partition(b"; ")[2]],
            "permerror",
            "the key record cannot be read",
        ),
    ],
)
def test_without_one_good_record_there_is_no_key(
    records: list[bytes] | None, result: str, reason: str
) -> None:
    assert find_key(records, SIGNATURE) == (result, reason)
