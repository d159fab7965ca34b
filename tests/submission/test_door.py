from __future__ import annotations

from gateway.mail.delivery import Outgoing
from gateway.mail.reply import Reply
from gateway.submission.door import admit
from tests.submission.test_admission import ACME, largest, submission


def admitted(author: str) -> Outgoing | Reply:
    given = submission(author, author)
    return admit(given, ACME, upstream_max_bytes=largest, hostname="gateway.example")


def test_what_may_be_sent_comes_out_stamped_under_an_id_of_its_own() -> None:
    first, second = admitted("support@acme.example"), admitted("support@acme.example")
    assert isinstance(first, Outgoing)
    assert isinstance(second, Outgoing)
    assert first.id != second.id
    assert f"id {first.id}".encode() in first.content
    assert first.lane.name == "own"


def test_what_may_not_is_refused_before_it_has_an_id() -> None:
    refusal = admitted("nobody@acme.example")
    assert isinstance(refusal, Reply)
    assert refusal.enhanced == "5.7.1"
