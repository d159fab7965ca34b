from __future__ import annotations

import pytest

from tests.cli.running import Cli


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "ADDRESS is missing"),
        (("shop@163.com",), "--password-file is missing"),
        (("shop@163.com", "--provider", "netease-16"), "did you mean 'netease-163'"),
        (("shop@163.com", "--provider", "amzon"), "did you mean 'amazon'"),
        (("shop@163.com", "--issued", "soon"), "'soon' is not a day"),
        (("shop@163.com", "--issued", "2126-11-01"), "2126-11-01 is still to come"),
        (("shop@163.com", "--fetch-from", "spring"), "'spring' is not a beginning"),
        (("shop@acme.example", "--provider", "amazon"), "--host is missing"),
        (("shop@163.com", "--provider", "amazon"), "--password-file is missing"),
        (("me@outlook.com",), "--client-id is missing"),
        (("me@outlook.com", "--password-file", "x"), "takes no password here"),
        (("a@acme.example", "--host", "imap.acme.example", "--port", "143",
          "--security", "ssl"), "did you mean tls"),
    ],
)  # fmt: skip
def test_what_is_missing_or_wrong_is_told_in_one_sentence(
    cli: Cli, words: tuple[str, ...], sentence: str
) -> None:
    cli.say("tenant", "add", "acme")
    said = cli.refused("mailbox", "connect", "acme", *words)
    assert sentence in said
    assert said.count("\n") == 1
