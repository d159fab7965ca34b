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


def find_release(before: Plan, now: Plan) -> Effect | None:
    """Return the hold of `now` that the message was released from, None when there is none."""
    hold = next((one for one in now.effects if one.kind is EffectKind.HOLD), None)
    if hold is None:
        return None
    place = (hold.file, hold.line)
    waits = any(
        one.kind is EffectKind.HOLD and (one.file, one.line) == place for one in before.effects
    )
    ran = any(
        (step.file, step.line) == place and step.text.startswith("hold ")
        for step in before.trace
    )
    return hold if ran and not waits else None


def treatment(plan: Plan) -> tuple[str, ...]:
    """Return what a Plan does with a message, an effect in a few words."""
    return tuple(_words(one) for one in plan.effects) or ("nothing",)


def _words(effect: Effect) -> str:
    words = [effect.kind.value, effect.shown_target]
    if effect.kind is EffectKind.HOLD:
        words.append(effect.reason)
    if effect.flags:
        words.append(f"[{' '.join(sorted(effect.flags))}]")
    return " ".join(filter(None, words))
