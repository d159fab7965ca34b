"""The sandbox's side of an IMAP conversation, over Twisted's server.

Twisted lacks ID (RFC 2971), MOVE (RFC 6851), partial bodies, the \\Seen after a fetch that
did not peek, UIDNEXT at SELECT, and a provider's own words at LOGIN; these are ours. Parts
of a body, ENVELOPE and BODYSTRUCTURE are not offered: the gateway fetches whole messages.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.protocol import connectionDone
from twisted.internet.ssl import DefaultOpenSSLContextFactory
from twisted.mail.imap4 import IMAP4Server, MessageSet
from twisted.python.failure import Failure

from gateway.mail.message import parse_message
from gateway.sandbox.accounts import Account
from gateway.sandbox.folders import Folder, Letter, Opened, parse_internal_date
from gateway.sandbox.quirks import UNSAFE_LOGIN, Quirks
from gateway.sandbox.search import find_letters
from gateway.sandbox.xoauth2 import WHY, parse_xoauth2

LIBRARY: Any = IMAP4Server  # it has no annotations
OFFERED = {"flags", "internaldate", "rfc822size", "rfc822", "uid", "body"}


class Provider(Protocol):
    """What a session needs of the server it belongs to."""

    sessions: set[ImapSession]

    def sign_in(self, user: str, password: str) -> Account | str:
        """Return the account, or the text of the refusal."""

    @property
    def takes_tokens(self) -> bool:
        """Whether access tokens sign in."""

    def sign_in_by_token(self, user: str, token: str) -> Account | str:
        """Return the account, or the text of the refusal."""

    def quirks_of(self, account: Account | None) -> Quirks:
        """Return what is odd about `account`, or about all."""

    def identified(self, client: str) -> None:
        """Hear what a client said of itself."""


class ImapSession(IMAP4Server):
    """One client's connection."""

    account: Account | None
    mbox: Opened | None
    transport: Any

    def __init__(
        self, provider: Provider, starttls: DefaultOpenSSLContextFactory | None
    ) -> None:
        LIBRARY.__init__(self, contextFactory=starttls)
        self._provider = provider
        self._identified = False
        self.ended = asyncio.Event()

    def connectionMade(self) -> None:
        """Greet."""
        if size := self._quirks.pieces_of:
            self.transport = InPieces(self.transport, size)
        self._provider.sessions.add(self)
        LIBRARY.connectionMade(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Watch nothing any more."""
        self._provider.sessions.discard(self)
        if self.mbox is not None:
            self.mbox.removeListener(self)
        LIBRARY.connectionLost(self, reason)
        self.ended.set()

    def dataReceived(self, data: bytes) -> None:
        """Hear a client, or do not: a connection may be dead and look alive."""
        if not self._quirks.deaf:
            LIBRARY.dataReceived(self, data)

    def newMessages(self, exists: int | None, recent: int | None) -> None:
        """Tell of new mail."""
        if not self._quirks.deaf:
            LIBRARY.newMessages(self, exists, recent)

    def hang_up(self) -> None:
        """End the connection."""
        self._tell(b"BYE Come again")
        self.transport.loseConnection()

    def expunged(self, number: int) -> None:
        """Say that a message is gone: at once when idle, else before the next answer."""
        line = b"%d EXPUNGE" % number
        if self.parseState == "idle":
            self._tell(line)
        else:
            self._queuedAsync.append(line)

    def capabilities(self) -> dict[bytes, Any]:
        """Return what is offered."""
        offered: dict[bytes, Any] = LIBRARY.capabilities(self) | {b"ID": None, b"MOVE": None}
        if self._quirks.no_idle:
            del offered[b"IDLE"]
        if self._provider.takes_tokens and b"LOGINDISABLED" not in offered:
            offered[b"AUTH"] = [*offered[b"AUTH"], b"XOAUTH2"]
        if self._quirks.no_passwords:
            offered[b"AUTH"] = [b"XOAUTH2"]
        return offered

    def lookupCommand(self, cmd: bytes) -> Any:
        """Return a command's function and the parsers of its arguments, or None."""
        if cmd.upper() == b"IDLE" and self._quirks.no_idle:
            return None
        return LIBRARY.lookupCommand(self, cmd)

    def dispatchCommand(self, tag: bytes, cmd: bytes, rest: bytes, uid: Any = None) -> None:
        """Do as a command says, or say what is to be said in its place."""
        said = self._quirks.instead.get(cmd.decode("ascii", "replace").upper())
        if said is None:
            LIBRARY.dispatchCommand(self, tag, cmd, rest, uid)
        else:
            self.transport.write(said.replace(b"TAG", tag))

    def do_LOGIN(self, tag: bytes, user: bytes, password: bytes) -> None:
        """RFC 9051 §6.2.3."""
        if b"LOGINDISABLED" in self.capabilities():
            self._refuse(tag, b"[PRIVACYREQUIRED] STARTTLS first")
            return
        signed_in = self._provider.sign_in(user.decode(), password.decode())
        if isinstance(signed_in, str):
            self._refuse(tag, signed_in.encode(self._quirks.charset))
            return
        self._open_account(tag, signed_in)

    unauth_LOGIN: Any = (do_LOGIN, IMAP4Server.arg_astring, IMAP4Server.arg_finalastring)

    def do_AUTHENTICATE(self, tag: bytes, mechanism: bytes) -> None:
        """RFC 9051 §6.2.2, with XOAUTH2; others are the library's."""
        if mechanism.upper() == b"XOAUTH2" and self._provider.takes_tokens:
            self._ask_for(b"", lambda said: self._judge_token(tag, said))
        else:
            LIBRARY.do_AUTHENTICATE(self, tag, mechanism)

    unauth_AUTHENTICATE: Any = (do_AUTHENTICATE, IMAP4Server.arg_atom)

    def do_ID(self, tag: bytes, line: bytes | None) -> None:
        """RFC 2971 §3.1; a client that says NIL or () has not introduced itself."""
        said = (line or b"NIL").decode("utf-8", "replace")
        if said.upper() not in {"NIL", "()"}:
            self._identified = True
            self._provider.identified(said)
        self._tell(b'ID ("name" "sandbox")')
        self._confirm(tag, b"ID completed")

    unauth_ID = auth_ID = select_ID = (do_ID, IMAP4Server.arg_line)

    def do_FETCH(
        self, tag: bytes, messages: MessageSet, query: list[Any], uid: int = 0
    ) -> None:
        """RFC 9051 §6.4.5."""
        if (said := self._quirks.throttled) is not None:
            self._tell(b"BYE " + said.encode())
            self.transport.loseConnection()
        elif all(is_offered(part) for part in query):
            LIBRARY.do_FETCH(self, tag, messages, query, uid)
        else:
            self._refuse(tag, b"[CANNOT] Whole messages only")

    select_FETCH: Any = (do_FETCH, IMAP4Server.arg_seqset, IMAP4Server.arg_fetchatt)

    def spew_body(
        self, part: Any, number: int, msg: Letter, _w: Any = None, _f: Any = None
    ) -> None:
        """Write BODY[...], whole or a piece of it."""
        del number, _f
        if not part.peek:
            self._mark_seen(msg)
        wanted = cut_section(part, msg.content)
        name = part.__bytes__()
        if part.partialBegin is not None:  # RFC 9051 §7.5.2: only the start is repeated
            name = b"%b<%d>" % (name.rpartition(b"<")[0], part.partialBegin)
            wanted = wanted[part.partialBegin :][: part.partialLength]
        _w(b"%b {%d}\r\n%b" % (name, len(wanted), wanted))

    def spew_rfc822(self, number: int, msg: Letter, _w: Any = None, _f: Any = None) -> None:
        """Write the message, which is seen then (RFC 3501 §6.4.5)."""
        del number, _f
        self._mark_seen(msg)
        _w(b"RFC822 {%d}\r\n%b" % (len(msg.content), msg.content))

    def do_SEARCH(
        self, tag: bytes, charset: bytes | None, query: list[Any], uid: int = 0
    ) -> None:
        """RFC 9051 §6.4.4; words are compared as UTF-8."""
        del charset
        if self.mbox is None:
            return
        letters = self.mbox.folder.letters
        numbers = find_letters(query, letters)
        found = [letters[number - 1].uid if uid else number for number in numbers]
        self._tell(b" ".join([b"SEARCH", *(b"%d" % one for one in found)]))
        self._confirm(tag, b"SEARCH completed")

    select_SEARCH: Any = (do_SEARCH, IMAP4Server.opt_charset, IMAP4Server.arg_searchkeys)

    def do_UID(self, tag: bytes, command: bytes, line: bytes) -> None:
        """RFC 9051 §6.4.9."""
        if command.upper() == b"MOVE":
            LIBRARY.dispatchCommand(self, tag, command, line, uid=1)
        else:
            LIBRARY.do_UID(self, tag, command, line)

    select_UID: Any = (do_UID, IMAP4Server.arg_atom, IMAP4Server.arg_line)

    def do_COPY(self, tag: bytes, messages: MessageSet, mailbox: bytes, uid: int = 0) -> None:
        """RFC 9051 §6.4.7."""
        if (target := self._find_target(tag, mailbox)) is not None:
            self._copy(messages, target, by_uid=bool(uid))
            self._confirm(tag, b"COPY completed")

    select_COPY: Any = (do_COPY, IMAP4Server.arg_seqset, IMAP4Server.arg_finalastring)

    def do_MOVE(self, tag: bytes, messages: MessageSet, mailbox: bytes, uid: int = 0) -> None:
        """RFC 9051 §6.4.8."""
        target = self._find_target(tag, mailbox)
        if target is None or self.mbox is None:
            return
        moved = self._copy(messages, target, by_uid=bool(uid))
        for number in self.mbox.folder.remove(moved, by=self):
            self._tell(b"%d EXPUNGE" % number)
        self._confirm(tag, b"MOVE completed")

    select_MOVE: Any = (do_MOVE, IMAP4Server.arg_seqset, IMAP4Server.arg_finalastring)

    def _cbSelectWork(self, mbox: Opened | None, command: bytes, tag: bytes) -> None:
        if self._quirks.needs_id and not self._identified:
            self._refuse(tag, command + b" " + UNSAFE_LOGIN.encode())
            return
        if mbox is not None:
            self._confirm(None, b"[UIDNEXT %d] Next" % mbox.getUIDNext())
        LIBRARY._cbSelectWork(self, mbox, command, tag)

    def _cbAppendGotMailbox(
        self, mbox: Opened | None, tag: bytes, flags: Iterable[bytes] | None, *rest: Any
    ) -> None:
        date, message = rest
        if mbox is None:
            self._refuse(tag, b"[TRYCREATE] No such mailbox")
            return
        mbox.folder.add(
            message.read(),
            flags=[flag.decode() for flag in flags or ()],
            at=parse_internal_date(date) if date else None,
        )
        self._confirm(tag, b"APPEND completed")

    def _ask_for(self, challenge: bytes, then: Callable[[bytes], None]) -> None:
        """Send a challenge; the client's next line goes to `then`."""
        self.parseState = "pending"
        self._pendingLiteral: Any = Deferred()
        self._pendingLiteral.addCallback(then)
        LIBRARY.sendContinuationRequest(self, b64encode(challenge))

    def _judge_token(self, tag: bytes, said: bytes) -> None:
        found = parse_xoauth2(said)
        signed_in = self._provider.sign_in_by_token(*found) if found else "What?"
        if isinstance(signed_in, str):
            text = signed_in.encode()
            self._ask_for(WHY, lambda _: self._refuse(tag, text))
        else:
            self._open_account(tag, signed_in)

    def _open_account(self, tag: bytes, account: Account) -> None:
        self.account = account
        self.state = "auth"
        LIBRARY.setTimeout(self, self.POSTAUTH_TIMEOUT)
        self._confirm(tag, b"Signed in")

    def _tell(self, line: bytes) -> None:
        LIBRARY.sendUntaggedResponse(self, line)

    def _confirm(self, tag: bytes | None, text: bytes) -> None:
        LIBRARY.sendPositiveResponse(self, tag, text)

    def _refuse(self, tag: bytes, text: bytes) -> None:
        LIBRARY.sendNegativeResponse(self, tag, text)

    @property
    def _quirks(self) -> Quirks:
        return self._provider.quirks_of(self.account)

    def _mark_seen(self, letter: Letter) -> None:
        if self.mbox is not None and self.mbox.isWriteable():
            letter.flags.add("\\Seen")

    def _find_target(self, tag: bytes, mailbox: bytes) -> Folder | None:
        name = mailbox.decode("imap4-utf-7")
        folder = self.account.find(name) if self.account else None
        if folder is None:
            self._refuse(tag, b"[TRYCREATE] No such mailbox")
        return folder

    def _copy(self, messages: MessageSet, target: Folder, *, by_uid: bool) -> list[Letter]:
        if self.mbox is None:
            return []
        letters = [one for _, one in self.mbox.folder.select(messages, by_uid=by_uid)]
        for letter in letters:
            target.add(letter.content, flags=letter.flags, at=letter.internal_date)
        return letters


class InPieces:
    """A transport that sends a few bytes at a time, as a bad line does."""

    def __init__(self, transport: Any, size: int) -> None:
        transport.setTcpNoDelay(True)
        self._transport = transport
        self._size = size

    def write(self, data: bytes) -> None:
        """Send `data`, one piece after the other."""
        for at in range(0, len(data), self._size):
            self._transport.write(data[at : at + self._size])

    def writeSequence(self, blocks: Iterable[bytes]) -> None:
        """Send blocks."""
        self.write(b"".join(blocks))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def is_offered(part: Any) -> bool:
    """Whether `part` of a FETCH is served here: whole messages, their header or text."""
    if part.type != "body":
        return part.type in OFFERED
    return not part.part and bool(part.empty or part.header or part.text)


def cut_section(part: Any, content: bytes) -> bytes:
    """Return what BODY[], BODY[HEADER], BODY[HEADER.FIELDS (...)] or BODY[TEXT] names."""
    message = parse_message(content)
    if part.text:
        return content[message.body_at :]
    if not part.header:
        return content
    named = {name.decode("ascii").lower() for name in part.header.fields}
    kept = [x.raw for x in message.fields if (x.name.lower() in named) != part.header.negate]
    return b"".join(kept) + b"\r\n"
