from __future__ import annotations

import subprocess
import sys

from gateway.authenticity import spf
from tests.servers.zone import Zone

QUESTION = (
    "request=smtpd_access_policy\ninstance=1\nclient_address=127.0.0.1\nhelo_name=mx\n"
    "sender=ann@acme.example\nrecipient=gateway@token\n\n"
)


def test_it_speaks_postfixs_policy_protocol_and_asks_the_given_server() -> None:
    with Zone({("acme.example", "TXT"): ["v=spf1 ip4:127.0.0.1 -all"]}) as zone:
        address, _, port = zone.address.rpartition(":")
        ended = subprocess.run(
            [sys.executable, "-P", str(spf.PROGRAM), str(spf.CONFIG), address, port],
            input=QUESTION, capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        assert ("acme.example", "TXT") in zone.asked
    answer = "action=prepend Authentication-Results: gateway; spf=pass "
    assert ended.stdout.startswith(answer)
    assert ended.stdout.endswith("\n\n")
    assert "receiver=token" in ended.stdout
