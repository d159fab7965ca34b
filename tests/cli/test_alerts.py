from __future__ import annotations

import json

from tests.cli.running import CONFIGURATION, Cli

ALERTS = """
[alerts]
to = ["it@gw.example"]
from = "gateway@gw.example"
host = "127.0.0.1"
port = 1
"""


def test_without_the_section_a_test_says_what_to_write(cli: Cli) -> None:
    said = cli.refused("alerts", "test")
    assert "[alerts] is left out: give to, from and host" in said


def test_a_server_that_is_not_there_is_told_with_cause_and_fix(cli: Cli) -> None:
    cli.write("gateway.conf", CONFIGURATION + ALERTS)
    done = cli.run("alerts", "test", "--json")
    assert done.returncode == 1
    shown = json.loads(done.stdout)
    assert (shown["ok"], shown["cause"]) == (False, "connection-refused")
    assert shown["fix"]
    people = cli.run("alerts", "test")
    assert people.returncode == 1
    assert "to it@gw.example by 127.0.0.1:" in people.stdout
    assert "FAILED" in people.stdout


def test_a_password_file_that_is_gone_is_one_sentence(cli: Cli) -> None:
    keys = 'username = "x"\npassword_file = "gone"\n'
    cli.write("gateway.conf", CONFIGURATION + ALERTS + keys)
    assert "[alerts] password_file: " in cli.refused("alerts", "test")
