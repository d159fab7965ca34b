from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from gateway.mail.address import parse_address
from gateway.mail.delivery import Phase
from gateway.mail.envelope import Envelope, Recipient
from gateway.mail.tenant import Security
from gateway.net.smtp import (
    NO_REPLY,
    Answer,
    Endpoint,
    Login,
    Session,
    SessionLost,
    SessionRefused,
    Timeouts,
    TlsPolicy,
    open_session,
)
from gateway.net.smtp_wire import Loss
from tests.net.smtp_script import Script

ANN, BEN, CAT = (
    Recipient(parse_address(f"{name}@example.net")) for name in ("ann", "ben", "cat")
)
ENVELOPE = Envelope(return_path=parse_address("support@acme.example"), recipients=(ANN,))
CONTENT = b"Subject: hello\r\n\r\nText.\r\n"
LOGIN = Login(username="relay", secret="s3cret")
PATIENT = Timeouts(
    connect_seconds=30, greeting_seconds=30, command_seconds=30, data_seconds=30,
    block_seconds=30, dot_seconds=30, quit_seconds=5,
)  # fmt: skip

HELLO = """
S: 220 mx.example ESMTP
C: EHLO gw.example
S: 250-mx.example
S: 250 PIPELINING
"""
ONE_MESSAGE = """
C: MAIL FROM:<support@acme.example>
C: RCPT TO:<ann@example.net>
C: DATA
S: 250 ok
S: 250 ok
S: 354 go
C: <content>
S: 250 2.0.0 queued as 77
"""
QUIT = """
C: QUIT
S: 221 bye
"""
Run = Callable[[Awaitable[Any]], Any]


async def _open(script: Any, **changes: Any) -> Session | SessionRefused:
    given: dict[str, Any] = {
        "credentials": None, "tls": TlsPolicy(), "timeouts": PATIENT,
        "local_name": "gw.example",
    }  # fmt: skip
    security = changes.pop("security", Security.NONE)
    endpoint = Endpoint(host="localhost", port=script.port, security=security,
                        addresses=("127.0.0.1",), lmtp=changes.pop("lmtp", False))  # fmt: skip
    return await open_session(endpoint, **(given | changes))


async def _session(script: Any, **changes: Any) -> Session:
    session = await _open(script, **changes)
    assert isinstance(session, Session), session
    return session


async def _refusal(script: Any, **changes: Any) -> SessionRefused:
    refused = await _open(script, **changes)
    assert isinstance(refused, SessionRefused)
    return refused


async def _send(
    dialogue: str, envelope: Envelope = ENVELOPE, content: bytes = CONTENT, **more: Any
) -> tuple[tuple[Answer, ...], Any]:
    async with Script(dialogue).serve() as script:
        session = await _session(script)
        answers = await session.send(envelope, content, **more)
        await session.close()
        assert script.faults == []
        return answers, script


def test_an_envelope_is_pipelined_and_the_reply_to_the_dot_is_the_answer(run: Run) -> None:
    """The server answers MAIL only after it has read DATA (RFC 2920)."""
    [(phase, reply)], script = run(_send(HELLO + ONE_MESSAGE + QUIT))
    assert (phase, reply.as_line()) == (Phase.AFTER_DOT, "250 2.0.0 queued as 77")
    assert script.content == CONTENT + b".\r\n"


def test_lines_that_begin_with_a_dot_are_stuffed(run: Run) -> None:
    _, script = run(_send(HELLO + ONE_MESSAGE + QUIT, content=b".one\r\n..two\r\nthree."))
    assert script.content == b"..one\r\n...two\r\nthree.\r\n.\r\n"


def test_lmtp_answers_for_each_recipient(run: Run) -> None:
    """RFC 2033 §4.2."""
    dialogue = """
    S: 220 lmtp.example LMTP
    C: LHLO gw.example
    S: 250-lmtp.example
    S: 250 PIPELINING
    C: MAIL FROM:<support@acme.example>
    C: RCPT TO:<ann@example.net>
    C: RCPT TO:<ben@example.net>
    C: RCPT TO:<cat@example.net>
    C: DATA
    S: 250 ok
    S: 250 ok
    S: 550 5.1.1 no such user
    S: 250 ok
    S: 354 go
    C: <content>
    S: 250 stored
    S: 452 4.2.2 full
    """
    envelope = replace(ENVELOPE, recipients=(ANN, BEN, CAT))

    async def work() -> None:
        async with Script(dialogue + QUIT).serve() as script:
            session = await _session(script, lmtp=True)
            answers = await session.send(envelope, CONTENT)
            await session.close()
            assert [(one.phase, one.reply.code) for one in answers] == [
                (Phase.AFTER_DOT, 250),
                (Phase.RCPT, 550),
                (Phase.AFTER_DOT, 452),
            ]
            assert script.faults == []

    run(work())


def test_a_large_message_arrives_whole(run: Run) -> None:
    content = b"Subject: large\r\n\r\n" + b"0123456789abcdef\r\n" * 3000
    _, script = run(_send(HELLO + ONE_MESSAGE + QUIT, content=content))
    assert script.content == content + b".\r\n"


def test_without_pipelining_each_command_waits_for_its_answer(run: Run) -> None:
    dialogue = """
    S: 220 mx.example ESMTP
    C: EHLO gw.example
    S: 250 mx.example
    C: MAIL FROM:<support@acme.example>
    S: 250 ok
    C: RCPT TO:<ann@example.net>
    S: 550 5.1.1 no such user
    C: RCPT TO:<ben@example.net>
    S: 250 ok
    C: DATA
    S: 354 go
    C: <content>
    S: 250 ok
    """
    envelope = replace(ENVELOPE, recipients=(ANN, BEN))
    answers, _ = run(_send(dialogue + QUIT, envelope))
    assert [(one.phase, one.reply.code) for one in answers] == [
        (Phase.RCPT, 550),
        (Phase.AFTER_DOT, 250),
    ]


def test_without_pipelining_nothing_follows_a_refused_mail(run: Run) -> None:
    dialogue = """
    S: 220 mx.example ESMTP
    C: EHLO gw.example
    S: 250 mx.example
    C: MAIL FROM:<support@acme.example>
    S: 553 not yours
    """
    answers, _ = run(_send(dialogue + QUIT))
    assert [(one.phase, one.reply.code) for one in answers] == [(Phase.MAIL, 553)]


def test_all_recipients_refused_but_354_is_answered_by_a_lone_dot(run: Run) -> None:
    """RFC 2920 §3.1."""
    dialogue = """
    C: MAIL FROM:<support@acme.example>
    C: RCPT TO:<ann@example.net>
    C: DATA
    S: 250 ok
    S: 550 5.1.1 no such user
    S: 354 go
    C: .
    S: 554 no valid recipients
    """
    answers, _ = run(_send(HELLO + dialogue + QUIT))
    assert [(one.phase, one.reply.enhanced) for one in answers] == [(Phase.RCPT, "5.1.1")]


def test_after_a_failure_the_next_message_begins_with_rset(run: Run) -> None:
    dialogue = """
    C: MAIL FROM:<support@acme.example>
    C: RCPT TO:<ann@example.net>
    C: DATA
    S: 250 ok
    S: 450 later
    S: 503 no recipients
    C: RSET
    S: 250 ok
    """

    async def work() -> None:
        async with Script(HELLO + dialogue + ONE_MESSAGE + ONE_MESSAGE).serve() as script:
            session = await _session(script)
            for expected in (450, 250, 250):
                [answer] = await session.send(ENVELOPE, CONTENT)
                assert answer.reply.code == expected
            assert session.messages == 3
            assert script.faults == []
            session.abort()

    run(work())


def test_parameters_are_said_only_where_they_are_offered(run: Run) -> None:
    dialogue = """
    S: 220 mx.example ESMTP
    C: EHLO gw.example
    S: 250-mx.example
    S: 250-PIPELINING
    S: 250-SIZE 1000000
    S: 250-8BITMIME
    S: 250-SMTPUTF8
    S: 250 DSN
    C: MAIL FROM:<> SIZE=12 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ314
    C: RCPT TO:<ann@example.net> NOTIFY=FAILURE ORCPT=rfc822;Ann@example.net
    C: DATA
    S: 250 ok
    S: 250 ok
    S: 354 go
    C: <content>
    S: 250 ok
    """
    ann = replace(ANN, notify="FAILURE", orcpt="rfc822;Ann@example.net")
    envelope = Envelope(
        return_path=None, recipients=(ann,), ret="HDRS", envid="QQ314", smtputf8=True
    )
    run(_send(dialogue + QUIT, envelope, b"S: \xc3\xa4\r\n\r\nx\r\n"))
    plain = HELLO + ONE_MESSAGE.replace("support@acme.example", "")
    run(_send(plain + QUIT, envelope, b"S: \xc3\xa4\r\n\r\nx\r\n"))


def test_a_connection_lost_after_the_dot_is_an_answer_of_its_own(run: Run) -> None:
    dialogue = ONE_MESSAGE.replace("S: 250 2.0.0 queued as 77", "S: <close>")

    async def work() -> None:
        async with Script(HELLO + dialogue).serve() as script:
            session = await _session(script)
            [answer] = await session.send(ENVELOPE, CONTENT)
            assert answer.phase is Phase.AFTER_DOT
            assert answer.reply.code == NO_REPLY
            assert not session.is_usable

    run(work())


@pytest.mark.parametrize(
    ("dialogue", "phase"),
    [
        ("S: <close>", Phase.MAIL),
        ("C: MAIL FROM:<support@acme.example>\nS: 250 ok\nS: <close>", Phase.RCPT),
    ],
)
def test_lost_before_the_dot_says_whether_mail_was_answered(
    run: Run, dialogue: str, phase: Phase
) -> None:
    async def work() -> None:
        async with Script(HELLO + dialogue).serve() as script:
            session = await _session(script)
            with pytest.raises(SessionLost) as caught:
                await session.send(ENVELOPE, CONTENT)
            assert caught.value.phase is phase
            assert not session.is_usable

    run(work())


def test_a_yes_before_the_dot_is_no_yes(run: Run) -> None:
    async def work() -> None:
        early = ONE_MESSAGE.replace("S: 354 go\n", "S: 354 go\nS: 250 2.0.0 queued as 77\n")
        async with Script(HELLO + early).serve() as script:
            session = await _session(script)

            async def wait_for_it() -> bool:
                while True:
                    if not session.is_usable:
                        return True
                    await asyncio.sleep(0)

            with pytest.raises(SessionLost, match="before it was asked") as caught:
                await session.send(ENVELOPE, CONTENT, before_dot=wait_for_it)
            assert caught.value.phase is Phase.DATA
            assert script.content == b""

    run(work())


def test_a_no_before_the_dot_is_a_no(run: Run) -> None:
    async def work() -> None:
        early = ONE_MESSAGE.replace("S: 354 go\n", "S: 354 go\nS: 552 5.3.4 too big\n")
        async with Script(HELLO + early).serve() as script:
            session = await _session(script)

            async def wait_for_it() -> bool:
                while True:
                    if not session.is_usable:
                        return True
                    await asyncio.sleep(0)

            [answer] = await session.send(ENVELOPE, CONTENT, before_dot=wait_for_it)
            assert answer.reply.as_line() == "552 5.3.4 too big"
            assert not session.is_usable

    run(work())


def test_a_421_stands_for_the_replies_that_never_come(run: Run) -> None:
    dialogue = """
    C: MAIL FROM:<support@acme.example>
    S: 421 4.7.0 too many connections
    S: <close>
    """

    async def work() -> None:
        async with Script(HELLO + dialogue).serve() as script:
            session = await _session(script)
            [answer] = await session.send(ENVELOPE, CONTENT)
            assert (answer.phase, answer.reply.code) == (Phase.MAIL, 421)
            assert not session.is_usable

    run(work())


def test_nothing_is_sent_when_the_question_before_the_dot_is_answered_no(run: Run) -> None:
    async def no() -> bool:
        return False

    async def work() -> None:
        async with Script(HELLO + ONE_MESSAGE).serve() as script:
            session = await _session(script)
            assert await session.send(ENVELOPE, CONTENT, before_dot=no) == ()
            assert not session.is_usable
            assert script.content == b""

    run(work())


def test_a_silent_server_is_given_up(run: Run) -> None:
    async def work() -> None:
        async with Script("S: <silence>").serve() as script:
            with pytest.raises(SessionLost) as caught:
                await _open(script, timeouts=replace(PATIENT, greeting_seconds=0.05))
            assert caught.value.phase is Phase.GREETING
            assert "did not answer within 0.05 s" in str(caught.value)

    run(work())


def test_a_closed_port_is_unreachable_with_host_and_port(run: Run) -> None:
    async def work() -> None:
        async with Script("").serve() as script:
            pass
        with pytest.raises(SessionLost, match=rf"localhost:{script.port}"):
            await _open(script)

    run(work())


def test_a_greeting_that_says_no_is_a_value(run: Run) -> None:
    async def work() -> None:
        async with Script("S: 554 5.7.1 go away" + QUIT).serve() as script:
            refused = await _refusal(script)
            assert refused.phase is Phase.GREETING
            assert refused.reply.as_line() == "554 5.7.1 go away"

    run(work())


def test_a_server_without_ehlo_is_greeted_by_helo(run: Run) -> None:
    dialogue = """
    S: 220 old
    C: EHLO gw.example
    S: 502 what?
    C: HELO gw.example
    S: 250 hi
    """

    async def work() -> None:
        async with Script(dialogue + QUIT).serve() as script:
            session = await _session(script)
            await session.close()
            assert (session.extensions, script.faults) == ({}, [])

    run(work())


def _with_auth(mechanisms: str, rest: str) -> str:
    return f"S: 220 mx\nC: EHLO gw.example\nS: 250-mx\nS: 250 AUTH {mechanisms}\n{rest}"


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


PLAIN = _b64("\0relay\0s3cret")
TOKEN = _b64("user=relay\1auth=Bearer s3cret\1\1")


@pytest.mark.parametrize(
    ("mechanisms", "login", "dialogue"),
    [
        ("LOGIN PLAIN", LOGIN, f"C: AUTH PLAIN {PLAIN}"),
        (
            "LOGIN",
            LOGIN,
            f"C: AUTH LOGIN\nS: 334 user\nC: {_b64('relay')}\nS: 334 x\nC: {_b64('s3cret')}",
        ),
        (
            "PLAIN XOAUTH2",
            replace(LOGIN, oauth2=True),
            f"C: AUTH XOAUTH2 {TOKEN}",
        ),
    ],
)
def test_it_signs_in_by_what_is_offered(
    run: Run, mechanisms: str, login: Login, dialogue: str
) -> None:
    async def work() -> None:
        text = _with_auth(mechanisms, f"{dialogue}\nS: 235 2.7.0 welcome")
        async with Script(text + QUIT).serve() as script:
            session = await _session(script, credentials=login)
            await session.close()
            assert script.faults == []

    run(work())


def test_a_refused_token_is_asked_for_the_refusal_itself(run: Run) -> None:
    dialogue = f"C: AUTH XOAUTH2 {TOKEN}\nS: 334 e30=\nC:\nS: 535 5.7.8 no"

    async def work() -> None:
        text = _with_auth("XOAUTH2", dialogue)
        async with Script(text + QUIT).serve() as script:
            refused = await _refusal(script, credentials=replace(LOGIN, oauth2=True))
            assert (refused.phase, refused.reply.code) == (Phase.AUTH, 535)

    run(work())


def test_a_refused_sign_in_is_a_value_and_its_chinese_words_are_read(run: Run) -> None:
    said = "请使用授权码登录".encode("gbk").decode("latin-1")
    dialogue = f"C: AUTH PLAIN {PLAIN}\nS: 535 {said}"

    async def work() -> None:
        async with Script(_with_auth("PLAIN", dialogue) + QUIT).serve() as script:
            refused = await _refusal(script, credentials=LOGIN)
            assert refused.reply.text == "请使用授权码登录"

    run(work())


def test_no_known_way_to_sign_in_is_a_refusal_of_our_own(run: Run) -> None:
    async def work() -> None:
        async with Script(_with_auth("GSSAPI", "") + QUIT).serve() as script:
            refused = await _refusal(script, credentials=LOGIN)
            assert (refused.phase, refused.reply.code) == (Phase.AUTH, NO_REPLY)
            assert "GSSAPI" in refused.reply.text

    run(work())


STARTTLS = """
S: 220 mx
C: EHLO gw.example
S: 250-mx
S: 250 STARTTLS
C: STARTTLS
S: 220 go ahead
S: <tls>
C: EHLO gw.example
S: 250-mx
S: 250 PIPELINING
"""


def _ca_file(authority: trustme.CA, directory: Path) -> TlsPolicy:
    path = directory / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return TlsPolicy(ca_file=path)


def test_starttls_verifies_the_server_against_the_ca_file(run: Run, tmp_path: Path) -> None:
    authority = trustme.CA()
    policy = _ca_file(authority, tmp_path)

    async def work() -> None:
        text = STARTTLS + ONE_MESSAGE + QUIT
        async with Script(text, authority=authority).serve() as script:
            session = await _session(script, security=Security.STARTTLS, tls=policy)
            assert session.tls is not None
            assert session.tls.startswith("TLSv1.3 ")
            [answer] = await session.send(ENVELOPE, CONTENT)
            assert answer.reply.code == 250
            await session.close()
            assert script.faults == []

    run(work())


def test_a_large_message_goes_over_tls_from_the_first_byte(run: Run, tmp_path: Path) -> None:
    authority = trustme.CA()
    policy = _ca_file(authority, tmp_path)
    content = b"Subject: large\r\n\r\n" + b"0123456789abcdef\r\n" * 3000

    async def work() -> None:
        serving = Script(HELLO + ONE_MESSAGE + QUIT, authority=authority)
        async with serving.serve(implicit_tls=True) as script:
            session = await _session(script, security=Security.TLS, tls=policy)
            await session.send(ENVELOPE, content)
            await session.close()
            assert script.content == content + b".\r\n"

    run(work())


def test_an_unknown_certificate_is_refused(run: Run) -> None:
    async def work() -> None:
        async with Script(STARTTLS, authority=trustme.CA()).serve() as script:
            with pytest.raises(SessionLost, match="certificate verify failed"):
                await _open(script, security=Security.STARTTLS)

    run(work())


def test_a_certificate_for_another_name_is_refused(run: Run, tmp_path: Path) -> None:
    authority = trustme.CA()
    policy = _ca_file(authority, tmp_path)

    async def work() -> None:
        async with Script(STARTTLS, authority=authority).serve() as script:
            endpoint = Endpoint(host="mx.example", port=script.port, addresses=("127.0.0.1",),
                                security=Security.STARTTLS)  # fmt: skip
            with pytest.raises(SessionLost, match="not for this name"):
                await open_session(endpoint, credentials=None, tls=policy, timeouts=PATIENT,
                                   local_name="gw.example")  # fmt: skip

    run(work())


@pytest.mark.parametrize(
    ("host", "ca_file", "reason"),
    [("localhost", "/nowhere/ca.pem", Loss.CA_FILE), ("mail_server", None, Loss.NO_NAME)],
)
def test_tls_that_cannot_begin_is_a_lost_session(
    run: Run, host: str, ca_file: str | None, reason: Loss
) -> None:
    async def work() -> None:
        policy = TlsPolicy(ca_file=Path(ca_file) if ca_file else None)
        async with Script(STARTTLS, authority=trustme.CA()).serve() as script:
            endpoint = Endpoint(host=host, port=script.port, addresses=("127.0.0.1",),
                                security=Security.STARTTLS)  # fmt: skip
            with pytest.raises(SessionLost, match=ca_file or host) as caught:
                await open_session(endpoint, credentials=None, tls=policy, timeouts=PATIENT,
                                   local_name="gw.example")  # fmt: skip
            assert caught.value.reason is reason

    run(work())


def test_starttls_that_is_not_offered_never_falls_back_to_clear_text(run: Run) -> None:
    async def work() -> None:
        async with Script(HELLO + QUIT).serve() as script:
            refused = await _refusal(script, security=Security.STARTTLS, credentials=LOGIN)
            assert (refused.phase, refused.reply.code) == (Phase.STARTTLS, NO_REPLY)
            assert script.faults == []

    run(work())


def test_what_is_said_before_the_handshake_ends_the_session(run: Run) -> None:
    """RFC 3207 §6: someone on the way may have put it there."""
    spoken = STARTTLS.replace(
        "S: 220 go ahead\nS: <tls>", "S: 220 go\r\n250 injected\nS: <tls>"
    )

    async def work() -> None:
        async with Script(spoken, authority=trustme.CA()).serve() as script:
            with pytest.raises(SessionLost, match="before the TLS handshake"):
                await _open(script, security=Security.STARTTLS)

    run(work())


def test_a_secret_stands_in_no_repr() -> None:
    assert "s3cret" not in repr(LOGIN)


def test_a_cancelled_send_ends_the_session(run: Run) -> None:
    async def work() -> None:
        async with Script(HELLO + "S: <silence>").serve() as script:
            session = await _session(script)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(session.send(ENVELOPE, CONTENT), 0.05)
            assert not session.is_usable

    run(work())
