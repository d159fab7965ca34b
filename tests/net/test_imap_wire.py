from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal, TypeVar

import pytest

from gateway.mail.tenant import Security
from gateway.net.imap import (
    PIECE_BYTES,
    Endpoint,
    Folder,
    FolderName,
    ImapPools,
    ImapRefused,
    ImapSession,
    Listed,
)
from gateway.net.unreachable import Unreachable

T = TypeVar("T")

GREETING = b"* OK ready\r\n"
CAPABLE = b"* CAPABILITY IMAP4rev1 IDLE STARTTLS\r\nTAG OK done\r\n"
DONE = b"TAG OK done\r\n"


@contextmanager
def scripted(
    *answers: bytes, greeting: bytes = GREETING, security: Security = Security.NONE
) -> Iterator[Endpoint]:
    """A server that answers each line by the next of `answers`; TAG is the last tag."""
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=_serve, args=(listener, greeting, answers), daemon=True)
    thread.start()
    yield Endpoint(host="127.0.0.1", port=listener.getsockname()[1], security=security)
    listener.close()
    thread.join(10)


def _serve(listener: socket.socket, greeting: bytes, answers: tuple[bytes, ...]) -> None:
    connection, _ = listener.accept()
    with connection, connection.makefile("rb") as lines:
        connection.sendall(greeting)
        tag = b"*"
        for answer in answers:
            words = lines.readline().split()
            if not words:
                return
            tag = words[0] if len(words) > 1 else tag  # DONE has none of its own
            connection.sendall(answer.replace(b"TAG", tag))
        lines.read()


def talk(endpoint: Endpoint, work: Callable[[ImapSession], Awaitable[T]]) -> T | ImapRefused:
    """Connect and do `work`; a refusal to connect is returned."""

    async def bounded() -> T | ImapRefused:
        pools = ImapPools.start(sign_in=1, work=1)
        async with asyncio.timeout(30):
            session = await ImapSession.connect(endpoint, pools)
            try:
                return session if isinstance(session, ImapRefused) else await work(session)
            finally:
                if not isinstance(session, ImapRefused):
                    session.hang_up()
                pools.close()

    return asyncio.run(bounded())


def test_a_greeting_that_refuses_is_a_value() -> None:
    with scripted(greeting=b"* BYE too many connections\r\n") as endpoint:
        assert talk(endpoint, lambda session: session.offers("IDLE")) == ImapRefused(
            "imap-any", "BYE", "too many connections"
        )


@pytest.mark.parametrize(
    ("greeting", "why"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "unexpected response"),
        (b"+OK POP3 ready\r\n", "its greeting is none of an IMAP server"),
    ],
)
def test_a_server_that_is_none_is_unreachable(greeting: bytes, why: str) -> None:
    with scripted(greeting=greeting) as endpoint, pytest.raises(Unreachable, match=why):
        talk(endpoint, lambda session: session.offers("IDLE"))


def test_a_port_where_nothing_listens_refuses_in_words() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        port = deaf.getsockname()[1]
        gone = Endpoint(host="127.0.0.1", port=port, security=Security.NONE)
        with pytest.raises(Unreachable, match=r": connection refused$"):
            talk(gone, lambda session: session.offers("IDLE"))


def test_a_refusal_in_gbk_is_readable() -> None:
    """Exmail and QQ write so; the enhanced text decides what the owner is told."""
    said = "登录失败，请使用授权码登录"
    with scripted(CAPABLE, b"TAG NO " + said.encode("gbk") + b"\r\n") as endpoint:
        assert talk(endpoint, lambda session: session.login("a", "b")) == ImapRefused(
            "imap-login", "NO", said
        )


@pytest.mark.parametrize("code", ["NO", "BAD"])
def test_what_select_refuses_is_a_value(code: str) -> None:
    """NetEase lets a client in without ID and then refuses to open anything."""
    said = f"TAG {code} SELECT Unsafe Login. Please contact kefu@188.com\r\n".encode()

    async def work(session: ImapSession) -> Folder | ImapRefused:
        await session.login("a", "b")
        return await session.select("INBOX")

    with scripted(CAPABLE, DONE, said) as endpoint:
        assert talk(endpoint, work) == ImapRefused(
            "imap-select", code, "SELECT Unsafe Login. Please contact kefu@188.com"
        )


def test_a_bye_in_the_middle_is_a_value() -> None:
    with scripted(CAPABLE, b"* BYE Unsafe Login\r\n") as endpoint:
        assert talk(endpoint, lambda session: session.login("a", "b")) == ImapRefused(
            "imap-login", "BYE", "Unsafe Login"
        )


def test_quotes_in_a_login_are_escaped() -> None:
    seen: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as lines:
            connection.sendall(GREETING)
            connection.sendall(CAPABLE.replace(b"TAG", lines.readline().split()[0]))
            seen.append(lines.readline().split(b" ", 1)[1])

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    port = listener.getsockname()[1]
    endpoint = Endpoint(host="127.0.0.1", port=port, security=Security.NONE)
    with pytest.raises(Unreachable):
        talk(endpoint, lambda session: session.login("a b", 'c"d\\e'))
    thread.join(10)
    listener.close()
    assert seen == [b'LOGIN "a b" "c\\"d\\\\e"\r\n']


def test_bytes_ahead_of_the_tls_handshake_are_an_attack() -> None:
    """RFC 9051 §11.1: what came in the clear must not count as said under TLS."""
    injected = b"TAG OK begin\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n"
    with (
        scripted(CAPABLE, injected, security=Security.STARTTLS) as endpoint,
        pytest.raises(Unreachable, match="ahead of the TLS handshake"),
    ):
        talk(endpoint, lambda session: session.login("a", "b"))


def test_a_server_without_starttls_is_not_spoken_to_in_the_clear() -> None:
    plain = b"* CAPABILITY IMAP4rev1\r\nTAG OK done\r\n"
    with scripted(plain, plain, security=Security.STARTTLS) as endpoint:
        refused = talk(endpoint, lambda session: session.login("a", "b"))
    assert isinstance(refused, ImapRefused)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"+ idling\r\n* 3 EXISTS\r\n", id="with the plus"),
        pytest.param(b"* 3 EXISTS\r\n+ idling\r\n", id="before the plus"),
    ],
)
def test_news_that_came_with_the_answer_to_idle_is_not_waited_for(answer: bytes) -> None:
    async def work(session: ImapSession) -> ImapRefused | None:
        await session.login("a", "b")
        return await session.idle(asyncio.Event(), seconds=60)  # twice as long as a talk may be

    with scripted(CAPABLE, DONE, answer, DONE) as endpoint:
        assert talk(endpoint, work) is None


def test_what_was_not_asked_for_is_not_taken_for_a_message() -> None:
    """A flag change of message 9 by another client has a sequence number and no UID."""
    listing = (
        b"* 9 FETCH (FLAGS (\\Seen))\r\n"
        b'* 4 FETCH (UID 12 RFC822.SIZE 77 INTERNALDATE " 4-May-2026 03:02:01 +0800")\r\n'
        b'* 3 FETCH (UID 11 RFC822.SIZE 66 INTERNALDATE "04-May-2026 03:02:01 +0000")\r\n'
        b"TAG OK done\r\n"
    )

    async def work(session: ImapSession) -> list[Listed] | ImapRefused:
        await session.login("a", "b")
        await session.select("INBOX")
        return await session.messages_above(5)

    with scripted(CAPABLE, DONE, DONE, listing) as endpoint:
        assert talk(endpoint, work) == [
            Listed(
                uid=11, size_bytes=66, internal_date=datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
            ),
            Listed(
                uid=12, size_bytes=77, internal_date=datetime(2026, 5, 3, 19, 2, 1, tzinfo=UTC)
            ),
        ]


def test_one_impossible_date_does_not_hide_the_other_messages() -> None:
    dated = (
        b'* 1 FETCH (UID 1 FLAGS () RFC822.SIZE 7 INTERNALDATE "99-Foo-2026 03:02:01 +0000")'
    )
    listing = b"* 1 FETCH (UID 1 FLAGS () RFC822.SIZE 7)"

    async def work(session: ImapSession) -> list[Listed] | ImapRefused:
        await session.login("a", "b")
        await session.select("INBOX")
        return await session.messages_above(0)

    with scripted(
        CAPABLE, DONE, DONE, dated + b"\r\nTAG OK x\r\n", listing + b"\r\nTAG OK x\r\n"
    ) as endpoint:
        assert talk(endpoint, work) == [Listed(uid=1, size_bytes=7, internal_date=None)]


@pytest.mark.parametrize(
    ("answer", "uids"),
    [
        (b"* 1 FETCH (UID 1 RFC822.SIZE 7)\r\nTAG OK\r\n", [1]),
        (b"TAG NO no messages in this folder\r\n", []),
    ],
)
def test_a_list_may_lack_dates_and_an_empty_folder_refuse_one(
    answer: bytes, uids: list[int]
) -> None:
    async def work(session: ImapSession) -> list[Listed] | ImapRefused:
        await session.login("a", "b")
        await session.select("INBOX")
        return await session.messages_above(0)

    with scripted(CAPABLE, DONE, DONE, answer) as endpoint:
        listed = talk(endpoint, work)
        assert not isinstance(listed, ImapRefused)
        assert [(one.uid, one.internal_date) for one in listed] == [(uid, None) for uid in uids]


@pytest.mark.parametrize(
    "answers",
    [
        (b"BODY[]<0> {6}\r\nhello ", b"BODY[]<6> {5}\r\nworld", b'BODY[]<11> ""'),
        (b"BODY[]<0> {6}\r\nhello ", b"BODY[]<6> {5}\r\nworld", b"BODY[]<11> NIL"),
        (b"BODY[] {11}\r\nhello world",),
    ],
)
def test_pieces_shorter_than_asked_for_are_no_end(answers: tuple[bytes, ...]) -> None:
    said = [b"* 1 FETCH (UID 1 " + one + b")\r\nTAG OK done\r\n" for one in answers]

    async def work(session: ImapSession) -> bytes | ImapRefused | None:
        await session.login("a", "b")
        await session.select("INBOX")
        return await session.content(1, size_bytes=PIECE_BYTES + 1)

    with scripted(CAPABLE, DONE, DONE, *said) as endpoint:
        assert talk(endpoint, work) == b"hello world"


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"UID 1 RFC822.SIZE 5 FLAGS (1 \\Seen)", id="a keyword may be a number"),
        pytest.param(b"UID 1 RFC822.SIZE 5 FLAGS NIL", id="no flags"),
    ],
)
def test_flags_of_any_kind_hide_no_message(said: bytes) -> None:
    async def work(session: ImapSession) -> list[Listed] | ImapRefused:
        await session.login("a", "b")
        await session.select("INBOX")
        return await session.messages_above(0)

    with scripted(CAPABLE, DONE, DONE, b"* 1 FETCH (" + said + b")\r\n" + DONE) as endpoint:
        listed = talk(endpoint, work)
    assert not isinstance(listed, ImapRefused)
    assert [one.uid for one in listed] == [1]


def test_a_name_that_is_none_hides_no_other_folder() -> None:
    async def work(session: ImapSession) -> list[FolderName] | ImapRefused:
        await session.login("a", "b")
        return await session.folders()

    listed = (b"&&&-", b"&V4NXPpCuTvY-", b"2024", "Gelöscht".encode())
    said = b"".join(b'* LIST () "/" %b\r\n' % one for one in listed)
    with scripted(CAPABLE, DONE, said + DONE) as endpoint:
        found = talk(endpoint, work)
    assert not isinstance(found, ImapRefused)
    assert [one.name for one in found] == ["&&&-", "垃圾邮件", "2024", "Gelöscht"]


@pytest.mark.parametrize("said", [b"(" * 20_000, b"(UID 1 RFC822.SIZE (2) FLAGS ())"])
def test_what_the_library_cannot_read_is_a_refusal(said: bytes) -> None:
    async def work(session: ImapSession) -> list[Listed] | ImapRefused:
        await session.login("a", "b")
        await session.select("INBOX")
        return await session.messages_above(0)

    with scripted(CAPABLE, DONE, DONE, b"* 1 FETCH " + said + b"\r\n" + DONE) as endpoint:
        refused = talk(endpoint, work)
    assert isinstance(refused, ImapRefused)
    assert refused.text.startswith("cannot be read: ")


def test_an_answer_without_end_is_unreachable() -> None:
    async def work(session: ImapSession) -> object:
        await session.login("a", "b")
        return await session.folders()

    listed = b'* LIST () "/" x\r\n' * 100
    with scripted(CAPABLE, DONE, listed) as endpoint:
        bounded = replace(endpoint, answer_bytes=1000)
        with pytest.raises(Unreachable, match="an answer of more than 1000 bytes"):
            talk(bounded, work)


def test_pieces_without_end_are_refused() -> None:
    """Else one server could take the memory of the whole gateway."""
    said = b"* 1 FETCH (UID 1 BODY[]<0> {6}\r\nhello )\r\nTAG OK done\r\n"

    async def work(session: ImapSession) -> bytes | ImapRefused | None:
        await session.login("a", "b")
        await session.select("INBOX")
        return await session.content(1, size_bytes=PIECE_BYTES + 1, most_bytes=15)

    with scripted(CAPABLE, DONE, DONE, *[said] * 9) as endpoint:
        refused = talk(endpoint, work)
    assert refused == ImapRefused("imap-any", "NO", "it has more than 15 bytes")


@pytest.mark.parametrize("answer", [b"TAG NO not now\r\n", b"TAG OK IDLE terminated\r\n"])
def test_an_idle_that_does_not_begin_is_a_refusal(answer: bytes) -> None:
    async def work(session: ImapSession) -> ImapRefused | None:
        await session.login("a", "b")
        return await session.idle(asyncio.Event(), seconds=60)

    with scripted(CAPABLE, DONE, answer) as endpoint:
        refused = talk(endpoint, work)
        assert isinstance(refused, ImapRefused)
        assert refused.code == "NO"


def test_a_literal_beyond_all_measure_is_unreachable() -> None:
    listing = b"* 1 FETCH (UID 1 BODY[] {99999999999}\r\n"

    async def work(session: ImapSession) -> bytes | ImapRefused | None:
        await session.login("a", "b")
        await session.select("INBOX")
        return await session.content(1, size_bytes=10)

    with (
        scripted(CAPABLE, DONE, DONE, listing) as endpoint,
        pytest.raises(Unreachable, match="a literal of 99999999999 bytes"),
    ):
        talk(endpoint, work)


def test_a_folder_that_is_read_only_opens_all_the_same() -> None:
    read_only = b"* 2 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\nTAG OK [READ-ONLY] done\r\n"

    async def work(session: ImapSession) -> Folder | ImapRefused:
        await session.login("a", "b")
        return await session.select("INBOX")

    with scripted(CAPABLE, DONE, read_only, read_only) as endpoint:
        assert talk(endpoint, work) == Folder(
            name="INBOX", uidvalidity=7, next_uid=None, messages=2
        )


@pytest.mark.parametrize(
    ("told", "idles"),
    [(b"* 3 EXISTS\r\n", False), (b"* 2 EXISTS\r\n", True), (b"* 1 EXPUNGE\r\n", True)],
)
def test_mail_that_was_told_with_another_answer_is_not_waited_for(
    told: bytes, idles: bool
) -> None:
    opened = b"* 2 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\nTAG OK [READ-WRITE] done\r\n"
    listed = b'* 1 FETCH (UID 5 INTERNALDATE "24-Nov-2026 12:00:00 +0000" FLAGS ())\r\n'
    content = b"* 1 FETCH (UID 5 BODY[] {2}\r\nhi)\r\n"

    waits: list[bool] = []

    class Stirred(asyncio.Event):
        async def wait(self) -> Literal[True]:
            waits.append(True)
            return True

    async def work(session: ImapSession) -> ImapRefused | None:
        await session.login("a", "b")
        await session.select("INBOX")
        await session.messages_above(0, sizes=False)
        await session.content(5, size_bytes=2)
        return await session.idle(Stirred(), seconds=60)

    fetched = (listed + DONE, content + told + DONE)
    with scripted(CAPABLE, DONE, opened, *fetched, b"+ idling\r\n", DONE) as endpoint:
        assert talk(endpoint, work) is None
    assert bool(waits) is idles


def test_a_password_that_login_cannot_carry_is_told_and_not_sent() -> None:
    with scripted(CAPABLE) as endpoint:
        refused = talk(endpoint, lambda session: session.login("ann", "p\xe4ssword"))
    assert isinstance(refused, ImapRefused)
    assert (refused.code, "not ASCII" in refused.text) == ("NO", True)
