from __future__ import annotations

import tomllib

import pytest

from gateway.mail.schema import SchemaError
from gateway.mail.tenant import Security
from gateway.mail.tenant_file import as_toml, find_faults, read_tenant_file

PROVIDERS = ("generic", "sendgrid", "netease-163")
WHOLE = """
tenant = "acme"
name = "Acme Shop"
route = "helpdesk"
timezone = "Europe/Berlin"
[domains."ACME.example"]
[senders."Support@acme.example"]
name = "Acme Support"
upstream = "own"
from = "rewrite"
[upstreams.own]
host = "smtp.acme.example"
security = "tls"
password_file = "secrets/own"
[mailboxes."acmeshop@163.com"]
provider = "netease-163"
issued = 2026-11-01
[routes.helpdesk]
type = "webhook"
url = "https://desk.acme.example/inbound"
[credentials.zammad]
networks = ["10.1.0.0/16"]
"""


def test_a_tenant_file_becomes_a_tenant_with_its_names_folded() -> None:
    tenant = read_tenant_file(tomllib.loads(WHOLE)).tenant
    assert list(tenant.domains) == ["acme.example"]
    assert tenant.senders["support@acme.example"].from_policy == "rewrite"
    assert tenant.upstreams["own"].security is Security.TLS
    assert tenant.find_sender("support+42@acme.example") is not None
    assert list(find_faults(tenant, providers=PROVIDERS)) == []


def test_an_upstream_names_its_mailbox_in_any_case() -> None:
    text = 'tenant = "acme"\n[mailboxes."Shop@163.com"]\nprovider = "netease-163"\n'
    file = read_tenant_file(tomllib.loads(f'{text}[upstreams.x]\nmailbox = "Shop@163.COM"'))
    assert list(find_faults(file.tenant, providers=PROVIDERS)) == []
    assert file.items["upstream", "x"]["mailbox"] == "shop@163.com"  # as the store looks for it


def test_a_tenant_written_out_reads_back_as_the_same() -> None:
    file = read_tenant_file(tomllib.loads(WHOLE))
    again = read_tenant_file(tomllib.loads(as_toml("acme", file.settings, file.items)))
    assert again.tenant == file.tenant
    assert again.items == file.items


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name = 'x'", "tenant: write the tenant's short name"),
        ("tenant = 'a b'", "tenant: write the tenant's short name"),
        ("tenant = 'acme'\n[upstream.own]", "did you mean 'upstreams'"),
        ("tenant = 'acme'\n[upstreams.own]\nhots = 'x'", r"\[upstreams.own\] hots: .*'host'"),
        ("tenant = 'acme'\n[senders.support]", "is not an address"),
        ("tenant = 'acme'\ndomains = 5", "domains: expects tables"),
        (
            "tenant = 'acme'\n[mailboxes.'a@b.example']\n[mailboxes.'A@b.example']",
            r"\[mailboxes\]: a@b.example stands there twice",
        ),
    ],
)
def test_what_does_not_fit_is_told_with_section_and_key(text: str, sentence: str) -> None:
    with pytest.raises(SchemaError, match=sentence):
        read_tenant_file(tomllib.loads(text))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (('"helpdesk"\ntime', '"helpdesc"\ntime'), "did you mean 'helpdesk'"),
        (("Europe/Berlin", "Europe/Berlim"), "timezone: there is no"),
        (("Europe/Berlin", "Europe"), "timezone: there is no 'Europe'"),
        (("timezone", 'hours = "Mon 09:00-19:60"\ntimezone'), "are no hours: write them as"),
        (('upstream = "own"', 'upstream = "won"'), 'senders."support@acme.example"'),
        (("netease-163", "netease-136"), "did you mean 'netease-163'"),
        (('"rewrite"', '"rewrit"'), 'write "enforce" or "rewrite"'),
        (("10.1.0.0/16", "10.1.0.0/99"), r"\[credentials.zammad\] networks"),
        (('type = "webhook"', 'type = "webhok"'), "did you mean 'webhook'"),
        (('route = "helpdesk"\ntime', 'owner = "it"\nroute = "helpdesk"\ntime'), "owner: 'it'"),
        (("issued", "folders = []\nissued"), "folders: write one or more"),
        (("issued", 'folders = ["INBOX", "inbox"]\nissued'), "folders: INBOX is named twice"),
        (("issued", 'after_fetch = "move:inbox"\nissued'), "is fetched from there again"),
        (
            ("issued", 'after_fetch = "move:INBOX"\nissued'),
            "moved to INBOX is fetched from there",
        ),
        (('type = "webhook"', 'type = "imap"\nhost = "h"'), "username: this key is missing"),
        (('type = "webhook"', 'type = "smtp"\nhost = "h"\nto = "x"'), "to: 'x' is not"),
    ],
)
def test_a_name_that_nothing_carries_is_a_fault(change: tuple[str, str], sentence: str) -> None:
    assert change[0] in WHOLE
    tenant = read_tenant_file(tomllib.loads(WHOLE.replace(*change))).tenant
    (fault,) = find_faults(tenant, providers=PROVIDERS)
    with pytest.raises(AssertionError, match=sentence):
        raise AssertionError(fault)


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ('grant = "client-credential"\nclient_id = "me"', "did you mean 'client-credentials'"),
        ('directory = "acme.example"', "client_id: this key is missing, and directory needs"),
        ('grant = "client-credentials"', "client_id: this key is missing, and grant needs it"),
        ('provider = "generic"\nhost = "h"\nclient_id = "me"\nauthorize_url = "https://a"',
         "token_url: this key is missing: no preset knows it"),
    ],
)  # fmt: skip
def test_a_client_that_is_not_whole_is_a_fault(keys: str, sentence: str) -> None:
    provider = "" if "provider" in keys else 'provider = "sendgrid"\n'
    text = f'tenant = "acme"\n[mailboxes."a@acme.example"]\n{provider}{keys}\n'
    tenant = read_tenant_file(tomllib.loads(text)).tenant
    (fault,) = find_faults(tenant, providers=["sendgrid", "generic"])
    assert fault.startswith('[mailboxes."a@acme.example"] ')
    assert sentence in fault
