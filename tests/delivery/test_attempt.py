from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from gateway.delivery.attempt import INLINE_BYTES
from gateway.mail.delivery import Decision, Kind, Phase, Result
from gateway.mail.envelope import Envelope
from gateway.mail.message import Edit, parse_message
from gateway.mail.reply import Reply
from gateway.net.smtp import NO_REPLY, Login
from gateway.sandbox.misbehaviour import Fault
from gateway.sandbox.misbehaviour import Phase as At
from gateway.sandbox.upstream import UpstreamSettings
from gateway.store import queue
from tests.delivery.post_office import LANE, PostOffice, open_post_office

Run = Callable[[Awaitable[Any]], Any]


async def _tried(office: PostOffice, *recipients: str, **changes: Any) -> list[Result]:
    await office.accept(*recipients, **changes)
    batch = await office.claim()
    try:
        return await office.sender.attempt(batch)
    finally:
        office.leases.drop(batch)
        await office.store.write(queue.release_leases, owner_prefix="node")
        await office.store.write(_forget)


def _forget(db: Any) -> None:
    db.execute("DELETE FROM message")


def test_what_leaves_has_its_edits_made_and_is_signed(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            edits = (Edit("X-Team", "blue"),)
            [result] = await _tried(office, edits=edits)
            assert result.verdict.decision is Decision.DELIVERED
            assert result.attempt.phase is Phase.AFTER_DOT
            [captured] = office.provider.captured
            assert captured.content.startswith(b"DKIM-Signature: v=1\r\nX-Team: blue\r\n")
            assert captured.user == "relay"
            assert result.attempt.remote_id == captured.id
            assert office.signed == [("support@acme.example", "sign")]

    run(work())


def test_a_mail_whose_copy_is_awaited_names_our_id_and_no_other(
    run: Run, tmp_path: Path
) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            office.accounts[LANE] = replace(office.account(), names_mail=True)
            await _tried(office, id="01M8756NHBP3DFJ1QV", edits=(Edit("X-Gateway-Id", "no"),))
            await _tried(office, kind=Kind.FORWARD)
            named = [
                list(parse_message(one.content).all("X-Gateway-Id"))
                for one in office.provider.captured
            ]
            assert [[one.value for one in ids] for ids in named] == [["01M8756NHBP3DFJ1QV"], []]

    run(work())


def test_the_domains_that_signed_are_told_each_once(run: Run, tmp_path: Path) -> None:
    """A base64 line that is folded before "d=" is no tag: tags follow a semicolon."""
    field = b"DKIM-Signature: v=1; a=%s;\r\n d=acme.example; s=a; b=AA\r\n d=\r\n"

    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            office.signature = field % b"rsa-sha256" + field % b"ed25519-sha256"
            [result] = await _tried(office)
            assert result.attempt.signed == ("acme.example",)
            office.accounts[LANE] = replace(office.account(), dkim_profile="none")
            [result] = await _tried(office)
            assert result.attempt.signed == ()

    run(work())


def test_a_try_says_whether_the_server_was_handed_what_the_sender_asked_to_be_told(
    run: Run, tmp_path: Path
) -> None:
    """RFC 3461 §5.2.1 and §5.2.2."""

    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            [result] = await _tried(office)
            assert result.attempt.dsn_offered
        async with open_post_office(tmp_path, started=False) as office:
            office.misbehave(without=frozenset({"DSN"}))
            [result] = await _tried(office)
            assert not result.attempt.dsn_offered

    run(work())


def test_an_account_may_ask_for_no_signature(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            office.accounts[LANE] = replace(office.account(), dkim_profile="none")
            await _tried(office)
            [captured] = office.provider.captured
            assert captured.content.startswith(b"From: support@acme.example")

    run(work())


def test_each_recipient_has_a_result_of_its_own(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            office.misbehave(
                recipients={
                    "ben@example.net": "550 5.1.1 no such user",
                    "cat@example.net": "450 4.2.0 greylisted",
                }
            )
            results = await _tried(
                office, "ann@example.net", "ben@example.net", "cat@example.net"
            )
            assert [one.verdict.decision for one in results] == [
                Decision.DELIVERED,
                Decision.FAIL,
                Decision.DEFER,
            ]
            assert [one.next_attempt_at is None for one in results] == [True, True, False]

    run(work())


def test_what_a_server_has_no_room_for_follows_at_once_but_not_where_it_has_none_at_all(
    run: Run, tmp_path: Path
) -> None:
    """RFC 5321 §4.5.3.1.10: else one that answers so to everybody is asked without end."""
    full = "452 4.5.3 too many recipients"

    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            office.misbehave(recipients={"ann@example.net": full})
            [alone] = await _tried(office)
            _, rest = await _tried(office, "ben@example.net", "ann@example.net")
            assert alone.next_attempt_at is not None
            assert alone.next_attempt_at > alone.attempt.at + timedelta(seconds=50)
            assert rest.next_attempt_at is not None
            assert rest.next_attempt_at < rest.attempt.at + timedelta(seconds=50)

    run(work())


def test_a_session_carries_one_message_after_another(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            for _ in range(3):
                await _tried(office)
            assert len(office.provider.captured) == 3
            assert len(office.provider.logins) == 1

    run(work())


def test_a_session_at_rest_that_was_closed_is_replaced_at_once(
    run: Run, tmp_path: Path
) -> None:
    """The server hangs up on our MAIL: nothing was taken, so a fresh session tries again."""

    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            await _tried(office)
            for session in tuple(office.provider.sessions):
                await session.end()
            [result] = await _tried(office)
            assert result.verdict.decision is Decision.DELIVERED
            assert len(office.provider.logins) == 2

    run(work())


def test_a_fresh_session_that_is_lost_is_not_tried_again(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            office.misbehave(at={At.MAIL: Fault.DROP})
            [result] = await _tried(office)
            assert result.verdict.decision is Decision.DEFER
            assert result.attempt.reply.code == 0
            assert len(office.provider.logins) == 1

    run(work())


def test_lost_after_the_dot_is_unknown_and_waits_a_quarter_of_an_hour(
    run: Run, tmp_path: Path
) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            office.misbehave(at={At.DOT: Fault.KEEP_AND_DROP})
            [result] = await _tried(office)
            assert result.verdict.decision is Decision.UNKNOWN
            assert result.next_attempt_at is not None
            assert (result.next_attempt_at - result.attempt.at).total_seconds() >= 15 * 60

    run(work())


def test_lost_within_the_content_was_surely_not_delivered(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            office.misbehave(at={At.DATA: Fault.DROP})
            [result] = await _tried(office)
            assert result.verdict.decision is Decision.DEFER

    run(work())


def test_a_refused_sign_in_stops_the_lane_and_fails_nothing(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            office.misbehave(refuse_login="5.7.8 wrong password")
            results = await _tried(office, "ann@example.net", "ben@example.net")
            assert {one.verdict.decision for one in results} == {Decision.SIGN_IN_REFUSED}
            assert {one.attempt.phase for one in results} == {Phase.AUTH}

    run(work())


def test_nobody_at_the_port_is_a_result_with_host_and_port(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            office.accounts[LANE] = office.account(port=1)
            [result] = await _tried(office)
            assert result.verdict.cause == "unreachable"
            assert "127.0.0.1:1" in result.verdict.meaning

    run(work())


def test_a_lane_without_an_account_waits_as_if_its_sign_in_were_refused(
    run: Run, tmp_path: Path
) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            office.accounts[LANE] = None
            [result] = await _tried(office)
            assert (result.verdict.decision, result.verdict.cause) == (
                Decision.SIGN_IN_REFUSED,
                "no-account",
            )

    run(work())


def test_nothing_is_sent_and_nothing_recorded_when_the_lease_is_lost(
    run: Run, tmp_path: Path
) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            await office.accept()
            batch = await office.claim()
            office.leases.drop(batch)
            assert await office.sender.attempt(batch) == []
            assert len(office.provider.captured) == 0

    run(work())


def test_eight_bits_are_re_encoded_before_signing_for_a_seven_bit_server(
    run: Run, tmp_path: Path
) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            office.misbehave(without=frozenset({"8BITMIME", "SMTPUTF8"}))
            head = "From: a@acme.example\r\nContent-Type: text/plain; charset=utf-8\r\n"
            for lines in (1, INLINE_BYTES // 4):  # the large one beside the loop
                content = f"{head}\r\n{'Grüße' * lines}\r\n".encode()
                [result] = await _tried(office, content=content)
                assert result.verdict.decision is Decision.DELIVERED
                captured = list(office.provider.captured)[-1]
                assert captured.content.isascii()

    run(work())


def test_an_address_that_the_server_cannot_carry_fails_by_its_standard_code(
    run: Run, tmp_path: Path
) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            office.misbehave(without=frozenset({"SMTPUTF8"}))
            [result] = await _tried(office, "jürgen@example.net")
            assert result.verdict.decision is Decision.FAIL
            assert result.verdict.cause == "no-smtputf8"
            assert result.attempt.reply.enhanced == "5.6.7"

    run(work())


def test_dsn_parameters_are_passed_on(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            envelope = Envelope(return_path=None, recipients=(), ret="HDRS", envid="Q1")
            id_ = await office.accept()
            batch = await office.claim()
            batch = replace(
                batch, envelope=replace(envelope, recipients=batch.envelope.recipients)
            )
            await office.sender.attempt(batch)
            [captured] = office.provider.captured
            assert (captured.envelope.ret, captured.envelope.envid) == ("HDRS", "Q1")
            assert id_.encode() in captured.content

    run(work())


def test_an_address_that_the_server_cannot_take_fails_alone(run: Run, tmp_path: Path) -> None:
    """RFC 6531 §3.2: the others of the batch get the message."""

    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            office.misbehave(without=frozenset({"SMTPUTF8"}))
            given = ("ann@example.net", "jürgen@example.net", "ben@example.net")
            results = await _tried(office, *given)
            assert [one.verdict.decision for one in results] == [
                Decision.DELIVERED,
                Decision.FAIL,
                Decision.DELIVERED,
            ]
            assert results[1].attempt.reply.enhanced == "5.6.7"
            [captured] = office.provider.captured
            assert len(captured.envelope.recipients) == 2

    run(work())


BY_TOKEN = UpstreamSettings(accounts={}, opens=lambda _, token: token == "good")


def test_a_token_that_ended_before_its_time_is_replaced_once(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path, started=False, settings=BY_TOKEN) as office:
            login = Login(username="support@acme.example", secret="ended", oauth2=True)
            old = replace(office.account(), credentials=login)
            office.accounts[LANE] = old
            office.renewed = replace(old, credentials=replace(login, secret="good"))
            [result] = await _tried(office)
            assert result.verdict.decision is Decision.DELIVERED
            office.renewed = replace(old, credentials=replace(login, secret="bad"))
            [result] = await _tried(office)
            assert result.verdict.decision is Decision.SIGN_IN_REFUSED
            assert result.verdict.cause == "oauth-rejected"
            assert len(office.provider.logins) == 4

    run(work())


def test_without_a_token_nothing_is_connected_and_the_reason_is_the_endpoints(
    run: Run, tmp_path: Path
) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path, started=False, settings=BY_TOKEN) as office:
            for reply, decision, cause in (
                (
                    Reply(400, None, "invalid_grant: x"),
                    Decision.SIGN_IN_REFUSED,
                    "oauth-revoked",
                ),
                (Reply(NO_REPLY, None, "it is down"), Decision.DEFER, "unreachable"),
            ):
                account = replace(office.account(), credentials=None, without_token=reply)
                office.accounts[LANE] = account
                [result] = await _tried(office)
                assert result.attempt.phase is Phase.TOKEN
                assert (result.verdict.decision, result.verdict.cause) == (decision, cause)
            assert len(office.provider.logins) == 0

    run(work())
