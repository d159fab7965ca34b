"""A DNS server of our own on loopback, UDP and TCP on one port, its records in memory.

It answers with authority for every name: what is not among its records does not exist. Time
to live is 0, so a changed record counts at once.
"""

from __future__ import annotations

import socketserver
import struct
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from dns.rdtypes.ANY.TXT import TXT

IN = dns.rdataclass.IN
MAX_UDP_BYTES = 1232
PORT_TRIES = 20


class Zone:
    """Serves `records` until closed: {("acme.example", "TXT"): ["v=spf1 -all"]}.

    A value is written as in a zone file, but a TXT value is one unquoted string of any length.
    A CNAME is followed. Names in `failing` are answered SERVFAIL, those in `silent` never.
    """

    def __init__(
        self,
        records: Mapping[tuple[str, str], Sequence[str]] | None = None,
        *,
        address: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self._host = address
        self._records: dict[tuple[str, str], list[str]] = {}
        self.failing: set[str] = set()
        self.silent: set[str] = set()
        self.asked: list[tuple[str, str]] = []
        for (name, kind), values in (records or {}).items():
            self.publish(name, kind, *values)
        self._servers = _bind(self, address, port)
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def address(self) -> str:
        """Where it listens, as `[dns] nameservers` has it: `127.0.0.1:PORT`."""
        return f"{self._host}:{_port(self._servers[0])}"

    def publish(self, name: str, kind: str, *values: str) -> None:
        """Replace the records of this name and type."""
        self._records[_key(name), kind.upper()] = list(values)

    def withdraw(self, name: str, kind: str) -> None:
        """Remove the records of this name and type."""
        self._records.pop((_key(name), kind.upper()), None)

    def close(self) -> None:
        """Stop serving; the port is free afterwards."""
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def __enter__(self) -> Zone:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def answer(self, wire: bytes, *, over_udp: bool) -> bytes | None:
        """Return the reply to one query, or None when none is to be given."""
        try:
            query = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            return None
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.AA | dns.flags.RA
        question = query.question[0]
        kind = dns.rdatatype.to_text(question.rdtype)
        name = _key(question.name.to_text())
        self.asked.append((name, kind))
        if name in map(_key, self.silent):
            return None
        if name in map(_key, self.failing):
            reply.set_rcode(dns.rcode.SERVFAIL)
        elif not self._fill(reply, name, kind):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        full = reply.to_wire(max_size=65535)
        if over_udp and len(full) > MAX_UDP_BYTES:
            reply.answer.clear()
            reply.flags |= dns.flags.TC
            return reply.to_wire()
        return full

    def _fill(self, reply: dns.message.Message, name: str, kind: str) -> bool:
        """Add what there is of `kind`; False when the name does not exist."""
        for _ in range(8):  # a chain of aliases
            known = {one for owner, one in list(self._records) if owner == name}
            if kind in known:
                reply.answer.append(self._rrset(name, kind))
            if kind in known or "CNAME" not in known:
                return bool(known)
            reply.answer.append(self._rrset(name, "CNAME"))
            name = _key(self._records[name, "CNAME"][0])
        return True

    def _rrset(self, name: str, kind: str) -> dns.rrset.RRset:
        rdatas = [_rdata(kind, value) for value in self._records[name, kind]]
        return dns.rrset.from_rdata_list(dns.name.from_text(name), 0, rdatas)


class _Datagram(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        wire, sock = self.request
        if (reply := self.server.zone.answer(wire, over_udp=True)) is not None:  # type: ignore[attr-defined]  # ours
            sock.sendto(reply, self.client_address)


class _Stream(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        head = self.rfile.read(2)
        if len(head) < 2:
            return
        wire = self.rfile.read(struct.unpack("!H", head)[0])
        if (reply := self.server.zone.answer(wire, over_udp=False)) is not None:  # type: ignore[attr-defined]  # ours
            self.wfile.write(struct.pack("!H", len(reply)) + reply)


class _Udp(socketserver.UDPServer):
    max_packet_size = 65535

    def __init__(self, zone: Zone, address: str, port: int) -> None:
        self.zone = zone
        super().__init__((address, port), _Datagram)


class _Tcp(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, zone: Zone, address: str, port: int) -> None:
        self.zone = zone
        super().__init__((address, port), _Stream)


def _bind(zone: Zone, address: str, port: int) -> tuple[_Udp, _Tcp]:
    """Listen on one port that is free for both; another process may take it in between."""
    for tries in range(PORT_TRIES):
        tcp = _Tcp(zone, address, port)
        try:
            return _Udp(zone, address, _port(tcp)), tcp
        except OSError:
            tcp.server_close()
            if tries == PORT_TRIES - 1:
                raise
    raise AssertionError("unreachable: the last try raised")


def _port(server: socketserver.TCPServer) -> int:
    return int(server.socket.getsockname()[1])


def _key(name: str) -> str:
    return name.rstrip(".").lower()


def _rdata(kind: str, value: str) -> dns.rdata.Rdata:
    if kind != "TXT":
        return dns.rdata.from_text(IN, dns.rdatatype.from_text(kind), value)
    text = value.encode()
    pieces = [text[at : at + 255] for at in range(0, len(text), 255)] or [b""]
    return TXT(IN, dns.rdatatype.TXT, pieces)
