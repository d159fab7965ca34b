from __future__ import annotations

from pathlib import Path

import pytest

from gateway.mail.tenant import Security
from gateway.providers.catalogue import load_catalogue

CATALOGUE = load_catalogue()

PARENT = """
name = "Parent"
domains = ["parent.example"]
errors = [{ on = "smtp-any", code = 550, match = "No  Way", cause = "content-refused" }]
[behaviour]
junk = ["Spam"]
idle = "no"
[fix]
content-refused = "Write nicer."
"""
CHILD = """
name = "Child"
inherits = "parent"
errors = [{ on = "smtp-any", code = "550/554", match = "own", cause = "rate-limited" }]
[behaviour]
idle = "yes"
"""
REGIONS = """
name = "Regions"
regions = ["eu-west-1", "us-east-1"]
[[smtp]]
host = "smtp.{region}.example"
port = 587
security = "starttls"
region = "{region}"
"""


def test_the_shipped_presets_are_there_with_servers_and_causes() -> None:
    assert len(CATALOGUE) == 31
    assert {one.role for one in CATALOGUE.values()} == {"mailbox", "sender", "channel"}
    sendgrid = CATALOGUE["sendgrid"]
    assert sendgrid.smtp[0].host == "smtp.sendgrid.net"
    assert sendgrid.smtp[0].security is Security.STARTTLS
    assert sendgrid.login.smtp_user == "fixed:apikey"
    assert sendgrid.limits.messages_per_connection == 5000
    netease = CATALOGUE["netease-163"]
    assert netease.login.secret_life_days == 180
    assert (netease.behaviour.send_id, netease.behaviour.keepalive_seconds) == ("always", 55)


def test_nothing_is_believed_of_a_provider_that_does_not_say_so() -> None:
    """Authentication-Results and Return-Path are believed per preset alone."""
    gmail, netease = CATALOGUE["gmail"], CATALOGUE["netease-163"]
    assert (gmail.authserv_ids, gmail.writes_return_path) == (("mx.google.com",), True)
    assert (netease.authserv_ids, netease.writes_return_path) == ((), False)


def test_a_server_for_one_domain_alone_comes_first_for_it_and_never_else() -> None:
    netease = CATALOGUE["netease-163"]
    assert netease.smtp_servers(domain="vip.163.com")[0].host == "smtp.vip.163.com"
    hosts = {one.host for one in netease.smtp_servers(domain="163.com")}
    assert hosts == {"smtp.163.com"}


def test_the_domain_is_filled_in_for_an_unknown_provider() -> None:
    servers = CATALOGUE["generic"].smtp_servers(domain="acme.example")
    assert servers[0].host == "smtp.acme.example"


def test_a_child_takes_what_it_lacks_and_its_own_errors_come_first(tmp_path: Path) -> None:
    (tmp_path / "parent.toml").write_text(PARENT)
    (tmp_path / "child.toml").write_text(CHILD)
    child = load_catalogue(tmp_path)["child"]
    assert (child.name, child.domains) == ("Child", ("parent.example",))
    assert (child.behaviour.idle, child.behaviour.junk) == ("yes", ("Spam",))
    assert [row.cause for row in child.errors] == ["rate-limited", "content-refused"]
    assert child.errors[0].codes == ("550", "554")
    assert child.fixes == {"content-refused": "Write nicer."}


def test_a_provider_by_region_wants_one(tmp_path: Path) -> None:
    (tmp_path / "regions.toml").write_text(REGIONS)
    provider = load_catalogue(tmp_path)["regions"]
    assert provider.smtp_servers(region="eu-west-1")[0].host == "smtp.eu-west-1.example"
    with pytest.raises(ValueError, match="needs a region: one of eu-west-1, us-east-1"):
        provider.smtp_servers()
    with pytest.raises(ValueError, match="has no region 'mars': one of eu-west-1, us-east-1"):
        provider.smtp_servers(region="mars")


def test_a_named_region_is_preferred() -> None:
    for provider, region, host in (
        ("sendgrid", "EU", "smtp.eu.sendgrid.net"),
        ("mailgun", "eu", "smtp.eu.mailgun.org"),
        ("sparkpost", "EU", "smtp.eu.sparkpostmail.com"),
        ("ses", "eu-central-1", "email-smtp.eu-central-1.amazonaws.com"),
        ("postmark", "broadcast", "smtp-broadcasts.postmarkapp.com"),
        ("feishu", "lark", "smtp.larksuite.com"),
    ):
        assert CATALOGUE[provider].smtp_servers(region=region)[0].host == host


def test_a_user_name_that_every_customer_has_is_known() -> None:
    assert CATALOGUE["sendgrid"].common_username("s3cret") == "apikey"
    assert CATALOGUE["postmark"].common_username("t0ken") == "t0ken"
    assert CATALOGUE["ses"].common_username("s3cret") is None


def test_without_a_region_the_first_server_is_taken_where_one_can_be() -> None:
    assert CATALOGUE["mailgun"].smtp_servers()[0].host == "smtp.mailgun.org"
    assert CATALOGUE["zoho"].imap_servers()[0].host == "imap.zoho.com"


def test_a_wrong_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text("name = \n")
    with pytest.raises(ValueError, match=r"broken\.toml"):
        load_catalogue(tmp_path)


def test_the_figures_of_a_plan_bind_nobody_on_another(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('name = "A"\n[limits]\nplan = "free"\nper_second = 1\n')
    (tmp_path / "b.toml").write_text('name = "B"\n[limits]\nper_second = 1\nmessage_mb = 2\n')
    catalogue = load_catalogue(tmp_path)
    assert catalogue["a"].limits.rate_per_minute is None
    assert catalogue["b"].limits.rate_per_minute == 60
    assert catalogue["b"].limits.max_message_bytes == 2 * 1024 * 1024


def test_where_tokens_are_asked_for_is_known_and_inherited_as_a_whole() -> None:
    microsoft, consumer = CATALOGUE["m365"].oauth2, CATALOGUE["outlook-com"].oauth2
    assert microsoft is not None
    assert consumer is not None
    assert (microsoft.directory, consumer.directory) == ("organizations", "consumers")
    assert (len(microsoft.app_scopes), consumer.app_scopes) == (1, ())
    assert CATALOGUE["qq"].oauth2 is None
