"""Our word on chains of ARC against that of Perl's Mail::DKIM, on one zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from gateway.authenticity.arc import find_chain, verify_chain
from gateway.mail.message import parse_message
from tests.authenticity.letters import LETTER, rsa_key, sealed, signed
from tests.servers import mail_dkim
from tests.servers.zone import Zone

pytestmark = pytest.mark.servers

SEALERS = ("list.example", "forwarder.example", "provider.example")
RECORD = f"v=DKIM1; k=rsa; p={rsa_key()[1]}"
ONE = sealed(signed(), by=SEALERS[0])
TWO = sealed(ONE, by=SEALERS[1])
THREE = sealed(TWO, by=SEALERS[2])
CASES = {
    "unsealed": signed(), "of an unsigned": sealed(LETTER),
    "one": ONE, "two": TWO, "three": THREE,
    "changed between": sealed(ONE.replace(b"Hello Bob", b"Hello all"), by=SEALERS[1]),
    "changed last": THREE.replace(b"Hello Bob", b"Hello all"),
    "cv=fail": THREE.replace(b"cv=pass", b"cv=fail", 1),
    "cv=none above": THREE.replace(b"cv=pass", b"cv=none", 1),
    "cv=pass below": THREE.replace(b"cv=none", b"cv=pass", 1),
    "other results": THREE.replace(b"i=1; list.example", b"i=1; evil.example", 1),
    "exchanged": THREE.replace(b": i=1;", b": i=9;").replace(b": i=2;", b": i=1;").replace(
        b": i=9;", b": i=2;"
    ),
    **{f"without {start}": re.sub(
        rb"(?m)^%b;.*\r\n(?:[ \t].*\r\n)*" % start.encode(), b"", THREE
    ) for start in (
        "ARC-[^:]*: i=1", "ARC-[^:]*: i=2", "ARC-[^:]*: i=3", "ARC-Seal: i=1", "ARC-Seal: i=3",
        "ARC-Message-Signature: i=1", "ARC-Message-Signature: i=3",
        "ARC-Authentication-Results: i=1", "ARC-Authentication-Results: i=3",
    )},
    "no key": sealed(ONE, by="unknown.example"),
}  # fmt: skip


def test_each_chain_holds_or_not_as_for_mail_dkim() -> None:
    records = {(f"s1._domainkey.{name}", "TXT"): [RECORD] for name in SEALERS}
    with Zone(records) as zone:
        said = [one["arc chain"] for one in mail_dkim.verify_all(list(CASES.values()), zone)]
    theirs = dict(zip(CASES, (one.replace("invalid", "fail") for one in said), strict=True))
    assert {case: ours(content) for case, content in CASES.items()} == theirs
    assert {"none", "pass", "fail"} == set(theirs.values())


def ours(content: bytes) -> str:
    message = parse_message(content)
    chain = find_chain(message)
    known = {f"s1._domainkey.{name}": [RECORD.encode()] for name in SEALERS}
    keys = {name: known.get(name, []) for name in chain.key_names}
    return verify_chain(message, chain, keys, now=datetime.now(UTC)).result
