"""`serve --capture`: the sandbox in the place of every upstream; nothing leaves the machine.

Everything before it is real: policies, store, limits of the provider, signature. What would
have left lies as a file in `captured/` below the state, named by the id that the sandbox gave
it, which the timeline of the message has as the upstream's. No password goes to the sandbox.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gateway import events
from gateway.config import Settings
from gateway.delivery.upstream import Account
from gateway.mail.delivery import Batch, Decision, Result
from gateway.mail.message import Edit, apply_edits
from gateway.mail.tenant import Security
from gateway.net.smtp import Endpoint, TlsPolicy
from gateway.sandbox.listening import HOST
from gateway.sandbox.transaction import Captured
from gateway.sandbox.upstream import Upstream, UpstreamSettings

STAND_IN = "none"
ADDED_BYTES = 1024 * 1024  # for what stamp, policies and signature add


class Capture:
    """Takes what was to leave, and writes it into files."""

    def __init__(self, settings: Settings) -> None:
        self.directory = settings.state / "captured"
        self._sandbox = Upstream(
            UpstreamSettings(
                require_login=False,
                max_message_bytes=settings.submission.max_message_bytes + ADDED_BYTES,
                kept=0,
            ),
            deliver=self._write,
        )

    async def start(self) -> None:
        """Listen on a free port of loopback. Raises OSError."""
        self.directory.mkdir(mode=0o700, exist_ok=True)
        await self._sandbox.start()
        events.capture_started(directory=str(self.directory))

    async def stop(self) -> None:
        """Stop listening."""
        await self._sandbox.stop()

    def in_place_of(self, account: Account) -> Account:
        """Return the account at the sandbox that stands for a real one."""
        login = account.credentials
        # An address decides the return path; another name may be a token.
        shown = login is not None and "@" in login.username
        return replace(
            account,
            endpoint=Endpoint(host=HOST, port=self._sandbox.port, security=Security.NONE),
            credentials=replace(login, secret=STAND_IN) if login and shown else None,
            tls=TlsPolicy(),
        )

    def told(self, batch: Batch, results: Sequence[Result]) -> list[Result]:
        """Return the results in words that do not take a capture for a delivery."""
        return [self._told(batch, one) for one in results]

    def _told(self, batch: Batch, result: Result) -> Result:
        if result.verdict.decision is not Decision.DELIVERED:
            return result
        file = str(self._path(result.attempt.remote_id or ""))
        events.message_captured(message_id=batch.message, lane=batch.lane, file=file)
        said = f"Captured, not sent: it lies in {file}."
        return replace(result, verdict=replace(result.verdict, cause="captured", meaning=said))

    def _write(self, captured: Captured) -> None:
        """Write a message with its envelope on top, as a whole or not at all."""
        envelope = captured.envelope
        to = [Edit("X-Original-To", str(one.address)) for one in reversed(envelope.recipients)]
        edits = (*to, Edit("Return-Path", f"<{envelope.return_path or ''}>"))
        path = self._path(captured.id)
        part = path.with_suffix(".part")
        part.write_bytes(apply_edits(captured.content, edits))
        part.chmod(0o600)
        part.rename(path)

    def _path(self, id_: str) -> Path:
        return self.directory / f"{id_}.eml"
