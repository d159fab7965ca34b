"""Events as lines: text for people, or one JSON object each."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any


class TextFormatter(logging.Formatter):
    """`2026-11-24T10:00:00.000Z info submission.accepted id=... tenant=...`"""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        details = getattr(record, "details", {})
        words = [f"{key}={_word(value)}" for key, value in details.items() if value is not None]
        name = getattr(record, "event", record.name)
        text = record.getMessage() if name == record.name else ""
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


def _stamp(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _word(value: Any) -> str:
    text = str(value).replace("\r", " ").replace("\n", " ")
    return json.dumps(text, ensure_ascii=False) if " " in text or not text else text
