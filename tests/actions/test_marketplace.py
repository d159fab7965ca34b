"""What Amazon forbids in mail to buyers (providers' facts, §12), and what it does not."""

from __future__ import annotations

from time import thread_time

import pytest

from gateway.actions.marketplace import Forbidden, find_forbidden, find_wrong_sender

ENDLESS_SECONDS = 20.0  # a search that looks back at each character takes an hour


def mail(text: str, *, kind: str = "text/plain") -> bytes:
    head = f"Subject: Re: order\r\nMIME-Version: 1.0\r\nContent-Type: {kind}; charset=utf-8\r\n"
    return f"{head}\r\n{text}\r\n".encode()


def attached(name: str, content: bytes = b"x") -> bytes:
    head = b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
    part = f'--b\r\nContent-Disposition: attachment; filename="{name}"\r\n\r\n'.encode()
    return head + part + content + b"\r\n--b--\r\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("See https://shop.acme.example/track?x=1 for it.", "a link to shop.acme.example"),
        ("Look at www.acme-shop.de.", "a link to www.acme-shop.de"),
        ("https://amazon.com.evil.example/", "a link to amazon.com.evil.example"),
        ("Write to support@acme.example", "an e-mail address"),
        ("Call +49 30 1234567", "a telephone number"),
        ("Call us: (555) 123-4567.", "a telephone number"),
        ("Telefon 030 1234567", "a telephone number"),
        ("手机 13812345678", "a telephone number"),
        ("A good review, and you get a refund.", "a review beside a refund, gift or discount"),
        ("五星好评返现", "a review beside a refund, gift or discount"),
        ("Für eine Bewertung: ein Geschenk", "a review beside a refund, gift or discount"),
        ("10% off with this coupon", "advertising"),
    ],
)
def test_what_is_forbidden_is_found(text: str, found: str) -> None:
    assert find_forbidden(mail(text)).to_robots == (found,)


@pytest.mark.parametrize(
    "text",
    [
        "Your order 123-1234567-1234567 leaves on 2026-11-24 at 09:00.",
        "It is on its way: 00340434161094015902, due 24.11.2026, 2 parcels of 1.5 kg.",
        "See https://www.amazon.de/gp/css/order-details?orderID=123-1234567-1234567",
        "We refund 12.90 EUR within 3 days. 您的订单 2026年11月24日 发货。",
        "Part no. 4711-0815, e.g. the black one. Regards",
    ],
)
def test_an_answer_about_an_order_is_free_of_it(text: str) -> None:
    assert find_forbidden(mail(text)) == Forbidden()


def test_pictures_and_links_of_a_page_are_found() -> None:
    page = (
        '<html xmlns="http://www.w3.org/1999/xhtml"><p>Thanks</p>'
        '<img width=1 height=1 src="https://track.acme.example/o.gif">'
        '<a href="//acme.example/x">here</a> <a href="https://www.amazon.com/x">order</a></html>'
    )
    assert find_forbidden(mail(page, kind="text/html")).words == (
        "a link to track.acme.example",
        "a link to acme.example",
    )


def test_attachments_are_of_the_kinds_and_the_size_that_pass() -> None:
    assert find_forbidden(attached("invoice.PDF")) == Forbidden()
    assert find_forbidden(attached("setup.exe")).attached == ("the attachment setup.exe",)
    large = attached("a.pdf", b"0123456789abcdef\r\n" * 600_000)
    assert find_forbidden(large).attached == ("attachments of more than 10 MB",)


def test_what_makes_a_mail_important_is_for_a_person_to_write() -> None:
    urgent = mail("Which size?").replace(b"Re: order", b"[IMPORTANT] Which size?")
    assert find_forbidden(urgent) == Forbidden(marks=("[Important]",))


def test_a_buyer_is_written_to_from_the_mailbox_that_is_registered() -> None:
    assert find_wrong_sender("me@acme.example", []) is None
    assert find_wrong_sender("Shop@qq.com", ["shop@qq.com"]) is None
    assert str(find_wrong_sender("me@acme.example", ["shop@qq.com", "b@163.com"])).endswith(
        "write as <shop@qq.com> or <b@163.com>, not as <me@acme.example>"
    )


@pytest.mark.parametrize("made", ["1 " * 200_000, "0." * 200_000, "a@" * 200_000, "(" * 300_000,
                                  "+1" * 200_000, "x-" * 200_000 + ".com"])  # fmt: skip
def test_a_text_that_is_made_for_it_takes_no_long_time(made: str) -> None:
    began = thread_time()
    find_forbidden(mail(made))
    assert thread_time() - began < ENDLESS_SECONDS
