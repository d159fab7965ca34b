from __future__ import annotations

import json

import pytest

from gateway.mail.plan import Effect, EffectKind, Plan, Step
from gateway.policy.files import GONE
from gateway.store import plans, queue
from gateway.store.sqlite import Db
from tests.cli.running import Cli
from tests.store.values import NOON, outgoing

GOOD = 'if header :contains "subject" "spam" { discard; stop; }\nkeep;\n'
SUITE = """require ["vnd.dovecot.testsuite", "vnd.gateway.testsuite"];
test "kept" {
  if not test_chain_run "inbound" { test_fail "failed"; }
  if not test_result_action "%s" { test_fail "not so"; }
}
"""


@pytest.fixture
def policies(cli: Cli) -> Cli:
    (cli.home / "policies" / "inbound").mkdir()
    (cli.home / "policies" / "tests").mkdir()
    cli.write("policies/inbound/10-spam.sieve", GOOD)
    return cli


def test_the_chain_of_each_tenant_is_listed(policies: Cli) -> None:
    policies.apply()
    inbound, outbound = policies.json("policy", "list")
    assert (inbound["tenant"], inbound["chain"]) == ("acme", "inbound")
    assert [one["file"] for one in inbound["files"]] == ["inbound/10-spam.sieve"]
    assert outbound["files"] == []
    assert "inbound/10-spam.sieve" in policies.say("policy", "list", "--tenant", "acme")


def test_the_words_of_the_language_are_told(cli: Cli) -> None:
    words = cli.json("policy", "commands")
    assert "fileinto" in [one["name"] for one in words["commands"]]
    assert cli.json("policy", "commands", "hold")["help"].startswith("Let the message wait")
    assert ":notify" in cli.say("policy", "commands", "hold")
    assert "did you mean 'hold'?" in cli.refused("policy", "commands", "hodl")


def test_a_fault_is_shown_with_its_line_and_a_mark(policies: Cli) -> None:
    assert "every chain compiles" in policies.say("policy", "check")
    policies.write("policies/inbound/20-x.sieve", 'if header :contians "a" "b" { stop; }\n')
    done = policies.run("policy", "check")
    assert done.returncode == 1
    assert "20-x.sieve:1:11: error:" in done.stdout
    assert "did you mean ':contains'?" in done.stdout
    assert "^^^^" in done.stdout
    assert done.stderr == f"gateway: 1 fault in {policies.home / 'policies'}\n"
    shown = json.loads(policies.run("policy", "check", "--json").stdout)
    assert (shown["ok"], shown["errors"][0]["line"]) == (False, 1)


def test_one_file_or_one_folder_is_checked_by_itself(policies: Cli) -> None:
    policies.write("policies/inbound/20-x.sieve", "frobnicate;\n")
    policies.write("policies/inbound/30-off.sieve.off", "kep;\n")
    assert "it compiles" in policies.say("policy", "check", "policies/inbound/10-spam.sieve")
    assert "1 fault" in policies.refused("policy", "check", "policies/inbound/30-off.sieve.off")
    assert "1 fault" in policies.refused("policy", "check", "policies/inbound")
    assert "compiles" in policies.say("policy", "check", "policies/tests")
    (policies.home / "policies" / "lib").mkdir()
    policies.write("policies/lib/foot.sieve", 'footer "Acme";\n')
    assert "it compiles" in policies.say("policy", "check", "policies/lib/foot.sieve")
    assert "there is no such file" in policies.refused("policy", "check", "policies/lbi")
    (policies.home / "policies").rename(policies.home / "away")
    (fault,) = policies.json("status")["policies"]["errors"]
    assert fault["message"] == GONE


def test_a_file_of_a_tenant_that_is_not_there_never_runs(policies: Cli) -> None:
    policies.apply()
    (policies.home / "policies" / "tenants" / "acmee" / "inbound").mkdir(parents=True)
    policies.write("policies/tenants/acmee/inbound/10-x.sieve", "keep;\n")
    told = policies.say("policy", "check")
    assert "there is no tenant 'acmee'; did you mean 'acme'?" in told


@pytest.mark.parametrize(("action", "code"), [("keep", 0), ("discard", 1)])
def test_the_tests_of_policies_are_run(policies: Cli, action: str, code: int) -> None:
    policies.write("policies/tests/10-spam.svtest", SUITE % action)
    done = policies.run("policy", "testsuite")
    assert done.returncode == code
    first, totals = done.stdout.splitlines()
    assert first == ("FAIL\tkept\tline 4: not so" if code else "ok\tkept")
    assert totals == f"1 test, {code} failed"


def test_a_testsuite_that_does_not_compile_is_exit_2(policies: Cli) -> None:
    policies.write("policies/tests/10-spam.svtest", "tset;\n")
    assert "10-spam.svtest:1:1: error:" in policies.refused("policy", "testsuite", code=2)
    checked = policies.refused("policy", "check", "policies/tests/10-spam.svtest")
    assert "these are tests; gateway policy testsuite" in checked


def test_the_trace_of_a_real_message_is_explained(policies: Cli) -> None:
    policies.apply()
    message = outgoing()
    step = Step(file="outbound/10.sieve", line=3, text='footer "Acme"')
    effect = Effect(kind=EffectKind.HOLD, file="outbound/10.sieve", line=4, reason="look")

    def keep(db: Db) -> None:
        queue.accept(db, message, now=NOON)
        plans.store(
            db, message.id, Plan(effects=(effect,), version="v1", trace=(step,)), now=NOON
        )

    policies.write_store(keep)
    shown = policies.say("policy", "explain", "<one@acme.example>")
    assert "outbound/10.sieve:" in shown
    assert '3  footer "Acme"' in shown
    assert "hold (outbound/10.sieve:4): look" in shown
    explained = policies.json("policy", "explain", message.id)
    assert (explained["id"], explained["version"]) == (message.id, "v1")
    assert explained["trace"] == [
        {"file": "outbound/10.sieve", "line": 3, "text": 'footer "Acme"'}
    ]


def test_a_message_that_no_policy_saw_is_told_so(policies: Cli) -> None:
    policies.apply()
    message = outgoing()
    policies.write_store(queue.accept, message, now=NOON)
    assert "no policy ran on it" in policies.refused("policy", "explain", message.id)
    assert "there is no message" in policies.refused("policy", "explain", "nothing")
