"""The gateway's own extensions: chain, route, hold, auth, limit, agent, sender, template."""

from __future__ import annotations

import pytest

from gateway.sieve.extensions import gateway_agent, gateway_chain, gateway_route, gateway_sender
from gateway.sieve.interface import CompileError
from tests.sieve.outside import World, holds, kinds, run


def test_each_extension_is_a_capability_of_its_own() -> None:
    modules = (gateway_chain, gateway_route, gateway_agent, gateway_sender)
    found = {one.capability for module in modules for one in module.SIGNATURES}
    assert found == {
        f"vnd.gateway.{name}"
        for name in ("chain", "auth", "limit", "route", "hold", "agent", "sender")
    }


def test_accept_keeps_and_ends_the_chain() -> None:
    result = run("accept; discard;")
    assert (kinds(result), result.accepted, result.keeps) == (["keep"], True, True)


@pytest.mark.parametrize("test", ['chain "inbound"', 'thread "new"', 'not thread "reply"'])
def test_a_script_knows_where_it_runs(test: str) -> None:
    assert holds(test)


@pytest.mark.parametrize(
    ("test", "true"),
    [
        ('auth "dkim" "pass"', True),
        ('auth ["spf", "dmarc"] "pass"', False),
        ('auth "dmarc" "none"', True),
        ('auth :domain "dkim" "customer.example"', True),
        ('auth :domain "spf" "evil.example"', False),
    ],
)
def test_auth_asks_for_what_was_proven(test: str, *, true: bool) -> None:
    proven = {"dkim": [("pass", "customer.example")], "spf": [("fail", "evil.example")]}
    assert holds(test, world=World(proven=proven)) is true


def test_limit_is_true_above_its_count() -> None:
    world = World()
    asked = [holds('limit :count 2 :seconds 60 "k"', world=world) for _ in range(3)]
    assert asked == [False, False, True]


def test_hold_ends_the_script() -> None:
    result = run('hold :for 60 :then "release" :notify "lead" "look at this"; keep;')
    assert kinds(result) == ["hold"]
    assert result.actions[0].arguments == {
        "reason": "look at this",
        "seconds": 60,
        "then": "release",
        "notify": ("lead",),
    }


def test_route_ends_the_chain_unless_it_copies() -> None:
    assert not run('route "desk";').keeps
    copied = run('route :copy :fields "priority=high" "desk";')
    assert kinds(copied) == ["route", "keep?"]
    assert copied.actions[0].arguments["fields"] == ("priority=high",)


def test_the_envelope_that_was_set_is_the_one_that_is_tested() -> None:
    source = 'setenvelope "to" "b@x.example"; if envelope "to" "b@x.example" { discard; }'
    assert kinds(run(source)) == ["setenvelope", "discard"]


def test_an_agent_gets_the_admins_words_and_never_a_strangers() -> None:
    world = World(variables={"tenant.name": "Acme", "message.subject": "obey me"})
    result = run(
        'set "own" "be kind"; set "theirs" "${message.subject}";'
        ' if header :matches "subject" "*" { agent :mode "send" :knowledge "returns" text:\n'
        "${own}, ${tenant.name}. ${theirs} ${1} ${message.subject}\n.\n; }",
        world=world,
    )
    assert kinds(result) == ["agent"]
    guidance = result.actions[0].target
    assert guidance == "be kind, Acme. ${theirs} ${1} ${message.subject}\r\n"


def test_a_strangers_text_stays_one_whatever_a_policy_puts_it_into() -> None:
    world = World(
        variables={"message.subject": "obey"}, scripts={"lib": 'set "theirs" "kind";'}
    )
    take = 'set "theirs" "${message.subject}"; '
    for source, word in (
        ('include "lib"; agent "${theirs} x";', "${theirs} x"),
        ('addflag "flag" "${theirs}"; agent "${flag} x";', "${flag} x"),
        ('addflag "flag" "${theirs}"; addflag "flag" "b"; agent "${flag} x";', "${flag} x"),
        ('set "theirs" "mine"; include "lib"; agent "${theirs} x";', "mine x"),
    ):
        assert run(take + source, world=world).actions[0].target == word


def test_a_vacations_handle_does_not_change_with_a_strangers_text() -> None:
    source = 'vacation "${message.subject}";'
    handles = {
        run(source, world=World(variables={"message.subject": one}))
        .actions[0]
        .arguments["handle"]
        for one in ("a", "b")
    }
    assert len(handles) == 1


def test_only_a_string_that_was_expanded_has_a_limit() -> None:
    for command in ("vacation", "agent"):
        assert run(f'{command} "{"x" * 70_000}";').error is None
        grown = f'set "a" "{"x" * 8000}"; {command} "{"${a}" * 9}";'
        assert run(grown).error is not None


def test_a_template_is_read_with_the_script_and_expanded() -> None:
    world = World(
        texts={"templates/t.txt": "Dear ${message.from_name}\n"},
        variables={"message.from_name": "Ann"},
    )
    result = run(
        'vacation "file:templates/t.txt"; footer "f"; setfrom "a@b.example";', world=world
    )
    assert result.actions[0].arguments["reason"] == "Dear Ann\r\n"
    assert kinds(result) == ["vacation", "footer", "setfrom", "keep?"]


@pytest.mark.parametrize(
    "source",
    [
        'vacation "file:none.txt";',
        'if chain "inbond" { keep; }',
        'if auth "dkin" "pass" { keep; }',
        'if limit "k" { keep; }',
        'agent :mode "sent" "x y";',
        'agent :confidence 101 "x y";',
        'hold :then "relase" "x";',
        'hold :for 99999999999 "x";',
        'route :fields "x" "desk";',
        'setfrom "nobody";',
        'setenvelope "cc" "a@b.example";',
    ],
)
def test_a_slip_does_not_compile(source: str) -> None:
    with pytest.raises(CompileError):
        run(source)
