"""OUT, first half: what helpdesks submit, judged and kept.

It runs inside the server, or several times beside it in processes of its own (app.worker).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from socket import socket

from gateway.app.accounts import Accounts
from gateway.app.foundation import Foundation
from gateway.app.policies import CurrentChains
from gateway.app.submissions import Submissions
from gateway.mail.delivery import Outgoing
from gateway.mail.envelope import Refused
from gateway.mail.reply import Reply
from gateway.net.tls import ServerTls
from gateway.store import suppressions
from gateway.submission.listener import Listeners
from gateway.submission.login import Login, SignIn
from gateway.submission.room import Room
from gateway.submission.session import Conversation, Desk
from gateway.submission.tally import Tally

DRAIN_SECONDS = 30.0


class Intake:
    """Takes mail on `sockets`, one for each listener; calls `queued` after each commit."""

    def __init__(
        self,
        base: Foundation,
        *,
        chains: CurrentChains,
        tls: ServerTls,
        sockets: Sequence[socket],
        queued: Callable[[], None],
        tally: Tally,
    ) -> None:
        self._base = base
        self._queued = queued
        self._tally = tally
        self._accounts = Accounts(base.settings, base.directory, base.catalogue)
        self._submissions = Submissions(base, chains)
        self._listeners = Listeners(
            base.settings.submission,
            Conversation(self._desk()),
            sockets=sockets,
            hostname=base.settings.server.hostname,
            support=base.settings.console.support,
            tls=tls,
            room=Room(base.settings.submission.max_bytes_at_once),
            tally=tally,
        )

    async def start(self) -> None:
        """Begin to listen."""
        await self._listeners.start()

    async def stop(self) -> None:
        """Close the listeners and let sessions end."""
        await self._listeners.stop(seconds=DRAIN_SECONDS)
        self._submissions.close()

    def _desk(self) -> Desk:
        sign_in = SignIn(
            self._base.directory.find_credential,
            self._base.seal.matches,
            auth_failures=self._base.settings.submission.auth_failures,
            clock=time.monotonic,
            tally=self._tally,
        )
        return Desk(
            hostname=self._base.settings.server.hostname,
            sign_in=sign_in,
            sign_in_again=sign_in.again,
            find_tenant=self._base.directory.find_tenant,
            upstream_max_bytes=self._accounts.max_message_bytes,
            find_suppression=self._base.directory.find_suppression,
            note_refusal=self._note_refusal,
            accept=self._accept,
        )

    async def _note_refusal(self, refused: Refused) -> str:
        now = datetime.now(UTC)
        return await self._base.store.write(suppressions.note_refusal, refused, now=now)

    async def _accept(self, outgoing: Outgoing, login: Login) -> Reply:
        reply = await self._submissions.accept(outgoing, per_hour=login.messages_per_hour)
        self._queued()
        return reply
