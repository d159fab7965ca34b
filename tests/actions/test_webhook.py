"""Signed JSON to a helpdesk, verified with the published library."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from gateway.actions.event import write_event
from gateway.actions.route import write_forward
from gateway.actions.webhook import Target, Webhooks, WrongSecret, build_body, judge, sign
from gateway.config import RouteSettings
from gateway.mail.delivery import Attempt, Batch, Decision, Delivery, Phase, Result
from gateway.mail.plan import Effect, EffectKind
from gateway.mail.reply import Reply
from gateway.net.concurrency import Pool
from gateway.net.http import Http
from tests.actions.occasions import ACME, NOON, mail, mark, occasion
from tests.actions.test_received import batch_of, link
from tests.net.web_server import WebServer, web_server

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
OLD_SECRET = "whsec_" + base64.b64encode(b"o" * 32).decode()
SETTINGS = RouteSettings(private_networks=("127.0.0.0/8",))
STORE = Effect(kind=EffectKind.STORE, target="INBOX")
FORWARD = batch_of(write_forward(occasion(), STORE, route=ACME.routes["desk"], mark=mark))


async def own_address(host: str) -> Sequence[str]:
    return [host]


def deliver(
    server: WebServer,
    batch: Batch = FORWARD,
    *,
    settings: RouteSettings = SETTINGS,
    secrets: tuple[str, ...] = (SECRET,),
    ca_file: str | None = None,
) -> Result:
    async def work() -> list[Result]:
        http = Http(resolve=own_address, private_networks=settings.private_networks)
        pool = Pool("json", threads=1)
        webhooks = Webhooks(http=http, pool=pool, settings=settings, link=link)
        try:
            target = Target(url=server.url(), secrets=secrets, ca_file=ca_file)
            return await webhooks.deliver(batch, target, now=datetime.now(UTC))
        finally:
            await http.close()
            pool.close()

    (result,) = asyncio.run(work())
    return result


def test_a_mail_arrives_as_message_received_that_the_library_verifies() -> None:
    with web_server() as server:
        result = deliver(server)
        (posted,) = server.posted
    told = Webhook(SECRET).verify(posted.body, posted.headers)
    assert (told["type"], told["timestamp"]) == ("message.received", "2026-11-24T12:00:00Z")
    assert told["data"]["subject"] == "Where is my order?"
    assert posted.headers["content-type"].startswith("application/json")
    assert result.verdict.decision is Decision.DELIVERED
    assert (result.attempt.reply.code, result.attempt.phase) == (200, Phase.HTTP)


def test_every_attempt_has_the_same_id_and_a_signature_of_its_own_time() -> None:
    with web_server() as server:
        server.status = 500
        deliver(server)
        deliver(server)
        first, second = server.posted
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == FORWARD.message
    assert first.body == second.body
    later = sign("A", b"{}", secrets=(SECRET,), now=NOON + timedelta(seconds=1))
    assert (
        later["webhook-signature"]
        != sign("A", b"{}", secrets=(SECRET,), now=NOON)["webhook-signature"]
    )


def test_during_a_rotation_both_secrets_verify() -> None:
    with web_server() as server:
        deliver(server, secrets=(SECRET, OLD_SECRET))
        (posted,) = server.posted
    for secret in (SECRET, OLD_SECRET):
        Webhook(secret).verify(posted.body, posted.headers)
    other = "whsec_" + base64.b64encode(b"x" * 32).decode()
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify(posted.body, posted.headers)


def test_an_event_is_posted_as_it_was_stored() -> None:
    (event,) = write_event(ACME, "message.held", {"id": "1"}, now=NOON)
    with web_server() as server:
        deliver(server, batch_of(event))
        (posted,) = server.posted
    assert posted.body == event.content
    assert Webhook(SECRET).verify(posted.body, posted.headers)["data"] == {"id": "1"}


@pytest.mark.parametrize("status", [300, 302, 400, 401, 404, 429, 451, 500, 503])
def test_whatever_is_not_2xx_is_deferred(status: int) -> None:
    with web_server() as server:
        server.status, server.text = status, b"<b>secret\nstack</b>" * 99
        result = deliver(server)
    assert result.verdict.decision is Decision.DEFER
    assert result.verdict.meaning == f"the webhook answered {status}"
    assert result.next_attempt_at is not None
    assert result.verdict.fix
    assert len(result.attempt.reply.text) <= 200
    assert "\n" not in result.attempt.reply.text


@pytest.mark.parametrize("status", [201, 202, 204])
def test_every_2xx_is_delivered(status: int) -> None:
    with web_server() as server:
        server.status, server.text = status, b""
        assert deliver(server).verdict.decision is Decision.DELIVERED


def test_gone_is_set_aside_at_once() -> None:
    with web_server() as server:
        server.status = 410
        result = deliver(server)
    assert (result.verdict.decision, result.next_attempt_at) == (Decision.SET_ASIDE, None)
    assert str(result.verdict.fix).startswith("give another url")
    assert not result.give_up


def test_a_redirect_leads_nowhere_and_its_fix_says_why() -> None:
    with web_server() as server:
        server.status, server.location = 308, server.url()
        result = deliver(server)
        assert len(server.posted) == 1
    assert result.verdict.decision is Decision.DEFER
    assert "redirects are not followed" in str(result.verdict.fix)


def test_a_private_address_that_is_not_listed_is_not_reached() -> None:
    with web_server() as server:
        result = deliver(server, settings=RouteSettings())
        assert server.posted == []
    assert result.verdict.decision is Decision.DEFER
    assert "private" in result.verdict.meaning


def test_nobody_listening_is_deferred_with_that_reason() -> None:
    with web_server() as server:
        pass
    result = deliver(server)
    assert result.verdict.decision is Decision.DEFER
    assert "cannot be reached" in result.verdict.meaning
    assert result.attempt.is_unanswered


@pytest.mark.parametrize(
    "secrets", [(), ("whsec_",), ("whsec_a",), ("whsec_no base64!",), ("YWJj",)]
)
def test_a_secret_that_is_none_is_deferred_with_a_reason(secrets: tuple[str, ...]) -> None:
    with web_server() as server:
        result = deliver(server, secrets=secrets)
        assert server.posted == []
    assert result.verdict.decision is Decision.DEFER
    assert "secret" in result.verdict.meaning
    with pytest.raises(WrongSecret):
        sign("A", b"{}", secrets=secrets, now=NOON)


def test_a_ca_file_that_is_gone_is_deferred_with_a_reason() -> None:
    with web_server() as server:
        result = deliver(server, ca_file="/nowhere/ca.pem")
    assert result.verdict.decision is Decision.DEFER
    assert "/nowhere/ca.pem: cannot be used as a CA: no such file" in result.verdict.meaning
    assert "ca_file" in str(result.verdict.fix)


def failed(delivery: Delivery) -> Result:
    reply = Reply(500, None, "")
    attempt = Attempt(at=NOON, host="desk.example", phase=Phase.HTTP, reply=reply)
    return judge(delivery, attempt, settings=SETTINGS, now=NOON)


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(0, 5), (1, 30), (2, 120), (3, 600), (4, 3600), (99, 3600)]
)
def test_the_waits_grow_as_configured(attempts: int, seconds: int) -> None:
    delivery = replace(FORWARD.deliveries[0], attempts=attempts)
    assert failed(delivery).next_attempt_at == NOON + timedelta(seconds=seconds)


def test_after_days_it_is_set_aside_and_never_bounced() -> None:
    tired = replace(FORWARD.deliveries[0], attempts=99, sendable_seconds=5 * 86400.0)
    result = failed(tired)
    assert (result.verdict.decision, result.give_up) == (Decision.SET_ASIDE, False)
    assert result.verdict.fix


@pytest.mark.parametrize("content", [b"", b"\x00\xff", b"From: \xff\r\n\r\n\xff\x00"])
def test_any_mail_has_a_body_that_can_be_signed(content: bytes) -> None:
    batch = replace(FORWARD, content=content)
    assert sign("A", build_body(batch, link=link), secrets=(SECRET,), now=NOON)


def test_a_target_does_not_show_its_secrets() -> None:
    shown: Any = repr(Target(url="https://x/", secrets=(SECRET,)))
    assert SECRET not in shown


def test_mail_with_a_name_of_any_script_is_verified() -> None:
    content = mail("你好", From="李雷 <li@example.org>", Subject="=?gb2312?b?xOO6ww==?=")
    forward = write_forward(occasion(content), STORE, route=ACME.routes["desk"], mark=mark)
    with web_server() as server:
        deliver(server, batch_of(forward))
        (posted,) = server.posted
    told = Webhook(SECRET).verify(posted.body, posted.headers)
    assert told["data"]["from"] == {"address": "li@example.org", "name": "李雷"}
    assert (told["data"]["subject"], told["data"]["text"]) == ("你好", "你好")
