from __future__ import annotations

import json

from tests.cli.running import TENANT, Cli


def test_what_is_right_is_said_so(cli: Cli) -> None:
    cli.write("own-password", "upstream secret\n")
    cli.write("acme.toml", TENANT)
    said = cli.say("check", "acme.toml")
    assert "gateway.conf: right" in said
    assert "acme.toml: right" in said


def test_every_fault_is_told_with_file_section_and_key(cli: Cli) -> None:
    cli.write("acme.toml", TENANT.replace("host =", "hots ="))
    cli.write("gateway.conf", '[servr]\nstate = "state"\n')
    assert cli.refused("check", "acme.toml").splitlines() == [
        "gateway: gateway.conf: there is no section 'servr'; did you mean 'server'?",
        "gateway: acme.toml: [upstreams.own] hots:"
        " there is no key 'hots'; did you mean 'host'?",
    ]
    done = cli.run("check", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["ok"] is False


def test_files_that_are_not_there_are_faults(cli: Cli) -> None:
    cli.write(
        "gateway.conf",
        '[tls]\ncertificate = "a.pem"\nkey = "b.pem"\n[policies]\ndirectory = "none"\n',
    )
    said = cli.refused("check")
    assert f"[tls] certificate: {cli.home / 'a.pem'} is not a file" in said
    assert f"[policies] directory: {cli.home / 'none'} is not a directory" in said


def test_a_line_that_is_not_toml_is_told_with_its_number(cli: Cli) -> None:
    cli.write("gateway.conf", "[server]\nstate\n")
    assert cli.refused("check").startswith("gateway: gateway.conf: line 2: ")
