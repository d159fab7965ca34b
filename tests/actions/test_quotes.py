"""What the customer wrote, without what the mail program quoted."""

from __future__ import annotations

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.actions.quotes import MAX_LINES, without_quotes

OWN = "It is broken.\nPlease help."


@pytest.mark.parametrize(
    "quote",
    [
        "On Mon, 2 Nov 2026 at 10:00, Shop <shop@acme.example> wrote:\n> Hello\n> Bye",
        "On Mon, 2 Nov 2026 at 10:00, Shop\n<shop@acme.example> wrote:\n\n> Hello",
        "Am 02.11.26 um 10:00 schrieb Shop:\n> Hallo",
        "Le lun. 2 nov. 2026 à 10:00, Shop a écrit :\n> Bonjour",
        "El lun, 2 nov 2026 a las 10:00, Shop escribió:\n> Hola",
        "在 2026年11月2日 10:00，Shop 写道：\n> 你好",
        "2026年11月2日(月) 10:00 Shop <shop@acme.example>のメッセージ:\n> こんにちは",
        "------------------ 原始邮件 ------------------\n发件人: Shop\n发送时间: 今天\n\n你好",
        "-----Original Message-----\nFrom: Shop\nSent: today\n\nHello",
        "-------- Original-Nachricht --------\nVon: Shop\n\nHallo",
        "From: Shop <shop@acme.example>\nSent: Monday\nTo: Ann\nSubject: Re: x\n\nHello",
        "发件人：Shop\n发送时间：今天\n收件人：Ann\n\n你好",
        "Von: Shop\nGesendet: Montag\nAn: Ann\n\nHallo",
        "> Hello\n> Bye",
        "Am Do., 5. Nov. 2026 um 10:00 Uhr schrieb Shop <\nshop@acme.example>:\n\n> Hallo",
        "Shop Berlin <shop@acme.example> 于2026年11月5日周四\n10:00写道：\n\n> 你好",
        "________________________________\nFrom: Shop\nSent: Monday\nTo: Ann\n\nHello",
        "Gesendet: Donnerstag, 5. November 2026\nVon: Shop\nAn: Ann\nBetreff: x\n\nHallo",
        "------------------&nbsp;原始邮件&nbsp;------------------\n发件人:&nbsp;Shop\n\n你好",
        "------------------ Original ------------------\nFrom: Shop\nDate: today\n\nHello",
        "---- 回复的原邮件 ----\n| 发件人 | Shop |\n| 发送日期 | 今天 |\n你好",
        "---- Replied Message ----\n| From | Shop |\n| Date | today |\nHello",
        "At 2026-11-05 10:00:00, Shop <shop@acme.example> wrote:\n\nHello",
    ],
)
def test_the_quote_of_a_mail_program_is_left_out(quote: str) -> None:
    assert without_quotes(f"{OWN}\n\n{quote}\n") == OWN


@pytest.mark.parametrize(
    "text",
    [
        OWN,
        "On Monday I wrote to you.\nNobody answered.",
        "From: the bottom of my heart.\nThank you.",
        "> Which size?\nLarge.\n> Which colour?\nRed.",
        "On Mon, Shop wrote:\n> Which size?\nLarge.\n> Which colour?\nRed.",
        "Am Montag kam nichts an.",
        "Hello,\nas my boss wrote:\nplease refund it.",
        "Please book a seat:\nFrom: Berlin\nTo: Paris\nThank you.",
    ],
)
def test_a_text_without_a_quote_below_stays_whole(text: str) -> None:
    assert without_quotes(text) == text


def test_nothing_but_a_quote_stays_whole() -> None:
    assert without_quotes("> Hello\n> Bye\n") == "> Hello\n> Bye"


@given(st.text(max_size=500))
def test_no_text_is_refused_and_nothing_is_made_up(text: str) -> None:
    assert set(without_quotes(text)) <= set(text) | {"\n"}


def test_a_long_text_is_read_in_time() -> None:
    for text in ("On x\n" * 50_000, "On x wrote:\n> a\nb\n" * 6000 + "> z\n"):
        assert without_quotes(text).startswith("On x")


def test_a_line_that_is_made_to_be_slow_is_read_in_time() -> None:
    """An expression is tried with the interpreter held: the whole process would wait."""
    line = "<" + "a@" * 20_000
    started = process_time()
    assert without_quotes(line) == line
    assert process_time() - started < 2


def test_of_a_very_long_text_nothing_is_lost() -> None:
    long = "\n".join(f"line {number}" for number in range(3 * MAX_LINES))
    assert without_quotes(long) == long
