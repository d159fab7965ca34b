"""The sandbox's helpdesk, which receives Standard Webhooks."""

import json
import ssl
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from gateway.net.tls import Certificate
from gateway.sandbox.helpdesk import Helpdesk

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = json.dumps({"type": "message.received", "data": {"id": "1"}})


def signed(secret: str = SECRET) -> dict[str, str]:
    now = datetime.now(UTC)
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg_1", now, BODY),
    }


def test_a_signed_webhook_is_kept_and_answered_2xx(serve: Any) -> None:
    desk: Helpdesk = serve(Helpdesk(secret=SECRET))
    answer = httpx.post(desk.url, content=BODY, headers=signed())
    (hook,) = desk.received
    assert answer.status_code == hook.status == 204
    assert (hook.id, hook.verified, hook.path) == ("msg_1", True, "/inbound")
    assert hook.payload["data"] == {"id": "1"}


def test_a_wrong_signature_is_401_and_kept(serve: Any) -> None:
    desk: Helpdesk = serve(Helpdesk(secret=SECRET))
    other = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
    assert httpx.post(desk.url, content=BODY, headers=signed(other)).status_code == 401
    assert httpx.post(desk.url, content=BODY).status_code == 401
    assert [hook.verified for hook in desk.received] == [False, False]


def test_without_a_secret_nothing_is_verified(serve: Any) -> None:
    desk: Helpdesk = serve(Helpdesk())
    assert httpx.post(desk.url, content=b"not JSON").status_code == 204
    (hook,) = desk.received
    assert hook.verified is None
    with pytest.raises(ValueError, match="Expecting value"):
        _ = hook.payload


def test_it_is_down_until_it_is_up_again(serve: Any) -> None:
    desk: Helpdesk = serve(Helpdesk())
    desk.status = 503
    assert httpx.post(desk.url, content=BODY).status_code == 503
    desk.status = 200
    assert httpx.post(desk.url, content=BODY).status_code == 200


def test_it_redirects(serve: Any) -> None:
    desk: Helpdesk = serve(Helpdesk())
    desk.status, desk.location = 302, "http://127.0.0.1:1/"
    answer = httpx.post(desk.url, content=BODY)
    assert (answer.status_code, answer.headers["location"]) == (302, "http://127.0.0.1:1/")


def test_it_may_answer_nothing(serve: Any, loop: Any) -> None:
    desk: Helpdesk = serve(Helpdesk())
    desk.status = None
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(desk.url, content=BODY, timeout=0.2)
    loop.run(desk.received.wait_for())
    assert len(desk.received) == 1


def test_tls(serve: Any, certificate: Certificate, trust: ssl.SSLContext) -> None:
    desk: Helpdesk = serve(Helpdesk(certificate=certificate))
    assert httpx.post(desk.url, content=BODY, verify=trust).status_code == 204


def test_stopping_closes_connections_that_are_kept_alive(loop: Any) -> None:
    desk = Helpdesk()
    loop.run(desk.start())
    with httpx.Client() as client:
        client.post(desk.url, content=BODY)
        loop.run(desk.stop())
        with pytest.raises(httpx.TransportError):
            client.post(desk.url, content=BODY)
