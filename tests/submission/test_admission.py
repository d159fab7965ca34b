"""May this tenant send this, and by which way does it leave?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from gateway.mail.address import parse_address
from gateway.mail.delivery import Lane, LaneKind
from gateway.mail.envelope import Envelope, Peer, Recipient, Submission
from gateway.mail.reply import Reply
from gateway.mail.suppression import Suppression, SuppressionReason
from gateway.mail.tenant import Domain, Sender, Tenant, Upstream
from gateway.submission.admission import (
    Way,
    find_refusal,
    find_way,
    read_letter,
    refuse_suppressed,
)

ACME = Tenant(
    id="acme",
    domains={"acme.example": Domain(name="acme.example")},
    senders={
        "support@acme.example": Sender(address="support@acme.example", upstream="own"),
        "waits@acme.example": Sender(address="waits@acme.example"),
        "acmeshop@163.com": Sender(address="acmeshop@163.com", upstream="netease"),
        "*@shop.example": Sender(address="*@shop.example", name="Shop", upstream="own"),
    },
    upstreams={
        "own": Upstream(name="own", provider="ses", max_message_bytes=1000),
        "netease": Upstream(name="netease", provider="netease-163"),
    },
)
REWRITING = replace(
    ACME,
    senders={
        "desk@acme.example": Sender(
            address="desk@acme.example", upstream="own", from_policy="rewrite"
        ),
        "acmeshop@163.com": Sender(
            address="acmeshop@163.com", upstream="netease", from_policy="rewrite"
        ),
    },
)
BUYER = "x1y2z3+A7B8@marketplace.amazon.de"


def largest(upstream: Upstream) -> int | None:
    return upstream.max_message_bytes


def submission(author: str, return_path: str | None = None, *, body: str = "x") -> Submission:
    envelope = Envelope(
        return_path=parse_address(return_path) if return_path else None,
        recipients=(Recipient(parse_address("ann@example.org")),),
    )
    return Submission(
        tenant="acme",
        credential="acme.zammad",
        envelope=envelope,
        content=f"From: {author}\r\n\r\n{body}\r\n".encode(),
        peer=Peer(address="127.0.0.1", port=1, helo="desk", tls=None),
        received_at=datetime(2026, 11, 24, tzinfo=UTC),
    )


def refusal(
    author: str,
    return_path: str | None = None,
    *,
    tenant: Tenant = ACME,
    body: str = "x",
) -> Reply | None:
    letter = read_letter(submission(author, return_path, body=body), tenant)
    return find_refusal(letter, tenant, upstream_max_bytes=largest)


def way(author: str, return_path: str | None = None, *, tenant: Tenant = ACME) -> Way:
    letter = read_letter(submission(author, return_path), tenant)
    assert find_refusal(letter, tenant, upstream_max_bytes=largest) is None
    return find_way(letter, tenant)


def test_the_author_decides_the_lane() -> None:
    lanes = [way(author).lane for author in ("support@acme.example", "acmeshop@163.com")]
    assert lanes == [
        Lane("acme", LaneKind.UPSTREAM, "own"),
        Lane("acme", LaneKind.UPSTREAM, "netease"),
    ]


def test_a_sender_without_upstream_has_a_lane_where_mail_waits() -> None:
    assert way("waits@acme.example").lane == Lane("acme", LaneKind.NONE, "")


@pytest.mark.parametrize(
    "author", ["support+ticket@acme.example", "Support@ACME.example", "any@shop.example"]
)
def test_a_detail_and_a_whole_domain_are_covered(author: str) -> None:
    assert refusal(author) is None
    assert way(author).header_from.casefold() == author.casefold()


@pytest.mark.parametrize(
    "author",
    ["ann@acme.example", "other@163.com", "ann@example.org", "support@sub.acme.example"],
)
def test_an_author_that_is_not_a_sender_is_refused(author: str) -> None:
    refused = refusal(author)
    assert refused
    assert (refused.code, refused.enhanced) == (550, "5.7.1")
    assert author in refused.text


@pytest.mark.parametrize("author", ["a@acme.example, b@acme.example", "undisclosed", ""])
def test_a_message_without_exactly_one_author_is_refused(author: str) -> None:
    refused = refusal(author)
    assert refused
    assert (refused.code, refused.enhanced) == (550, "5.6.0")


@pytest.mark.parametrize(
    ("return_path", "taken"),
    [
        (None, True),
        ("support@acme.example", True),
        ("bounce+ann=example.org@acme.example", True),
        ("acmeshop@163.com", True),
        ("any@shop.example", True),
        ("ann@example.org", False),
        ("other@163.com", False),
    ],
)
def test_bounces_return_to_nobody_or_to_the_tenant(
    return_path: str | None, *, taken: bool
) -> None:
    refused = refusal("support@acme.example", return_path)
    assert (refused is None) is taken
    if refused:
        assert (refused.code, refused.enhanced) == (550, "5.7.1")
        assert str(return_path) in refused.text


def test_a_message_too_big_for_its_upstream_is_refused_by_name() -> None:
    refused = refusal("support@acme.example", body="x" * 1000)
    assert refused
    assert (refused.code, refused.enhanced) == (552, "5.3.4")
    assert "own (ses) takes 1000" in refused.text
    assert refusal("acmeshop@163.com", body="x" * 1000) is None


@pytest.mark.parametrize("ref", ["x" * 201, "a\x01b"])
def test_a_name_of_a_conversation_that_cannot_be_told_whole_is_refused(ref: str) -> None:
    named = f"support@acme.example\r\nX-Gateway-Conversation-Ref: {ref}"
    reply = refusal(named)
    assert reply is not None
    assert (reply.code, reply.enhanced) == (550, "5.6.0")
    assert refusal(named.replace(ref, "x" * 200)) is None


def test_a_colleague_is_rewritten_to_the_sender_of_the_same_domain() -> None:
    found = way("Ann <ann@acme.example>", tenant=REWRITING)
    assert found.header_from == "desk@acme.example"
    assert [(edit.name, edit.value) for edit in found.edits] == [
        ("From", None),
        ("From", "Ann <desk@acme.example>"),
        ("Reply-To", "Ann <ann@acme.example>"),
    ]


def test_the_envelope_sender_chooses_among_rewriting_senders() -> None:
    found = way("ann@acme.example", "acmeshop@163.com", tenant=REWRITING)
    assert found.header_from == "acmeshop@163.com"
    assert found.lane.name == "netease"


@pytest.mark.parametrize(
    ("given", "leaves"),
    [
        (None, None),
        ("ann@acme.example", "desk@acme.example"),
        ("bounce+7@acme.example", "bounce+7@acme.example"),
        ("desk+7@acme.example", "desk+7@acme.example"),
    ],
)
def test_what_leaves_as_the_senders_comes_back_to_it(
    given: str | None, leaves: str | None
) -> None:
    found = way("ann@acme.example", given, tenant=REWRITING).return_path
    assert (str(found) if found else None) == leaves
    own = way("desk@acme.example", given, tenant=REWRITING).return_path
    assert (str(own) if own else None) == given


def test_an_account_of_a_provider_sends_as_itself_in_the_envelope_too() -> None:
    tenant = replace(ACME, senders={"acmeshop@163.com": REWRITING.senders["acmeshop@163.com"]})
    assert str(way("ann@acme.example", "bounce+7@acme.example", tenant=tenant).return_path) == (
        "acmeshop@163.com"
    )


def test_the_senders_own_address_is_not_rewritten() -> None:
    assert way("desk+1@acme.example", tenant=REWRITING).edits == ()


def test_a_stranger_is_not_rewritten() -> None:
    refused = refusal("ann@example.org", tenant=REWRITING)
    assert refused
    assert refused.enhanced == "5.7.1"


def test_the_name_of_a_sender_fills_an_empty_one() -> None:
    found = way("any@shop.example")
    assert [edit.value for edit in found.edits] == [None, "Shop <any@shop.example>"]


def test_a_letter_that_was_refused_has_no_way() -> None:
    with pytest.raises(ValueError, match="admitted"):
        find_way(read_letter(submission("ann@example.org"), ACME), ACME)


@pytest.mark.parametrize(
    ("reason", "expires_on", "said"),
    [
        (
            SuppressionReason.RECIPIENT_DEAD,
            date(2027, 2, 22),
            "550 5.1.1 This address was refused",
        ),
        (SuppressionReason.COMPLAINT, None, "550 5.7.1 This address complained"),
        (SuppressionReason.BY_HAND, None, "550 5.7.1 This address was suppressed by hand"),
    ],
)
def test_a_suppressed_recipient_is_told_why_and_what_lifts_it(
    reason: SuppressionReason, expires_on: date | None, said: str
) -> None:
    entry = Suppression(
        tenant="acme",
        address="ann@example.org",
        reason=reason,
        evidence="550 5.1.1 secret words",
        expires_on=expires_on,
    )
    line = refuse_suppressed(entry).as_line()
    assert line.startswith(said)
    assert ("until 2027-02-22" in line) is (expires_on is not None)
    assert line.endswith("gateway suppression remove acme ann@example.org")
    assert "secret" not in line


def test_the_refusal_of_the_longest_address_is_one_line() -> None:
    """RFC 5321 §4.5.3.1.5: 512 octets with the code and CRLF."""
    longest = Suppression(
        tenant="a-tenant-with-a-long-name",
        address=f"{'a' * 64}@{'b' * 255}",
        reason=SuppressionReason.BY_HAND,
        evidence="",
        expires_on=date(2027, 2, 22),
    )
    assert len(refuse_suppressed(longest).as_line()) <= 510


@pytest.mark.parametrize(
    ("recipients", "head", "taken"),
    [
        ((BUYER,), f"To: Buyer <{BUYER}>", True),
        ((BUYER,), "Subject: no To", True),
        ((BUYER, "boss@acme.example"), f"To: {BUYER}", False),
        ((BUYER,), f"To: {BUYER}\r\nCc: boss@acme.example", False),
        (("ann@example.org",), f"To: ann@example.org, {BUYER}", True),
    ],
)
def test_a_buyer_at_amazon_is_written_to_alone(
    recipients: tuple[str, ...], head: str, taken: bool
) -> None:
    plain = submission("support@acme.example")
    people = tuple(Recipient(parse_address(one)) for one in recipients)
    crowd = replace(
        plain,
        envelope=replace(plain.envelope, recipients=people),
        content=f"From: support@acme.example\r\n{head}\r\n\r\nx\r\n".encode(),
    )
    found = find_refusal(read_letter(crowd, ACME), ACME, upstream_max_bytes=largest)
    assert (found is None) is taken
    assert taken or "alone" in str(found)
