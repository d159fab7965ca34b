from __future__ import annotations

from gateway.providers.causes import CAUSES, Turn
from gateway.providers.standard import CAUSE_OF, find_standard


def test_a_code_that_is_about_one_mail_has_a_cause_that_says_so() -> None:
    """Nothing that a stranger says of one mail stops an account or makes a lane slower."""
    turns = {CAUSES[cause].turn for cause in CAUSE_OF.values()}
    assert turns <= {Turn.RECIPIENT, Turn.SENDER, Turn.MESSAGE, Turn.SENDER_DOMAIN}


def test_only_a_code_that_stands_first_is_one() -> None:
    assert find_standard("5.1.1 no such user") == "recipient-refused"
    assert find_standard("no such user 5.1.1") is None
    assert find_standard("5.1.10.2 odd") is None
    assert find_standard("5.0.0 no") is None
