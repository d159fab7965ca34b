from __future__ import annotations

import pytest

from gateway.delivery.reach import explain_loss
from gateway.mail.tenant import Security
from gateway.net.smtp import Endpoint
from gateway.net.smtp_wire import Loss


def at(port: int, security: Security) -> Endpoint:
    return Endpoint(host="smtp.acme.example", port=port, security=security)


@pytest.mark.parametrize("reason", [Loss.SILENT, Loss.CLOSED, Loss.NOT_SMTP])
@pytest.mark.parametrize("security", [Security.STARTTLS, Security.NONE])
def test_port_465_without_tls_is_told_as_the_wrong_pair(
    reason: Loss, security: Security
) -> None:
    found = explain_loss(reason, at(465, security))
    assert found.cause == "security-mismatch"
    assert 'Set security to "tls"' in found.fix


def test_port_587_with_tls_is_told_as_the_wrong_pair() -> None:
    found = explain_loss(Loss.NOT_TLS, at(587, Security.TLS))
    assert found.cause == "security-mismatch"
    assert 'Set security to "starttls"' in found.fix


def test_a_port_that_fits_is_not_blamed() -> None:
    assert explain_loss(Loss.SILENT, at(465, Security.TLS)).cause == "timed-out"
    assert explain_loss(Loss.SILENT, at(587, Security.STARTTLS)).cause == "timed-out"


@pytest.mark.parametrize("reason", list(Loss))
def test_every_loss_has_a_sentence_that_names_the_server(reason: Loss) -> None:
    found = explain_loss(reason, at(587, Security.STARTTLS))
    assert "smtp.acme.example" in found.meaning
    assert found.fix.endswith(".")
