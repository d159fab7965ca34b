from __future__ import annotations

from tests.cli.running import Cli


def test_providers_are_listed_and_shown_without_a_configuration(bare: Cli) -> None:
    listed = {one["id"]: one for one in bare.json("provider", "list")}
    assert listed["gmail"]["imap"] is True
    assert listed["sendgrid"]["imap"] is False
    shown = bare.say("provider", "show", "gmail")
    assert "imap.gmail.com:993 tls" in shown
    assert 'next: provider = "gmail" in a tenant file' in shown
    assert bare.json("provider", "show", "gmail")["smtp"][0]["host"] == "smtp.gmail.com"
    assert "did you mean 'gmail'?" in bare.refused("provider", "show", "gmial")
