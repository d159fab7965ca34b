from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy

from gateway.alerts.letter import Scribe
from gateway.config import AlertSettings
from gateway.mail.trouble import KnownTrouble, Reminder, Trouble, TroubleChanges

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
SETTINGS = AlertSettings(to=("it@gw.example",), sender="gateway@gw.example", host="127.0.0.1")
TROUBLE = Trouble(
    cause="upstream acme own",
    what="acme: mail does not leave by the upstream own",
    why="The password is not right: 密码错误.",
    fix="Apply the right one.",
    command="gateway upstream test acme own",
    since=NOON,
    tenant="acme",
    owner="boss@acme.example",
)
SCRIBE = Scribe(SETTINGS, "gw.example")


def test_operator_and_owner_are_told_what_since_when_why_and_the_fix() -> None:
    told = SCRIBE.write_all(TroubleChanges(begun=(TROUBLE,), told=(TROUBLE,)), now=NOON)
    assert [one.recipient for one in told] == ["it@gw.example", "boss@acme.example"]
    mail = message_from_bytes(told[0].content, policy=policy.default)
    assert mail["Subject"] == "[gw.example] acme: mail does not leave by the upstream own"
    assert mail["From"] == "Mail gateway <gateway@gw.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"] == told[0].message_id != told[1].message_id
    text = mail.get_content()
    for words in (
        "2026-11-24 12:00 UTC", "密码错误", "Apply the right one", "upstream test acme own"
    ):  # fmt: skip
        assert words in text
    assert b"\n" not in told[0].content.replace(b"\r\n", b"")
    assert told[0].content.isascii()
    assert max(map(len, told[0].content.split(b"\r\n"))) <= 78


def test_a_long_subject_is_one_line_and_begins_behind_its_name() -> None:
    long = replace(TROUBLE, what="acme: " + "a very long name " * 10)
    [told, _] = SCRIBE.write_all(TroubleChanges(told=(long,)), now=NOON)
    assert b"Subject: [gw.example] acme: a very long name a very long name" in told.content


def test_the_owner_who_is_the_operator_is_told_once() -> None:
    same = replace(TROUBLE, owner="IT@gw.example")
    assert len(SCRIBE.write_all(TroubleChanges(told=(same,)), now=NOON)) == 1


def test_the_end_is_told_to_those_who_were_told_of_the_beginning() -> None:
    kept = KnownTrouble(trouble=TROUBLE, is_open=True, is_told=True, told_at=NOON)
    told = SCRIBE.write_all(TroubleChanges(ended=(kept,)), now=NOON)
    assert len(told) == 2
    assert b"Resolved: acme: mail does not leave" in told[0].content
    silent = replace(kept, is_told=False)
    assert SCRIBE.write_all(TroubleChanges(ended=(silent,)), now=NOON) == []


def test_many_troubles_of_one_look_are_one_mail_to_each_person() -> None:
    many = [
        replace(TROUBLE, cause=f"mailbox {n}", what=f"mailbox {n}", owner=f"o{n}@acme.example")
        for n in range(30)
    ]
    told = SCRIBE.write_all(TroubleChanges(told=tuple(many)), now=NOON)
    assert len(told) == 1 + 30
    assert told[0].recipient == "it@gw.example"
    mail = message_from_bytes(told[0].content, policy=policy.default)
    assert mail["Subject"] == "[gw.example] 30 things need a person"
    assert all(f"mailbox {n}." in mail.get_content() for n in range(30))


def test_a_name_cannot_add_a_header_field() -> None:
    bad = replace(TROUBLE, what="acme\r\nBcc: all@x.example")
    [told, _] = SCRIBE.write_all(TroubleChanges(told=(bad,)), now=NOON)
    assert message_from_bytes(told.content)["Bcc"] is None


def test_a_reminder_names_whom_to_ask() -> None:
    scribe = Scribe(SETTINGS, "gw.example", support="help@gw.example")
    reminder = Reminder(about="a@qq.com", kind="dead", reason="It is dead.", fix="Renew it.")
    [told] = scribe.write_reminder(reminder, NOON)
    assert b"Questions? Ask help@gw.example." in told.content


def test_an_owner_without_a_code_is_asked_to_sign_in() -> None:
    link = "https://gw.example/renew/1"
    reminder = Reminder(
        about="a@acme.example", kind="dead", reason="It is over.", fix="Sign in again.",
        link=link, is_sign_in=True,
    )  # fmt: skip
    [told] = SCRIBE.write_reminder(reminder, NOON)
    assert b"a@acme.example: its owner has to sign in again" in told.content
    assert link.encode() in told.content
    assert b"code" not in told.content


def test_a_test_goes_to_everyone_in_to() -> None:
    assert [one.recipient for one in SCRIBE.write_tests(now=NOON)] == ["it@gw.example"]
