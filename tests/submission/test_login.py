"""Which credential is this? And how often may one guess?"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from gateway.submission.login import Login, SignIn, is_in_networks
from gateway.submission.tally import Tally


@dataclass(frozen=True)
class Kept:
    tenant: str = "acme"
    username: str = "acme.zammad"
    hashed: str = "hash of secret"
    networks: tuple[str, ...] = ()
    messages_per_hour: int | None = None


class Desk:
    """Signs in against one credential; the clock stands still until it is set."""

    def __init__(self, kept: Kept, *, auth_failures: str = "2/10m") -> None:
        self.kept = kept
        self.now = 0.0
        self.looked = 0
        self._sign_in = SignIn(
            self._find,
            lambda password, hashed: hashed == f"hash of {password}",
            auth_failures=auth_failures,
            clock=lambda: self.now,
            tally=Tally.alone(),
        )

    async def _find(self, username: str) -> Kept | None:
        self.looked += 1
        return self.kept if username == self.kept.username else None

    def answer(
        self, username: str = "acme.zammad", password: str = "secret", client: str = "10.0.0.1"
    ) -> tuple[int, Login | None]:
        result = asyncio.run(self._sign_in(username, password, client))
        return result.reply.code, result.login


def test_the_right_password_tells_tenant_credential_and_rate() -> None:
    desk = Desk(Kept(messages_per_hour=7))
    login = Login(tenant="acme", credential="acme.zammad", messages_per_hour=7)
    assert desk.answer() == (235, login)


def test_a_wrong_name_password_or_network_is_the_same_to_the_client() -> None:
    desk = Desk(Kept(networks=("10.0.0.0/8",)), auth_failures="10/10m")
    assert desk.answer(password="x") == (535, None)
    assert desk.answer(username="acme.other") == (535, None)
    assert desk.answer(client="192.0.2.1") == (535, None)
    assert desk.answer(client="10.9.9.9")[0] == 235


def test_after_too_many_failures_even_the_right_password_waits() -> None:
    desk = Desk(Kept())
    codes = [desk.answer(password=one)[0] for one in ("x", "y", "secret")]
    assert (codes, desk.looked) == ([535, 535, 454], 2)
    assert desk.answer(client="10.0.0.2")[0] == 235
    desk.now = 601
    assert desk.answer()[0] == 235


def test_an_ipv6_client_is_counted_by_its_network() -> None:
    desk = Desk(Kept())
    codes = [desk.answer(password="x", client=f"2001:db8::{one}")[0] for one in (1, 2, 3)]
    assert codes == [535, 535, 454]
    assert desk.answer(client="2001:db8:1::1")[0] == 235


def test_a_refusal_is_logged_with_client_and_name_and_no_password(
    caplog: pytest.LogCaptureFixture,
) -> None:
    Desk(Kept()).answer(username="u" * 500, password="planted-secret", client="192.0.2.9")
    (record,) = caplog.records
    details = vars(record)["details"]
    assert vars(record)["event"] == "submission.sign_in_refused"
    assert (details["client"], details["username"]) == ("192.0.2.9", "u" * 80)
    assert "planted-secret" not in str(vars(record))


@pytest.mark.parametrize(
    ("client", "networks", "inside"),
    [
        ("10.1.2.3", ("10.1.0.0/16",), True),
        ("10.1.2.3", ("10.1.2.3",), True),
        ("10.2.0.1", ("10.1.0.0/16", "::1/128"), False),
        ("::1", ("::1/128",), True),
    ],
)
def test_networks_hold_addresses(
    client: str, networks: tuple[str, ...], *, inside: bool
) -> None:
    assert is_in_networks(client, networks) is inside
