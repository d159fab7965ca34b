from __future__ import annotations

from tests.cli.running import Cli


def test_an_address_is_suppressed_listed_and_let_go(cli: Cli) -> None:
    cli.apply()
    assert "no address is suppressed" in cli.say("suppression", "list")
    said = cli.say("suppression", "add", "acme", "Ann@BÜCHER.example", "--note", "she asked")
    assert "gateway suppression remove acme ann@xn--bcher-kva.example" in said
    assert cli.json("suppression", "list") == [
        {
            "address": "ann@xn--bcher-kva.example",
            "tenant": "acme",
            "reason": "by-hand",
            "evidence": "she asked",
            "expires_on": None,
        }
    ]
    assert "she asked" in cli.say("suppression", "list", "--tenant", "acme")
    gone = cli.json("suppression", "remove", "acme", "ANN@bücher.example")
    assert gone == {"address": "ann@xn--bcher-kva.example", "tenant": "acme", "removed": True}
    assert cli.json("suppression", "list") == []


def test_what_cannot_be_done_is_said_in_a_sentence(cli: Cli) -> None:
    cli.apply()
    assert "needs the form name@domain" in cli.refused("suppression", "add", "acme", "ann")
    assert "there is no tenant 'acne'" in cli.refused(
        "suppression", "add", "acne", "a@example.net"
    )
    cli.say("suppression", "add", "acme", "ann@example.net")
    assert "did you mean 'ann@example.net'?" in cli.refused(
        "suppression", "remove", "acme", "anne@example.net"
    )


def test_a_removed_tenant_takes_its_entries_with_it(cli: Cli) -> None:
    cli.apply()
    cli.say("suppression", "add", "acme", "ann@example.net")
    cli.say("tenant", "remove", "acme", "--yes")
    assert cli.json("suppression", "list") == []
