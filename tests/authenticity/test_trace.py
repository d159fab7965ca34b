from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.authenticity.dkim_verify import MAX_FIELDS
from gateway.authenticity.trace import Trace, TrustedHops, read_scanned, read_trace
from gateway.mail.message import parse_message

HOPS = TrustedHops(
    inner_received=("2002:*",),
    results_below_border=True,
    authserv_ids=("mx.provider.example",),
    border_received=("mx.provider.example", "*.in.provider.example"),
    writes_return_path=True,
)
BORDER = (
    "Received: from out.acme.example (out.acme.example. [192.0.2.1])\r\n"
    "        by mx.provider.example with ESMTPS id 1\r\n"
    "        for <shop@provider.example>\r\n"
    "        (version=TLS1_3 cipher=TLS_AES_256_GCM_SHA384 bits=256/256);\r\n"
    "        Mon, 01 Jan 2024 00:00:00 -0800 (PST)\r\n"
)
INTERNAL = "Received: by 2002:a05:6a10:2aa1 with SMTP id 1; Mon, 01 Jan 2024 00:00:01 -0800\r\n"
RETURN_PATH = "Return-Path: <ann@acme.example>\r\n"
STATED = (
    "Authentication-Results: mx.provider.example;\r\n"
    "       dkim=pass header.i=@acme.example header.s=s1 header.b=AbCd;\r\n"
    "       spf=pass (provider.example: domain of ann@acme.example designates 192.0.2.1 as\r\n"
    "       permitted sender) smtp.mailfrom=ann@acme.example;\r\n"
    "       dmarc=pass (p=NONE sp=NONE dis=NONE) header.from=acme.example\r\n"
)
EARLIER = (
    "Received: from laptop ([198.51.100.9]) by out.acme.example; 1 Jan 2024 00:00:00 +0000\r\n"
)
SIGNATURE = (
    "DKIM-Signature: v=1; a=rsa-sha256; d=acme.example; s=s1; h=from; bh=AA==; b=AbCd\r\n"
)
FROM = "From: ann@acme.example\r\n\r\nHello\r\n"
REST = SIGNATURE + EARLIER + FROM


def trace(text: str, hops: TrustedHops = HOPS) -> Trace:
    return read_trace(parse_message(text.encode("utf-8", "surrogateescape")), hops)


def stated(text: str, hops: TrustedHops = HOPS) -> dict[str, tuple[str, str]]:
    return {one.method: (one.result, one.domain) for one in trace(text, hops).stated}


def test_a_message_as_a_provider_hands_it_over_is_believed() -> None:
    found = trace(INTERNAL + RETURN_PATH + BORDER + STATED + REST)
    assert (found.client, found.helo) == ("192.0.2.1", "out.acme.example")
    assert found.mail_from == "ann@acme.example"
    assert [one.partition(";")[0] for one in found.believed] == ["mx.provider.example"]
    assert {(one.method, one.result, one.domain, one.by) for one in found.stated} == {
        ("dkim", "pass", "acme.example", "mx.provider.example"),
        ("spf", "pass", "acme.example", "mx.provider.example"),
        ("dmarc", "pass", "acme.example", "mx.provider.example"),
    }


def test_of_filters_only_what_stands_above_the_border_is_believed() -> None:
    forged = "X-Spam-Score: 0\r\n"
    text = "X-Spam-Score: 9\r\nX-Other: 1\r\n" + BORDER + forged + REST
    message = parse_message(text.encode())
    assert read_scanned(message, HOPS, ["x-spam-score"]) == (("x-spam-score", "9"),)
    assert read_scanned(message, TrustedHops(), ["x-spam-score"]) == ()
    below = parse_message((BORDER + forged + REST).encode())
    assert read_scanned(below, HOPS, ["X-Spam-Score"]) == ()


def test_of_an_unknown_provider_nothing_is_believed() -> None:
    assert trace(RETURN_PATH + BORDER + STATED + REST, TrustedHops()) == Trace()


def test_the_results_of_another_name_are_not_believed() -> None:
    other = STATED.replace("mx.provider.example;", "mx.other.example;")
    assert stated(BORDER + other + REST) == {}


def test_results_below_a_foreign_received_are_not_believed() -> None:
    assert stated(BORDER + EARLIER + STATED + REST) == {}


def test_only_the_topmost_results_are_believed() -> None:
    honest = "Authentication-Results: mx.provider.example; dkim=none; spf=fail\r\n"
    assert stated(BORDER + honest + STATED + REST) == {
        "dkim": ("none", ""),
        "spf": ("fail", ""),
    }


def test_without_a_border_only_what_is_above_every_received_is_believed() -> None:
    hops = TrustedHops(authserv_ids=("mx.provider.example",))
    assert stated(STATED + EARLIER + SIGNATURE + FROM, hops)["dkim"] == ("pass", "acme.example")
    assert stated(EARLIER + STATED + SIGNATURE + FROM, hops) == {}


def test_a_pass_for_a_domain_that_signed_nothing_is_not_believed() -> None:
    """RFC 8601 §7.1; d=acme.example(.evil.example reads as acme.example with a comment."""
    forged = SIGNATURE.replace("d=acme.example", "d=acme.example(.evil.example")
    assert "dkim" not in stated(BORDER + STATED + forged + FROM)


def test_what_the_provider_saw_pass_counts_for_nothing_where_a_part_is_signed() -> None:
    """RFC 6376 §8.2: DMARC may have passed by that signature; SPF stands by itself."""
    part = SIGNATURE.replace("h=from", "l=9; h=from")
    assert stated(BORDER + STATED + part + FROM) == {"spf": ("pass", "acme.example")}
    other = part.replace("d=acme", "d=list")
    assert stated(BORDER + STATED + other + REST)["dmarc"] == ("pass", "acme.example")
    assert "dmarc" not in stated(BORDER + STATED + "X: y\r\n" * MAX_FIELDS + REST)


@pytest.mark.parametrize("helo", ["e by mx.provider.example", "e by 2002:a05:: with SMTP"])
def test_a_helo_that_looks_like_a_hop_makes_no_border(helo: str) -> None:
    door = f"Received: from {helo} ([192.0.2.66]) by smtp.provider.example with ESMTPSA\r\n"
    assert trace(door + RETURN_PATH + BORDER + STATED + REST) == Trace()
    assert trace(RETURN_PATH + door + STATED + REST) == Trace()


def test_an_spf_pass_for_another_than_the_return_path_is_not_believed() -> None:
    elsewhere = "Return-Path: <eve@evil.example>\r\n"
    assert "spf" not in stated(elsewhere + BORDER + STATED + REST)


def test_the_topmost_return_path_counts_and_may_be_null() -> None:
    null = "Return-Path: <>\r\n"
    assert trace(null + RETURN_PATH + BORDER + REST).mail_from == ""
    assert trace(BORDER + REST).mail_from is None
    assert trace("Return-Path: <no address>\r\n" + BORDER + REST).mail_from is None


def test_a_return_path_counts_only_where_the_provider_writes_it() -> None:
    hops = TrustedHops(border_received=HOPS.border_received)
    assert trace(RETURN_PATH + BORDER + REST, hops).mail_from is None


@pytest.mark.parametrize(
    ("clause", "client"),
    [
        ("a (unknown [192.0.2.1]) by m1.in.provider.example (NewMX)", "192.0.2.1"),
        ("a (a.example [IPv6:2001:db8::1]) by mx.provider.example", "2001:db8::1"),
        ("a (192.0.2.1) by mx.provider.example (10.0.0.1) with Microsoft SMTP", "192.0.2.1"),
        ("[192.0.2.1] (host.example [192.0.2.1]) by MX.provider.example", "192.0.2.1"),
        ("a\r\n\t(unknown [192.0.2.1])\r\n\tby mx.provider.example with ESMTP", "192.0.2.1"),
    ],
)
def test_the_client_is_read_in_the_shapes_that_servers_write(clause: str, client: str) -> None:
    found = trace(received("from " + clause))
    assert (found.client, found.helo) == (client, clause.split(maxsplit=1)[0])


@pytest.mark.parametrize(
    "clause",
    [
        "from a (b [192.0.2.1]) by mx.elsewhere.example",
        "from e (x [192.0.2.1]) (e.example [203.0.113.6]) by mx.provider.example",
        "from e (x [192.0.2.1]) by mx.provider.example ([203.0.113.6]) by mx.provider.example",
        "from by (x [192.0.2.1]) by by mx.provider.example",
        "from a.example by mx.provider.example",
        "by mx.provider.example with SMTP",
    ],
)
def test_a_client_that_is_ambiguous_or_foreign_is_not_known(clause: str) -> None:
    """A HELO written as it came may look like the rest of the field."""
    found = trace(received(clause))
    assert (found.client, found.helo) == ("", "")


def received(clause: str) -> str:
    return f"Received: {clause} id 1; Mon, 01 Jan 2024 00:00:00 +0000\r\n{REST}"


def test_spf_of_the_helo_name_says_nothing_of_the_sender() -> None:
    """RFC 7489 §3.1.2 takes the MAIL FROM identity."""
    said = "Authentication-Results: mx.provider.example; spf=pass smtp.helo=acme.example\r\n"
    assert stated(BORDER + said + REST) == {}


@pytest.mark.parametrize(
    "value",
    [
        "",
        ";",
        "mx.provider.example",
        "mx.provider.example; none",
        "mx.provider.example 99; dkim=pass header.d=acme.example",
        "mx.provider.example; dkim=pass",
        "mx.provider.example; spf=pass smtp.mailfrom=",
        "mx.provider.example; nonsense=pass; dkim=sure header.d=acme.example",
        "mx.provider.example; dkim=pass " + "(" * 4000,
        "mx.provider.example; dkim=pass header.d=" + "a" * 10_000,
        'mx.provider.example; spf=fail smtp.mailfrom="; dkim=pass header.d=acme.example "',
    ],
)
def test_broken_results_prove_nothing(value: str) -> None:
    found = stated(f"{BORDER}Authentication-Results: {value}\r\n{REST}")
    assert "pass" not in {result for result, _ in found.values()}


@given(st.lists(st.sampled_from(
    ["from", "by", "mx.provider.example", "(", ")", "[", "192.0.2.1", "]", ";", '"', "\\", "=",
     "dkim", "pass", "header.d", "acme.example", "<", ">", "@", "\xff", "\udcff", "", ".", "/"]
), max_size=20))  # fmt: skip
def test_no_field_whatever_makes_reading_fail(words: list[str]) -> None:
    value = " ".join(words)
    text = (
        f"Return-Path: {value}\r\nReceived: {value}\r\n"
        f"Authentication-Results: mx.provider.example; {value}\r\n{REST}"
    )
    trace(text)
    named = replace(OWN, results_without_id=True, results_name_sender=True)
    trace(text, named)
    trace(text, replace(named, results_of_border=True, results_after="Return-Path"))


def test_what_is_said_twice_or_reads_like_more_is_not_believed() -> None:
    """An address that the provider writes as it came may go on like its results."""
    twice = "smtp.mailfrom=x; spf=pass smtp.mailfrom=ann@acme.example"
    for value in (twice, "smtp.mailfrom=ann@acme.example x.y=z@evil.example"):
        said = f"Authentication-Results: mx.provider.example; spf=pass {value}\r\n"
        assert stated(BORDER + said + REST) == {}
    from_ = "dmarc=pass header.from=acme.example x.y=z.evil.example"
    said = f"Authentication-Results: mx.provider.example; {from_}\r\n"
    assert stated(BORDER + said + REST) == {}


HOP = "hop.provider.example"
OWN = replace(HOPS, inner_received=(f"*.{HOP}",), inner_clients=("2001:db8:1::/48",))


@pytest.mark.parametrize(
    ("client", "way", "passes"),
    [
        ("[2001:db8:1::7]", "ESMTPS", True),
        ("[2001:db8:1::7]", "Microsoft SMTP Server", True),
        ("[2001:db8:1::7]", "HTTPS", False),
        ("[2001:db8:1::7]", "ESMTPSA", False),
        ("[::1]", "ESMTPS", False),
        ("[2001:db8:2::7]", "ESMTPS", False),
        ("", "ESMTPS", False),
    ],
)
def test_where_customers_send_too_a_hop_counts_by_its_client(
    client: str, way: str, passes: bool
) -> None:
    hop = f"Received: from x.{HOP} ({client}) by y.{HOP} with {way}\r\n"
    last = f"Received: from y.{HOP} ([::1]) by z.{HOP} with HTTPS\r\n"
    found = trace(last + hop + RETURN_PATH + BORDER + REST, OWN)
    assert bool(found.client) is passes
    assert trace(last + RETURN_PATH + BORDER + REST, OWN).client


def test_results_without_a_name_count_above_the_border_alone() -> None:
    hops = replace(HOPS, results_without_id=True, results_below_border=False)
    nameless = (
        "Authentication-Results: spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=acme.example;"
        " dmarc=pass action=none header.from=acme.example;compauth=pass reason=100\r\n"
    )
    assert stated(nameless + BORDER + REST, hops) == {
        "spf": ("pass", "acme.example"),
        "dmarc": ("pass", "acme.example"),
    }
    assert stated(BORDER + nameless + REST, hops) == {}
    assert stated(STATED + BORDER + REST, hops) == {}


def test_what_a_border_was_handed_by_itself_came_by_the_next_field() -> None:
    host = "by mx.provider.example (Filter) with ESMTP\r\n"
    itself = f"Received: from mx.provider.example (localhost [127.0.0.1]) {host}"
    assert trace(RETURN_PATH + itself + BORDER + REST) == trace(RETURN_PATH + BORDER + REST)
    forged = f"Received: from localhost (localhost [127.0.0.1] [192.0.2.66]) {host}"
    assert trace(RETURN_PATH + forged + BORDER + REST).client == ""
