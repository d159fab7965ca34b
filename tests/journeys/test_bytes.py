"""What arrives at a real upstream are the bytes that were handed in, below what we add.

We add fields above the first field of the client (RFC 5321 §4.4, RFC 6409 §8) and change no
byte below. Postfix, which is the upstream, keeps what it took with LF for CR LF.
"""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes

import pytest

from tests.journeys.relay import Relay, running_relay
from tests.servers.ports import wait_until

pytestmark = pytest.mark.servers

LIMIT_BYTES = 25 * 1024 * 1024
FROM = b"From: Acme Support <support@acme.example>\r\n"
FIELDS = FROM + b"To: Ann <ann@example.net>\r\nSubject: Your order\r\n"
MIME = FIELDS + b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
EIGHT_BIT = MIME + b"Content-Transfer-Encoding: 8bit\r\n\r\n"
UNDECLARED = FIELDS.replace(b"Your order", "Grüße".encode("latin-1"))
UTF8_HEADER = MIME.replace(b"Your order", "Grüße aus Köln 订单".encode()) + b"\r\n"
SEALED = (
    FIELDS + b"MIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xfc\r\n"
    b"--b\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--b--\r\n"
)
SPACED = FROM + b"SUBJECT:   spaced\t\r\nto:ann@example.net\r\nX-Empty:\r\nX-Empty: \r\n"

LETTERS = {
    "eight bit": EIGHT_BIT + "Grüße aus Köln, 您好\r\n".encode(),
    "not valid in its charset": EIGHT_BIT + bytes(range(128, 256)) + b"\r\n",
    "control characters": FIELDS + b"\r\n" + bytes({*range(1, 32), 127} - {10, 13}) + b"\r\n",
    "lines of 998 bytes": EIGHT_BIT + b"x" * 998 + b"\r\n" + b"\xc3\xbc" * 499 + b"\r\n",
    "a field of 998 bytes": FIELDS + b"X-Long: " + b"y" * 990 + b"\r\n\r\ntext\r\n",
    "a folded field": FIELDS + b"X-Folded: one\r\n two\r\n\tthree  \r\n\r\ntext\r\n",
    "lines of dots": FIELDS + b"\r\n.\r\n..\r\n...\r\n.x\r\n\r\n.\r\n",
    "spaces at line ends": SPACED + b"\r\ntext \t \r\n \r\n\t\r\n",
    "many empty lines at the end": FIELDS + b"\r\ntext\r\n\r\n\r\n\r\n",
    "no final newline": FIELDS + b"\r\ntext",
    "an empty body": FIELDS + b"\r\n",
    "no body": FIELDS,
    "eight bit in the header, undeclared": UNDECLARED + b"\r\ntext\r\n",
    "a line like an mbox's": FIELDS + b"\r\nFrom ann Tue Nov 24\r\n>From x\r\n",
}


@pytest.fixture(scope="module")
def relay() -> Iterator[Relay]:
    with running_relay() as made:
        yield made


@pytest.fixture(scope="module")
def narrow() -> Iterator[Relay]:
    """A relay whose upstream takes 7-bit mail for ASCII addresses only."""
    with running_relay(without=["8bitmime", "smtputf8"]) as made:
        yield made


def address(name: str) -> str:
    return f"{name.replace(' ', '-').replace(',', '')}@example.net"


def below_ours(arrived: bytes) -> bytes:
    """Return an arrived mail from the client's first field on."""
    at = arrived.index(b"\r\nFrom: Acme Support") + 2
    return arrived[at:]


@pytest.mark.parametrize("name", LETTERS)
def test_what_arrives_is_what_was_handed_in(name: str, relay: Relay) -> None:
    content, to = LETTERS[name], address(name)
    code, text = relay.submit(content, [to], "BODY=8BITMIME")
    assert code == 250, text
    arrived = relay.arrived(to)
    # DATA has no text without a last line end: the client sends one.
    assert below_ours(arrived) == content.removesuffix(b"\r\n") + b"\r\n"
    assert relay.is_proven(arrived)


def test_a_header_in_utf8_and_an_address_in_utf8_arrive(relay: Relay) -> None:
    """RFC 6531 §3.4."""
    content, to = UTF8_HEADER + "您好\r\n".encode(), "jürgen@example.net"
    code, text = relay.submit(content, [to], "SMTPUTF8", "BODY=8BITMIME")
    assert code == 250, text
    arrived = relay.arrived(to)
    assert below_ours(arrived) == content
    assert relay.is_proven(arrived)


def test_a_message_to_a_thousand_recipients_arrives_a_thousand_times(relay: Relay) -> None:
    content = EIGHT_BIT + "Grüße an alle\r\n.\r\n".encode()
    wanted = {f"number-{number}@example.net" for number in range(1000)}
    code, text = relay.submit(content, sorted(wanted), "BODY=8BITMIME")
    assert code == 250, text

    def found() -> list[bytes]:
        return [one for one in relay.postfix.delivered() if b"\nDelivered-To: number-" in one]

    wait_until(lambda: len(found()) == 1000, what=relay.gateway.log)
    arrived = [one.replace(b"\n", b"\r\n") for one in found()]
    assert {str(message_from_bytes(one)["Delivered-To"]) for one in arrived} == wanted
    assert {below_ours(one) for one in arrived} == {content}
    relay.gateway.wait_for_empty_queue()


def test_a_message_of_the_largest_size_arrives_and_one_byte_more_is_refused(
    relay: Relay,
) -> None:
    """RFC 1870 §6: refused at MAIL where the size is told, else after the content."""
    line = b"z" * 76 + b"\r\n"
    head = FIELDS + b"\r\n"
    content = (head + line * (LIMIT_BYTES // len(line) + 1))[: LIMIT_BYTES - 2] + b"\r\n"
    to = address("largest")
    code, text = relay.submit(content, [to], f"SIZE={LIMIT_BYTES}")
    assert code == 250, text
    assert below_ours(relay.arrived(to)) == content
    larger = content[:-2] + b"z\r\n"
    assert relay.submit(larger, [to], f"SIZE={LIMIT_BYTES + 1}")[0] == 552
    code, text = relay.submit(larger, [to])
    assert code == 552
    assert text.startswith("5.3.4 ")


@pytest.mark.parametrize("name", [one for one, content in LETTERS.items() if content.isascii()])
def test_seven_bit_mail_arrives_as_it_is_where_eight_bits_are_not_taken(
    name: str, narrow: Relay
) -> None:
    content, to = LETTERS[name], address(name)
    assert narrow.submit(content, [to], "BODY=8BITMIME")[0] == 250
    assert below_ours(narrow.arrived(to)) == content.removesuffix(b"\r\n") + b"\r\n"


@pytest.mark.parametrize("name", ["eight bit", "not valid in its charset"])
def test_eight_bit_mail_arrives_re_encoded_and_signed_where_eight_bits_are_not_taken(
    name: str, narrow: Relay
) -> None:
    """RFC 6152 §3: it is the server of the next hop that must be fitted."""
    content, to = LETTERS[name], address(name)
    assert narrow.submit(content, [to], "BODY=8BITMIME")[0] == 250
    arrived = narrow.arrived(to)
    assert arrived.isascii()
    decoded = message_from_bytes(arrived).get_payload(decode=True)
    assert decoded == content.partition(b"\r\n\r\n")[2]
    assert narrow.is_proven(arrived)


@pytest.mark.parametrize(
    ("content", "code"),
    [(SEALED, "5.6.3"), (UTF8_HEADER + b"text\r\n", "5.6.7")],
    ids=["signed in eight bits", "a header in UTF-8"],
)
def test_what_cannot_be_fitted_fails_with_its_reason(
    content: bytes, code: str, narrow: Relay
) -> None:
    to = f"cannot-{code}@example.net"
    assert narrow.submit(content, [to], "SMTPUTF8", "BODY=8BITMIME")[0] == 250
    assert code in last_reply(narrow, to)


def test_an_address_in_utf8_fails_alone_where_it_is_not_taken(narrow: Relay) -> None:
    content = FIELDS + b"\r\ntext\r\n"
    told = ["jürgen@example.net", "beside@example.net"]
    assert narrow.submit(content, told, "SMTPUTF8", "BODY=8BITMIME")[0] == 250
    assert below_ours(narrow.arrived("beside@example.net")) == content
    assert "5.6.7" in last_reply(narrow, "jürgen@example.net")


def last_reply(relay: Relay, recipient: str) -> str:
    """Return what the journal says at last of a delivery that failed."""
    relay.gateway.wait_for_empty_queue()
    (found,) = relay.gateway.json("log", "search", recipient)
    events = relay.gateway.json("log", "trace", found["id"])["events"]
    failed = [one for one in events if one["event"] == "delivery.failed"]
    return str(failed[-1]["detail"]["reply"])
