from __future__ import annotations

from gateway.providers.advice import (
    USES,
    Advice,
    Wish,
    advise,
    find_steps,
    find_warnings,
)
from gateway.providers.catalogue import load_catalogue

CATALOGUE = load_catalogue()


def advised(per_day: int, *uses: str, sender: str | None = None) -> list[Advice]:
    return advise(CATALOGUE, Wish(per_day=per_day, uses=uses or ("support",), sender=sender))


def of(provider: str, found: list[Advice]) -> Advice:
    return next(one for one in found if one.provider.id == provider)


def test_a_preset_is_meant_for_known_uses_only() -> None:
    assert {use for one in CATALOGUE.values() for use in one.suits} <= set(USES)


def test_few_support_mails_go_by_a_mailbox_and_many_by_a_sending_service() -> None:
    assert advised(50)[0].provider.role == "mailbox"
    assert advised(3000)[0].provider.role == "sender"
    assert "is made for this many mails a day" in advised(3000)[0].reasons


def test_marketing_never_goes_by_a_mailbox() -> None:
    found = advised(200, "marketing")
    assert {one.provider.role for one in found if one.fits} == {"sender"}
    assert "marketing" in found[0].provider.suits
    assert "marketing" in " ".join(of("gmail", found).reasons)


def test_readers_in_china_are_written_to_from_there() -> None:
    assert advised(200, "support", "china")[0].provider.group == "cn"
    assert advised(200, "support")[0].provider.group != "cn"


def test_a_mailbox_that_allows_fewer_is_left_out_with_its_figure() -> None:
    zoho, gmail = of("zoho", advised(5000)), of("gmail", advised(5000))
    assert zoho.fits is gmail.fits is False
    assert zoho.reasons == ("allows 50 mails an hour",)
    assert gmail.reasons == ("allows 2000 mails a day (Workspace, paid)",)


def test_the_figure_of_a_small_plan_is_told_and_not_held_against_a_larger_one() -> None:
    brevo = of("brevo", advised(5000, "marketing"))
    assert brevo.fits
    assert "allows 300 mails a day (free): take a larger plan" in brevo.reasons


def test_a_free_mail_address_leaves_by_its_own_provider_only() -> None:
    found = advised(50, sender="shop@163.com")
    assert [one.provider.id for one in found if one.fits] == ["netease-163"]
    assert "that address belongs to NetEase 163 Mail" in of("mailgun", found).reasons[0]


def test_an_address_at_an_own_domain_does_not_leave_by_free_mail() -> None:
    found = advised(50, sender="support@acme.example")
    assert not of("netease-163", found).fits
    assert of("gmail", found).fits


def test_a_free_mail_sender_is_warned_above_a_hundred_mails_a_day() -> None:
    def warned(per_day: int, sender: str) -> list[str]:
        wish = Wish(per_day=per_day, uses=("support",), sender=sender)
        return list(find_warnings(CATALOGUE, wish))

    assert "shop@163.com is a free-mail address" in warned(101, "shop@163.com")[0]
    assert warned(100, "shop@163.com") == []
    assert warned(101, "support@acme.example") == []
    assert "SPF, DKIM and DMARC" in warned(5001, "support@acme.example")[0]


def test_who_only_reads_by_oauth2_is_not_recommended_for_support() -> None:
    assert not of("outlook-com", advised(50)).fits
    assert "is read by OAuth2 only" in " ".join(of("m365", advised(50)).reasons)


def test_the_steps_lead_from_the_password_to_the_records() -> None:
    steps = list(find_steps(CATALOGUE["ses"], Wish(per_day=900, uses=("marketing",))))
    assert steps[0].startswith("SES console")
    told = " ".join(steps)
    for word in ("include:amazonses.com", "DMARC", "List-Unsubscribe", "connect a mailbox"):
        assert word in told
    assert "publish" not in " ".join(
        find_steps(CATALOGUE["netease-163"], Wish(per_day=9, uses=("support",)))
    )
