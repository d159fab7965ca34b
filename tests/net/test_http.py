"""Posting to URLs that tenants typed."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import trustme

from gateway.net.http import Http, HttpReply, Refused, find_refusal, parse_url
from gateway.net.unreachable import Unreachable
from tests.net.web_server import WebServer, web_server

LOOPBACK = ["127.0.0.0/8"]
Run = Callable[[Any], Any]


def resolver(*addresses: str) -> Callable[[str], Any]:
    async def resolve(host: str) -> Sequence[str]:
        return addresses or [host]

    return resolve


def post(
    run: Run, url: str, *, networks: Sequence[str] = LOOPBACK, **options: Any
) -> HttpReply:
    async def work() -> HttpReply:
        resolve = resolver(*options.pop("addresses", ()))
        http = Http(resolve=resolve, private_networks=networks)
        try:
            return await http.post(url, body=b"{}", headers={"x-a": "1"}, **options)
        finally:
            await http.close()

    reply: HttpReply = run(work())
    return reply


def test_a_post_reaches_a_listed_private_address(run: Run) -> None:
    with web_server() as server:
        server.text = b"x" * 9999
        reply = post(run, server.url())
        (posted,) = server.posted
    assert (reply.status, len(reply.text), reply.address) == (200, 4096, "127.0.0.1")
    assert (posted.path, posted.body, posted.headers["x-a"]) == ("/in?x=1", b"{}", "1")


def test_a_name_is_connected_by_the_address_that_was_looked_at(run: Run) -> None:
    with web_server() as server:
        url = server.url(host="desk.example")
        assert post(run, url, addresses=["127.0.0.1"]).address == "127.0.0.1"
        assert post(run, server.url(host="bücher.example"), addresses=["127.0.0.1"]).status
        hosts = [one.headers["host"] for one in server.posted]
    assert hosts == [
        f"{one}:{server.port}" for one in ("desk.example", "xn--bcher-kva.example")
    ]


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["192.0.2.1", "127.0.0.1"], ["::1"]])
def test_one_private_address_among_them_is_enough_to_refuse(
    run: Run, addresses: list[str]
) -> None:
    with web_server() as server:
        url = server.url(scheme="https", host="desk.example")
        with pytest.raises(Refused, match="private"):
            post(run, url, networks=(), addresses=addresses)
        assert server.posted == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(run: Run, status: int) -> None:
    with web_server() as server:
        server.status, server.location = status, server.url()
        assert post(run, server.url()).status == status
        assert len(server.posted) == 1


def test_a_name_that_changes_its_mind_reaches_what_was_looked_at(run: Run) -> None:
    """DNS rebinding: the second answer would be a server inside."""
    asked: list[str] = []

    async def resolve(host: str) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    async def work(url: str) -> HttpReply:
        http = Http(resolve=resolve, private_networks=["127.0.0.1"])
        try:
            return await http.post(url, body=b"", headers={})
        finally:
            await http.close()

    with web_server() as server:
        assert run(work(server.url(host="desk.example"))).address == "127.0.0.1"
        assert len(server.posted) == 1
        with pytest.raises(Refused, match="private"):
            run(work(server.url(host="desk.example")))
    assert asked == ["desk.example"] * 2


def test_a_certificate_is_held_against_the_name_and_not_the_address(
    run: Run, tmp_path: Path
) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("desk.example").configure_cert(context)
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    with web_server(context) as server:
        good = server.url(scheme="https", host="desk.example")
        wrong = server.url(scheme="https", host="other.example")
        here = {"addresses": ["127.0.0.1"], "ca_file": str(ca_file)}
        assert post(run, good, **here).status == 200
        with pytest.raises(Unreachable, match=r"(?i)certificate"):
            post(run, wrong, **here)
        with pytest.raises(Unreachable, match=r"(?i)certificate"):
            post(run, good, addresses=["127.0.0.1"])
        assert len(server.posted) == 1


def test_a_connection_that_is_kept_serves_no_other_name_at_its_address(
    run: Run, tmp_path: Path
) -> None:
    """Else the certificate of the first name would stand for the second."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("desk.example").configure_cert(context)
    authority.cert_pem.write_to_path(ca_file := tmp_path / "ca.pem")

    async def work(server: WebServer) -> None:
        http = Http(resolve=resolver("127.0.0.1"), private_networks=LOOPBACK)
        try:
            for host in ("desk.example", "desk.example", "other.example"):
                url = server.url(scheme="https", host=host)
                await http.post(url, body=b"", headers={}, ca_file=str(ca_file))
        finally:
            await http.close()

    with web_server(context) as server:
        with pytest.raises(Unreachable, match=r"(?i)certificate"):
            run(work(server))
        assert [one.headers["host"] for one in server.posted] == [
            f"desk.example:{server.port}"
        ] * 2


def test_a_renewed_ca_file_is_read_again(run: Run, tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("desk.example").configure_cert(context)
    ca_file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(ca_file)

    async def work(url: str) -> HttpReply:
        http = Http(resolve=resolver("127.0.0.1"), private_networks=LOOPBACK)
        try:
            with pytest.raises(Unreachable, match=r"(?i)certificate"):
                await http.post(url, body=b"", headers={}, ca_file=str(ca_file))
            authority.cert_pem.write_to_path(ca_file)
            return await http.post(url, body=b"", headers={}, ca_file=str(ca_file))
        finally:
            await http.close()

    with web_server(context) as server:
        reply = run(work(server.url(scheme="https", host="desk.example")))
    assert reply.status == 200


def test_nobody_listening_is_unreachable(run: Run) -> None:
    with web_server() as server:
        url = server.url()
    with pytest.raises(Unreachable):
        post(run, url)


def test_a_name_without_an_address_is_unreachable(run: Run) -> None:
    async def resolve(_: str) -> Sequence[str]:
        return []

    with pytest.raises(Unreachable, match="no address"):
        run(Http(resolve=resolve).post("https://desk.example/", body=b"", headers={}))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1",
        "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "ff02::1", "nonsense",
    ],
)  # fmt: skip
def test_an_address_that_is_not_of_the_public_internet_is_refused(address: str) -> None:
    assert find_refusal(address, (), plain=False)


@pytest.mark.parametrize("address", ["9.9.9.9", "2620:fe::9"])
def test_a_public_address_is_reached_over_tls_only(address: str) -> None:
    assert find_refusal(address, (), plain=False) is None
    assert "https" in str(find_refusal(address, (), plain=True))


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3"])
def test_a_listed_network_is_reached_in_the_clear_too(address: str) -> None:
    networks = [ipaddress.ip_network("10.1.0.0/16")]
    assert find_refusal(address, networks, plain=True) is None
    assert find_refusal("10.2.0.1", networks, plain=False)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "desk",
        "ftp://desk/",
        "https://",
        "https://u:p@desk/",
        "https://desk:x/",
        "http://[::1/",
        "https://bü..example/",
    ],
)
def test_a_url_we_cannot_go_to_is_refused(url: str) -> None:
    with pytest.raises(Refused):
        parse_url(url)


def test_a_url_is_taken_apart() -> None:
    assert parse_url("https://desk.example/in") == ("https", "desk.example", 443)
    assert parse_url("http://[::1]:8080/") == ("http", "::1", 8080)
    assert parse_url("https://Bücher.example/") == ("https", "xn--bcher-kva.example", 443)
