"""Tries an account step by step, as far as MAIL, and says what is wrong and what to do.

Nothing is sent unless a letter is given: MAIL is taken back with RSET. The steps are those of
a delivery, taken one by one on a session of their own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from time import monotonic

from gateway.delivery.reach import (
    Obstacle,
    explain_loss,
    explain_no_mechanism,
    explain_no_starttls,
)
from gateway.delivery.upstream import Account
from gateway.delivery.verdict import PHASES
from gateway.mail.address import Address
from gateway.mail.delivery import Phase
from gateway.mail.envelope import Envelope, Recipient
from gateway.mail.reply import Reply
from gateway.mail.tenant import Security
from gateway.net.smtp import NO_REPLY, Session, SessionLost, SessionRefused, Timeouts
from gateway.net.smtp_wire import Loss, Wire, connect, resolve
from gateway.providers.catalogue import Provider
from gateway.providers.diagnosis import diagnose

PATIENCE = Timeouts(
    connect_seconds=10.0, greeting_seconds=15.0, command_seconds=15.0, quit_seconds=2.0
)
"""Shorter than a delivery's (RFC 5321 §4.5.3.2): a person waits."""

Said = str | SessionRefused
"""What a step answers: words for people, or the server's refusal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: how long it took and what was said; `cause` is None when it went well."""

    name: str  # token | name | tcp | tls | ehlo | auth | mail | sent
    seconds: float
    said: str
    cause: str | None = None
    meaning: str | None = None
    fix: str | None = None

    @property
    def is_ok(self) -> bool:
        """Whether the next step could be taken."""
        return self.cause is None


@dataclass(frozen=True, slots=True)
class Letter:
    """A message to one recipient, from the probe's return path."""

    to: Address
    content: bytes


async def probe(
    account: Account,
    catalogue: Mapping[str, Provider],
    *,
    return_path: Address | None,
    local_name: str,
    timeouts: Timeouts = PATIENCE,
    letter: Letter | None = None,
) -> list[Step]:
    """Return the steps up to the first that fails, or to the answer to MAIL.

    A `letter` is sent as the last step. A refusal and a loss are values; nothing that a
    server does is raised.
    """
    probing = _Probing(account, return_path, local_name=local_name, timeouts=timeouts)
    probing.letter = letter
    steps: list[Step] = []
    try:
        for name, take in probing.steps():
            steps.append(await _take(name, take, account=account, catalogue=catalogue))
            if not steps[-1].is_ok:
                break
    finally:
        probing.hang_up()
    return steps


class _Probing:
    """One connection, and the steps that are taken on it."""

    def __init__(
        self,
        account: Account,
        return_path: Address | None,
        *,
        local_name: str,
        timeouts: Timeouts,
    ) -> None:
        self._account = account
        self._envelope = Envelope(return_path=return_path, recipients=())
        self._local_name = local_name
        self._timeouts = timeouts
        self._addresses: tuple[str, ...] = ()
        self._open: list[Session] = []
        self.letter: Letter | None = None

    def steps(self) -> list[tuple[str, Callable[[], Awaitable[Said]]]]:
        """Return the steps of this account, in order."""
        steps: list[tuple[str, Callable[[], Awaitable[Said]]]] = [
            ("name", self._name),
            ("tcp", self._tcp),
        ]
        if self._account.without_token is not None:
            return [("token", self._token)]
        if self._account.endpoint.security is not Security.NONE:
            steps.append(("tls", self._tls))
        steps.append(("ehlo", self._ehlo))
        if self._account.credentials is not None:
            steps.append(("auth", self._auth))
        steps.append(("mail", self._mail))
        if self.letter is not None:
            steps.append(("sent", self._send))
        return steps

    def hang_up(self) -> None:
        """End what was begun."""
        for session in self._open:
            session.abort()

    async def _token(self) -> Said:
        nothing = Reply(NO_REPLY, None, "there is no access token")
        return SessionRefused(Phase.TOKEN, self._account.without_token or nothing)

    async def _name(self) -> Said:
        endpoint = self._account.endpoint
        seconds = self._timeouts.connect_seconds
        self._addresses = endpoint.addresses or await resolve(
            endpoint.host, endpoint.port, seconds=seconds
        )
        return f"{endpoint.host} is {', '.join(self._addresses)}"

    async def _tcp(self) -> Said:
        endpoint = self._account.endpoint
        wire = await connect(
            endpoint.host,
            endpoint.port,
            addresses=self._addresses,
            seconds=self._timeouts.connect_seconds,
        )
        self._open.append(self._session_on(wire))
        return f"port {endpoint.port} takes connections"

    async def _tls(self) -> Said:
        session = self._session
        if self._account.endpoint.security is Security.TLS:
            await session.start_tls()
        else:
            refused = (
                await self._greet() or await session.say_hello() or await session.ask_for_tls()
            )
            if refused is not None:
                return refused
            await session.wait_until_secured()
        return session.tls or "secured"

    async def _ehlo(self) -> Said:
        session = self._session
        refused = None
        if self._account.endpoint.security is not Security.STARTTLS:
            refused = await self._greet()
        return refused or await session.say_hello() or f"offers {_words(session.extensions)}"

    async def _auth(self) -> Said:
        credentials = self._account.credentials
        refused = await self._session.sign_in(credentials)
        return refused or f"signed in as {credentials.username if credentials else ''}"

    async def _mail(self) -> Said:
        envelope = self._account.as_allowed(self._envelope)
        reply = await self._session.try_mail(envelope)
        if reply.code // 100 != 2:
            return SessionRefused(Phase.MAIL, reply)
        return f"<{envelope.return_path or ''}> may send"

    async def _send(self) -> Said:
        if self.letter is None:
            raise ValueError("there is no letter")
        to = Recipient(self.letter.to)
        envelope = self._account.as_allowed(replace(self._envelope, recipients=(to,)))
        [answer] = await self._session.send(envelope, self.letter.content)
        if answer.reply.code == NO_REPLY:
            raise SessionLost(answer.phase, answer.reply.text)
        if answer.reply.code // 100 != 2:
            return SessionRefused(answer.phase, answer.reply)
        await self._session.close()
        return answer.reply.as_line()

    async def _greet(self) -> SessionRefused | None:
        """Wait for the greeting; where none comes, find out whether TLS is waited for."""
        try:
            return await self._session.greet()
        except SessionLost as lost:
            if lost.reason is Loss.SILENT and await self._speaks_tls():
                raise SessionLost(lost.phase, str(lost), reason=Loss.SPEAKS_TLS) from lost
            raise

    async def _speaks_tls(self) -> bool:
        """Whether the port answers to a TLS handshake; what its certificate is worth or not."""
        if self._account.endpoint.security is Security.TLS:
            return False
        try:
            await self._tcp()
            await self._open[-1].start_tls()
        except SessionLost as lost:
            return lost.reason in (Loss.UNTRUSTED, Loss.WRONG_NAME)
        return True

    @property
    def _session(self) -> Session:
        return self._open[0]

    def _session_on(self, wire: Wire) -> Session:
        return Session(
            wire,
            self._account.endpoint,
            tls=self._account.tls,
            timeouts=self._timeouts,
            local_name=self._local_name,
        )


async def _take(
    name: str,
    take: Callable[[], Awaitable[Said]],
    *,
    account: Account,
    catalogue: Mapping[str, Provider],
) -> Step:
    started = monotonic()
    fault: Obstacle | None = None
    try:
        said = await take()
    except SessionLost as lost:
        fault, words = explain_loss(lost.reason, account.endpoint), str(lost)
    else:
        words = said if isinstance(said, str) else said.reply.as_line()
        if not isinstance(said, str):
            fault = _explain_refusal(said, account, catalogue)
    return Step(
        name=name,
        seconds=monotonic() - started,
        said=words,
        cause=fault.cause if fault else None,
        meaning=fault.meaning if fault else None,
        fix=fault.fix if fault else None,
    )


def _explain_refusal(
    refused: SessionRefused, account: Account, catalogue: Mapping[str, Provider]
) -> Obstacle:
    if refused.reply.code == NO_REPLY:
        if refused.phase is Phase.TOKEN:
            fix = "Wait, then try again; check token_url and directory if it stays."
            return Obstacle("unreachable", refused.reply.text, fix)
        if refused.phase is Phase.STARTTLS:
            return explain_no_starttls(account.endpoint)
        return explain_no_mechanism()
    found = diagnose(
        account.provider,
        catalogue,
        phase=PHASES.get(refused.phase, "smtp-any"),
        code=refused.reply.code,
        text=_text(refused.reply),
        address=account.credentials.username if account.credentials else None,
        oauth2=account.credentials is not None and account.credentials.oauth2,
    )
    return Obstacle(found.cause, found.meaning, found.fix or "Wait, then try again.")


def _text(reply: Reply) -> str:
    return f"{reply.enhanced or ''} {reply.text}".lstrip()


def _words(extensions: Mapping[str, str]) -> str:
    return ", ".join(sorted(extensions)) or "nothing beyond HELO"
