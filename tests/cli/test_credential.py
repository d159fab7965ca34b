from __future__ import annotations

import pytest

from gateway.cli.credential import make, new_password
from gateway.cli.refusal import Refusal
from gateway.store import tenants
from gateway.store.sealing import Seal
from tests.cli.running import TENANT, Cli
from tests.store.values import NOON


def test_a_password_is_printed_once_and_only_its_hash_is_kept(cli: Cli) -> None:
    cli.apply()
    made = cli.json("credential", "add", "acme", "zammad")
    assert list(made) == ["username", "password"]
    assert made["username"] == "acme.zammad"
    assert len(made["password"]) == 43  # 32 bytes in base64url
    stored = cli.write_store(tenants.credentials)["acme.zammad"]
    assert Seal.load(cli.home / "state" / "secret.key").matches(made["password"], stored.hashed)
    kept = b"".join(path.read_bytes() for path in (cli.home / "state").iterdir())
    assert made["password"].encode() not in kept
    assert made["password"] not in cli.say("credential", "list")


def test_no_command_takes_a_password_for_an_option() -> None:
    made = {new_password() for _ in range(1000)}  # one in 64 would be
    assert len(made) == 1000
    assert not any(one.startswith("-") for one in made)


def test_a_second_password_needs_the_first_one_revoked(cli: Cli) -> None:
    cli.apply()
    cli.say("credential", "add", "acme", "zammad")
    assert "has a password already" in cli.refused("credential", "add", "acme", "zammad")
    cli.say("credential", "revoke", "acme", "zammad")
    assert cli.json("credential", "list") == []
    cli.say("credential", "add", "acme", "zammad")


def test_two_who_make_a_login_at_once_are_not_both_shown_a_password(cli: Cli) -> None:
    """One came between the look and the write: its password would be no good."""
    cli.apply()
    made = cli.json("credential", "add", "acme", "zammad")
    seal = Seal.load(cli.home / "state" / "secret.key")
    with pytest.raises(Refusal, match="has a password already"):
        cli.write_store(make, seal, ("acme", "zammad"), {}, "other", now=NOON)
    stored = cli.write_store(tenants.credentials)["acme.zammad"]
    assert seal.matches(made["password"], stored.hashed)


def test_what_the_tenant_file_said_of_a_login_stays(cli: Cli) -> None:
    cli.apply(
        TENANT + '[credentials.desk]\nnetworks = ["10.1.0.0/16"]\nmessages_per_hour = 9\n'
    )
    cli.json("credential", "add", "acme", "desk")
    [row] = cli.json("credential", "list", "--tenant", "acme")
    assert row == {
        "username": "acme.desk",
        "tenant": "acme",
        "networks": ["10.1.0.0/16"],
        "messages_per_hour": 9,
        "has_password": True,
    }


def test_a_name_that_nothing_carries_is_told_with_the_nearest(cli: Cli) -> None:
    cli.apply()
    cli.say("credential", "add", "acme", "zammad")
    assert "did you mean 'acme'?" in cli.refused("credential", "add", "acne", "zammad")
    assert "did you mean 'zammad'?" in cli.refused("credential", "revoke", "acme", "zamad")
    assert "--network: " in cli.refused("credential", "add", "acme", "x", "--network", "10.1")
