"""Our signatures in the eyes of others: OpenDKIM, Perl's Mail::DKIM and Rspamd.

None of them shares code with us or with each other. Rspamd alone knows Ed25519.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.authenticity.dkim import sign
from gateway.mail.message import Edit, apply_edits
from tests.authenticity.letters import rsa_key, signed
from tests.authenticity.test_dkim import LETTER, VARIANTS, published, signers
from tests.servers import mail_dkim, opendkim
from tests.servers.rspamd import Rspamd
from tests.servers.zone import Zone

pytestmark = pytest.mark.servers

HEAD, _, BODY = LETTER.partition(b"\r\n\r\n")
EDITS = (
    Edit("Subject", None),
    Edit("Subject", "=?utf-8?q?Gr=C3=BC=C3=9Fe?="),
    Edit("X-Shop", "Berlin", last=True),
    Edit("text/plain", "Acme GmbH, Kölner Straße 1", body=True),
)
TWICE = {name: VARIANTS[name] for name in ("two subjects", "8-bit header")}
ONCE = {name: content for name, content in VARIANTS.items() if name not in TWICE} | {
    "8-bit body": HEAD + "\r\n\r\nGrüße aus Köln, 您好\r\n".encode(),
    "8-bit subject": LETTER.replace(b"Hello   there", "Grüße, 您好".encode()),
    "a field of 998 bytes": LETTER.replace(b" Hello   there\t", b"x" * 989),
    "folded fields": LETTER.replace(b"To: ", b"To: a@b.example,\r\n\tc@d.example,\r\n   "),
    "signed by another before": signed(LETTER, domain="list.example"),
    "edited by a policy": apply_edits(LETTER, EDITS),
    "lines of dots": HEAD + b"\r\n\r\n.\r\n..\r\n \r\n.\r\n",
}
NAMES = {one.selector: f"{one.selector}._domainkey.{one.domain}" for one in signers()}
RECORDS = {name: published(f"{name}.".encode()).decode() for name in NAMES.values()}
RECORDS["s1._domainkey.list.example"] = f"v=DKIM1; k=rsa; p={rsa_key()[1]}"
OURS = "rsa-sha256 acme.example"
each_letter = pytest.mark.parametrize(
    "content", (ONCE | TWICE).values(), ids=(ONCE | TWICE).keys()
)


@pytest.fixture(scope="module")
def zone() -> Iterator[Zone]:
    with Zone({(name, "TXT"): [value] for name, value in RECORDS.items()}) as made:
        yield made


@pytest.fixture(scope="module")
def rspamd(zone: Zone) -> Iterator[Rspamd]:
    made = Rspamd(zone)
    yield made
    made.close()


def ready(content: bytes) -> bytes:
    """Return the letter as it arrives: both signatures of ours above, CR LF at the end."""
    return sign(content, signers()) + content.removesuffix(b"\r\n") + b"\r\n"


@each_letter
def test_opendkim_verifies_the_rsa_signature(content: bytes) -> None:
    said = opendkim.verify(ready(content), keys=RECORDS)
    assert "verification (s=rsa1, d=acme.example, 2048-bit key) succeeded" in said


@each_letter
def test_mail_dkim_verifies_the_rsa_signature(content: bytes, zone: Zone) -> None:
    assert mail_dkim.verify(ready(content), zone)[OURS] == "pass"


@pytest.mark.parametrize("content", ONCE.values(), ids=ONCE.keys())
def test_rspamd_verifies_both_signatures(content: bytes, rspamd: Rspamd) -> None:
    """Where a field stands twice that may stand once, Rspamd trusts no signature."""
    found = rspamd.verify(ready(content))
    assert found["acme.example:s=rsa1"]
    assert found["acme.example:s=ed1"]


def test_the_signature_of_another_stays_good_below_ours(zone: Zone) -> None:
    found = mail_dkim.verify(ready(ONCE["signed by another before"]), zone)
    assert found["rsa-sha256 list.example"] == "pass"


@pytest.mark.parametrize(
    ("was", "becomes"),
    [(b"Hello  Bob", b"Hello Bob"), (b"Hello   there", b"Hello you"), (b"\r\n\r\nH", b"\r\nH")],
    ids=["the body", "the header", "the line between"],
)
def test_all_see_what_was_altered_on_the_way(
    was: bytes, becomes: bytes, zone: Zone, rspamd: Rspamd
) -> None:
    altered = ready(LETTER).replace(was, becomes, 1)
    assert "succeeded" not in opendkim.verify(altered, keys=RECORDS)
    assert mail_dkim.verify(altered, zone)[OURS].startswith("fail")
    assert set(rspamd.verify(altered).values()) == {False}
