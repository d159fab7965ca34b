from __future__ import annotations

import dataclasses

from gateway.mail.tenant import Mailbox
from gateway.providers.catalogue import load_catalogue
from gateway.providers.oauth import client_of

CATALOGUE = load_catalogue()
BOX = Mailbox(address="a@acme.example", provider="m365", client_id="me")


def test_microsoft_is_asked_in_the_directory_that_is_named() -> None:
    anybody = client_of(BOX, CATALOGUE["m365"], secret="s")
    root = "https://login.microsoftonline.com/organizations/oauth2/v2.0"
    assert (anybody.authorize_url, anybody.token_url) == (f"{root}/authorize", f"{root}/token")
    assert anybody.scopes[0] == "offline_access"
    own = client_of(dataclasses.replace(BOX, directory="acme.example"), CATALOGUE["m365"],
                    secret=None)  # fmt: skip
    assert own.token_url == "https://login.microsoftonline.com/acme.example/oauth2/v2.0/token"
    consumer = client_of(BOX, CATALOGUE["outlook-com"], secret=None)
    assert "/consumers/" in consumer.token_url


def test_china_has_hosts_of_its_own() -> None:
    china = dataclasses.replace(BOX, region="China")
    client = client_of(china, CATALOGUE["m365"], secret=None)
    root = "https://login.partner.microsoftonline.cn/organizations/oauth2/v2.0"
    assert (client.authorize_url, client.token_url) == (f"{root}/authorize", f"{root}/token")
    assert client.scopes[2] == "https://partner.outlook.cn/SMTP.Send"
    alone = dataclasses.replace(china, grant="client-credentials")
    client = client_of(alone, CATALOGUE["m365"], secret=None)
    assert client.scopes == ("https://partner.outlook.cn/.default",)


def test_without_a_person_the_scope_is_the_programs_own() -> None:
    alone = dataclasses.replace(BOX, grant="client-credentials")
    client = client_of(alone, CATALOGUE["m365"], secret="s")
    assert client.scopes == ("https://outlook.office365.com/.default",)


def test_a_service_account_asks_for_what_a_person_would_grant() -> None:
    robot = Mailbox(address="a@acme.example", provider="gmail", grant="service-account")
    assert (robot.oauth2, robot.needs_person) == (True, False)
    client = client_of(robot, CATALOGUE["gmail"], secret="{}")
    assert client.scopes == ("https://mail.google.com/",)
    assert client.token_url == "https://oauth2.googleapis.com/token"


def test_google_is_asked_for_a_refresh_token() -> None:
    client = client_of(BOX, CATALOGUE["gmail"], secret="s")
    assert client.parameters == {"access_type": "offline", "prompt": "consent"}
    assert client.scopes == ("https://mail.google.com/",)


def test_keys_of_the_mailbox_override_the_preset() -> None:
    by_hand = dataclasses.replace(
        BOX,
        authorize_url="https://a.example/",
        token_url="https://t.example/",
        scopes=("mail",),
    )
    client = client_of(by_hand, CATALOGUE["m365"], secret=None)
    assert (client.authorize_url, client.token_url) == (
        "https://a.example/",
        "https://t.example/",
    )
    assert client.scopes == ("mail",)
