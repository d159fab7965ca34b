"""The standard extensions beyond what the suites beside this test show."""

from __future__ import annotations

import pytest

from gateway.mail.message import parse_message
from gateway.sieve.extensions import editheader, scores, surroundings
from gateway.sieve.interface import CompileError, Limits, Scores
from gateway.sieve.script import compile_script
from tests.sieve.outside import LETTER, World, holds, kinds, run


@pytest.mark.parametrize(
    ("name", "protected"), [("Received", True), ("X-Gateway-Tags", True), ("Subject", False)]
)
def test_headers_that_others_trust_are_protected(name: str, *, protected: bool) -> None:
    for adding in (True, False):
        assert editheader.is_protected(name, Limits(), adding=adding) is protected


def test_an_action_keeps_the_header_as_it_was_then() -> None:
    result = run('fileinto :copy "a"; addheader "X-A" "1"; fileinto :copy "b";')
    assert [len(action.edits) for action in result.actions] == [0, 1, 1]


def test_the_header_of_the_whole_is_the_edited_one_for_mime_tests_too() -> None:
    asked = 'header :mime :contains "subject" "lamp"'
    source = f'if {asked} {{ deleteheader "subject"; }} if {asked} {{ discard; }}'
    assert kinds(run(source)) == ["keep?"]


def test_a_deleted_header_is_counted_before_the_edit() -> None:
    result = run('deleteheader :index 1 :last "to"; deleteheader "subject";')
    assert [(one.name, one.index) for one in result.passed.edits] == [("to", 1), ("subject", 1)]


@pytest.mark.parametrize(
    "test",
    [
        'address :detail "to" "de"',
        'address :user "to" "support"',
        'not address :detail "from" ""',
        'address :detail :count "eq" "from" "1"',
        'body :raw :contains "send it"',
        'body :text :contains "SEND"',
        'date :originalzone "date" "hour" "10"',
        'date :zone "+0000" "date" "hour" "08"',
        'currentdate :value "ge" "date" "2025-07-01"',
        'environment "phase" "post"',
        'not environment :count "eq" "nonsense" "0"',
        'mailboxexists "desk"',
        'not mailboxexists ["desk", "none"]',
        'duplicate :uniqueid "seen"',
        "not duplicate",
        'ihave "fileinto"',
        'not ihave "nonsense"',
        'valid_notify_method "mailto:a@b.example"',
        'not valid_notify_method "tel:1"',
        'envelope :domain "from" "customer.example"',
        'not spamtest :value "gt" "0"',
    ],
)
def test_a_test_is_true(test: str) -> None:
    world = World(boxes={"desk"}, seen={"seen"}, items={"phase": "post"})
    assert holds(test, world=world)


def test_a_block_that_needs_what_is_missing_compiles_and_never_runs() -> None:
    assert surroundings.NOT_BY_IHAVE
    assert kinds(run('if ihave "nonsense" { nonsense; } keep;')) == ["keep"]
    assert kinds(run('if not ihave "nonsense" { keep; } else { nonsense; }')) == ["keep"]
    with pytest.raises(CompileError):
        run('if not ihave "nonsense" { nonsense; } else { keep; }')


@pytest.mark.parametrize(
    ("header", "value"),
    [("0", "1"), ("2.5", "5"), ("9", "10"), ("x", "0"), ("9" * 400, "10")],
)
def test_a_filters_score_is_one_to_ten_and_zero_is_untested(header: str, value: str) -> None:
    assert scores.SIGNATURES
    limits = Limits(spam=Scores(header="X-Score", maximum=5.0))
    letter = f"X-Score: {header}\r\n".encode() + LETTER
    script = compile_script(
        f'if spamtest :value "eq" "{value}" {{ discard; }}', name="x", loader=World()
    )
    assert kinds(script.run(letter, World(), limits=limits)) == ["discard"]
    believed = World(filtered=[header])
    assert kinds(script.run(LETTER, believed, limits=limits)) == ["discard"]


def test_a_score_of_an_endless_maximum_is_none() -> None:
    limits = Limits(spam=Scores(header="X-Score", maximum_header="X-Most"))
    endless = "9" * 400
    letter = f"X-Score: {endless}\r\nX-Most: {endless}\r\n".encode() + LETTER
    script = compile_script('if spamtest "0" { discard; }', name="x", loader=World())
    assert kinds(script.run(letter, World(), limits=limits)) == ["discard"]


def test_a_strangers_score_says_nothing() -> None:
    limits = Limits(spam=Scores(header="X-Score"))
    script = compile_script('if spamtest "0" { discard; }', name="x", loader=World())
    letter = b"X-Score: 1\r\n" + LETTER
    assert kinds(script.run(letter, World(filtered=[]), limits=limits)) == ["discard"]


def test_an_included_script_has_variables_of_its_own() -> None:
    world = World(scripts={"lib": 'set "x" "inner"; set "global.y" "seen"; return; discard;'})
    result = run('set "x" "outer"; include "lib"; fileinto "${x}${global.y}";', world=world)
    assert [action.target for action in result.actions] == ["outerseen"]


@pytest.mark.parametrize(
    "scripts", [{"a": 'include "a";'}, {"a": 'include "b";', "b": 'include "a";'}, {}]
)
def test_an_include_that_cannot_be_is_an_error(scripts: dict[str, str]) -> None:
    with pytest.raises(CompileError):
        run('include "a";', world=World(scripts=scripts))


def test_a_fault_in_an_included_script_is_told_with_its_own_file() -> None:
    with pytest.raises(CompileError) as caught:
        run('include "a";', world=World(scripts={"a": "keep;\nkeeep;"}))
    assert [(one.file, one.line) for one in caught.value.diagnostics] == [
        ("test.sieve", 1),
        ("a.sieve", 2),
    ]


def test_flags_are_kept_once_and_in_order() -> None:
    result = run('addflag ["vip urgent", "VIP"]; removeflag "urgent"; addflag "\\\\Seen";')
    assert result.passed.flags == ("vip", "\\Seen")


def test_a_notification_to_anything_but_mail_does_not_compile() -> None:
    with pytest.raises(CompileError):
        run('notify "tel:+1";')
    assert kinds(run('notify :message "m" "mailto:a@b.example";')) == ["notify", "keep?"]


def test_replaced_content_goes_with_later_actions_and_to_the_next_script() -> None:
    result = run('fileinto :copy "a"; replace "new"; fileinto "b";')
    assert result.actions[0].content is None
    assert result.actions[1].content == result.passed.content
    assert kinds(run('if body "new" { discard; }', passed=result.passed)) == ["keep?"]
    assert kinds(run('if body :contains "new" { discard; }', passed=result.passed)) == [
        "discard"
    ]


def in_parts(*types: bytes) -> bytes:
    return b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"".join(
        b"--x\r\nContent-Type: text/" + one + b"\r\n\r\n" + one * 2 + b"\r\n" for one in types
    )


@pytest.mark.parametrize("action", ['fileinto "b"', 'fileinto :copy "b"', 'hold "look"'])
def test_an_action_in_a_loop_goes_with_the_parts_replaced_so_far(action: str) -> None:
    is_bad = 'header :mime :subtype "content-type" "bad"'
    result = run(
        'addheader "X-A" "1"; foreverypart {'
        f' if {is_bad} {{ replace "removed"; {action}; }} }}',
        letter=in_parts(b"bad", b"good"),
    )
    taken = result.actions[0]
    assert taken.content is not None
    assert b"badbad" not in taken.content
    assert b"removed" in taken.content
    assert b"goodgood" in taken.content
    assert (taken.content.startswith(b"X-A: 1\r\n"), taken.edits) == (True, ())


def test_what_is_enclosed_in_a_loop_has_its_parts_replaced_or_the_script_fails() -> None:
    script = (
        'foreverypart { if header :mime :subtype "content-type" "bad"'
        ' { replace "removed"; enclose "see below"; } }'
    )
    content = run(script, letter=in_parts(b"bad", b"good")).passed.content
    assert content is not None
    assert b"badbad" not in content
    assert b"goodgood" in content
    second = run(script, letter=in_parts(b"bad", b"bad")).error
    assert second is not None
    assert "was enclosed before" in second.message


def test_a_message_that_encloses_has_no_field_that_a_script_must_not_write() -> None:
    lines = ("X-A: 1", "x-gateway-tags: vip", "content-type: a/b", "no\r\nfield: x", "none")
    headers = ", ".join(f'"{one}"' for one in lines)
    result = run(f'enclose :subject "s" :headers [{headers}, "SUBJECT: t"] "x";')
    message = parse_message(result.passed.content or b"")
    given = {one.name: one.value for one in message.fields}
    assert (given["X-A"], given["Subject"], "SUBJECT" in given) == ("1", "s", False)
    assert [one.name for one in message.fields].count("Content-Type") == 1
    assert message.first("X-Gateway-Tags") is None
    assert message.first("field") is None
    assert sum("warning: enclose" in text for _, _, text in result.trace) == 4


def test_a_redirect_goes_to_each_address_in_a_list() -> None:
    """RFC 6134 §2.4; an entry that is no address stands there for tests alone."""
    world = World(lists={"team": {"a@x.example", "b@x.example", "@y.example"}, "none": {"z"}})
    result = run('redirect :list "team";', world=world)
    assert [one.target for one in result.actions] == ["a@x.example", "b@x.example"]
    nobody = run('redirect :list :copy "none";', world=world)
    assert nobody.error is not None
    assert "no mail address" in nobody.error.message


@pytest.mark.parametrize("value", ["ann", "<ann>", "Ann Lee", "ann@", "team:;", ""])
def test_a_field_without_an_address_is_compared_as_a_whole_alone(value: str) -> None:
    """RFC 5228 §2.7.4: what is not valid has no local part and no domain."""
    letter = f"Cc: {value}\r\n\r\n".encode()
    parts = 'address :localpart :matches "cc" "*", address :domain :matches "cc" "*"'
    test = f'allof (address :is "cc" "{value}", not anyof ({parts}))'
    assert kinds(run(f'if {test} {{ fileinto "found"; }}', letter=letter)) == ["fileinto"]


def test_what_is_no_address_beside_one_is_nobody() -> None:
    letter = b"Cc: ann, bo@example.net\r\n\r\n"
    test = 'allof (address :count "eq" "cc" "1", not address :contains "cc" "ann")'
    assert kinds(run(f'if {test} {{ fileinto "found"; }}', letter=letter)) == ["fileinto"]
