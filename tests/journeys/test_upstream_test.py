"""`gateway upstream test` against a real Postfix: the account as the command line sees it."""

from __future__ import annotations

import json

import pytest

from tests.journeys.test_out import TENANT, apply_tenant
from tests.servers.gateway import Gateway
from tests.servers.postfix import Postfix

pytestmark = pytest.mark.servers

TEST = ("upstream", "test", "acme", "own")


def test_a_right_account_passes_every_step_and_nothing_is_sent(
    gateway: Gateway, postfix: Postfix
) -> None:
    apply_tenant(gateway, postfix)
    shown = gateway.json(*TEST)
    assert shown["ok"]
    steps = [one["step"] for one in shown["steps"]]
    assert steps == ["name", "tcp", "tls", "ehlo", "auth", "mail"]
    assert shown["steps"][2]["said"].startswith("TLSv1.")
    said = gateway.run(*TEST).stdout
    assert "mail may leave\nnext: gateway send --tenant acme --to ADDRESS" in said
    assert postfix.delivered() == []


def test_a_refused_password_is_told_and_never_shown(gateway: Gateway, postfix: Postfix) -> None:
    apply_tenant(gateway, postfix)
    postfix.add_user("relay", "another-password")
    done = gateway.run(*TEST, "--json", check=False)
    assert done.returncode == 1
    shown = json.loads(done.stdout)
    assert (shown["ok"], shown["steps"][-1]["step"]) == (False, "auth")
    assert shown["cause"] == "wrong-secret"
    people = gateway.run(*TEST, check=False)
    assert "FAILED" in people.stdout
    assert "fix:" in people.stdout
    for said in (done.stdout, done.stderr, people.stdout, people.stderr):
        assert "the-upstream-password" not in said


def test_a_private_certificate_without_ca_file_is_told_with_that_key(
    gateway: Gateway, postfix: Postfix
) -> None:
    text = "\n".join(line for line in TENANT.splitlines() if "ca_file" not in line)
    gateway.apply(
        text.format(port=postfix.port),
        **{"upstream-password": "the-upstream-password", "submission-password": "x" * 20},
    )
    shown = json.loads(gateway.run(*TEST, "--json", check=False).stdout)
    assert shown["cause"] == "certificate-not-trusted"
    assert "ca_file" in shown["fix"]


def test_tls_on_a_port_for_starttls_is_told(gateway: Gateway, postfix: Postfix) -> None:
    text = TENANT.replace('security = "starttls"', 'security = "tls"')
    gateway.apply(
        text.format(port=postfix.port, ca_file=postfix.ca_file),
        **{"upstream-password": "the-upstream-password", "submission-password": "x" * 20},
    )
    shown = json.loads(gateway.run(*TEST, "--json", check=False).stdout)
    assert shown["cause"] == "security-mismatch"
    assert 'Set security to "starttls"' in shown["fix"]
