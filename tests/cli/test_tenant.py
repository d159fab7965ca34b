from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.cli.refusal import Refusal
from gateway.cli.tenant import add_new
from gateway.mail.delivery import Lane, LaneKind
from gateway.mail.tenant_file import read_tenant_file
from gateway.store import queue, tenants
from gateway.store.sealing import Seal
from tests.cli.running import TENANT, Cli
from tests.store.values import NOON, outgoing

DESK = '[routes.desk]\ntype = "smtp"\nhost = "desk.example"\n'


def test_a_tenant_is_added_listed_shown_and_removed(cli: Cli) -> None:
    cli.say("tenant", "add", "acme", "--name", "Acme Shop", "--owner", "it@acme.example")
    [row] = cli.json("tenant", "list")
    assert (row["tenant"], row["name"], row["domains"]) == ("acme", "Acme Shop", 0)
    assert cli.json("tenant", "show", "acme")["owner"] == "it@acme.example"
    assert "Acme Shop" in cli.say("tenant", "show", "acme")
    assert "already" in cli.refused("tenant", "add", "acme")
    assert cli.json("tenant", "remove", "acme", "--yes") == {"tenant": "acme", "removed": True}
    assert "there are no tenants yet" in cli.say("tenant", "list")


def test_a_tenant_that_is_added_twice_at_once_keeps_its_settings(cli: Cli) -> None:
    """One came between the look and the write: its route would be gone."""
    cli.apply(TENANT.replace('name = "Acme Shop"', 'name = "Acme Shop"\nroute = "desk"') + DESK)
    seal = Seal.load(cli.home / "state" / "secret.key")
    with pytest.raises(Refusal, match="there is a tenant 'acme' already"):
        cli.write_store(add_new, read_tenant_file({"tenant": "acme"}), seal, now=NOON)
    assert cli.json("tenant", "show", "acme")["route"] == "desk"


def test_removing_is_refused_while_mail_still_needs_the_tenant(cli: Cli) -> None:
    cli.apply()
    from_own = outgoing(lane=Lane("acme", LaneKind.UPSTREAM, "own"))
    cli.write_store(queue.accept, from_own, now=datetime.now(UTC))
    said = cli.refused("tenant", "remove", "acme", "--yes")
    assert "1 delivery still waits for the upstream own; --force holds what waits" in said
    cli.say("tenant", "remove", "acme", "--yes", "--force")
    [entry] = cli.json("queue", "list")
    assert entry["recipients"][0]["state"] == "held"
    assert entry["reason"] == "its way out was removed"
    id_ = entry["id"]
    assert entry["fix"] == f"give its sender an upstream, then gateway queue release {id_}"
    [_, held] = cli.json("log", "trace", id_)["events"]
    assert (held["event"], held["fix"]) == ("delivery.held", entry["fix"])
    cli.apply()
    assert cli.json("queue", "list")[0]["upstream"] == "own"
    cli.say("queue", "release", id_)
    assert cli.json("queue", "show", id_)["recipients"][0]["state"] == "queued"


def test_without_a_terminal_removing_needs_yes(cli: Cli) -> None:
    cli.apply()
    done = cli.run("tenant", "remove", "acme", "--json")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "gateway: Remove acme and everything of it? Nobody is at a terminal to be asked;"
        " --yes agrees\n"
    )
    assert len(cli.json("tenant", "list")) == 1


def test_a_tenant_that_cannot_be_is_refused(cli: Cli) -> None:
    assert "timezone: there is no 'Berlin'" in cli.refused(
        "tenant", "add", "acme", "--timezone", "Berlin"
    )
    assert "short name" in cli.refused("tenant", "add", "a b")


def test_keys_outlive_a_removed_tenant_for_a_while(cli: Cli) -> None:
    """Their records are published still, and the tenant may come back."""
    cli.apply()
    published = cli.json("domain", "records", "acme.example")
    cli.say("tenant", "remove", "acme", "--yes")
    now = datetime.now(UTC)
    cli.write_store(tenants.forget_keys, now=now + timedelta(days=29))
    cli.say("apply", "acme.toml")
    assert cli.json("domain", "records", "acme.example") == published
    cli.write_store(tenants.forget_keys, now=now + timedelta(days=99))
    assert cli.json("domain", "records", "acme.example") == published
    cli.say("tenant", "remove", "acme", "--yes")
    cli.write_store(tenants.forget_keys, now=now + timedelta(days=31))
    cli.say("apply", "acme.toml")
    assert cli.json("domain", "records", "acme.example") != published
