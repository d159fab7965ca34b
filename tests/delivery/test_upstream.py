from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.delivery.upstream import Account, Pooled, SessionPool, limits_of
from gateway.mail.address import parse_address
from gateway.mail.delivery import Lane, LaneKind
from gateway.mail.envelope import Envelope, Recipient
from gateway.mail.tenant import Security
from gateway.net.smtp import Endpoint, Login
from gateway.providers.catalogue import Limits, Provider
from tests.delivery.post_office import CATALOGUE, LANE, PATIENT, PostOffice, open_post_office

Run = Callable[[Awaitable[Any]], Any]
OTHER = Lane("zeta", LaneKind.UPSTREAM, "own")
ENVELOPE = Envelope(
    return_path=parse_address("a@acme.example"),
    recipients=(Recipient(parse_address("ann@example.net")),),
)


async def _take(office: PostOffice, lane: Lane = LANE, **changes: Any) -> Pooled:
    account = replace(office.account(), **changes)
    pooled = await office.pool.take(lane, account)
    assert isinstance(pooled, Pooled)
    return pooled


def test_a_session_is_reused_by_its_lane_alone(run: Run, tmp_path: Path) -> None:
    """Two tenants at one host never share a session."""

    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            first = await _take(office)
            office.pool.give_back(LANE, first)
            other = await _take(office, OTHER)
            assert other.session is not first.session
            again = await _take(office)
            assert again.session is first.session
            assert again.reused
            office.pool.give_back(LANE, again)
            office.pool.give_back(OTHER, other)

    run(work())


def test_a_session_of_an_old_password_is_not_reused(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            first = await _take(office)
            office.pool.give_back(LANE, first)
            login = Login(username="relay", secret="new")
            second = await _take(office, credentials=login)
            assert second.session is not first.session
            office.pool.give_back(LANE, second)

    run(work())


def test_a_session_ends_after_its_share_of_messages(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            provider = replace(
                office.account().provider, limits=Limits(messages_per_connection=2)
            )
            sessions = set()
            for _ in range(4):
                pooled = await _take(office, provider=provider)
                sessions.add(id(pooled.session))
                await pooled.session.send(ENVELOPE, b"Subject: x\r\n\r\n")
                office.pool.give_back(LANE, pooled)
            assert len(office.provider.logins) == 2

    run(work())


def test_a_session_at_rest_is_closed_after_a_while(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            office.pool = SessionPool(local_name="gw", timeouts=PATIENT, idle_seconds=0.05)
            pooled = await _take(office)
            office.pool.give_back(LANE, pooled)
            while office.provider.sessions:  # until the client has said QUIT
                await office.recorded()
            assert not pooled.session.is_usable

    run(work())


def test_the_limits_of_a_lane_are_the_presets_and_never_more_than_ours() -> None:
    many = Provider(id="p", name="P", limits=Limits(connections=10_000, per_second=2))
    limits = limits_of(many, max_connections=20)
    assert (limits.connections, limits.rate_per_minute) == (20, 120)
    few = Provider(id="p", name="P", limits=Limits(connections=3, recipients_per_message=50))
    limits = limits_of(few)
    assert (limits.connections, limits.recipients_per_message) == (3, 50)


@pytest.mark.parametrize(
    ("preset", "return_path", "said"),
    [
        ("netease-163", None, "shop@163.com"),
        ("netease-163", "shop+a7@163.com", "shop@163.com"),
        ("netease-163", "other@163.com", "other@163.com"),
        ("generic", None, None),
    ],
)
def test_a_provider_that_compares_mail_with_the_login_gets_the_login(
    preset: str, return_path: str | None, said: str | None
) -> None:
    """NetEase refuses MAIL FROM:<>, which automatic answers have."""
    endpoint = Endpoint(host="smtp.example", port=465, security=Security.TLS)
    login = Login(username="shop@163.com", secret="code")
    account = Account(endpoint=endpoint, credentials=login, provider=CATALOGUE[preset])
    path = parse_address(return_path) if return_path else None
    allowed = account.as_allowed(replace(ENVELOPE, return_path=path)).return_path
    assert (str(allowed) if allowed else None) == said
