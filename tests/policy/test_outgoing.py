"""What an outbound chain makes of a submission before it is accepted."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path

import pytest

from gateway.mail.address import parse_address
from gateway.mail.delivery import Kind, Lane, LaneKind, Outgoing
from gateway.mail.envelope import Envelope, Recipient
from gateway.mail.inbound import Authenticity
from gateway.mail.message import Edit, apply_edits, parse_message
from gateway.mail.tenant import Sender, Tenant
from gateway.policy.asked import Context
from gateway.policy.chain import Chain, ChainFile, Judgement, run_chain
from gateway.policy.files import Texts
from gateway.policy.outgoing import Decided, decide
from gateway.sieve.interface import CompileError
from gateway.sieve.language import language_of
from gateway.sieve.script import compile_script

NOWHERE = Path("nowhere")
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
SENDERS = {
    one.address: one
    for one in (
        Sender(address="support@acme.example", name="Acme Support", upstream="own"),
        Sender(address="sales@acme.example", upstream="other"),
    )
}
ACME = Tenant(id="acme", senders=SENDERS)
MAIL = b"From: support@acme.example\r\nTo: ann@example.org\r\nSubject: Hi\r\n\r\nHello\r\n"
OUT = Outgoing(
    id="1",
    tenant="acme",
    lane=Lane("acme", LaneKind.UPSTREAM, "own"),
    kind=Kind.SUBMISSION,
    envelope=Envelope(
        return_path=parse_address("support@acme.example"),
        recipients=(Recipient(parse_address("ann@example.org")),),
    ),
    content=MAIL,
    message_id="<1@acme.example>",
    header_from="support@acme.example",
)


def judged(*texts: str, edits: tuple[Edit, ...] = ()) -> Judgement:
    loader = Texts(directory=NOWHERE, tenant=ACME)
    files = tuple(
        ChainFile(
            path=f"{number}.sieve",
            script=compile_script(
                text,
                name=f"{number}.sieve",
                loader=loader,
                language=language_of("outbound"),
            ),
        )
        for number, text in enumerate(texts, start=1)
    )
    context = Context(
        tenant=ACME,
        authenticity=Authenticity(),
        now=NOON,
        mail_from="support@acme.example",
        rcpt_to=("ann@example.org",),
        chain="outbound",
        edits=edits,
    )
    return run_chain(Chain(kind="outbound", files=files, version="v1"), MAIL, context)


def decided(*texts: str, outgoing: Outgoing = OUT) -> Decided:
    return decide(outgoing, judged(*texts).plan, ACME, now=NOON)


def kept(*texts: str, outgoing: Outgoing = OUT) -> Outgoing:
    found = decided(*texts, outgoing=outgoing).outgoing
    assert found is not None
    return found


def leaves(*texts: str) -> bytes:
    outgoing = kept(*texts)
    assert outgoing.content == MAIL
    return apply_edits(outgoing.content, outgoing.edits)


def test_a_chain_that_asks_for_nothing_changes_nothing() -> None:
    assert kept("keep;", "") == OUT


def test_a_replaced_body_leaves_and_who_wrote_it_is_still_known() -> None:
    assert leaves('footer "Acme";', 'replace "New";').endswith(b"\r\n\r\nNew\r\n\r\nAcme\r\n")
    assert kept('replace :from "sales@acme.example" "New";').lane.name == "other"


def test_a_rejection_is_a_550_with_the_text_on_one_line() -> None:
    refusal = decided("reject text:\nNo money\nby mail\n.\n;", "keep;").refusal
    assert refusal is not None
    assert refusal.as_line() == "550 5.7.1 No money by mail"


def test_a_rejection_never_writes_a_second_reply_line() -> None:
    refusal = decided('reject "no ${unset}\u00e4";').refusal
    assert refusal is not None
    assert refusal.as_line().isascii()


def test_a_hold_keeps_the_message_with_file_line_and_reason() -> None:
    assert kept('\nhold "more than 200";').hold == "1.sieve:2 more than 200"


def test_a_hold_with_a_time_tells_when_it_ends_and_how() -> None:
    held = kept('hold :for 60 :then "reject" "look";')
    assert held.hold_until == NOON + timedelta(seconds=60)
    assert held.hold == "1.sieve:1 look; it is rejected at 2026-11-24 12:01:00Z"


def test_a_failing_policy_holds_the_message() -> None:
    held = kept('footer "x"; error "broken";').hold
    assert held is not None
    assert "the policy failed: broken" in held


def test_a_discard_names_its_rule() -> None:
    assert decided("\n\ndiscard;").discarded_by == "1.sieve:3"


def test_setfrom_changes_from_envelope_and_way() -> None:
    outgoing = kept('setfrom :name "Grüße, Acme" "sales@acme.example";')
    message = parse_message(apply_edits(outgoing.content, outgoing.edits))
    assert message.addresses("From") == [("Grüße, Acme", "sales@acme.example")]
    assert str(outgoing.envelope.return_path) == "sales@acme.example"
    assert outgoing.header_from == "sales@acme.example"
    assert outgoing.lane.name == "other"


def test_a_failing_file_leaves_the_sender_that_one_before_it_set() -> None:
    failed = kept('setfrom "sales@acme.example";', 'error "broken";')
    assert failed.hold
    assert (failed.header_from, str(failed.envelope.return_path)) == ("sales@acme.example",) * 2


def test_a_later_file_sees_the_new_envelope() -> None:
    later = 'if envelope "from" "sales@acme.example" { hold "seen"; }'
    assert kept('setfrom "sales@acme.example";', later).hold == "2.sieve:1 seen"


def test_setfrom_leaves_a_null_return_path_null() -> None:
    null = replace(OUT, envelope=replace(OUT.envelope, return_path=None))
    assert kept('setfrom "sales@acme.example";', outgoing=null).envelope.return_path is None


def test_a_later_file_sees_the_new_author() -> None:
    later = 'if address "from" "sales@acme.example" { hold "seen"; }'
    assert kept('setfrom "sales@acme.example";', later).hold == "2.sieve:1 seen"


@pytest.mark.parametrize(
    "text",
    [
        'set "a" "evil@other.example"; setfrom "${a}";',
        'set "a" "evil@other.example"; setenvelope "from" "${a}";',
        'setenvelope "to" "someone@other.example";',
        'deleteheader "From"; addheader "From" "evil@other.example";',
        'addheader "From" "evil@other.example";',
    ],
)
def test_nobody_else_is_ever_the_sender(text: str) -> None:
    outgoing = kept(text)
    assert outgoing.hold
    assert outgoing.header_from == "support@acme.example"


def test_setreplyto_gives_one_reply_to() -> None:
    text = 'addheader "Reply-To" "old@acme.example"; setreplyto "new@acme.example";'
    assert parse_message(leaves(text)).addresses("Reply-To") == [("", "new@acme.example")]


def test_the_first_footer_counts_and_stands_under_the_text() -> None:
    left = message_from_bytes(leaves('footer "Acme Ltd";', 'footer "Other";'))
    assert left.get_payload() == "Hello\r\n\r\nAcme Ltd\r\n"


def test_a_message_that_was_released_keeps_the_footer_from_before_the_hold() -> None:
    held = kept('footer "Acme Ltd";', 'hold "look";')
    behind = judged('footer "Other"; addheader "X-Behind" "1";', edits=held.edits)
    sent = decide(held, behind.plan, ACME, now=NOON).outgoing
    assert sent is not None
    left = message_from_bytes(apply_edits(sent.content, sent.edits))
    assert left.get_payload() == "Hello\r\n\r\nAcme Ltd\r\n"
    assert left["X-Behind"] == "1"


def test_headers_and_footer_are_recorded_edits_of_unchanged_bytes() -> None:
    left = leaves('addheader "X-Shop" "Berlin"; footer "Acme Ltd";')
    assert left.startswith(b"X-Shop: Berlin\r\n")
    assert left.endswith(b"Acme Ltd\r\n")


def test_what_a_footer_in_html_is_made_of_is_escaped() -> None:
    edits = kept('footer "A & B\r\n<x>";').edits
    assert edits[-1].value == "<p>A &amp; B<br>\n&lt;x&gt;</p>"


@pytest.mark.parametrize(
    "text",
    [
        'fileinto "x";',
        'route "x";',
        'redirect "a@b.example";',
        'vacation "x";',
        'agent "support";',
        'setfrom "suport@acme.example";',
    ],
)
def test_what_makes_no_sense_outbound_does_not_compile(text: str) -> None:
    with pytest.raises(CompileError):
        judged(text)


def test_a_near_miss_of_an_own_address_is_suggested() -> None:
    with pytest.raises(CompileError, match=r"did you mean 'support@acme\.example'"):
        judged('setfrom "suport@acme.example";')


@pytest.mark.parametrize("text", ['footer "x";', 'setfrom "support@acme.example";'])
def test_an_inbound_chain_writes_no_sender(text: str) -> None:
    texts = Texts(directory=NOWHERE, tenant=ACME)
    with pytest.raises(CompileError, match="outbound"):
        compile_script(text, name="1", loader=texts, language=language_of("inbound"))
