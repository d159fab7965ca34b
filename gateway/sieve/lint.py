"""Warnings about scripts that compile and may not do what was meant (policy-language §7)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gateway.sieve.diagnostics import Source
from gateway.sieve.syntax import Argument, Call, Tag, Text, Texts

_ENDINGS = frozenset({"stop", "discard", "accept", "hold"})
_HEADER_TESTS = frozenset({"header", "address", "exists"})
_TAKING = frozenset({"discard", "reject", "ereject", "fileinto", "route", "redirect", "agent"})
_KEEPING = frozenset({"keep", "include", "fileinto"})
_LEAVING = frozenset({"stop", "return", "accept", "hold", "discard", "include"})
_AROUND_VACATION = frozenset({"thread", "duplicate"})


def lint(source: Source, calls: Sequence[Call]) -> None:
    """Record the warnings in `source`, and where it surely ends a chain."""
    end = find_end(calls)
    source.end_line = source.line_at(end.at) if end else None
    _check_block(source, calls)
    for call in _everywhere(calls):
        _check_keys(source, call)
        _check_names(source, call)
        _check_constant(source, call)
    _check_vacations(source, calls, guarded=False)


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
    """Warn of commands that never run; after `discard` only what cannot matter is meant."""
    for number, call in enumerate(calls):
        after = calls[number + 1 : number + 2]
        if call.name in _ENDINGS and after and not _may_follow(call.name, after[0]):
            source.warn(
                after[0].at,
                f"this never matters: it stands behind '{call.name}'",
                width=len(after[0].name),
            )
            break
    for call in calls:
        if call.block:
            _check_block(source, call.block)


def _may_follow(ending: str, call: Call) -> bool:
    return ending == "discard" and call.name in ("stop", "redirect", "fileinto", "addheader")


def _check_keys(source: Source, call: Call) -> None:
    tags = {argument.name for argument in call.arguments if isinstance(argument, Tag)}
    compares = call.name in ("header", "address", "envelope", "string", "body")
    if not compares or tags & {"matches", "regex", "contains", "count", "value", "list"}:
        return
    if not call.arguments:
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
    wanted = 1 if call.name == "exists" else 2
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
        value = _constant(test)
        if value is not None:
            said = "this test is always true" if value else "this test is always false"
            source.warn(test.at, said, width=len(test.name))


def _constant(test: Call) -> bool | None:
    """Return the result that a test has for every message, None when it depends on it."""
    inner = [_constant(one) for one in test.tests]
    match test.name:
        case "true" | "false":
            return test.name == "true"
        case "not" if inner:
            return None if inner[0] is None else not inner[0]
        case "allof" | "anyof" if inner:
            decides = test.name == "anyof"
            return decides if decides in inner else (None if None in inner else not decides)
    return None


def _check_vacations(source: Source, calls: Sequence[Call], *, guarded: bool) -> None:
    """Warn of an answer outside of a test for the thread, and not behind one that leaves."""
    asked = False
    for call in calls:
        if call.name == "vacation" and not guarded:
            source.warn(
                call.at,
                'every message of a conversation is answered; put `if thread "new" { ... }`'
                " around it",
                width=len(call.name),
            )
        asks = any(one.name in _AROUND_VACATION for one in _everywhere(call.tests))
        asked = asks or (asked and call.name in ("elsif", "else"))
        block = call.block or ()
        _check_vacations(source, block, guarded=guarded or asked)
        guarded = guarded or (asked and any(one.name in _LEAVING for one in _everywhere(block)))


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
