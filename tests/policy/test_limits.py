from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.config import FilterSettings, LimitSettings
from gateway.policy.chain import run_chain
from gateway.policy.limits import limits_of
from gateway.sieve.interface import Limits
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
        limits=limits_of(LimitSettings(), spam=SPAM, virus=VIRUS),
    )  # fmt: skip
    assert (judged.plan.effects[0].kind.value == "discard") is is_true


def test_without_a_header_nothing_was_tested() -> None:
    assert limits_of(LimitSettings(), spam=FilterSettings(), virus=VIRUS).spam is None


def test_each_bound_of_the_configuration_is_one_of_a_chain() -> None:
    by_default = limits_of(LimitSettings(), spam=FilterSettings(), virus=FilterSettings())
    assert by_default == Limits()
    settings = LimitSettings(redirects=1, chain_time=timedelta(seconds=1))
    bound = limits_of(settings, spam=FilterSettings(), virus=FilterSettings())
    assert (bound.redirects, bound.chain_seconds) == (1, 1.0)
    plan = run_chain(
        chain_of('redirect "a@x.example"; redirect "b@x.example";'), MAIL, CONTEXT, limits=bound
    ).plan
    assert "redirect actions exceeds policy limit (1 a message)" in plan.errors[0]
