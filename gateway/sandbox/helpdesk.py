"""The sandbox's helpdesk: an HTTP server that keeps the webhooks it receives."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from weakref import WeakSet

from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from gateway.net.tls import Certificate
from gateway.sandbox.arrivals import Arrivals
from gateway.sandbox.listening import HOST, Listening, listen, tls_for_twisted

LIBRARY: Any = Site  # it has no annotations


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes
    verified: bool | None  # None: the helpdesk has no secret
    status: int  # as answered
    at: datetime

    @property
    def id(self) -> str:
        """The webhook-id, the same at every attempt."""
        return self.headers.get("webhook-id", "")

    @property
    def payload(self) -> Any:
        """The body as JSON. Raises ValueError."""
        return json.loads(self.body)


class Helpdesk:
    """A receiver of Standard Webhooks on loopback.

    With a `secret` ("whsec_...") a request whose signature is wrong is answered 401. `status`
    is the answer to the others and may be changed at any time; None answers nothing.
    `location` goes with it, for redirects.
    """

    def __init__(
        self, *, secret: str | None = None, certificate: Certificate | None = None
    ) -> None:
        self.received: Arrivals[Hook] = Arrivals()
        self.status: int | None = HTTPStatus.NO_CONTENT
        self.location: str | None = None
        self.port = 0
        self._secret = secret
        self._tls = tls_for_twisted(certificate) if certificate else None
        self.channels: WeakSet[Any] = WeakSet()  # connections that were used
        self._listening: Listening | None = None

    @property
    def url(self) -> str:
        """Where to send webhooks."""
        return f"{'https' if self._tls else 'http'}://{HOST}:{self.port}/inbound"

    async def start(self, port: int = 0) -> None:
        """Listen on loopback; `self.port` says where. Raises CannotListenError."""
        site = LIBRARY(Inbox(self))
        site.noisy = False
        self._listening = listen(site, port, tls=self._tls)
        self.port = self._listening.port

    async def stop(self) -> None:
        """Stop listening and close all connections."""
        if self._listening is not None:
            await self._listening.close()
        for channel in tuple(self.channels):
            channel.loseConnection()

    def receive(self, path: str, headers: dict[str, str], body: bytes) -> int | None:
        """Keep one request and return the status to answer, or None to answer nothing."""
        verified = self._verify(headers, body)
        status = HTTPStatus.UNAUTHORIZED if verified is False else self.status
        self.received.add(
            Hook(
                path=path,
                headers=headers,
                body=body,
                verified=verified,
                status=status or 0,
                at=datetime.now(UTC),
            )
        )
        return status

    def _verify(self, headers: dict[str, str], body: bytes) -> bool | None:
        if self._secret is None:
            return None
        try:
            Webhook(self._secret).verify(body, headers)
        except (WebhookVerificationError, ValueError):
            return False
        return True


class Inbox(Resource):
    """Twisted's way to a request: every path is the same."""

    isLeaf = True

    def __init__(self, helpdesk: Helpdesk) -> None:
        resource: Any = Resource
        resource.__init__(self)
        self._helpdesk = helpdesk

    def render_POST(self, request: Request) -> Any:
        """Receive."""
        arrived: Any = request
        self._helpdesk.channels.add(arrived.channel)
        headers = {
            name.decode("ascii").lower(): values[0].decode("utf-8", "replace")
            for name, values in arrived.requestHeaders.getAllRawHeaders()
        }
        status = self._helpdesk.receive(
            arrived.path.decode("ascii", "replace"), headers, arrived.content.read()
        )
        if status is None:
            return NOT_DONE_YET
        arrived.setResponseCode(status)
        if self._helpdesk.location is not None:
            arrived.setHeader(b"location", self._helpdesk.location.encode())
        return b""
