"""Runs policyd-spf with the name servers it is to ask; a program, never imported.

Usage: python -P spf_child.py CONFIG [ADDRESS PORT]...

policyd-spf asks dnspython's default resolver, which reads /etc/resolv.conf and knows no ports.
dnspython documents `dns.resolver.default_resolver` as the place to put another.
"""

import sys

import dns.nameserver
import dns.resolver
from spf_engine.policyd_spf import main

PROGRAM = "policyd-spf"


def _run(config: str, servers: list[str]) -> None:
    if servers:
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = [
            dns.nameserver.Do53Nameserver(address, int(port))
            for address, port in zip(servers[::2], servers[1::2], strict=True)
        ]
        dns.resolver.default_resolver = resolver
    sys.argv = [PROGRAM, config]
    main()  # type: ignore[no-untyped-call]  # spf-engine has no types


if __name__ == "__main__":
    _run(sys.argv[1], sys.argv[2:])
