from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.mail.tenant import Mailbox, Security
from gateway.mailbox.account import Account, account_of, find_junk, find_sent
from gateway.net.imap import FolderName
from gateway.providers.catalogue import Behaviour, LoginRules, Provider, Server

NETEASE = Provider(
    id="netease-163",
    name="NetEase",
    imap=(Server(host="imap.163.com", port=993, security=Security.TLS),),
    behaviour=Behaviour(
        idle="no", poll_min_seconds=60, send_id="always", junk=("&V4NXPpCuTvY-",)
    ),
)
GENERIC = Provider(id="generic", name="Other", behaviour=Behaviour(idle_reissue_seconds=1200))
TEN_SECONDS = timedelta(seconds=10)


def account(mailbox: Mailbox, provider: Provider, trusted_ca: str | None = None) -> Account:
    return account_of(
        "acme", mailbox, provider=provider, poll_every=TEN_SECONDS, trusted_ca=trusted_ca
    )


def test_the_preset_tells_server_name_and_manners() -> None:
    found = account(Mailbox(address="shop@163.com"), NETEASE)
    assert str(found.endpoint) == "imap.163.com:993"
    assert found.endpoint.security is Security.TLS
    assert found.username == "shop@163.com"
    assert (found.may_idle, found.says_id) == (False, True)


@pytest.mark.parametrize(
    ("security", "port", "expected"),
    [
        (None, None, (Security.TLS, 993)),
        (None, 143, (Security.STARTTLS, 143)),
        (Security.STARTTLS, None, (Security.STARTTLS, 143)),
        (Security.NONE, 1143, (Security.NONE, 1143)),
    ],
)
def test_a_host_given_by_hand_overrides_the_preset(
    security: Security | None, port: int | None, expected: tuple[Security, int]
) -> None:
    mailbox = Mailbox(
        address="a@b.example", host="mail.b.example", port=port, security=security
    )
    endpoint = account(mailbox, NETEASE).endpoint
    assert (endpoint.host, endpoint.security, endpoint.port) == ("mail.b.example", *expected)


def test_without_any_server_the_mailbox_cannot_be_watched() -> None:
    with pytest.raises(ValueError, match="give host"):
        account(Mailbox(address="a@b.example"), GENERIC)


def test_only_an_unknown_provider_is_polled_as_often_as_one_likes() -> None:
    mailbox = Mailbox(address="a@b.example", host="mail.b.example")
    assert account(mailbox, GENERIC).poll_every == TEN_SECONDS
    assert account(mailbox, NETEASE).poll_every == timedelta(seconds=60)


def test_an_idle_is_renewed_before_nine_minutes_whatever_the_preset_says() -> None:
    mailbox = Mailbox(address="a@b.example", host="mail.b.example")
    assert account(mailbox, GENERIC).idle_for == timedelta(minutes=9)


@pytest.mark.parametrize(
    ("imap_user", "username", "expected"),
    [
        ("address", None, "ann@icloud.com"),
        ("local-part", None, "ann"),
        ("local-part", "own", "own"),
    ],
)
def test_who_signs_in(imap_user: str, username: str | None, expected: str) -> None:
    provider = Provider(id="icloud", name="iCloud", login=LoginRules(imap_user=imap_user))
    mailbox = Mailbox(address="ann@icloud.com", host="imap.mail.me.com", username=username)
    assert account(mailbox, provider).username == expected


def test_a_private_authority_is_trusted_beside_the_global_one() -> None:
    mailbox = Mailbox(address="a@b.example", host="mail.b.example", ca_file="/own.pem")
    assert account(mailbox, GENERIC, "/all.pem").endpoint.ca_files == ("/all.pem", "/own.pem")


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        ([("Papierkorb", "\\Trash"), ("Spamverdacht", "\\Junk")], "Spamverdacht"),
        ([("INBOX", ""), ("垃圾邮件", "")], "垃圾邮件"),
        ([("INBOX", ""), ("junk E-Mail", "")], "junk E-Mail"),
        ([("INBOX", ""), ("INBOX.Spam", "")], "INBOX.Spam"),
        ([("INBOX", ""), ("Later", "")], None),
    ],
)
def test_junk_is_found_by_attribute_then_by_name(
    folders: list[tuple[str, str]], expected: str | None
) -> None:
    listed = [FolderName(name, frozenset({attribute})) for name, attribute in folders]
    assert find_junk(listed, NETEASE) == expected


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        ([("Verschickt", "\\Sent"), ("Sent", "")], "Verschickt"),
        ([("INBOX", ""), ("sent items", "")], "sent items"),
        ([("已发送", ""), ("INBOX", "")], "已发送"),
        ([("INBOX", "")], None),
    ],
)
def test_the_folder_for_sent_mail_is_found_as_the_junk_folder_is(
    folders: list[tuple[str, str]], expected: str | None
) -> None:
    listed = [FolderName(name, frozenset({attribute})) for name, attribute in folders]
    assert find_sent(listed, GENERIC) == expected
