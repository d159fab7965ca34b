"""A minute of hostile scripts and letters: half by seeds that stay, half by new ones."""

from __future__ import annotations

from pathlib import Path
from random import SystemRandom

import pytest

from gateway.sieve.script import compile_script
from tests.sieve.fuzzing import FOUND, READER, check, one_round
from tests.sieve.outside import LETTER, World, run

ROUNDS = 200
BATCHES = 8
KEPT = sorted(FOUND.glob("*.sieve"))


@pytest.mark.parametrize("batch", range(BATCHES))
def test_nothing_hostile_gets_past_a_value_by_the_same_seeds(batch: int) -> None:
    for seed in range(batch * ROUNDS, (batch + 1) * ROUNDS):
        one_round(seed)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_nothing_hostile_gets_past_a_value_by_new_seeds(batch: int) -> None:
    del batch
    for _ in range(ROUNDS):
        one_round(SystemRandom().getrandbits(48))


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_what_was_found_once_is_a_value_for_good(path: Path) -> None:
    check(path.read_text("utf-8"), path.with_suffix(".eml").read_bytes())


def test_the_reader_reads_a_plain_letter() -> None:
    assert compile_script(READER, name="x", loader=World()).warnings is not None
    assert run(READER, letter=LETTER).error is None
