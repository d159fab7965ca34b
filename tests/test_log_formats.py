from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from gateway import events, log_formats


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    root, before = logging.getLogger(), logging.getLogger().handlers[:]
    level = root.level
    yield io.StringIO()
    root.handlers[:] = before
    root.setLevel(level)


def test_a_line_has_time_level_name_and_its_own_words(log: io.StringIO) -> None:
    log_formats.set_up(log_format="text", stream=log)
    events.sign_in_refused(client="192.0.2.1", username="acme nobody", reason="wrong password")
    at, level, name, *words = log.getvalue().split(" ", 3)
    assert at.endswith("Z")
    assert (level, name) == ("warning", "submission.sign_in_refused")
    assert words == [
        'client=192.0.2.1 username="acme nobody" reason="wrong password" mechanism=PLAIN\n'
    ]


def test_json_is_one_object_a_line(log: io.StringIO) -> None:
    log_formats.set_up(log_format="json", stream=log)
    events.server_stopping()
    found = json.loads(log.getvalue())
    assert (found["level"], found["event"]) == ("info", "server.stopping")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("a\r\n2026 error", '"a  2026 error"'),
        ("a\treason=none", '"a reason=none"'),
        ("a\x1b[2J\x9b2J", "a?[2J?2J"),
        ('"a', r'"\"a"'),
    ],
)
def test_what_a_client_says_is_one_word_and_no_more(
    log: io.StringIO, said: str, shown: str
) -> None:
    log_formats.set_up(log_format="text", stream=log)
    events.sign_in_refused(client="192.0.2.1", username=said, reason="x")
    assert log.getvalue().endswith(f" username={shown} reason=x mechanism=PLAIN\n")


def test_what_a_library_says_is_one_line(log: io.StringIO) -> None:
    log_formats.set_up(log_format="text", stream=log)
    logging.getLogger("asyncio").error("a task failed\n2026 error")
    assert log.getvalue().endswith(" error asyncio a task failed 2026 error\n")
