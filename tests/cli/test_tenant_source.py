from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from gateway.cli.refusal import Refusal
from gateway.cli.tenant_source import load_source, missing_secrets
from gateway.net.service_account import read_key
from tests.net.test_service_account import key_file

UPSTREAM = 'tenant = "acme"\n[upstreams.own]\nhost = "smtp.acme.example"\nusername = "relay"\n'
HOOK = (
    'tenant = "acme"\n[routes.desk]\ntype = "webhook"\nurl = "https://desk.example/in"\n'
    'secret_file = "secret"\n'
)
LOGIN = 'tenant = "acme"\n[credentials.desk]\npassword_file = "secret"\n'


def tenant_file(root: Path, text: str, *, secret: str = "") -> Path:
    (root / "secret").write_text(secret)
    path = root / "acme.toml"
    path.write_text(text)
    return path


def faults(path: Path) -> list[str]:
    with pytest.raises(Refusal) as refused:
        load_source(path)
    return [one.removeprefix(f"{path}: ") for one in refused.value.sentences]


def test_a_secret_is_read_from_a_file_beside_the_tenant_file(tmp_path: Path) -> None:
    text = UPSTREAM + 'password_file = "secret"\nca_file = "ca.pem"\n'
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    source = load_source(tenant_file(tmp_path, text, secret="geheim\r\n"))
    assert source.secrets == {("upstream", "own"): "geheim"}
    assert source.file.items["upstream", "own"]["password_file"] == str(tmp_path / "secret")
    assert source.file.tenant.upstreams["own"].ca_file == str(tmp_path / "ca.pem")


def test_what_editors_and_copying_put_around_a_secret_is_none_of_it(tmp_path: Path) -> None:
    text = UPSTREAM + 'password_file = "secret"\n'
    path = tenant_file(tmp_path, text, secret="\ufeff  abcd efgh \r\n\n")
    assert load_source(path).secrets == {("upstream", "own"): "abcd efgh"}


def test_a_code_is_not_made_in_days_to_come(tmp_path: Path) -> None:
    text = 'tenant = "acme"\n[mailboxes."a@163.com"]\nprovider = "netease-163"\nissued = '
    where = '[mailboxes."a@163.com"] issued:'
    assert faults(tenant_file(tmp_path, text + "2126-11-01")) == [
        f"{where} 2126-11-01 is still to come: write when it was made"
    ]
    assert faults(tenant_file(tmp_path, text + '"soon"')) == [
        f"{where} 'soon' is not a day: write one such as 2026-11-01"
    ]
    assert load_source(tenant_file(tmp_path, text + "2026-11-01")).file.tenant.mailboxes


def test_a_secret_is_read_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tenant_file(tmp_path, UPSTREAM + 'password_env = "OWN_PASSWORD"\n')
    assert faults(path) == [
        "[upstreams.own] password_env: the environment variable OWN_PASSWORD is not set"
    ]
    monkeypatch.setenv("OWN_PASSWORD", "geheim\r\n")
    assert load_source(path).secrets == {("upstream", "own"): "geheim"}


def test_what_a_preset_cannot_do_is_refused_with_the_file_and_the_place(tmp_path: Path) -> None:
    text = 'tenant = "acme"\n[upstreams.mg]\nprovider = "mailgun"\nregion = "Asia"\n'
    assert faults(tenant_file(tmp_path, text)) == [
        "[upstreams.mg] region: Mailgun has no region 'Asia': one of US, EU"
    ]


def test_a_short_submission_password_is_refused(tmp_path: Path) -> None:
    sentence = (
        "[credentials.desk] password_file: a submission password has at least 20 characters"
    )
    assert faults(tenant_file(tmp_path, LOGIN, secret="x" * 19)) == [sentence]
    assert load_source(tenant_file(tmp_path, LOGIN, secret="x" * 20)).secrets


@pytest.mark.parametrize(
    "secret", ["plain", "whsec_", "whsec_not base64!", "whsec_abc", "whsec_YQ==\nwhsec_"]
)
def test_a_webhook_secret_has_the_shape_of_its_specification(
    tmp_path: Path, secret: str
) -> None:
    [fault] = faults(tenant_file(tmp_path, HOOK, secret=secret))
    assert fault == "[routes.desk] secret_file: a webhook's secret is whsec_ and base64"


def test_a_webhook_has_one_secret_or_two_while_it_changes(tmp_path: Path) -> None:
    new, old = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_YQ=="
    for given in (new, f"{new}\n{old}"):
        path = tenant_file(tmp_path, HOOK, secret=f"{given}\n")
        assert load_source(path).secrets == {("route", "desk"): given}
    [fault] = faults(tenant_file(tmp_path, HOOK, secret=f"{new}\n{old}\n{old}"))
    assert fault.endswith("expects one secret, or two, a line each")


@pytest.mark.parametrize("secret", ["", "one\ntwo\n"])
def test_a_file_that_is_not_one_line_is_refused(tmp_path: Path, secret: str) -> None:
    path = tenant_file(tmp_path, UPSTREAM + 'password_file = "secret"\n', secret=secret)
    [fault] = faults(path)
    assert fault.endswith("expects one line with the secret")
    assert "one\n" not in fault


@pytest.mark.parametrize(
    ("name", "why"), [("none", "cannot be read"), ("secret", "holds no certificate")]
)
def test_a_ca_file_that_is_none_is_a_fault(tmp_path: Path, name: str, why: str) -> None:
    text = f'{UPSTREAM}ca_file = "{name}"\n'
    [fault] = faults(tenant_file(tmp_path, text, secret="x"))
    assert fault.startswith(f"[upstreams.own] ca_file: {tmp_path / name}: {why}")


def test_a_secret_where_none_belongs_is_an_unknown_key(tmp_path: Path) -> None:
    text = 'tenant = "acme"\n[domains."acme.example"]\npassword_file = "secret"\n'
    [fault] = faults(tenant_file(tmp_path, text))
    assert fault == (
        "[domains.\"acme.example\"] password_file: there is no key 'password_file' here"
    )


def test_one_secret_is_given_in_one_way(tmp_path: Path) -> None:
    text = UPSTREAM + 'password_file = "secret"\npassword_env = "OWN"\n'
    [fault] = faults(tenant_file(tmp_path, text, secret="x"))
    assert "password_file is given already" in fault


def test_a_line_that_is_not_toml_is_told_with_its_number(tmp_path: Path) -> None:
    [fault] = faults(tenant_file(tmp_path, 'tenant = "acme"\nname Acme\n'))
    assert fault.startswith("line 2: ")


def test_what_cannot_sign_in_yet_is_named(tmp_path: Path) -> None:
    text = UPSTREAM + "[credentials.desk]\n"
    file = load_source(tenant_file(tmp_path, text)).file
    assert list(missing_secrets(file, {("upstream", "own")})) == [
        "[credentials.desk] has no password yet: gateway credential add acme desk"
    ]
    assert len(list(missing_secrets(file, set()))) == 2


def test_a_route_or_hook_that_cannot_be_handed_anything_yet_is_named(tmp_path: Path) -> None:
    text = HOOK.replace('secret_file = "secret"\n', "") + (
        '[routes.imap]\ntype = "imap"\nhost = "h.example"\nusername = "u"\n'
        '[routes.smtp]\ntype = "smtp"\nhost = "h.example"\n'
        '[hooks.events]\nurl = "https://desk.example/ev"\nevents = []\n'
    )
    file = load_source(tenant_file(tmp_path, text)).file
    assert list(missing_secrets(file, set())) == [
        "[routes.desk] has no secret yet: give it secret_file",
        "[routes.imap] has no password yet: give it password_file",
        "[hooks.events] has no secret yet: give it secret_file",
    ]


def test_an_account_whose_user_name_the_preset_knows_needs_a_password_too(
    tmp_path: Path,
) -> None:
    text = 'tenant = "acme"\n[upstreams.grid]\nprovider = "sendgrid"\n'
    [lacking] = missing_secrets(load_source(tenant_file(tmp_path, text)).file, set())
    assert lacking == "[upstreams.grid] has no password yet: give it password_file"


CLIENT = 'tenant = "acme"\n[mailboxes."a@acme.example"]\nprovider = "m365"\n'
HERE = '[mailboxes."a@acme.example"]'


def test_a_client_secret_is_read_beside_its_client_id_alone(tmp_path: Path) -> None:
    text = CLIENT + 'client_id = "me"\nclient_secret_file = "secret"\n'
    source = load_source(tenant_file(tmp_path, text, secret="geheim"))
    assert source.secrets == {("client", "a@acme.example"): "geheim"}
    item = source.file.items["mailbox", "a@acme.example"]
    assert item["client_secret_file"] == str(tmp_path / "secret")
    [_, told] = faults(tenant_file(tmp_path, CLIENT + 'client_secret_file = "secret"\n'))
    assert told.startswith(f"{HERE} client_secret_file: there is no client here")
    both = text + 'password_file = "secret"\n'
    [told] = faults(tenant_file(tmp_path, both, secret="geheim"))
    assert told.startswith(f"{HERE} password_file: client_id says that it signs in by OAuth2")
    other = UPSTREAM + 'client_secret_file = "secret"\n'
    [told] = faults(tenant_file(tmp_path, other))
    assert told.endswith("client_secret_file: there is no client here: only a mailbox has one")


def test_the_key_of_a_service_account_is_read_whole_and_beside_its_grant_alone(
    tmp_path: Path,
) -> None:
    (tmp_path / "key").write_text(key_file())
    text = CLIENT.replace("m365", "gmail") + 'key_file = "key"\n'
    by_service = text + 'grant = "service-account"\n'
    source = load_source(tenant_file(tmp_path, by_service))
    assert source.secrets == {("client", "a@acme.example"): read_key(key_file()).text}
    [told] = faults(tenant_file(tmp_path, text))
    assert told.startswith(f'{HERE} key_file: it goes with grant = "service-account"')
    [told] = faults(tenant_file(tmp_path, by_service + 'client_id = "me"\n'))
    assert "client_id: a service account has none" in told
    [told] = faults(tenant_file(tmp_path, by_service + 'password_file = "key"\n'))
    assert "password_file: grant says that it signs in by OAuth2" in told
    (tmp_path / "key").write_text("no key")
    [told] = faults(tenant_file(tmp_path, by_service))
    assert "is not the key of a service account" in told
    without = by_service.replace('key_file = "key"\n', "")
    lacking = missing_secrets(load_source(tenant_file(tmp_path, without)).file, set())
    assert list(lacking) == [f"{HERE} has no key yet: give it key_file"]


def test_what_a_mailbox_that_signs_in_by_oauth2_still_lacks_is_told(tmp_path: Path) -> None:
    file = load_source(tenant_file(tmp_path, CLIENT + 'client_id = "me"\n')).file
    [told] = missing_secrets(file, set())
    assert told == f"{HERE} has no permission yet: gateway mailbox authorize a@acme.example"
    assert list(missing_secrets(file, {("refresh", "a@acme.example")})) == []
    alone = CLIENT + 'client_id = "me"\ngrant = "client-credentials"\n'
    file = load_source(tenant_file(tmp_path, alone)).file
    [told] = missing_secrets(file, {("refresh", "a@acme.example")})
    assert told == f"{HERE} has no client secret yet: give it client_secret_file"
