"""Pure: what a stored message was judged, and what the files as they are now make of it."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.mail.plan import Effect, EffectKind, Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How one message was treated, and how it would be now."""

    before: tuple[str, ...]
    now: tuple[str, ...]
    rule: str  # file and line that decide it now


def find_difference(before: Plan, now: Plan) -> Difference | None:
    """Return how two Plans of one message differ; None when they do the same."""
    old, new = treatment(before), treatment(now)
    if sorted(old) == sorted(new):
        return None
    changed = [one for one in now.effects if _words(one) not in old] or list(now.effects)
    first = changed[0] if changed else None
    rule = f"{first.file}:{first.line}" if first and first.file else ""
    return Difference(before=old, now=new, rule=rule)


def treatment(plan: Plan) -> tuple[str, ...]:
    """Return what a Plan does with a message, an effect in a few words."""
    return tuple(_words(one) for one in plan.effects) or ("nothing",)


def _words(effect: Effect) -> str:
    words = [effect.kind.value, effect.target[:80].split("\r\n")[0]]
    if effect.kind is EffectKind.HOLD:
        words.append(effect.reason)
    if effect.flags:
        words.append(f"[{' '.join(sorted(effect.flags))}]")
    return " ".join(filter(None, words))
