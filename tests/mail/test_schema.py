from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import pytest

from gateway.mail.schema import (
    SchemaError,
    Size,
    parse_duration,
    parse_limit,
    parse_size,
    read_table,
    unknown_key,
)
from gateway.mail.tenant import Security


@dataclass(frozen=True)
class Section:
    host: str
    security: Security = Security.STARTTLS
    waits: tuple[timedelta, ...] = ()
    limit: Size | None = None
    issued: date | None = None


def test_a_table_becomes_the_frozen_value() -> None:
    table = {"host": "mx", "security": "tls", "waits": ["5s", "2h"], "limit": "25MB"}
    assert read_table(Section, table) == Section(
        "mx", Security.TLS, (timedelta(seconds=5), timedelta(hours=2)), Size(25 * 1024**2)
    )


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"hots": "mx"}, "did you mean 'host'"),
        ({}, "host: this key is missing"),
        ({"host": 5}, "host: expects text in quotes"),
        ({"host": "mx", "security": "ssl"}, "did you mean 'tls'"),
        ({"host": "mx", "waits": ["5"]}, "is not a duration"),
        ({"host": "mx", "waits": "5s"}, "expects a list"),
        ({"host": "mx", "waits": ["9999999999d"]}, "longer than a hundred years: write 36500d"),
        ({"host": "mx", "limit": "many"}, "is not a size"),
        ({"host": "mx", "issued": "soon"}, "issued: "),
    ],
)
def test_what_does_not_fit_is_told_with_its_key(
    table: dict[str, object], sentence: str
) -> None:
    with pytest.raises(SchemaError, match=sentence):
        read_table(Section, table)


@pytest.mark.parametrize("word", ["amazon", "amazn-buyer-message"])
def test_a_part_of_a_name_is_near_enough_to_it(word: str) -> None:
    sentence = unknown_key(word, ["qq", "amazon-buyer-messages"], thing="provider")
    assert sentence.endswith("did you mean 'amazon-buyer-messages'?")


def test_durations_and_sizes_carry_their_unit() -> None:
    assert parse_duration("30d") == timedelta(days=30)
    assert parse_size("1GB") == 1024**3


def test_a_limit_is_a_number_in_a_time() -> None:
    assert parse_limit("10/10m") == (10, 600.0)


@pytest.mark.parametrize("text", ["10", "0/1m", "x/1m", "10/", "10/10", "-1/1m"])
def test_what_is_no_limit_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        parse_limit(text)


def test_where_nothing_is_known_none_is_listed() -> None:
    sentence = unknown_key("desk", [], thing="route")
    assert sentence == "there is no route 'desk', nor any other"
