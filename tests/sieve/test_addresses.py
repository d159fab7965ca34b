"""Addresses in header fields and envelopes."""

from __future__ import annotations

from time import thread_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sieve.addresses import parse_mailboxes, parse_path, parse_single


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("ann@x.example", ["ann@x.example"]),
        ('"Lee, Ann" <ann@x.example>, b@y.example', ["ann@x.example", "b@y.example"]),
        (
            "team: a@x.example, b@x.example;, c@x.example",
            ["a@x.example", "b@x.example", "c@x.example"],
        ),
        ("undisclosed-recipients:;", []),
        ("Ann (no@x.example) <ann(note)@x.example>", ["ann@x.example"]),
        ('"odd one"@x.example', ['"odd one"@x.example']),
        ("<@a.example,@b.example:ann@x.example>", ["ann@x.example"]),
        ("ann@[192.0.2.1]", ["ann@[192.0.2.1]"]),
        ("ann @ x . example", ["ann@x.example"]),
        ("broken <ann@, b@y.example", ["b@y.example"]),
    ],
)
def test_addresses_are_found(value: str, found: list[str]) -> None:
    assert [one.address for one in parse_mailboxes(value)] == found


def test_a_display_name_keeps_its_dots() -> None:
    assert parse_mailboxes("Ann M. Lee <a@x.example>")[0].name == "Ann M. Lee"


@pytest.mark.parametrize("value", ["", "ann", "ann@", "@x.example", "a@x.example, b@x.example"])
def test_what_is_not_one_address_is_refused(value: str) -> None:
    assert parse_single(value) is None


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("<ann@x.example>", "ann@x.example"),
        ("ann@x.example", "ann@x.example"),
        ("<@a.example:ann@x.example>", "ann@x.example"),
        ("<>", ""),
        ("", ""),
        ("<postmaster>", "postmaster"),
    ],
)
def test_a_path_is_read(path: str, address: str) -> None:
    found = parse_path(path)
    assert found is not None
    assert (found.address if found.local else "") == address


@pytest.mark.parametrize("path", ["<ann@x.example", "<a:ann@x.example>", "<@.:a@b>", "a b"])
def test_a_broken_path_is_none(path: str) -> None:
    assert parse_path(path) is None


@given(st.text('ab@<>[]:;,."\\( )', max_size=30))
@settings(max_examples=200, deadline=None)
def test_any_text_is_read_to_its_end(value: str) -> None:
    assert all(one.local for one in parse_mailboxes(value) if one.domain)


@pytest.mark.parametrize("piece", ["[a]", "<@", "(", '"', "a:", "<,", "@,", "\\", ";"])
def test_a_hostile_field_is_read_quickly(piece: str) -> None:
    begun = thread_time()
    parse_mailboxes(piece * 50_000)
    assert thread_time() - begun < 2
