"""IMAP made awaitable (RFC 3501, RFC 9051): one session a mailbox, refusals as values.

imapclient speaks the protocol and parses it; its blocking calls run in small pools. Between
them a session costs no thread: while the server idles, its socket is watched by the event
loop. Providers differ by more than the RFC allows; what is done for one of them names it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, ParamSpec, TypeVar

from imapclient import DELETED, SEEN, IMAPClient, SocketTimeout
from imapclient.exceptions import IMAPClientReadOnlyError
from imapclient.response_parser import parse_fetch_response

from gateway.mail.message import Message, parse_message
from gateway.mail.tenant import Security
from gateway.net.imap_calls import Call, ImapPools
from gateway.net.imap_idle import Idle, IdleWire
from gateway.net.imap_values import (
    Folder,
    FolderName,
    ImapRefused,
    Listed,
    Piece,
    folder_from,
    folder_names,
    listed_from,
    piece_from,
    with_prefix,
)
from gateway.net.imap_wire import (
    CONNECT_SECONDS,
    MAX_LITERAL_BYTES,
    Endpoint,
    Refusal,
    dial,
    look_up,
    shut,
    why,
)
from gateway.net.unreachable import Unreachable

__all__ = [
    "Endpoint", "Folder", "FolderName", "ImapPools", "ImapRefused", "ImapSession", "Listed",
]  # fmt: skip

P = ParamSpec("P")
T = TypeVar("T")

LOGOUT_SECONDS = 5.0
PIECE_BYTES = 1024 * 1024
STATUS_ITEMS = "(UIDVALIDITY UIDNEXT MESSAGES)"
# What is told with neither was not asked for, and may be told without its UID, too.
PROOFS = frozenset({b"INTERNALDATE", b"RFC822.SIZE"})
UIDS_AT_ONCE = 50  # Yahoo takes commands of 1,000 bytes, QQ short sets only
CLIENT = {  # what NetEase wants to know before the first SELECT (RFC 2971)
    "name": "mail-gateway",
    "version": "1",
    "vendor": "mail-gateway",
    "support-email": "postmaster@localhost",
}

_Library: Any = IMAPClient  # its own type hints are partial

logging.getLogger("imapclient").setLevel(logging.WARNING)  # below, it prints what is said


class ImapSession:
    """One connection. Every call returns its value or ImapRefused, or raises Unreachable.

    Calls are made one after the other. After Unreachable, a refusal with code BYE, or a
    cancelled call the session is of no more use: `hang_up`.
    """

    def __init__(self, endpoint: Endpoint, pools: ImapPools, client: _Client) -> None:
        self._endpoint = endpoint
        self._pools = pools
        self._client = client
        self._idle = Idle(client.wire, answer_seconds=endpoint.read_seconds)

    @classmethod
    async def connect(cls, endpoint: Endpoint, pools: ImapPools) -> ImapSession | ImapRefused:
        """Connect, verify the certificate, read the greeting; STARTTLS where asked for."""
        try:
            addresses = await pools.sign_in.run(endpoint.host, look_up, endpoint)
            connected = await dial(endpoint, addresses)
        except OSError as error:
            raise Unreachable(f"{endpoint}: {why(error)}") from error
        with connected.dup() as handle:  # TLS takes the socket over: this one stays ours
            call = Call(endpoint, lambda: shut(handle))
            making = pools.sign_in.run(endpoint.host, _Client, endpoint, connected)
            client = await call.make("imap-any", making)
        return client if isinstance(client, ImapRefused) else cls(endpoint, pools, client)

    async def login(
        self, username: str, secret: str, *, oauth2: bool = False
    ) -> ImapRefused | None:
        """Sign in by a password, or with `oauth2` by an access token; None is success."""
        if any(ord(character) < 32 for character in username + secret):
            return ImapRefused("imap-login", "NO", "a user name or password with a line break")
        sign_in = self._client.sign_in_by_token if oauth2 else self._client.sign_in
        pool, host = self._pools.sign_in, self._endpoint.host
        return await self._here("imap-login", pool.run(host, sign_in, username, secret))

    async def identify(self, *, always: bool) -> ImapRefused | None:
        """Say who we are (RFC 2971), after the login and before the first SELECT.

        Without `always` only where the server offers ID: others answer BAD or hang up.
        """
        if not always and not await self.offers("ID"):
            return None
        return await self._call("imap-any", self._client.wire.identify, CLIENT)

    async def offers(self, capability: str) -> bool:
        """Return whether the server offers `capability`; False where it does not tell."""
        return await self._call("imap-any", self._client.has_capability, capability) is True

    async def folders(self) -> list[FolderName] | ImapRefused:
        """Return every folder, with its attributes (those of RFC 6154 among them)."""
        return await self._call("imap-any", self._client.names)

    async def select(self, folder: str) -> Folder | ImapRefused:
        """Open `folder`; NetEase refuses by a NO here, which is the value returned."""
        return await self._call("imap-select", self._client.select, folder)

    async def messages_above(
        self, uid: int, *, sizes: bool = True
    ) -> list[Listed] | ImapRefused:
        """Return what is in the folder above `uid`, ascending.

        The answer is filtered here: `n:*` holds the last message even when n is above it
        (RFC 9051 §6.4.9), and Yahoo does not sort. Without `sizes` it can be given even
        when one of the messages cannot be read.
        """
        return await self._call("imap-any", self._client.messages_above, uid, sizes)

    async def size(self, uid: int) -> int | ImapRefused | None:
        """Return a message's size in bytes, None when the server gives none."""
        return await self._call("imap-any", self._client.size, uid)

    async def headers(
        self, uids: Sequence[int], *names: str
    ) -> dict[int, Message] | ImapRefused:
        """Return of each of `uids` that is there a message of its header fields `names`."""
        found: dict[int, Message] = {}
        for at in range(0, len(uids), UIDS_AT_ONCE):
            some = uids[at : at + UIDS_AT_ONCE]
            headers = await self._call("imap-any", self._client.headers, some, names)
            if isinstance(headers, ImapRefused):
                return headers
            found |= headers
        return found

    async def content(
        self, uid: int, *, size_bytes: int, most_bytes: int = MAX_LITERAL_BYTES
    ) -> bytes | ImapRefused | None:
        """Return a message's bytes as the server sends them, None when it gives none.

        It stays unseen (BODY.PEEK). What is larger than a piece is fetched in pieces, up to
        `most_bytes`: there may be no end, whatever size was told.
        """
        if size_bytes <= PIECE_BYTES:
            return await self._call("imap-any", self._client.content, uid)
        content = bytearray()
        while True:
            piece = await self._call("imap-any", self._client.piece, uid, len(content))
            if isinstance(piece, ImapRefused) or piece is None:
                return piece
            if piece.is_whole:
                return piece.content
            content += piece.content
            if len(content) > most_bytes:
                return ImapRefused("imap-any", "NO", f"it has more than {most_bytes} bytes")
            # some give less than was asked for, others tell a size that is too small
            is_short = len(piece.content) < PIECE_BYTES
            if not piece.content or (is_short and len(content) >= size_bytes):
                return bytes(content)

    async def mark_seen(self, uid: int) -> ImapRefused | None:
        """Set \\Seen."""
        return await self._call("imap-any", self._client.mark_seen, uid)

    async def move(self, uid: int, folder: str) -> ImapRefused | None:
        """Move a message (RFC 6851), or copy and delete it where MOVE is not offered.

        The folder is made where there is none (TRYCREATE, RFC 9051 §7.1).
        """
        refused = await self._call("imap-any", self._client.move_to, uid, folder)
        if refused is None or "TRYCREATE" not in refused.text.upper():
            return refused
        return await self.create(folder) or await self._call(
            "imap-any", self._client.move_to, uid, folder
        )

    async def create(self, folder: str) -> ImapRefused | None:
        """Make a folder."""
        return await self._call("imap-any", self._client.make, folder)

    async def append(
        self, folder: str, content: bytes, *, at: datetime | None = None
    ) -> ImapRefused | None:
        """Store a message in `folder`, unseen; `at` becomes its INTERNALDATE."""
        return await self._call("imap-any", self._client.add, folder, content, at)

    async def keep_alive(self, folder: str, *, by_status: bool) -> ImapRefused | None:
        """Show activity: by STATUS of `folder` where NOOP does not count (NetEase)."""
        words = ("STATUS", self._client.quoted(folder), "(UIDNEXT)") if by_status else ("NOOP",)
        answer = await self._here("imap-any", self._idle.ask(*words))
        return answer if isinstance(answer, ImapRefused) else None  # NetEase's may be empty

    async def status(self, folder: str) -> Folder | ImapRefused:
        """Return what is in another folder; the one that is open stays open."""
        return await self._here("imap-any", self._ask_status(folder))

    async def idle(self, stirred: asyncio.Event, *, seconds: float) -> ImapRefused | None:
        """Idle until there is news, `stirred` is set by somebody, or `seconds` are over.

        News sets `stirred`; a server that only says that it is still there has none. No
        thread waits, not even for the answer to DONE: the socket is the event loop's (RFC
        2177).
        """
        return await self._here("imap-any", self._idle.idle(stirred, seconds=seconds))

    async def logout(self) -> None:
        """End the session, politely where possible; never raises."""
        with contextlib.suppress(Unreachable, TimeoutError):
            async with asyncio.timeout(LOGOUT_SECONDS):
                await self._call("imap-any", self._client.wire.logout)
        self.hang_up()

    def hang_up(self) -> None:
        """End the connection at once; a call that runs in a thread comes back."""
        self._client.wire.hang_up()

    async def _ask_status(self, folder: str) -> Folder:
        name = self._client.quoted(folder)
        return folder_from(folder, await self._idle.ask("STATUS", name, STATUS_ITEMS))

    async def _here(self, phase: str, work: Awaitable[T]) -> T | ImapRefused:
        return await Call(self._endpoint, self.hang_up).make(phase, work)

    async def _call(
        self, phase: str, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T | ImapRefused:
        pool = self._pools.work
        return await self._here(phase, pool.run(self._endpoint.host, work, *args, **kwargs))


class _Client(_Library):  # type: ignore[misc]  # untyped, see above
    """The blocking side: imapclient on our wire. Raises Refusal, OSError, imaplib's errors."""

    def __init__(self, endpoint: Endpoint, connected: socket.socket) -> None:
        self._endpoint = endpoint
        self._connected = connected
        super().__init__(
            endpoint.host,
            endpoint.port,
            ssl=endpoint.security is Security.TLS,
            timeout=SocketTimeout(CONNECT_SECONDS, endpoint.read_seconds),
        )
        self.wire.debug = 0  # imapclient sets 5, which formats every line for nobody
        self.normalise_times = False
        self._prefixes: tuple[str, ...] | None = None  # not asked for yet
        if endpoint.security is Security.STARTTLS:
            self.starttls()

    def _create_IMAP4(self) -> IdleWire:  # noqa: N802 - imapclient's name
        self.wire = IdleWire(self._endpoint, self._connected)
        return self.wire

    def sign_in(self, username: str, password: str) -> None:
        if (username + password).isascii():
            self.wire.sign_in(username, password)
        elif self.has_capability("AUTH=PLAIN"):
            self.plain_login(username, password)  # UTF-8 is at home there (RFC 4616)
        else:  # LOGIN cannot carry it (RFC 9051 §9, quoted)
            raise Refusal("NO", b"it takes no user name or password that is not ASCII")
        self._cached_capabilities = None  # another list is valid now (RFC 9051 §6.2.3)

    def sign_in_by_token(self, username: str, token: str) -> None:
        self.wire.sign_in_by_token(username, token)
        self._cached_capabilities = None

    def names(self) -> list[FolderName]:
        self.folder_encode = False  # a name that cannot be decoded must not hide the others
        try:
            return folder_names(self.list_folders())
        finally:
            self.folder_encode = True

    def full(self, folder: str) -> str:
        """Return a folder's name with the prefix that the server wants (RFC 2342), if any."""
        if folder.upper() == "INBOX":
            return folder
        if self._prefixes is None:
            self._prefixes = self._ask_prefixes()
        return with_prefix(folder, self._prefixes)

    def _ask_prefixes(self) -> tuple[str, ...]:
        if not self.has_capability("NAMESPACE"):
            return ()
        try:
            named = self.namespace()
        except Refusal as refusal:
            if refusal.code == "BYE":
                raise
            return ()
        return tuple(prefix for kind in named for prefix, _ in kind or ())

    def select(self, folder: str) -> Folder:
        name = self.full(folder)
        try:
            answer = self.select_folder(name)
        except IMAPClientReadOnlyError:  # the library's reaction to [READ-ONLY]
            answer = self.select_folder(name, readonly=True)
        return Folder(
            name=folder,
            uidvalidity=answer.get(b"UIDVALIDITY", 1),
            next_uid=answer.get(b"UIDNEXT"),
            messages=answer.get(b"EXISTS", 0),
        )

    def quoted(self, folder: str) -> str:
        """Return the name of a folder that was opened before as it stands in a command."""
        name = with_prefix(folder, self._prefixes or ())
        return bytes(self._normalise_folder(name)).decode("ascii")

    def messages_above(self, uid: int, sizes: bool) -> list[Listed]:
        asked = "FLAGS RFC822.SIZE" if sizes else "FLAGS"
        try:
            listed = self._list(uid, f"(UID {asked} INTERNALDATE)")
        except ValueError:  # one date that is none must not hide the other messages
            listed = self._list(uid, "(UID FLAGS RFC822.SIZE)")
        except Refusal as refusal:  # some refuse to list what is not there
            if refusal.code == "BYE" or not self.wire.is_empty():
                raise
            listed = []
        return sorted(listed, key=lambda one: one.uid)

    def _list(self, above: int, items: str) -> list[Listed]:
        found = parse_fetch_response(self.wire.list_above(above, items), normalise_times=False)
        return [
            listed_from(uid, item)
            for uid, item in found.items()
            if uid > above and not PROOFS.isdisjoint(item)
        ]

    def size(self, uid: int) -> int | None:
        size = self.fetch([uid], ["RFC822.SIZE"]).get(uid, {}).get(b"RFC822.SIZE")
        return None if size is None else int(size)

    def headers(self, uids: Sequence[int], names: Sequence[str]) -> dict[int, Message]:
        fields = " ".join(names).upper()
        answer = self.fetch(uids, [f"BODY.PEEK[HEADER.FIELDS ({fields})]"])
        return {
            uid: parse_message(value)
            for uid, item in answer.items()
            for key, value in item.items()
            if key.upper().startswith(b"BODY[HEADER") and isinstance(value, bytes)
        }

    def content(self, uid: int) -> bytes | None:
        piece = piece_from(self.fetch([uid], ["BODY.PEEK[]"]).get(uid))
        return None if piece is None else piece.content

    def piece(self, uid: int, offset: int) -> Piece | None:
        item = f"BODY.PEEK[]<{offset}.{PIECE_BYTES}>"
        return piece_from(self.fetch([uid], [item]).get(uid))

    def mark_seen(self, uid: int) -> None:
        self.add_flags([uid], [SEEN], silent=True)

    def move_to(self, uid: int, folder: str) -> None:
        folder = self.full(folder)
        if self.has_capability("MOVE"):
            self.move([uid], folder)
            return
        self.copy([uid], folder)
        self.add_flags([uid], [DELETED], silent=True)
        if self.has_capability("UIDPLUS"):  # without it EXPUNGE would remove others' mail, too
            self.uid_expunge([uid])

    def make(self, folder: str) -> None:
        self.create_folder(self.full(folder))

    def add(self, folder: str, content: bytes, at: datetime | None) -> None:
        self.append(self.full(folder), content, (), at)
