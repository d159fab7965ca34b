"""The shipped policies pass their own testsuites, and a failing one is told."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gateway.mail.tenant import Route, Tenant
from gateway.policy.suite import chain_runner, suites
from gateway.sieve.interface import CompileError, Limits
from gateway.sieve.testsuite import run_testsuite

SHIPPED = Path(__file__).parents[2] / "policies"
ACME = Tenant(
    id="acme", route="desk", routes={"desk": Route(name="desk", type="smtp", host="desk")}
)
SUITE = """require ["vnd.dovecot.testsuite", "vnd.gateway.testsuite"];
test "kept" {
  if not test_chain_run "inbound" { test_fail "failed"; }
  if not test_result_action "keep" { test_fail "not kept"; }
}
"""


@pytest.mark.parametrize("path", suites(SHIPPED), ids=lambda path: path.stem)
def test_a_shipped_policy_passes_its_tests(path: Path) -> None:
    results = run_testsuite(path, run_chain=chain_runner(SHIPPED, ACME, limits=Limits()))
    assert results
    assert [(one.name, one.reason) for one in results if not one.ok] == []


def test_the_shipped_tests_hold_for_policies_that_are_switched_on(tmp_path: Path) -> None:
    """As each of them says at its top: by taking ".off" off its name."""
    copied = Path(shutil.copytree(SHIPPED, tmp_path / "policies"))
    for path in copied.rglob("inbound/*.off"):
        path.rename(path.with_suffix(""))
    results = [
        result
        for suite in suites(copied)
        for result in run_testsuite(
            suite, run_chain=chain_runner(copied, ACME, limits=Limits())
        )
    ]
    assert [(one.name, one.reason) for one in results if not one.ok] == []


def test_every_shipped_policy_has_tests() -> None:
    scripts = {path.name.split(".")[0] for path in SHIPPED.rglob("*.sieve*")}
    assert scripts == {path.stem for path in suites(SHIPPED)}


@pytest.mark.parametrize(("script", "ok"), [("keep;", True), ("discard;", False)])
def test_a_testsuite_runs_the_whole_chain(tmp_path: Path, script: str, *, ok: bool) -> None:
    (tmp_path / "inbound").mkdir()
    (tmp_path / "inbound/1.sieve").write_text("keep;\n")
    (tmp_path / "inbound/2.sieve").write_text(f"{script}\n")
    suite = tmp_path / "a.svtest"
    suite.write_text(SUITE)
    (result,) = run_testsuite(suite, run_chain=chain_runner(tmp_path, ACME, limits=Limits()))
    assert result.ok is ok


def test_a_chain_that_does_not_compile_is_told(tmp_path: Path) -> None:
    (tmp_path / "inbound").mkdir()
    (tmp_path / "inbound/1.sieve").write_text("kep;\n")
    suite = tmp_path / "a.svtest"
    suite.write_text(SUITE)
    with pytest.raises(CompileError):
        run_testsuite(suite, run_chain=chain_runner(tmp_path, ACME, limits=Limits()))
