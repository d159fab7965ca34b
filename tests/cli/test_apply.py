from __future__ import annotations

import tomllib

import pytest

from gateway.cli.apply import Order
from gateway.cli.opening import opened
from gateway.cli.tenant_source import load_source
from gateway.store.errors import Conflict
from tests.cli.running import TENANT, Cli

MAILBOX = """
[mailboxes."shop@163.com"]
provider = "netease-163"
password_file = "code"
issued = 2026-11-01
"""


def test_a_tenant_file_is_applied_once_and_then_changes_nothing(cli: Cli) -> None:
    first = cli.apply()
    rows = [line.split() for line in first.splitlines()]
    assert ["+", "upstream", "own", "added"] in rows
    assert ["*", "upstream", "own", "secret", "sealed"] in rows
    assert "next: gateway domain records acme.example" in first
    assert "acme: nothing to change" in cli.say("apply", "acme.toml")


def test_what_is_exported_reads_back_as_the_same_tenant(cli: Cli) -> None:
    cli.write("code", "ABCDEF\n")
    cli.apply(TENANT + MAILBOX)
    exported = cli.say("export", "acme")
    assert "upstream secret" not in exported
    cli.write("again.toml", exported)
    assert cli.json("apply", "again.toml")["changes"] == []
    document = tomllib.loads(exported)
    assert cli.json("export", "acme") == document
    assert document["upstreams"]["own"]["password_file"] == str(cli.home / "own-password")


def test_what_may_not_work_is_told_by_apply_and_check(cli: Cli) -> None:
    tokens = '[senders."support@acme.example"]'
    assert tokens in TENANT
    text = TENANT.replace(tokens, f"{tokens}\nreply_tokens = true")
    cli.apply(text)
    [note] = cli.json("apply", "acme.toml")["notes"]
    assert note.startswith(f"{tokens} reply_tokens: answers of customers bounce where")
    assert any(one.endswith(note) for one in cli.json("check", "acme.toml")["warnings"])


def test_a_dry_run_shows_what_would_change_and_changes_nothing(cli: Cli) -> None:
    cli.write("own-password", "upstream secret\n")
    cli.write("acme.toml", TENANT)
    shown = cli.json("apply", "acme.toml", "--dry-run")
    assert shown["dry_run"] is True
    sender = {"kind": "sender", "name": "support@acme.example", "action": "added", "keys": []}
    assert sender in shown["changes"]
    assert cli.json("tenant", "list") == []


def test_what_the_file_does_not_name_stays_without_prune(cli: Cli) -> None:
    cli.apply(TENANT + '[routes.desk]\ntype = "smtp"\nhost = "desk"\n')
    cli.apply(TENANT)
    assert "desk" in cli.json("export", "acme")["routes"]


def test_prune_asks_or_takes_yes(cli: Cli) -> None:
    cli.apply(TENANT + '[routes.desk]\ntype = "smtp"\nhost = "desk"\n')
    cli.write("acme.toml", TENANT)
    said = cli.refused("apply", "acme.toml", "--prune")
    assert said == "gateway: --prune would remove route desk; --yes agrees\n"
    changes = cli.json("apply", "acme.toml", "--prune", "--yes")["changes"]
    assert [(one["kind"], one["action"]) for one in changes] == [("route", "removed")]
    assert "routes" not in cli.json("export", "acme")


def test_prune_removes_nothing_that_came_while_a_person_was_asked(cli: Cli) -> None:
    more = TENANT + '[routes.desk]\ntype = "smtp"\nhost = "desk"\n'
    cli.apply(more)
    source = load_source(cli.write("acme.toml", TENANT))
    with opened(cli.home / "gateway.conf") as gateway:
        order = Order(source, gateway.load_seal(), prune=True, force=False)
        order.agreed = order.rehearse(gateway)
        cli.apply(more + '[routes.other]\ntype = "smtp"\nhost = "other"\n')
        with pytest.raises(Conflict, match="route other was added meanwhile"):
            order.carry_out(gateway)
    assert {*cli.json("export", "acme")["routes"]} == {"desk", "other"}


def test_a_mailbox_of_another_tenant_is_refused_with_that_reason(cli: Cli) -> None:
    cli.write("code", "ABCDEF\n")
    cli.apply(TENANT + MAILBOX)
    cli.write("other.toml", 'tenant = "other"\n' + MAILBOX)
    for words in (("apply", "other.toml"), ("apply", "other.toml", "--prune")):
        said = cli.refused(*words)
        assert said.startswith("gateway: other.toml: the mailbox shop@163.com belongs to the")
    assert [one["tenant"] for one in cli.json("tenant", "list")] == ["acme"]


def test_a_domain_in_which_another_tenant_has_a_sender_is_refused(cli: Cli) -> None:
    cli.apply(TENANT.replace('[domains."acme.example"]\n', ""))
    cli.write("other.toml", 'tenant = "other"\n[domains."acme.example"]\n')
    said = cli.refused("apply", "other.toml")
    assert "the tenant acme has the sender support@acme.example in the domain" in said


def test_a_new_domain_gets_its_keys_and_an_old_one_keeps_them(cli: Cli) -> None:
    cli.apply()
    first = cli.json("domain", "records", "acme.example")
    cli.apply(TENANT.replace("Acme Shop", "Acme"))
    assert cli.json("domain", "records", "acme.example") == first


def test_a_file_with_faults_is_told_line_by_line_and_changes_nothing(cli: Cli) -> None:
    wrong = TENANT.replace('upstream = "own"', 'upstream = "owm"')
    cli.write("acme.toml", wrong)
    said = cli.refused("apply", "acme.toml").splitlines()
    assert said == [
        'gateway: acme.toml: [senders."support@acme.example"] upstream:'
        " there is no upstream 'owm'; did you mean 'own'?",
        "gateway: acme.toml: [upstreams.own] password_file:"
        f" {cli.home / 'own-password'}: no such file or directory",
    ]
    assert cli.json("tenant", "list") == []
