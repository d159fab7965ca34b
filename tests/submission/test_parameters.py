"""The arguments of MAIL and RCPT."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.mail.address import Address
from gateway.mail.envelope import Recipient
from gateway.mail.reply import Reply
from gateway.submission.parameters import MailArguments, parse_mail, parse_rcpt

ANN = Address("Ann", "example.org")
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def mail(argument: str) -> MailArguments | Reply:
    return parse_mail(argument, max_bytes=1000, now=NOON)


def test_a_null_return_path_is_none() -> None:
    assert mail("FROM:<>") == MailArguments(return_path=None)


@pytest.mark.parametrize(
    "argument",
    ["FROM:<Ann@Example.org>", "from: <Ann@example.org>", "FROM:<@a,@b:Ann@example.org>"],
)
def test_case_a_space_and_a_source_route_do_not_matter(argument: str) -> None:
    assert mail(argument) == MailArguments(return_path=ANN)


def test_parameters_are_read_and_values_keep_their_case() -> None:
    said = mail("FROM:<Ann@example.org> size=999 Body=8bitmime RET=hdrs ENVID=aBc+20D AUTH=<>")
    assert said == MailArguments(
        return_path=ANN, ret="HDRS", envid="aBc+20D", body_8bit=True, size_bytes=999
    )


def test_a_quoted_local_part_may_hold_brackets() -> None:
    said = parse_rcpt('TO:<"a>b c"@example.org>', smtputf8=False)
    assert said == Recipient(Address('"a>b c"', "example.org"))


def test_recipient_parameters_are_kept() -> None:
    said = parse_rcpt(
        "TO:<Ann@example.org> NOTIFY=success,DELAY ORCPT=rfc822;Ann+2BX@Example.org",
        smtputf8=False,
    )
    assert said == Recipient(ANN, "SUCCESS,DELAY", "rfc822;Ann+2BX@Example.org")


@pytest.mark.parametrize(
    ("argument", "code"),
    [
        ("<a@example.org>", "501 5.5.4"),
        ("FROM:a@example.org", "501 5.5.4"),
        ("FROM:<a@example.org", "501 5.5.4"),
        ("FROM:<a@example.org>SIZE=1", "501 5.5.4"),
        ("FROM:<a@example.org> SIZE=1 SIZE=2", "501 5.5.4"),
        ("FROM:<a@example.org> SIZE=-1", "501 5.5.4"),
        ("FROM:<a@example.org> SIZE", "501 5.5.4"),
        ("FROM:<a@example.org> SIZE=1001", "552 5.3.4"),
        ("FROM:<a@example.org> BODY=BINARYMIME", "501 5.5.4"),
        ("FROM:<a@example.org> SMTPUTF8=1", "501 5.5.4"),
        ("FROM:<a@example.org> RET=ALL", "501 5.5.4"),
        ("FROM:<a@example.org> ENVID=a+b", "501 5.5.4"),
        ("FROM:<a@example.org> ENVID=" + "a" * 101, "501 5.5.4"),
        ("FROM:<a@example.org> NOTIFY=NEVER", "555 5.5.4"),
        ("FROM:<a@@>", "553 5.1.3"),
        ("FROM:<ä@example.org>", "553 5.6.7"),
        ("FROM:<\udcff@example.org> SMTPUTF8", "553 5.6.7"),
    ],
)
def test_what_mail_cannot_say_is_refused(argument: str, code: str) -> None:
    refused = mail(argument)
    assert isinstance(refused, Reply)
    assert refused.as_line().startswith(code + " ")


@pytest.mark.parametrize(
    ("argument", "code"),
    [
        ("TO:<>", "501 5.1.3"),
        ("TO:<a@example.org> NOTIFY=NEVER,SUCCESS", "501 5.5.4"),
        ("TO:<a@example.org> NOTIFY=SUCCESS,SUCCESS", "501 5.5.4"),
        ("TO:<a@example.org> NOTIFY", "501 5.5.4"),
        ("TO:<a@example.org> ORCPT=a@example.org", "501 5.5.4"),
        ("TO:<a@example.org> SIZE=1", "555 5.5.4"),
        ("TO:<example.org>", "553 5.1.3"),
        ("TO:<ä@example.org>", "553 5.6.7"),
    ],
)
def test_what_rcpt_cannot_say_is_refused(argument: str, code: str) -> None:
    refused = parse_rcpt(argument, smtputf8=False)
    assert isinstance(refused, Reply)
    assert refused.as_line().startswith(code + " ")


def test_smtputf8_allows_a_local_part_beyond_ascii() -> None:
    said = parse_rcpt("TO:<用户@例子.example>", smtputf8=True)
    assert said == Recipient(Address("用户", "xn--fsqu00a.example"))


def test_mail_may_name_its_hour() -> None:
    """RFC 4865."""
    said = mail("FROM:<a@example.org> HOLDFOR=60")
    assert isinstance(said, MailArguments)
    assert said.hold_until == NOON + timedelta(seconds=60)
