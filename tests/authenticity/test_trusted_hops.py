"""What each preset lets us believe, on messages in the shape in which its provider has them.

`tests/golden/arrivals/PRESET.eml` came the usual way, `PRESET-WHAT.eml` in another or with
fields that its sender forged; beside each stands what is believed of it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.app.inbound import hops_of
from gateway.authenticity.trace import TrustedHops, read_trace
from gateway.mail.message import parse_message
from gateway.providers.catalogue import load_catalogue

CATALOGUE = load_catalogue()
ARRIVALS = Path(__file__).parents[1] / "golden" / "arrivals"
CASES = sorted(path.stem for path in ARRIVALS.glob("*.eml"))


def believed(case: str) -> str:
    preset = max((name for name in CATALOGUE if case.startswith(name)), key=len)
    content = (ARRIVALS / f"{case}.eml").read_bytes().replace(b"\n", b"\r\n")
    found = read_trace(parse_message(content), hops_of(CATALOGUE[preset]))
    lines = [f"client {found.client or '-'}", f"helo {found.helo or '-'}"]
    lines += [f"envelope {'-' if found.mail_from is None else f'<{found.mail_from}>'}"]
    lines += [f"{one.method} {one.result} {one.domain}" for one in found.stated]
    return "".join(f"{line}\n" for line in lines)


@pytest.mark.parametrize("case", CASES)
def test_as_much_is_believed_as_the_provider_wrote(case: str) -> None:
    assert believed(case) == (ARRIVALS / f"{case}.expect").read_text()


def test_every_preset_that_is_believed_has_messages_of_both_kinds() -> None:
    for one in CATALOGUE.values():
        if one.inherits and hops_of(one) == hops_of(CATALOGUE[one.inherits]):
            continue  # as that one writes
        if hops_of(one) != TrustedHops():
            assert one.border_received
            assert one.id in CASES
            assert [case for case in CASES if case.startswith(f"{one.id}-")]
