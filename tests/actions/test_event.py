"""Events for a tenant's webhooks."""

from __future__ import annotations

import json
from dataclasses import replace

from gateway.actions.event import find_listeners, write_event
from gateway.mail.delivery import Kind
from gateway.mail.tenant import Hook
from tests.actions.occasions import ACME, HOOKED, NOON


def test_an_event_goes_to_every_hook_that_names_it() -> None:
    hooks = {
        name: Hook(name=name, url=f"https://{name}.example/", events=("message.held",))
        for name in ("a", "b")
    }
    tenant = replace(ACME, hooks=hooks)
    assert [lane.name for lane, _ in find_listeners(tenant, "message.held")] == ["a", "b"]
    assert find_listeners(tenant, "message.bounced") == []


def test_a_tenant_without_hooks_gets_events_at_its_default_webhook_route() -> None:
    assert [str(lane) for lane, _ in find_listeners(ACME, "answer.sent")] == ["acme/route/desk"]
    assert find_listeners(replace(ACME, route="billing"), "answer.sent") == []
    assert find_listeners(replace(ACME, route=None), "answer.sent") == []


def test_the_body_of_an_event() -> None:
    data = {"id": "1", "x": "你\udcff", "message_id": "", "in_reply_to": ""}
    (event,) = write_event(HOOKED, "message.held", data, now=NOON)
    assert event.kind is Kind.EVENT
    assert str(event.envelope.recipients[0].address) == "webhook@desk.example"
    assert json.loads(event.content) == {
        "type": "message.held",
        "timestamp": "2026-11-24T12:00:00Z",
        "data": {"id": "1", "x": "你?", "message_id": None, "in_reply_to": None},
    }
