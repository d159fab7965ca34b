from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.running import Cli

MESSAGE = """Return-Path: <ann@example.org>
From: Ann <ann@example.org>
To: support@acme.example
Subject: hello

Hello
"""
VACATION = (
    'require ["vacation", "fileinto", "imap4flags"];\nvacation :days 7 "We answer soon";\n'
)


@pytest.fixture
def bench(bare: Cli) -> Cli:
    bare.write("mail.eml", MESSAGE)
    bare.write("vacation.sieve", VACATION)
    return bare


def trial(bench: Cli, *words: str) -> Any:
    return bench.json("policy", "test", *words, "mail.eml")


def test_a_script_is_tried_without_any_configuration(bench: Cli) -> None:
    found = trial(bench, "--script", "vacation.sieve", "--auth", "dkim=pass")
    assert list(found) == ["effects", "failed", "errors", "outgoing", "suppressed"]
    effects = {one["effect"]: one for one in found["effects"]}
    assert effects["vacation"]["seconds"] == 604_800
    assert effects["store"]["target"] == "INBOX"
    [mail] = found["outgoing"]
    assert (mail["kind"], mail["mail_from"], mail["rcpt_to"]) == (
        "vacation", "", "ann@example.org",
    )  # fmt: skip
    assert ["Auto-Submitted", "auto-replied (vacation)"] in mail["headers"]
    assert found["suppressed"] == []


def test_an_answer_that_the_gate_keeps_back_stays_among_the_effects(bench: Cli) -> None:
    found = trial(bench, "--script", "vacation.sieve")
    assert "vacation" in [one["effect"] for one in found["effects"]]
    assert found["outgoing"] == []
    [row] = found["suppressed"]
    assert row["effect"] == "vacation"
    assert "not verified" in row["reason"]


def test_the_null_path_is_answered_nothing(bench: Cli) -> None:
    found = trial(bench, "--script", "vacation.sieve", "--auth", "dkim=pass", "--from", "")
    assert [row["reason"] for row in found["suppressed"]] == ["the envelope sender is empty"]


def test_strict_asks_for_no_more_than_the_rfcs(bench: Cli) -> None:
    found = trial(bench, "--script", "vacation.sieve", "--strict")
    assert [one["kind"] for one in found["outgoing"]] == ["vacation"]


def test_a_discard_leaves_nothing(bench: Cli) -> None:
    bench.write("discard.sieve", "discard;\n")
    assert trial(bench, "--script", "discard.sieve")["effects"] == []
    told = bench.say("policy", "test", "--script", "discard.sieve", "mail.eml")
    assert "plan: discard (discard.sieve:1)" in told


def test_a_script_that_does_not_compile_is_exit_2_with_its_place(bench: Cli) -> None:
    bench.write("broken.sieve", "kepe;\n")
    done = bench.run("policy", "test", "--script", "broken.sieve", "--json", "mail.eml")
    assert done.returncode == 2
    [fault] = json.loads(done.stdout)["errors"]
    assert (fault["file"], fault["line"], fault["column"]) == ("broken.sieve", 1, 1)


def test_the_whole_chain_of_a_tenant_is_tried(bench: Cli) -> None:
    bench.configure()
    (bench.home / "policies" / "inbound").mkdir()
    bench.write("policies/inbound/10-x.sieve", 'require "fileinto";\nfileinto "INBOX";\n')
    bench.apply()
    told = bench.say("policy", "test", "--tenant", "acme", "mail.eml")
    assert "plan: store INBOX (inbound/10-x.sieve:2)" in told


def test_a_message_saved_in_mbox_format_is_read(bench: Cli) -> None:
    bench.write("mbox.eml", "From ann@example.org Tue Jul  1 10:30:00 2025\n" + MESSAGE)
    bench.write("head.sieve", 'if exists "from" { discard; }')
    told = bench.json("policy", "test", "--script", "head.sieve", "mbox.eml")
    assert told["effects"] == []


def test_a_submission_is_shown_as_it_would_leave(bench: Cli) -> None:
    bench.write("out.sieve", 'setfrom :name "Shop" "support@acme.example";')
    bench.configure()
    bench.apply()
    words = ("--tenant", "acme", "--script", "out.sieve", "--chain", "outbound")
    (mail,) = trial(bench, *words)["outgoing"]
    assert (mail["kind"], mail["mail_from"]) == ("message", "support@acme.example")
    assert ["From", '"Shop" <support@acme.example>'] in mail["headers"]


def test_words_that_mean_nothing_are_refused(bench: Cli) -> None:
    script = ["policy", "test", "--script", "vacation.sieve", "mail.eml"]
    assert "is no result" in bench.refused(*script, "--auth", "dkim=maybe")
    assert "--now: 'noon' is no time; write" in bench.refused(*script, "--now", "noon")
    assert "--from: 'Ann' is not one mail" in bench.refused(*script, "--from", "Ann")
    bench.write("latin.sieve", "").write_bytes(b'addflag "\xe4";')
    latin = ["policy", "test", "--script", "latin.sieve", "mail.eml"]
    assert "latin.sieve: the file is not UTF-8 text (byte 9)" in bench.refused(*latin, code=2)
    assert "no such file" in bench.refused("policy", "test", "--script", "x", "none.eml")


def test_a_notification_is_shown_as_it_would_be_sent(cli: Cli) -> None:
    cli.write("mail.eml", MESSAGE)
    cli.write("notify.sieve", 'notify "mailto:lead@acme.example";')
    cli.write("acme.toml", 'tenant = "acme"\nnotify = ["lead@acme.example"]\n')
    cli.say("apply", "acme.toml")
    words = ("--tenant", "acme", "--script", "notify.sieve", "--auth", "dkim=pass")
    (kept_back,) = trial(cli, *words)["suppressed"]
    assert kept_back["reason"] == "nobody is told: gateway.conf has no [alerts]"
    config = cli.home / "gateway.conf"
    alerts = '[alerts]\nto = ["it@a.example"]\nfrom = "gw@a.example"\nhost = "127.0.0.1"\n'
    config.write_text(config.read_text() + alerts)
    (mail,) = trial(cli, *words)["outgoing"]
    assert (mail["kind"], mail["mail_from"], mail["rcpt_to"]) == (
        "notify", "gw@a.example", "lead@acme.example",
    )  # fmt: skip
    assert ["Auto-Submitted", "auto-notified"] in mail["headers"]
