"""Our SPF verdicts against those of Mail::SPF (Debian's spfquery), on one zone."""

from __future__ import annotations

import asyncio
import os
import subprocess

from gateway.authenticity.spf import SpfChecker
from gateway.net.dns import parse_nameserver
from tests.servers.need import need
from tests.servers.zone import Zone

RECORDS = {
    ("plain.example", "TXT"): ["v=spf1 ip4:192.0.2.0/28 -all"],
    ("soft.example", "TXT"): ["v=spf1 ip4:192.0.2.1 ~all"],
    ("neutral.example", "TXT"): ["v=spf1 ip4:192.0.2.1 ?all"],
    ("open.example", "TXT"): ["v=spf1 ip4:192.0.2.1"],
    ("mail.example", "TXT"): ["v=spf1 mx a -all"],
    ("mail.example", "MX"): ["10 mx.mail.example."],
    ("mail.example", "A"): ["192.0.2.2"],
    ("mx.mail.example", "A"): ["192.0.2.1"],
    ("six.example", "TXT"): ["v=spf1 ip6:2001:db8::/32 -all"],
    ("included.example", "TXT"): ["v=spf1 include:plain.example include:soft.example -all"],
    ("redirected.example", "TXT"): ["v=spf1 redirect=plain.example"],
    ("macro.example", "TXT"): ["v=spf1 exists:%{ir}.%{v}._spf.%{d} -all"],
    ("1.2.0.192.in-addr._spf.macro.example", "A"): ["127.0.0.2"],
    ("broken.example", "TXT"): ["v=spf1 ip4:nonsense -all"],
    ("two.example", "TXT"): ["v=spf1 -all", "v=spf1 +all"],
    ("round.example", "TXT"): ["v=spf1 include:round.example -all"],
    ("lost.example", "TXT"): ["v=spf1 include:nowhere.example -all"],
    ("other.example", "TXT"): ["google-site-verification=x"],
    **{(f"deep{n}.example", "TXT"): [f"v=spf1 include:deep{n + 1}.example -all"]
       for n in range(12)},
}  # fmt: skip
SENDERS = [name for name, kind in RECORDS if kind == "TXT"]
CLIENTS = ["192.0.2.1", "192.0.2.2", "198.51.100.9", "2001:db8::1"]
RESULTS = ("pass", "fail", "softfail", "neutral", "none", "permerror", "temperror")
QUESTIONS = [(client, f"ann@{domain}") for domain in SENDERS for client in CLIENTS]


def test_each_verdict_is_that_of_spfquery() -> None:
    need("spfquery.mail-spf-perl")
    with Zone(RECORDS) as zone:
        ours = asyncio.run(ask_ours(zone))
        theirs = ask_spfquery(zone)
    assert dict(zip(QUESTIONS, ours, strict=True)) == dict(zip(QUESTIONS, theirs, strict=True))
    assert {"pass", "fail", "softfail", "neutral", "none", "permerror"} == set(ours)


async def ask_ours(zone: Zone) -> list[str]:
    checker = SpfChecker([parse_nameserver(zone.address)], children=2)
    try:
        asked = [
            checker.check(client=client, helo="mx.helo.example", mail_from=sender)
            for client, sender in QUESTIONS
        ]
        return [one.result for one in await asyncio.gather(*asked)]
    finally:
        await checker.close()


def ask_spfquery(zone: Zone) -> list[str]:
    """Return its results; Net::DNS takes the zone's address from the environment."""
    host, _, port = zone.address.partition(":")
    lines = "".join(f"{client} {sender} mx.helo.example\n" for client, sender in QUESTIONS)
    done = subprocess.run(
        ["spfquery.mail-spf-perl", "--scope", "mfrom", "--file", "-"],
        input=lines,
        env=os.environ | {"RES_NAMESERVERS": host, "RES_OPTIONS": f"port:{port}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    results = [line for line in done.stdout.splitlines() if line in RESULTS]
    assert len(results) == len(QUESTIONS), done.stdout + done.stderr
    return results
