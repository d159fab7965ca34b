"""Values with parameters."""

from __future__ import annotations

import pytest

from gateway.sieve.parameters import parse_structured


@pytest.mark.parametrize(
    ("text", "value", "parameters"),
    [
        ("Text/Plain; Charset=UTF-8", "text/plain", {"charset": "UTF-8"}),
        ('a/b; name="x;\\"y"; z=1', "a/b", {"name": 'x;"y', "z": "1"}),
        ("a/b; n*=utf-8''%C3%BC.exe", "a/b", {"n": "ü.exe"}),
        ("a/b; n*0*=us-ascii'en'a%20; n*1=b; n*2=c", "a/b", {"n": "a bc"}),
        ("a/b; n==?utf-8?q?=C3=BC?=", "a/b", {"n": "ü"}),
        ("a/b; n*=utf-8''\udcff%41", "a/b", {"n": "\ufffdA"}),
        ("a/b/c", "/", {}),
        ("", "", {}),
        ("a/b; ;;=;x", "a/b", {}),
    ],
)
def test_value_and_parameters_are_found(
    text: str, value: str, parameters: dict[str, str]
) -> None:
    found = parse_structured(text)
    assert (found.value, found.parameters) == (value, parameters)
