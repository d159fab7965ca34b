"""Texts and attachments of a message."""

from __future__ import annotations

from email.message import EmailMessage
from time import thread_time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.actions.parts import Parts, read_parts, text_of_html
from tests.actions.reports import dsn, failed


def composed(*, html: str | None = None, files: tuple[tuple[str, bytes], ...] = ()) -> bytes:
    message = EmailMessage()
    message["Subject"] = "Hi"
    message.set_content("größer 你好\n")
    if html:
        message.add_alternative(html, subtype="html")
    for name, content in files:
        message.add_attachment(content, maintype="application", subtype="pdf", filename=name)
    return message.as_bytes()


def test_text_and_html_and_attachments_are_told_apart() -> None:
    content = composed(html="<p>größer</p>", files=(("a.pdf", b"%PDF"), ("你.pdf", b"x" * 9)))
    parts = read_parts(content)
    assert parts.text == "größer 你好\n"
    assert parts.html.strip() == "<p>größer</p>"
    shown = [(one.name, one.type, one.content) for one in parts.attachments]
    assert shown == [
        ("a.pdf", "application/pdf", b"%PDF"),
        ("你.pdf", "application/pdf", b"x" * 9),
    ]


def mixed(*parts: bytes, kind: str = "mixed") -> bytes:
    head = f'Content-Type: multipart/{kind}; boundary="b"\r\n\r\n'.encode()
    return head + b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"


PAGE = b"Content-Type: text/html\r\n\r\n<p>Where is it?</p>"


def test_a_page_beside_a_footer_is_text_too() -> None:
    """Lists and companies add a plain footer to what was written as HTML alone."""
    footer = b"Content-Type: text/plain\r\n\r\nThe list's footer"
    assert read_parts(mixed(PAGE, footer)).text == "Where is it?\nThe list's footer"
    assert read_parts(mixed(b"\r\nWhere is it?", PAGE)).text == "Where is it?"


@pytest.mark.parametrize("below", ["footer added by list", "", "x"])
def test_what_a_list_writes_below_base64_costs_no_text(below: str) -> None:
    head = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n"
    content = f"{head}\r\n5L2g5aW95L2g\r\n5aW9\r\n{below}\r\n".encode()
    assert read_parts(content).text == "你好你好"


def test_a_plain_text_of_nothing_gives_way_to_the_page() -> None:
    parts = read_parts(
        mixed(b"Content-Type: text/plain\r\n\r\n \r\n", PAGE, kind="alternative")
    )
    assert parts.text == "Where is it?"


@pytest.mark.parametrize(
    "parameter",
    [
        b"filename*=UTF-8''%E5%8F%91%E7%A5%A8.pdf",
        b"filename*=gb2312''%B7%A2%C6%B1.pdf",
        b'filename="=?GBK?B?t6LGsS5wZGY=?="',
        b'filename="=?utf-8?B?5Y+R?=\r\n =?utf-8?B?56WoLnBkZg==?="',
        b'filename="' + "发票.pdf".encode("gbk") + b'"',
        b'filename="' + "发票.pdf".encode() + b'"',
    ],
)
def test_the_name_of_a_file_is_read_as_mail_programs_write_it(parameter: bytes) -> None:
    head = b"Content-Type: application/pdf\r\nContent-Disposition: attachment; "
    (attachment,) = read_parts(head + parameter + b"\r\n\r\n%PDF").attachments
    assert attachment.name == "发票.pdf"


def test_a_mail_with_html_alone_has_its_words_as_text() -> None:
    page = (
        "<style>p{}</style><p>Hello&nbsp;<b>you</b></p><script>x()</script><div>Bye<br>A</div>"
    )
    parts = read_parts(b"Content-Type: text/html; charset=utf-8\r\n\r\n" + page.encode())
    assert parts.text.split("\n") == ["Hello you", "", "Bye", "A"]
    assert parts.html == page


def test_a_forwarded_message_is_an_attachment_and_not_looked_into() -> None:
    inner = composed(html="<p>inner</p>")
    content = (
        b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\nouter\r\n'
        b"--b\r\nContent-Type: message/rfc822\r\n\r\n" + inner + b"\r\n--b--\r\n"
    )
    parts = read_parts(content)
    assert (parts.text, parts.html) == ("outer", "")
    assert [(one.name, one.type) for one in parts.attachments] == [
        ("message.eml", "message/rfc822")
    ]
    assert parts.attachments[0].content == inner


@pytest.mark.parametrize("charset", ["none-such", "\x00", "undefined", "zlib", "utf-7\xff"])
def test_a_broken_charset_costs_no_text(charset: str) -> None:
    head = f"Content-Type: text/plain; charset={charset}\r\n\r\n".encode("latin-1")
    assert "Hello" in read_parts(head + b"Hello \xff").text


def test_chinese_charsets_are_read() -> None:
    head = b"Content-Type: text/plain; charset=gb2312\r\n\r\n"
    assert read_parts(head + "你好".encode("gb2312")).text == "你好"
    assert read_parts(head + "朱镕基".encode("gbk")).text == "朱镕基"


def test_a_name_of_a_file_holds_no_path_and_no_line_end() -> None:
    head = b'Content-Disposition: attachment; filename="../a\\\\b\r\n c.txt"\r\n\r\nx'
    (attachment,) = read_parts(head).attachments
    assert not set(attachment.name) & set("/\\\r\n\x00")


def test_a_text_holds_no_nul() -> None:
    assert "\x00" not in read_parts(b"\r\na\x00b").text


@given(st.binary(max_size=600))
@example(b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n' + b"--b\r\n" * 2000)
@example(b"Content-Type: multipart/mixed\r\n\r\nno boundary")
@example(b"Content-Type: message/rfc822\r\n\r\n" * 2000)
@example(b"Content-Type: text/plain; charset*0*=\xff''; name*=x\r\n\r\n")
@example(b"Content-Transfer-Encoding: base64\r\n\r\n=A=")
@example(b"Content-Transfer-Encoding: uuencode\r\n\r\nbegin 1\n\xff\n")
@example(b"".join(b"X-%d: x\r\n" % number for number in range(10_000)) + b"\r\nx")
def test_no_bytes_are_refused(content: bytes) -> None:
    assert isinstance(read_parts(content), Parts)


def test_a_deep_nest_of_parts_is_cut() -> None:
    content = b""
    for depth in range(400):
        content += b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (
            depth,
            depth,
        )
    assert isinstance(read_parts(content + b"\r\nx"), Parts)


@pytest.mark.parametrize(
    "piece", ["<", "<!--", "<a ", "&", "<a href='", "<![CDATA[", "</", "<script>", "</script "]
)
def test_markup_that_is_made_to_be_slow_is_read_in_time(piece: str) -> None:
    started = thread_time()
    text_of_html(piece * 100_000)
    assert thread_time() - started < 5


def test_a_mail_of_hundreds_of_pages_is_read_in_time() -> None:
    pages = b"".join(
        b"--b\r\nContent-Type: text/html\r\n\r\n%d" % number + b" x" * 20_000 + b"\r\n"
        for number in range(200)
    )
    started = thread_time()
    parts = read_parts(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + pages)
    assert thread_time() - started < 5
    assert len(parts.text.splitlines()) == 200


def test_a_field_of_parameters_without_end_is_read_in_time() -> None:
    field = b"Content-Type: text/plain" + b";" * 500_000 + b"\r\n\r\nHello\r\n"
    started = thread_time()
    assert read_parts(field).text == "Hello\n"
    assert thread_time() - started < 5


def test_a_whole_page_has_its_words_as_text() -> None:
    """As Outlook writes it: styles and a title in a head."""
    head = "<head><title>T</title><style><!-- p > b {} --></style><meta charset=x></head>"
    body = f"<body><p>Hello</p><script>x('</p>')</script>Bye &#{'9' * 5000};</body>"
    page = f"<!DOCTYPE html><html>{head}{body}</html>"
    assert text_of_html(page).split() == ["Hello", "Bye", "\ufffd"]


def test_what_looks_like_a_tag_and_is_none_is_kept() -> None:
    assert text_of_html("1 < 2 &amp; 3 <!-- no > --><b>yes</b>") == "1 < 2 & 3 yes"


@given(st.text(alphabet="<>!-[]&;#xa\"'/=p ", max_size=200))
def test_no_markup_is_refused(markup: str) -> None:
    assert isinstance(text_of_html(markup), str)


def test_a_report_of_deliveries_is_attached_with_every_recipients_block() -> None:
    parts = read_parts(dsn("<1@x>", failed("ann@example.org"), failed("ben@example.org")))
    (status,) = [one for one in parts.attachments if one.type == "message/delivery-status"]
    for word in (b"Reporting-MTA", b"ann@example.org", b"ben@example.org"):
        assert word in status.content
