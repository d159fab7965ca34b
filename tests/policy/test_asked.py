"""What a running chain may ask."""

from __future__ import annotations

from datetime import UTC, datetime

from gateway.mail.inbound import Authenticity
from gateway.mail.tenant import Tenant
from gateway.policy.asked import Asked, Context

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def asked(*, zone: str = "UTC", seen: int = 0, mail: bytes = b"") -> Asked:
    context = Context(
        tenant=Tenant(id="acme", timezone=zone),
        authenticity=Authenticity(),
        now=NOON,
        hostname="gw.acme.example",
        conversation="C1",
        count=lambda *_: seen,
    )
    entries = frozenset({"ann@example.org", "@vip.example"})
    return Asked(context=context, content=mail, lists={"vip": entries})


def test_the_time_is_in_the_zone_of_the_tenant() -> None:
    assert asked(zone="Asia/Shanghai").now.hour == 20
    for zone in ("Nowhere/Here", "America"):
        assert asked(zone=zone).now == NOON


def test_a_method_that_was_not_looked_at_is_none() -> None:
    assert asked().auth("SPF") == [("none", "")]


def test_a_duplicate_is_noted_once_and_again_only_with_last() -> None:
    fresh = asked()
    for last in (False, True, False):  # RFC 7352 §3: the same result all over a message
        assert not fresh.duplicate(handle="h", key="k", seconds=60, last=last)
        assert len(fresh.noted) == 1
    again = asked(seen=1)
    assert again.duplicate(handle="h", key="k", seconds=60, last=False)
    assert again.noted == []
    assert again.duplicate(handle="h", key="k", seconds=60, last=True)
    assert len(again.noted) == 1


def test_a_duplicate_of_an_earlier_message_is_found() -> None:
    assert asked(seen=1).duplicate(handle="h", key="k", seconds=60, last=False)


def test_keys_of_bytes_that_are_no_text_can_be_stored_and_are_told_apart() -> None:
    one = asked()
    for octet in (b"\xfc", b"\xe4"):
        key = octet.decode("utf-8", "surrogateescape")
        assert not one.duplicate(handle=key, key=key, seconds=60, last=False)
        assert not one.limit(handle=key, key=key, count=1, seconds=60)
    assert len({mark.key for mark in one.noted}) == 2
    assert all((mark.handle + mark.key).encode() for mark in one.noted)


def test_a_list_covers_details_and_whole_domains() -> None:
    lists = asked()
    for value in ("Ann@Example.org", "ann+shop@example.org", "any@vip.example"):
        assert lists.list_contains("vip", value)
    for value in ("bob@example.org", "x@sub.vip.example", "vip.example", ""):
        assert not lists.list_contains("vip", value)
    assert not lists.list_contains("none", "ann@example.org")


def test_variables_come_from_the_message() -> None:
    author = b"From: =?utf-8?q?J=C3=B6rg?= <j@example.org>\r\n"
    mail = author + b"Subject: Hi\r\nMessage-ID: <1@x>\r\n\r\n"
    one = asked(mail=mail)
    names = (
        "message.subject",
        "message.from",
        "message.from_name",
        "message.id",
        "tenant.name",
    )
    assert [one.variable(name) for name in names] == [
        "Hi",
        "j@example.org",
        "Jörg",
        "<1@x>",
        "acme",
    ]
    assert one.variable("conversation.id") == "C1"
    assert one.variable("message.body") is None


def test_the_environment_is_what_we_know() -> None:
    assert asked().environment("domain") == "acme.example"
    assert str(asked().environment("version"))[:1].isdigit()
    assert asked().environment("remote-ip") is None
