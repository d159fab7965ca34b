"""One run of a script on one message: what it may read, what it has asked for so far."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from time import monotonic, thread_time
from typing import Any

from gateway.sieve.interface import Action, HeaderEdit, Limits, Outside, Passed, Step
from gateway.sieve.message import Message
from gateway.sieve.mime import Part, TooManyParts, parse_parts
from gateway.sieve.rewriting import Splice, spliced

MAX_SHOWN = 200  # characters of a value in the trace
GLOBAL = "global."  # before the name of a variable that all files share
DELIVERING = frozenset({"keep", "fileinto", "route", "redirect"})
REFUSING = frozenset({"reject", "ereject"})
ANSWERING = frozenset({"vacation", "agent"})
ENVELOPE = frozenset({"setenvelope", "setfrom"})


class StopScript(Exception):
    """`stop`: not an error."""


class RunError(Exception):
    """A run-time error or a limit that was hit; one sentence."""


class Run:
    """The state that commands and tests share while one script runs."""

    __slots__ = (
        "_began_at", "_deadline", "_last_step", "_most_traced", "_root", "_warned", "accepted",
        "actions", "bench", "compared", "edits", "enclosed", "envelope", "file", "flags",
        "globals", "implicit_keep", "included", "limits", "line", "loops", "matches", "message",
        "outside", "part", "passed", "replaced", "results", "splices", "steps", "strangers",
        "text_left", "texts", "timed_out", "trace", "traced", "variables",
    )  # fmt: skip

    def __init__(
        self, content: bytes, outside: Outside, *, passed: Passed, limits: Limits, trace: bool
    ) -> None:
        self.outside = outside
        self.limits = limits
        self.passed = passed
        self.replaced = passed.content
        self._begin(content if passed.content is None else passed.content)
        self.matches: Sequence[str] = ()
        self.implicit_keep = True
        self.accepted = False
        self.enclosed = False  # a script put the message into another one
        self.timed_out = False
        self.bench: Any = None  # the testsuite's, while it runs
        self.compared: tuple[Sequence[str], str] | None = None  # values; the words behind them
        self.file = ""
        self.line = 0
        self.variables: dict[str, str] = {}
        self.globals: dict[str, str] = dict(passed.globals)
        self.strangers: set[str] = {f"{GLOBAL}{name}" for name in passed.strangers}
        self.flags: list[str] = [*passed.flags]
        self.actions: list[Action] = []
        self.envelope = _envelope(passed.actions) if passed.actions else {}
        self.steps = passed.steps
        self.included: set[tuple[str, str]] = set()
        self.results: list[Any] = []  # of a testsuite
        self._warned: set[tuple[str, int, str]] = set()
        self.trace: list[Step] | None = [] if trace else None
        self.traced = passed.traced
        self._last_step = min(limits.chain_steps, passed.steps + limits.steps)
        self._began_at = thread_time() - passed.seconds
        self._deadline = monotonic() + limits.chain_seconds - passed.seconds
        self._most_traced = limits.trace_characters

    def _begin(self, content: bytes) -> None:
        """Take the message of the script before, read and edited, if there was one."""
        before = self.passed.message
        if before is not None and before.original is content:
            self._take(before.shared())
            self.edits.extend(self.passed.edits)
        else:
            self.start(content, edits=self.passed.edits)

    def start(self, content: bytes, *, edits: Sequence[HeaderEdit] = ()) -> None:
        """Take a message, with the header edits already made to it."""
        self._take(Message(content))
        for edit in edits:
            self.edit(edit)

    def _take(self, message: Message) -> None:
        self.message = message
        self.part: Part | None = None  # the one that foreverypart is at
        self.loops = 0
        self.text_left = self.limits.body_text_bytes
        self.texts: dict[tuple[int, bool], str] = {}  # of parts that were looked into
        self.splices: list[Splice] = []
        self._root: Part | None = None
        self.edits: list[HeaderEdit] = []

    @property
    def root(self) -> Part:
        """The message as a tree of parts; raises RunError when it has too many."""
        if self._root is None:
            limits = self.limits
            try:
                self._root = parse_parts(
                    self.message, max_parts=limits.mime_parts, max_depth=limits.mime_depth
                )
            except TooManyParts as error:
                raise RunError(str(error)) from error
        return self._root

    @property
    def seconds(self) -> float:
        """How much time of a processor the chain has taken so far."""
        return thread_time() - self._began_at

    @property
    def separators(self) -> str:
        """What stands between local part and detail."""
        return self.limits.separators

    def variable(self, slot: str) -> str:
        """Return the variable in a slot: a name, or `global.` and a name."""
        space, _, name = slot.rpartition(".")
        return (self.globals if space else self.variables).get(name, "")

    def set_variable(self, slot: str, value: str, *, stranger: bool = False) -> None:
        """Store a variable, cut at the limit of its size (RFC 5229 §3).

        Raises RunError when there are too many. `stranger`: it holds text of the message.
        """
        space, _, name = slot.rpartition(".")
        variables = self.globals if space else self.variables
        if name not in variables and len(variables) >= self.limits.variables:
            raise RunError(f"more than {self.limits.variables} variables")
        variables[name] = self._cut(value)
        (self.strangers.add if stranger else self.strangers.discard)(slot)

    @property
    def strange_globals(self) -> frozenset[str]:
        """The global variables that hold text of the message."""
        return frozenset([name for name in self.globals if f"{GLOBAL}{name}" in self.strangers])

    def _cut(self, value: str) -> str:
        limit = self.limits.variable_bytes
        if len(value) * 4 <= limit:
            return value
        octets = value.encode("utf-8", "surrogateescape")
        if len(octets) <= limit:
            return value
        self.warn(f"a variable was cut at {limit} bytes")
        end = limit
        while end and octets[end] & 0xC0 == 0x80:
            end -= 1
        return octets[:end].decode("utf-8", "surrogateescape")

    def step(self, line: int, cost: int = 1) -> None:
        """Count a command or test; raises RunError at the limit of steps or time."""
        self.line = line
        self.steps += cost
        if self.steps > self._last_step:
            raise RunError("the script takes too many steps")
        if monotonic() > self._deadline:
            self._ask_processor()

    def check_time(self) -> None:
        """Raise RunError when the chain has had its time; long work asks within a step, too."""
        if monotonic() > self._deadline:
            self._ask_processor()

    def _ask_processor(self) -> None:
        """Raise RunError when the chain has had its time; on a busy machine it may not have.

        To ask for the time of a thread takes a microsecond: too long to do so at each step.
        """
        left = self.limits.chain_seconds - self.seconds
        if left <= 0:
            self.timed_out = True
            raise RunError("the script takes too long")
        self._deadline = monotonic() + left

    def note(self, line: int, text: str) -> None:
        """Add a line to the trace, if one is kept and has room."""
        if self.trace is None or self.traced > self._most_traced:
            return
        self.traced += len(text)
        if self.traced > self._most_traced:
            text = "the trace is too long and ends here"
        self.trace.append((self.file, line, text))

    def note_test(self, line: int, text: str) -> None:
        """Add a test to the trace, with what it compared."""
        compared, self.compared = self.compared, None
        if compared is not None and self.traced <= self._most_traced:
            values, relation = compared
            text = f"{text} ({listed(values)} {relation})"
        self.note(line, text)

    def warn(self, text: str) -> None:
        """Add to the trace, once a place, what went wrong and did not stop the script."""
        place = (self.file, self.line, text)
        if place not in self._warned:
            self._warned.add(place)
            self.note(self.line, f"warning: {text}")

    def earlier(self) -> Sequence[Action]:
        """Every action so far: of earlier scripts, then of this one."""
        return [*self.passed.actions, *self.actions]

    def act(
        self,
        kind: str,
        target: str = "",
        *,
        flags: Sequence[str] | None = None,
        arguments: dict[str, Any] | None = None,
        keeps: bool = False,
    ) -> None:
        """Ask for an action; without `keeps` the implicit keep is cancelled.

        The same action on the same target counts once. Raises RunError on a conflict
        (RFC 5429 §2.2, RFC 5230 §4.7) and at the limits of actions and redirects.
        """
        if not keeps:
            self.implicit_keep = False
        if kind == "fileinto" and target.upper() == "INBOX":
            kind, target, arguments = "keep", "", {"mailbox": target}
        before = self.earlier()
        _refuse_conflict(kind, before)
        if any(a.kind == kind and a.target == target for a in before) and kind in DELIVERING:
            self._ask_again(kind, target, flags=flags, arguments=arguments)
            return
        self._refuse_excess(kind, before)
        edits, content = tuple(self.edits), self.replaced
        if self.splices:  # in a loop: with the parts that it replaced so far
            edits, content = (), spliced(self.message, self.splices)
        self.actions.append(
            Action(
                kind=kind,
                line=self.line,
                target=target,
                flags=tuple(self.flags if flags is None else flags),
                edits=edits,
                arguments=arguments or {},
                file=self.file,
                content=content,
            )
        )

    def withdraw_keep(self) -> None:
        """Take a `keep` of this script back: what is held is not delivered, too."""
        self.actions = [action for action in self.actions if action.kind != "keep"]

    def finished(self) -> tuple[Action, ...]:
        """Return the actions at the end of the script, the implicit keep among them."""
        if not self.implicit_keep:
            return tuple(self.actions)
        if self.actions and any(
            one.kind == "keep" for one in self.actions
        ):  # by fileinto :copy "INBOX"
            flags = tuple(self.flags)
            return tuple(
                one._replace(flags=flags) if one.kind == "keep" else one for one in self.actions
            )
        keep = Action(
            kind="keep",
            line=self.line,
            flags=tuple(self.flags),
            edits=tuple(self.edits),
            implicit=True,
            file=self.file,
            content=self.replaced,
        )
        return (*self.actions, keep)

    def edit(self, edit: HeaderEdit) -> None:
        """Change the header from here on; actions already asked for keep the old one."""
        self.message.edit(edit)
        self.edits.append(edit)

    def delete_fields(self, name: str, places: Collection[int]) -> None:
        """Remove the fields of that name at `places`, counted from 1, from here on."""
        self.message.remove(name, places)
        self.edits += [
            HeaderEdit(name=name, value=None, index=at) for at in sorted(places, reverse=True)
        ]

    def rewrite(self, content: bytes) -> None:
        """Take new bytes for the message; edits made so far are in them (RFC 5703 §5)."""
        self.start(content)
        self.replaced = content

    def settle(self) -> None:
        """Put the parts that a loop replaced so far into the message."""
        if self.splices:
            self.rewrite(spliced(self.message, self.splices))

    def _ask_again(
        self,
        kind: str,
        target: str,
        *,
        flags: Sequence[str] | None,
        arguments: dict[str, Any] | None,
    ) -> None:
        """Give the flags of the last one to an action that is asked for twice."""
        wanted = tuple(self.flags if flags is None else flags)
        for at, action in enumerate(self.actions):
            if action.kind == kind and action.target == target:
                kept = {} if kind == "keep" and not arguments else action.arguments
                self.actions[at] = action._replace(flags=wanted, arguments=kept)

    def _refuse_excess(self, kind: str, before: Sequence[Action]) -> None:
        if kind == "redirect":
            count = sum(action.kind == "redirect" for action in before)
            if count >= self.limits.redirects:
                raise RunError(
                    "number of redirect actions exceeds policy limit"
                    f" ({self.limits.redirects} a message)"
                )
        if kind == "notify":
            count = sum(action.kind == "notify" for action in before)
            if count >= self.limits.notifications:
                raise RunError(
                    "number of notifications exceeds policy limit"
                    f" ({self.limits.notifications} a message)"
                )
        if len(before) >= self.limits.actions:
            raise RunError(
                "total number of actions exceeds policy limit"
                f" ({self.limits.actions} a message)"
            )


def _envelope(actions: Sequence[Action]) -> dict[str, str]:
    """Return what earlier scripts made of the envelope, by its part."""
    return {
        one.arguments.get("part", "from"): one.target for one in actions if one.kind in ENVELOPE
    }


Command = Callable[[Run], None]
Test = Callable[[Run], bool]


def _refuse_conflict(kind: str, before: Sequence[Action]) -> None:
    for action in before:
        if conflict := _conflict(kind, action.kind):
            raise RunError(f"{conflict} (line {action.line} of {action.file})")


def _conflict(kind: str, earlier: str) -> str | None:
    if kind in REFUSING and earlier in REFUSING:
        return "the message was already rejected"
    if kind in REFUSING and earlier in DELIVERING | ANSWERING:
        return f"{kind} conflicts with the earlier {earlier}"
    if earlier in REFUSING and kind in DELIVERING | ANSWERING:
        return f"{kind} conflicts with the earlier {earlier}"
    if kind == earlier == "vacation":
        return "only one vacation can be run for a message"
    return None


def listed(values: Sequence[str]) -> str:
    """Return values for the trace: the first of them, and of each its beginning."""
    if len(values) == 1:
        return f'"{values[0][:MAX_SHOWN]}"'
    shown = [f'"{value[:MAX_SHOWN]}"' for value in values[:5]]
    more = [f"and {len(values) - 5} more"] if len(values) > 5 else []
    return ", ".join(shown + more) or "nothing"
