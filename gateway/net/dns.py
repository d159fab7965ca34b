"""DNS made awaitable (dnspython): an answer, none, or Unreachable (RFC 1035, RFC 2308).

"There is no such record" is a value, an empty list. "It cannot be asked now" is Unreachable.
Every question has an end: TIMEOUT_SECONDS a server, LIFETIME_SECONDS in all. Nothing is
cached here: the servers that are asked do that, and a corrected record counts at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Sequence
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.name
import dns.nameserver
import dns.resolver

from gateway.config import ConfigError, DnsSettings
from gateway.net.unreachable import Unreachable

PORT = 53
TIMEOUT_SECONDS = 3.0
LIFETIME_SECONDS = 8.0


class Resolver:
    """Asks the servers of `[dns] nameservers`, or the system's when there are none.

    Raises ConfigError for a nameserver that is not an IP address with or without a port.
    """

    def __init__(
        self, settings: DnsSettings, *, lifetime_seconds: float = LIFETIME_SECONDS
    ) -> None:
        self.nameservers = tuple(parse_nameserver(text) for text in settings.nameservers)
        self._library = _set_up(self.nameservers)
        self._library.lifetime = lifetime_seconds

    async def txt(self, name: str) -> list[bytes]:
        """Return the TXT records of `name`, each one's strings joined (RFC 7208 §3.3)."""
        return [b"".join(record.strings) for record in await self._ask(name, "TXT")]

    async def addresses(self, host: str) -> list[str]:
        """Return the IPv4 and then the IPv6 addresses of `host`; an IP address is its own.

        Without `[dns] nameservers` the system answers, which knows its own hosts file.
        """
        if literal := _as_ip(host):
            return [literal]
        if not self.nameservers:
            return await _system_addresses(host)
        found = await asyncio.gather(
            self._ask(host, "A"), self._ask(host, "AAAA"), return_exceptions=True
        )
        addresses = [r.address for one in found if isinstance(one, list) for r in one]
        for failure in found:
            if isinstance(failure, BaseException) and not addresses:
                raise failure
        return addresses

    async def _ask(self, name: str, kind: str) -> list[Any]:
        absolute = _absolute(name)
        if absolute is None:
            return []
        try:
            answer = await self._library.resolve(absolute, kind, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN:
            return []
        except (dns.exception.DNSException, OSError, EOFError) as error:
            raise Unreachable(f"the {kind} records of {name} cannot be asked now") from error
        return list(answer.rrset or [])


def parse_nameserver(text: str) -> tuple[str, int]:
    """Return address and port of "127.0.0.1:5353", "192.0.2.1", "::1" or "[::1]:5353".

    Raises ConfigError with one sentence.
    """
    if literal := _as_ip(text):
        return literal, PORT
    host, _, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    literal = _as_ip(host.strip("[]"))
    known = literal and (bracketed or ":" not in host)
    if literal and known and port.isascii() and port.isdigit() and 0 < int(port) < 65536:
        return literal, int(port)
    raise ConfigError(
        f"[dns] nameservers: '{text}' is not an IP address with or without a port; "
        'write "192.0.2.1" or "127.0.0.1:5353"'
    )


def _set_up(nameservers: Sequence[tuple[str, int]]) -> dns.asyncresolver.Resolver:
    resolver = dns.asyncresolver.Resolver(configure=False)
    if nameservers:
        resolver.nameservers = [
            dns.nameserver.Do53Nameserver(address, port) for address, port in nameservers
        ]
    else:
        with contextlib.suppress(dns.resolver.NoResolverConfiguration):  # then none is asked
            resolver.read_resolv_conf("/etc/resolv.conf")
    resolver.timeout = TIMEOUT_SECONDS
    return resolver


def _absolute(name: str) -> dns.name.Name | None:
    """Return the name as it is asked, or None when no record can have it."""
    try:
        return dns.name.from_text(name)
    except (dns.exception.DNSException, UnicodeError):  # an empty or too long label
        return None


def _as_ip(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


async def _system_addresses(host: str) -> list[str]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(LIFETIME_SECONDS):
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno in (socket.EAI_NONAME, socket.EAI_NODATA):
            return []
        raise Unreachable(f"the addresses of {host} cannot be asked now") from error
    except (TimeoutError, OSError) as error:
        raise Unreachable(f"the addresses of {host} cannot be asked now") from error
    except UnicodeError:  # a label that is empty or too long
        return []
    ipv4_first = sorted(found, key=lambda one: one[0] is not socket.AF_INET)
    return list(dict.fromkeys(str(one[4][0]) for one in ipv4_first))
