"""Drafts that became RFC 5232, 5435 and 7352, for scripts that come from another server.

`imapflags` (draft-melnikov-sieve-imapflags), `notify` (draft-martin-sieve-notify) and
`vnd.dovecot.duplicate`. Only a script that requires them has them: its `setflag`, `notify`
or `duplicate` then is the older one. Beside them `debug_log` of `vnd.dovecot.debug`, whose
lines stand in the trace.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from gateway.sieve.addresses import Mailbox, parse_single
from gateway.sieve.checker import Builder
from gateway.sieve.extensions.body import take_text
from gateway.sieve.extensions.imap4flags import changing, split_flags
from gateway.sieve.extensions.surroundings import duplicate_test
from gateway.sieve.matching import compile_match
from gateway.sieve.runtime import Command, Run, RunError
from gateway.sieve.signature import Given, Kind, Positional, Tagged, command
from gateway.sieve.strings import Expressions

FLAGS, NOTIFY, DUPLICATE = "imapflags", "notify", "vnd.dovecot.duplicate"
DEBUG = "vnd.dovecot.debug"
RIVALS = {FLAGS: "imap4flags", NOTIFY: "enotify", DUPLICATE: "duplicate"}
MAX_TEXT = 2000  # characters of the message in a notification
_FLAGGED = "\\Flagged"
_MESSAGE = "$from$: $subject$"
_IMPORTANCE = {"high": "1", "normal": "2", "low": "3"}


def _build_mark(given: Given, builder: Builder) -> Command:
    adds = given.call.name == "mark"

    def mark(run: Run) -> None:
        others = [flag for flag in run.flags if flag != _FLAGGED]
        run.flags = split_flags([*others, _FLAGGED]) if adds else others

    return mark


def _build_notify(given: Given, builder: Builder) -> Command:
    method, ident = builder.optional_text(given, "method"), builder.optional_text(given, "id")
    message = builder.optional_text(given, "message")
    options = builder.optional_texts(given, "options")
    importance = _IMPORTANCE[given.chosen("importance") or "normal"]
    for option in options.constants or ():
        if parse_single(option) is None:
            builder.error(given.tags["options"], f"'{option}' is not one mail address")

    def notify(run: Run) -> None:
        if method is not None and method.expand(run).lower() != "mailto":
            raise RunError(f"notify: the method '{method.expand(run)[:30]}' is not known")
        arguments = {
            "from": None,
            "importance": importance,
            "message": _filled(message.expand(run) if message else _MESSAGE, run),
            "options": (),
            "id": ident.expand(run) if ident else "",
            "automatic": "auto-generated",
        }
        run.act("notify", _uri(options.expand(run)), arguments=arguments, keeps=True)

    return notify


def _uri(options: Sequence[str]) -> str:
    found = [parse_single(option) for option in options]
    if not found or None in found:
        raise RunError("notify: ':options' takes mail addresses")
    to = ",".join(quote(one.address, safe="@+") for one in found if one)
    return f"mailto:{to}?subject=New%20mail%20notification"


def _filled(message: str, run: Run) -> str:
    """Return the text with what the draft's §3.4 names put in, and of that no more."""
    pieces = message.split("$")
    found = [pieces[0]]
    at = 1
    while at < len(pieces):
        value = _value(pieces[at], run) if at + 1 < len(pieces) else None
        if value is None:
            found.append("$" + pieces[at])
            at += 1
        else:
            found.append(value + pieces[at + 1])
            at += 2
    return "".join(found)


def _value(name: str, run: Run) -> str | None:
    if name in ("from", "env-from"):
        sender = next(iter(run.outside.envelope("from")), "") if name == "env-from" else ""
        return sender or _first_author(run)
    if name == "subject":
        return next((field.value for field in run.message.named(["subject"])), "")
    if name == "text" or (name.startswith("text[") and name.endswith("]")):
        limit = name[5:-1] if name != "text" else str(MAX_TEXT)
        return _text(run)[: int(limit[:9])] if limit.isdecimal() else None
    return None


def _first_author(run: Run) -> str:
    found: list[Mailbox] = [m for f in run.message.named(["from"]) for m in f.mailboxes]
    return found[0].address if found else ""


def _text(run: Run) -> str:
    texts = (one for one in run.root.walk() if one.is_text)
    first = next(texts, None)
    return take_text(run, first, readable=True)[:MAX_TEXT] if first else ""


def _build_denotify(given: Given, builder: Builder) -> Command:
    chosen = given.chosen("match type")
    keys = builder.texts(given.tags[chosen]) if chosen else Expressions([])
    match = compile_match(given, builder, keys=keys, sets_matches=False) if chosen else None
    word = given.chosen("importance")

    def denotify(run: Run) -> None:
        run.actions = [
            one
            for one in run.actions
            if one.kind != "notify"
            or (match is not None and not match(run, [str(one.arguments.get("id", ""))]))
            or (word is not None and one.arguments["importance"] != _IMPORTANCE[word])
        ]

    return denotify


def _build_debug_log(given: Given, builder: Builder) -> Command:
    text = builder.text(given.positionals[0])
    return lambda run: run.note(run.line, text.expand(run)[:MAX_TEXT])


_HOW_IMPORTANT = tuple(
    Tagged(word, group="importance", help=f"Its importance is {word}.") for word in _IMPORTANCE
)
SIGNATURES = (
    command(
        "debug_log",
        _build_debug_log,
        help="Write a line into the trace.",
        capability=DEBUG,
        positionals=(Positional("text", Kind.TEXT),),
    ),
    command("mark", _build_mark, help="Set the flag \\Flagged.", capability=FLAGS),
    command("unmark", _build_mark, help="Remove the flag \\Flagged.", capability=FLAGS),
    command(
        "denotify",
        _build_denotify,
        help="Take notifications of this file back.",
        capability=NOTIFY,
        tags=(
            *(
                Tagged(name, Kind.TEXT, group="match type", help="Those with such an :id.")
                for name in ("is", "contains", "matches")
            ),
            *_HOW_IMPORTANT,
        ),
    ),
)
OLDER = (
    duplicate_test(DUPLICATE, own_key="value"),
    *(changing(name, capability=FLAGS) for name in ("setflag", "addflag", "removeflag")),
    command(
        "notify",
        _build_notify,
        help="Tell somebody of the message by a mail.",
        capability=NOTIFY,
        tags=(
            Tagged("method", Kind.TEXT, help="The way: mailto."),
            Tagged("id", Kind.TEXT, help="The name by which denotify finds it."),
            Tagged("options", Kind.TEXTS, help="Addresses to tell."),
            Tagged("message", Kind.TEXT, help="What the notification says."),
            *_HOW_IMPORTANT,
        ),
    ),
)
