"""The sandbox's DNS server: answers for a zone that may change while it runs (RFC 1034)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.names import dns, error
from twisted.names.common import ResolverBase
from twisted.names.server import DNSServerFactory
from twisted.python.failure import Failure

from gateway.sandbox.listening import Listening, listen_both

Zone = Mapping[str, Mapping[str, Sequence[str]]]
TTL_SECONDS = 1
MAX_ALIASES = 8
LIBRARY: Any = dns  # it has no annotations
LIBRARY_FACTORY: Any = DNSServerFactory


class ZoneServer:
    """A DNS server on loopback, UDP and TCP on one port.

    `records` maps name -> type -> values, as a zone file has them:
    `{"acme.example": {"MX": ["10 mx.acme.example"], "TXT": ["v=spf1 -all"]}}`. It may be
    replaced or changed at any time. Names in `broken` are answered SERVFAIL. Known types are
    A, AAAA, CNAME, MX, NS, PTR and TXT. An answer over UDP is never truncated.
    """

    def __init__(self, records: Zone | None = None) -> None:
        self.records: Zone = records if records is not None else {}
        self.broken: set[str] = set()
        self.port = 0
        self._factory = Factory(self)
        self._listening: Listening | None = None

    async def start(self, port: int = 0) -> None:
        """Listen on loopback; `self.port` says where. Raises CannotListenError."""
        datagrams = LIBRARY.DNSDatagramProtocol(self._factory)
        self._listening = await listen_both(self._factory, datagrams, port=port)
        self.port = self._listening.port

    async def stop(self) -> None:
        """Stop listening."""
        if self._listening is not None:
            await self._listening.close()
        for connection in tuple(self._factory.connections):
            connection.transport.abortConnection()

    def look_up(self, name: str, kind: str) -> list[tuple[str, str, str]]:
        """Return (name, type, value) of what answers, aliases followed (RFC 1034 §3.6.2).

        Raises twisted.names.error.DNSNameError when the name is not there, DNSServerError
        when it is broken.
        """
        zone = {key.lower().rstrip("."): value for key, value in self.records.items()}
        found: list[tuple[str, str, str]] = []
        for _ in range(MAX_ALIASES):
            if name in self.broken:
                raise error.DNSServerError(name)
            if not found and not _exists(name, zone):
                raise error.DNSNameError(name)
            types = zone.get(name, {})
            alias = types.get("CNAME", ()) if kind != "CNAME" else ()
            found += [(name, kind, value) for value in types.get(kind, ())]
            found += [(name, "CNAME", value) for value in alias]
            if not alias:
                break
            name = alias[0].lower().rstrip(".")
        return found


class Answers(ResolverBase):
    """Twisted's way to a zone."""

    def __init__(self, server: ZoneServer) -> None:
        resolver: Any = ResolverBase
        resolver.__init__(self)
        self._server = server

    def _lookup(self, name: bytes, _cls: int, number: int, _timeout: Any) -> Deferred[Any]:
        kind = dns.QUERY_TYPES.get(number, str(number))
        try:
            found = self._server.look_up(name.decode("ascii", "replace").lower(), kind)
        except (error.DNSNameError, error.DNSServerError) as reason:
            return fail(reason)
        return succeed(([as_record(*one) for one in found], [], []))


class Factory(DNSServerFactory):
    """Twisted's server, which would log SERVFAIL as a fault of ours."""

    noisy = False

    def __init__(self, server: ZoneServer) -> None:
        LIBRARY_FACTORY.__init__(self, authorities=[Answers(server)])

    def gotResolverError(
        self, failure: Failure, protocol: Any, message: Any, address: Any
    ) -> None:
        """Answer NXDOMAIN or SERVFAIL."""
        unknown = isinstance(failure.value, error.DNSNameError)
        code = dns.ENAME if unknown else dns.ESERVER
        reply = LIBRARY_FACTORY._responseFromMessage(self, message=message, rCode=code)
        LIBRARY_FACTORY.sendReply(self, protocol, reply, address)


def as_record(name: str, kind: str, value: str) -> dns.RRHeader:
    """Return one record as it goes over the wire. Raises ValueError for an unknown type."""
    number: int = getattr(dns, kind)
    payload = _payload(kind, value)
    record: dns.RRHeader = LIBRARY.RRHeader(
        name, number, ttl=TTL_SECONDS, payload=payload, auth=True
    )
    return record


def _payload(kind: str, value: str) -> Any:
    match kind:
        case "TXT":  # a string holds at most 255 bytes (RFC 1035 §3.3)
            text = value.encode()
            pieces = [text[at : at + 255] for at in range(0, len(text), 255)] or [b""]
            return LIBRARY.Record_TXT(*pieces, ttl=TTL_SECONDS)
        case "MX":
            preference, _, host = value.partition(" ")
            return LIBRARY.Record_MX(int(preference), host.rstrip("."), ttl=TTL_SECONDS)
        case "A" | "AAAA":
            return getattr(LIBRARY, f"Record_{kind}")(value, ttl=TTL_SECONDS)
        case "CNAME" | "NS" | "PTR":
            return getattr(LIBRARY, f"Record_{kind}")(value.rstrip("."), ttl=TTL_SECONDS)
    raise ValueError(f"the sandbox's DNS server knows no {kind} records")


def _exists(name: str, zone: Zone) -> bool:
    """Whether `name` or something below it is there (RFC 8020)."""
    return any(known == name or known.endswith(f".{name}") for known in zone)
