"""A web server that keeps what is posted and answers what it is told to."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass
class Posted:
    """One request: its path, header fields in lower case, body."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class WebServer:
    """Where it listens, what came, what it answers: `text`, or what `judge` makes of it."""

    port: int = 0
    status: int = 200
    text: bytes = b"ok"
    location: str | None = None
    judge: Callable[[bytes], bytes] | None = None
    posted: list[Posted] = field(default_factory=list)

    def url(self, *, scheme: str = "http", host: str = "127.0.0.1") -> str:
        """Return the address of its only page."""
        return f"{scheme}://{host}:{self.port}/in?x=1"


@contextmanager
def web_server(context: ssl.SSLContext | None = None) -> Iterator[WebServer]:
    """Serve on loopback until the block ends."""
    told = WebServer()

    class Page(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            fields = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(length)
            told.posted.append(Posted(self.path, fields, body))
            text = told.judge(body) if told.judge else told.text
            self.send_response(told.status)
            self.send_header("Content-Length", str(len(text)))
            if told.location:
                self.send_header("Location", told.location)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    server.daemon_threads = True
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    told.port = server.server_address[1]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
