"""A script's header edits as recorded edits with the same result."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.actions import route
from gateway.mail.message import apply_edits, parse_message
from gateway.policy.edits import foreign_marks, foreign_results, recorded, rewritten
from gateway.sieve.encoded_words import encode_words
from gateway.sieve.interface import HeaderEdit

MAIL = b"X-A: 1\r\nSubject: Hi\r\nX-A: 2\r\n\tmore\r\nX-A: 3\r\n\r\nbody\r\n"


def edited(*edits: HeaderEdit) -> list[str]:
    content = apply_edits(MAIL, recorded(parse_message(MAIL), edits))
    assert content.endswith(b"\r\n\r\nbody\r\n")
    return [field.value for field in parse_message(content).all("X-A")]


def test_one_field_of_several_is_removed_by_its_place() -> None:
    assert edited(HeaderEdit(name="x-a", value=None, index=2)) == ["1", "3"]


def test_what_is_left_keeps_its_folding() -> None:
    edits = recorded(parse_message(MAIL), [HeaderEdit(name="X-A", value=None, index=1)])
    assert b"X-A: 2\r\n\tmore\r\nX-A: 3\r\n" in apply_edits(MAIL, edits)


def test_removals_count_in_the_message_as_it_was_before_each() -> None:
    first = HeaderEdit(name="X-A", value=None, index=1)
    assert edited(first, first) == ["3"]


def test_an_addition_stands_above_and_with_last_below() -> None:
    above = HeaderEdit(name="X-A", value="0")
    below = HeaderEdit(name="X-A", value="4", last=True)
    assert edited(above, below) == ["0", "1", "2\tmore", "3", "4"]


def test_an_addition_and_a_removal_of_one_name_keep_their_order() -> None:
    added = HeaderEdit(name="X-A", value="0")
    assert edited(added, HeaderEdit(name="X-A", value=None, index=2)) == ["0", "2\tmore", "3"]


def test_a_name_that_loses_its_only_field_is_gone() -> None:
    edits = recorded(parse_message(MAIL), [HeaderEdit(name="subject", value=None, index=1)])
    assert parse_message(apply_edits(MAIL, edits)).first("Subject") is None


@pytest.mark.parametrize("value", ["a\r\nBcc: x@y.example", "a\nb", "a\x00b"])
def test_a_value_never_becomes_another_field(value: str) -> None:
    edits = recorded(parse_message(MAIL), [HeaderEdit(name="X-B", value=value)])
    changed = parse_message(apply_edits(MAIL, edits))
    assert len(changed.fields) == len(parse_message(MAIL).fields) + 1


def test_a_value_that_is_not_ascii_is_encoded() -> None:
    edits = recorded(parse_message(MAIL), [HeaderEdit(name="X-B", value="größer 你好")])
    changed = apply_edits(MAIL, edits)
    assert changed.isascii()
    assert parse_message(changed).text("X-B") == "größer 你好"


@pytest.mark.parametrize(
    "value",
    ["word " * 400, "wört " * 300, "x" * 2000, "a" + " " * 1900 + "b", "x" * 75 + "  \x01"],
)
def test_a_long_value_leaves_in_lines_that_every_server_takes(value: str) -> None:
    """RFC 5322 §2.1.1: at most 998 characters; §3.2.2: none of them blank."""
    edits = recorded(
        parse_message(MAIL), [HeaderEdit(name="X-B", value=encode_words(value, controls=True))]
    )
    changed = apply_edits(MAIL, edits)
    head = changed.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert max(map(len, head)) < 998
    assert all(line.strip() for line in head)
    assert parse_message(changed).text("X-B").split() == value.replace("\x01", "").split()


def test_marks_that_others_wrote_are_removed_and_a_kept_one_is_not() -> None:
    mail = b"X-Gateway-Tags: vip\r\nx-gateway-loop: a\r\nX-GATEWAY-Foo: b\r\nTo: c\r\n\r\n"
    message = parse_message(mail)
    left = parse_message(apply_edits(mail, foreign_marks(message, keep=["X-Gateway-Loop"])))
    assert [field.name for field in left.fields] == ["x-gateway-loop", "To"]


def test_of_authentication_results_only_the_believed_are_left() -> None:
    results = "Authentication-Results: mx.example; dkim=pass"
    forged = "authentication-results: mx.example; spf=pass"
    message = parse_message(f"{forged}\r\nTo: c\r\n{results}\r\n\r\n".encode())
    edits = foreign_results(message, ["mx.example; dkim=pass"])
    left = parse_message(apply_edits(message.content, edits))
    assert [field.value for field in left.fields] == ["mx.example; dkim=pass", "c"]
    assert not foreign_results(left, ["mx.example; dkim=pass"])


def test_ten_thousand_strange_marks_make_few_edits() -> None:
    mail = b"".join(b"X-Gateway-%d: x\r\n" % n for n in range(10_000)) + b"\r\n"
    assert len(foreign_marks(parse_message(mail))) == 50


@given(old=st.binary(), new=st.binary(), around=st.binary())
def test_what_is_rewritten_is_made_of_the_old_by_its_edits(
    old: bytes, new: bytes, around: bytes
) -> None:
    for wanted in (new, around + old + new, old + new, old[: len(old) // 2] + new + old[-3:]):
        assert apply_edits(old, rewritten(old, wanted)) == wanted


def test_what_both_have_in_common_is_not_kept_again() -> None:
    (edit,) = rewritten(b"a" * 9000 + b"old" + b"z" * 9000, b"a" * 9000 + b"new" + b"z" * 9000)
    assert edit.value == "new"


@pytest.mark.parametrize("line_bytes", [50, 100_000])
def test_what_stands_between_two_changes_is_not_kept_again(line_bytes: int) -> None:
    """Of a mail of one line that is repeated as little as of an attachment."""
    random = Random(line_bytes)
    for _ in range(10):
        line = random.randbytes(line_bytes)
        kept = [line * (100_000 // line_bytes) for _ in range(4)]
        gone = [random.randbytes(random.randrange(9000)) for _ in range(4)]
        old = b"".join(one + other for one, other in zip(kept, gone, strict=True))
        edits = rewritten(old, b"new".join(kept))
        assert apply_edits(old, edits) == b"new".join(kept)
        assert sum(len(edit.value or "") for edit in edits) < 100_000


def test_what_we_tell_a_helpdesk_no_stranger_can_tell_it() -> None:
    ours = {value for name, value in vars(route).items() if name.endswith("_FIELD")}
    many = "".join(f"X-Gateway-N{number}: 1\r\n" for number in range(100))
    forged = "".join(f"{name}: forged\r\n" for name in sorted(ours))
    mail = f"{many}{forged}\r\nbody\r\n".encode()
    assert b"forged" not in apply_edits(mail, foreign_marks(parse_message(mail)))
