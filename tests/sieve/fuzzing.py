"""Hostile scripts and letters, made from a seed, and what must hold for every one of them.

By hand, for as long as you like: `python -m tests.sieve.fuzzing 1800`; what it finds is
written to tests/fuzz/ and stays there for good.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random, SystemRandom
from types import FrameType

from gateway.sieve.diagnostics import MAX_ERRORS, render
from gateway.sieve.glob import find_spans, parse_pattern
from gateway.sieve.interface import CompileError, Limits
from gateway.sieve.language import CAPABILITIES, SIGNATURES
from gateway.sieve.script import Script, compile_script
from tests.sieve.outside import LETTER, World

ROOT = Path(__file__).parents[2]
FOUND = ROOT / "tests" / "fuzz"
MANY = "many"  # a star, among the characters of a pattern
CPU_SECONDS = 20.0  # far above what any of these takes: a fault that never ends must be seen
LIMITS = Limits()
MULTIPART = (
    b"From: a@x.example\nSubject: =?utf-8?q?caf=C3=A9?=\nDate: 1 Jan 0001 00:00:00 +2359\n"
    b"Received: from x by y; Fri, 31 Dec 9999 23:59:59 -2359\n"
    b'Content-Type: multipart/mixed; boundary="b"; name*0*=utf-8\'\'%41; name*1="x"\n\n'
    b"--b\nContent-Type: text/html; charset=utf-7\nContent-Transfer-Encoding: base64\n\n"
    b"PGI+YWI8L2I+\n--b\nContent-Type: message/rfc822\n\nSubject: inner\n\nhello\n--b--\n"
)


def _scripts() -> list[str]:
    places = ("policies", "tests/golden/policies", "tests/sieve/suites", "tests/fuzz")
    paths = [one for place in places for one in sorted((ROOT / place).rglob("*.s[iv]*"))]
    return [path.read_text("utf-8", "replace") for path in paths]


SCRIPTS = _scripts()
WORDS = (
    *(one.name for one in SIGNATURES),
    *(f":{tag.name}" for one in SIGNATURES for tag in one.tags),
    *(f'"{one}"' for one in sorted(CAPABILITIES)),
    "if", "elsif", "else", "require", "not", "allof", "anyof", "true", "{", "}", "(", ")",
    "[", "]",
    ",", ";", ";", ";", "\n", " ", '"', "\\", '"a"', '"*"', '"?*?"', '"${a}"', '"${1}"',
    '"${hex:41"',
    '"${unicode:110000}"', "text:\n", "text:\nx\n.\n", "#", "/*", "*/", "0", "1K",
    "99999999999999999999G",
    '"from"', '"subject"', '"date"', '"i;ascii-numeric"', '"i;octet"', '"a@b.example"',
    '"INBOX"',
    "\x00", "\ufeff", "\u00e9", "\U0001f600", '"(a*)*b"', '"((a+)+)+$"', '"\\\\"', '"ge"',
    '"mailto:a@b.c"',
)  # fmt: skip
HEADERS = ("From", "To", "Cc", "Subject", "Date", "Received", "Content-Type", "X-A", "List-Id")
PIECES = (
    b"=?utf-8?q?", b"?=", b"=?utf-8?b?", b"&#", b"9" * 5000, b"\x00", b"\xff\xfe", b"(",
    b")", b"<", b">",
    b'"', b"\\", b",", b";", b":", b"@", b"=", b"a", b" ", b"\t", b"\r\n", b"\n", b"\r",
    b"--b", b"--b--",
    b"\n\n", b"<style>", b"<!--", b"&amp;", b"multipart/", b"message/rfc822",
    b'boundary="b"', b"%41",
    b"name*0*=", b"[", b"]", b"31 Dec 9999 23:59:59 -2359", b"1 Jan 0001 00:00:00 +2359",
    b"+-0",
)  # fmt: skip


def make_script(random: Random) -> str:
    """Return a script: a soup of words, a known one with faults, or one that grows."""
    kind = random.randrange(4)
    if kind == 0:
        return "".join(random.choices(WORDS, k=random.randrange(1, 80)))
    if kind == 1:
        return " ".join(random.choices(WORDS, k=random.randrange(1, 80)))
    if kind == 2:
        return _mutated(random, random.choice(SCRIPTS), WORDS)
    return random.choice(GROWING)(random.randrange(1, 3000))


def make_letter(random: Random) -> bytes:
    """Return a letter: a known one with faults, or one whose header or body is a soup."""
    kind = random.randrange(3)
    if kind == 0:
        text = random.choice((LETTER, MULTIPART)).decode("latin-1")
        pieces = tuple(one.decode("latin-1") for one in PIECES)
        return _mutated(random, text, pieces).encode("latin-1")
    if kind == 1:
        lines = [
            random.choice(HEADERS).encode() + b": " + b"".join(random.choices(PIECES, k=12))
            for _ in range(random.randrange(12))
        ]
        return b"\r\n".join(lines) + b"\r\n\r\n" + b"".join(random.choices(PIECES, k=20))
    return random.choice(PIECES) * random.randrange(1, 3000) + random.choice(
        (LETTER, MULTIPART)
    )


def _mutated(random: Random, text: str, pieces: tuple[str, ...]) -> str:
    for _ in range(random.randrange(1, 8)):
        at, size = random.randrange(len(text) + 1), random.randrange(12)
        new = random.choice((*random.choices(pieces, k=2), text[at : at + size] * 3, ""))
        text = text[:at] + new + text[at + size :]
    return text


READER = "".join(
    f'if {test} {{ fileinto :copy "x"; }}\n'
    for test in (
        *(f'header :matches "{one}" ["*a*?", "\\\\*"]' for one in HEADERS),
        *(f'header :regex "{one}" "(a|=)+.*"' for one in HEADERS),
        *(
            f'address {part} :contains "from" "a"'
            for part in (":all", ":user", ":detail", ":domain")
        ),
        *(
            f'date {zone} "{one}" "{part}" "1"'
            for zone in (":originalzone", ':zone "-2359"', ':zone "+2359"')
            for one in ("date", "received")
            for part in ("date", "julian", "iso8601", "weekday")
        ),
        *(
            f'body {how} :contains "b"'
            for how in (":raw", ":text", ':content ""', ':content "text"')
        ),
        *(
            f'header :mime :anychild {how} :contains "content-type" "a"'
            for how in (
                ":type",
                ":subtype",
                ":contenttype",
                ':param "boundary"',
                ':param "name"',
            )
        ),
        'header :value "ge" :comparator "i;ascii-numeric" "subject" "1"',
        'header :contains :comparator "i;unicode-casemap" "subject" "\u00df"',
        "size :over 1K",
        "duplicate",
        'exists ["from", "x-a"]',
    )
) + (
    'foreverypart { extracttext :upper "t"; addheader "X-A" "${t}";'
    ' deleteheader :index 1 "x-a"; }'
)
GROWING = (
    lambda n: "if true {" * n + "keep;" + "}" * n,
    lambda n: "if " + "not " * n + "true { keep; }",
    lambda n: "if " + "anyof(" * n + "true" + ")" * n + " { keep; }",
    lambda n: "foreverypart {" * (n % 40) + 'set "a" "${a}x";' + "}" * (n % 40),
    lambda n: 'set "a" "x";' + 'set "a" "${a}${a}${a}${a}";' * n,
    lambda n: 'set "a" "' + "${" * n + '}";',
    lambda n: 'set "a" "' + "${a}" * n + '"; set "a" "${a}";',
    lambda n: "".join(f'set "v{number}" "x";' for number in range(n)),
    lambda n: 'if header :matches "subject" "' + "*?" * n + '" { keep; }',
    lambda n: 'if body :matches "' + "*a?" * (n % 200) + '" { keep; }',
    lambda n: 'if header :regex "subject" "' + "(a*)*" * (n % 300) + '" { keep; }',
    lambda n: 'if body :regex "' + "(.*)" * (n % 60) + 'x" { keep; }',
    lambda n: 'addheader "X-A" "b";' * n,
    lambda n: 'redirect :copy "a@b.example";' * n,
    lambda n: "".join(f'fileinto :copy "f{number}";' for number in range(n)),
    lambda n: "keeep;" * n,
    lambda n: "a" * n * 50,
    lambda n: '"' + "x" * n,
    lambda n: "[" * n,
    lambda n: 'keep :flags "' + "a" * n + '";',
    lambda n: "if header [" + '"a",' * n + '"a"] "b" { keep; }',
    lambda n: 'deleteheader :matches "x-a" "*";' * n,
    lambda n: "# x\n" * n + "/*" * n,
)


def check(script: str, letter: bytes) -> None:
    """Compile and run; whatever comes out is a value within the limits, and soon."""
    with _watched():
        world = World()
        try:
            compiled = compile_script(script, name="x.sieve", loader=world)
        except CompileError as error:
            _check_diagnostics(error, script)
            return
        _check_run(compiled, letter, world)


def _check_diagnostics(error: CompileError, script: str) -> None:
    lines = script.count("\n") + 1
    assert 0 < len(error.diagnostics) <= MAX_ERRORS
    for one in error.diagnostics:
        assert 1 <= one.line <= lines
        assert render(one).isprintable() or render(one)


def _check_run(script: Script, letter: bytes, world: World) -> None:
    result = script.run(letter, world)
    assert len(result.actions) <= LIMITS.actions + 1  # the implicit keep is one more
    assert sum(one.kind == "redirect" for one in result.actions) <= LIMITS.redirects
    assert result.passed.steps <= LIMITS.steps + 1
    added = [one for one in result.passed.edits if one.value is not None]
    assert len(added) <= LIMITS.added_headers
    if result.error is not None:
        assert result.actions == ()


def check_matcher(random: Random) -> None:
    """`:matches` agrees with a matcher that tries everything, and its captures fit."""
    pattern = "".join(random.choices("ab*?\\", k=random.randrange(7)))
    value = "".join(random.choices("ab", k=random.randrange(9)))
    parsed = parse_pattern(pattern)
    spans = find_spans(parsed, value)
    wanted = [one for piece in parsed.pieces for one in (MANY, *piece)][1:]
    assert (spans is not None) == _tries(wanted, value), (pattern, value)
    if spans is not None:
        taken = iter(spans)
        rebuilt = "".join(
            value[slice(*next(taken))] if one in (MANY, None) else str(one) for one in wanted
        )
        assert rebuilt == value, (pattern, value, spans)


def _tries(wanted: list[str | None], value: str) -> bool:
    if not wanted:
        return not value
    if wanted[0] == MANY:
        return any(_tries(wanted[1:], value[at:]) for at in range(len(value) + 1))
    return bool(value) and wanted[0] in (None, value[0]) and _tries(wanted[1:], value[1:])


@contextmanager
def _watched() -> Iterator[None]:
    """Raise TimeoutError when the block takes more processor time than anything should."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"more than {CPU_SECONDS} seconds of processor time")

    before = signal.signal(signal.SIGVTALRM, ring)
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def one_round(seed: int) -> None:
    """Make and check one script, one letter and one pattern; the seed is in what is raised."""
    random = Random(seed)
    script, letter = make_script(random), make_letter(random)
    try:
        check(script, letter)
        check(READER, letter)
        check_matcher(random)
    except Exception as error:
        error.add_note(f"seed {seed}")
        raise


def main(seconds: float) -> None:
    """Go on until the time is over; what is found is kept as files."""
    until, rounds = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        seed = SystemRandom().getrandbits(48)
        rounds += 1
        try:
            one_round(seed)
        except Exception as error:  # whatever it is, it is sought
            random = Random(seed)
            FOUND.mkdir(exist_ok=True)
            (FOUND / f"{seed}.sieve").write_text(make_script(random), "utf-8", newline="")
            (FOUND / f"{seed}.eml").write_bytes(make_letter(random))
            print(f"seed {seed}: {error!r}", flush=True)
    print(f"{rounds} rounds")


if __name__ == "__main__":
    main(float(sys.argv[1]))
