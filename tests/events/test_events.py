from __future__ import annotations

import io
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


def test_a_fault_is_named_with_its_place(log: io.StringIO) -> None:
    log_formats.set_up(log_format="text", stream=log)
    try:
        raise KeyError("gone")
    except KeyError as error:
        events.task_failed(task="look", error=error)
    assert "KeyError: 'gone' at test_events.py:" in log.getvalue()
