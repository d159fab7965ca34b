"""Whose mail is it? The right one is taken, or it is said what to choose from."""

from __future__ import annotations

import pytest

from gateway.cli.refusal import Refusal
from gateway.cli.sender_choice import choose
from gateway.mail.tenant import Domain, Sender, Tenant, Upstream


def tenant(id_: str, **senders: str | None) -> Tenant:
    """Return a tenant of the domain ID.example; senders by local part, with their upstream."""
    addresses = {
        f"{'*' if local == 'any' else local}@{id_}.example": up for local, up in senders.items()
    }
    return Tenant(
        id=id_,
        domains={f"{id_}.example": Domain(name=f"{id_}.example")},
        senders={one: Sender(address=one, upstream=up) for one, up in addresses.items()},
        upstreams={"own": Upstream(name="own", host="smtp.example")},
    )


ACME = tenant("acme", alone=None, support="own", sales="own")
GLOBEX = tenant("globex", any="own")
BOTH = {"acme": ACME, "globex": GLOBEX}
SHOP = Sender(address="shop@163.com", upstream="own")


def chosen(
    known: dict[str, Tenant], tenant: str | None = None, sender: str | None = None
) -> tuple[str, str]:
    choice = choose(known, tenant=tenant, sender=sender)
    return choice.tenant.id, str(choice.address)


def refused(
    known: dict[str, Tenant], tenant: str | None = None, sender: str | None = None
) -> str:
    with pytest.raises(Refusal) as caught:
        choose(known, tenant=tenant, sender=sender)
    return str(caught.value)


def test_without_a_sender_the_first_that_has_an_upstream_sends_and_the_others_are_named() -> (
    None
):
    choice = choose({"acme": ACME}, tenant=None, sender=None)
    assert str(choice.address) == "support@acme.example"
    assert choice.others == ("sales@acme.example", "alone@acme.example")


def test_the_domain_of_the_sender_decides_the_tenant() -> None:
    assert chosen(BOTH, sender="Sales+x@acme.example") == ("acme", "Sales+x@acme.example")
    assert chosen(BOTH, sender="hello@globex.example") == ("globex", "hello@globex.example")


def test_several_tenants_are_named_to_choose_from() -> None:
    assert refused(BOTH) == "whose mail? Give --tenant (acme, globex) or --from ADDRESS"
    assert chosen(BOTH, "acme") == ("acme", "support@acme.example")


def test_an_unknown_sender_is_told_with_the_nearest() -> None:
    for given in (None, "acme"):
        said = refused(BOTH, given, "suport@acme.example")
        assert said.endswith("did you mean 'support@acme.example'?")
    assert "known: *@globex.example" in refused(BOTH, None, "me@elsewhere.test")
    assert "'support@acme.example'" in refused(BOTH, "globex", "support@acme.example")
    assert "it needs the form name@domain" in refused(BOTH, None, "support")


def test_a_sender_of_a_whole_domain_must_be_given_an_address() -> None:
    assert "*@globex.example: give one with --from" in refused({"globex": GLOBEX})


def test_an_address_at_a_provider_may_be_two_tenants() -> None:
    known = {name: Tenant(id=name, senders={SHOP.address: SHOP}) for name in ("one", "two")}
    assert "choose with --tenant" in refused(known, None, SHOP.address)
    assert chosen(known, "two", SHOP.address) == ("two", SHOP.address)


def test_without_tenants_or_senders_it_is_said_how_to_get_them() -> None:
    assert "gateway tenant add NAME" in refused({})
    assert "gateway upstream add new" in refused({"new": Tenant(id="new")})
