from __future__ import annotations

from dataclasses import replace

from gateway.mail.plan import Effect, EffectKind, Plan, Step
from gateway.policy.difference import find_difference, find_release, treatment

DESK = Effect(kind=EffectKind.STORE, target="desk", file="inbound/1.sieve", line=2)
HOLD = Effect(kind=EffectKind.HOLD, reason="look", file="inbound/9.sieve", line=4)


def plan(*effects: Effect) -> Plan:
    return Plan(effects=effects, version="")


def test_the_same_effects_in_another_order_are_no_difference() -> None:
    assert find_difference(plan(DESK, HOLD), plan(HOLD, DESK)) is None


def test_a_difference_names_the_rule_that_makes_it() -> None:
    found = find_difference(plan(DESK), plan(DESK, HOLD))
    assert found is not None
    assert found.before == ("store desk",)
    assert found.now == ("store desk", "hold look")
    assert found.rule == "inbound/9.sieve:4"


def test_tags_and_nothing_at_all_are_told() -> None:
    tagged = Effect(kind=EffectKind.STORE, target="desk", flags=("vip", "new"))
    assert treatment(plan(tagged)) == ("store desk [new vip]",)
    assert treatment(plan()) == ("nothing",)


def test_a_hold_that_a_message_was_released_from_is_known_by_its_trace() -> None:
    held = Step(file=HOLD.file, line=HOLD.line, text='hold "look"')
    tested = held._replace(text='header "subject" "x": false')
    assert find_release(replace(plan(DESK), trace=(held,)), plan(HOLD)) == HOLD
    assert find_release(replace(plan(DESK), trace=(tested,)), plan(HOLD)) is None
    assert find_release(replace(plan(HOLD), trace=(held,)), plan(HOLD)) is None
    assert find_release(replace(plan(DESK), trace=(held,)), plan(DESK)) is None
