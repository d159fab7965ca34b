"""Plans, traces and chains for people and programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.mail.plan import Effect, EffectKind, Plan, Step
from gateway.mail.tenant import Tenant
from gateway.policy.files import load_chain
from gateway.policy.rendering import chain_rows, fault_rows, plan_lines, plan_row, trace_lines
from gateway.sieve.interface import CompileError

BILLING = Effect(
    kind=EffectKind.STORE,
    target="billing",
    flags=("vip",),
    file="x.sieve",
    line=9,
    reason="route",
)
VACATION = Effect(
    kind=EffectKind.VACATION, arguments={"seconds": 604800, "subject": None, "mime": False}
)


def test_a_plan_as_json() -> None:
    row = plan_row(Plan(effects=(BILLING, VACATION), version="v"))
    place = {"file": "x.sieve", "line": 9}
    nowhere = {"file": "", "line": 0}
    assert row == {
        "effects": [
            {"effect": "store", "target": "billing", "flags": ["vip"], **place},
            {"effect": "vacation", "target": "", "flags": [], "seconds": 604800, **nowhere},
        ],
        "failed": False,
        "errors": [],
    }


def test_a_discard_leaves_the_list_empty() -> None:
    plan = Plan(effects=(Effect(kind=EffectKind.DISCARD),), version="v")
    assert plan_row(plan)["effects"] == []


def test_a_failed_run_has_no_effects_and_names_the_place() -> None:
    plan = Plan(effects=(BILLING,), version="v", errors=("in/x.sieve:7: too: many",))
    assert plan_row(plan) == {
        "effects": [],
        "failed": True,
        "errors": [{"file": "in/x.sieve", "line": 7, "message": "too: many"}],
    }


def test_a_plan_for_people() -> None:
    hold = Effect(kind=EffectKind.HOLD, file="x.sieve", line=2, reason="look")
    lines = plan_lines(Plan(effects=(BILLING, hold), version="v", errors=("x.sieve:2: look",)))
    assert lines == [
        "store billing [vip] (x.sieve:9)",
        "hold (x.sieve:2): look",
        "error: x.sieve:2: look",
    ]


def test_an_agents_guidance_is_told_by_its_first_line() -> None:
    agent = Effect(kind=EffectKind.AGENT, target="Answer politely.\r\nUse what is given.\r\n")
    assert plan_lines(Plan(effects=(agent,), version="v")) == ["agent Answer politely. ..."]


def test_a_trace_is_told_file_by_file() -> None:
    trace = [Step(file="a", line=1, text="keep"), Step(file="b", line=22, text="stop")]
    assert trace_lines(trace) == ["a:", "     1  keep", "b:", "    22  stop"]


def test_a_chain_in_its_order(tmp_path: Path) -> None:
    for name in ("inbound/1.sieve", "inbound-after/2.sieve"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("keep;\n")
    rows = chain_rows(load_chain(tmp_path, Tenant(id="acme"), "inbound"))
    assert [(row["order"], row["file"]) for row in rows] == [
        (1, "inbound/1.sieve"),
        (2, "inbound-after/2.sieve"),
    ]


def test_faults_have_file_line_and_column(tmp_path: Path) -> None:
    (tmp_path / "inbound").mkdir()
    (tmp_path / "inbound/1.sieve").write_text("keep;\nkep;\n")
    with pytest.raises(CompileError) as raised:
        load_chain(tmp_path, Tenant(id="acme"), "inbound")
    (row,) = fault_rows(raised.value)
    assert (row["file"], row["line"], row["column"]) == ("inbound/1.sieve", 2, 1)
    assert "keep" in row["message"]
