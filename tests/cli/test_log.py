from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.store import journal, queue
from gateway.store.sqlite import Db
from tests.cli.running import Cli
from tests.store.values import outgoing

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def refuse(db: Db, id_: str) -> None:
    """Write what a try that was put off leaves in the journal."""
    journal.write(
        db,
        id_,
        "delivery.deferred",
        now=NOON,
        recipient="ann@example.org",
        reply="451 4.7.1 greylisted",
        meaning="The server asks us to come back.",
        fix="wait",
        next_attempt_at=NOON,
    )


@pytest.fixture
def message(cli: Cli) -> str:
    id_ = cli.write_store(queue.accept, outgoing(), now=NOON)
    cli.write_store(refuse, id_)
    return id_


def test_a_trace_has_the_shape_others_rely_on(cli: Cli, message: str) -> None:
    trace = cli.json("log", "trace", message)
    assert list(trace) == ["id", "direction", "tenant", "message_id", "events"]
    assert (trace["id"], trace["direction"], trace["tenant"], trace["message_id"]) == (
        message, "out", "acme", "<one@acme.example>",
    )  # fmt: skip
    accepted, deferred = trace["events"]
    assert list(accepted) == ["at", "event", "detail", "meaning", "fix"]
    assert accepted["at"] == "2026-11-24T12:00:00.000Z"
    assert (accepted["event"], accepted["fix"]) == ("message.accepted", None)
    assert "on disk" in accepted["meaning"]
    assert deferred["detail"]["reply"] == "451 4.7.1 greylisted"
    assert deferred["detail"]["next_attempt_at"] == accepted["at"]
    assert (deferred["meaning"], deferred["fix"]) == (
        "The server asks us to come back.", "wait",
    )  # fmt: skip


def test_a_mail_without_a_message_id_has_null_for_it(cli: Cli) -> None:
    id_ = cli.write_store(queue.accept, replace(outgoing(), message_id=""), now=NOON)
    trace, (found,) = cli.json("log", "trace", id_), cli.json("log", "search", "ann@example")
    shown = cli.json("queue", "show", id_)
    assert [one["message_id"] for one in (trace, found, shown)] == [None] * 3
    assert "message_id" not in trace["events"][0]["detail"]


def test_a_person_reads_the_same(cli: Cli, message: str) -> None:
    told = cli.say("log", "trace", "<one@acme.example>")
    assert "2026-11-24 12:00:00Z  delivery.deferred" in told
    assert "  The server asks us to come back." in told
    assert "  fix: wait" in told
    assert f"next: gateway queue show {message}" in told


def test_parts_of_addresses_and_replies_are_found(cli: Cli, message: str) -> None:
    for words in (["ann@exa"], ["asks us to come"], ["support@acme", "451"]):
        assert [one["id"] for one in cli.json("log", "search", *words)] == [message]
    assert cli.json("log", "search", "nobody@example.org") == []
    assert "no message has" in cli.say("log", "search", "nobody@example.org")
    assert "too short" in cli.refused("log", "search", "an")


def test_the_newest_events_are_printed(cli: Cli, message: str) -> None:
    [last] = cli.json("log", "tail", "--lines", "1")
    assert (last["id"], last["event"]) == (message, "delivery.deferred")
    assert len(cli.say("log", "tail").splitlines()) == 2
    assert "no end" in cli.refused("log", "tail", "--follow", "--json")


def test_a_message_that_is_not_there_is_refused(cli: Cli) -> None:
    assert "gateway log search finds one" in cli.refused("log", "trace", "X")


@pytest.mark.parametrize("words", ["log trace", "queue show", "queue hold", "policy explain"])
def test_a_mistyped_id_is_told_with_the_one_that_was_meant(
    cli: Cli, message: str, words: str
) -> None:
    mistyped = message[:-1].lower() + ("1" if message.endswith("0") else "0")
    assert f"did you mean {message}?" in cli.refused(*words.split(), mistyped)
