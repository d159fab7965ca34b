"""Sorts the arguments of a call as its signature says, and reports what does not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.sieve.signature import Given, Kind, Signature, Tagged, Tests
from gateway.sieve.syntax import Argument, Call, Tag

if TYPE_CHECKING:
    from gateway.sieve.checker import Builder


def bind(builder: Builder, call: Call, signature: Signature) -> Given | None:
    """Return the arguments in their places; None when a fault was reported."""
    return _Binder(builder, call, signature).bind()


_MEANT = {  # what stands where no test may stand, and how it is written
    ("else", "if"): "'else if' is written 'elsif'",
    ("", "and"): "two tests are joined by allof (..., ...)",
    ("", "or"): "two tests are joined by anyof (..., ...)",
}


class _Binder:
    """Sorts the arguments of one call; every fault is reported once."""

    def __init__(self, builder: Builder, call: Call, signature: Signature) -> None:
        self._builder = builder
        self._call = call
        self._signature = signature
        self._rest = list(call.arguments)
        self._failed = False

    def bind(self) -> Given | None:
        tags: dict[str, Argument] = {}
        positionals: list[Argument] = []
        groups: dict[str, str] = {}
        while self._rest:
            argument = self._rest.pop(0)
            if not isinstance(argument, Tag):
                positionals.append(argument)
            elif (tagged := self._tagged(argument, positionals)) is not None:
                self._add(tagged, argument, tags=tags, groups=groups)
        if not self._failed:
            self._check_tests()
        if not self._failed:
            self._check_positionals(positionals)
        self._check_block()
        if self._failed:
            return None
        return Given(self._call, self._signature, tags, positionals)

    def _error(self, place: Argument | Call, message: str) -> None:
        self._builder.error(place, message)
        self._failed = True

    def _tagged(self, tag: Tag, before: list[Argument]) -> Tagged | None:
        for tagged in self._signature.tags:
            if tagged.name == tag.name:
                return self._allowed(tagged, tag, before)
        known = [f":{tagged.name}" for tagged in self._signature.tags]
        hint = self._builder.source.suggest(f":{tag.name}", known)
        self._error(tag, f"'{self._call.name}' has no argument ':{tag.name}'{hint}")
        return None

    def _allowed(self, tagged: Tagged, tag: Tag, before: list[Argument]) -> Tagged | None:
        if not self._builder.has(tagged.capability):
            self._error(tag, f"':{tag.name}' needs require \"{tagged.capability}\"")
            return None
        if before:  # RFC 5228 §2.6.2
            self._error(tag, f"unexpected ':{tag.name}' behind the positional arguments")
            return None
        return tagged

    def _add(
        self,
        tagged: Tagged,
        tag: Tag,
        *,
        tags: dict[str, Argument],
        groups: dict[str, str],
    ) -> None:
        group = tagged.group or tagged.name
        if group in groups:
            other = groups[group]
            twice = "twice" if other == tag.name else f"beside ':{other}'"
            self._error(tag, f"unexpected ':{tag.name}' {twice} in '{self._call.name}'")
        groups[group] = tag.name
        tags[tagged.name] = self._parameter(tagged, tag)

    def _parameter(self, tagged: Tagged, tag: Tag) -> Argument:
        if tagged.value is None:
            return tag
        if self._rest and tagged.value.accepts(self._rest[0]):
            return self._rest.pop(0)
        self._error(tag, f"':{tag.name}' must be followed by {tagged.value.value}")
        if self._rest:
            self._rest.pop(0)
        return tag

    def _check_positionals(self, given: list[Argument]) -> None:
        wanted = self._signature.positionals
        missing = len(wanted) - len(given)
        if missing and not 0 < missing <= self._signature.optional:
            self._report_count(given)
            return
        wanted = wanted[: len(given)] if self._signature.optional_last else wanted[missing:]
        for number, (argument, positional) in enumerate(zip(given, wanted, strict=True), 1):
            if not positional.kind.accepts(argument):
                hint = "; a number has no quotes" if positional.kind is Kind.NUMBER else ""
                self._error(
                    argument,
                    f"{self._named} expects {positional.kind.value} as argument {number}"
                    f" ({positional.name}), but {_kind_of(argument)} was found{hint}",
                )

    @property
    def _named(self) -> str:
        kind = "command" if self._signature.is_command else "test"
        return f"the {self._call.name} {kind}"

    def _report_count(self, given: list[Argument]) -> None:
        wanted = self._signature.positionals
        names = f" ({', '.join(one.name for one in wanted)})" if wanted else ""
        place: Argument | Call = given[len(wanted)] if len(given) > len(wanted) else self._call
        self._error(
            place,
            f"{self._named} requires {_counted(len(wanted), self._signature.optional)}{names},"
            f" but {len(given)} {'is' if len(given) == 1 else 'are'} specified",
        )

    def _check_tests(self) -> None:
        call, allowed = self._call, self._signature.tests
        if allowed is Tests.NONE and call.tests:
            self._unwanted_test(call.tests[0])
        elif allowed is Tests.ONE and (len(call.tests) != 1 or call.test_list):
            hint = ", without parentheses" if len(call.tests) == 1 else ""
            self._error(call, f"'{call.name}' takes exactly one test{hint}")
        elif allowed is Tests.LIST and not call.test_list:
            self._error(call, f"'{call.name}' takes a list of tests in parentheses")

    def _unwanted_test(self, test: Call) -> None:
        call, builder = self._call, self._builder
        known = builder.unit.language.signatures.get(test.name)
        if said := _MEANT.get((call.name, test.name)) or _MEANT.get(("", test.name)):
            self._error(test, said)
            return
        new_line = builder.source.line_at(test.at) > builder.source.line_at(call.at)
        if self._signature.is_command and (known.is_command if known else new_line):
            sentence = f"missing semicolon after the {call.name} command; end it with ';'"
            self._error(call, sentence)
        elif any(tagged.name == test.name for tagged in self._signature.tags):
            self._error(test, f"missing colon before the ':{test.name}' tag of {self._named}")
        elif known is None:
            said = f"'{test.name}' is no argument of {self._named}; a string stands in quotes"
            self._error(test, said)
        else:
            self._error(
                test, f"{self._named} takes no sub-tests, but '{test.name}' is specified"
            )

    def _check_block(self) -> None:
        call = self._call
        if self._signature.block and call.block is None:
            self._error(call, f"'{call.name}' must be followed by a block in braces")
        if not self._signature.block and call.block is not None:
            self._error(call, f"'{call.name}' takes no block")


def _kind_of(argument: Argument) -> str:
    if isinstance(argument, Tag):
        return f"the tag ':{argument.name}'"
    for kind in Kind:
        if kind.accepts(argument):
            return kind.value
    return "something else"


def _counted(most: int, optional: int) -> str:
    number = f"{most - optional} or {most}" if optional else str(most or "no")
    return f"{number} positional argument{'' if most == 1 else 's'}"
