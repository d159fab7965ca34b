from __future__ import annotations

import json

import pytest

from tests.cli.running import TENANT, Cli

WHOLE = 'to = ["it@gw.example"]\nfrom = "gateway@gw.example"\nhost = "127.0.0.1"\n'


def test_what_is_right_is_said_so(cli: Cli) -> None:
    cli.write("own-password", "upstream secret\n")
    cli.write("acme.toml", TENANT)
    said = cli.say("check", "acme.toml")
    assert "gateway.conf: right" in said
    assert "acme.toml: right" in said


def test_a_sender_whose_domain_is_left_out_is_warned_of_by_check_and_apply(cli: Cli) -> None:
    cli.write("own-password", "upstream secret\n")
    cli.write("acme.toml", TENANT.replace('[domains."acme.example"]\n', ""))
    (warned,) = (one for one in cli.json("check", "acme.toml")["warnings"] if "senders" in one)
    assert warned.startswith('acme.toml: [senders."support@acme.example"]: acme.example is no')
    (note,) = cli.json("apply", "acme.toml")["notes"]
    assert warned == f"acme.toml: {note}"


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


def test_an_expression_of_a_filter_that_would_hold_all_mail_is_a_fault(cli: Cli) -> None:
    cli.write("gateway.conf", '[spam]\nheader = "X-S: ("\n[virus]\nheader = "X-V: a"\n')
    said = cli.refused("check")
    assert "gateway.conf: [spam] header: this is no regular expression" in said
    assert "gateway.conf: [virus] header: the expression needs a group that counts" in said


def test_without_alerts_and_with_a_public_url_on_loopback_it_warns(cli: Cli) -> None:
    warned = cli.json("check")["warnings"]
    assert any(one.startswith("[alerts] is left out: nobody is told") for one in warned)
    assert any("public_url http://127.0.0.1:8080 is on loopback" in one for one in warned)
    cli.write(
        "gateway.conf",
        '[console]\npublic_url = "https://gw.example"\n[alerts]\nto = ["it@gw.example"]\n'
        'from = "gateway@gw.example"\nhost = "127.0.0.1"\n',
    )
    assert not any("alerts" in one or "public" in one for one in cli.json("check")["warnings"])


def test_a_model_is_checked_and_told_to_be_asked_by_nobody_yet(cli: Cli) -> None:
    model = '[models.default]\nurl = "http://127.0.0.1:11434/v1"\nmodel = "qwen3"\n'
    cli.write("gateway.conf", model)
    assert any(
        one.startswith("[models.default] is read") for one in cli.json("check")["warnings"]
    )
    for wrong, fault in (
        (model.replace("url", "uri"), "[models.default] uri: there is no key 'uri'"),
        (model.replace('model = "qwen3"\n', ""), "[models.default] model: this key is missing"),
        ("[models]\ndefault = 1\n", "[models] default: give it a section: [models.NAME]"),
    ):
        cli.write("gateway.conf", wrong)
        assert fault in cli.refused("check")


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ('to = ["a@b.example"]', "[alerts] to, from and host go together: give all three"),
        (WHOLE.replace("it@", "it "), "[alerts] 'it gw.example' is not an address"),
        (WHOLE + 'username = "x"', "[alerts] username and password_file go together"),
        (
            WHOLE.replace("127.0.0.1", "mx.example")
            + 'security = "none"\nusername = "x"\npassword_file = "y"',
            "[alerts] security: no password is sent in the clear",
        ),
        (
            WHOLE + 'username = "x"\npassword_file = "gone"',
            "[alerts] password_file: ",
        ),
    ],
)
def test_alerts_that_cannot_work_are_faults(cli: Cli, keys: str, fault: str) -> None:
    cli.write("gateway.conf", f"[alerts]\n{keys}\n")
    assert fault in cli.refused("check")


def test_a_line_that_is_not_toml_is_told_with_its_number(cli: Cli) -> None:
    cli.write("gateway.conf", "[server]\nstate\n")
    assert cli.refused("check").startswith("gateway: gateway.conf: line 2: ")


def test_more_sessions_than_files_may_be_open_is_a_warning(cli: Cli) -> None:
    cli.write("gateway.conf", "[submission]\nsessions = 2_000_000\n")
    done = cli.run("check")
    assert done.returncode == 0
    assert "[submission] sessions: 2000000 sessions need more than the" in " ".join(
        (done.stdout + done.stderr).split()
    )
