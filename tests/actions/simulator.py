"""A small world of machines that answer each other: gateways, robots, bounces and lists.

The gateways are real from the chain to the queue; the others behave as badly as is seen.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import timedelta
from email import message_from_bytes
from email.policy import SMTP
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from gateway.actions.answer import Way
from gateway.actions.notice import NoticePath
from gateway.actions.perform import Judged, Neighbours, Performer
from gateway.config import AnswerSettings
from gateway.mail.delivery import Lane, LaneKind
from gateway.mail.ids import new_id
from gateway.mail.inbound import Authenticity, AuthResult, Fetched
from gateway.mail.message import parse_message
from gateway.mail.tenant import Mailbox, Route, Sender, Tenant, Upstream
from gateway.policy.asked import Context
from gateway.policy.chain import run_chain
from gateway.store import inbox, queue
from gateway.store.sqlite import Db, Store
from tests.actions.occasions import NOON
from tests.policy.test_chain import chain_of

MAX_STEPS = 500


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail on its way; an empty sender is the null return path.

    Who wrote it can be proven, and so can its envelope sender, unless it says otherwise.
    """

    sender: str
    recipient: str
    content: bytes
    is_author_proven: bool = True
    is_sender_proven: bool = True

    @property
    def author(self) -> str:
        return next((one for _, one in parse_message(self.content).addresses("From")), "")


class Peer(Protocol):
    """Takes a letter, and gives what it sends because of it."""

    def take(self, letter: Letter) -> list[Letter]: ...


def write(sender: str, to: str, *, subject: str = "Hello", head: str = "") -> Letter:
    """Return a letter as a person, or a bad robot, writes it."""
    lines = (
        f"From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\n"
        f"Message-ID: <{new_id()}@{sender.rpartition('@')[2]}>\r\n{head}\r\nHello\r\n"
    )
    return Letter(sender, to, lines.encode())


class GatewayPeer:
    """A gateway with one mailbox and the policies that it is given; other tenants beside."""

    def __init__(
        self,
        address: str,
        policy: str,
        *,
        directory: Path,
        null_return_path: bool,
        beside: tuple[str, ...] = (),
    ) -> None:
        self.address, self.answers = address, list[Letter]()
        self.reasons = list[str]()  # why an answer was kept back, one for each
        self._beside = {
            one: Tenant(id=one, mailboxes={one: Mailbox(address=one)}) for one in beside
        }
        self._letters = dict[str, Letter]()
        self._key = address.encode()
        self._chain = chain_of(policy)
        self._store = Store.open(directory / f"{address}.db")
        self._way = Way(
            lane=Lane("acme", LaneKind.UPSTREAM, "own"), null_return_path=null_return_path
        )
        self._tenant = Tenant(
            id="acme",
            route="desk",
            routes={"desk": Route(name="desk", type="smtp", host="h", to="in@desk.example")},
            senders={address: Sender(address=address, upstream="own")},
            upstreams={"own": Upstream(name="own", host="smtp.example")},
            mailboxes={address: Mailbox(address=address, answers=True)},
        )
        self._now, self._taken, self._sent = NOON, 0, set[str]()

    def take(self, letter: Letter) -> list[Letter]:
        """Fetch, judge and carry out, as for a letter in the mailbox."""
        self._taken += 1
        self._now += timedelta(seconds=10)
        id_ = new_id()
        content = f"Return-Path: <{letter.sender}>\r\n".encode() + letter.content
        fetched = Fetched(
            id=id_, tenant="acme", mailbox=self.address, folder="INBOX", uidvalidity=1,
            uid=self._taken, internal_date=self._now, content=content,
        )  # fmt: skip
        self._letters[id_] = letter
        self._store.write_now(inbox.store_fetched, fetched, now=self._now)
        performer = Performer(
            self._store, self._near(), answers=AnswerSettings(), notices=NoticePath()
        )
        asyncio.run(performer.perform(id_))
        sent = [one for one in self._store.read_now(_answers) if one[0] not in self._sent]
        self._sent |= {one for one, _ in sent}
        self.answers += [letter for _, letter in sent]
        self.reasons = self._store.read_now(_reasons)
        return [letter for _, letter in sent]

    def close(self) -> None:
        self._store.close()

    def _near(self) -> Neighbours:
        return Neighbours(
            tenants=lambda: {"acme": self._tenant, **self._beside},
            authenticate=self._authenticate,
            judge=self._judge,
            way_for=lambda *_: self._way,
            mark=lambda text: sha256(self._key + text.encode()).hexdigest()[:20],
            learn=lambda db, outgoing, now: None,
            find_ours=lambda *_: None,
            now=lambda: self._now,
        )

    async def _authenticate(self, fetched: Fetched) -> Authenticity:
        """Nearly everybody can be proven here: that alone must not be what ends a loop."""
        letter = self._letters[fetched.id]
        author = next((o for _, o in parse_message(fetched.content).addresses("From")), "")
        domain = author.rpartition("@")[2]
        return Authenticity(
            results=(AuthResult(method="dkim", result="pass", domain=domain),),
            header_from=author,
            mail_from=_return_path(fetched),
            proven=author if letter.is_author_proven else "",
            mail_from_proven=letter.is_sender_proven,
        )

    async def _judge(self, fetched: Fetched, authenticity: Authenticity) -> Judged:
        context = Context(
            tenant=self._tenant,
            authenticity=authenticity,
            now=self._now,
            mail_from=authenticity.mail_from or authenticity.header_from,
            rcpt_to=(self.address,),
        )
        return Judged(plan=run_chain(self._chain, fetched.content, context).plan)


@dataclass(slots=True)
class Robot:
    """Answers whatever comes, without a word that it is one; a polite one says so."""

    address: str
    polite: bool = False

    def take(self, letter: Letter) -> list[Letter]:
        if self.polite and not letter.sender:
            return []
        head = "Auto-Submitted: auto-replied\r\n" if self.polite else ""
        to = letter.sender or letter.author
        return [write(self.address, to, subject="I am away", head=head)]


@dataclass(slots=True)
class BouncingMta:
    """Knows nobody; a rude one bounces bounces, with a sender and no report."""

    domain: str
    rude: bool = False

    def take(self, letter: Letter) -> list[Letter]:
        daemon = f"mailer-daemon@{self.domain}"
        if self.rude:
            return [write(daemon, letter.sender or letter.author, subject="Undeliverable")]
        if not letter.sender:
            return []
        head = 'MIME-Version: 1.0\r\nContent-Type: multipart/report; boundary="b"\r\n'
        bounce = write(daemon, letter.sender, subject="Undeliverable", head=head)
        return [replace(bounce, sender="")]


@dataclass(slots=True)
class MailingList:
    """Sends to every member; a rude one writes as itself, hides the rest and says nothing."""

    address: str
    members: list[str]
    rude: bool = False

    def take(self, letter: Letter) -> list[Letter]:
        message = message_from_bytes(letter.content, policy=SMTP)
        if self.rude:
            for name in ("From", "Auto-Submitted", "X-Auto-Response-Suppress", "Precedence"):
                del message[name]
            message["From"] = self.address
        else:
            message["List-Id"] = f"<{self.address.replace('@', '.')}>"
        sender = self.address if self.rude else self.address.replace("@", "-bounces@")
        return [Letter(sender, one, self._to(message.as_bytes(), one)) for one in self.members]

    def _to(self, content: bytes, member: str) -> bytes:
        if not self.rude:
            return content
        return content.replace(f"To: {self.address}".encode(), f"To: {member}".encode())


@dataclass(slots=True)
class World:
    """Carries letters to whom they name until nobody has anything to say."""

    peers: dict[str, Peer]  # by address, or by @domain
    carried: list[Letter] = field(default_factory=list)

    def run(self, *letters: Letter) -> None:
        """Carry the letters and all that come of them; fails when that does not end."""
        waiting = deque(letters)
        while waiting:
            letter = waiting.popleft()
            self.carried.append(letter)
            assert len(self.carried) < MAX_STEPS, "the world does not come to rest"
            domain = "@" + letter.recipient.rpartition("@")[2]
            peer = self.peers.get(letter.recipient) or self.peers.get(domain)
            waiting.extend(peer.take(letter) if peer else ())


def _return_path(fetched: Fetched) -> str:
    found = parse_message(fetched.content).first("Return-Path")
    return found.value.strip("<> \t") if found else ""


def _answers(db: Db) -> list[tuple[str, Letter]]:
    rows = db.execute(
        "SELECT m.id, m.return_path, d.recipient FROM message m JOIN delivery d"
        " ON d.message = m.id WHERE m.kind = 'answer' ORDER BY d.number"
    ).fetchall()
    return [
        (id_, Letter(sender or "", to, queue.content_of(db, id_) or b""))
        for id_, sender, to in rows
    ]


def _reasons(db: Db) -> list[str]:
    """Return why answers were kept back, of vacations and of rejections, which are held."""
    rows = db.execute(
        "SELECT reason FROM effects WHERE state = 'suppressed' OR state = 'held'"
        " ORDER BY number"
    )
    return [reason or "" for (reason,) in rows]
