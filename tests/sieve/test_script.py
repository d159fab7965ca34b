"""Text to a script, a script and a letter to a result; never an exception."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sieve.interface import CompileError, Limits, Passed
from gateway.sieve.language import LANGUAGE
from gateway.sieve.script import compile_script
from tests.sieve.outside import LETTER, World, kinds, run


def faults(source: str, *, strict: bool = False, world: World | None = None) -> list[str]:
    with pytest.raises(CompileError) as caught:
        compile_script(source, name="x.sieve", loader=world or World(), strict=strict)
    return [one.message for one in caught.value.diagnostics]


def failure(source: str, *, limits: Limits, letter: bytes = LETTER) -> str:
    world = World()
    script = compile_script(source, name="x.sieve", loader=world, limits=limits)
    result = script.run(letter, world, limits=limits)
    assert result.error is not None
    assert (result.actions, result.keeps) == ((), False)
    return result.error.message


def test_a_script_without_require_has_every_extension() -> None:
    assert kinds(run('set "x" "a"; fileinto "${x}";')) == ["fileinto"]


def test_a_script_with_require_is_held_to_it() -> None:
    assert faults('require "variables"; fileinto "x";') == [
        "'fileinto' needs require \"fileinto\""
    ]


def test_a_strict_script_needs_require() -> None:
    assert faults('fileinto "x";', strict=True) == ["'fileinto' needs require \"fileinto\""]


def test_every_fault_of_a_script_is_reported_at_once() -> None:
    source = 'keeep;\nif header :is "a" { }\nfileinto 3;\nstop "x";\nredirect "no";'
    assert len(faults(source)) == 5


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ('fileinto "desks";', "did you mean 'desk'?"),
        ('agent "returnz";', "did you mean 'returns'?"),
        ('if header :list "from" "vipp" { keep; }', "did you mean 'vip'?"),
        ('route "desks";', "did you mean 'desk'?"),
    ],
)
def test_a_constant_name_that_nobody_knows_is_an_error(source: str, said: str) -> None:
    world = World(known={"route": ["desk"], "agent": ["returns"], "list": ["vip"]})
    assert faults(source, world=world)[0].endswith(said)


@pytest.mark.parametrize(
    ("source", "limits", "said"),
    [
        ("keep; keep; keep;", Limits(steps=2), "too many steps"),
        ("keep;", Limits(chain_seconds=-1), "too long"),
        ('redirect "a@b.example"; redirect "c@b.example";', Limits(redirects=1), "redirect"),
        ('fileinto "a"; fileinto "b";', Limits(actions=1), "number of actions"),
        ('set "a" "1"; set "b" "2"; set "c" "${a}${b}";', Limits(string_bytes=1), "string"),
        ('addheader "A" "1"; addheader "B" "1";', Limits(added_headers=1), "headers added"),
        ('if body :text "x" { keep; }', Limits(mime_parts=0), "parts"),
    ],
)
def test_a_limit_is_a_run_time_error_without_actions(
    source: str, limits: Limits, said: str
) -> None:
    assert said in failure(source, limits=limits)


def test_a_chain_has_its_time_once_and_not_once_a_file() -> None:
    spent = run("keep;", passed=Passed(seconds=Limits().chain_seconds))
    assert spent.error is not None
    assert "too long" in spent.error.message
    assert run("keep;", passed=Passed(seconds=1.0)).passed.seconds > 1.0


@pytest.mark.parametrize(
    ("how", "keys"),
    [
        ("matches", [f"*a?{number}*" for number in range(100)]),
        ("matches", ["*" + "?a" * 20_000 + "b*"]),
        ("contains", [f"{number}" for number in range(3000)]),
    ],
)
def test_the_time_is_looked_at_within_a_step_that_compares_much(
    how: str, keys: list[str]
) -> None:
    listed = ", ".join(f'"{key}"' for key in keys)
    source = f"if body :raw :{how} [{listed}] {{ keep; }}"
    script = compile_script(source, name="x", loader=World())
    letter = b"A: b\r\n\r\n" + b"a" * 60_000
    result = script.run(letter, World(), limits=Limits(chain_seconds=0.05))
    assert result.timed_out


@pytest.mark.parametrize("how", [":is", ":value"])
def test_the_time_is_looked_at_between_the_many_values_of_a_step(how: str) -> None:
    keys = ", ".join(f'"{number}"' for number in range(1000))
    relation = '"eq"' if how == ":value" else ""
    source = f'if header {how} {relation} "a" [{keys}] {{ keep; }}'
    script = compile_script(source, name="x", loader=World())
    assert script.run(
        b"a: z\r\n" * 20_000, World(), limits=Limits(chain_seconds=0.05)
    ).timed_out


def test_thousands_of_fields_are_deleted_in_no_time() -> None:
    source = 'deleteheader "a"; if exists "a" { discard; }'
    patient = Limits(chain_seconds=20)  # it takes a tenth of one; a copy for each field minutes
    result = run(source, letter=b"a:\r\n" * 20_000, limits=patient)
    assert (result.error, kinds(result)) == (None, ["keep?"])
    assert len(result.passed.edits) == 20_000


def test_a_trace_has_an_end() -> None:
    letter = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"--x\r\n\r\n" * 400
    source = "foreverypart { " + 'if header "a" "b" { keep; } ' * 50 + "}"
    limits = Limits(chain_seconds=60)  # its time is not what ends it, however slow it is here
    script = compile_script(source, name="x.sieve", loader=World())
    trace = script.run(letter, World(), limits=limits).trace
    assert trace[-1][2] == "the trace is too long and ends here"
    assert sum(len(text) for _, _, text in trace) <= Limits().trace_characters + 600


def test_text_counts_as_it_is_decoded_and_the_cut_is_in_the_trace() -> None:
    part = b"--x\r\nContent-Type: text/html\r\n\r\n<b></b>\r\n"
    letter = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + part * 3 + b"--x\r\n\r\nend"
    script = compile_script('if body :text :contains "end" { keep; }', name="x", loader=World())
    for limit, warnings in ((23, 1), (25, 0)):
        trace = script.run(letter, World(), limits=Limits(body_text_bytes=limit)).trace
        assert (
            sum("warning: text of the body was cut" in text for _, _, text in trace) == warnings
        )


def test_a_run_time_error_names_its_line() -> None:
    result = run('keep;\nerror "not today";\n')
    assert result.error is not None
    assert (result.error.line, result.error.message) == (2, "not today")
    assert result.error.source_line == 'error "not today";'


def test_a_script_larger_than_the_limit_is_refused() -> None:
    with pytest.raises(CompileError):
        compile_script("#" * 100, name="x", loader=World(), limits=Limits(script_bytes=99))


def test_deep_blocks_in_deep_includes_are_refused() -> None:
    deep = "if true { " * 32 + 'include "{}";' + "}" * 32
    world = World(scripts={str(n): deep.replace("{}", str(n + 1)) for n in range(9)})
    world.scripts["9"] = "keep;"
    assert "nested too deeply" in faults(deep.replace("{}", "0"), world=world)[0]


def test_a_script_starts_where_the_one_before_ended() -> None:
    first = run('addheader "X-A" "1"; addflag "vip"; global "g"; set "g" "v"; set "p" "v";')
    second = run(
        'if not header "x-a" "1" { stop; } global "g"; set "p" "${p}";'
        ' if string "${g}${p}" "v" { fileinto "ok"; }',
        passed=first.passed,
    )
    assert kinds(second) == ["fileinto"]
    assert second.actions[0].flags == ("vip",)


def test_the_same_action_of_an_earlier_script_counts_once() -> None:
    first = run('fileinto :copy "a";')
    assert kinds(run('fileinto "a"; fileinto "b";', passed=first.passed)) == ["fileinto"]


@pytest.mark.parametrize("earlier", ["keep;", 'fileinto :copy "a";', 'vacation "x";'])
def test_a_rejection_after_a_delivery_is_an_error_of_the_later_script(earlier: str) -> None:
    result = run('reject "no";', passed=run(earlier).passed)
    assert result.error is not None
    assert "conflicts" in result.error.message


def test_the_implicit_keep_is_not_handed_on() -> None:
    result = run("stop;")
    assert kinds(result) == ["keep?"]
    assert (result.keeps, result.passed.actions) == (True, ())


def test_the_trace_tells_each_step_with_what_was_compared() -> None:
    result = run('if header :contains "Subject" "lamp" {\n  fileinto "lamps";\n}')
    assert [(line, text) for _, line, text in result.trace] == [
        (1, 'header :contains "Subject" "lamp": true ("Rückgabe of my lamp" contains "lamp")'),
        (2, 'fileinto "lamps"'),
    ]


def test_what_a_command_compared_is_not_told_of_the_next_test() -> None:
    result = run('deleteheader "subject" "desk"; if exists "subject" { stop; }')
    assert result.trace[1][2] == 'exists "subject": true'


WORDS = [
    *LANGUAGE.signatures,
    *(f":{tag.name}" for one in LANGUAGE.signatures.values() for tag in one.tags),
    *('"Subject"', '"*a?${1}${x}"', '"from"', '"a@b.example"', '["To", "x"]', '"${hex:ff}"'),
    *("{", "}", "(", ")", ",", ";", ";", "1", "4G", "text:\n", '"', "\\", "#", "/*", "${", "ü"),
]


@given(st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join))
@settings(max_examples=300, deadline=None)
def test_no_script_raises_anything_but_a_compile_error(source: str) -> None:
    world = World()
    with suppress(CompileError):
        compile_script(source, name="x", loader=world).run(LETTER, world)


@given(st.text(max_size=200))
@settings(max_examples=100, deadline=None)
def test_no_text_raises_anything_but_a_compile_error(source: str) -> None:
    with suppress(CompileError):
        compile_script(source, name="x", loader=World())


EVERYTHING = compile_script(
    """if address :detail :matches ["from", "to"] "*" { keep; }
    if header :mime :anychild :param "filename" :regex "Content-Type" "(.*)e" { keep; }
    if body :text :contains "x" { keep; } if body :content "" :matches "*a?" { keep; }
    if date :index 1 :last "date" "julian" "1" { keep; }
    if envelope :comparator "i;unicode-casemap" :contains "to" "Ä" { keep; }
    if header :value "gt" :comparator "i;ascii-numeric" ["x", "subject"] "3" { keep; }
    foreverypart { extracttext :first 10 "t"; if string "${t}" "b" { replace "c"; } }
    addheader "X" "${t}${1}"; deleteheader :matches "subject" "*";
    if size :over 10 { enclose :subject "${t}" "x"; } vacation "${message.subject}";
    if exists "from" { fileinto :create "${t}"; }""",
    name="everything.sieve",
    loader=World(),
)
PIECES = [
    *(b"From: ", b"To: <a@b", b"Subject: =?utf-7?q?+2AA-?=", b"Date: 1 Jan 99999 1:1 +0000"),
    *(
        b"Content-Type: multipart/mixed; boundary=a",
        b"--a",
        b"--a--",
        b"Content-Type: text/html",
    ),
    *(b"Content-Transfer-Encoding: base64", b"Content-Type: message/rfc822", b"\xff\xfe\x00"),
    *(
        b"\r\n",
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b"=?",
        b"?=",
        b"a; name*0*=x''%",
        b"(((",
        b"<b>",
        b"&#xd800;",
    ),
]


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=9)), max_size=30))
@settings(max_examples=250, deadline=None)
def test_no_message_raises(pieces: list[bytes]) -> None:
    result = EVERYTHING.run(b"".join(pieces), World())
    assert result.error is None or result.error.message


def test_a_hostile_message_stays_inside_the_time_limit() -> None:
    letter = b"From: " + b"<@" * 100_000 + b"\r\nSubject: " + b"=?a?q?x" * 50_000 + b"\r\n\r\n"
    result = EVERYTHING.run(letter + b"<script>" * 100_000, World(), passed=Passed())
    assert result.error is None or "too long" in result.error.message
