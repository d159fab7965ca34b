from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from gateway.mail.tenant import Security
from gateway.net.imap import PIECE_BYTES, Endpoint, ImapPools, ImapRefused, ImapSession
from gateway.net.unreachable import Unreachable
from tests.servers.dovecot import Dovecot

pytestmark = pytest.mark.servers

PASSWORD = 'a "quoted\\ word'
USERS = [f"user{number}@shop.example" for number in range(40)]
FOREIGN, FOREIGN_PASSWORD = "foreign@shop.example", "Straße-密码"
fresh_users = iter(USERS)


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    server = Dovecot()
    for user in USERS:
        server.add_user(user, PASSWORD)
    server.add_user(FOREIGN, FOREIGN_PASSWORD)
    server.start()
    yield server
    server.close()


@pytest.fixture
def user() -> str:
    """A mailbox of the test's own, with nothing in it."""
    return next(fresh_users)


def at(dovecot: Dovecot, security: Security = Security.TLS) -> Endpoint:
    port = dovecot.imaps_port if security is Security.TLS else dovecot.imap_port
    return Endpoint(
        host="localhost", port=port, security=security, ca_files=(str(dovecot.ca_file),)
    )


@asynccontextmanager
async def pools() -> AsyncIterator[ImapPools]:
    threads = ImapPools.start(sign_in=2, work=2)
    try:
        yield threads
    finally:
        threads.close()


@asynccontextmanager
async def connected(
    endpoint: Endpoint, user: str = "", folder: str = ""
) -> AsyncIterator[ImapSession]:
    async with pools() as threads:
        session = await ImapSession.connect(endpoint, threads)
        assert isinstance(session, ImapSession)
        try:
            if user:
                assert await session.login(user, PASSWORD) is None
            if folder:
                assert not isinstance(await session.select(folder), ImapRefused)
            yield session
        finally:
            await session.logout()


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await work()

    asyncio.run(bounded())


@pytest.mark.parametrize("security", list(Security))
def test_a_mailbox_opens_over_every_kind_of_connection(
    dovecot: Dovecot, user: str, security: Security
) -> None:
    async def work() -> None:
        async with connected(at(dovecot, security), user) as session:
            folder = await session.select("INBOX")
            assert not isinstance(folder, ImapRefused)
            assert (folder.messages, folder.next_uid) == (0, 1)
            assert folder.uidvalidity > 0

    run(work)


def test_an_untrusted_certificate_is_unreachable(dovecot: Dovecot) -> None:
    async def work() -> None:
        endpoint = Endpoint(host="localhost", port=dovecot.imaps_port)
        async with pools() as threads:
            with pytest.raises(Unreachable, match="certificate is not trusted"):
                await ImapSession.connect(endpoint, threads)

    run(work)


def test_a_certificate_for_another_name_is_unreachable(dovecot: Dovecot) -> None:
    async def work() -> None:
        endpoint = Endpoint(
            host="imap.example",
            port=dovecot.imaps_port,
            address="127.0.0.1",
            ca_files=(str(dovecot.ca_file),),
        )
        async with pools() as threads:
            with pytest.raises(Unreachable, match=r"not valid for 'imap\.example'"):
                await ImapSession.connect(endpoint, threads)

    run(work)


def test_a_closed_port_is_unreachable() -> None:
    async def work() -> None:
        endpoint = Endpoint(host="127.0.0.1", port=1, security=Security.NONE)
        async with pools() as threads:
            with pytest.raises(Unreachable, match=r"[Cc]onnect"):
                await ImapSession.connect(endpoint, threads)

    run(work)


def test_a_wrong_password_is_a_value_with_the_servers_words(
    dovecot: Dovecot, user: str
) -> None:
    async def work() -> None:
        async with connected(at(dovecot)) as session:
            refused = await session.login(user, "wrong")
            assert refused == ImapRefused(
                "imap-login", "NO", "[AUTHENTICATIONFAILED] Authentication failed."
            )

    run(work)


def test_a_password_need_not_be_ascii(dovecot: Dovecot) -> None:
    async def work() -> None:
        async with connected(at(dovecot)) as session:
            assert await session.login(FOREIGN, FOREIGN_PASSWORD) is None

    run(work)


def test_a_password_with_a_line_break_is_never_sent(dovecot: Dovecot, user: str) -> None:
    async def work() -> None:
        async with connected(at(dovecot)) as session:
            refused = await session.login(user, "x\r\nA1 LOGOUT")
            assert isinstance(refused, ImapRefused)
            assert await session.login(user, PASSWORD) is None

    run(work)


def test_a_folder_that_is_not_there_is_a_refusal(dovecot: Dovecot, user: str) -> None:
    async def work() -> None:
        async with connected(at(dovecot), user) as session:
            refused = await session.select("Nowhere")
            assert isinstance(refused, ImapRefused)
            assert (refused.phase, refused.code) == ("imap-select", "NO")

    run(work)


def test_id_is_told_where_it_is_offered(dovecot: Dovecot, user: str) -> None:
    async def work() -> None:
        async with connected(at(dovecot), user) as session:
            assert await session.identify(always=False) is None
            assert await session.identify(always=True) is None
            assert await session.offers("IDLE")
            assert not await session.offers("X-NOT-THIS")

    run(work)


def test_only_what_is_above_the_uid_is_listed(dovecot: Dovecot, user: str) -> None:
    """RFC 9051 §6.4.9: `3:*` holds message 2 when it is the last one."""
    when = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
    for subject in ("one", "two"):
        dovecot.deliver(user, f"Subject: {subject}\n\nx\n".encode(), at=when)

    async def work() -> None:
        async with connected(at(dovecot), user, "INBOX") as session:
            listed = await session.messages_above(0)
            assert not isinstance(listed, ImapRefused)
            assert [(one.uid, one.internal_date) for one in listed] == [(1, when), (2, when)]
            assert [one.size_bytes for one in listed] == [19, 19]
            assert await session.messages_above(2) == []

    run(work)


def test_content_is_as_sent_and_stays_unseen(dovecot: Dovecot, user: str) -> None:
    dovecot.deliver(user, "Subject: größer\nMessage-ID: <1@x>\n\n8 bit: ü\n".encode())

    async def work() -> None:
        async with connected(at(dovecot), user, "INBOX") as session:
            content = await session.content(1, size_bytes=10)
            assert (
                content == "Subject: größer\r\nMessage-ID: <1@x>\r\n\r\n8 bit: ü\r\n".encode()
            )
            headers = await session.headers([1, 7], "Message-ID", "X-None")
            assert not isinstance(headers, ImapRefused)
            assert {uid: one.content for uid, one in headers.items()} == {
                1: b"Message-ID: <1@x>\r\n\r\n"
            }
            (listed,) = await listed_above_zero(session)
            assert "\\Seen" not in listed
            await session.mark_seen(1)
            (listed,) = await listed_above_zero(session)
            assert "\\Seen" in listed

    run(work)


async def listed_above_zero(session: ImapSession) -> list[frozenset[str]]:
    listed = await session.messages_above(0)
    assert not isinstance(listed, ImapRefused)
    return [one.flags for one in listed]


@pytest.mark.parametrize("extra", [-1, 0, 1, 1234567])
def test_a_large_message_comes_whole_in_pieces(dovecot: Dovecot, user: str, extra: int) -> None:
    head = b"Subject: large\r\n\r\n"
    size = PIECE_BYTES + extra
    content = head + b"x" * (size - len(head) - 2) + b"\r\n"
    dovecot.deliver(user, content.replace(b"\r\n", b"\n"))

    async def work() -> None:
        async with connected(at(dovecot), user, "INBOX") as session:
            assert await session.content(1, size_bytes=PIECE_BYTES + 1) == content

    run(work)


def test_a_message_that_is_gone_has_no_content(dovecot: Dovecot, user: str) -> None:
    async def work() -> None:
        async with connected(at(dovecot), user, "INBOX") as session:
            assert await session.content(99, size_bytes=10) is None
            assert await session.content(99, size_bytes=10 * PIECE_BYTES) is None

    run(work)


def test_an_appended_message_can_be_moved(dovecot: Dovecot, user: str) -> None:
    when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    async def work() -> None:
        async with connected(at(dovecot), user) as session:
            assert await session.append("INBOX", b"Subject: a\r\n\r\nb\r\n", at=when) is None
            await session.select("INBOX")
            listed = await session.messages_above(0)
            assert not isinstance(listed, ImapRefused)
            assert [one.internal_date for one in listed] == [when]
            assert await session.move(1, "Nowhere yet") is None
            assert dovecot.contents(user, "Nowhere yet")

    run(work)


@pytest.mark.parametrize("security", [Security.TLS, Security.NONE])
def test_idle_ends_when_mail_comes(dovecot: Dovecot, user: str, security: Security) -> None:
    async def work() -> None:
        async with connected(at(dovecot, security), user, "INBOX") as session:
            for number in (1, 2, 3):
                idling = asyncio.ensure_future(session.idle(asyncio.Event(), seconds=20))
                dovecot.deliver(user, b"Subject: x\n\nx\n")
                assert await idling is None
                listed = await session.messages_above(number - 1)
                assert not isinstance(listed, ImapRefused)
                assert [one.uid for one in listed] == [number]

    run(work)


def test_idle_ends_when_somebody_asks(dovecot: Dovecot, user: str) -> None:
    async def work() -> None:
        async with connected(at(dovecot), user, "INBOX") as session:
            stirred = asyncio.Event()
            asyncio.get_running_loop().call_later(0.05, stirred.set)
            assert await session.idle(stirred, seconds=20) is None
            assert await session.idle(asyncio.Event(), seconds=0.05) is None

    run(work)


def test_a_server_that_dies_in_idle_is_unreachable(user: str) -> None:
    server = Dovecot()
    server.add_user(user, PASSWORD)
    server.start()

    async def work() -> None:
        async with connected(at(server), user, "INBOX") as session:
            idling = asyncio.ensure_future(session.idle(asyncio.Event(), seconds=20))
            server.kill()
            with pytest.raises(Unreachable):
                await idling

    try:
        run(work)
    finally:
        server.close()


def test_a_cancelled_call_frees_its_thread(dovecot: Dovecot, user: str) -> None:
    async def work() -> None:
        async with connected(at(dovecot), user, "INBOX") as session:
            idling = asyncio.ensure_future(session.idle(asyncio.Event(), seconds=20))
            await asyncio.wait([idling], timeout=0.1)
            idling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await idling
            with pytest.raises(Unreachable):
                await session.select("INBOX")

    run(work)


def test_a_password_is_in_no_log_and_no_error(
    dovecot: Dovecot, user: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("imapclient.imaplib").setLevel(logging.DEBUG)

    async def work() -> None:
        async with connected(at(dovecot)) as session:
            refused = await session.login(user, "geheimes-wort")
            assert "geheim" not in repr(refused)
            assert await session.login(user, PASSWORD) is None

    run(work)
    assert "geheim" not in caplog.text
    assert "quoted" not in caplog.text
