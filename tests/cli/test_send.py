"""What `gateway send` refuses before anything is accepted; the rest is tests/journeys."""

from __future__ import annotations

from tests.cli.running import Cli
from tests.cli.test_status import console


def test_without_a_server_nothing_is_accepted(cli: Cli) -> None:
    cli.apply()
    said = cli.refused("send", "--to", "ann@example.net")
    assert said == (
        "gateway: the server does not run, so nothing would leave; gateway serve starts it\n"
    )
    assert cli.json("queue", "list") == []


def test_an_address_that_nothing_is_sent_to_gets_nothing_by_hand_either(cli: Cli) -> None:
    cli.apply()
    cli.say("suppression", "add", "acme", "ann@example.net")
    with console([]) as port:
        settings = f'[server]\nstate="state"\n[console]\naddress="127.0.0.1:{port}"'
        cli.write("gateway.conf", settings)
        said = cli.refused("send", "--to", "Ann@example.net", "--wait", "0")
    assert "5.7.1 This address was suppressed by hand" in said
    assert "gateway suppression remove acme ann@example.net" in said
    assert cli.json("queue", "list") == []


def test_a_server_that_is_not_up_yet_and_a_wrong_address_are_told(cli: Cli) -> None:
    cli.apply()
    with console(["listeners"]) as port:
        settings = f'[server]\nstate="state"\n[console]\naddress="127.0.0.1:{port}"'
        cli.write("gateway.conf", settings)
        said = cli.refused("send", "--to", "ann@example.net")
        assert "not ready (listeners); gateway status --wait 30" in said
        assert "it needs the form name@domain" in cli.refused("send", "--to", "ann")
        assert "there is no tenant 'acne'" in cli.refused(
            "send", "--to", "ann@example.net", "--tenant", "acne"
        )
    assert cli.json("queue", "list") == []
