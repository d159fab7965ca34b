"""Our effects beside those of Pigeonhole's `sieve-test`, where both support the script."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings

from gateway.sieve.interface import CompileError
from gateway.sieve.script import compile_script
from tests.servers.need import need
from tests.servers.sieve_test import Effect, SieveTest, Verdict
from tests.sieve.generated import REQUIRE, letters, scripts
from tests.sieve.outside import LETTER, World

# By hand: DIFFERENTIAL_EXAMPLES=10000 pytest tests/sieve/test_differential.py
EXAMPLES = int(os.environ.get("DIFFERENTIAL_EXAMPLES", "300"))
SENDER, RECIPIENT = "ann+d@x.example", "me+tag@y.example"
KINDS = {"keep": "store", "fileinto": "store", "redirect": "redirect", "vacation": "vacation",
         "reject": "reject", "notify": "notify"}  # fmt: skip

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def pigeonhole() -> Iterator[SieveTest]:
    need("sieve-test", root=True)
    program = SieveTest()
    yield program
    program.close()


def ours(script: str, mail: bytes) -> Verdict:
    """Return our own verdict in the words of the other."""
    world = World(envelopes={"from": [SENDER], "to": [RECIPIENT]})
    try:
        compiled = compile_script(script, name="x.sieve", loader=world, strict=True)
    except CompileError as error:
        return Verdict(compiles=False, failed=True, effects=frozenset(), said=str(error))
    result = compiled.run(mail, world)
    effects = [
        Effect(
            KINDS[one.kind],
            "INBOX" if one.kind == "keep" else one.target,
            tuple(sorted(flag.lower() for flag in one.flags))
            if KINDS[one.kind] == "store" else (),
        )
        for one in result.actions
        if one.kind in KINDS
    ]  # fmt: skip
    said = result.error.message if result.error else ""
    return Verdict(
        compiles=True, failed=result.error is not None, effects=frozenset(effects), said=said
    )


def assert_equal(mine: Verdict, theirs: Verdict) -> None:
    if not theirs.compiles:
        return  # it does not support the script, is stricter, or crashed on it
    assert mine.compiles, mine.said
    assert mine.failed == theirs.failed, f"{mine.said}\n{theirs.said}"
    if not mine.failed:
        assert mine.effects == theirs.effects, f"{mine.effects}\n{theirs.said}"


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES == 300,
    suppress_health_check=list(HealthCheck),
)
@given(script=scripts, mail=letters())
def test_generated_scripts_have_the_same_effects(
    pigeonhole: SieveTest, script: str, mail: bytes
) -> None:
    theirs = pigeonhole.run(script, mail, sender=SENDER, recipient=RECIPIENT)
    assert_equal(ours(script, mail), theirs)


OWN = (
    'if header :contains "subject" "Rückgabe" { fileinto "returns"; }',
    'if header :is :comparator "i;octet" "subject" "Rückgabe of my lamp" { discard; }',
    'if header :matches "subject" "R*ckgabe*" { fileinto "x ${2}"; }',
    'foreverypart { extracttext "t"; if string :contains "${t}" "send" { fileinto "part"; } }',
    'if envelope :detail "to" "tag" { addflag "d"; }',
    'if not envelope :localpart "from" "ann" { discard; }',
    'if not address :user ["to", "cc"] "support" { discard; stop; } keep :flags "\\\\Seen";',
    'set :upperfirst :lower "n" "ANN";'
    ' if string :is :comparator "i;octet" "${n}" "Ann" { stop; }',
    'deleteheader "subject"; if exists "subject" { discard; } addheader "Subject" "a";'
    ' vacation "x";',
    'if date :zone "+0000" "date" "hour" "08" { fileinto "morning";'
    ' } else { fileinto "other"; }',
    'addflag ["a", "b c"]; removeflag "B";'
    ' if hasflag :count "eq" "2" { redirect :copy "q@x.example"; }',
    'vacation :days 3 :subject "Away" "text"; vacation "twice";',
    'keep; reject "no";',
    'redirect "a@x.example"; redirect "a@X.EXAMPLE"; fileinto :copy "b"; discard;',
    'if header "x-folded" "a b" { discard; }',
    'addheader "Date" "none"; if date "date" "year" "2025" { discard; }',
)


@pytest.mark.parametrize("body", OWN)
def test_our_own_scripts_have_the_same_effects(pigeonhole: SieveTest, body: str) -> None:
    script = REQUIRE + body
    letter = b"X-Folded: a\r\n\tb\r\n" + LETTER
    theirs = pigeonhole.run(script, letter, sender=SENDER, recipient=RECIPIENT)
    assert theirs.compiles, theirs.said
    assert_equal(ours(script, letter), theirs)
