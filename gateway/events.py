"""What the gateway says of itself: one function per event.

Operators build on the names, so a name is kept. info: the journey; warn: someone should
look; error: we broke a promise. Never logged: bodies, subjects, passwords, tokens.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

LOGGER = logging.getLogger("gateway")
LIBRARIES = (
    "mail.log", "imapclient", "httpx", "httpcore", "asyncio", "uvicorn", "uvicorn.error",
    "uvicorn.access", "twisted", "dkimpy",
)  # fmt: skip


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


def set_up(*, log_format: str) -> None:
    """Send events to standard error as `text` or `json`; libraries speak up only to warn."""
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [stream]
    root.setLevel(logging.WARNING)
    LOGGER.setLevel(logging.INFO)
    for name in LIBRARIES:  # below a warning they print passwords and bodies
        logging.getLogger(name).setLevel(logging.WARNING)


def task_failed(*, task: str, error: BaseException) -> None:
    """Record that a background task ended by a fault of ours."""
    _error("task.failed", task=task, error=_fault(error))


def _info(name: str, **details: Any) -> None:
    if LOGGER.isEnabledFor(logging.INFO):
        LOGGER.info(name, extra={"event": name, "details": details})


def _warn(name: str, **details: Any) -> None:
    LOGGER.warning(name, extra={"event": name, "details": details})


def _error(name: str, **details: Any) -> None:
    LOGGER.error(name, extra={"event": name, "details": details})


def _fault(error: BaseException) -> str:
    """Name the fault and where it happened, without values that may hold a secret."""
    frames = traceback.extract_tb(error.__traceback__)
    where = (
        f" at {frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}" if frames else ""
    )
    return f"{type(error).__name__}: {error}{where}"


def _stamp(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _word(value: Any) -> str:
    text = str(value).replace("\r", " ").replace("\n", " ")
    return json.dumps(text, ensure_ascii=False) if " " in text or not text else text
