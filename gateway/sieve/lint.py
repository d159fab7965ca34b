"""Warnings about scripts that compile and may not do what was meant (policy-language §7)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

from gateway.sieve.comparators import ascii_upper
from gateway.sieve.diagnostics import Source
from gateway.sieve.syntax import Argument, Call, Number, Tag, Text, Texts

_ENDINGS = frozenset({"stop", "discard", "accept", "hold"})
_HEADER_TESTS = frozenset({"header", "address", "exists", "date"})
_COMPARING = frozenset(
    {
        "header", "address", "envelope", "string", "body", "date", "currentdate", "hasflag",
        "environment", "auth",
    }
)  # fmt: skip
_NO_IS = frozenset({"matches", "regex", "contains", "count", "value", "list"})
_TAKING = frozenset({"discard", "reject", "ereject", "fileinto", "route", "redirect", "agent"})
_KEEPING = frozenset({"keep", "include", "fileinto"})
_LEAVING = frozenset({"stop", "return", "accept", "hold", "discard", "include"})


def lint(source: Source, calls: Sequence[Call]) -> None:
    """Record the warnings in `source` and where it surely ends a chain."""
    end = find_end(calls)
    source.end_line = source.line_at(end.at) if end else None
    _check_block(source, calls)
    for call in _everywhere(calls):
        _check_keys(source, call)
        _check_names(source, call)
        _check_constant(source, call)


def lint_answers(source: Source, calls: Sequence[Call]) -> None:
    """Warn of answers to every message of a conversation, before what is included is read."""
    _check_answers(source, calls, guarded=source.is_guarded)


def find_end(calls: Sequence[Call]) -> Call | None:
    """Return the command that ends the chain for every message, None when none surely does."""
    for number, call in enumerate(calls):
        if call.name in ("accept", "hold"):
            return call
        if call.name in _TAKING and not {"copy"} & _tags(call) and not _may_keep(call):
            kept = any(one.name in _KEEPING for one in _everywhere(calls[number + 1 :]))
            return None if kept else call
        inside = {one.name for one in _everywhere([call])}
        if inside & (_KEEPING | _LEAVING):
            return None
    return None


def warn_unset(source: Source, used: dict[str, Argument], known: set[str]) -> None:
    """Warn of each variable that is used at a place and set nowhere."""
    for name, place in used.items():
        if name not in known:
            hint = source.suggest(name, known)
            sentence = f"${{{name}}} is never set, so it is always empty{hint}"
            source.warn(place.at, sentence, width=place.width)


def _everywhere(calls: Sequence[Call]) -> Iterator[Call]:
    """Yield all calls, those in blocks and tests among them."""
    waiting = [*reversed(calls)]
    while waiting:
        call = waiting.pop()
        yield call
        waiting.extend(reversed((*call.tests, *(call.block or ()))))


def _check_block(source: Source, calls: Sequence[Call]) -> None:
    """Warn of commands that never run, or run although the message was discarded."""
    for call, after in pairwise(calls):
        if call.name in _ENDINGS and (call.name, after.name) != ("discard", "stop"):
            said = (
                f"this never matters: it stands behind '{call.name}'; remove it, or move it up"
            )
            if call.name == "discard":  # RFC 5228 §4.4: it takes the implicit keep back
                said = "this runs although it stands behind 'discard'; put 'stop;' between them"
            source.warn(after.at, said, width=len(after.name))
            break
    for call in calls:
        if call.block:
            _check_block(source, call.block)


def _check_keys(source: Source, call: Call) -> None:
    tags = {argument.name for argument in call.arguments if isinstance(argument, Tag)}
    if call.name not in _COMPARING or tags & _NO_IS or not call.arguments:
        return
    for key in _strings(call.arguments[-1]):
        if "*" in key.value:
            source.warn(
                key.at, "':is' compares a '*' as it stands; use ':matches'", width=key.width
            )


def _check_names(source: Source, call: Call) -> None:
    if call.name not in _HEADER_TESTS:
        return
    positional = [one for one in call.arguments if isinstance(one, Text | Texts)]
    wanted = {"exists": 1, "date": 3}.get(call.name, 2)
    if len(positional) < wanted:
        return
    for name in _strings(positional[-wanted]):
        if name.value.endswith(":"):
            source.warn(
                name.at,
                f"a header's name has no ':' at its end; write \"{name.value[:-1]}\"",
                width=name.width,
            )
        if name.value.lower() == "authentication-results" and "regex" in _tags(call):
            source.warn(
                name.at, "anyone can write this header; use the test 'auth'", width=name.width
            )


def _check_constant(source: Source, call: Call) -> None:
    """Warn of a branch that always or never runs."""
    if call.name in ("if", "elsif") and call.tests:
        test = call.tests[0]
        value = constant(test)
        if value is not None:
            said = f"this test is always {'true' if value else 'false'}; remove it"
            source.warn(test.at, said, width=len(test.name))


def constant(test: Call, lacking: Collection[int] = ()) -> bool | None:
    """Return the result that a test has for every message, None when it depends on it.

    `lacking` is where an `ihave` found that something is not there.
    """
    inner = [constant(one, lacking) for one in test.tests]
    match test.name:
        case "true" | "false":
            return test.name == "true"
        case "not" if inner:
            return None if inner[0] is None else not inner[0]
        case "allof" | "anyof" if inner:
            decides = test.name == "anyof"
            return decides if decides in inner else (None if None in inner else not decides)
        case "size":
            limits = [one.value for one in test.arguments if isinstance(one, Number)]
            return "over" in _tags(test) if limits == [0] else None  # no message is empty
        case "string":
            return _constant_string(test)
        case "ihave" if test.at in lacking:
            return False
    return None


def _constant_string(test: Call) -> bool | None:
    """Return what a plain comparison of strings without variables always says."""
    given = [_strings(one) for one in test.arguments if not isinstance(one, Tag)]
    values = [[ascii_upper(text.value) for text in texts] for texts in given]
    if len(values) != 2 or any("${" in one for texts in values for one in texts):
        return None
    sources, keys = values
    if _tags(test) == {"contains"}:
        return any(key in value for value in sources for key in keys)
    return any(key in sources for key in keys) if _tags(test) <= {"is"} else None


def _check_answers(source: Source, calls: Sequence[Call], *, guarded: bool) -> None:
    """Warn of an answer that no test for the first message stands around or has left others.

    What is included within such a test is noted, for its own answers.
    """
    earlier: list[Call] = []  # tests of the `if` and of each `elsif` before this
    for call in calls:
        if call.name == "vacation" and not guarded:
            source.warn(
                call.at,
                'every message of a conversation is answered; put `if thread "new" { ... }`'
                " around it",
                width=len(call.name),
            )
        if call.name == "include" and guarded:
            source.guarded_includes.add(call.at)
        earlier = earlier if call.name in ("elsif", "else") else []
        asked = any(_is_first(one, holds=True) for one in call.tests)
        asked = asked or any(_is_first(one, holds=False) for one in earlier)
        block = call.block or ()
        _check_answers(source, block, guarded=guarded or asked)
        earlier = [*earlier, *call.tests]
        leaves = any(one.name in _LEAVING for one in _everywhere(block))
        guarded = guarded or (leaves and any(_is_first(one, holds=False) for one in earlier))


def _is_first(test: Call, *, holds: bool) -> bool:
    """Whether only the first message is left where the test is true, or where it is not."""
    words = [text.value.lower() for one in test.arguments for text in _strings(one)]
    match test.name:
        case "thread":
            return words == ["new" if holds else "reply"]
        case "duplicate":
            return not holds
        case "not":
            return any(_is_first(one, holds=not holds) for one in test.tests)
        case "allof" | "anyof" if test.tests:
            every = (test.name == "anyof") == holds
            return (all if every else any)(_is_first(one, holds=holds) for one in test.tests)
    return False


def _may_keep(call: Call) -> bool:
    """Whether its target is, or may be, the default route: that passes the message on."""
    targets = [one.value for one in call.arguments[-1:] if isinstance(one, Text)]
    return any("${" in one or one.upper() == "INBOX" for one in targets)


def _tags(call: Call) -> set[str]:
    return {argument.name for argument in call.arguments if isinstance(argument, Tag)}


def _strings(argument: Argument) -> tuple[Text, ...]:
    if isinstance(argument, Texts):
        return argument.items
    return (argument,) if isinstance(argument, Text) else ()
