"""One mailbox watched: sign in, fetch, idle or poll, and again until the connection ends.

No thread waits while nothing happens (RFC 2177 IDLE on the event loop's socket). What goes
wrong becomes evidence in the mailbox's standing, which says when the next sign-in is due.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from gateway.config import MailboxSettings
from gateway.events import watch
from gateway.mail.delivery import Outgoing
from gateway.mailbox.account import Account
from gateway.mailbox.fetch import Fetcher
from gateway.mailbox.ledger import Ledger
from gateway.mailbox.rounds import Rounds, begin_rounds
from gateway.mailbox.sent import Learn, SentFolder
from gateway.mailbox.sign_in import open_mailbox
from gateway.mailbox.slots import Slots
from gateway.mailbox.standing import Standing
from gateway.net.imap import Folder, ImapPools, ImapRefused, ImapSession
from gateway.net.oauth import TokenRefused
from gateway.net.unreachable import Unreachable
from gateway.providers.catalogue import Provider
from gateway.store.errors import StoreError
from gateway.store.sqlite import Store
from gateway.store.states import MailboxState

RETRY_OPEN_SECONDS = 10.0
FRESH_SIGN_IN = timedelta(days=1)  # an open IDLE outlives its code: prove it daily
SPREAD = timedelta(minutes=5)
AT_ONCE = timedelta()
STEADY_SECONDS = 300.0  # a session that lasted so long was no failure
CUT_SECONDS, CUTS = 30.0, 3  # so many in a row cut so soon: it is not for that server
DAY = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Waits after network failures: full jitter below a bound that doubles."""

    first: timedelta = timedelta(seconds=10)
    longest: timedelta = timedelta(minutes=15)

    def after(self, failures: int, *, chance: float) -> timedelta:
        """Return the wait after `failures` >= 1 in a row; `chance` is in [0, 1)."""
        return min(self.longest, self.first * 2.0 ** min(failures - 1, 20)) * chance


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all watchers share: the stage's settings, and callables of the app.

    `secret` returns what the sign-in of (tenant, address) rests on, or None: its password, or
    for OAuth2 a word that changes with the permission. `token` returns an access token of
    (tenant, address) that is not the refused one; raises Unreachable. `arrived` is told the
    id of each message stored, `learn` in a transaction of the Message-ID that a provider gave
    a mail. `tell` (tenant, state) returns the events that are queued with a change of a
    mailbox's health, `changed` is called once it is kept.
    No connection is older than `fresh_sign_in`. When a host that did not answer does so again,
    all its mailboxes sign in within `spread`.
    """

    store: Store
    pools: ImapPools
    settings: MailboxSettings
    catalogue: Mapping[str, Provider]
    secret: Callable[[str, str], Awaitable[str | None]]
    token: Callable[[str, str, str | None], Awaitable[str | TokenRefused]]
    arrived: Callable[[str], None]
    learn: Learn
    tell: Callable[[str, MailboxState], Sequence[Outgoing]]
    changed: Callable[[], None]
    now: Callable[[], datetime]
    backoff: Backoff = Backoff()
    fresh_sign_in: timedelta = FRESH_SIGN_IN
    spread: timedelta = SPREAD


class Watcher:
    """Watches one mailbox until it is cancelled."""

    def __init__(
        self,
        account: Account,
        around: Surroundings,
        slots: Slots,
        *,
        answers_again: Callable[[str], None],
    ) -> None:
        """`answers_again` is told a host that did not answer before, and does."""
        self.account = account
        self._around = around
        self._slots = slots
        self._answers_again = answers_again
        self._fetcher = Fetcher(account, around.store, arrived=around.arrived, now=around.now)
        self._ledger = Ledger(account, around.store, self._fetcher, now=around.now)
        self._standing = Standing(
            account,
            around.store,
            settings=around.settings,
            catalogue=around.catalogue,
            tell=partial(around.tell, account.tenant),
            changed=around.changed,
            now=around.now,
        )
        self._stirred = asyncio.Event()
        self._woken = False
        self._rechecks = False
        self._paused = False
        self._secret: str | None = None
        self._says_id = account.says_id
        self._failures = 0
        self._served = False  # mail could be fetched in this session
        self._cuts = self._sent_cuts = 0
        self._due: float | None = None  # when the next sign-in is, of the monotonic clock
        self._waits_for_host = self._is_hurried = False

    def wake(self) -> None:
        """Look for mail now, or sign in now."""
        self._woken = True
        self._stirred.set()

    def hurry(self) -> None:
        """The host answers again: a wait that is for it ends within `spread`, also one that a
        session leads to which fails yet.

        Without this, one that failed often in a short outage would be the last by far.
        """
        self._is_hurried = self._waits_for_host or not self._served
        if self._waits_for_host:
            self._stirred.set()

    def recheck(self) -> None:
        """Sign in anew if the secret or the pause has changed."""
        self._rechecks = True
        self._fetcher.look_again()
        self._stirred.set()

    async def run(self) -> None:
        """Watch for ever; raises only for a fault of ours."""
        while True:
            wait = await self._one_session()
            await self._rest(wait)

    async def _one_session(self) -> timedelta | None:
        """Sign in and watch until the session ends; return the wait, None: for a person."""
        self._woken = self._rechecks = self._served = False
        self._waits_for_host = self._is_hurried = False
        self._stirred.clear()
        self._paused = await self._standing.load()
        if self._paused:
            return None
        self._secret = await self._around.secret(self.account.tenant, self.account.address)
        try:
            refused = await self._sign_in_and_watch(self._secret)
        except Unreachable as error:
            return await self._unreachable(error)
        except StoreError as error:
            watch.mailbox_waits_for_store(mailbox=self.account.address, error=error)
            return self._back_off()
        return AT_ONCE if refused is None else await self._refused(refused)

    async def _sign_in_and_watch(self, secret: str | None) -> ImapRefused | None:
        if self.account.oauth2:
            token = await self._token(None)
            if isinstance(token, ImapRefused):
                return token
            secret = token
        if secret is None:
            return ImapRefused("imap-login", "NO", "no password is stored for it")
        async with contextlib.AsyncExitStack() as ending:
            async with self._slots.of(self.account.endpoint.host, self.account.tenant):
                session = await ImapSession.connect(self.account.endpoint, self._around.pools)
                if isinstance(session, ImapRefused):
                    return session
                ending.callback(session.hang_up)
                folder = await open_mailbox(
                    session, self.account, secret, says_id=self._says_id, renew=self._token
                )
            if isinstance(folder, ImapRefused):
                return folder
            refused = await self._watch(session, folder)
            await session.logout()
            return refused

    async def _token(self, refused: str | None) -> str | ImapRefused:
        token = await self._around.token(self.account.tenant, self.account.address, refused)
        if isinstance(token, TokenRefused):
            return ImapRefused("token", str(token.status), token.text)
        return token

    async def _watch(self, session: ImapSession, first: Folder) -> ImapRefused | None:
        """Fetch and wait in turns; returns at a refusal, or when a fresh sign-in is due."""
        may_idle = self.account.may_idle and self._cuts < CUTS
        idles = may_idle and await session.offers("IDLE")
        rounds = await begin_rounds(session, self.account, first=first if idles else None)
        self._fetcher.look_again()
        if refused := await self._fetcher.beginnings.settle(rounds):
            return refused
        await self._standing.succeeded(rounds.unopened)
        watch.mailbox_connected(
            mailbox=self.account.address, host=self.account.endpoint.host, idle=idles
        )
        sent = SentFolder(
            self.account, self._around.store, rounds,
            learn=self._around.learn, now=self._around.now,
        )  # fmt: skip
        begun = time.monotonic()
        until = begun + self._fresh_seconds()
        while time.monotonic() < until and not await self._is_overtaken():
            self._woken = False
            still_open = await self._look_and_fetch(sent, rounds)
            if isinstance(still_open, ImapRefused):
                return still_open
            if self._failures and not self._served:
                self._answers_again(self.account.endpoint.host)
            self._served = True
            if time.monotonic() - begun > STEADY_SECONDS:
                self._failures = 0
            await self._standing.succeeded(rounds.unopened)
            longest = min(until - time.monotonic(), RETRY_OPEN_SECONDS if still_open else DAY)
            if idles:
                refused = await self._idle(rounds, longest=longest)
                if self._cuts >= CUTS:  # by a NO: the next session polls
                    return None
            else:
                refused = await self._poll_pause(session, first.name, longest=longest)
            if refused is not None:
                return refused
        self._cuts = self._sent_cuts = 0  # tried again: a network may be better
        return None

    def _fresh_seconds(self) -> float:
        """Return how long a connection lasts, so that not all end at the same time."""
        return self._around.fresh_sign_in.total_seconds() * random.uniform(0.8, 0.95)  # noqa: S311

    async def _is_overtaken(self) -> bool:
        """Whether there is another secret now, or a person has paused or resumed it."""
        self._stirred.clear()  # what stirs while this looks is looked at after it
        if not self._rechecks:
            return False
        self._rechecks = False
        was_dead = self._standing.is_dead
        paused = await self._standing.load()
        if was_dead and not self._standing.is_dead:
            return True
        secret = await self._around.secret(self.account.tenant, self.account.address)
        return paused is not self._paused or secret != self._secret

    async def _look_and_fetch(self, sent: SentFolder, rounds: Rounds) -> int | ImapRefused:
        """Learn what copies of sent mail tell before an answer to it is fetched.

        Not where that ends each session: Dovecot hangs up over a mail that it cannot read.
        """
        if self._sent_cuts < CUTS and await sent.is_awaited():
            self._sent_cuts += 1  # until it has ended well
            async with self._slots.of(self.account.endpoint.host, self.account.tenant):
                refused = await sent.look()
            if refused is not None:
                return refused
            self._sent_cuts = 0
        return await self._fetch(rounds)

    async def _fetch(self, rounds: Rounds) -> int | ImapRefused:
        still_open = 0
        await rounds.look_for_junk()
        for name in rounds.names:
            folder = await rounds.select(name)
            if isinstance(folder, ImapRefused):
                if rounds.ends(name, folder):
                    return folder
                continue
            async with self._slots.of(self.account.endpoint.host, self.account.tenant):
                taken = await self._take(rounds, folder)
            if isinstance(taken, ImapRefused):
                return taken
            still_open += taken
        return still_open

    async def _take(self, rounds: Rounds, folder: Folder) -> int | ImapRefused:
        """Fetch what is new, and once a day whatever was missed, too."""
        junk = folder.name == rounds.junk
        if await self._ledger.is_due(folder.name):
            page = await self._ledger.check(rounds.session, folder, junk=junk)
            return page if isinstance(page, ImapRefused) else page.still_open
        return await self._fetcher.fetch(rounds.session, folder, junk=junk)

    async def _idle(self, rounds: Rounds, *, longest: float) -> ImapRefused | None:
        """Idle in the main folder; the others are asked about by STATUS (RFC 9051 §6.3.11)
        in between, which costs a tenth of opening each of them in turn."""
        until = time.monotonic() + min(longest, self.account.idle_for.total_seconds())
        while (left := until - time.monotonic()) > 0 and not self._stirred.is_set():
            seconds = min(left, self.account.poll_every.total_seconds())
            refused = await self._idle_once(rounds, seconds=seconds if rounds.others else left)
            if refused is not None:
                return refused
            has_news = not self._stirred.is_set() and await rounds.others_have_news()
            if isinstance(has_news, ImapRefused):
                return has_news
            if has_news:
                break
        return None

    async def _idle_once(self, rounds: Rounds, *, seconds: float) -> ImapRefused | None:
        """Idle, and note whether the server lets us: some offer IDLE and refuse it, or hang
        up at once, and a sign-in for each mail would be one too many."""
        begun = time.monotonic()
        self._cuts += 1  # until it has ended well, or was of use
        try:
            refused = await rounds.session.idle(self._stirred, seconds=seconds)
        finally:
            if time.monotonic() - begun > CUT_SECONDS:
                self._cuts = 0
        if refused is None:
            self._cuts = 0
        elif refused.code != "BYE" and self._cuts:
            self._cuts = CUTS
        return refused

    async def _poll_pause(
        self, session: ImapSession, folder: str, *, longest: float
    ) -> ImapRefused | None:
        """Wait for the next poll; the connection is kept alive meanwhile."""
        behaviour = self.account.provider.behaviour
        until = time.monotonic() + min(longest, self.account.poll_every.total_seconds())
        while not await self._stirs_within(
            min(until - time.monotonic(), behaviour.keepalive_seconds)
        ):
            if time.monotonic() >= until:
                break
            refused = await session.keep_alive(
                folder, by_status=behaviour.keepalive == "STATUS"
            )
            if refused is not None:
                return refused
        return None

    async def _stirs_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stirred.wait()
        return self._stirred.is_set()

    async def _rest(self, wait: timedelta | None) -> None:
        """Wait until the next sign-in is due; a wake or a new secret ends it early."""
        self._due = None if wait is None else time.monotonic() + wait.total_seconds()
        while self._due is None or time.monotonic() < self._due:
            if self._woken or await self._is_overtaken():
                return
            if self._is_hurried and self._waits_for_host and self._due is not None:
                self._waits_for_host = False
                spread = self._around.spread.total_seconds() * random.random()  # noqa: S311
                self._due = min(self._due, time.monotonic() + spread)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._due and self._due - time.monotonic()):
                    await self._stirred.wait()

    async def _refused(self, refused: ImapRefused) -> timedelta:
        diagnosis, wait = await self._standing.refused(refused)
        if diagnosis.cause == "client-id-required" and not self._says_id:
            self._says_id = True
            wait = AT_ONCE
        wait = self._back_off() if wait is None else wait
        watch.mailbox_refused(
            mailbox=self.account.address,
            phase=refused.phase,
            cause=diagnosis.cause,
            text=refused.text,
            next_try_seconds=wait.total_seconds(),
        )
        return wait

    async def _unreachable(self, error: Unreachable) -> timedelta:
        await self._standing.unreachable(error)
        self._waits_for_host = True
        wait = self._back_off()
        watch.mailbox_unreachable(
            mailbox=self.account.address,
            reason=str(error),
            next_try_seconds=wait.total_seconds(),
        )
        return wait

    def _back_off(self) -> timedelta:
        """Return the wait before the next sign-in: after a session that was of use at most as
        long as that before a poll."""
        self._failures += 1
        wait = self._around.backoff.after(self._failures, chance=random.random())  # noqa: S311
        return min(wait, self.account.poll_every) if self._served else wait
