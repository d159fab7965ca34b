"""`gateway mailbox connect` by OAuth2: asked, let in, proven both ways, and only then saved."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from urllib.parse import parse_qs

import pytest

from gateway.cli.permission import AWAITED
from gateway.net.service_account import GRANT_TYPE
from gateway.sandbox.world import World
from tests.journeys.test_oauth2 import (
    BOX,
    gateway,
    loop,
    wait_for_state,
    world,
)
from tests.journeys.test_upstream_add import converse
from tests.net.test_imap_oauth2 import BOX as DOVECOTS
from tests.net.test_imap_oauth2 import dovecot, introspection
from tests.net.test_service_account import PRIVATE, ROBOT, key_file
from tests.net.web_server import WebServer
from tests.servers import browser
from tests.servers.dovecot import Dovecot
from tests.servers.gateway import Gateway
from tests.servers.ports import wait_until

__all__ = ["dovecot", "gateway", "introspection", "loop", "world"]

pytestmark = pytest.mark.servers

PAGE = re.compile(r"http\S+/authorize\?\S+")


def options(world: World) -> list[str]:
    """Return what leads to the sandbox instead of Microsoft."""
    smtp, imap = str(world.upstream.port), str(world.mailboxes.port)
    return [
        "--provider", "m365", "--host", "127.0.0.1", "--port", imap, "--security", "none",
        "--smtp-host", "127.0.0.1", "--smtp-port", smtp, "--smtp-security", "none",
        "--authorize-url", world.tokens.authorize_url, "--token-url", world.tokens.token_url,
    ]  # fmt: skip


def script(gateway: Gateway, world: World, *, address: str = BOX) -> list[str]:
    """Return a command that asks for nothing."""
    (gateway.home / "client").write_text("s")
    client = ["--client-id", "gateway", "--client-secret-file", str(gateway.home / "client")]
    return ["mailbox", "connect", "acme", address, *options(world), *client]


def page_in(said: str) -> str:
    (url,) = PAGE.findall(said)
    return str(url)


def test_a_person_is_asked_and_the_running_server_takes_the_yes(
    gateway: Gateway, world: World
) -> None:
    def say_yes(said: str) -> str:
        page = browser.get(page_in(said), follow_redirects=True)
        assert f"{BOX}: your answer was taken" in page.text
        return ""

    gateway.run("tenant", "add", "acme")
    gateway.start()
    said = converse(
        gateway,
        ["mailbox", "connect", "acme", BOX, *options(world)],
        [
            ("User name [support@acme.example]", ""),
            ("client-credentials (of the organisation) [authorization-code]", ""),
            ("Client id of that app", "gateway"),
            ("Client secret (not shown; empty: it has none)", "s"),
            ("Directory [organizations]", "acme.example"),
            ("Fetch mail from now on", ""),
            ("Answer automatically? [no]", ""),
            (AWAITED.removesuffix(": "), say_yes),
        ],
    )
    assert f"register it\r\nwith the redirect address http://127.0.0.1:{gateway.web}/" in said
    assert f"{BOX}: connected, 0 messages in INBOX" in said
    assert not [word for word in ("refresh-", "access-") if word in said + gateway.log()]
    saved = gateway.json("export", "acme")["mailboxes"][BOX]
    assert (saved["client_id"], saved["directory"]) == ("gateway", "acme.example")
    wait_for_state(gateway, "ok")
    assert list(world.tokens.asked) == ["authorization_code"]


def test_where_no_server_runs_the_answer_is_pasted(gateway: Gateway, world: World) -> None:
    def paste(said: str) -> str:
        return str(browser.get(page_in(said)).headers["location"])

    gateway.run("tenant", "add", "acme")
    alone = gateway.run(*script(gateway, world), check=False)
    assert "the server does not run, and nobody is at a terminal" in alone.stderr
    words = [*script(gateway, world), "--username", BOX, "--grant", "authorization-code",
             "--directory", "organizations", "--fetch-from", "now", "--no-answers"]  # fmt: skip
    awaited = AWAITED.removesuffix(": ")
    said = converse(gateway, words, [(awaited, "what?"), (awaited, paste)])
    assert "that is not the address that the browser ended at" in said
    assert f"{BOX}: connected" in said
    assert gateway.json("mailbox", "list")[0]["address"] == BOX


def test_a_script_waits_for_the_yes_and_a_no_saves_nothing(
    gateway: Gateway, world: World
) -> None:
    gateway.run("tenant", "add", "acme")
    gateway.start()
    world.tokens.says_yes = False
    refused, told = run_script(gateway, script(gateway, world))
    assert (refused.returncode, "access_denied" in told) == (1, True)
    assert "the mailbox was not saved: " in told
    assert gateway.json("mailbox", "list") == []
    world.tokens.says_yes = True
    done, _ = run_script(gateway, script(gateway, world))
    assert done.returncode == 0
    assert json.loads(done.stdout)["ok"]


def run_script(
    gateway: Gateway, words: list[str]
) -> tuple[subprocess.CompletedProcess[str], str]:
    """Return what a script that connects came to, and what it said on the way."""
    command = [sys.executable, "-m", "gateway", *words, "--json"]
    with subprocess.Popen(
        command, env=os.environ | {"GATEWAY_CONFIG": str(gateway.config)}, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        told = ""
        while not PAGE.search(told):
            told += process.stderr.readline()
        browser.get(page_in(told), follow_redirects=True)
        printed, rest = process.communicate(timeout=60)
    done = subprocess.CompletedProcess(command, process.returncode, printed)
    return done, told + rest


def test_a_real_dovecot_opens_to_a_persons_yes_and_to_a_program_of_the_organisation(
    gateway: Gateway, world: World, dovecot: Dovecot, introspection: WebServer
) -> None:
    def ask_sandbox(body: bytes) -> bytes:
        (token,) = parse_qs(body.decode())["token"]
        opens = world.tokens.opens(DOVECOTS, token)
        return json.dumps({"active": str(opens).lower(), "username": DOVECOTS}).encode()

    introspection.judge = ask_sandbox
    gateway.run("tenant", "add", "acme")
    words = [
        *script(gateway, world, address=DOVECOTS),
        "--host", "localhost", "--port", str(dovecot.imaps_port), "--security", "tls",
        "--ca-file", str(dovecot.ca_file),
    ]  # fmt: skip
    gateway.start()
    done, told = run_script(gateway, words)
    assert (done.returncode, json.loads(done.stdout)["sends"]) == (0, True), told
    wait_until(lambda: "mailbox.connected" in gateway.log(), what=gateway.log)
    dovecot.deliver(DOVECOTS, b"From: ann@example.net\r\nSubject: 1\r\n\r\nHello\r\n")
    wait_until(lambda: "message.fetched" in gateway.log(), what=gateway.log)
    gateway.run("mailbox", "delete", DOVECOTS, "--force", "--yes")
    program = gateway.run(*words, "--grant", "client-credentials", "--json")
    assert json.loads(program.stdout)["sends"]
    wait_until(lambda: gateway.log().count("mailbox.connected") == 2, what=gateway.log)
    assert list(world.tokens.asked) == ["authorization_code", "client_credentials"]


def test_a_service_account_of_google_is_asked_for_its_key_alone(
    gateway: Gateway, world: World
) -> None:
    (gateway.home / "key.json").write_text(key_file())
    world.tokens.service_accounts[ROBOT] = PRIVATE.public_key()
    world.tokens.delegated.add((ROBOT, "https://mail.google.com/"))
    gateway.run("tenant", "add", "acme")
    google = ["gmail" if one == "m365" else one for one in options(world)]
    said = converse(
        gateway,
        ["mailbox", "connect", "acme", BOX, *google],
        [
            ("User name", ""),
            ("Sign in by oauth2 or password [oauth2]", ""),
            ("or service-account (of a Workspace) [authorization-code]", "service-account"),
            ("Key file of the service account (JSON)", str(gateway.home / "key.json")),
            ("Fetch mail from now on", ""),
            ("Answer automatically? [no]", ""),
        ],
    )
    assert f"{BOX}: connected, 0 messages in INBOX" in said
    assert gateway.json("export", "acme")["mailboxes"][BOX]["grant"] == "service-account"
    assert list(world.tokens.asked) == [GRANT_TYPE]
