"""Pure: runs a tenant's files in order on one message; the Plan tells each effect, and why.

A file runs on the message as the file before left it. The chain goes on while the message is
kept, and its end with a keep is the default action. A run-time error undoes what that file
asked for and holds the message: nobody opens the gate by making a policy fail.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.mail.footer import is_sealed
from gateway.mail.message import Edit, apply_edits, parse_message
from gateway.mail.plan import Done, Effect, EffectKind, Plan, Step
from gateway.policy.asked import Asked, Context, Noted
from gateway.policy.edits import recorded, rewritten
from gateway.policy.outgoing import find_misuse, footer_edits
from gateway.sieve.charsets import as_text
from gateway.sieve.interface import (
    Action,
    Diagnostic,
    Limits,
    Outside,
    Passed,
    Result,
)
from gateway.sieve.runtime import ENVELOPE
from gateway.sieve.script import Script

DEFAULT = "INBOX"
SHADOW = ".shadow.sieve"
KINDS = {
    "fileinto": EffectKind.STORE,
    "route": EffectKind.STORE,
    "redirect": EffectKind.REDIRECT,
    "reject": EffectKind.REJECT,
    "ereject": EffectKind.REJECT,
    "vacation": EffectKind.VACATION,
    "hold": EffectKind.HOLD,
    "agent": EffectKind.AGENT,
    "notify": EffectKind.NOTIFY,
    "discard": EffectKind.DISCARD,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainFile:
    """One file of a chain: its path as people know it, and its compiled script."""

    path: str
    script: Script

    @property
    def is_shadow(self) -> bool:
        """Whether it is run and traced only: what it asks for is not done."""
        return self.path.endswith(SHADOW)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A tenant's files in order, the lists they may ask, and the hash of all their texts.

    `texts` is every text that was read, by its path: enough to compile the chain again.
    """

    kind: str  # inbound | outbound
    files: tuple[ChainFile, ...]
    version: str
    lists: Mapping[str, frozenset[str]] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The Plan of one run, and what must be recorded in the transaction that stores it."""

    plan: Plan
    noted: tuple[Noted, ...] = ()
    timed_out: bool = False  # a file had no time left


def run_chain(
    chain: Chain,
    content: bytes,
    context: Context,
    *,
    on_error: str = "hold",
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> Judgement:
    """Return what the chain makes of a message; a fault of a policy is in the Plan.

    `on_error` is "hold", or "keep" for the implicit keep of RFC 5228 §2.10.6.
    """
    seen = apply_edits(content, context.edits)
    asked = Asked(context=context, content=seen, lists=chain.lists)
    before = _passed_before(context)
    run = _Run(
        content=seen,
        before=context.edits,
        passed=before,
        actions=[one for one in before.actions if one.kind in ENVELOPE],
        route=context.route or context.tenant.route or DEFAULT,
    )
    outbound = context.chain == "outbound"
    timed_out = False
    for file in chain.files:
        noted_before = len(asked.noted)
        result = file.script.run(seen, asked, passed=run.passed, limits=limits)
        timed_out = timed_out or result.timed_out
        if file.is_shadow:
            run.watch(file, result)
            del asked.noted[noted_before:]
            continue
        misuse = find_misuse(result.actions, context.tenant) if outbound else None
        if not run.take(file, result, on_error=on_error, misuse=misuse):
            if run.failed:  # a failed script leaves no trace in the counts (RFC 7352 §3.1)
                del asked.noted[noted_before:]
            break
    plan = run.plan(chain.version)
    return Judgement(plan=plan, noted=tuple(asked.noted), timed_out=timed_out)


def run_files(
    chain: Chain,
    content: bytes,
    outside: Outside,
    *,
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> Result:
    """Return what the files ask for together, as one script would: for testsuites."""
    run = _Run(content=content, before=())
    for file in chain.files:
        if file.is_shadow:
            continue
        result = file.script.run(content, outside, passed=run.passed, limits=limits)
        if not run.take(file, result, on_error="keep"):
            break
    kept = (run.keep,) if run.keep else ()
    return Result(
        actions=() if run.failed else (*run.actions, *kept),
        keeps=run.keep is not None,
        accepted=False,
        passed=run.passed,
        error=run.failed,
    )


def _passed_before(context: Context) -> Passed:
    """Return what the files before a hold pass on; nothing for a message that begins."""
    known = dict(context.globals)  # whose text each holds is not known any more
    return Passed(
        flags=context.flags,
        globals=known,
        strangers=frozenset(known),
        actions=tuple(map(_action, context.done)),
    )


def _action(done: Done) -> Action:
    command, target, file, line = done
    kind, _, part = command.partition(" ")
    arguments = {"part": part} if part else {}
    return Action(kind=kind, target=target, file=file, line=line, arguments=arguments)


def after(chain: Chain, hold: Effect) -> Chain:
    """Return the chain from behind the file that held a message on.

    All of it when that file is not there any more.
    """
    path = hold.held_by or hold.file
    paths = [file.path for file in chain.files]
    if path not in paths:
        return chain
    return replace(chain, files=chain.files[paths.index(path) + 1 :])


@dataclass(slots=True, kw_only=True)
class _Run:
    """What the files asked for so far."""

    content: bytes
    before: tuple[Edit, ...]
    route: str = DEFAULT
    passed: Passed = field(default_factory=Passed)
    actions: list[Action] = field(default_factory=list)
    keep: Action | None = None
    kept_by: str = ""
    failed: Diagnostic | None = None
    hold: Effect | None = None
    trace: list[Step] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def take(
        self,
        file: ChainFile,
        result: Result,
        *,
        on_error: str,
        misuse: Diagnostic | None = None,
    ) -> bool:
        """Keep what a file asked for; return whether the next file runs.

        `misuse` is what the file must not do, an error of it like any other.
        """
        self.trace += map(Step._make, result.trace)
        self.kept_by = file.path
        error = result.error or self._sealed(file, result) or misuse
        if error is not None:
            self._fail(error, on_error)
            return False
        self.passed, self.keep = result.passed, None
        for action in result.actions:
            if action.kind != "keep":
                self.actions.append(action)
            elif self.keep is None:
                self.keep = action
        if self.keep is not None and not self.keep.implicit:
            # it passes the message on; it is no action of the chain yet
            others = tuple(one for one in result.passed.actions if one.kind != "keep")
            self.passed = result.passed._replace(actions=others)
        return result.keeps and not result.accepted

    def watch(self, file: ChainFile, result: Result) -> None:
        """Trace what a shadow file would have done; nothing of it is done."""
        self.trace += map(Step._make, result.trace)
        said = [(one.line, f"{one.kind} {one.target}".strip()) for one in result.actions]
        if result.error is not None:
            said = [(result.error.line, f"fail: {result.error.message}")]
        elif not result.keeps or result.accepted:
            said.append((result.actions[-1].line if result.actions else 0, "end the chain"))
        self.trace += [Step(file.path, line, f"shadow: would {words}") for line, words in said]

    def plan(self, version: str) -> Plan:
        """Return what the files of a chain of that version asked for, and why."""
        return Plan(
            effects=self._effects(),
            version=version,
            trace=tuple(self.trace),
            errors=tuple(self.errors),
        )

    def _effects(self) -> tuple[Effect, ...]:
        """Return what was asked for, each target once, and the default action."""
        found = [
            self._effect(action, before=self.actions[:at])
            for at, action in enumerate(self.actions)
            if action.kind in KINDS
        ]
        if self.hold is not None:
            found.append(self.hold)
        elif self.keep is not None or not self.kept_by or self.errors:
            found.append(self._default())
        return _each_once(found, route=self.route)

    def _fail(self, error: Diagnostic, on_error: str) -> None:
        message = as_text(error.message)
        self.failed = error
        self.errors.append(f"{error.file}:{error.line}: {message}")
        self.keep = None
        if on_error != "keep":
            self.hold = Effect(
                kind=EffectKind.HOLD,
                file=error.file,
                line=error.line,
                reason=f"the policy failed: {message}",
                flags=_as_text(self.passed.flags),
                edits=self._edits(self.passed, self.actions),
                arguments={
                    **_envelope(self.actions),
                    "reason": message,
                    "failed": True,
                },
                globals=self._globals(),
                held_by=self.kept_by,
                done=_done(self.passed.actions),
            )

    def _default(self) -> Effect:
        keep = self.keep or Action(kind="keep", line=0, file=self.kept_by, implicit=True)
        flags = keep.flags if self.keep else self.passed.flags
        made = keep if self.keep and not keep.implicit else self.passed
        return Effect(
            kind=EffectKind.STORE,
            target=DEFAULT,
            file=keep.file or self.kept_by,
            line=keep.line,
            reason="the default action" if keep.implicit else "keep",
            flags=_as_text(flags),
            edits=self._edits(made, self.actions),
            arguments=_envelope(self.actions),
        )

    def _effect(self, action: Action, *, before: Sequence[Action]) -> Effect:
        arguments = {**_envelope(before), **_as_text(dict(action.arguments))}
        if action.kind == "ereject":
            arguments["ereject"] = True
        target = as_text(action.target)
        if KINDS[action.kind] is EffectKind.STORE and target.upper() == DEFAULT:
            target = DEFAULT
        return Effect(
            kind=KINDS[action.kind],
            target=target,
            file=action.file,
            line=action.line,
            reason=arguments["reason"] if action.kind == "hold" else action.kind,
            flags=_as_text(action.flags),
            edits=self._edits(action, before),
            arguments=arguments,
            globals=self._globals() if action.kind == "hold" else (),
            held_by=self.kept_by if action.kind == "hold" else "",
            done=_done(self.passed.actions) if action.kind == "hold" else (),
        )

    def _globals(self) -> tuple[tuple[str, str], ...]:
        """What files behind a hold find when the message is released from it."""
        return tuple(sorted(self.passed.globals.items()))

    def _edits(self, made: Action | Passed, actions: Sequence[Action]) -> tuple[Edit, ...]:
        """Return the message as a script left it: its bytes, then its header, then footers."""
        own, content = self.before, self.content
        if made.content is not None:
            own += rewritten(content, made.content)
            content = made.content
        if made.edits:
            own += recorded(parse_message(content), made.edits)
        if any(one.body for one in self.before):  # a file before a hold gave it its footer
            return own
        return own + footer_edits(actions)

    def _sealed(self, file: ChainFile, result: Result) -> Diagnostic | None:
        """A signed or encrypted part is never edited."""
        if result.passed.content is None or not is_sealed(self.content):
            return None
        sentence = "'replace' and 'enclose' would break a signed or encrypted message"
        return Diagnostic(file=file.path, line=1, column=1, message=sentence)


def _envelope(actions: Sequence[Action]) -> dict[str, Any]:
    """Return what became of the envelope, as arguments of what is done after `actions`."""
    return {
        f"envelope_{one.arguments.get('part', 'from')}": as_text(one.target)
        for one in actions
        if one.kind in ENVELOPE
    }


def _done(actions: Sequence[Action]) -> tuple[Done, ...]:
    """Return what counts for files behind a hold: no effect twice, no two answers."""
    asked = [one for one in actions if one.kind in ENVELOPE or one.kind in KINDS]
    return tuple(
        (f"{one.kind} {one.arguments.get('part', '')}".strip(), one.target, one.file, one.line)
        for one in asked
        if one.kind != "hold"
    )


def _as_text(value: Any) -> Any:
    """Return a value of an action with what is no text in a mail replaced: it is stored."""
    if isinstance(value, str):
        return as_text(value)
    if isinstance(value, tuple):
        return value if all(map(str.isascii, value)) else tuple(map(as_text, value))
    if isinstance(value, dict):
        return {key: _as_text(one) for key, one in value.items()}
    return value


def _each_once(effects: Sequence[Effect], *, route: str) -> tuple[Effect, ...]:
    """The same action on the same target counts once; a discard only when it is alone.

    `route` is the default one: by its name or as INBOX it is the same target.
    """
    once: dict[tuple[EffectKind, str], Effect] = {}
    for effect in effects:
        is_default = effect.kind is EffectKind.STORE and effect.target == DEFAULT
        once.setdefault((effect.kind, route if is_default else effect.target), effect)
    delivering = [one for one in once.values() if one.kind is not EffectKind.DISCARD]
    others = (EffectKind.STORE, EffectKind.REDIRECT, EffectKind.HOLD, EffectKind.AGENT)
    if any(one.kind in (*others, EffectKind.REJECT) for one in delivering):
        return tuple(delivering)
    return tuple(once.values())
