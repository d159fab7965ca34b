"""`:index` counts fields, and `:mime` looks into parts."""

from __future__ import annotations

import pytest

from gateway.sieve.extensions.selection import INDEX, MIME, MIME_OPTIONS
from gateway.sieve.interface import CompileError
from tests.sieve.outside import holds

LETTER = (
    b"To: a@x.example, b@x.example\r\nCc: c@x.example\r\nTo: d@x.example\r\n"
    b"Content-Type: multipart/mixed; boundary=A\r\n\r\n"
    b"--A\r\nContent-Type: Text/Plain; charset=UTF-8\r\n\r\nx\r\n--A--\r\n"
)


def test_the_tags_are_extensions() -> None:
    assert {tag.capability for tag in (*INDEX, *MIME, *MIME_OPTIONS)} == {"index", "mime"}


@pytest.mark.parametrize(
    "test",
    [
        'address :index 2 ["to", "cc"] "d@x.example"',
        'address :index 3 ["to", "cc"] "c@x.example"',
        'address :index 2 :last "to" "b@x.example"',
        'not address :index 4 ["to", "cc"] "c@x.example"',
        'header :mime :type "content-type" "multipart"',
        'header :mime :anychild :subtype "content-type" "plain"',
        'header :mime :anychild :param "charset" "content-type" "utf-8"',
        'not header :mime :contenttype "content-type" "text/plain"',
        'exists :mime :anychild ["to", "content-type"]',
    ],
)
def test_the_fields_that_are_meant_are_found(test: str) -> None:
    assert holds(test, letter=LETTER)


@pytest.mark.parametrize(
    "test", ['header :last "a" "b"', 'header :index 0 "a" "b"', 'header :anychild "a" "b"']
)
def test_a_tag_that_means_nothing_alone_does_not_compile(test: str) -> None:
    with pytest.raises(CompileError):
        holds(test)
