from __future__ import annotations

import pytest

from gateway.cli import provider_words as words
from gateway.providers.catalogue import Provider, load_catalogue
from tests.cli.running import Cli

CATALOGUE = load_catalogue()


def test_providers_are_listed_and_shown_without_a_configuration(bare: Cli) -> None:
    listed = {one["id"]: one for one in bare.json("provider", "list")}
    assert listed["gmail"]["imap"] is True
    assert listed["sendgrid"]["imap"] is False
    shown = bare.say("provider", "show", "gmail")
    assert "imap.gmail.com:993 tls" in shown
    assert 'next: provider = "gmail" in a tenant file' in shown
    assert bare.json("provider", "show", "gmail")["smtp"][0]["host"] == "smtp.gmail.com"
    assert "did you mean 'gmail'?" in bare.refused("provider", "show", "gmial")


def test_the_list_is_grouped_by_what_a_provider_is_for(bare: Cli) -> None:
    listed = bare.say("provider", "list")
    marks = ("Sending services", "mailgun", "Mailboxes in China", "qq ", "Mailboxes elsewhere",
             "gmail", "Channels", "amazon-buyer-messages", "Any other", "generic")  # fmt: skip
    places = [listed.index(mark) for mark in marks]
    assert places == sorted(places)


def test_a_password_is_told_with_where_to_get_list_revoke_and_replace_it(bare: Cli) -> None:
    shown = bare.say("provider", "show", "netease-163")
    for text in ("an authorization code", "180 days", "switch on IMAP/SMTP", "list, revoke",
                 "replace", "the account's own address only"):  # fmt: skip
        assert text in shown
    assert "dt:spm" not in shown
    assert "dt:spm" in bare.say("provider", "show", "netease-163", "--errors")
    assert "Not a mail provider" in bare.say("provider", "show", "amazon-buyer-messages")
    microsoft = bare.say("provider", "show", "m365")
    assert "reading takes OAuth2" in microsoft
    assert "IMAP.AccessAsUser.All" in microsoft
    assert "New-ServicePrincipal" in microsoft
    google = bare.say("provider", "show", "gmail")
    assert "restricted scope" in google
    assert "service account with domain-wide delegation" in google


def test_advice_has_a_recommendation_with_reasons_limits_and_steps(bare: Cli) -> None:
    said = bare.say("provider", "advise", "--volume", "900", "--use", "support")
    assert "recommended: " in said
    assert "steps: 1. " in said
    told = bare.json("provider", "advise", "--volume", "900", "--use", "marketing")
    best = told["providers"][0]
    assert (told["recommended"], best["fits"]) == (best["id"], True)
    assert best["reasons"]
    assert told["steps"]
    assert told["warnings"] == []


def test_a_free_mail_sender_of_many_mails_is_warned(bare: Cli) -> None:
    words = ("provider", "advise", "--volume", "101", "--sender", "shop@163.com")
    done = bare.run(*words)
    assert (done.returncode, "netease-163" in done.stdout) == (0, True)
    assert "warning: shop@163.com is a free-mail address" in done.stderr
    assert "free-mail" in bare.json(*words)["warnings"][0]


def test_advice_for_what_is_not_known_is_refused_in_a_sentence(bare: Cli) -> None:
    asked = ("provider", "advise", "--volume", "5")
    assert "did you mean 'support'?" in bare.refused(*asked, "--use", "suport")
    assert "'nobody' is not an address" in bare.refused(*asked, "--sender", "nobody")


@pytest.mark.parametrize("provider", CATALOGUE.values(), ids=CATALOGUE)
def test_every_preset_is_told_in_words(provider: Provider) -> None:
    told = dict([*words.servers(provider), *words.password(provider), *words.sending(provider)])
    assert provider.group in words.GROUPS
    if provider.role != "channel":
        assert all(told[name] for name in ("user name", "password", "from", "other from"))


def test_whose_word_counts_is_told_of_each_provider_that_is_read() -> None:
    known = CATALOGUE
    told = {name: dict(words.believed(one)).get("believed") for name, one in known.items()}
    assert told["yahoo"] == (
        "its Authentication-Results and Return-Path, and DKIM as verified here"
    )
    assert told["icloud"] == "its Return-Path, and DKIM as verified here"
    assert told["outlook-com"] == "its Authentication-Results, and DKIM as verified here"
    assert str(told["netease-126"]).startswith("SPF and DKIM as verified here,")
    assert str(told["qq"]).startswith("DKIM, as verified here, alone:")
    assert told["sendgrid"] is None
