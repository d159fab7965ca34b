from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.config import FilterSettings
from gateway.policy.chain import run_chain
from gateway.policy.scanning import limits_with
from tests.policy.test_chain import CONTEXT, MAIL, chain_of

SPAM = FilterSettings(header="X-Spam-Status: score=([0-9.-]+)", maximum=15.0)
VIRUS = FilterSettings(header="X-Virus", kind="text", texts=("1=clean", "5=infected"))
SAID = (("x-spam-status", "Yes, score=15.2 required=5"), ("x-virus", "infected"))


@pytest.mark.parametrize(
    ("test", "said", "is_true"),
    [
        ('spamtest :value "ge" :comparator "i;ascii-numeric" "8"', SAID, True),
        ('spamtest "0"', (), True),
        ('virustest "5"', SAID, True),
        ('virustest "0"', (("x-spam-status", "No, score=1"),), True),
        ('spamtest "0"', SAID, False),
    ],
)
def test_the_tests_read_what_the_configuration_names(
    test: str, said: tuple[tuple[str, str], ...], *, is_true: bool
) -> None:
    proven = replace(CONTEXT.authenticity, scanned=said)
    judged = run_chain(
        chain_of(f"if {test} {{ discard; }}"), MAIL, replace(CONTEXT, authenticity=proven),
        limits=limits_with(SPAM, VIRUS),
    )  # fmt: skip
    assert (judged.plan.effects[0].kind.value == "discard") is is_true


def test_without_a_header_nothing_was_tested() -> None:
    assert limits_with(FilterSettings(), VIRUS).spam is None
