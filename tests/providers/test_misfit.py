from __future__ import annotations

from typing import Any

import pytest

from gateway.mail.tenant import (
    Domain,
    Hook,
    Mailbox,
    Route,
    Security,
    Sender,
    Tenant,
    Upstream,
)
from gateway.providers.catalogue import load_catalogue
from gateway.providers.misfit import find_doubts, find_misfits

CATALOGUE = load_catalogue()


def misfits(*accounts: Upstream | Mailbox) -> list[str]:
    upstreams = {one.name: one for one in accounts if isinstance(one, Upstream)}
    mailboxes = {one.address: one for one in accounts if isinstance(one, Mailbox)}
    tenant = Tenant(id="acme", upstreams=upstreams, mailboxes=mailboxes)
    return list(find_misfits(tenant, CATALOGUE))


def test_a_region_that_is_missing_or_unknown_is_told_with_the_known_ones() -> None:
    [missing] = misfits(Upstream(name="ses", provider="ses"))
    assert missing.startswith("[upstreams.ses] region: Amazon SES needs a region: one of us-")
    assert missing.endswith("us-gov-west-1")
    [unknown] = misfits(Upstream(name="ses", provider="ses", region="eu-west-9"))
    assert unknown.startswith("[upstreams.ses] region: Amazon SES has no region 'eu-west-9': ")
    assert misfits(Upstream(name="mg", provider="mailgun", region="Asia")) == [
        "[upstreams.mg] region: Mailgun has no region 'Asia': one of US, EU"
    ]
    assert misfits(Upstream(name="brevo", provider="brevo", region="EU")) == [
        "[upstreams.brevo] region: Brevo (formerly Sendinblue) has no regions:"
        " leave the key out"
    ]


@pytest.mark.parametrize(
    ("provider", "region"),
    [("ses", "eu-west-1"), ("mailgun", None), ("mailgun", "eu"), ("sparkpost", "EU")],
)
def test_a_known_region_fits_in_any_case(provider: str, region: str | None) -> None:
    assert misfits(Upstream(name="out", provider=provider, region=region)) == []


@pytest.mark.parametrize("provider", ["m365", "outlook-com"])
def test_a_mailbox_that_only_oauth2_opens_needs_a_client(provider: str) -> None:
    [sentence] = misfits(Mailbox(address="a@acme.example", provider=provider))
    assert sentence.startswith('[mailboxes."a@acme.example"] provider: ')
    assert sentence.endswith("and gateway mailbox authorize afterwards")
    assert misfits(Mailbox(address="a@b.example", provider=provider, client_id="1")) == []


def test_a_program_without_a_person_is_let_in_by_microsoft_365_alone() -> None:
    def told(provider: str, **keys: Any) -> list[str]:
        keys = {"client_id": "1", "grant": "client-credentials", **keys}
        return misfits(Mailbox(address="a@acme.example", provider=provider, **keys))

    assert told("m365") == []
    [sentence] = told("gmail")
    assert "] grant: Gmail" in sentence
    assert told("gmail", scopes=("x",)) == []


def test_a_service_account_opens_mailboxes_of_google_alone() -> None:
    def told(provider: str, **keys: Any) -> list[str]:
        keys = {"grant": "service-account", **keys}
        return misfits(Mailbox(address="a@acme.example", provider=provider, **keys))

    assert told("gmail") == []
    [sentence] = told("m365")
    assert sentence.endswith("knows no service accounts: leave it out")
    assert told("generic", host="imap.example", token_url="https://t.example/") == []


def test_no_password_goes_in_the_clear_to_another_machine() -> None:
    keys: dict[str, Any] = {"host": "mail.acme.example", "security": Security.NONE}
    box, own = Mailbox(address="a@acme.example", **keys), Upstream(name="own", **keys)
    desk = Route(name="desk", type="lmtp", username="u", **keys)
    tenant = Tenant(
        id="acme", upstreams={"own": own}, mailboxes={box.address: box}, routes={"desk": desk}
    )
    told = list(find_misfits(tenant, CATALOGUE))
    assert [one.partition(" ")[0] for one in told] == [
        "[upstreams.own]", '[mailboxes."a@acme.example"]', "[routes.desk]"
    ]  # fmt: skip
    here: dict[str, Any] = {"host": "127.0.0.1", "security": Security.NONE}
    assert misfits(Mailbox(address="a@acme.example", **here)) == []
    nobody = Route(name="desk", type="lmtp", **keys)
    assert list(find_misfits(Tenant(id="acme", routes={"desk": nobody}), CATALOGUE)) == []


def test_a_url_that_is_none_is_told() -> None:
    wrong = "login.example/token"
    [told] = misfits(
        Mailbox(address="a@acme.example", provider="m365", client_id="1", token_url=wrong)
    )
    assert told.endswith("token_url: the URL needs the form https://host/path")
    route = Route(name="desk", type="webhook", url="desk.example/in")
    hook = Hook(name="events", url="ftp://desk.example/", events=())
    tenant = Tenant(id="acme", routes={"desk": route}, hooks={"events": hook})
    assert [one.partition(" ")[0] for one in find_misfits(tenant, CATALOGUE)] == [
        "[routes.desk]", "[hooks.events]"
    ]  # fmt: skip


def test_a_client_where_no_sign_in_by_oauth2_is_known_is_refused() -> None:
    [sentence] = misfits(Mailbox(address="a@qq.com", provider="qq", client_id="1"))
    assert sentence.endswith("has no sign-in by OAuth2 in the catalogue")


def test_a_password_still_sends_where_it_reads_no_more() -> None:
    assert misfits(Upstream(name="out", provider="m365")) == []
    assert len(misfits(Upstream(name="out", provider="outlook-com"))) == 1


def test_a_host_of_its_own_overrides_the_preset() -> None:
    """Such as a proxy beside the gateway that does OAuth2 for it."""
    assert misfits(
        Mailbox(address="a@acme.example", provider="m365", host="127.0.0.1"),
        Upstream(name="out", provider="ses", host="127.0.0.1"),
    ) == []  # fmt: skip


def test_a_preset_that_cannot_be_read_or_sent_by_is_refused() -> None:
    channel = "amazon-buyer-messages"
    told = misfits(
        Mailbox(address="a@acme.example", provider="sendgrid"),
        Mailbox(address="b@acme.example", provider=channel),
        Upstream(name="out", provider=channel),
    )
    assert ["only sends" in told[1], "not a mail provider" in told[0]] == [True, True]
    assert "not a mail provider" in told[2]
    assert len(told) == 3


def test_a_sender_at_a_domain_that_is_not_the_tenants_is_doubted_with_the_fix() -> None:
    sure = ("a@acme.example", "*@Acme.example", "x@xn--bcher-kva.example", "shop@163.com")
    senders = {one: Sender(address=one) for one in (*sure, "b@sub.acme.example")}
    domains = {one: Domain(name=one) for one in ("acme.example", "bücher.example")}
    tenant = Tenant(id="acme", domains=domains, senders=senders)
    (doubt,) = find_doubts(tenant, CATALOGUE)
    assert doubt.startswith('[senders."b@sub.acme.example"]: sub.acme.example is no domain of')
    assert 'add [domains."sub.acme.example"]' in doubt


def test_a_token_in_an_address_that_its_provider_does_not_deliver_is_refused() -> None:
    def told(provider: str, *, address: str = "a@acme.example") -> list[str]:
        box = Mailbox(address="a@acme.example", provider=provider, client_id="1")
        sender = Sender(address=address, reply_tokens=True)
        tenant = Tenant(
            id="acme", mailboxes={box.address: box}, senders={sender.address: sender}
        )
        return [one for one in find_misfits(tenant, CATALOGUE) if "reply_tokens" in one]

    [sentence] = told("qq")
    assert sentence.startswith('[senders."a@acme.example"] reply_tokens: QQ Mail delivers no')
    assert told("qq", address="b@acme.example") == told("gmail") == told("gmx") == []


def test_a_token_that_may_be_in_vain_is_to_be_tried_first() -> None:
    def told(provider: str, *, address: str = "a@acme.example") -> list[str]:
        box = Mailbox(address="a@acme.example", provider=provider)
        senders = {address: Sender(address=address, reply_tokens=True)}
        domains = {"acme.example": Domain(name="acme.example")}
        tenant = Tenant(
            id="acme", domains=domains, mailboxes={box.address: box}, senders=senders
        )
        return list(find_doubts(tenant, CATALOGUE))

    [sentence] = told("gmx")
    assert sentence.startswith('[senders."a@acme.example"] reply_tokens: ')
    assert sentence.endswith("send a mail to a+test@acme.example and see whether it arrives")
    [sentence] = told("gmail", address="*@acme.example")
    assert sentence.endswith("send a mail to name+test@acme.example and see whether it arrives")
    assert told("gmail") == []
