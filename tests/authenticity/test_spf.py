from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.authenticity.spf import SpfChecker
from gateway.mail.inbound import AuthResult
from gateway.net.dns import parse_nameserver
from tests.servers.zone import Zone

RECORDS = {
    ("acme.example", "TXT"): ["v=spf1 ip4:192.0.2.1 include:_spf.up.example -all"],
    ("_spf.up.example", "TXT"): ["v=spf1 a:out.up.example ip4:127.0.0.1 -all"],
    ("out.up.example", "A"): ["192.0.2.7"],
    ("soft.example", "TXT"): ["v=spf1 ~all"],
    ("broken.example", "TXT"): ["v=spf1 ip4:nonsense -all"],
    ("mx.helo.example", "TXT"): ["v=spf1 ip4:192.0.2.1 -all"],
    ("talks.example", "TXT"): ["v=spf1 -all exp=why.talks.example"],
    ("why.talks.example", "TXT"): [
        "no\n\naction=prepend Authentication-Results: gateway; spf=pass (x) receiver=\n\n"
    ],
}


@pytest.fixture(scope="module")
def zone() -> Iterator[Zone]:
    with Zone(RECORDS) as zone:
        yield zone


def check(
    zone: Zone, *questions: tuple[str, str, str], seconds: float = 20
) -> list[AuthResult]:
    async def ask_all() -> list[AuthResult]:
        server = parse_nameserver(zone.address)
        checker = SpfChecker([server], children=1, answer_seconds=seconds)
        try:
            return [
                await checker.check(client=client, helo=helo, mail_from=sender)
                for client, helo, sender in questions
            ]
        finally:
            await checker.close()

    return asyncio.run(ask_all())


def test_results_are_those_of_the_senders_records(zone: Zone) -> None:
    sender = "ann@acme.example"
    results = check(
        zone,
        ("192.0.2.1", "mx", sender),
        ("192.0.2.7", "mx", sender),
        ("127.0.0.1", "mx", sender),
        ("192.0.2.99", "mx", sender),
        ("192.0.2.1", "mx", "ann@soft.example"),
        ("192.0.2.1", "mx", "ann@nothing.example"),
        ("192.0.2.1", "mx", "ann@broken.example"),
        ("2001:db8::1", "mx", sender),
    )
    found = [result.result for result in results]
    assert found == ["pass", "pass", "pass", "fail", "softfail", "none", "permerror", "fail"]
    assert results[0].domain == "acme.example"


def test_an_empty_sender_is_judged_by_the_helo_name(zone: Zone) -> None:
    """RFC 7208 §2.4."""
    [result] = check(zone, ("192.0.2.1", "mx.helo.example", ""))
    assert (result.result, result.domain) == ("pass", "mx.helo.example")


def test_a_server_that_fails_is_a_temporary_error() -> None:
    with Zone(RECORDS) as zone:
        zone.failing.add("acme.example")
        [result] = check(zone, ("192.0.2.1", "mx", "ann@acme.example"))
    assert result.result == "temperror"


def test_a_child_without_an_answer_is_replaced() -> None:
    with Zone(RECORDS) as zone:
        zone.silent.add("acme.example")
        slow, next_one = check(
            zone,
            ("192.0.2.1", "mx", "ann@acme.example"),
            ("192.0.2.1", "mx", "ann@soft.example"),
            seconds=2,
        )
    assert (slow.result, slow.reason) == ("temperror", "the SPF check took too long")
    assert next_one.result == "softfail"


def test_an_explanation_cannot_answer_the_next_question(zone: Zone) -> None:
    """The text of exp= is the sender's, and a line end in it would look like an answer."""
    for_itself, next_one, last = check(
        zone,
        ("192.0.2.1", "mx", "ann@talks.example"),
        ("192.0.2.99", "mx", "ann@acme.example"),
        ("192.0.2.1", "mx", "ann@acme.example"),
    )
    assert for_itself.result in ("fail", "temperror")
    assert next_one.result in ("fail", "temperror")
    assert last.result == "pass"


@pytest.mark.parametrize(
    ("client", "helo", "sender"),
    [
        ("not an address", "mx", "ann@acme.example"),
        ("192.0.2.1", "mx", "no address"),
        ("192.0.2.1", "mx", "a@b\nsender=ann@acme.example"),
        ("192.0.2.1", "", ""),
        ("192.0.2.1", "a\n\nb", ""),
        ("192.0.2.1", "mx", '"a b"@nothing.example'),
        ("192.0.2.1", "mx", "gr\xfc\xdfe@nothing.example"),
    ],
)
def test_garbage_proves_nothing(zone: Zone, client: str, helo: str, sender: str) -> None:
    [result] = check(zone, (client, helo, sender))
    assert result.result in ("none", "temperror", "permerror")


def test_many_checks_share_few_children(zone: Zone) -> None:
    async def ask_at_once() -> list[AuthResult]:
        checker = SpfChecker([parse_nameserver(zone.address)], children=2)
        asked = [
            checker.check(client="192.0.2.1", helo="mx", mail_from=f"u{n}@acme.example")
            for n in range(20)
        ]
        try:
            return await asyncio.gather(*asked)
        finally:
            await checker.close()

    assert {result.result for result in asyncio.run(ask_at_once())} == {"pass"}


def test_children_run_under_twisteds_asyncio_reactor(zone: Zone, tmp_path: Path) -> None:
    program = tmp_path / "under_twisted.py"
    program.write_text(
        textwrap.dedent(
            """
            import asyncio, sys
            from twisted.internet import asyncioreactor
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            asyncioreactor.install(loop)
            from twisted.internet import defer, task
            from gateway.authenticity.spf import SpfChecker
            from gateway.net.dns import parse_nameserver

            async def work():
                checker = SpfChecker([parse_nameserver(sys.argv[1])])
                found = await checker.check(
                    client="192.0.2.1", helo="mx", mail_from="ann@acme.example")
                await checker.close()
                print(found.result)

            task.react(lambda reactor: defer.Deferred.fromFuture(loop.create_task(work())))
            """
        )
    )
    ended = subprocess.run(
        [sys.executable, str(program), zone.address],
        capture_output=True, text=True, timeout=60, check=False,
        env={"PYTHONPATH": ":".join(filter(None, sys.path))},
    )  # fmt: skip
    assert (ended.stdout, ended.stderr) == ("pass\n", "")
