"""A redirect leaves as ourselves."""

from __future__ import annotations

import pytest

from gateway.actions.answer import loop_mark
from gateway.actions.redirect import find_redirect_fault, write_redirect
from gateway.actions.route import find_returned
from gateway.mail.message import apply_edits, parse_message
from gateway.mail.plan import Effect, EffectKind
from tests.actions.occasions import WAY, mail, mark, occasion

TO_BOB = Effect(kind=EffectKind.REDIRECT, target="bob@example.net")


def test_a_redirect_has_an_own_envelope_sender_and_from() -> None:
    outgoing = write_redirect(occasion(), TO_BOB, way=WAY, mark=mark)
    sender = outgoing.envelope.return_path
    assert sender is not None
    assert find_returned(sender, mark=mark) == "01ARZ3NDEKTSV4RRFF"
    message = parse_message(apply_edits(outgoing.content, outgoing.edits))
    assert message.addresses("From") == [("Ann via Acme Shop", "shop@acme.example")]
    assert message.addresses("Reply-To") == [("Ann", "ann@example.org")]
    assert message.first("Return-Path") is None
    assert message.message_id == "<1@example.org>"
    assert [str(one.address) for one in outgoing.envelope.recipients] == ["bob@example.net"]


def test_a_reply_to_of_the_author_stays() -> None:
    one = occasion(mail(Reply_To="other@example.org"))
    outgoing = write_redirect(one, TO_BOB, way=WAY, mark=mark)
    message = parse_message(apply_edits(outgoing.content, outgoing.edits))
    assert message.addresses("Reply-To") == [("", "other@example.org")]


@pytest.mark.parametrize("author", [None, "", "undisclosed", "=?utf-8?q?J=C3=B6rg?= <j@x.org>"])
def test_any_author_makes_a_from(author: str | None) -> None:
    outgoing = write_redirect(occasion(mail(From=author)), TO_BOB, way=WAY, mark=mark)
    message = parse_message(apply_edits(outgoing.content, outgoing.edits))
    assert [address for _, address in message.addresses("From")] == ["shop@acme.example"]


def test_what_we_redirected_is_not_redirected_again() -> None:
    looping = occasion(mail(X_Gateway_Loop=loop_mark(mark, "X")))
    assert str(find_redirect_fault(looping, "b@c.example")).startswith("loop: ")
    many = occasion(b"Received: x\r\n" * 51 + mail())
    assert str(find_redirect_fault(many, "b@c.example")).startswith("loop: ")
    assert find_redirect_fault(occasion(), "b@c.example") is None
    assert find_redirect_fault(occasion(), "no address") is not None
