from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mail.address import parse_address, parse_domain


def test_the_domain_becomes_a_lower_case_a_label_and_the_local_part_stays() -> None:
    address = parse_address("Ann.Smith@BÜCHER.example")
    assert str(address) == "Ann.Smith@xn--bcher-kva.example"
    assert address.key == "ann.smith@xn--bcher-kva.example"


@pytest.mark.parametrize(
    ("written", "a_label"),
    [
        ("Straße.example", "xn--strae-oqa.example"),
        ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
        ("_dmarc.bücher.example", "_dmarc.xn--bcher-kva.example"),
    ],
)
def test_a_domain_is_the_one_that_is_registered(written: str, a_label: str) -> None:
    """RFC 5891 and UTS 46: "strasse.example" is somebody else's."""
    assert parse_domain(written) == a_label


def test_a_detail_has_its_base() -> None:
    assert str(parse_address("support+42@acme.example").base) == "support@acme.example"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann",
        "@x.example",
        "ann@",
        "a b@x.example",
        "ann@x..example",
        "a<b@x.example",
        '"a">b"@x.example',
        "ann@[é]",
        "ann@[a[b]",
    ],
)
def test_what_is_no_address_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"address|domain"):
        parse_address(text)


def test_an_address_may_be_quoted_and_name_a_machine() -> None:
    assert str(parse_address(r'"a \" b"@[IPv6:::1]')) == r'"a \" b"@[IPv6:::1]'


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_a_value_error(text: str) -> None:
    try:
        address = parse_address(text)
    except ValueError:
        return
    assert parse_address(str(address)) == address
