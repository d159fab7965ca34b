"""A mailbox at Microsoft 365 by OAuth2: let in, expired, revoked, let in again."""

from __future__ import annotations

import re
import smtplib
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from email.message import EmailMessage
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.mailbox_authorize import QUESTION
from gateway.net.service_account import GRANT_TYPE
from gateway.sandbox.misbehaviour import Misbehaviour
from gateway.sandbox.quirks import MICROSOFT
from gateway.sandbox.world import World, WorldSettings, open_world
from tests.journeys.test_upstream_add import converse
from tests.net.test_service_account import PRIVATE, ROBOT, key_file
from tests.sandbox.conftest import Loop, loop
from tests.servers import browser
from tests.servers.gateway import Gateway
from tests.servers.ports import free_ports, wait_until

__all__ = ["loop"]

BOX, ANN = "support@acme.example", "ann@example.net"
HOOK = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
LOGIN = "a-password-of-the-helpdesk"
TENANT = """
tenant = "acme"
route = "helpdesk"
[domains."acme.example"]
[senders."{box}"]
upstream = "box"
[upstreams.box]
mailbox = "{box}"
host = "127.0.0.1"
port = {smtp}
security = "none"
[mailboxes."{box}"]
provider = "m365"
host = "127.0.0.1"
port = {imap}
security = "none"
upstream = "box"
client_id = "gateway"
client_secret_file = "client"
authorize_url = "{authorize}"
token_url = "{token}"
{more}
[routes.helpdesk]
type = "webhook"
url = "{hook}"
secret_file = "hook"
[credentials.helpdesk]
password_file = "login"
"""


@pytest.fixture
def world(loop: Loop, tmp_path: Path) -> Iterator[World]:
    (imap,) = free_ports(1)  # it is taken again after a stop
    settings = WorldSettings(directory=tmp_path, logins={}, hook_secret=HOOK, imap_port=imap)
    opened = open_world(settings)
    entered: World = loop.run(opened.__aenter__())
    loop.call(entered.mailboxes.add_account, BOX, "a password that opens nothing")
    entered.mailboxes.quirks = MICROSOFT
    yield entered
    loop.run(opened.__aexit__(None, None, None))


@pytest.fixture
def gateway(world: World) -> Iterator[Gateway]:
    more = (
        f'[dns]\nnameservers = ["127.0.0.1:{world.zone.port}"]\n'
        '[mailboxes]\ndead_after = "1s"\nlogin_waits = ["1s"]\n'
    )
    server = Gateway(more=more, workers=1)
    yield server
    server.close()


def apply(
    gateway: Gateway,
    world: World,
    *,
    more: str = "",
    change: Mapping[str, str] | None = None,
) -> None:
    text = TENANT.format(
        box=BOX,
        smtp=world.upstream.port,
        imap=world.mailboxes.port,
        authorize=world.tokens.authorize_url,
        token=world.tokens.token_url,
        hook=world.helpdesk.url,
        more=more,
    )
    for one, other in (change or {}).items():
        text = text.replace(one, other)
    gateway.apply(text, client="s", hook=HOOK, login=LOGIN)


def page_of(gateway: Gateway) -> str:
    """Return the page to say yes on."""
    begun = gateway.json("mailbox", "authorize", BOX)
    assert begun["redirect_uri"] == f"http://127.0.0.1:{gateway.web}/oauth2/callback"
    url: str = begun["url"]
    return url


def sent_back_to(gateway: Gateway) -> str:
    """Return the address that the browser ends at when the page there does not open."""
    return str(browser.get(page_of(gateway)).headers["location"])


def answer(gateway: Gateway, back: str) -> Any:
    (gateway.home / "answer").write_text(f"{back}\n")
    return gateway.run(
        "mailbox", "authorize", BOX, "--answer", str(gateway.home / "answer"), check=False
    )


def mailbox(gateway: Gateway) -> dict[str, Any]:
    (found,) = gateway.json("mailbox", "list")
    return dict(found)


def wait_for_state(gateway: Gateway, state: str) -> None:
    wait_until(
        lambda: mailbox(gateway)["state"] == state,
        what=lambda: f"{state}: {mailbox(gateway)}\n{gateway.log()}",
    )


def write(loop: Loop, world: World, subject: str) -> None:
    mail = (
        f"From: {ANN}\r\nTo: {BOX}\r\nSubject: {subject}\r\nMessage-ID: <{subject}@x>\r\n"
        "Date: Tue, 24 Nov 2026 10:00:00 +0000\r\n\r\nWhere is my order?\r\n"
    )
    loop.call(world.write, mail.encode(), mailbox=BOX, sender=ANN)


def wait_for_mail(world: World, subject: str, gateway: Gateway) -> None:
    def came() -> bool:
        subjects = [one.payload["data"].get("subject") for one in world.helpdesk.received]
        return subject in subjects

    wait_until(came, what=lambda: f"{subject} at the helpdesk\n{gateway.log()}")


def submit(gateway: Gateway, subject: str) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = BOX, ANN, subject
    mail.set_content("On its way.")
    with smtplib.SMTP("127.0.0.1", gateway.plain, timeout=60) as client:
        client.login("acme.helpdesk", LOGIN)
        client.send_message(mail)


def wait_until_sent(world: World, subject: str, gateway: Gateway) -> None:
    def left() -> bool:
        return any(f"Subject: {subject}".encode() in x.content for x in world.upstream.captured)

    wait_until(left, what=lambda: f"{subject} at the upstream\n{gateway.log()}")


def test_an_owner_says_yes_and_mail_goes_both_ways(
    gateway: Gateway,
    world: World,
    loop: Loop,
) -> None:
    apply(gateway, world)
    gateway.start()
    wait_until(
        lambda: "has not let the gateway in yet" in str(mailbox(gateway)["reason"]),
        what=gateway.log,
    )
    page = browser.get(page_of(gateway), follow_redirects=True)
    assert (page.status_code, f"{BOX} is connected" in page.text) == (200, True)
    again = browser.get(str(page.url))
    assert (again.status_code, "used already" in again.text) == (400, True)
    wait_for_state(gateway, "ok")
    write(loop, world, "first")
    wait_for_mail(world, "first", gateway)
    submit(gateway, "second")
    wait_until_sent(world, "second", gateway)
    assert [one.user for one in world.upstream.captured] == [BOX]
    tried = gateway.json("upstream", "test", "acme", "box")
    assert (tried["ok"], tried["steps"][-2]["step"]) == (True, "auth")
    assert gateway.json("mailbox", "ledger", BOX)["missing"] == 0
    no_code = gateway.run("mailbox", "reauth", BOX, check=False)
    assert f"gateway mailbox authorize {BOX}" in no_code.stderr
    shown = gateway.run("export", "acme").stdout + gateway.log()
    assert 'client_secret_file = "' in shown
    assert not [word for word in ("refresh-", "access-") if word in shown]


def test_the_answer_is_pasted_where_no_browser_reaches_the_gateway(
    gateway: Gateway, world: World
) -> None:
    def paste(said: str) -> str:
        (url,) = re.findall(r"http\S+/authorize\?\S+", said)
        return str(browser.get(url).headers["location"])

    apply(gateway, world)
    said = converse(gateway, ["mailbox", "authorize", BOX], [(QUESTION, paste)])
    assert f"{BOX}: the gateway was let in, and opened it both ways" in said
    done = gateway.run("apply", str(gateway.home / "tenant.toml"))
    assert "has no permission yet" not in done.stderr


def test_a_kill_between_rotation_and_use_loses_nothing(
    gateway: Gateway,
    world: World,
    loop: Loop,
) -> None:
    apply(gateway, world)
    done = answer(gateway, sent_back_to(gateway))
    assert (done.returncode, "opened it both ways" in done.stdout) == (0, True)
    port = world.mailboxes.port
    loop.run(world.mailboxes.stop())
    asked = len(world.tokens.asked)
    end_first_token(gateway, world)
    gateway.start()
    wait_until(lambda: "mailbox.unreachable" in gateway.log(), what=gateway.log)
    gateway.kill()
    assert list(world.tokens.asked)[asked:] == ["refresh_token"]
    loop.run(world.mailboxes.start(port))
    gateway.start()
    wait_for_state(gateway, "ok")
    write(loop, world, "third")
    wait_for_mail(world, "third", gateway)
    assert list(world.tokens.asked)[asked:] == ["refresh_token"]


def end_first_token(gateway: Gateway, world: World) -> None:
    world.tokens.expire()
    with closing(sqlite3.connect(gateway.home / "state/gateway.db", timeout=30)) as db:
        db.execute("UPDATE grants SET usable_until = 1")
        db.commit()


def test_a_withdrawn_permission_is_told_and_mail_waits_for_the_next_yes(
    gateway: Gateway,
    world: World,
    loop: Loop,
) -> None:
    apply(gateway, world)
    assert answer(gateway, sent_back_to(gateway)).returncode == 0
    gateway.start()
    wait_for_state(gateway, "ok")
    assert gateway.stop() == 0
    world.tokens.revoke(BOX)
    gateway.start()
    wait_for_state(gateway, "dead")
    found = mailbox(gateway)
    assert "withdrawn or has run out" in found["reason"]
    assert found["fix"].endswith(f"gateway mailbox authorize {BOX}")
    submit(gateway, "fourth")
    wait_until(
        lambda: "withdrawn" in str(gateway.json("queue", "list")[0]["reason"]),
        what=lambda: f"{gateway.json('queue', 'list')}\n{gateway.log()}",
    )
    write(loop, world, "fifth")
    world.tokens.says_yes = False
    refused = browser.get(page_of(gateway), follow_redirects=True)
    assert (refused.status_code, "access_denied" in refused.text) == (400, True)
    assert f"Try again, and say yes there as {BOX}." in refused.text
    assert mailbox(gateway)["state"] == "dead"
    assert "gateway mailbox reauth" not in gateway.run("mailbox", "list").stdout
    world.tokens.says_yes = True
    link = reminded(world, gateway)
    assert "New code" not in browser.get(link).text
    (url,) = re.findall('href="([^"]+)"', browser.post(link).text)
    assert f"{BOX} is connected" in browser.get(unescape(url), follow_redirects=True).text
    wait_for_state(gateway, "ok")
    wait_for_mail(world, "fifth", gateway)
    wait_until_sent(world, "fourth", gateway)
    assert browser.get(link).status_code == browser.post(link).status_code == 410


def reminded(world: World, gateway: Gateway) -> str:
    """Return the link of the reminder."""

    def links() -> list[str]:
        told = [one.payload["data"] for one in world.helpdesk.received]
        return [one["renew_url"] for one in told if "reminder" in one]

    wait_until(links, what=gateway.log)
    return links()[0]


def test_a_permission_that_does_not_open_the_mailbox_is_not_kept(
    gateway: Gateway, world: World
) -> None:
    apply(gateway, world)
    world.upstream.misbehaviour = Misbehaviour(
        refuse_login="5.7.139 SmtpClientAuthentication is disabled for the Tenant"
    )
    back = sent_back_to(gateway)
    done = answer(gateway, back)
    assert (done.returncode, "was not authorized" in done.stderr) == (1, True)
    assert "imap select" in done.stdout
    assert "Authenticated SMTP is switched off for your whole organisation" in done.stdout
    assert "used already" in answer(gateway, back).stdout
    told = answer(gateway, back.replace("state=", "stat="))
    assert "it holds state= and code=" in told.stderr
    assert mailbox(gateway)["state"] == "suspect"
    noted = gateway.run("apply", str(gateway.home / "tenant.toml"))
    assert "has no permission yet: gateway mailbox authorize" in noted.stderr


def test_a_program_of_the_organisation_signs_in_without_a_person(
    gateway: Gateway,
    world: World,
    loop: Loop,
) -> None:
    apply(gateway, world, more='grant = "client-credentials"')
    done = gateway.run("mailbox", "authorize", BOX)
    assert "opened it both ways" in done.stdout
    gateway.start()
    wait_for_state(gateway, "ok")
    write(loop, world, "sixth")
    wait_for_mail(world, "sixth", gateway)
    assert set(world.tokens.asked) == {"client_credentials"}
    assert len(world.tokens.asked) == 1


def test_a_service_account_of_google_opens_what_was_delegated_to_it(
    gateway: Gateway, world: World, loop: Loop
) -> None:
    asks = 'client_id = "gateway"\nclient_secret_file = "client"\n'
    signs = 'grant = "service-account"\nkey_file = "key.json"\n'
    (gateway.home / "key.json").write_text(key_file())
    apply(gateway, world, change={asks: signs, "m365": "gmail"})
    world.tokens.service_accounts[ROBOT] = PRIVATE.public_key()
    refused = gateway.run("mailbox", "authorize", BOX, check=False)
    assert refused.returncode == 1
    assert "Client is unauthorized to retrieve access tokens" in refused.stdout
    world.tokens.delegated.add((ROBOT, "https://mail.google.com/"))
    done = gateway.run("mailbox", "authorize", BOX)
    assert "opened it both ways" in done.stdout
    gateway.start()
    wait_for_state(gateway, "ok")
    write(loop, world, "seventh")
    wait_for_mail(world, "seventh", gateway)
    assert list(world.tokens.asked) == [GRANT_TYPE, GRANT_TYPE]
    assert "PRIVATE KEY" not in gateway.run("export", "acme").stdout + gateway.log()
