from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import gateway
from gateway.cli.meanings import MEANINGS, fix_of, meaning_of
from gateway.mail.delivery import Kind, State
from gateway.store.books import OUTCOMES

EVENT = re.compile(r"(message|delivery|effect|answer|queue|complaint)\.[a-z_]+")
ROOT = Path(gateway.__file__).parent


def written() -> Iterator[str]:
    """Every event that the store or a carried effect writes into the journal."""
    yield from (f"message.{outcome}" for outcome in OUTCOMES)
    yield from (
        f"delivery.{state}" for state in (State.DELIVERED, State.DEFERRED, State.FAILED)
    )
    rooms = ("store", "actions", "mailbox", "conversation", "app")
    for path in [one for room in rooms for one in (ROOT / room).glob("*.py")]:
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(call, ast.Call):
                yield from _events_of(call, store=path.parent.name == "store")


def _events_of(call: ast.Call, *, store: bool) -> Iterator[str]:
    keywords = [one.value for one in call.keywords if one.arg == "event"]
    writes = store or ast.unparse(call.func) == "journal.write"
    for value in [*keywords, *(call.args if writes else [])]:
        if isinstance(value, ast.Constant) and EVENT.fullmatch(str(value.value)):
            yield str(value.value)


@pytest.mark.parametrize("event", sorted(set(written())))
def test_every_event_of_the_journal_has_a_meaning(event: str) -> None:
    never = (Kind.FETCHED, Kind.REFUSED)
    kinds = [{"kind": kind.value} for kind in Kind if kind not in never]
    for detail in kinds if event == "message.accepted" else [{}]:
        assert not meaning_of(event, detail).startswith("The gateway recorded")


def test_what_an_event_says_itself_comes_first() -> None:
    assert meaning_of("delivery.failed", {"meaning": "The mailbox is full."}) == (
        "The mailbox is full."
    )
    assert meaning_of("delivery.failed", {}) == MEANINGS["delivery.failed"]
    assert meaning_of("news.made", {}) == "The gateway recorded news.made."
    assert fix_of({}) is None
