"""How two strings are the same, and which comes first."""

from __future__ import annotations

import pytest

from gateway.sieve.comparators import ascii_upper, numeric_order, unicode_fold


def test_ascii_casemap_leaves_other_letters_alone() -> None:
    assert ascii_upper("aÄä") == "AÄä"


def test_unicode_casemap_folds_other_letters() -> None:
    assert unicode_fold("STRASSE ÄÉ") == unicode_fold("strasse äé")


@pytest.mark.parametrize(
    ("less", "more"), [("9", "10"), ("10", "x"), ("7 dwarfs", "8"), ("5", "")]
)
def test_a_number_is_compared_as_one_and_no_number_is_above_all(less: str, more: str) -> None:
    assert numeric_order(less) < numeric_order(more)


def test_a_number_of_a_million_digits_is_compared() -> None:
    assert numeric_order("9" * 1_000_000) > numeric_order("1")
