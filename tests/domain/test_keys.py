from __future__ import annotations

from datetime import date

import pytest

from gateway.authenticity.dkim import Signer
from gateway.domain.keys import DkimKey, make_keys


@pytest.fixture(scope="module")
def keys() -> tuple[DkimKey, DkimKey]:
    return make_keys(made_on=date(2026, 11, 24))


def test_a_domain_gets_one_key_of_each_kind(keys: tuple[DkimKey, DkimKey]) -> None:
    assert [key.selector for key in keys] == ["gw202611-rsa", "gw202611-ed25519"]
    signers = [Signer("acme.example", key.selector, pem=key.pem) for key in keys]
    assert [signer.algorithm for signer in signers] == ["rsa-sha256", "ed25519-sha256"]


def test_the_record_holds_the_public_key(keys: tuple[DkimKey, DkimKey]) -> None:
    rsa, ed25519 = (key.record for key in keys)
    assert rsa.startswith("v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEF")
    assert ed25519.startswith("v=DKIM1; k=ed25519; p=")
    assert len(ed25519.partition("p=")[2]) == 44  # RFC 8463 §4.2: 32 bytes in Base64


def test_a_key_does_not_show_itself(keys: tuple[DkimKey, DkimKey]) -> None:
    assert "PRIVATE" in keys[0].pem
    assert "PRIVATE" not in repr(keys)
