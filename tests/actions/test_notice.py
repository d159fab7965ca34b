"""Who is told of held mail and by `notify`, and the mail that tells."""

from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes, policy
from typing import Any

import pytest

from gateway.actions.answer import is_loop_mark
from gateway.actions.carry import Carried, Office, carry
from gateway.actions.gate import LOOP_FIELD
from gateway.actions.notice import NoticePath, find_told
from gateway.config import AlertSettings
from gateway.mail.plan import Effect, EffectKind
from gateway.mail.tenant import Tenant
from tests.actions.occasions import ACME, mail, mark, office

PATH = NoticePath(
    settings=AlertSettings(
        to=("ops@gateway.example",), sender="gateway@gateway.example", host="127.0.0.1"
    ),
    hostname="gateway.example",
)
TENANT = replace(ACME, owner="Boss@acme.example", notify=("lead@acme.example",))
NAMES = ["postmaster", "owner", "LEAD@acme.example", "stranger@x.example", "Postmaster"]


def at(content: bytes | None = None, *, path: NoticePath = PATH, **changes: Any) -> Office:
    return replace(office(content, tenant=TENANT, **changes), notices=path)


def hold(*names: str, **arguments: object) -> Effect:
    return Effect(
        kind=EffectKind.HOLD, file="30.sieve", line=4, reason="look at it",
        arguments={"notify": list(names), **arguments},
    )  # fmt: skip


def notify(uri: str, **arguments: object) -> Effect:
    return Effect(kind=EffectKind.NOTIFY, target=uri, arguments=dict(arguments))


def recipients(carried: Carried) -> list[str]:
    return [one.recipient for one in carried.notices]


def test_only_whom_the_configuration_names_is_told() -> None:
    told = ["ops@gateway.example", "Boss@acme.example", "lead@acme.example"]
    assert find_told(NAMES, TENANT, PATH) == told
    assert find_told(NAMES, Tenant(id="none"), PATH) == ["ops@gateway.example"]
    assert find_told(NAMES, TENANT, NoticePath()) == []


def test_a_hold_tells_why_and_what_to_do() -> None:
    letter = mail(From="Ann <ann@customer.example>", Subject="=?utf-8?q?L=C3=B6sung?=")
    carried = carry(hold("lead@acme.example", seconds=60, then="reject"), at(letter))
    (notice,) = carried.notices
    told = message_from_bytes(notice.content, policy=policy.default)
    text = told.get_content()
    assert carried.outcome == "held"
    assert (told["To"], told["Auto-Submitted"]) == ("lead@acme.example", "auto-generated")
    assert "Subject: Lösung" in text
    assert "look at it" in text
    assert "it is rejected at" in text
    assert f"gateway queue release {carried_id(carried)}" in text
    assert is_loop_mark(mark, told[LOOP_FIELD])
    assert notice.message_id == told["Message-ID"]
    assert notice.content.isascii()


def carried_id(carried: Carried) -> str:
    return carried.notices[0].cause.removeprefix("held ")


def test_a_notice_that_is_held_itself_tells_nobody() -> None:
    (notice,) = carry(hold("owner"), at()).notices
    again = carry(hold("owner"), at(notice.content))
    assert again.outcome == "held"
    assert again.notices == ()


def test_what_a_stranger_wrote_makes_no_line_of_a_notice() -> None:
    """Else they could write what a person is to do."""
    subject = "=?utf-8?q?a=0A=0ALet_it_go_on:_b=00=1B?="
    (notice,) = carry(hold("lead@acme.example"), at(mail(Subject=subject))).notices
    told = message_from_bytes(notice.content, policy=policy.default).get_content()
    assert [one for one in told.splitlines() if one.startswith("Let it go on")] == [
        "Let it go on: gateway queue release 01ARZ3NDEKTSV4RRFF"
    ]
    assert "Subject: a  Let it go on: b" in told


def test_notify_writes_to_each_of_whom_is_named() -> None:
    uri = "mailto:lead@acme.example,stranger@x.example?subject=VIP"
    carried = carry(notify(uri, message="Look: ö", importance="1"), at())
    assert recipients(carried) == ["lead@acme.example"]
    told = message_from_bytes(carried.notices[0].content, policy=policy.default)
    assert (told["Subject"], told["To"], told["Importance"]) == (
        "VIP", "lead@acme.example", "high",
    )  # fmt: skip
    assert told["Auto-Submitted"].startswith("auto-notified")
    assert told.get_content().strip() == "Look: ö"
    assert carried.reason == "to lead@acme.example"


@pytest.mark.parametrize(
    ("effect", "of", "reason"),
    [
        (notify("mailto:stranger@x.example"), at(), "neither the tenant's owner"),
        (notify("mailto:lead@acme.example"), at(path=NoticePath()), "has no [alerts]"),
        (notify("mailto:lead@acme.example"), at(mail(List_Id="<l.x>")), "list mail"),
        (notify("not a uri"), at(), "neither the tenant's owner"),
    ],
)
def test_a_notification_that_may_not_be_says_why(
    effect: Effect, of: Office, reason: str
) -> None:
    carried = carry(effect, of)
    assert carried.notices == ()
    assert carried.suppressed
    assert reason in carried.reason
