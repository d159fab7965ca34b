from __future__ import annotations

from tests.cli.running import Cli


def test_without_a_terminal_the_missing_option_is_named(cli: Cli) -> None:
    cli.say("tenant", "add", "acme")
    words = ("upstream", "add", "acme", "--host", "smtp.acme.example")
    assert "--from is missing" in cli.refused(*words)
    assert "--password-file is missing" in cli.refused(*words, "--from", "a@acme.example")
    said = cli.refused("upstream", "add", "acme", "--provider", "sendgird")
    assert "did you mean 'sendgrid'" in said


def test_a_name_that_is_taken_is_told_before_all_else_is_asked(cli: Cli) -> None:
    cli.apply()
    said = cli.refused("upstream", "add", "acme", "--host", "smtp.acme.example")
    assert said == (
        "gateway: there is an upstream own already; --name gives this one another\n"
    )
    again = cli.refused("upstream", "add", "acme", "--provider", "gmail", "--name", "own")
    assert again == said


def test_what_apply_would_refuse_is_refused_before_anything_is_said_to_a_server(
    cli: Cli,
) -> None:
    cli.say("tenant", "add", "acme")
    cli.write("password", "secret")
    account = ("--from", "a@acme.example", "--password-file", "password")
    words = ("upstream", "add", "acme", *account)
    said = cli.refused(*words, "--host", "smtp.acme.example", "--security", "none")
    assert said == (
        'gateway: [upstreams.own] security: "none" is for loopback only:'
        ' write "starttls" or "tls"\n'
    )
    said = cli.refused(*words, "--provider", "outlook-com")
    assert "takes no password: connect its mailbox" in said
    said = cli.refused(*words, "--provider", "ses", "--username", "u", "--region", "eu-wst-1")
    assert "[upstreams.ses] region: Amazon SES has no region 'eu-wst-1'" in said
