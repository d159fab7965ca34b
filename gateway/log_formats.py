"""The log: events as lines of text for people, of JSON, or as Postfix has them."""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from datetime import UTC, datetime
from functools import partial
from typing import Any, TextIO

from gateway.mail.charset import without_controls
from gateway.postfix_log import PostfixFormatter

LOGGER = logging.getLogger("gateway")
LOGGER.addHandler(logging.NullHandler())  # a verb without a log tells its end by itself
BLANK = re.compile(r"[\t\r\n]")
LIBRARIES = (
    "mail.log", "imapclient", "httpx", "httpcore", "asyncio", "uvicorn", "uvicorn.error",
    "uvicorn.access", "twisted", "dkimpy",
)  # fmt: skip


def set_up(
    *, log_format: str, hostname: str = "localhost", stream: TextIO = sys.stderr
) -> None:
    """Send events to `stream` as `text`, `json` or `postfix`; libraries speak up to warn.

    `hostname` stands in each line of `postfix`, which also has a line for each session.
    """
    lines = logging.StreamHandler(stream)
    lines.setFormatter(_formatter_of(log_format, hostname))
    root = logging.getLogger()
    root.handlers[:] = [lines]
    root.setLevel(logging.WARNING)
    level = logging.DEBUG if log_format == "postfix" else logging.INFO
    LOGGER.setLevel(level)
    for name in LIBRARIES:  # below a warning they print passwords and bodies
        logging.getLogger(name).setLevel(logging.WARNING)


def say(level: int, name: str, /, **details: Any) -> None:
    """Log an event; where in the code it was is not asked for, which costs more than all."""
    if LOGGER.isEnabledFor(level):
        record = logging.LogRecord(LOGGER.name, level, "", 0, name, None, None)
        record.event, record.details = name, details
        LOGGER.handle(record)


say_debug = partial(say, logging.DEBUG)
say_info = partial(say, logging.INFO)
say_warn = partial(say, logging.WARNING)
say_error = partial(say, logging.ERROR)


def name_fault(error: BaseException) -> str:
    """Name the fault, in its own words, and where it happened; no value beside them."""
    frames = traceback.extract_tb(error.__traceback__)
    where = (
        f" at {frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}" if frames else ""
    )
    return f"{type(error).__name__}: {error}{where}"


class TextFormatter(logging.Formatter):
    """`2026-11-24T10:00:00.000Z info submission.accepted id=... tenant=...`"""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        details = getattr(record, "details", {})
        words = [f"{key}={_word(value)}" for key, value in details.items() if value is not None]
        name = getattr(record, "event", record.name)
        text = _on_one_line(record.getMessage()) if name == record.name else ""
        return " ".join(
            filter(None, [_stamp(record), record.levelname.lower(), name, text, *words])
        )


class JsonFormatter(logging.Formatter):
    """One JSON object a line: at, level, event, and the event's own keys."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        event = getattr(record, "event", record.name)
        head = {"at": _stamp(record), "level": record.levelname.lower(), "event": event}
        details = getattr(record, "details", {"text": record.getMessage()})
        return json.dumps(head | details, default=str, ensure_ascii=False)


def _formatter_of(log_format: str, hostname: str) -> logging.Formatter:
    if log_format == "postfix":
        return PostfixFormatter(hostname)
    return JsonFormatter() if log_format == "json" else TextFormatter()


def _stamp(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _word(value: Any) -> str:
    """Return a value as one word, in quotes where it must be; a client may have said it."""
    text = _on_one_line(str(value))
    is_bare = text and " " not in text and '"' not in text
    return text if is_bare else json.dumps(text, ensure_ascii=False)


def _on_one_line(text: str) -> str:
    return without_controls(BLANK.sub(" ", text))
