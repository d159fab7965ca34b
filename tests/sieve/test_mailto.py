"""`mailto:` addresses of notifications."""

from __future__ import annotations

import pytest

from gateway.sieve.mailto import BadAddress, compose_notification, parse_mailto
from gateway.sieve.message import Message


def test_recipients_and_fields_are_found() -> None:
    found = parse_mailto(
        "mailto:a@x.example,b@x.example?cc=c@x.example&subject=A%20b&body=t&X-A=1"
    )
    assert [one.address for one in found.to] == ["a@x.example", "b@x.example"]
    assert [one.address for one in found.cc] == ["c@x.example"]
    assert (found.subject, found.body, found.headers) == ("A b", "t", [("x-a", "1")])


@pytest.mark.parametrize(
    "uri",
    [
        "tel:+1",
        "mailto:",
        "mailto:nobody",
        "mailto:a@x.example;?x=y",
        "mailto:a@x.example?x<=y",
        "mailto:a@x.example?x:=y",
        "mailto:?to=a%23x.example",
    ],
)
def test_what_is_no_mailto_is_refused(uri: str) -> None:
    with pytest.raises(BadAddress):
        parse_mailto(uri)


@pytest.mark.parametrize("name", ["From", "Auto-Submitted", "Received", "X-Gateway-Loop"])
def test_a_header_that_is_ours_to_write_is_ignored(name: str) -> None:
    assert parse_mailto(f"mailto:a@x.example?{name}=x").headers == []


def test_a_notification_says_that_it_is_one() -> None:
    found = parse_mailto("mailto:a@x.example?subject=a%0D%0ABcc:%20x@y.example")
    content = compose_notification(found, sender="p@x.example", message="m", importance="1")
    message = Message(content)
    assert not message.named(["bcc"])
    assert [one.value for one in message.named(["auto-submitted"])] == ["auto-notified"]
    assert message.body == b"m\r\n"
