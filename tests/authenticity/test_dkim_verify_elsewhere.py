"""Which signatures hold: our word against that of Debian's OpenDKIM, on one zone.

Compared are the domains whose signature passes: in words for what does not pass OpenDKIM is
free ("fail" where RFC 6376 §6.1.2 says PERMFAIL), and of a malformed field it says nothing.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import pytest

from gateway.authenticity.dkim_verify import find_signatures, verify_signatures
from gateway.config import DnsSettings
from gateway.mail.inbound import AuthResult
from gateway.mail.message import parse_message
from gateway.net.dns import Resolver
from gateway.net.unreachable import Unreachable
from tests.authenticity.letters import LETTER, rsa_key, signed_with
from tests.servers.opendmarc import OpenDmarc

pytestmark = pytest.mark.servers

KEY = rsa_key()[1]
RECORD = f"v=DKIM1; k=rsa; p={KEY}"
NOW = int(time.time())
HOUR = 3600
FORMS = ("simple/simple", "simple/relaxed", "relaxed/simple", "relaxed/relaxed")
OPAQUE = "opaque.example"  # a domain whose key cannot be asked for now
DIFFERENT = {  # where we are right to differ, and by which standard
    "RFC 6376 §3.2: a value is case-sensitive unless its tag says otherwise": {
        "c=RELAXED/SIMPLE", "a=RSA-SHA256", "key: k=RSA", "key: s=EMAIL",
    },
    "RFC 6376 §3.2: a tag that occurs twice spoils the whole list": {
        "v=1; v=1", "key: p= twice",
    },
    "RFC 6376 §3.5: b= is Base64": {"garbage in b=", "more after the end of b=", "a dot in b="},
    "RFC 6376 §3.6.1: a key in testing leaves the message unsigned": {
        "key: t=y", "key: t=y:s",
    },
    "RFC 6376 §3.6.2.2: undefined, so what is no key is not taken for one": {
        "key: and an unrelated record",
    },
    "RFC 6376 §8.2: anything may follow what l= signs": {
        "l=11", "l=5", "l=0", "l=11, more appended",
    },
    "RFC 6376 §8.15: of two From fields one is not signed": {"From above"},
    "RFC 8301 §3.1: no SHA-1": {"a=rsa-sha1"},
}  # fmt: skip
EACH_KEY = {
    "bare p=": f"p={KEY}", "v= last": f"k=rsa; p={KEY}; v=DKIM1",
    "v=DKIM2": f"v=DKIM2; p={KEY}",
    "v=dkim1": f"v=dkim1; p={KEY}", "revoked": "v=DKIM1; p=", "no p=": "v=DKIM1; k=rsa",
    "p=AAAA": "v=DKIM1; p=AAAA", "p=!!!!": "v=DKIM1; p=!!!!", "p= twice": f"{RECORD}; p={KEY}",
    "white space in p=": f"v=DKIM1; p={KEY[:50]} {KEY[50:]}",
    "no white space": f"v=DKIM1;p={KEY}",
    "white space": f"v = DKIM1 ; k = rsa ; p = {KEY} ;", "; at the end": f"{RECORD};",
    ";; at the end": f"{RECORD};;", "quotes": f'"{RECORD}"', "empty": "", "unrelated": "hello",
    "backslashes": RECORD.replace(";", "\\;"), "k=RSA": f"v=DKIM1; k=RSA; p={KEY}",
    "k=dsa": f"v=DKIM1; k=dsa; p={KEY}", "n=": f"{RECORD}; n=a note",
    **{more: f"{RECORD}; {more}" for more in (
        "t=y", "t=y:s", "t=s", "t=x", "h=sha256", "h=sha1", "h=sha1:sha256", "h=md5", "s=email",
        "s=*", "s=other", "s=other:email", "s=tlsrpt", "s=EMAIL", "g=bob", "g=", "foo=bar",
    )},
}  # fmt: skip
EACH_TAG: list[Mapping[str, str | None]] = [
    *({tag: None} for tag in ("v", "a", "c", "d", "s", "h", "bh")),
    *({"v": value} for value in ("2", "1.0")),
    *({"a": value} for value in ("rsa-sha1", "RSA-SHA256", "rsa-sha512")),
    *({"c": value} for value in ("relaxed", "simple", "RELAXED/SIMPLE")),
    *({"h": value} for value in (
        "to:subject", "", "FROM:To", "from:", "from\r\n : to :\r\n subject",
        "from:cc:subject:cc",
        "from:from:to:subject:subject", "from:dkim-signature:to",
    )),
    *({"l": value} for value in ("11", "5", "0", "999")),
    *({"x": value} for value in ("", "soon", "9" * 30, f"{NOW + 99 * HOUR}", f"{NOW - HOUR}",
                                 f"{NOW - 60}", f"{NOW - 360}")),
    *({"t": value} for value in ("now", "9" * 30, f"{NOW + 60}", f"{NOW + HOUR}")),
    {"t": f"{NOW - 9 * HOUR}", "x": f"{NOW - HOUR}"}, {"t": f"{NOW}", "x": f"{NOW - 9}"},
    *({"i": value} for value in (
        "@acme.example", "ann@acme.example", "ann@mail.acme.example", "@other.example",
        "@evilacme.example", "acme.example", "@ACME.EXAMPLE", '"a b"@acme.example', "",
    )),
    *({"q": value} for value in (
        "dns/txt", "dns/txt:foo/bar", "foo/bar:dns/txt", "foo/bar", "dns", "DNS/TXT",
    )),
    *({"d": value} for value in (
        "ACME.EXAMPLE", "acme.example.", "example", "alias.example", "nowhere.example", OPAQUE,
        "ann@acme.example",
    )),
    *({"s": value} for value in ("S1", "s1.mail", "none")),
    {"foo": "bar"}, {"z": "From:ann@acme.example|To:x"}, {"bh": "AAA"}, {"v": "1; v=1"},
    {"apart": ";"}, {"apart": ";\t"}, {"apart": ";\r\n\t"}, {"v ": " 1", "v": None},
]  # fmt: skip


def by_tags() -> dict[str, bytes]:
    return {
        ", ".join(f"{tag}={value}" for tag, value in tags.items()): signed_with(**tags)  # type: ignore[arg-type]  # apart is never None
        for tags in EACH_TAG
    }


def by_keys() -> dict[str, bytes]:
    found = {f"key: {name}": signed_with(s=selector) for selector, name, _ in keys()}
    return found | {"key: t=s, i= below": signed_with(s="t-s", i="@mail.acme.example")}


def keys() -> Iterator[tuple[str, str, list[str]]]:
    """Yield selector, case and records of each key."""
    for at, (name, record) in enumerate(EACH_KEY.items()):
        yield f"k{at}", name, [record]
    yield "t-s", "t=s, i= left out", [f"{RECORD}; t=s"]
    yield "and-other", "and an unrelated record", ["hello", RECORD]
    yield "two", "two records", [RECORD, "v=DKIM1; p="]


def by_what_happened_on_the_way() -> Iterator[tuple[str, bytes]]:
    for form in FORMS:
        sent = signed_with(c=form)
        for what, was, becomes in (
            ("nothing", b"", b""), ("blanks at a line's end", b"Bob\r", b"Bob  \r"),
            ("blanks within", b"o Bob", b"o \t Bob"), ("Rob", b"Bob", b"Rob"),
            ("a fold", b"Subject: Hello", b"Subject:\r\n Hello"),
            ("a name in capitals", b"Subject:", b"SUBJECT:"),
            ("no To", b"To: bob@client.example\r\n", b""),
            ("an empty line first", b"\r\n\r\nH", b"\r\n\r\n\r\nH"),
        ):  # fmt: skip
            yield f"{form}, {what}", sent.replace(was, becomes, 1)
        yield f"{form}, empty lines last", sent + b"\r\n\r\n"
        yield f"{form}, another To", b"To: eve@evil.example\r\n" + sent
        yield f"{form}, no body", signed_with(LETTER.replace(b"Hello Bob\r\n", b""), c=form)
        yield f"{form}, blank", signed_with(LETTER.replace(b"Hello Bob", b"\r\n \r\n"), c=form)
    oversigned = signed_with(h="from:from:to:subject:subject")
    sent = signed_with()
    for what, field in (("Subject", b"Subject: x\r\n"), ("From", b"From: e@evil.example\r\n")):
        yield f"{what} above", field + sent
        yield f"{what} below", sent.replace(b"Date:", field + b"Date:")
        yield f"{what} above, oversigned", field + oversigned
    yield "another field above", b"X-A: 1\r\n" + sent
    yield "l=11, more appended", signed_with(l="11") + b"more\r\n"


def by_what_stands_in_b() -> Iterator[tuple[str, bytes]]:
    sent = signed_with()
    at = sent.index(b"; b=") + 20
    yield "b= folded", sent[:at] + b"\r\n " + sent[at:]
    yield "zeros before b=", sent.replace(b" b=", b" b=AAAA")
    yield "b= cut short", sent[:at] + sent[at + 4 :]
    yield "garbage in b=", sent[:at] + b"!!!!" + sent[at:]
    yield "a dot in b=", sent.replace(b" b=", b" b=.")
    yield "more after the end of b=", sent.replace(b"\r\nFrom:", b"AAAA\r\nFrom:", 1)
    yield "no b=", sent.replace(b" b=", b" bb=")


def by_letter() -> Iterator[tuple[str, bytes]]:
    yield "unsigned", LETTER
    yield "two signatures", signed_with(signed_with(), d="other.example")
    yield (
        "the lower one broken",
        signed_with(signed_with().replace(b"bh=", b"bh=A"), d="other.example"),
    )
    yield (
        "the upper one broken",
        signed_with(signed_with(), d="other.example").replace(b"bh=", b"bh=A", 1),
    )
    yield "four signatures", signed_with(signed_with(signed_with(signed_with())))
    for form in ("simple/simple", "relaxed/relaxed"):
        for what, more in (
            ("8-bit", "Grüße, 您好\r\n".encode()), ("dots", b".\r\n..\r\n"),
            ("NUL", b"a\0b\r\n"),
            ("tabs", b"a\t\tb \t\r\n"), ("a long line", b"y" * 5000 + b"\r\n"),
            ("200 KB", b"x y  z \r\n" * 25_000),
        ):  # fmt: skip
            yield f"{form}, {what}", signed_with(LETTER + more, c=form)
        for what, field in (
            ("empty", b""),
            ("folded", b"\r\n \r\n x"),
            ("8-bit", b" Gr\xfc\xc3"),
        ):
            letter = b"X-E:" + field + b"\r\n" + LETTER
            yield f"{form}, an {what} field", signed_with(letter, c=form, h="from:x-e")


@pytest.fixture(scope="module")
def opendmarc() -> Iterator[OpenDmarc]:
    records = {(f"{name}._domainkey.acme.example", "TXT"): values for name, _, values in keys()}
    for name in ("acme.example", "other.example", "mail._domainkey.acme.example"):
        records[f"s1._domainkey.{name}", "TXT"] = [RECORD]
    records["s1.mail._domainkey.acme.example", "TXT"] = [RECORD]
    records["s1._domainkey.example", "TXT"] = [RECORD]
    records["s1._domainkey.alias.example", "CNAME"] = ["s1._domainkey.acme.example."]
    made = OpenDmarc(records)
    made.zone.failing.add(f"s1._domainkey.{OPAQUE}")
    yield made
    made.close()


def test_the_same_signatures_hold_as_for_opendkim(opendmarc: OpenDmarc) -> None:
    cases = by_tags() | by_keys()
    for more in (by_what_happened_on_the_way, by_what_stands_in_b, by_letter):
        cases |= dict(more())
    ours = {case: passes(verify(content, opendmarc)) for case, content in cases.items()}
    theirs = {case: their_passes(content, opendmarc) for case, content in cases.items()}
    differ = {case for case in cases if ours[case] != theirs[case]}
    assert differ == set().union(*DIFFERENT.values())
    assert len(cases) >= 200
    assert sum(map(bool, ours.values())) > 90


def test_the_same_signatures_hold_whatever_happens_on_the_way(opendmarc: OpenDmarc) -> None:
    letters = list(altered(200))
    ours = [passes(verify(content, opendmarc)) for content in letters]
    theirs = [their_passes(content, opendmarc) for content in letters]
    differ = [one for one, a, b in zip(letters, ours, theirs, strict=True) if a != b]
    assert differ == []
    assert 40 < sum(map(bool, ours)) < 160


def altered(count: int) -> Iterator[bytes]:
    """Yield signed letters with up to two bytes added, removed or replaced below the signature.

    None before a colon: of such a field (RFC 5322 §4.5.8) OpenDKIM's filter loses the name.
    """
    chance = random.Random(6376)
    added = (
        b" ",
        b"\t",
        b"\r\n",
        b"\r\n ",
        b"x",
        b"; ",
        b"=",
        b"  ",
        b"\r\n\r\n",
        b"\xc3",
        b"",
    )
    for number in range(count):
        form = FORMS[number % len(FORMS)]
        letter = LETTER + chance.choice(
            (b"", b"\r\n", b"a  b \r\n\r\n", b"\t\r\nx\r\n", b" \r\n")
        )
        signature, _, sent = signed_with(letter, c=form).partition(b"\r\n")
        for _ in range(chance.randrange(3)):
            at = chance.randrange(len(sent))
            after = at + chance.randrange(2)
            if sent[after : after + 1] != b":":
                sent = sent[:at] + chance.choice(added) + sent[after:]
        whole = signature + b"\n" + sent.replace(b"\r", b"") + b"\n"
        yield whole.replace(b"\n", b"\r\n")


def verify(content: bytes, opendmarc: OpenDmarc) -> list[AuthResult]:
    message = parse_message(content)
    signatures = find_signatures(message)
    resolver = Resolver(DnsSettings(nameservers=(opendmarc.zone.address,)))
    found: dict[str, list[bytes] | None] = {}
    for name in {one.key_name for one in signatures if one.fault is None}:
        try:
            found[name] = asyncio.run(resolver.txt(name))
        except Unreachable:
            found[name] = None
    return verify_signatures(message, signatures, found, now=datetime.now(UTC))


def passes(results: list[AuthResult]) -> list[str]:
    return [one.domain for one in results if one.result == "pass"]


def their_passes(content: bytes, opendmarc: OpenDmarc) -> list[str]:
    found = opendmarc.judge(content, client="192.0.2.1", mail_from="ann@acme.example")
    return [name.lower().rstrip(".") for result, name in found.dkim if result == "pass"]
