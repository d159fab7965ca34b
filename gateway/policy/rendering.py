"""Plans, traces and chains as people and programs read them (policy-language §7, §8)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from gateway.mail.plan import Effect, EffectKind, Plan, Step
from gateway.policy.chain import Chain
from gateway.sieve.interface import CompileError, Diagnostic

SILENT = frozenset({"ereject", "failed"})  # arguments that are ours, not the policy's


def plan_row(plan: Plan) -> dict[str, Any]:
    """Return the Plan as `policy test --json` prints it; a failed run has no effects."""
    failed = bool(plan.errors)
    shown = [] if failed else plan.effects
    return {
        "effects": [effect_row(one) for one in shown if one.kind is not EffectKind.DISCARD],
        "failed": failed,
        "errors": [_error_row(one) for one in plan.errors],
    }


def effect_row(effect: Effect) -> dict[str, Any]:
    """Return one effect: what, where to, which line asked for it, and its arguments."""
    given = {
        key: value
        for key, value in effect.arguments.items()
        if value not in (None, "", (), [], False) and key not in SILENT
    }
    head = {"effect": effect.kind.value, "target": effect.target}
    tail = {"flags": list(effect.flags), "file": effect.file, "line": effect.line}
    return {**given, **head, **tail}


def fault_rows(error: CompileError) -> list[dict[str, Any]]:
    """Return every fault of a chain that does not compile."""
    return [_fault_row(one) for one in error.diagnostics]


def plan_lines(plan: Plan) -> list[str]:
    """Return the Plan for people, a line an effect, and what failed."""
    lines = [_effect_line(one) for one in plan.effects]
    return [*lines, *(f"error: {one}" for one in plan.errors)]


def trace_lines(trace: Iterable[Step]) -> list[str]:
    """Return what ran, file by file, each line with its number."""
    lines: list[str] = []
    for file, steps in groupby(trace, key=lambda step: step.file):
        lines.append(f"{file}:")
        lines.extend(f"{step.line:6d}  {step.text}" for step in steps)
    return lines


def chain_rows(chain: Chain) -> list[dict[str, Any]]:
    """Return the files of a chain in their order, with their warnings."""
    return [
        {
            "order": order,
            "file": file.path,
            "shadow": file.is_shadow,
            "warnings": [_fault_row(one) for one in file.script.warnings],
        }
        for order, file in enumerate(chain.files, start=1)
    ]


def _fault_row(fault: Diagnostic) -> dict[str, Any]:
    return {
        "file": fault.file,
        "line": fault.line,
        "column": fault.column,
        "message": fault.message,
    }


def _error_row(error: str) -> dict[str, Any]:
    """`FILE:LINE: MESSAGE`, as the chain wrote it."""
    place, _, message = error.partition(": ")
    file, _, line = place.rpartition(":")
    return {"file": file, "line": int(line) if line.isdigit() else 0, "message": message}


def _effect_line(effect: Effect) -> str:
    what = f"{effect.kind.value} {effect.shown_target}".strip()
    where = f" ({effect.file}:{effect.line})" if effect.file else ""
    tags = f" [{' '.join(effect.flags)}]" if effect.flags else ""
    why = f": {effect.reason}" if effect.kind is EffectKind.HOLD and effect.reason else ""
    return f"{what}{tags}{where}{why}"
