"""To the helpdesk by webhook: signed JSON as Standard Webhooks has it.

Every attempt of a delivery has the same webhook-id, a fresh timestamp and a fresh signature.
Only 2xx is success. Whatever else is said, the mail waits and is then set aside: a customer
is never bounced because the helpdesk is down.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from standardwebhooks import Webhook

from gateway.actions.event import event_body
from gateway.actions.received import Link, received
from gateway.config import ConfigError, RouteSettings
from gateway.mail.delivery import (
    Attempt,
    Batch,
    Decision,
    Delivery,
    Kind,
    Phase,
    Result,
    Verdict,
)
from gateway.mail.reply import Reply
from gateway.net.concurrency import Pool
from gateway.net.http import Http, HttpReply, Refused
from gateway.net.smtp import NO_REPLY
from gateway.net.unreachable import Unreachable

PREFIX = "whsec_"
MAX_SHOWN = 200  # characters of a reply
GONE = 410
OF_SETTINGS = (
    "mend the url, secret_file or ca_file in the tenant's file, or [routes] private_networks"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a lane of webhooks leads. `secrets`: two during a rotation, the new one first."""

    url: str
    secrets: tuple[str, ...] = field(repr=False)
    ca_file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhooks:
    """Delivers batches of webhook routes and of hooks."""

    http: Http
    pool: Pool  # building JSON from a large mail takes longer than the event loop may wait
    settings: RouteSettings
    link: Link

    async def deliver(self, batch: Batch, target: Target, *, now: datetime) -> list[Result]:
        """Post the batch once; return what became of each of its deliveries.

        Raises nothing for what the other side does; a secret that is no secret and a CA that
        cannot be read are told as a deferral too, since a person can mend them.
        """
        try:
            body = await self.pool.run(build_body, batch, link=self.link)
            headers = sign(batch.message, body, secrets=target.secrets, now=now)
            reply = await self.http.post(
                target.url, body=body, headers=headers, ca_file=target.ca_file
            )
        except (Refused, WrongSecret, ConfigError) as error:  # a person's turn
            attempt = _unanswered(target, str(error), now)
            return self._results(batch, attempt, fix=OF_SETTINGS, now=now)
        except Unreachable as error:
            return self._results(batch, _unanswered(target, str(error), now), now=now)
        return self._results(batch, _answered(target, reply, now), now=now)

    def _results(
        self, batch: Batch, attempt: Attempt, *, fix: str | None = None, now: datetime
    ) -> list[Result]:
        return [
            judge(delivery, attempt, settings=self.settings, fix=fix, now=now)
            for delivery in batch.deliveries
        ]


class WrongSecret(Exception):
    """The secret of a route or hook is missing or not `whsec_` and base64."""


def build_body(batch: Batch, *, link: Link) -> bytes:
    """Return what is posted: an event as it was stored, a mail as message.received."""
    if batch.kind is Kind.EVENT:
        return batch.content
    return event_body("message.received", received(batch, link=link), at=batch.accepted_at)


def sign(
    webhook_id: str, body: bytes, *, secrets: tuple[str, ...], now: datetime
) -> dict[str, str]:
    """Return the headers of a signed post; raises WrongSecret. `now` is aware."""
    if not secrets:
        raise WrongSecret("the webhook has no secret: give secret_file, whsec_ and base64")
    text = body.decode()
    signatures = [Webhook(_key(one)).sign(webhook_id, now, text) for one in secrets]
    return {
        "content-type": "application/json; charset=utf-8",
        "user-agent": "mail-gateway",
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def judge(
    delivery: Delivery,
    attempt: Attempt,
    *,
    settings: RouteSettings,
    fix: str | None = None,
    now: datetime,
) -> Result:
    """Return what one attempt means for a delivery (pure): it is never bounced.

    `fix` is what a person does, where that is known better than by the code.
    """
    code = attempt.reply.code
    if code // 100 == 2:
        verdict = Verdict(
            decision=Decision.DELIVERED, cause="accepted", meaning="The webhook took it."
        )
        return _result(delivery, attempt, verdict)
    fix = fix or _fix(code)
    waited = timedelta(seconds=delivery.sendable_seconds)
    if code == GONE or waited >= settings.give_up_after:
        why = "says that it is gone" if code == GONE else f"{_said(attempt)} for too long"
        verdict = Verdict(
            decision=Decision.SET_ASIDE,
            cause="webhook-failed",
            meaning=f"the webhook {why}",
            fix=fix,
        )
        return _result(delivery, attempt, verdict)
    verdict = Verdict(
        decision=Decision.DEFER,
        cause="webhook-failed",
        meaning=f"the webhook {_said(attempt)}",
        fix=fix,
    )
    waits = settings.retry_waits
    wait = waits[min(delivery.attempts, len(waits) - 1)]
    return _result(delivery, attempt, verdict, next_attempt_at=now + wait)


def _key(secret: str) -> bytes:
    """Return the key of `whsec_` and base64; the library takes some that are no base64."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except ValueError as error:
        raise WrongSecret("the webhook's secret is not whsec_ and base64") from error
    if not secret.startswith(PREFIX) or not key:
        raise WrongSecret("the webhook's secret is not whsec_ and base64")
    return key


def _result(
    delivery: Delivery,
    attempt: Attempt,
    verdict: Verdict,
    *,
    next_attempt_at: datetime | None = None,
) -> Result:
    return Result(
        delivery=delivery.number,
        attempt=attempt,
        verdict=verdict,
        next_attempt_at=next_attempt_at,
    )


def _said(attempt: Attempt) -> str:
    if attempt.reply.code == NO_REPLY:
        return f"cannot be reached: {attempt.reply.text}"
    return f"answered {attempt.reply.code}"


def _fix(code: int) -> str:
    if 300 <= code < 400:
        return "give the URL it redirects to: redirects are not followed"
    if code in (401, 403):
        return "check that both sides have the same secret"
    if code == 404:
        return "check the path of the URL"
    if code == GONE:
        return "give another url, or take the webhook out of the tenant's file"
    if code == NO_REPLY:
        return "check the host of the url, and that this server may connect there"
    return "look at the log of the webhook's server"


def _unanswered(target: Target, sentence: str, now: datetime) -> Attempt:
    reply = Reply(NO_REPLY, None, sentence[:MAX_SHOWN])
    return Attempt(at=now, host=_host(target), phase=Phase.HTTP, reply=reply)


def _answered(target: Target, reply: HttpReply, now: datetime) -> Attempt:
    shown = "".join(char if char.isprintable() else " " for char in reply.text)
    return Attempt(
        at=now,
        host=f"{_host(target)} [{reply.address}]",
        phase=Phase.HTTP,
        reply=Reply(reply.status, None, " ".join(shown.split())[:MAX_SHOWN]),
        tls="TLS" if target.url.startswith("https:") else None,
        seconds=reply.seconds,
    )


def _host(target: Target) -> str:
    try:
        return urlsplit(target.url).hostname or ""
    except ValueError:
        return ""
