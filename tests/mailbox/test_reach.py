"""A server that cannot be reached: what a person is told to change."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.mail.tenant import Security
from gateway.mailbox.reach import explain_outage
from gateway.net.imap import Endpoint, ImapPools, ImapRefused, ImapSession
from gateway.net.oauth import NoTokens
from gateway.net.unreachable import Unreachable
from tests.mailbox.world import run
from tests.servers.dovecot import Dovecot

TLS, STARTTLS = Security.TLS, Security.STARTTLS


async def cause_at(endpoint: Endpoint) -> tuple[str, str]:
    pools = ImapPools.start(sign_in=1, work=1)
    try:
        session = await ImapSession.connect(endpoint, pools)
        assert isinstance(session, ImapRefused)
        raise AssertionError(session.text)
    except Unreachable as error:
        found = explain_outage(error, endpoint)
        return found.cause, found.fix
    finally:
        pools.close()


def test_what_is_wrong_with_the_settings_is_told(dovecot: Dovecot, tmp_path: Path) -> None:
    trusted, none = (str(dovecot.ca_file),), (str(tmp_path / "none.pem"),)
    tls, plain = dovecot.imaps_port, dovecot.imap_port
    wrong = {
        "certificate-not-trusted": Endpoint(host="localhost", port=tls, security=TLS),
        "security-mismatch": Endpoint(
            host="localhost", port=plain, security=TLS, ca_files=trusted
        ),
        "ca-file": Endpoint(host="localhost", port=tls, security=TLS, ca_files=none),
        "connection-refused": Endpoint(host="127.0.0.1", port=9, security=TLS),
        "name-not-found": Endpoint(host="nowhere.invalid", port=993, security=TLS),
    }

    async def work() -> None:
        for cause, endpoint in wrong.items():
            found, fix = await cause_at(endpoint)
            assert found == cause
            assert fix.endswith(".")

    run(work)


@pytest.mark.parametrize(("port", "cause"), [(993, "security-mismatch"), (143, "timed-out")])
def test_silence_at_the_port_for_tls_is_told_as_that(port: int, cause: str) -> None:
    error = Unreachable("no answer in time")
    error.__cause__ = TimeoutError()
    endpoint = Endpoint(host="imap.x.example", port=port, security=STARTTLS)
    assert explain_outage(error, endpoint).cause == cause


def test_a_token_endpoint_that_is_away_is_no_fault_of_the_mailboxs_server() -> None:
    endpoint = Endpoint(host="imap.x.example", port=993, security=TLS)
    error = NoTokens("login.x.example gives no tokens now: 503")
    error.__cause__ = TimeoutError()
    assert explain_outage(error, endpoint).cause == "no-tokens"
