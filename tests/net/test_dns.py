from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

import pytest

from gateway.config import ConfigError, DnsSettings
from gateway.net.dns import Resolver, parse_nameserver
from gateway.net.unreachable import Unreachable
from tests.servers.zone import Zone

T = TypeVar("T")


@pytest.fixture
def zone() -> Iterator[Zone]:
    with Zone(
        {
            ("acme.example", "TXT"): ["v=spf1 -all", "k=" + "x" * 2000],
            ("a.acme.example", "A"): ["192.0.2.1"],
            ("a.acme.example", "AAAA"): ["2001:db8::1"],
            ("alias.example", "CNAME"): ["a.acme.example."],
        }
    ) as zone:
        yield zone


def ask(zone: Zone, question: str, name: str) -> Any:
    resolver = Resolver(DnsSettings(nameservers=(zone.address,)))
    return run(getattr(resolver, question)(name))


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def test_a_text_record_longer_than_a_datagram_comes_back_whole(zone: Zone) -> None:
    found = ask(zone, "txt", "ACME.example")
    assert sorted(found) == [b"k=" + b"x" * 2000, b"v=spf1 -all"]


def test_addresses_of_both_families_are_found_through_an_alias(zone: Zone) -> None:
    assert ask(zone, "addresses", "alias.example") == ["192.0.2.1", "2001:db8::1"]


def test_an_ip_address_is_its_own_address_and_is_not_asked(zone: Zone) -> None:
    assert ask(zone, "addresses", "192.0.2.7") == ["192.0.2.7"]
    assert zone.asked == []


@pytest.mark.parametrize(
    "name",
    ["nothing.example", "a.acme.example", "a..b", "x" * 64 + ".example", "\udcff.example"],
)
def test_no_such_name_or_record_is_an_empty_answer(zone: Zone, name: str) -> None:
    assert ask(zone, "txt", name) == []


def test_a_server_that_fails_makes_the_name_unreachable(zone: Zone) -> None:
    zone.failing.add("acme.example")
    with pytest.raises(Unreachable, match=r"TXT records of acme\.example cannot be asked"):
        ask(zone, "txt", "acme.example")


def test_one_family_of_addresses_is_enough(zone: Zone) -> None:
    zone.publish("v4.example", "A", "192.0.2.9")
    assert ask(zone, "addresses", "v4.example") == ["192.0.2.9"]


def test_addresses_that_cannot_be_asked_are_unreachable(zone: Zone) -> None:
    zone.failing.add("a.acme.example")
    with pytest.raises(Unreachable):
        ask(zone, "addresses", "a.acme.example")


def test_a_server_that_is_not_there_makes_every_name_unreachable() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unanswering:
        unanswering.bind(("127.0.0.1", 0))
        port = unanswering.getsockname()[1]
    settings = DnsSettings(nameservers=(f"127.0.0.1:{port}",))
    resolver = Resolver(settings, lifetime_seconds=0.5)
    with pytest.raises(Unreachable):
        run(resolver.txt("acme.example"))


def test_a_changed_record_counts_at_once(zone: Zone) -> None:
    async def ask_twice() -> tuple[list[bytes], list[bytes]]:
        resolver = Resolver(DnsSettings(nameservers=(zone.address,)))
        before = await resolver.txt("acme.example")
        zone.publish("acme.example", "TXT", "new")
        return before, await resolver.txt("acme.example")

    before, after = run(ask_twice())
    assert before != after == [b"new"]


def test_the_system_knows_localhost() -> None:
    assert "127.0.0.1" in run(Resolver(DnsSettings()).addresses("localhost"))


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("127.0.0.1:5353", ("127.0.0.1", 5353)),
        ("192.0.2.1", ("192.0.2.1", 53)),
        ("2001:db8::1", ("2001:db8::1", 53)),
        ("[2001:db8::1]:5353", ("2001:db8::1", 5353)),
    ],
)
def test_a_nameserver_is_an_address_with_or_without_a_port(
    text: str, server: tuple[str, int]
) -> None:
    assert parse_nameserver(text) == server


@pytest.mark.parametrize(
    "text", ["dns.example", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:x", ""]
)
def test_another_nameserver_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ConfigError, match=r"\[dns\] nameservers: .*write"):
        parse_nameserver(text)
