from __future__ import annotations

from gateway.store import tenants
from gateway.store.sealing import Seal
from tests.cli.running import Cli


def test_every_secret_is_sealed_by_a_new_key_and_passwords_still_work(cli: Cli) -> None:
    cli.apply()
    login = cli.json("credential", "add", "acme", "zammad")
    path = cli.home / "state" / "secret.key"
    running = Seal.load(path)  # as a server has it that started before
    old = path.read_bytes()
    assert cli.json("secrets", "rotate") == {"resealed": 3}  # one upstream, two DKIM keys
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes().endswith(old)
    newest = Seal(path.read_bytes().split()[:1])
    for seal in (newest, running, Seal.load(path)):
        secret = cli.write_store(tenants.open_secret, seal, "acme", "upstream", "own")
        assert secret == "upstream secret"
    hashed = cli.write_store(tenants.credentials)["acme.zammad"].hashed
    assert Seal.load(path).matches(login["password"], hashed)
    assert "3 secrets sealed by a new key" in cli.say("secrets", "rotate")


def test_a_secret_applied_before_a_new_key_is_not_applied_again(cli: Cli) -> None:
    cli.apply()
    cli.say("secrets", "rotate")
    assert "acme: nothing to change" in cli.say("apply", "acme.toml")
