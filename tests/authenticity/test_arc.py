from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.authenticity.arc import believed_passes, find_chain, verify_chain
from gateway.authenticity.dkim_verify import Keys
from gateway.mail.inbound import AuthResult
from gateway.mail.message import parse_message
from tests.authenticity.letters import LETTER, STOCK, rsa_key, sealed, signed

RECORD = f"v=DKIM1; k=rsa; p={rsa_key()[1]}".encode()
ONE = sealed(signed())
TWO = sealed(ONE, by="forwarder.example")
THREE = sealed(TWO, by="provider.example")
RESULTS = b"ARC-Authentication-Results"
SETS = (b"ARC-Seal", b"ARC-Message-Signature", RESULTS)
CHANGED = "the message was changed or never signed so"
CV = "says of the chain before it what may not be (cv=)"


def verify(content: bytes, records: list[bytes] | None = None, **ages: float) -> AuthResult:
    message = parse_message(content)
    chain = find_chain(message)
    keys: Keys = dict.fromkeys(chain.key_names, [RECORD] if records is None else records)
    return verify_chain(message, chain, keys, now=datetime.now(UTC) + timedelta(**ages))


def without(content: bytes, name: bytes, instance: int) -> bytes:
    """Return `content` without this field of one set."""
    pattern = rb"(?m)^%b: i=%d;.*\r\n(?:[ \t].*\r\n)*" % (name, instance)
    found, times = re.subn(pattern, b"", content)
    assert times == 1
    return found


def passed(content: bytes, *sealers: str) -> dict[str, str]:
    message = parse_message(content)
    found = believed_passes(message, find_chain(message), sealers)
    return {f"{one.method} {one.domain}": one.by for one in found}


@pytest.mark.parametrize(
    ("content", "sealers"),
    [
        (ONE, "list.example"),
        (TWO, "list.example, forwarder.example"),
        (THREE, "list.example, forwarder.example, provider.example"),
    ],
)
def test_a_chain_that_holds_passes_and_names_its_sealers(content: bytes, sealers: str) -> None:
    found = verify(content)
    assert (found.method, found.result, found.reason) == ("arc", "pass", f"sealed by {sealers}")
    assert found.domain == sealers.rpartition(" ")[2]
    assert STOCK.arc_verify(content, dnsfunc=lambda name, timeout: RECORD)[0] == b"pass"


def test_a_message_that_nobody_sealed_has_no_chain() -> None:
    assert (verify(LETTER).result, verify(LETTER).reason) == ("none", "not sealed")


def test_what_passes_on_may_change_the_message_before_it_seals() -> None:
    """RFC 8617 §5.2: of the signatures of the message only the newest has to hold."""
    changed = sealed(ONE.replace(b"Hello Bob", b"Hello all"), by="forwarder.example")
    assert verify(changed).result == "pass"
    assert verify(TWO.replace(b"Hello Bob", b"Hello all")).result == "fail"


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("instance", [1, 2, 3])
def test_a_chain_with_a_field_missing_fails(name: bytes, instance: int) -> None:
    assert verify(without(THREE, name, instance)).result == "fail"


@pytest.mark.parametrize("instance", [1, 2])
def test_a_chain_with_a_set_missing_fails(instance: int) -> None:
    content = THREE
    for name in SETS:
        content = without(content, name, instance)
    assert verify(content).reason == "a set is missing, or there are too many"


@pytest.mark.parametrize(
    ("was", "becomes", "reason"),
    [
        (b"Hello Bob", b"Hello Rob", CHANGED),
        (b"Subject: Hello", b"Subject: x", CHANGED),
        (b"\r\nHello Bob\r\n", b"\r\nHello Bob\r\nmore\r\n", CHANGED),
        (b"cv=pass", b"cv=fail", f"set 3 {CV}"),
        (b"cv=pass", b"cv=none", f"set 3 {CV}"),
        (b"cv=none", b"cv=pass", f"set 1 {CV}"),
        (b"cv=none", b"cv=fail", f"set 1 {CV}"),
        (b"cv=pass; ", b"", "set 3: a tag is missing (cv=)"),
        (b"i=1; list.example", b"i=1; evil.example", "the seal of list.example does not hold"),
        (b"cv=pass; ", b"cv=pass; z=1; ", "the seal of provider.example does not hold"),
        (RESULTS + b": i=1", RESULTS + b": i=2", "set 2 has two fields of one kind"),
        (RESULTS + b": i=1", RESULTS + b": i=4", "a set is not complete"),
        (b"ARC-Seal: i=3", b"ARC-Seal: i=x", "a set is not complete"),
        (b"ARC-Seal: ", b"ARC-Seal: i=4; cv=pass\r\nARC-Seal: ", "a set is not complete"),
        (b"ARC-Seal: i=3; ", b"ARC-Seal: i=3; h=from; ", "set 3 signs what it may not"),
        (b"a=rsa-sha256", b"a=rsa-sha1", "set 3: the algorithm is not accepted (a=)"),
    ],
)
def test_a_chain_that_was_tampered_with_fails(was: bytes, becomes: bytes, reason: str) -> None:
    assert was in THREE
    found = verify(THREE.replace(was, becomes, 1))
    assert (found.result, found.reason) == ("fail", reason)


def test_the_order_in_which_the_fields_stand_does_not_count() -> None:
    """RFC 8617 §5.1.1: the instance orders them, not the place."""
    fields = re.match(rb"(?s)(.*?)DKIM-Signature", THREE)
    assert fields
    lines = re.findall(rb"(?m)^ARC-.*\r\n(?:[ \t].*\r\n)*", fields[1])
    assert verify(b"".join(reversed(lines)) + THREE[fields.end(1) :]).result == "pass"


def test_sets_whose_numbers_were_exchanged_fail() -> None:
    exchanged = THREE.replace(b": i=1;", b": i=9;").replace(b": i=2;", b": i=1;")
    assert verify(exchanged.replace(b": i=9;", b": i=2;")).result == "fail"


def test_fifty_sets_are_verified_and_one_more_is_not() -> None:
    """RFC 8617 §4.2.1."""
    content = LETTER
    for _ in range(50):
        content = sealed(content)
    assert verify(content).result == "pass"
    more = re.sub(rb"(?m)^(ARC-\S+): i=50;", rb"\1: i=51;", content)
    assert verify(more + content).result == "fail"


def test_keys_decide_as_for_dkim() -> None:
    assert verify(TWO, [b"v=DKIM1; p="]).reason == "the key was revoked"
    assert verify(TWO, [RECORD + b"; t=s"]).result == "pass"
    assert (verify(TWO, []).result, verify(TWO, days=-2).result) == ("fail", "fail")


def test_a_key_that_cannot_be_asked_is_a_temporary_error() -> None:
    message = parse_message(TWO)
    chain = find_chain(message)
    for lost in chain.key_names:
        keys = {name: None if name == lost else [RECORD] for name in chain.key_names}
        assert verify_chain(message, chain, keys, now=datetime.now(UTC)).result == "temperror"


def test_only_a_listed_sealer_is_believed_and_named() -> None:
    assert passed(ONE, "list.example") == {"dkim acme.example": "the seal of list.example"}
    assert passed(ONE, "provider.example") == {}
    assert passed(ONE) == {}


def test_a_sealer_is_believed_only_where_all_that_came_later_are() -> None:
    """A later one could have changed the message and have kept the set."""
    assert passed(TWO, "list.example") == {}
    assert passed(TWO, "list.example", "forwarder.example")


def test_who_signs_for_another_than_he_seals_is_nobody() -> None:
    assert passed(ONE.replace(b"d=list", b"d=evil", 1), "list.example", "evil.example") == {}


def test_of_what_a_sealer_saw_only_passes_that_the_message_bears_out_are_taken() -> None:
    saw = (
        "dkim=pass header.d=evil.example; spf=pass smtp.mailfrom=acme.example; "
        "dmarc=fail header.from=acme.example; iprev=pass policy.iprev=192.0.2.1"
    )
    assert passed(sealed(signed(), saw=saw), "list.example") == {
        "spf acme.example": "the seal of list.example"
    }


@given(st.lists(st.tuples(st.sampled_from(SETS), st.text(max_size=60)), max_size=9))
def test_no_fields_whatever_make_reading_fail(fields: list[tuple[bytes, str]]) -> None:
    lines = [
        b"%b: i=%d; %b\r\n" % (name, place, " ".join(text.split()).encode("utf-8", "replace"))
        for place, (name, text) in enumerate(fields, 1)
    ]
    assert verify(b"".join(lines) + LETTER).result in ("none", "fail")
    assert verify(b"".join(lines) + ONE).result in ("pass", "fail")
