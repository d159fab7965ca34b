from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.app.accounts import Accounts
from gateway.app.directory import Directory
from gateway.config import Settings
from gateway.delivery.upstream import Account
from gateway.mail.delivery import Batch, Kind, Lane, LaneKind
from gateway.mail.envelope import Envelope
from gateway.mail.tenant import Security, Upstream
from gateway.mail.tenant_file import read_tenant_file
from gateway.providers.catalogue import load_catalogue
from gateway.store import tenants
from gateway.store.sealing import Seal
from gateway.store.sqlite import Store

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
TENANT = """
tenant = "acme"
[senders."support@acme.example"]
[upstreams.preset]
provider = "sendgrid"
[upstreams.elsewhere]
provider = "sendgrid"
host = "127.0.0.1"
port = 2525
security = "none"
username = "other"
[upstreams.hand]
host = "smtp.acme.example"
[upstreams.named]
host = "smtp.acme.example"
username = "relay"
[upstreams.keyless]
provider = "sendgrid"
[upstreams.through]
mailbox = "shop@163.com"
[mailboxes."shop@163.com"]
provider = "netease-163"
[mailboxes."bare@163.com"]
provider = "netease-163"
[routes.desk]
type = "smtp"
host = "desk.example"
security = "tls"
"""


@pytest.fixture
def accounts(tmp_path: Path) -> Iterator[Accounts]:
    store = Store.open(tmp_path / "gateway.db")
    seal = Seal.load(tmp_path / "secret.key")
    secrets = {("upstream", "preset"): "SG.key", ("mailbox", "shop@163.com"): "code"}
    file = read_tenant_file(tomllib.loads(TENANT))
    store.write_now(tenants.apply_tenant, file, secrets, seal, now=NOW)
    directory = Directory(store, seal)
    asyncio.run(directory.look())
    yield Accounts(Settings(path=tmp_path / "gateway.conf"), directory, load_catalogue())
    store.close()


def find(accounts: Accounts, name: str, kind: LaneKind = LaneKind.UPSTREAM) -> Account | None:
    batch = Batch(
        message="M1",
        lane=Lane("acme", kind, name),
        kind=Kind.SUBMISSION,
        token="token",
        lease_until=NOW + timedelta(minutes=5),
        envelope=Envelope(return_path=None, recipients=()),
        content=b"",
        edits=(),
        message_id="",
        header_from="support@acme.example",
        accepted_at=NOW,
        origin=None,
        deliveries=(),
    )
    return asyncio.run(accounts.find(batch))


def where(account: Account | None) -> tuple[str, int, Security, str | None]:
    assert account is not None
    at = account.endpoint
    username = account.credentials.username if account.credentials else None
    return at.host, at.port, at.security, username


def test_a_preset_needs_its_name_and_its_key_only(accounts: Accounts) -> None:
    expected = ("smtp.sendgrid.net", 587, Security.STARTTLS, "apikey")
    assert where(find(accounts, "preset")) == expected


def test_keys_beside_the_provider_come_before_the_presets(accounts: Accounts) -> None:
    assert where(find(accounts, "elsewhere")) == ("127.0.0.1", 2525, Security.NONE, None)


def test_by_hand_the_usual_port_and_security_are_taken(accounts: Accounts) -> None:
    expected = ("smtp.acme.example", 587, Security.STARTTLS, None)
    assert where(find(accounts, "hand")) == expected


@pytest.mark.parametrize("name", ["through", "shop@163.com"])
def test_a_mailboxs_own_account_has_one_secret(accounts: Accounts, name: str) -> None:
    assert where(find(accounts, name)) == ("smtp.163.com", 465, Security.TLS, "shop@163.com")
    lane = Lane("acme", LaneKind.UPSTREAM, name)
    tenant = read_tenant_file(tomllib.loads(TENANT)).tenant
    assert not accounts.takes_null_sender(tenant, lane)


@pytest.mark.parametrize(("name", "names"), [("shop@163.com", True), ("elsewhere", False)])
def test_a_mailboxs_own_account_names_mail_where_its_copy_may_tell_another_id(
    accounts: Accounts, name: str, names: bool
) -> None:
    found = find(accounts, name)
    assert found is not None
    assert found.names_mail is names


def test_a_secret_that_is_shown_in_groups_is_sent_without_their_blanks(
    accounts: Accounts,
) -> None:
    """Google shows its app passwords so."""
    groups = "abcd efgh\u00a0ijkl mnop"
    for provider, sent in (("gmail", "abcdefghijklmnop"), ("zoho", groups)):
        upstream = Upstream(name="x", provider=provider)
        account = accounts.of_upstream(upstream, sender="a@acme.example", secret=groups)
        assert account is not None
        assert account.credentials is not None
        assert account.credentials.secret == sent


def test_a_route_is_not_signed_for(accounts: Accounts) -> None:
    account = find(accounts, "desk", LaneKind.ROUTE)
    assert where(account) == ("desk.example", 465, Security.TLS, None)
    assert account is not None
    assert account.dkim_profile == "none"


@pytest.mark.parametrize("name", ["named", "keyless", "bare@163.com"])
def test_an_account_that_signs_in_is_none_without_its_secret(
    accounts: Accounts, name: str
) -> None:
    """Mail waits: it goes to no server in nobody's name."""
    assert find(accounts, name) is None


def test_what_is_not_configured_any_more_has_no_account(accounts: Accounts) -> None:
    assert find(accounts, "gone") is None
