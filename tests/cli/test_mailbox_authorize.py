from __future__ import annotations

import pytest

from gateway.cli.permission import read_answer
from gateway.cli.refusal import Refusal
from tests.cli.running import Cli

BOX = "desk@acme.example"
TENANT = f"""
tenant = "acme"
[mailboxes."{BOX}"]
provider = "gmail"
client_id = "me.apps.example"
[mailboxes."plain@gmail.com"]
provider = "gmail"
"""


@pytest.fixture
def acme(cli: Cli) -> Cli:
    """A gateway with a tenant of two mailboxes, one by OAuth2."""
    cli.apply(TENANT)
    return cli


def test_the_page_to_say_yes_on_is_printed_with_where_its_answer_goes(acme: Cli) -> None:
    shown = acme.say("mailbox", "authorize", BOX)
    assert "https://accounts.google.com/o/oauth2/v2/auth?response_type=code" in shown
    assert "/oauth2/callback, where the running server takes it" in shown
    begun = acme.json("mailbox", "authorize", BOX)
    assert begun["address"] == BOX
    for part in ("access_type=offline", "code_challenge_method=S256", "state=", "mail.google"):
        assert part in begun["url"]


def test_a_mailbox_by_password_is_not_authorized(acme: Cli) -> None:
    done = acme.run("mailbox", "authorize", "plain@gmail.com")
    assert done.returncode == 1
    assert "signs in by a password: give it client_id" in done.stderr


def test_an_answer_to_a_link_that_was_not_made_here_is_refused(acme: Cli) -> None:
    answer = acme.write("answer", "http://127.0.0.1/oauth2/callback?state=x&code=y\n")
    done = acme.run("mailbox", "authorize", BOX, "--answer", str(answer))
    assert (done.returncode, "was not authorized" in done.stderr) == (1, True)
    assert "This link was used already" in done.stdout
    missing = acme.run("mailbox", "authorize", BOX, "--answer", "nowhere")
    assert missing.stderr == "gateway: --answer: nowhere: no such file or directory\n"


def test_what_has_no_state_is_no_answer() -> None:
    whole = "https://g.example/oauth2/callback?code=c%2F1&state=s"
    assert read_answer(f" {whole}\n") == {"code": "c/1", "state": "s"}
    assert read_answer("state=s&error=access_denied")["error"] == "access_denied"
    for wrong in ("c/1", "", "https://g.example/?code=c", "https://g.example/?state=s"):
        with pytest.raises(Refusal, match="not the address that the browser ended at"):
            read_answer(wrong)
