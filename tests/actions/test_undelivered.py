"""A bounce that comes later: read, matched with the mail that was sent, and told once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.actions.reported import Arrival, Taken
from gateway.actions.returned import read_returned
from gateway.actions.undelivered import Undelivered, read_undelivered, take_undelivered
from gateway.mail.address import parse_address
from gateway.mail.delivery import Kind, Lane, LaneKind, Outgoing
from gateway.mail.envelope import Envelope, Recipient
from gateway.mail.reply import Reply
from gateway.mail.suppression import SuppressionReason
from gateway.store import inbox, journal, queue, suppressions
from gateway.store.sqlite import Store
from tests.actions.occasions import ACME, NOON, fetched
from tests.actions.reports import arf, dsn, failed, netease, qmail

SENT, MAIL = "01ARZ3NDEKTSV4SENT", "<1@acme.example>"
GOLDEN = Path(__file__).parents[1] / "golden/notifications"
DELAYED = "Final-Recipient: rfc822; ann@example.org\r\nAction: delayed\r\nStatus: 4.4.1"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "gateway.db")
    yield opened
    opened.close()


def classify(reply: Reply) -> str:
    return "recipient-dead" if (reply.enhanced or "").endswith(".1.1") else "unknown"


def read(content: bytes) -> Undelivered | None:
    return read_undelivered(content, classify=classify) or read_returned(
        content, classify=classify
    )


def send(store: Store, *recipients: str) -> None:
    outgoing = Outgoing(
        id=SENT, tenant="acme", lane=Lane("acme", LaneKind.UPSTREAM, "own"),
        kind=Kind.SUBMISSION,
        envelope=Envelope(
            return_path=None, recipients=tuple(Recipient(parse_address(o)) for o in recipients)
        ),
        content=b"x", message_id=MAIL, header_from="shop@acme.example",
    )  # fmt: skip
    store.write_now(queue.accept, outgoing, now=NOON)


def take(store: Store, content: bytes) -> Taken:
    undelivered, one = read(content), fetched(content)
    assert undelivered is not None
    store.write_now(inbox.store_fetched, one, now=NOON)
    arrival = Arrival(fetched=one, tenant=ACME, now=NOON, find_ours=lambda *_: None)
    return store.write_now(take_undelivered, undelivered, arrival)


def suppressed(store: Store) -> list[tuple[str, SuppressionReason]]:
    entries = store.read_now(suppressions.entries, now=NOON)
    return [(one.address, one.reason) for one in entries]


def test_each_recipient_that_failed_is_read_with_the_servers_words() -> None:
    found = read(
        dsn(
            MAIL,
            failed("Ann@example.org"),
            DELAYED,
            failed("ben@example.org", status="5.2.2", said="552 mailbox full"),
        )
    )
    assert found is not None
    assert found.ids == (MAIL,)
    ann, ben = found.failures
    assert (ann.names, ann.class_) == (frozenset({"ann@example.org"}), "recipient-dead")
    assert ann.reply == Reply(550, "5.1.1", "no such user")
    assert ben.reply == Reply(552, "5.2.2", "mailbox full")


@pytest.mark.parametrize(
    "content", [dsn(MAIL), dsn(MAIL, DELAYED), arf(MAIL), dsn(MAIL, failed("nobody")), b""]
)
def test_what_tells_of_no_failure_is_none(content: bytes) -> None:
    assert read(content) is None


@pytest.mark.parametrize("name", ["failed", "delayed", "relayed"])
def test_our_own_notifications_are_understood(name: str) -> None:
    content = (GOLDEN / f"{name}.eml").read_bytes().replace(b"\n", b"\r\n")
    assert (read(content) is not None) is (name == "failed")


def test_a_notification_cut_or_spoilt_anywhere_is_read_or_is_none() -> None:
    content = dsn(MAIL, failed("ann@example.org"))
    for at in range(0, len(content), 7):
        read(content[:at])
        read(content[:at] + b"\x00\xff\r\n\r\n" + content[at:])
        read(content[:at] + content[at + 40 :])


def test_a_dead_recipient_is_told_and_suppressed(store: Store) -> None:
    send(store, "ann@example.org", "ben@example.org")
    taken = take(store, dsn(MAIL, failed("Ann@example.org")))
    (event,) = taken.told
    assert json.loads(event.content)["data"] == {
        "id": SENT, "tenant": "acme", "message_id": MAIL, "conversation": None,
        "conversation_ref": None,
        "recipient": "ann@example.org", "class": "recipient-dead", "code": 550,
        "text": "5.1.1 no such user", "report": "01ARZ3NDEKTSV4RRFF",
        "matched_by": "message-id",
    }  # fmt: skip
    assert suppressed(store) == [("ann@example.org", SuppressionReason.RECIPIENT_DEAD)]
    timeline = store.read_now(journal.timeline, SENT)
    assert timeline is not None
    told = [one.event for one in timeline.entries if one.message == SENT]
    assert told == ["message.accepted", "message.bounced", "recipient.suppressed"]


def test_a_recipient_is_known_by_what_the_sender_called_it_or_by_its_last_name(
    store: Store,
) -> None:
    """RFC 3464 §2.3.1: the original recipient is what ORCPT said, not always the envelope's."""
    send(store, "ann@example.org", "ben@example.org")
    as_written = failed("ann@example.org").replace("rfc822;ann", "rfc822;Ann+orders")
    at_last = failed("ben@example.org").replace("rfc822; ben", "rfc822; b17")
    assert take(store, dsn(MAIL, as_written, at_last)).recipients == (
        "ann@example.org",
        "ben@example.org",
    )


def test_a_full_mailbox_is_told_and_not_suppressed(store: Store) -> None:
    send(store, "ann@example.org")
    full = failed("ann@example.org", status="5.2.2", said="552 5.2.2 full")
    assert take(store, dsn(MAIL, full)).recipients == ("ann@example.org",)
    assert suppressed(store) == []


def test_what_was_given_up_after_a_time_suppresses_nobody(store: Store) -> None:
    """RFC 3463 §3.1: class 4 says nothing about another time."""
    send(store, "ann@example.org")
    late = failed("ann@example.org", status="4.1.1", said="450 4.1.1 unverified address")
    assert take(store, dsn(MAIL, late)).recipients == ("ann@example.org",)
    assert suppressed(store) == []


def test_a_bounce_for_people_is_told_and_suppresses_whom_it_names(store: Store) -> None:
    send(store, "ann@example.org", "ben@example.org")
    taken = take(store, qmail(MAIL, "Ann@example.org"))
    (event,) = taken.told
    assert json.loads(event.content)["data"]["class"] == "recipient-dead"
    assert suppressed(store) == [("ann@example.org", SuppressionReason.RECIPIENT_DEAD)]


@pytest.mark.parametrize("recipients", [("ann@example.org",), ("ann@example.org", "b@x.org")])
def test_where_a_bounce_does_not_name_who_failed_the_only_recipient_did(
    store: Store, recipients: tuple[str, ...]
) -> None:
    send(store, *recipients)
    is_known = len(recipients) == 1
    assert take(store, netease(MAIL, "ann@example.org")).recipients == recipients[:is_known]
    assert [address for address, _ in suppressed(store)] == list(recipients[:is_known])


def test_the_failure_of_where_a_mail_is_forwarded_suppresses_nobody(store: Store) -> None:
    send(store, "ann@example.org")
    taken = take(store, dsn(MAIL, failed("ann@elsewhere.example")))
    assert taken.recipients == ("ann@example.org",)
    assert suppressed(store) == []


@pytest.mark.parametrize("content", [dsn("<9@x>", failed("ann@example.org")),
                                     dsn(MAIL, failed("eve@example.org"))])  # fmt: skip
def test_what_names_no_mail_or_no_recipient_of_it_changes_nothing(
    store: Store, content: bytes
) -> None:
    send(store, "ann@example.org", "ben@example.org")
    assert take(store, content).told == ()
    assert suppressed(store) == []
