"""HTTP made awaitable (httpx): one POST to an address that was looked at first.

A host that a tenant typed is resolved here, every address of it is judged, and the connection
goes to the one that was judged: a name that changes its mind between look and connect reaches
nothing. A connection that is kept is for its name alone, whose certificate it showed. No
redirects, no proxies, no cookies, a bounded answer, one time-out around it all.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import httpx

from gateway.mail.address import parse_domain
from gateway.net.tls import changed_at_ns, shared_context
from gateway.net.unreachable import Unreachable

TIMEOUT_SECONDS = 30.0
CONNECT_SECONDS = 10.0
MAX_REPLY_BYTES = 4096
KEPT_ALIVE = 20
PORTS = {"https": 443, "http": 80}
NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: a private IPv4 address may hide in it

Resolve = Callable[[str], Awaitable[Sequence[str]]]
"""Returns the addresses of a host; raises Unreachable when it cannot be asked now."""

IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class Refused(Exception):
    """The URL leads where we do not go; says why in one sentence. Trying again never helps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpReply:
    """What a server answered: its status, the first of its text, and where it was."""

    status: int
    text: str  # its first bytes, MAX_REPLY_BYTES unless told otherwise
    address: str  # IP address
    seconds: float


class Http:
    """Posts to URLs of tenants; connections are kept for a next post.

    A reply is read as far as `max_reply_bytes`.
    """

    def __init__(
        self,
        *,
        resolve: Resolve,
        private_networks: Sequence[str] = (),
        max_reply_bytes: int = MAX_REPLY_BYTES,
    ) -> None:
        self._resolve = resolve
        self._max_reply_bytes = max_reply_bytes
        self._networks = tuple(
            ipaddress.ip_network(one, strict=False) for one in private_networks
        )
        self._clients: dict[tuple[str, str, int], httpx.AsyncClient] = {}

    async def post(
        self, url: str, *, body: bytes, headers: Mapping[str, str], ca_file: str | None = None
    ) -> HttpReply:
        """Return the reply to one POST within TIMEOUT_SECONDS.

        Raises Refused for a URL that we do not go to, Unreachable when there is no answer,
        ConfigError for a `ca_file` that cannot be read.
        """
        started = time.monotonic()
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                address = await self._find_address(url)
                reply = await self._send(url, address, body=body, headers=headers, ca=ca_file)
        except TimeoutError as error:
            raise Unreachable(f"no answer within {TIMEOUT_SECONDS:.0f} seconds") from error
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
            raise Unreachable(_sentence(error)) from error
        status, text = reply
        seconds = time.monotonic() - started
        return HttpReply(status=status, text=text, address=address, seconds=seconds)

    async def close(self) -> None:
        """Close the kept connections."""
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()

    async def _find_address(self, url: str) -> str:
        scheme, host, _ = parse_url(url)
        addresses = await self._resolve(host)
        if not addresses:
            raise Unreachable(f"the host {host} has no address")
        for address in addresses:
            if refusal := find_refusal(address, self._networks, plain=scheme == "http"):
                raise Refused(refusal)
        return addresses[0]

    async def _send(
        self, url: str, address: str, *, body: bytes, headers: Mapping[str, str], ca: str | None
    ) -> tuple[int, str]:
        _, host, port = parse_url(url)
        parts = urlsplit(url)
        netloc = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        target = urlunsplit((parts.scheme, netloc, parts.path or "/", parts.query, ""))
        shown = f"[{host}]" if ":" in host else host
        named = {"Host": shown if port == PORTS[parts.scheme] else f"{shown}:{port}"}
        async with self._client(host, ca or "").stream(
            "POST",
            target,
            content=body,
            headers={**headers, **named},
            extensions={"sni_hostname": host},  # also what the certificate is held against
        ) as reply:
            return reply.status_code, await _first_bytes(reply, self._max_reply_bytes)

    def _client(self, host: str, ca_file: str) -> httpx.AsyncClient:
        """Return the client of one host: the library would take a connection that is open to
        an address for whatever name is at it."""
        key = (host, ca_file, changed_at_ns(ca_file) if ca_file else 0)
        if key not in self._clients:
            self._clients[key] = httpx.AsyncClient(
                verify=shared_context((ca_file,) if ca_file else ()),
                timeout=httpx.Timeout(TIMEOUT_SECONDS, connect=CONNECT_SECONDS),
                limits=httpx.Limits(max_keepalive_connections=KEPT_ALIVE),
                headers={"Accept-Encoding": "identity"},  # a reply is read as it comes
                follow_redirects=False,
                trust_env=False,
            )
        return self._clients[key]


def parse_url(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of a webhook's URL; raises Refused with one sentence.

    The host is an A-label (RFC 5890), whatever was typed.
    """
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""
        host = host if host.isascii() else parse_domain(host)
    except ValueError as error:
        raise Refused("the URL cannot be read") from error
    if parts.scheme not in PORTS or not host:
        raise Refused("the URL needs the form https://host/path")
    if parts.username is not None or parts.password is not None:
        raise Refused("the URL must not hold a user name or password")
    return parts.scheme, host, port or PORTS[parts.scheme]


def find_refusal(
    address: str, private_networks: Sequence[IpNetwork], *, plain: bool
) -> str | None:
    """Return why a tenant's URL must not reach `address`, or None.

    Only addresses of the public internet are reached, and only over TLS, unless the operator
    listed their network.
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return f"{address} is not an IP address"
    listed = any(ip in network or _unwrapped(ip) in network for network in private_networks)
    if listed:
        return None
    if not _is_public(_unwrapped(ip)):
        return f"{address} is a private address and not in [routes] private_networks"
    if plain:
        return "plain http:// is for addresses in [routes] private_networks only; use https://"
    return None


def _is_public(ip: IpAddress) -> bool:
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def _unwrapped(ip: IpAddress) -> IpAddress:
    """Return the IPv4 address that an IPv6 address stands for, else the address itself."""
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in NAT64:
            return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        return ip.ipv4_mapped or ip.sixtofour or ip
    return ip


async def _first_bytes(reply: httpx.Response, most: int) -> str:
    kept = b""
    async for chunk in reply.aiter_raw():
        kept += chunk
        if len(kept) >= most:
            break
    return kept[:most].decode("utf-8", "replace")


def _sentence(error: Exception) -> str:
    """Name what failed; the library's text may be empty, its class never is."""
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    text = " ".join(str(error).split())[:200]
    return text or type(error).__name__
