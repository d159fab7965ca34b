from __future__ import annotations

import pytest

from gateway.mail.address import Address, parse_address
from gateway.mail.token import Token, find_tokens, with_token, without_tokens

TOKEN = Token("01M8756NHBP3DFJ1QV", "0123456789abcdef")
WRITTEN = "support+c-01m8756nhbp3dfj1qv-0123456789abcdef@acme.example"


def test_a_token_reads_back_in_any_case_and_leaves_no_trace() -> None:
    address = with_token(parse_address("Support@acme.example"), TOKEN)
    assert str(address) == WRITTEN
    for text in (WRITTEN, WRITTEN.upper(), f'"{WRITTEN[:7]}" <{WRITTEN}>, x@y.example'):
        assert find_tokens(text) == [TOKEN]
    assert without_tokens(f"Ann <{WRITTEN}>, b+c@d") == "Ann <support@acme.example>, b+c@d"


@pytest.mark.parametrize("local", ["s" * 27, "a+b", '"a b"', "größe"])
def test_a_local_part_that_takes_no_token_is_left(local: str) -> None:
    assert with_token(Address(local, "acme.example"), TOKEN) is None


def test_the_longest_local_part_with_a_token_has_64_octets() -> None:
    address = with_token(Address("s" * 26, "acme.example"), TOKEN)
    assert address is not None
    assert len(address.local) == 64  # RFC 5321 §4.5.3.1.1
    assert parse_address(str(address)) == address
