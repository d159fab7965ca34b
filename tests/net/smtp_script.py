"""A server that follows a written dialogue: `C:` lines are expected, `S:` lines are said.

Instead of a line: `C: <content>` reads up to the lone dot, `S: <close>` hangs up, `S: <tls>`
starts TLS, `S: <silence>` says nothing any more.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trustme


class Script:
    """One dialogue, played once for each connection; what differs is kept in `faults`."""

    def __init__(self, dialogue: str, *, authority: trustme.CA | None = None) -> None:
        self.faults: list[str] = []
        self.content = b""
        self.connections = 0
        self.finished = 0
        self.port = 0
        self._lines = [line.strip(" ") for line in dialogue.split("\n") if line.strip()]
        self._tls = _server_context(authority) if authority else None
        self._writers: list[asyncio.StreamWriter] = []

    @asynccontextmanager
    async def serve(self, *, implicit_tls: bool = False) -> AsyncIterator[Script]:
        tls = self._tls if implicit_tls else None
        server = await asyncio.start_server(self._play, "127.0.0.1", 0, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for writer in self._writers:
                writer.close()
            await server.wait_closed()

    async def _play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        try:
            for line in self._lines:
                await self._step(line, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError) as error:
            self.faults.append(f"the client hung up: {error!r}")
            return
        self.finished += 1

    async def _step(
        self, line: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        who, _, text = line.partition(":")
        text = text.removeprefix(" ")
        if line == "C: <content>":
            self.content = await reader.readuntil(b"\r\n.\r\n")
        elif who == "C":
            said = (await reader.readuntil(b"\r\n"))[:-2].decode()
            if said != text:
                self.faults.append(f"expected {text!r}, the client said {said!r}")
        elif text == "<close>":
            writer.close()
        elif text == "<tls>":
            await self._start_tls(writer)
        elif text == "<silence>":
            await asyncio.Event().wait()
        else:
            writer.write(f"{text}\r\n".encode("latin-1"))
            await writer.drain()

    async def _start_tls(self, writer: asyncio.StreamWriter) -> None:
        assert self._tls is not None
        before = writer.transport
        try:
            await writer.start_tls(self._tls)
        except AttributeError as error:  # Python 3.11, when the client hangs up meanwhile
            writer._transport = before  # type: ignore[attr-defined]
            raise ConnectionError("during the handshake") from error


def _server_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context
