"""What editors are told of the language is what its declarations say."""

from __future__ import annotations

import pytest

from gateway.sieve.editor import usage_of, words_of_language
from gateway.sieve.extensions.older import OLDER
from gateway.sieve.language import LANGUAGE
from gateway.sieve.signature import Signature

EVERY = (*LANGUAGE.signatures.values(), *OLDER)


@pytest.mark.parametrize("signature", EVERY, ids=lambda one: one.name)
def test_everything_has_one_line_for_people(signature: Signature) -> None:
    lines = [signature.help, *(tag.help for tag in signature.tags)]
    assert all(line and line.endswith(".") and "\n" not in line for line in lines)


def test_a_command_tells_its_tags_and_arguments() -> None:
    found = {one["name"]: one for one in words_of_language()["commands"]}
    assert found["fileinto"]["extension"] == "fileinto"
    assert found["fileinto"]["arguments"] == [
        {"name": "mailbox", "kind": "a string", "optional": False}
    ]
    assert {tag["name"] for tag in found["fileinto"]["tags"]} == {":copy", ":create", ":flags"}
    assert found["if"]["tests"] == "one"
    assert found["if"]["block"]
    assert found["setflag"]["arguments"][0]["optional"]


def test_what_is_a_test_is_no_command() -> None:
    words = words_of_language()
    tests = {one["name"] for one in words["tests"]}
    assert "header" in tests
    assert not tests & {one["name"] for one in words["commands"]}


def test_a_usage_line_has_one_bracket_for_a_group() -> None:
    assert usage_of(LANGUAGE.signatures["size"]) == "size [:over / :under] <limit>"
    assert usage_of(LANGUAGE.signatures["not"]) == "not <test>"
    assert usage_of(LANGUAGE.signatures["deleteheader"]).endswith(
        "<field name> [<value patterns>]"
    )
