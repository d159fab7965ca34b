"""Our DMARC verdicts against those of Debian's OpenDMARC, on the same mails and one zone.

OpenDMARC reads what OpenDKIM wrote of the signatures and checks SPF by libspf2: none of the
three shares code with us. The public suffix list is ours. Compared are the result and the
policy that it rests on. Not asked: names with several TXT records, of which OpenDMARC takes
whichever comes first.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import TypeVar

import pytest

from gateway.authenticity.dmarc import organisational_domain
from gateway.authenticity.origin import authenticate, make_checker
from gateway.authenticity.trace import TrustedHops
from gateway.config import DnsSettings
from gateway.mail.inbound import Authenticity
from gateway.mail.message import parse_message
from tests.authenticity.letters import rsa_key, signed_with
from tests.servers.opendmarc import HELO, OpenDmarc

pytestmark = pytest.mark.servers

HOPS = TrustedHops(border_received=("mx.provider.example",), writes_return_path=True)
KEY = f"v=DKIM1; k=rsa; p={rsa_key()[1]}"
SPF = "v=spf1 ip4:192.0.2.1 -all"
ALLOWED, STRANGER = "192.0.2.1", "192.0.2.9"
NOBODY = "x@unknown.net"
ORGANISATION = "{}.co.uk"
MODES = ("rr", "rs", "sr", "ss")  # adkim and aspf
WEAK = (  # 768 bits, which OpenSSL no longer makes here
    "MHwwDQYJKoZIhvcNAQEBBQADawAwaAJhALd5oviI2TwCKt5UsBm7EONLPMuGUH7hkWyut3x2CDgsjgnTmwPD"
    "WfE4ZRtvOfjDzRYwvbs2xc0qXc42MVz8v8xffjnmiKuuZlP8+/8fb8r2OicaAI5WCibxCq3Wo+QotQIDAQAB"
)
POLICIES = {
    "acme.com": "v=DMARC1; p=reject",
    "strict.com": "v=DMARC1; p=reject; adkim=s; aspf=s",
    "acme.co.uk": "v=DMARC1; p=quarantine; sp=none",
    "co.uk": "v=DMARC1; p=reject",
    "below.com": "v=DMARC1; p=none; sp=reject",
    "own.acme.com": "v=DMARC1; p=quarantine; sp=none",
    "pct.com": "v=DMARC1; p=reject; pct=0",
    "tight.com": "v=DMARC1;p=reject;;;",
    "capitals.com": "v=DMARC1; p=Reject",
    "capital-names.com": "V=DMARC1; P=reject",
    "unknown-tag.com": "v=DMARC1; p=reject; foo=bar",
    "long.com": "v=DMARC1; p=reject; rua=" + ",".join(["mailto:aa@long.com"] * 30),
    "xn--mller-kva.com": "v=DMARC1; p=reject",
    "small-v.com": "v=dmarc1; p=reject",
    "empty-p.com": "v=DMARC1; p=",
    "odd-p.com": "v=DMARC1; p=nonsense",
    "odd-sp.com": "v=DMARC1; p=reject; sp=nonsense",
    "no-p.com": "v=DMARC1; adkim=s",
    "reports.com": "v=DMARC1; rua=mailto:a@reports.com",
    "reports-odd.com": "v=DMARC1; p=nonsense; rua=mailto:a@reports.com",
    "blanks.com": "v = DMARC1 ; p = Quarantine",
    "v-last.com": "p=reject; v=DMARC1",
    "odd-others.com": "v=DMARC1; p=reject; adkim=x; pct=high",
    "colon.com": "v=DMARC1: p=reject",
    "twice.com": "v=DMARC1; p=none; p=reject",
}  # fmt: skip
FAILING = {"_dmarc.opaque.com", "s1._domainkey.keyless.com", "lost.opaque-spf.com"}
DIFFERENT = {  # case: (ours, theirs), by what makes us right
    "RFC 7489 §3.1: strict wants the same domain; theirs, given suffixes, does not": {
        "strict, envelope below": ("fail reject", "pass reject"),
    },
    "RFC 7489 §6.3: v= comes first; what is odd in the other tags does not count": {
        "proven v-last.com": ("none", "pass reject"),
        "unproven v-last.com": ("none", "fail reject"),
        "proven odd-others.com": ("pass reject", "permerror"),
        "unproven odd-others.com": ("fail reject", "permerror"),
        "proven colon.com": ("none", "permerror"),
        "unproven colon.com": ("none", "permerror"),
    },
    "RFC 7489 §6.4: blanks may stand around =": {
        "proven blanks.com": ("pass quarantine", "none"),
        "unproven blanks.com": ("fail quarantine", "none"),
    },
    "RFC 6376 §3.2: a tag that occurs twice spoils the whole list": {
        "proven twice.com": ("permerror", "pass reject"),
        "unproven twice.com": ("permerror", "fail reject"),
    },
    "RFC 7489 §6.6.3: without a valid p=, one that wants reports counts as p=none": {
        "proven reports.com": ("pass none", "permerror"),
        "unproven reports.com": ("fail none", "permerror"),
        "proven reports-odd.com": ("pass none", "permerror"),
        "unproven reports-odd.com": ("fail none", "permerror"),
    },
    "RFC 7489 §11.2: what cannot be asked now may yet pass": {
        "the policy cannot be asked": ("temperror", "none"),
        "the policy cannot be asked, signed": ("temperror", "none"),
        "the key cannot be asked": ("temperror reject", "fail reject"),
        "SPF cannot be asked": ("temperror reject", "fail reject"),
    },
    "RFC 7489 §6.6.1: From names one author or none that could be answered": {
        "two From fields": ("permerror", "fail reject"),
        "two From fields, signed by the lower": ("permerror", "none"),
        "two addresses of one domain": ("permerror", "pass reject"),
        "an address before the one in brackets": ("permerror", "none"),
        "two addresses": ("permerror", ""),
        "an empty From": ("permerror", ""),
        "no From": ("permerror", ""),
        "a group": ("permerror", ""),
        "no domain": ("permerror", ""),
    },
    "RFC 7489 §6.6.1: a domain is compared as A-label": {
        "a domain in Unicode": ("pass reject", "none"),
    },
}  # fmt: skip
Alignment = tuple[str, str, str, str]  # domains of From, signature and envelope, and the modes
Case = TypeVar("Case", str, Alignment)


@dataclass(frozen=True, slots=True)
class Mail:
    """A message and how it came; the HELO name is HELO."""

    content: bytes
    mail_from: str = NOBODY
    client: str = ALLOWED


def letter(sender: str = "Ann <ann@acme.com>") -> bytes:
    return (
        f"From: {sender}\r\nTo: bob@client.net\r\nSubject: Hello\r\n\r\nHello Bob\r\n".encode()
    )


def signed(sender: str = "Ann <ann@acme.com>", *, by: str = "acme.com") -> bytes:
    return signed_with(letter(sender), d=by)


def by_alignment() -> Iterator[tuple[str, Mail]]:
    yield "neither", Mail(letter())
    yield "signed", Mail(signed())
    yield "signed by another", Mail(signed(by="evil.com"))
    yield "signed by one that looks alike", Mail(signed(by="evilacme.com"))
    yield "signed by two", Mail(signed_with(signed(by="evil.com"), d="acme.com"))
    yield "the envelope's", Mail(letter(), "b@acme.com")
    yield "the envelope's, from a stranger", Mail(letter(), "b@acme.com", STRANGER)
    yield "another envelope", Mail(letter(), "b@evil.com")
    yield "a null envelope and an aligned HELO", Mail(letter(), "")
    yield "co.uk, signed below", Mail(signed("a@acme.co.uk", by="mail.acme.co.uk"))
    yield "co.uk, signed by a neighbour", Mail(signed("a@acme.co.uk", by="other.co.uk"))
    yield "co.uk, sp= counts", Mail(letter("a@news.acme.co.uk"))
    yield "sp= counts below", Mail(letter("a@news.below.com"))
    yield "sp= does not count at its domain", Mail(letter("a@below.com"))
    yield "a policy of its own", Mail(letter("a@own.acme.com"))
    yield "below a policy of its own", Mail(letter("a@x.own.acme.com"))
    yield "an odd sp= below", Mail(letter("a@x.odd-sp.com"))
    yield "a suffix", Mail(letter("a@co.uk"))
    yield "a suffix that signs", Mail(signed("a@co.uk", by="co.uk"))
    yield "no policy below a suffix that has one", Mail(letter("a@nothing.co.uk"))
    yield "no policy", Mail(signed("a@evil.com", by="evil.com"))
    yield "a policy by an alias", Mail(letter("a@alias.com"))
    yield "strict, signed above", Mail(signed("a@news.strict.com", by="strict.com"))
    yield "strict, envelope below", Mail(letter("a@strict.com"), "b@mail.strict.com")


def by_author() -> Iterator[tuple[str, Mail]]:
    for case, sender in {
        "an address as the name": '"x@evil.com" <a@acme.com>', "no domain": "ann",
        "a comment": "a@acme.com (x@evil.com)", "a quoted local part": '"a@evil.com"@acme.com',
        "capitals": "A@ACME.COM", "a route": "<@evil.com:a@acme.com>", "an empty From": "",
        "encoded": "=?utf-8?q?x=40evil=2Ecom?= <a@acme.com>", "a group": "undisclosed:;",
        "a final dot": "a@acme.com.", "two addresses of one domain": "a@acme.com, b@acme.com",
        "two addresses": "a@acme.com, b@evil.com",
        "an address before the one in brackets": "a@acme.com <b@evil.com>",
        "an address literal": "a@[192.0.2.1]",
    }.items():  # fmt: skip
        yield case, Mail(signed(sender))
    yield "no From", Mail(letter().partition(b"\r\n")[2], "b@acme.com")
    yield "two From fields", Mail(b"From: a@acme.com\r\n" + signed("a@evil.com", by="evil.com"))
    yield "two From fields, signed by the lower", Mail(b"From: a@evil.com\r\n" + signed())
    idn = "xn--mller-kva.com"
    yield "a domain as A-label", Mail(signed(f"a@{idn}", by=idn))
    yield "a domain in Unicode", Mail(signed("a@müller.com", by=idn))


def by_what_happened() -> Iterator[tuple[str, Mail]]:
    yield "forwarded", Mail(signed(), "fwd@evil.com", STRANGER)
    yield "forwarded as it was", Mail(signed(), "ann@acme.com", STRANGER)
    yield "forwarded unsigned", Mail(letter(), "ann@acme.com", STRANGER)
    listed = signed().replace(b"Hello Bob", b"Hello Bob\r\n-- \r\nlist")
    yield "a list's footer", Mail(listed, "list@evil.com")
    yield "broken, yet its envelope", Mail(listed, "ann@acme.com")
    yield "broken, signed again", Mail(signed_with(listed, d="evil.com"), "list@evil.com")
    yield "ran out", Mail(signed_with(letter(), d="acme.com", t="1", x="2"))
    yield "without From", Mail(signed_with(letter(), d="acme.com", h="to:subject"))
    yield "a weak key", Mail(signed_with(letter(), d="acme.com", s="weak"))
    yield "no key", Mail(signed_with(letter(), d="acme.com", s="none"))
    yield "the policy cannot be asked", Mail(letter("a@opaque.com"))
    yield "the policy cannot be asked, signed", Mail(signed("a@opaque.com", by="opaque.com"))
    yield "the key cannot be asked", Mail(signed(by="keyless.com"))
    yield "SPF cannot be asked", Mail(letter("a@opaque-spf.com"), "a@opaque-spf.com")


def by_record() -> Iterator[tuple[str, Mail]]:
    for domain in POLICIES:
        yield f"proven {domain}", Mail(signed(f"a@{domain}", by=domain))
        yield f"unproven {domain}", Mail(letter(f"a@{domain}"))


def combinations() -> dict[Alignment, Mail]:
    """Every way in which From, signature and envelope can be in line, strict and relaxed."""
    found = {}
    for modes in MODES:
        inside = [name + ORGANISATION.format(modes) for name in ("", "a.", "b.")]
        for author, signer, envelope in product(inside[:2], [*inside, "evil.com", ""], inside):
            sender = f"x@{author}"
            content = signed(sender, by=signer) if signer else letter(sender)
            found[author, signer, envelope, modes] = Mail(content, f"x@{envelope}")
            found[author, signer, "", modes] = Mail(content)
    return found


@pytest.fixture(scope="module")
def opendmarc() -> Iterator[OpenDmarc]:
    records = {(f"_dmarc.{domain}", "TXT"): [policy] for domain, policy in POLICIES.items()}
    for modes in MODES:
        domain, strict = ORGANISATION.format(modes), "adkim={}; aspf={}".format(*modes)
        records[f"_dmarc.{domain}", "TXT"] = [f"v=DMARC1; p=reject; {strict}"]
        for name in (domain, f"a.{domain}", f"b.{domain}"):
            records[name, "TXT"] = [SPF]
            records[f"s1._domainkey.{name}", "TXT"] = [KEY]
    for name in (*POLICIES, "evil.com", "evilacme.com", "mail.acme.co.uk", "other.co.uk"):
        records[f"s1._domainkey.{name}", "TXT"] = [KEY]
    for name in ("acme.com", "evil.com", "mail.strict.com", HELO):
        records[name, "TXT"] = [SPF]
    records["weak._domainkey.acme.com", "TXT"] = [f"v=DKIM1; p={WEAK}"]
    records["_dmarc.alias.com", "CNAME"] = ["_dmarc.acme.com."]
    records["_dmarc.opaque-spf.com", "TXT"] = ["v=DMARC1; p=reject"]
    records["opaque-spf.com", "TXT"] = ["v=spf1 include:lost.opaque-spf.com -all"]
    records["s1._domainkey.opaque.com", "TXT"] = [KEY]
    made = OpenDmarc(records)
    made.zone.failing |= FAILING
    yield made
    made.close()


def test_each_verdict_is_that_of_opendmarc(opendmarc: OpenDmarc) -> None:
    mails: dict[str, Mail] = {}
    for more in (by_alignment, by_author, by_what_happened, by_record):
        mails |= dict(more())
    ours, theirs = judge_all(mails, opendmarc)
    differ = {case: (ours[case], theirs[case]) for case in mails if ours[case] != theirs[case]}
    assert differ == {case: both for one in DIFFERENT.values() for case, both in one.items()}
    assert len(mails) >= 90


def test_every_alignment_is_that_of_opendmarc(opendmarc: OpenDmarc) -> None:
    """Where strict, theirs takes some of one organisation for the same; ours does not."""
    mails = combinations()
    ours, theirs = judge_all(mails, opendmarc)
    differ = {case: (ours[case], theirs[case]) for case in mails if ours[case] != theirs[case]}
    assert set(differ.values()) == {("fail reject", "pass reject")}
    assert [case for case in differ if not is_within_and_strict(*case)] == []
    assert sorted(Counter(ours.values()).items()) == [
        ("fail reject", 48),
        ("pass reject", 112),
    ]


def is_within_and_strict(author: str, signer: str, envelope: str, modes: str) -> bool:
    """Say whether strictness is what keeps a signer or an envelope from counting."""
    pairs = zip(modes, (signer, envelope), strict=True)
    return any(
        mode == "s" and name != author
        and organisational_domain(name) == organisational_domain(author)
        for mode, name in pairs
    )  # fmt: skip


def judge_all(
    mails: Mapping[Case, Mail], opendmarc: OpenDmarc
) -> tuple[dict[Case, str], dict[Case, str]]:
    """Return our verdicts and theirs: the result, and what the policy that it rests on asks."""
    ours = asyncio.run(authenticate_all(mails.values(), opendmarc))
    theirs = [
        opendmarc.judge(one.content, client=one.client, mail_from=one.mail_from)
        for one in mails.values()
    ]
    return (
        dict(zip(mails, map(our_words, ours), strict=True)),
        dict(zip(mails, (words(one.dmarc, one.policy) for one in theirs), strict=True)),
    )


async def authenticate_all(mails: Iterable[Mail], opendmarc: OpenDmarc) -> list[Authenticity]:
    checker = make_checker(DnsSettings(nameservers=(opendmarc.zone.address,)))
    try:
        messages = [parse_message(handed_over(one)) for one in mails]
        return await asyncio.gather(
            *(authenticate(one, hops=HOPS, checker=checker) for one in messages)
        )
    finally:
        await checker.close()


def handed_over(mail: Mail) -> bytes:
    hop = f"from {HELO} ({HELO} [{mail.client}]) by mx.provider.example with ESMTP id 1; now"
    return f"Return-Path: <{mail.mail_from}>\r\nReceived: {hop}\r\n".encode() + mail.content


def our_words(found: Authenticity) -> str:
    [dmarc] = [one for one in found.results if one.method == "dmarc"]
    policy = re.search(r"\(p=(\w+)\)", dmarc.reason)
    return words(dmarc.result, policy[1] if policy else "")


def words(result: str, policy: str) -> str:
    return f"{result} {policy}".strip() if result != "none" else result
