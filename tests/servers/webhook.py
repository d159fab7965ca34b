"""A helpdesk: an HTTP server that keeps each webhook it is given, and answers as it is told."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@dataclass(slots=True)
class Received:
    """One webhook that verified; `at` is by the monotonic clock."""

    id: str
    type: str
    payload: dict[str, Any] = field(repr=False)
    status: int  # as answered
    at: float = field(default_factory=time.monotonic)


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # with the library's 5 a busy second resets connections


class Helpdesk:
    """Listens on loopback at `url`; `received` holds what came, in order."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.refused: list[str] = []
        self.status = 204
        self._server = _Server(("127.0.0.1", 0), self._handler_class())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where to send webhooks."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/inbound"

    def of_type(self, name: str) -> list[Received]:
        """Return what came of one type."""
        return [one for one in self.received if one.type == name]

    def close(self) -> None:
        """Stop it."""
        self._server.shutdown()
        self._server.server_close()

    def _handler_class(self) -> type[BaseHTTPRequestHandler]:
        helpdesk = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                try:
                    Webhook(SECRET).verify(body, headers)
                except Exception as error:
                    helpdesk.refused.append(str(error))
                    self.send_response(401)
                    self.end_headers()
                    return
                payload = json.loads(body)
                status = helpdesk.status
                helpdesk.received.append(
                    Received(headers["webhook-id"], payload["type"], payload, status)
                )
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler
