"""XOAUTH2 at a real Dovecot, which asks a token server of its own whether a token is good."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest

from gateway.net.imap import Endpoint, Folder, ImapPools, ImapRefused, ImapSession
from tests.net.web_server import WebServer, web_server
from tests.servers.dovecot import Dovecot

pytestmark = pytest.mark.servers

BOX = "user0@shop.example"
RULES = """
introspection_mode = post
introspection_url = http://127.0.0.1:{port}/
username_attribute = username
active_attribute = active
active_value = true
"""
PASSDB = """
passdb {{
  driver = oauth2
  mechanisms = xoauth2
  args = {home}/oauth2.conf
}}
"""


@pytest.fixture
def introspection() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


@pytest.fixture
def dovecot(introspection: WebServer) -> Iterator[Dovecot]:
    server = Dovecot()
    (server.home / "oauth2.conf").write_text(RULES.format(port=introspection.port))
    (server.home / "oauth2.conf").chmod(0o644)
    config = server.home / "dovecot.conf"
    text = config.read_text().replace("= plain login", "= plain login xoauth2")
    config.write_text(text + PASSDB.format(home=server.home))
    server.start()
    yield server
    server.close()


def test_an_access_token_opens_the_mailbox_and_a_bad_one_is_refused_first(
    dovecot: Dovecot, introspection: WebServer
) -> None:
    async def work() -> None:
        pools = ImapPools.start(sign_in=1, work=1)
        endpoint = Endpoint(
            host="localhost", port=dovecot.imaps_port, ca_files=(str(dovecot.ca_file),)
        )
        session = await ImapSession.connect(endpoint, pools)
        assert isinstance(session, ImapSession)
        assert await session.offers("AUTH=XOAUTH2")
        introspection.text = json.dumps({"active": "false"}).encode()
        refused = await session.login(BOX, "bad-token", oauth2=True)
        assert isinstance(refused, ImapRefused)
        assert (refused.phase, refused.code) == ("imap-login", "NO")
        assert "bad-token" not in refused.text
        introspection.text = json.dumps({"active": "true", "username": BOX}).encode()
        assert await session.login(BOX, "good-token", oauth2=True) is None, dovecot.log()
        assert isinstance(await session.select("INBOX"), Folder)
        await session.logout()
        pools.close()

    asyncio.run(work())
    assert b"good-token" in introspection.posted[-1].body
