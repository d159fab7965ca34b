"""Testsuite scripts: our own, and what they say of a failure."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.sieve.bench import Bench
from gateway.sieve.bench_settings import read_settings
from gateway.sieve.interface import CompileError, Outside, Result
from gateway.sieve.testsuite import run_testsuite
from tests.sieve.outside import run

SUITES = sorted((Path(__file__).parent / "suites").glob("*.svtest"))


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_our_own_suites_pass(path: Path) -> None:
    results = run_testsuite(path)
    assert results
    assert [(one.name, one.reason) for one in results if not one.ok] == []


def suite(tmp_path: Path, body: str) -> Path:
    path = tmp_path / "x.svtest"
    path.write_text(f'require ["vnd.dovecot.testsuite", "vnd.gateway.testsuite"];\n{body}')
    return path


def test_the_implicit_keep_stores_the_message_as_the_script_left_it(tmp_path: Path) -> None:
    (tmp_path / "a.sieve").write_text(
        'require ["imap4flags", "editheader"]; addflag "vip"; addheader "X-A" "b";'
    )
    body = """require "imap4flags";
    test "kept" {
      if not test_script_compile "a.sieve" { test_fail "does not compile"; }
      if not test_script_run { test_fail "failed"; }
      if not test_result_execute { test_fail "not kept"; }
      test_message :folder "INBOX" 0;
      if not hasflag "vip" { test_fail "no flag"; }
      if not header "X-A" "b" { test_fail "no header"; }
    }"""
    (result,) = run_testsuite(suite(tmp_path, body))
    assert (result.ok, result.reason) == (True, "")


def test_a_failure_has_its_line_and_reason(tmp_path: Path) -> None:
    path = suite(tmp_path, 'test "a" {\n  test_fail "not so";\n}\ntest "b" { keep; }')
    assert [(one.name, one.ok, one.reason) for one in run_testsuite(path)] == [
        ("a", False, "line 3: not so"),
        ("b", True, ""),
    ]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('test_set "now" "noon";', "'noon' is no time; write it like 2025-07-01T12:00:00Z"),
        ('test_set "now" "0001-01-01T00:00:00+01:00";', "is no time"),
        ('test_set "thread" "first";', 'this is "new" or "reply", not "first"'),
        (
            'test_config_set "sieve_vacation_max_subject_codepoints" "x"; test_config_reload;',
            "a setting is no number",
        ),
    ],
)
def test_a_value_that_is_none_is_told_by_its_line(tmp_path: Path, body: str, said: str) -> None:
    (result,) = run_testsuite(suite(tmp_path, f'test "a" {{ {body} }}'))
    assert not result.ok
    assert result.reason.startswith("line 2: ")
    assert said in result.reason


@pytest.mark.parametrize(
    "body",
    [
        'test "a" { keeep; }', "test {", 'fileinto "x";', 'test_set "auth.dkmi" "pass";',
        'if test_chain_run "in" { keep; }',
    ],
)  # fmt: skip
def test_a_file_that_does_not_compile_says_so(tmp_path: Path, body: str) -> None:
    with pytest.raises(CompileError):
        run_testsuite(suite(tmp_path, body))


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(CompileError):
        run_testsuite(tmp_path / "none.svtest")


def test_the_policies_are_run_by_what_was_given(tmp_path: Path) -> None:
    asked: list[str] = []

    def chain(direction: str, content: bytes, outside: Outside) -> Result:
        asked.append(f"{direction} {[*outside.auth('dkim')]} {outside.now.isoformat()}")
        return run('hold "why";', letter=content)

    path = suite(
        tmp_path,
        'test "a" { test_set "auth.dkim" "pass"; test_set "now" "2025-07-01T12:00:00Z";'
        ' if not test_chain_run "inbound" { test_fail "x"; }'
        ' if not test_result_action "hold" { test_fail "y"; } }',
    )
    assert [one.ok for one in run_testsuite(path, run_chain=chain)] == [True]
    assert asked == ["inbound [('pass', '')] 2025-07-01T12:00:00+00:00"]


def test_a_script_under_test_reads_nothing_outside_its_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.sieve").write_text("keep;")
    (tmp_path / "in").mkdir()
    bench = Bench(tmp_path / "in")
    assert bench.include("personal", "../secret") is None


def test_setting_names_of_others_become_our_limits() -> None:
    found = read_settings(
        {
            "recipient_delimiter": "-",
            "sieve_max_redirects": "7",
            "sieve_editheader_max_header_size": "1k",
            "sieve_spamtest_status_header": "X-S",
            "unheard_of": "x",
        }
    )
    assert (found.limits.separators, found.limits.redirects) == ("-", 7)
    assert found.limits.added_header_bytes == 1024
    assert found.limits.spam is not None
