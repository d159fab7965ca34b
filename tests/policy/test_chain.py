"""Several files in a row on one message, and the Plan they make."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.mail.inbound import Authenticity, AuthResult
from gateway.mail.message import Edit, apply_edits
from gateway.mail.plan import Effect, EffectKind, Plan
from gateway.mail.tenant import Route, Tenant
from gateway.policy.asked import Context
from gateway.policy.chain import Chain, ChainFile, Judgement, after, run_chain
from gateway.sieve.interface import Included
from gateway.sieve.script import compile_script
from gateway.store import rows

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
ROUTES = {name: Route(name=name, type="smtp", host=name) for name in ("desk", "billing")}
ACME = Tenant(id="acme", name="Acme", route="desk", routes=ROUTES, timezone="Europe/Berlin")
CONTEXT = Context(
    tenant=ACME,
    authenticity=Authenticity(
        results=(AuthResult(method="dkim", result="pass", domain="x.org"),)
    ),
    now=NOON,
    mail_from="ann@example.org",
    rcpt_to=("shop@acme.example",),
)
MAIL = b"From: Ann <ann@example.org>\r\nTo: shop@acme.example\r\nSubject: Hi\r\n\r\nHello\r\n"


INCLUDED = {"look": 'hold "look";', "fail": 'error "broken";'}


class Library:
    def include(self, location: str, name: str) -> Included | None:
        text = INCLUDED.get(name)
        return None if text is None else Included(f"lib/{name}.sieve", text)

    def text(self, path: str) -> str | None:
        return None

    def names(self, kind: str) -> list[str] | None:
        return None


def chain_of(*texts: str, lists: dict[str, frozenset[str]] | None = None) -> Chain:
    files = tuple(
        ChainFile(
            path=f"{number}.sieve",
            script=compile_script(text, name=f"{number}.sieve", loader=Library()),
        )
        for number, text in enumerate(texts, start=1)
    )
    return Chain(kind="inbound", files=files, version="v1", lists=lists or {})


def judge(*texts: str, mail: bytes = MAIL, context: Context = CONTEXT) -> Judgement:
    return run_chain(chain_of(*texts), mail, context)


def shown(plan: Plan) -> list[tuple[str, str]]:
    return [(effect.kind.value, effect.target) for effect in plan.effects]


def test_the_end_of_a_chain_with_a_keep_is_the_default_action() -> None:
    for second in ("keep;", ""):
        for first in ("keep;", ""):
            assert shown(judge(first, second).plan) == [("store", "INBOX")]
    plan = judge("", "keep;").plan
    assert plan.effects[0].file == "2.sieve"
    assert plan.version == "v1"


def test_an_empty_chain_delivers_to_the_default_route() -> None:
    assert shown(judge().plan) == [("store", "INBOX")]


def test_stop_ends_the_file_and_not_the_chain() -> None:
    assert shown(judge("stop;", 'fileinto "billing";').plan) == [("store", "billing")]


def test_a_file_that_takes_the_message_ends_the_chain() -> None:
    plan = judge('fileinto "billing";', 'redirect "x@y.example";').plan
    assert shown(plan) == [("store", "billing")]


def test_a_copy_never_ends_the_chain() -> None:
    plan = judge('fileinto :copy "billing";', "").plan
    assert shown(plan) == [("store", "billing"), ("store", "INBOX")]


def test_accept_keeps_and_ends_the_chain() -> None:
    assert shown(judge("accept;", "discard;").plan) == [("store", "INBOX")]


def test_a_discard_after_a_keep_of_an_earlier_file_discards_and_names_its_rule() -> None:
    plan = judge("keep;", "\ndiscard;").plan
    assert [(one.kind, one.file, one.line) for one in plan.effects] == [
        (EffectKind.DISCARD, "2.sieve", 2)
    ]


def test_the_same_target_counts_once() -> None:
    plan = judge('fileinto :copy "billing";', 'fileinto :copy "billing";').plan
    assert shown(plan) == [("store", "billing"), ("store", "INBOX")]


def test_fileinto_inbox_is_the_default_route() -> None:
    assert shown(judge('fileinto "inbox"; keep;').plan) == [("store", "INBOX")]


def test_a_run_time_error_undoes_its_file_and_holds_with_file_and_line() -> None:
    failing = 'fileinto :copy "billing";\nredirect :copy "not an address${x}";\nreject "no";'
    plan = judge('fileinto :copy "desk";', failing, "discard;").plan
    assert shown(plan) == [("store", "desk"), ("hold", "")]
    hold = plan.effects[1]
    assert hold.file == "2.sieve"
    assert hold.line in (2, 3)
    assert hold.reason.startswith("the policy failed: ")
    assert plan.errors == (f"2.sieve:{hold.line}: {hold.arguments['reason']}",)


def test_on_error_keep_gives_the_implicit_keep() -> None:
    chain = chain_of('fileinto :copy "billing"; reject "no";')
    plan = run_chain(chain, MAIL, CONTEXT, on_error="keep").plan
    assert shown(plan) == [("store", "INBOX")]
    assert plan.errors


def test_tags_of_one_file_reach_the_next_and_the_default_action() -> None:
    plan = judge('addflag "vip";', "").plan
    assert plan.effects[0].flags == ("vip",)


def test_a_keep_has_its_own_flags_also_none() -> None:
    """RFC 5232 §5: `:flags` counts instead of what addflag gave."""
    assert judge('addflag "vip"; keep :flags "";').plan.effects[0].flags == ()
    assert judge('addflag "vip"; keep;').plan.effects[0].flags == ("vip",)


def test_edits_made_before_the_chain_are_in_every_effect_and_seen_by_it() -> None:
    context = replace(CONTEXT, edits=(Edit("Subject", None), Edit("Subject", "Mapped")))
    test = 'if header "subject" "Mapped" { fileinto "billing"; }'
    plan = judge(test, context=context).plan
    assert shown(plan) == [("store", "billing")]
    assert plan.effects[0].edits == context.edits


def test_a_hold_gives_its_reason() -> None:
    plan = judge('hold "look at it";').plan
    assert shown(plan) == [("hold", "")]
    assert plan.effects[0].reason == "look at it"


@pytest.mark.parametrize(
    "action",
    [
        'hold "${1}";',
        'addflag "${1}"; route :fields "a=${1}" "${1}";',
        'redirect "${1}";',
        'addflag "${1}"; error "${1}";',
    ],
)
def test_what_is_no_text_in_a_mail_is_stored_as_question_marks(action: str) -> None:
    """A subject in Latin-1 that does not say so: a database takes no half of a character."""
    mail = b"Subject: Gr\xfc\xdfe\r\n\r\n"
    plan = judge(f'if header :matches "Subject" "*" {{ {action} }}', mail=mail).plan
    stored = json.dumps(
        [plan.errors, *((e.target, e.reason, e.flags, e.arguments) for e in plan.effects)],
        ensure_ascii=False,
    )
    assert "Gr\ufffd\ufffde" in stored.encode().decode()


def test_what_is_held_is_not_kept_too() -> None:
    for keep in ("keep;", 'fileinto "INBOX";', 'fileinto :copy "INBOX";'):
        plan = judge(f'{keep} hold "look at it";', 'fileinto "desk";').plan
        assert shown(plan) == [("hold", "")]


def test_a_vacation_keeps_the_message_and_carries_its_arguments() -> None:
    plan = judge('vacation :days 1 :handle "h" "Away";').plan
    assert shown(plan) == [("vacation", ""), ("store", "INBOX")]
    arguments = plan.effects[0].arguments
    assert (arguments["seconds"], arguments["handle"], arguments["reason"]) == (
        86400,
        "h",
        "Away",
    )


def test_an_ereject_is_told_apart() -> None:
    assert judge('ereject "no";').plan.effects[0].arguments["ereject"] is True


def test_thread_and_auth_are_answered_from_the_context() -> None:
    script = 'if allof (thread "reply", auth "dkim" "pass") { fileinto "billing"; }'
    assert shown(judge(script).plan) == [("store", "INBOX")]
    reply = replace(CONTEXT, thread="reply")
    assert shown(judge(script, context=reply).plan) == [("store", "billing")]


def test_a_limit_counts_this_time_too_and_is_noted_for_the_plan() -> None:
    script = 'if limit :count 2 :seconds 60 :handle "h" "key" { discard; }'
    counted = replace(
        CONTEXT, count=lambda *asked: 1 if asked == ("limit", "h", "key", 60) else 9
    )
    judged = judge(script, context=counted)
    assert shown(judged.plan) == [("store", "INBOX")]
    assert [(one.kind, one.handle, one.key) for one in judged.noted] == [("limit", "h", "key")]
    full = replace(CONTEXT, count=lambda *_: 2)
    assert shown(judge(script, context=full).plan) == [("discard", "")]


def test_what_a_failed_file_counted_is_not_noted() -> None:
    failing = 'if limit :count 2 :seconds 60 "key" { } fileinto "desk"; reject "no";'
    assert judge(failing).noted == ()


def test_the_trace_names_file_and_line() -> None:
    trace = judge('\nif header "subject" "Hi" { keep; }').plan.trace
    assert (trace[0].file, trace[0].line) == ("1.sieve", 2)


def test_what_did_not_stop_a_policy_is_a_warning_in_the_trace_once() -> None:
    text = 'foreverypart { addheader "Received" "x"; } addheader "Received" "x";'
    trace = [step.text for step in judge(text).plan.trace if "warning" in step.text]
    assert trace == ["warning: addheader: the header 'Received' must not be changed"]


def test_a_broken_message_does_not_break_the_chain() -> None:
    for mail in (b"", b"\x00", b"\xff" * 100, b"no header\r\n", b"Subject: =?utf-8?b?A?=\r\n"):
        assert shown(judge('if header "subject" "x" { discard; }', mail=mail).plan)
        assert apply_edits(mail, judge("", mail=mail).plan.effects[0].edits) == mail


def test_the_default_route_by_its_name_and_a_keep_are_one_delivery() -> None:
    assert shown(judge('fileinto :copy "desk";').plan) == [("store", "desk")]
    assert shown(judge('fileinto :copy "billing";').plan) == [
        ("store", "billing"),
        ("store", "INBOX"),
    ]


def test_a_mailbox_with_a_route_of_its_own_has_that_one_for_a_keep() -> None:
    """The tenant's is another delivery then: it must not take the place of the keep."""
    own = replace(CONTEXT, route="billing")
    plan = judge('fileinto :copy "desk";', context=own).plan
    assert shown(plan) == [("store", "desk"), ("store", "INBOX")]
    assert shown(judge('fileinto :copy "billing";', context=own).plan) == [("store", "billing")]


def leaving(plan: Plan, mail: bytes = MAIL) -> list[bytes]:
    return [apply_edits(mail, effect.edits) for effect in plan.effects]


def test_a_body_that_a_file_replaced_is_what_the_next_ones_see_and_what_leaves() -> None:
    plan = judge(
        'fileinto :copy "billing"; addheader "X-First" "1"; replace "Gone";',
        'if body :contains "gone" { addheader "X-Second" "2"; fileinto "desk"; }',
    ).plan
    assert shown(plan) == [("store", "billing"), ("store", "desk")]
    before, after_it = leaving(plan)
    assert before == MAIL
    assert after_it.endswith(b"\r\n\r\nGone\r\n")
    assert b"Hello" not in after_it
    assert b"X-First: 1\r\n" in after_it
    assert after_it.startswith(b"X-Second: 2\r\n")


def test_an_enclosed_message_is_kept_once_and_attached_as_it_was() -> None:
    plan = judge('enclose :subject "For you" "See below";').plan
    (content,) = leaving(plan)
    assert b"Content-Type: message/rfc822\r\n\r\n" + MAIL in content
    assert b"Subject: For you\r\n" in content
    assert not any("Hello" in str(edit.value) for edit in plan.effects[0].edits)


def test_a_replaced_part_survives_a_hold_and_what_is_behind_it() -> None:
    chain = chain_of('replace "Gone"; hold "look";', 'addheader "X-Behind" "1";')
    (hold,) = run_chain(chain, MAIL, CONTEXT).plan.effects
    stored = rows.read(Effect, rows.write(hold))
    context = replace(CONTEXT, edits=stored.edits)
    (content,) = leaving(run_chain(after(chain, stored), MAIL, context).plan)
    assert content.startswith(b"X-Behind: 1\r\n")
    assert content.endswith(b"\r\n\r\nGone\r\n")


def test_a_signed_message_is_not_rewritten_but_held() -> None:
    signed = MAIL.replace(b"\r\n\r\n", b"\r\nContent-Type: multipart/signed\r\n\r\n", 1)
    plan = judge('replace "gone";', mail=signed).plan
    assert shown(plan) == [("hold", "")]
    assert "signed or encrypted" in plan.errors[0]


def test_header_edits_of_a_script_reach_the_effects_that_come_later_only() -> None:
    script = 'fileinto :copy "billing"; deleteheader "Subject"; addheader "X-New" "1";'
    before, after = judge(script, "keep;").plan.effects
    assert before.edits == ()
    changed = apply_edits(MAIL, after.edits)
    assert changed.startswith(b"X-New: 1\r\n")
    assert b"Subject" not in changed


def shadowed(text: str, rest: str = 'fileinto "desk";') -> Judgement:
    script = compile_script(text, name="1.shadow.sieve", loader=Library())
    first = ChainFile(path="inbound/1.shadow.sieve", script=script)
    chain = chain_of(rest)
    return run_chain(replace(chain, files=(first, *chain.files)), MAIL, CONTEXT)


def test_a_shadow_file_is_traced_and_nothing_of_it_is_done() -> None:
    text = 'addheader "X-A" "b"; addflag "x"; if limit :count 0 :seconds 60 "k" { discard; }'
    judged = shadowed(text)
    assert shown(judged.plan) == [("store", "desk")]
    assert (judged.plan.effects[0].flags, judged.plan.effects[0].edits) == ((), ())
    assert judged.noted == ()
    said = [step.text for step in judged.plan.trace if step.text.startswith("shadow")]
    assert said == ["shadow: would discard", "shadow: would end the chain"]


def test_a_shadow_file_that_fails_holds_nothing() -> None:
    judged = shadowed('error "broken";')
    assert shown(judged.plan) == [("store", "desk")]
    assert judged.plan.errors == ()
    assert "shadow: would fail: broken" in [step.text for step in judged.plan.trace]


def test_a_released_message_goes_on_behind_the_file_that_held_it() -> None:
    chain = chain_of('hold "look";', "stop;", 'if hasflag "vip" { fileinto "desk"; }')
    (hold,) = run_chain(chain, MAIL, CONTEXT).plan.effects
    rest = after(chain, hold)
    assert [file.path for file in rest.files] == ["2.sieve", "3.sieve"]
    plan = run_chain(rest, MAIL, replace(CONTEXT, flags=("vip",))).plan
    assert [(one.kind.value, one.target, one.flags) for one in plan.effects] == [
        ("store", "desk", ("vip",))
    ]
    assert after(chain, replace(hold, held_by="gone.sieve")) is chain


def test_a_hold_in_an_included_script_is_released_behind_the_file_that_includes_it() -> None:
    for script, reason in (("look", "look"), ("fail", "the policy failed: broken")):
        chain = chain_of("", f'include :global "{script}";', 'fileinto "desk";')
        (hold,) = run_chain(chain, MAIL, CONTEXT).plan.effects
        assert (hold.kind, hold.file, hold.reason) == (
            EffectKind.HOLD, f"lib/{script}.sieve", reason,
        )  # fmt: skip
        stored = rows.read(Effect, rows.write(hold))
        assert [file.path for file in after(chain, stored).files] == ["3.sieve"]


def test_global_variables_pass_on_over_a_hold() -> None:
    chain = chain_of(
        'global "who"; set "who" "ann"; set "own" "x"; hold "look";',
        'global "who"; if string "${who}${own}" "ann" { fileinto "desk"; }',
    )
    (hold,) = run_chain(chain, MAIL, CONTEXT).plan.effects
    assert hold.globals == (("who", "ann"),)
    stored = rows.read(Effect, rows.write(hold))
    rest = run_chain(after(chain, stored), MAIL, replace(CONTEXT, globals=stored.globals))
    assert shown(rest.plan) == [("store", "desk")]


def test_what_was_done_before_a_hold_counts_behind_it() -> None:
    """The same target once, and one vacation a message (RFC 5230 §4.7)."""
    chain = chain_of(
        'redirect :copy "b@x.example"; fileinto :copy "billing"; vacation "a";',
        'hold "look";',
        'redirect :copy "b@x.example"; fileinto :copy "billing"; fileinto "desk";',
    )
    plan = run_chain(chain, MAIL, CONTEXT).plan
    assert [kind for kind, _ in shown(plan)] == ["redirect", "store", "vacation", "hold"]
    hold = rows.read(Effect, rows.write(plan.effects[-1]))
    behind = replace(CONTEXT, done=hold.done)
    assert shown(run_chain(after(chain, hold), MAIL, behind).plan) == [("store", "desk")]
    second = run_chain(chain_of('vacation "b";'), MAIL, behind).plan
    assert "only one vacation" in second.errors[0]


def test_what_became_of_the_envelope_is_known_to_later_files_and_over_a_hold() -> None:
    sets = 'setenvelope "to" "desk@acme.example";'
    asks = 'if envelope "to" "desk@acme.example" { fileinto "desk"; }'
    wanted = {"envelope_to": "desk@acme.example"}
    (effect,) = judge(sets, asks).plan.effects
    assert (effect.target, effect.arguments["envelope_to"]) == ("desk", "desk@acme.example")
    for second in ('hold "look";', 'error "broken";'):
        chain = chain_of(sets, second, asks, "")
        (hold,) = run_chain(chain, MAIL, CONTEXT).plan.effects
        assert hold.arguments.items() >= wanted.items()
        behind = replace(CONTEXT, done=rows.read(Effect, rows.write(hold)).done)
        (effect,) = run_chain(after(chain, hold), MAIL, behind).plan.effects
        assert effect.target == "desk"
        assert effect.arguments.items() >= wanted.items()


def test_an_agent_gets_the_global_words_of_an_admin_and_no_strangers() -> None:
    sets = 'global ["own", "theirs"]; set "own" "kind"; set "theirs" "${message.subject}";'
    asks = 'global ["own", "theirs"]; agent "be ${own} ${theirs}";'
    assert shown(judge(sets, asks).plan)[0] == ("agent", "be kind ${theirs}")
    released = replace(CONTEXT, globals=(("own", "kind"), ("theirs", "Hi")))
    assert shown(judge(asks, context=released).plan)[0] == ("agent", "be ${own} ${theirs}")


def test_an_edit_of_one_file_is_seen_by_the_next_and_by_no_earlier_effect() -> None:
    judged = judge(
        'if header "subject" "Hi" { fileinto :copy "desk"; }',
        'deleteheader "subject"; addheader "Subject" "New";',
        'if header "subject" "New" { fileinto "billing"; }',
    )
    desk, billing = judged.plan.effects
    assert (desk.target, desk.edits) == ("desk", ())
    assert billing.target == "billing"
    assert b"Subject: New" in apply_edits(MAIL, billing.edits)
