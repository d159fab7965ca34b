"""The sandbox's DNS server, asked by dnspython."""

from typing import Any

import dns.resolver
import pytest

from gateway.sandbox.dns import ZoneServer, as_record

KEY = "v=DKIM1; k=rsa; p=" + "A" * 400
ZONE = {
    "acme.example": {"MX": ["10 mx.acme.example."], "TXT": ["v=spf1 ip4:127.0.0.1 -all"]},
    "mx.acme.example": {"A": ["127.0.0.1"], "AAAA": ["::1"]},
    "a._domainkey.acme.example": {"TXT": [KEY]},
    "b._domainkey.acme.example": {"CNAME": ["a._domainkey.acme.example"]},
    "1.0.0.127.in-addr.arpa": {"PTR": ["mx.acme.example"]},
}


@pytest.fixture
def zone(serve: Any) -> ZoneServer:
    started: ZoneServer = serve(ZoneServer({**ZONE}))
    return started


def ask(zone: ZoneServer, name: str, kind: str, *, tcp: bool = False) -> list[str]:
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port, resolver.lifetime = ["127.0.0.1"], zone.port, 30
    answer = resolver.resolve(name, kind, tcp=tcp)
    return [record.to_text() for record in answer]


@pytest.mark.parametrize("tcp", [False, True])
def test_records_are_answered_on_udp_and_tcp(zone: ZoneServer, tcp: bool) -> None:
    assert ask(zone, "acme.example", "MX", tcp=tcp) == ["10 mx.acme.example."]
    assert ask(zone, "acme.example", "TXT", tcp=tcp) == ['"v=spf1 ip4:127.0.0.1 -all"']
    assert ask(zone, "mx.acme.example", "A", tcp=tcp) == ["127.0.0.1"]
    assert ask(zone, "mx.acme.example", "AAAA", tcp=tcp) == ["::1"]
    assert ask(zone, "1.0.0.127.in-addr.arpa", "PTR", tcp=tcp) == ["mx.acme.example."]


def test_names_are_found_in_any_case(zone: ZoneServer) -> None:
    assert ask(zone, "MX.Acme.Example", "A") == ["127.0.0.1"]


def test_a_long_text_is_cut_into_strings_of_255_bytes(zone: ZoneServer) -> None:
    (text,) = ask(zone, "a._domainkey.acme.example", "TXT")
    first, second = text.strip('"').split('" "')
    assert (len(first), first + second) == (255, KEY)


def test_an_alias_is_followed(zone: ZoneServer) -> None:
    assert ask(zone, "b._domainkey.acme.example", "TXT") == ask(
        zone, "a._domainkey.acme.example", "TXT"
    )


def test_a_name_that_is_not_there_is_nxdomain(zone: ZoneServer) -> None:
    with pytest.raises(dns.resolver.NXDOMAIN):
        ask(zone, "nobody.example", "A")


@pytest.mark.parametrize("name", ["mx.acme.example", "_domainkey.acme.example"])
def test_a_name_without_such_a_record_has_no_answer(zone: ZoneServer, name: str) -> None:
    with pytest.raises(dns.resolver.NoAnswer):
        ask(zone, name, "TXT")


def test_a_broken_name_is_servfail(zone: ZoneServer) -> None:
    zone.broken.add("acme.example")
    with pytest.raises(dns.resolver.NoNameservers, match="SERVFAIL"):
        ask(zone, "acme.example", "TXT")


def test_the_zone_changes_while_it_runs(zone: ZoneServer) -> None:
    zone.records = {"new.example": {"A": ["127.0.0.2"]}}
    assert ask(zone, "new.example", "A") == ["127.0.0.2"]


def test_an_unknown_type_is_refused_with_a_sentence() -> None:
    with pytest.raises(ValueError, match="knows no NAPTR records"):
        as_record("acme.example", "NAPTR", "x")
