from __future__ import annotations

import pytest

from gateway.cli.asking import read_port, read_security
from gateway.cli.refusal import Refusal


@pytest.mark.parametrize("word", ["ssl", "SSL/TLS"])
def test_what_mail_programs_call_ssl_is_told_as_tls(word: str) -> None:
    with pytest.raises(Refusal, match="did you mean tls"):
        read_security(word)


def test_a_security_is_read_and_a_slip_gets_the_nearest() -> None:
    assert read_security(" STARTTLS ") == "starttls"
    with pytest.raises(Refusal, match="did you mean 'starttls'"):
        read_security("startls")


def test_a_port_is_read_and_what_is_none_is_asked_again() -> None:
    assert read_port(" 587 ") == 587
    for text in ("0", "65536", "²", "smtp"):
        with pytest.raises(Refusal, match="is not a port"):
            read_port(text)
