"""Checks the tree against the signatures and turns each call into a closure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.sieve.binder import bind
from gateway.sieve.diagnostics import Source
from gateway.sieve.interface import Limits, Loader
from gateway.sieve.lint import constant
from gateway.sieve.runtime import Command, Run, RunError, Test
from gateway.sieve.signature import Given, Signature
from gateway.sieve.strings import (
    BadText,
    Expression,
    Expressions,
    Reference,
    decode_characters,
    split_references,
)
from gateway.sieve.syntax import Argument, Call, Number, Text, Texts, shown

UNKNOWN = {
    "notify": "policies may tell only whom the tenant's 'notify' names, not",
    "sender": "the tenant has no sender",
}

Namespace = Callable[["Builder", str], Reference | str | None]


@dataclass(frozen=True, slots=True)
class Language:
    """Every command and test, every capability, and the namespaces of variables."""

    signatures: Mapping[str, Signature]
    capabilities: frozenset[str]
    namespaces: Mapping[str, tuple[str, Namespace]] = field(default_factory=dict)
    implied: Mapping[str, str] = field(default_factory=dict)  # capability -> another
    constants: Mapping[str, str] = field(default_factory=dict)  # "tst.path"
    older: Mapping[str, Signature] = field(default_factory=dict)  # where its capability is on
    read_only: Sequence[str] = ()  # variables that nobody sets
    rivals: Mapping[str, str] = field(default_factory=dict)  # capability -> never beside it


@dataclass(slots=True)
class Unit:
    """What all scripts of one compilation share: a script and what it includes."""

    language: Language
    loader: Loader
    limits: Limits
    compile_source: Callable[[Source, Unit], Command]
    strict: bool = False
    includes: dict[tuple[str, str], Command] = field(default_factory=dict)
    include_stack: list[tuple[str, str]] = field(default_factory=list)

    def compile(self, source: Source) -> Command:
        """Return the commands of an included script; its faults are recorded in `source`."""
        return self.compile_source(source, self)


class Builder:
    """Compiles one script: what a `build` function of an extension may ask for."""

    def __init__(self, source: Source, unit: Unit, *, enabled: frozenset[str] | None) -> None:
        self.source = source
        self.unit = unit
        self.limits = unit.limits
        self.loader = unit.loader
        self.enabled = enabled  # None: every capability
        self.set_names: set[str] = set()
        self.used_names: dict[str, Argument] = {}
        self.global_names: set[str] = set()
        self.loops: list[str | None] = []
        self.at_start = True
        self.depth = 0
        self.lacking: set[int] = set()  # where an `ihave` found that something is not there

    def has(self, capability: str) -> bool:
        """Whether the capability is on at this place."""
        return not capability or self.enabled is None or capability in self.enabled

    def enable(self, capability: str, place: Argument) -> None:
        """Switch a capability on from here; one beside its rival is an error."""
        if self.enabled is not None:
            rival = self.unit.language.rivals.get(capability)
            if rival in self.enabled:
                self.error(place, f"'{capability}' cannot be used beside '{rival}'")
            self.enabled |= {capability}
            if capability in self.unit.language.implied:
                self.enabled |= {self.unit.language.implied[capability]}

    def need(self, capability: str, argument: Argument | Call) -> None:
        """Report it when the capability was not required."""
        if not self.has(capability):
            self.error(argument, f'this needs require "{capability}"')

    def error(self, place: Argument | Call, message: str) -> None:
        """Report an error at an argument or call."""
        self.source.error(place.at, message, width=place.width)

    def warn(self, place: Argument | Call, message: str) -> None:
        """Report a warning at an argument or call."""
        self.source.warn(place.at, message, width=place.width)

    def check_name(self, kind: str, name: str, place: Argument) -> None:
        """Report a constant name that the configuration does not know."""
        known = self.loader.names(kind)
        if known is not None and name not in known:
            said = UNKNOWN.get(kind, f"there is no {kind}")
            self.error(place, f"{said} '{name}'{self.source.suggest(name, known)}")

    def declare(self, name: str, place: Argument) -> None:
        """Note that a variable is set somewhere; too many are reported once."""
        if len(self.set_names) == self.limits.variables and name not in self.set_names:
            self.error(place, f"more than {self.limits.variables} variables")
        self.set_names.add(name)

    def slot(self, name: str) -> str:
        """Return where the variable of that name lives: `global` ones pass on (RFC 6609)."""
        return f"global.{name}" if name in self.global_names else name

    def text(self, argument: Argument) -> Expression:
        """Return the string of an argument, its `${...}` understood as far as switched on."""
        value = argument.value if isinstance(argument, Text) else ""
        return self.expression(value, argument)

    def expression(self, value: str, place: Argument) -> Expression:
        """Return `value` with its `${...}` understood; errors are reported at `place`."""
        if "${" not in value:
            return Expression((value,))
        if self.has("encoded-character"):
            try:
                value = decode_characters(value)
            except BadText as error:
                self.error(place, str(error))
        if not self.has("variables"):
            return Expression((value,))
        parts = [
            part if isinstance(part, str) else self._reference(part[0], place)
            for part in split_references(value)
        ]
        return Expression(tuple(parts))

    def optional_text(self, given: Given, tag: str) -> Expression | None:
        """Return the string after a tag, or None without that tag."""
        argument = given.tags.get(tag)
        return None if argument is None else self.text(argument)

    def texts(self, argument: Argument) -> Expressions:
        """Return the strings of an argument."""
        items = argument.items if isinstance(argument, Texts) else (argument,)
        return Expressions([self.text(item) for item in items])

    def optional_texts(self, given: Given, tag: str) -> Expressions:
        """Return the strings after a tag; none without that tag."""
        argument = given.tags.get(tag)
        return Expressions([]) if argument is None else self.texts(argument)

    def template(self, argument: Argument) -> Expression:
        """Return a string, or what stands in the file that a string `file:PATH` names."""
        value = argument.value if isinstance(argument, Text) else ""
        if not value.startswith("file:") or not self.has("vnd.gateway.template"):
            return self.text(argument)
        path = value.removeprefix("file:").strip()
        found = self.loader.text(path)
        if found is None:
            known = self.loader.names("template") or ()
            self.error(argument, f"there is no file '{path}'{self.source.suggest(path, known)}")
            return Expression(("",))
        return self.expression(found.replace("\r\n", "\n").replace("\n", "\r\n"), argument)

    def constant(self, argument: Argument, what: str) -> str | None:
        """Return a string that has to be known now, or None, reporting that it is not."""
        value = self.text(argument).constant
        if value is None:
            self.error(argument, f"{what} must be a constant string, without variables")
            return None
        return value

    def number(self, given: Given, tag: str) -> int | None:
        """Return the number after a tag, or None without that tag."""
        argument = given.tags.get(tag)
        return argument.value if isinstance(argument, Number) else None

    def test(self, call: Call) -> Test:
        """Return a test that counts its step and shows itself in the trace."""
        inner = self._closure(call, as_test=True)
        line, text = self.source.line_at(call.at), shown(call)
        is_false, is_true = f"{text}: false", f"{text}: true"

        def run_test(run: Run) -> bool:
            run.step(line)
            result = bool(inner(run))
            if run.trace is not None:
                run.note_test(line, is_true if result else is_false)
            return result

        return run_test

    def block(self, calls: Sequence[Call]) -> Command:
        """Return the commands of a block, run one after the other."""
        self.depth += 1
        commands = tuple(self._commands(calls))
        self.depth -= 1

        def run_block(run: Run) -> None:
            for line, command in commands:
                run.step(line)
                command(run)

        return run_block

    def _commands(self, calls: Sequence[Call]) -> list[tuple[int, Command]]:
        found: list[tuple[int, Command]] = []
        at = 0
        while at < len(calls):
            call = calls[at]
            end = at + 1
            is_branch = call.name == "if" or call.name in _GOES_ON
            while is_branch and end < len(calls) and calls[end].name in _GOES_ON:
                end += 1
            command = self._branches(calls[at:end]) if is_branch else self._one(call)
            found.append((self.source.line_at(call.at), command))
            at = end
        return found

    def _one(self, call: Call) -> Command:
        if call.name != "require":
            self.at_start = False
        line, text = self.source.line_at(call.at), shown(call)
        inner = self._closure(call, as_test=False)

        def run_command(run: Run) -> None:
            if run.trace is not None:
                run.note(line, text)
            inner(run)
            run.compared = None  # what a command compared is told of no test

        return run_command

    def _branches(self, calls: Sequence[Call]) -> Command:
        """Return an `if` with its `elsif` and `else` (RFC 5228 §3.1)."""
        self.at_start = False
        if calls[0].name != "if":
            first = calls[0]
            sentence = f"'{first.name}' must follow the block of an 'if' or 'elsif' at once"
            self.error(first, sentence)
        branches: list[tuple[Test, Command]] = []
        ended = is_dead = False
        for call in calls:
            if ended:
                self.error(call, f"'{call.name}' must not follow 'else'")
            ended = ended or call.name == "else"
            if (branch := self._branch(call, is_dead=is_dead)) is not None:
                branches.append(branch)
            is_dead = is_dead or (bool(call.tests) and self._always_runs(call.tests[0]))

        def run_branches(run: Run) -> None:
            for test, block in branches:
                if test(run):
                    block(run)
                    return

        return run_branches

    def _branch(self, call: Call, *, is_dead: bool) -> tuple[Test, Command] | None:
        given = bind(self, call, self.unit.language.signatures[call.name])
        if given is None:
            self.block(call.block or ())
            return None
        errors, lacking = len(self.source.errors), len(self.lacking)
        test = self.test(call.tests[0]) if call.tests else _always
        lacks = (
            len(self.lacking) > lacking and constant(call.tests[0], self.lacking) is not True
        )
        block = self.block(call.block or ())
        # RFC 5463 §4: no error until it runs
        if (lacks or is_dead) and len(self.source.errors) > errors:
            del self.source.errors[errors:]
            return test, _unsupported
        return test, block

    def _always_runs(self, test: Call) -> bool:
        """Whether it is true because of what an `ihave` did not find."""
        return constant(test, self.lacking) is True and constant(test) is None

    def _closure(self, call: Call, *, as_test: bool) -> Callable[[Run], object]:
        signature = self._signature(call, as_test=as_test)
        given = bind(self, call, signature) if signature else None
        if signature is None or given is None:
            self._check_inside(call, as_test=as_test)
            return _nothing
        given.as_test = as_test
        closure: Callable[[Run], object] = signature.build(given, self)
        return closure

    def _check_inside(self, call: Call, *, as_test: bool) -> None:
        """Find further faults in the block of a call that has one itself."""
        if call.block and not as_test:
            self.block(call.block)

    def _signature(self, call: Call, *, as_test: bool) -> Signature | None:
        word = "test" if as_test else "command"
        found = self._declared(call.name)
        if found is None:
            known = [
                name
                for name, signature in self.unit.language.signatures.items()
                if (signature.is_test if as_test else signature.is_command)
            ]
            self.error(
                call, f"there is no {word} '{call.name}'{self.source.suggest(call.name, known)}"
            )
            return None
        if not (found.is_test if as_test else found.is_command):
            other, place = (
                ("command", "in a block")
                if as_test
                else ("test", "behind 'if' or in another test")
            )
            self.error(call, f"cannot use {other} '{call.name}' as {word}; it stands {place}")
            return None
        if not self.has(found.capability):
            self.error(call, f"'{call.name}' needs require \"{found.capability}\"")
            return None
        return found

    def _declared(self, name: str) -> Signature | None:
        older = self.unit.language.older.get(name)
        found = self.unit.language.signatures.get(name)
        if older and found and self.has(older.capability) and not self.has(found.capability):
            return older
        return found

    def _reference(self, name: str, place: Argument) -> str | Reference:
        if name in self.unit.language.constants:
            return self.unit.language.constants[name]
        if name.isdigit():
            return self._match_value(name, place)
        if "." in name:
            return self._named(name, place)
        self.used_names.setdefault(name, place)
        return variable_reference(name, self.slot(name))

    def _match_value(self, name: str, place: Argument) -> str | Reference:
        digits = name.lstrip("0") or "0"
        number = int(digits) if len(digits) < 6 else self.limits.captures + 1
        if number > self.limits.captures:
            self.error(place, f"match values go from 0 to {self.limits.captures}, not {name}")
            return ""

        def value(run: Run) -> str:
            return run.matches[number] if number < len(run.matches) else ""

        return Reference(name, value, _from_stranger)

    def _named(self, name: str, place: Argument) -> str | Reference:
        space, _, rest = name.partition(".")
        capability, resolve = self.unit.language.namespaces.get(space, ("", None))
        if resolve is None or not self.has(capability):
            need = f'; it needs require "{capability}"' if capability else ""
            hint = "" if need else self.source.suggest(space, self.unit.language.namespaces)
            self.error(place, f"there is no namespace '{space}' for ${{{name}}}{need}{hint}")
            return variable_reference(name, name)
        found = resolve(self, rest)
        if found is None:
            hint = self.source.suggest(name, self.unit.language.read_only)
            self.warn(place, f"nobody defines ${{{name}}}: it is always empty{hint}")
            return ""
        return found


_GOES_ON = frozenset({"elsif", "else"})


def variable_reference(name: str, slot: str) -> Reference:
    """Return `${name}`, which reads the slot."""
    return Reference(name, lambda run: run.variable(slot), lambda run: slot in run.strangers)


def _from_stranger(run: Run) -> bool:
    return True


def _always(run: Run) -> bool:
    return True


def _unsupported(run: Run) -> None:
    raise RunError("this block needs an extension that does not exist")


def _nothing(run: Run) -> None:
    """Stand in for a call that was refused: its script does not compile."""
