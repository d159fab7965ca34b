from __future__ import annotations

import pytest

from gateway.cli.refusal import Refusal
from gateway.cli.upstream_add import read_security
from tests.cli.running import Cli


@pytest.mark.parametrize("word", ["ssl", "SSL/TLS"])
def test_what_mail_programs_call_ssl_is_told_as_tls(word: str) -> None:
    with pytest.raises(Refusal, match="did you mean tls"):
        read_security(word)


def test_a_security_is_read_and_a_slip_gets_the_nearest() -> None:
    assert read_security(" STARTTLS ") == "starttls"
    with pytest.raises(Refusal, match="did you mean 'starttls'"):
        read_security("startls")


def test_without_a_terminal_the_missing_option_is_named(cli: Cli) -> None:
    cli.say("tenant", "add", "acme")
    words = ("upstream", "add", "acme", "--host", "smtp.acme.example")
    assert "--from is missing" in cli.refused(*words)
    assert "--password-file is missing" in cli.refused(*words, "--from", "a@acme.example")
    said = cli.refused("upstream", "add", "acme", "--provider", "sendgird")
    assert "did you mean 'sendgrid'" in said
