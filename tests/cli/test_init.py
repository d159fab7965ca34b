from __future__ import annotations

from pathlib import Path

from gateway.cli.init import configuration
from gateway.config import load_settings
from gateway.mail.tenant import Security
from tests.cli.running import Cli


def test_what_init_writes_is_right_and_can_be_applied(bare: Cli) -> None:
    said = bare.say("init", "--local")
    assert "next: gateway check acme.toml" in said
    assert "acme.toml: right" in bare.say("check", "acme.toml")
    bare.say("policy", "check")
    bare.say("apply", "acme.toml")
    assert bare.json("credential", "add", "acme", "helpdesk")["username"] == "acme.helpdesk"
    assert bare.json("apply", "acme.toml", "--prune", "--yes")["changes"] == []


def test_nothing_is_overwritten(bare: Cli) -> None:
    bare.write("acme.toml", "mine")
    bare.say("init", "--local")
    assert (bare.home / "acme.toml").read_text() == "mine"
    assert "is there already; nothing was written" in bare.refused("init", "--local")


def test_one_that_was_cut_short_is_run_again(bare: Cli) -> None:
    (bare.home / ".policies.new" / "inbound").mkdir(parents=True)
    bare.say("init", "--local")
    assert (bare.home / "policies" / "inbound" / "10-loops.sieve").is_file()
    assert not (bare.home / ".policies.new").exists()


def test_it_writes_where_it_is_told(bare: Cli) -> None:
    written = bare.json("init", "--local", "--config", "etc/gateway.conf")["written"]
    assert written == ["etc/gateway.conf", "etc/policies", "etc/acme.toml"]
    assert (bare.home / "etc" / "policies" / "inbound").is_dir()


def test_an_ordinary_user_gets_one_listener_of_loopback_and_a_state_beside(
    tmp_path: Path,
) -> None:
    path = tmp_path / "gateway.conf"
    path.write_text(configuration(hostname="mail.acme.example", local=True))
    settings = load_settings(path)
    [listener] = settings.submission.listeners
    assert (listener.address, listener.security) == ("127.0.0.1:2525", Security.NONE)
    assert settings.server.hostname == "mail.acme.example"
    assert settings.state == tmp_path / "state"


def test_a_server_keeps_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "gateway.conf"
    path.write_text(configuration(hostname="mail.acme.example", local=False))
    settings = load_settings(path)
    assert len(settings.submission.listeners) == 3
    assert settings.state == Path("/var/lib/gateway")
