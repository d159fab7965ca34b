from __future__ import annotations

import hashlib
import time
from typing import Any

import dkim
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.authenticity.body import PIECE_BYTES, canonical_body, hash_body

STOCK: Any = dkim  # it has no types
HEADER = b"From: ann@acme.example\r\n\r\n"
BODIES = st.lists(
    st.sampled_from([b"a", b" ", b"\t", b"\r\n", b"\n", b"\r", b"word ", b"\r\n\r\n"]),
    max_size=30,
).map(b"".join)


def canonical_by_dkimpy(text: bytes, *, relaxed: bool) -> bytes:
    policy = STOCK.CanonicalizationPolicy.from_c_value(
        b"relaxed/relaxed" if relaxed else b"simple/simple"
    )
    _, parsed = STOCK.rfc822_parse(HEADER + text)
    canonical: bytes = policy.canonicalize_body(parsed)
    return canonical


def canonical(text: bytes, *, relaxed: bool) -> bytes:
    return b"".join(canonical_body(HEADER + text, len(HEADER), relaxed=relaxed))


@given(BODIES, st.booleans())
def test_a_body_is_canonicalised_as_dkimpy_does(text: bytes, relaxed: bool) -> None:
    assert canonical(text, relaxed=relaxed) == canonical_by_dkimpy(text, relaxed=relaxed)


@pytest.mark.parametrize("relaxed", [False, True])
@pytest.mark.parametrize("shift", range(-3, 4))
def test_the_border_of_two_pieces_leaves_no_trace(shift: int, relaxed: bool) -> None:
    text = (
        b"x" * (PIECE_BYTES + shift) + b" \t\r\n  y \r\n\r\n" + b"z" * PIECE_BYTES + b"\r\n\r\n"
    )
    assert canonical(text, relaxed=relaxed) == canonical_by_dkimpy(text, relaxed=relaxed)


@pytest.mark.parametrize(
    ("relaxed", "expected"),
    [(False, b"\r\n"), (True, b"")],
)
def test_an_empty_body_is_a_line_end_or_nothing(relaxed: bool, expected: bytes) -> None:
    """RFC 6376 §3.4.3 and §3.4.4."""
    assert canonical(b"", relaxed=relaxed) == expected
    assert hash_body(HEADER, len(HEADER), relaxed=relaxed) == hashlib.sha256(expected).digest()


@pytest.mark.parametrize(
    "text", [b" " * 2_000_000 + b"x", b"\r\n" * 1_000_000, b" \r\n" * 500_000]
)
def test_endless_white_space_takes_no_endless_time(text: bytes) -> None:
    """A pattern that tries every blank as a start needs minutes here."""
    began = time.process_time()
    hash_body(HEADER + text, len(HEADER), relaxed=True)
    assert time.process_time() - began < 5
