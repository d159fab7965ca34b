"""The automatic answer (RFC 5230), with its period in seconds (RFC 6131)."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from gateway.sieve.addresses import parse_single
from gateway.sieve.checker import Builder
from gateway.sieve.runtime import Command, Run, RunError
from gateway.sieve.signature import Given, Kind, Positional, Tagged, command
from gateway.sieve.strings import Expression

DAY = 86400  # seconds
DEFAULT_SECONDS = 7 * DAY


def period(given: Given, builder: Builder) -> int | None:
    """Return the seconds of `:days` or `:seconds`, or None without them."""
    days, seconds = builder.number(given, "days"), builder.number(given, "seconds")
    if days is not None:
        return max(1, days) * DAY  # RFC 5230 §4.1: zero is one day, unless configured
    return seconds


def clamped(seconds: int, run: Run) -> int:
    """Return the period within the limits."""
    least, most = run.limits.vacation_min_seconds, run.limits.vacation_max_seconds
    return min(max(seconds, least), most)


def check_address(
    expression: Expression | None, tag: str, given: Given, builder: Builder
) -> None:
    """Report a constant string that is not one mail address."""
    value = expression.constant if expression else None
    if value is not None and parse_single(value) is None:
        builder.error(given.tags[tag], f"'{value}' is not one mail address")


def _build_vacation(given: Given, builder: Builder) -> Command:
    reason = builder.template(given.positionals[0])
    subject = builder.optional_text(given, "subject")
    sender = builder.optional_text(given, "from")
    addresses = builder.optional_texts(given, "addresses")
    handle = builder.optional_text(given, "handle")
    seconds, mime = period(given, builder), given.has("mime")
    check_address(sender, "from", given, builder)

    parts = [text for text in (reason, subject, sender, *addresses.items) if text]

    def vacation(run: Run) -> None:
        arguments = {
            "reason": reason.expand(run),
            "subject": _expanded(subject, run),
            "from": _expanded(sender, run),
            "addresses": addresses.expand(run),
            "mime": mime,
            "seconds": clamped(DEFAULT_SECONDS if seconds is None else seconds, run),
            "handle": handle.expand(run) if handle else _hash(parts, run, mime=mime),
        }
        _check_sender(arguments["from"])
        run.act("vacation", arguments=arguments, keeps=True)

    return vacation


def _expanded(expression: Expression | None, run: Run) -> str | None:
    return None if expression is None else expression.expand(run)


def _check_sender(value: object) -> None:
    if isinstance(value, str) and parse_single(value) is None:
        raise RunError(f"vacation: '{value[:100]}' in :from is not one mail address")


def _hash(parts: Sequence[Expression], run: Run, *, mime: bool) -> str:
    """Return a handle for a vacation without one (RFC 5230 §4.2).

    Text that came from the message does not count: a stranger who changes it would get
    one answer after the other.
    """
    words = [str(mime), *(part.expand_own(run) for part in parts)]
    return sha256("\0".join(words).encode("utf-8", "surrogateescape")).hexdigest()[:32]


SIGNATURES = (
    command(
        "vacation",
        _build_vacation,
        help="Answer automatically, each sender once in a while.",
        capability="vacation",
        tags=(
            Tagged("days", Kind.NUMBER, group="period", help="Once in so many days."),
            Tagged(
                "seconds",
                Kind.NUMBER,
                group="period",
                capability="vacation-seconds",
                help="Once in so many seconds.",
            ),
            Tagged("subject", Kind.TEXT, help="The subject."),
            Tagged("from", Kind.TEXT, help="The author shown."),
            Tagged("addresses", Kind.TEXTS, help="Further addresses of ours."),
            Tagged("mime", help="The text is a whole MIME part."),
            Tagged("handle", Kind.TEXT, help="The name under which repetitions are counted."),
        ),
        positionals=(Positional("reason", Kind.TEXT),),
    ),
)
