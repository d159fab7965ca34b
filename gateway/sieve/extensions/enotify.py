"""Notifications (RFC 5435): notify and its tests; by `mailto:` alone (RFC 5436)."""

from __future__ import annotations

from gateway.sieve.addresses import parse_single
from gateway.sieve.checker import Builder
from gateway.sieve.mailto import BadAddress, parse_mailto
from gateway.sieve.matching import COMPARISON, compile_match
from gateway.sieve.runtime import Command, Run, RunError, Test
from gateway.sieve.signature import Given, Kind, Positional, Tagged, command, test
from gateway.sieve.strings import Expression

_IMPORTANCE = ("1", "2", "3")


def _build_notify(given: Given, builder: Builder) -> Command:
    method = builder.text(given.positionals[0])
    texts = {
        tag: builder.optional_text(given, tag) for tag in ("from", "importance", "message")
    }
    options = builder.optional_texts(given, "options")
    _check(given, builder, method, texts)
    for option in options.constants or ():
        if not _is_option(option):
            builder.error(given.tags["options"], f"'{option}' has not the form name=value")

    def notify(run: Run) -> None:
        uri = method.expand(run)
        try:
            parse_mailto(uri)
        except BadAddress as error:
            raise RunError(f"notify: {error}") from error
        arguments = {tag: text.expand(run) if text else None for tag, text in texts.items()}
        if arguments["importance"] not in (None, *_IMPORTANCE):
            raise RunError("notify: the importance is 1, 2 or 3")
        run.act(
            "notify", uri, arguments={**arguments, "options": options.expand(run)}, keeps=True
        )

    return notify


def _check(
    given: Given, builder: Builder, method: Expression, texts: dict[str, Expression | None]
) -> None:
    if method.constant is not None:
        try:
            found = parse_mailto(method.constant)
        except BadAddress as error:
            builder.error(given.positionals[0], str(error))
        else:
            for one in (*found.to, *found.cc):
                builder.check_name("notify", one.address, given.positionals[0])
    importance, sender = texts["importance"], texts["from"]
    if importance and importance.constant not in (None, *_IMPORTANCE):
        builder.error(given.tags["importance"], 'the importance is "1", "2" or "3"')
    if sender and sender.constant is not None and parse_single(sender.constant) is None:
        builder.error(given.tags["from"], f"'{sender.constant}' is not one mail address")


def _is_option(option: str) -> bool:
    """Whether it is `name=value` (RFC 5435 §3.6)."""
    name, equals, value = option.partition("=")
    letters = name.replace("-", "").replace("_", "").replace(".", "")
    valid = bool(name) and name[0].isalnum() and letters.isalnum() and name.isascii()
    return bool(equals) and valid and "\r" not in value and "\n" not in value


def _build_valid_method(given: Given, builder: Builder) -> Test:
    methods = builder.texts(given.positionals[0])
    return lambda run: all(map(_is_valid, methods.expand(run)))


def _is_valid(uri: str) -> bool:
    try:
        parse_mailto(uri)
    except BadAddress:
        return False
    return True


def _build_capability(given: Given, builder: Builder) -> Test:
    method, name = builder.text(given.positionals[0]), builder.text(given.positionals[1])
    match = compile_match(given, builder, keys=builder.texts(given.positionals[2]))

    def test_capability(run: Run) -> bool:
        known = _is_valid(method.expand(run)) and name.expand(run).lower() == "online"
        return known and match(run, ["maybe"])  # RFC 5436 §2.9

    return test_capability


SIGNATURES = (
    command(
        "notify",
        _build_notify,
        help="Tell somebody of the message by a mail.",
        capability="enotify",
        tags=(
            Tagged("from", Kind.TEXT, help="The author shown."),
            Tagged("importance", Kind.TEXT, help="1 is high, 2 normal, 3 low."),
            Tagged("options", Kind.TEXTS, help="Options of the way, as name=value."),
            Tagged("message", Kind.TEXT, help="What the notification says."),
        ),
        positionals=(Positional("method", Kind.TEXT),),
    ),
    test(
        "valid_notify_method",
        _build_valid_method,
        help="True when notifications can go that way.",
        capability="enotify",
        positionals=(Positional("methods", Kind.TEXTS),),
    ),
    test(
        "notify_method_capability",
        _build_capability,
        help="Compare what a way of notification can do with keys.",
        capability="enotify",
        tags=COMPARISON,
        positionals=(
            Positional("method", Kind.TEXT),
            Positional("capability", Kind.TEXT),
            Positional("key list", Kind.TEXTS),
        ),
    ),
)
