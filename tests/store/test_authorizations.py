from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.store import authorizations
from gateway.store.authorizations import LIFE, Pending
from gateway.store.sealing import Seal
from gateway.store.sqlite import Db, Store
from tests.store.values import NOON

PENDING = Pending(
    tenant="acme", mailbox="a@acme.example", verifier="v" * 43, redirect_uri="https://g/cb"
)


@pytest.fixture
def seal(store: Store, tmp_path: Path) -> Seal:
    """The seal of a store in which the state `one` waits."""
    seal = Seal.load(tmp_path / "secret.key")
    store.write_now(authorizations.begin, seal, PENDING, state="one", now=NOON)
    return seal


def test_a_state_is_good_once(store: Store, seal: Seal) -> None:
    assert store.write_now(authorizations.take, seal, state="two", now=NOON) is None
    assert store.write_now(authorizations.take, seal, state="one", now=NOON) == PENDING
    assert store.write_now(authorizations.take, seal, state="one", now=NOON) is None


def test_a_state_runs_out(store: Store, seal: Seal) -> None:
    late = NOON + LIFE
    assert store.write_now(authorizations.take, seal, state="one", now=late) is None


def test_what_a_command_awaits_is_left_for_it_once_and_nobody_else_takes_it(
    store: Store, seal: Seal
) -> None:
    awaited = replace(PENDING, awaited=True)
    store.write_now(authorizations.begin, seal, awaited, state="two", now=NOON)
    assert store.write_now(authorizations.take, seal, state="two", now=NOON) is None
    assert store.read_now(authorizations.find_answer, seal, state="two") is None
    for code in ("first", "second"):
        left = store.write_now(
            authorizations.leave, seal, {"code": code}, state="two", now=NOON
        )
        assert left == (PENDING.mailbox if code == "first" else None)
    assert store.read_now(authorizations.find_answer, seal, state="two") == {"code": "first"}
    assert "first" not in store.read_now(
        lambda db: str(db.execute("SELECT * FROM authorizations").fetchall())
    )
    taken = store.write_now(authorizations.take, seal, state="two", awaited=True, now=NOON)
    assert taken == awaited
    assert store.read_now(authorizations.find_answer, seal, state="two") is None


def test_an_answer_that_no_command_awaits_is_left_for_none(store: Store, seal: Seal) -> None:
    leave = authorizations.leave
    assert store.write_now(leave, seal, {"code": "c"}, state="one", now=NOON) is None
    assert store.write_now(leave, seal, {"code": "c"}, state="two", now=NOON) is None


def test_what_ran_out_is_forgotten_and_nothing_is_kept_in_the_clear(
    store: Store, seal: Seal
) -> None:
    def rows(db: Db) -> str:
        return str(db.execute("SELECT * FROM authorizations").fetchall())

    assert "'one'" not in store.read_now(rows)
    assert "vvv" not in store.read_now(rows)
    late = NOON + LIFE + timedelta(seconds=1)
    store.write_now(authorizations.begin, seal, PENDING, state="two", now=late)
    assert store.read_now(rows).count("a@acme.example") == 1
