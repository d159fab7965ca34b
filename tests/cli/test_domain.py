from __future__ import annotations

from datetime import date
from pathlib import Path

from gateway.cli.domain import key_secrets, keys_to_add, spf_terms
from gateway.cli.opening import Opened
from gateway.config import Settings
from gateway.mail.tenant import Mailbox, Sender, Tenant, Upstream
from gateway.mail.tenant_file import read_tenant_file
from gateway.providers.catalogue import load_catalogue
from gateway.store import tenants
from gateway.store.sealing import Seal
from gateway.store.sqlite import Store
from tests.cli.running import CONFIGURATION, Cli
from tests.servers.zone import Zone
from tests.store.values import NOON


def test_the_records_of_a_domain_are_full_names_and_unquoted_strings(cli: Cli) -> None:
    cli.apply()
    records = cli.json("domain", "records", "Acme.Example")
    assert all(set(one) == {"name", "type", "value"} for one in records)
    names = [one["name"] for one in records]
    assert [name.partition(".")[2] for name in names] == [
        "_domainkey.acme.example", "_domainkey.acme.example", "example", "acme.example",
    ]  # fmt: skip
    assert records[0]["value"].startswith("v=DKIM1; k=rsa; p=")
    assert records[2]["value"] == "v=spf1 a:smtp.acme.example ~all"
    assert "v=DMARC1" in cli.say("domain", "records", "acme.example")
    assert "did you mean 'acme.example'?" in cli.refused("domain", "records", "acme.exampel")


def test_a_domain_is_added_with_both_keys_and_its_records_are_told(cli: Cli) -> None:
    cli.apply()
    before = cli.json("domain", "records", "acme.example")
    added = cli.json("domain", "add", "Shop.Example", "--tenant", "acme")
    assert (added["tenant"], added["domain"]) == ("acme", "shop.example")
    assert added["records"] == cli.json("domain", "records", "shop.example")
    kinds = [one["value"].split(";")[1].strip() for one in added["records"][:2]]
    assert kinds == ["k=rsa", "k=ed25519"]
    assert cli.json("domain", "records", "acme.example") == before
    done = cli.run("domain", "add", "third.example", "--tenant", "acme")
    assert done.returncode == 0
    assert "next: gateway domain check third.example" in done.stdout
    assert "_domainkey.third.example  TXT" in done.stdout
    assert "nothing is said about SPF" in done.stderr
    assert '[domains."third.example"]' in cli.say("export", "acme")


def test_a_domain_that_cannot_be_added_is_refused_with_the_reason(cli: Cli) -> None:
    cli.apply()
    cli.say("tenant", "add", "globex")
    said = cli.refused("domain", "add", "acme.example", "--tenant", "globex")
    assert said == "gateway: the domain acme.example belongs to the tenant acme already\n"
    assert "has the domain acme.example already" in cli.refused(
        "domain", "add", "acme.example", "--tenant", "acme"
    )
    for wrong in ("acme", "[127.0.0.1]", "a b.example"):
        assert "domain" in cli.refused("domain", "add", wrong, "--tenant", "globex")
    assert "its senders need no domain here" in cli.refused(
        "domain", "add", "163.com", "--tenant", "globex"
    )
    assert "did you mean 'acme'?" in cli.refused("domain", "add", "x.test", "--tenant", "acne")
    assert "domains" not in cli.json("tenant", "show", "globex")


def test_each_upstream_of_a_domain_stands_once_in_spf() -> None:
    """A preset's terms, those of the mailbox that is sent through, or the host itself."""
    tenant = Tenant(
        id="acme",
        senders={
            "a@acme.example": Sender(address="a@acme.example", upstream="grid"),
            "b@acme.example": Sender(address="b@acme.example", upstream="own"),
            "c@acme.example": Sender(address="c@acme.example", upstream="grid"),
            "d@acme.example": Sender(address="d@acme.example", upstream="box"),
            "e@other.example": Sender(address="e@other.example", upstream="own"),
            "f@acme.example": Sender(address="f@acme.example"),
            "g@acme.example": Sender(address="g@acme.example", upstream="four"),
            "h@acme.example": Sender(address="h@acme.example", upstream="six"),
        },
        upstreams={
            "grid": Upstream(name="grid", provider="sendgrid"),
            "own": Upstream(name="own", host="smtp.acme.example"),
            "box": Upstream(name="box", mailbox="d@acme.example"),
            "four": Upstream(name="four", host="192.0.2.1"),
            "six": Upstream(name="six", host="2001:db8::1"),
        },
        mailboxes={"d@acme.example": Mailbox(address="d@acme.example", provider="gmail")},
    )
    assert spf_terms(tenant, "acme.example", catalogue=load_catalogue()) == (
        "include:sendgrid.net", "a:smtp.acme.example", "include:_spf.google.com",
        "ip4:192.0.2.1", "ip6:2001:db8::1",
    )  # fmt: skip


def test_fresh_keys_are_secrets_named_by_their_selectors() -> None:
    secrets = key_secrets("acme.example", made_on=date(2026, 11, 24))
    assert list(secrets) == [
        ("dkim", "acme.example/gw202611-rsa"),
        ("dkim", "acme.example/gw202611-ed25519"),
    ]
    assert all("PRIVATE KEY" in pem for pem in secrets.values())


def test_check_tells_what_is_published_wrong_and_missing(cli: Cli) -> None:
    with Zone() as zone:
        cli.write("gateway.conf", f'{CONFIGURATION}[dns]\nnameservers = ["{zone.address}"]\n')
        cli.apply()
        wanted = cli.json("domain", "records", "acme.example")
        for one in wanted[:2]:
            zone.publish(one["name"], "TXT", one["value"])
        zone.publish("acme.example", "TXT", "v=spf1 -all")
        done = cli.run("domain", "check", "acme.example")
        assert done.returncode == 1
        states = [line.split()[0] for line in done.stdout.splitlines()[:4]]
        assert states == ["published", "published", "wrong", "missing"]
        assert "it lacks a:smtp.acme.example" in done.stdout
        for one in wanted:
            zone.publish(one["name"], "TXT", one["value"])
        found = cli.json("domain", "check", "acme.example")
        assert {one["state"] for one in found} == {"published"}


def test_two_who_add_a_domain_at_once_make_one_pair_of_keys(tmp_path: Path) -> None:
    """Each found none: the records of the first are on their way to the DNS already."""
    store, seal = Store.open(tmp_path / "gateway.db"), Seal.load(tmp_path / "secret.key")
    file = read_tenant_file({"tenant": "acme", "domains": {"acme.example": {}}})
    first, second = (key_secrets("acme.example", made_on=NOON.date()) for _ in range(2))
    for keys in (first, second):
        store.write_now(tenants.apply_tenant, file, keys, seal, now=NOON)
    kept = store.read_now(tenants.dkim_keys, seal, "acme", "acme.example")
    store.close()
    assert {pem for _, pem in kept} == {*first.values()}


def test_a_domain_that_comes_back_brings_keys_for_those_that_may_be_forgotten_by_then(
    tmp_path: Path,
) -> None:
    store, seal = Store.open(tmp_path / "gateway.db"), Seal.load(tmp_path / "secret.key")
    gateway = Opened(Settings(path=tmp_path / "gateway.conf"), store)
    with_domain = {"tenant": "acme", "domains": {"acme.example": {}}}
    brought = []
    for table in (with_domain, with_domain, {"tenant": "acme"}, with_domain):
        file = read_tenant_file(table)
        keys = keys_to_add(gateway, seal, tenant="acme", domains=file.tenant.domains)
        store.write_now(tenants.apply_tenant, file, keys, seal, prune=True, now=NOON)
        brought.append(len(keys))
    store.close()
    assert brought == [2, 0, 0, 2]
