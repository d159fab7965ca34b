from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.delivery.probe import PATIENCE, Letter, Step, probe
from gateway.delivery.upstream import Account
from gateway.mail.address import parse_address
from gateway.mail.reply import Reply
from gateway.mail.tenant import Security
from gateway.net.smtp import Endpoint, Login, Timeouts, TlsPolicy
from gateway.net.tls import own_certificate
from gateway.providers.catalogue import load_catalogue
from gateway.sandbox.misbehaviour import Fault, Misbehaviour, Phase
from gateway.sandbox.upstream import Upstream, UpstreamSettings
from tests.servers.ports import free_ports

Run = Callable[[Awaitable[Any]], Any]
CATALOGUE = load_catalogue()
SILENT = replace(PATIENCE, greeting_seconds=1.0)  # for a server that says nothing


@asynccontextmanager
async def provider(
    directory: Path, security: Security, *, hostname: str = "localhost"
) -> AsyncIterator[tuple[Upstream, Account]]:
    """Run a sandbox upstream; yield it and the account that fits it."""
    certificate = own_certificate(directory, hostname, now=datetime.now(UTC))
    upstream = Upstream(
        UpstreamSettings(
            accounts={"relay": "s3cret"}, security=security, certificate=certificate
        )
    )
    await upstream.start()
    account = Account(
        endpoint=Endpoint(host="localhost", port=upstream.port, security=security),
        credentials=Login(username="relay", secret="s3cret"),
        provider=CATALOGUE["generic"],
        tls=TlsPolicy(ca_file=directory / "ca.pem"),
    )
    try:
        yield upstream, account
    finally:
        await upstream.stop()


async def tried(
    account: Account, *, letter: Letter | None = None, timeouts: Timeouts = PATIENCE
) -> list[Step]:
    path = parse_address("support@acme.example")
    return await probe(
        account, CATALOGUE, return_path=path, local_name="gw.example", timeouts=timeouts,
        letter=letter,
    )  # fmt: skip


def at(account: Account, **changes: Any) -> Account:
    return replace(account, endpoint=replace(account.endpoint, **changes))


@pytest.mark.parametrize(
    ("security", "names"),
    [
        (Security.STARTTLS, ["name", "tcp", "tls", "ehlo", "auth", "mail"]),
        (Security.TLS, ["name", "tcp", "tls", "ehlo", "auth", "mail"]),
        (Security.NONE, ["name", "tcp", "ehlo", "auth", "mail"]),
    ],
)
def test_an_account_that_works_passes_every_step_and_sends_nothing(
    run: Run, tmp_path: Path, security: Security, names: list[str]
) -> None:
    async def work() -> None:
        async with provider(tmp_path, security) as (upstream, account):
            steps = await tried(account)
            assert [one.name for one in steps] == names
            assert all(one.is_ok and one.seconds >= 0 for one in steps), steps
            assert not list(upstream.captured)

    run(work())


def test_a_letter_is_sent_as_the_last_step(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with provider(tmp_path, Security.NONE) as (upstream, account):
            letter = Letter(parse_address("ann@example.net"), b"Subject: x\r\n\r\nHello\r\n")
            *_, mail, last = await tried(account, letter=letter)
            assert (mail.name, last.name, last.is_ok) == ("mail", "sent", True)
            assert [one.content for one in upstream.captured] == [letter.content]
            refusal = "550 5.1.1 no such user"
            upstream.misbehaviour = Misbehaviour(recipients={"ann@example.net": refusal})
            *_, last = await tried(account, letter=letter)
            assert (last.name, last.said) == ("sent", refusal)
            assert last.fix
            upstream.misbehaviour = Misbehaviour(at={Phase.DOT: Fault.DROP})
            *_, last = await tried(account, letter=letter)
            assert (last.name, last.is_ok, last.cause) == ("sent", False, "closed")

    run(work())


def test_a_port_that_waits_for_tls_is_told_whatever_its_number(
    run: Run, tmp_path: Path
) -> None:
    """Its certificate need not be good for that."""

    async def work() -> None:
        async with provider(tmp_path, Security.TLS) as (_, account):
            for security, tls in (
                (Security.STARTTLS, account.tls),
                (Security.NONE, TlsPolicy()),
            ):
                other = replace(at(account, security=security), tls=tls)
                *_, last = await tried(other, timeouts=SILENT)
                assert last.cause == "security-mismatch"
                assert last.fix
                assert last.fix.startswith('Set security to "tls"')

    run(work())


def test_a_goodbye_to_mail_is_told_in_its_words(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with provider(tmp_path, Security.NONE) as (upstream, account):
            goodbye = "421 4.7.0 come back tomorrow"
            upstream.misbehaviour = Misbehaviour(at={Phase.MAIL: goodbye})
            *_, last = await tried(account)
            assert (last.name, last.said) == ("mail", goodbye)

    run(work())


def test_a_wrong_password_is_explained_at_the_sign_in(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with provider(tmp_path, Security.STARTTLS) as (_, account):
            wrong = replace(account, credentials=Login(username="relay", secret="other"))
            *_, last = await tried(wrong)
            assert (last.name, last.cause) == ("auth", "wrong-secret")
            assert last.said.startswith("535")
            assert "app password" in (last.fix or "")

    run(work())


def test_a_token_that_was_not_given_is_told_before_anything_is_connected(
    run: Run, tmp_path: Path
) -> None:
    async def work() -> None:
        async with provider(tmp_path, Security.NONE) as (upstream, account):
            revoked = Reply(400, None, "invalid_grant: it was revoked")
            [step] = await tried(replace(account, without_token=revoked))
            assert (step.name, step.cause) == ("token", "oauth-revoked")
            assert "gateway mailbox authorize" in str(step.fix)
            down = Reply(0, None, "login.example gives no tokens now: 503")
            [step] = await tried(replace(account, without_token=down))
            assert (step.cause, step.meaning) == ("unreachable", down.text)
            assert len(upstream.sessions) == 0

    run(work())


def test_a_provider_has_its_own_words_for_a_refused_sign_in(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with provider(tmp_path, Security.STARTTLS) as (upstream, account):
            upstream.misbehaviour = Misbehaviour(at={Phase.AUTH: "550 User has no permission"})
            *_, last = await tried(replace(account, provider=CATALOGUE["netease-163"]))
            assert (last.name, last.cause) == ("auth", "service-off")

    run(work())


def test_a_sender_that_is_refused_fails_at_mail(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with provider(tmp_path, Security.NONE) as (upstream, account):
            refusal = "553 Mail from must equal authorized user"
            upstream.misbehaviour = Misbehaviour(at={Phase.MAIL: refusal})
            *_, last = await tried(replace(account, provider=CATALOGUE["netease-163"]))
            assert (last.name, last.cause) == ("mail", "sender-not-allowed")

    run(work())


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
def test_a_private_authority_is_told_with_ca_file(
    run: Run, tmp_path: Path, security: Security
) -> None:
    async def work() -> None:
        async with provider(tmp_path, security) as (_, account):
            *_, last = await tried(replace(account, tls=TlsPolicy()))
            assert (last.name, last.cause) == ("tls", "certificate-not-trusted")
            assert "ca_file" in (last.fix or "")

    run(work())


def test_a_certificate_for_another_name_is_told(run: Run, tmp_path: Path) -> None:
    """The certificate is for localhost; the account calls the host otherwise."""

    async def work() -> None:
        async with provider(tmp_path, Security.TLS) as (_, account):
            other = at(account, host="smtp.acme.example", addresses=("127.0.0.1",))
            *_, last = await tried(other)
            assert (last.name, last.cause) == ("tls", "certificate-wrong-name")
            assert "smtp.acme.example" in (last.meaning or "")

    run(work())


def test_tls_where_the_server_speaks_in_the_clear_is_told_as_the_wrong_pair(
    run: Run, tmp_path: Path
) -> None:
    async def work() -> None:
        async with provider(tmp_path, Security.STARTTLS) as (_, account):
            *_, last = await tried(at(account, security=Security.TLS))
            assert (last.name, last.cause) == ("tls", "security-mismatch")
            assert '"starttls"' in (last.fix or "")

    run(work())


def test_starttls_where_it_is_not_offered_is_told(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with provider(tmp_path, Security.NONE) as (_, account):
            *_, last = await tried(at(account, security=Security.STARTTLS))
            assert (last.name, last.cause) == ("tls", "no-starttls")

    run(work())


def test_a_port_where_nobody_listens_and_a_name_without_address_are_told(run: Run) -> None:
    account = Account(
        endpoint=Endpoint(host="127.0.0.1", port=free_ports(1)[0], security=Security.TLS),
        credentials=None,
        provider=CATALOGUE["generic"],
    )

    async def work() -> None:
        *_, refused = await tried(account)
        assert (refused.name, refused.cause) == ("tcp", "connection-refused")
        [unknown] = await tried(at(account, host="nowhere.invalid"))
        assert (unknown.name, unknown.cause) == ("name", "name-not-found")

    run(work())


def test_a_server_that_says_nothing_is_told_as_a_time_out(run: Run) -> None:
    async def work() -> None:
        silent = await asyncio.start_server(lambda _, writer: None, "127.0.0.1", 0)
        port = silent.sockets[0].getsockname()[1]
        account = Account(
            endpoint=Endpoint(host="127.0.0.1", port=port, security=Security.NONE),
            credentials=None,
            provider=CATALOGUE["generic"],
        )
        async with silent:
            *_, last = await tried(account, timeouts=replace(SILENT, command_seconds=1.0))
        assert (last.name, last.cause) == ("ehlo", "timed-out")

    run(work())
