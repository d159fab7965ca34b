"""What Perl's Mail::DKIM says of a signed message."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.servers.need import need
from tests.servers.zone import Zone

SCRIPT = Path(__file__).with_name("mail_dkim.pl")


def verify(content: bytes, zone: Zone) -> dict[str, str]:
    """Return the result of each signature and of ARC: {"rsa-sha256 acme.example": "pass",
    "arc chain": "none"}.

    Line ends are CRLF. Debian's Mail::DKIM knows no Ed25519 and says so: such a signature is
    "invalid (unsupported algorithm ed25519-sha256)".
    """
    return verify_all([content], zone)[0]


def verify_all(contents: Sequence[bytes], zone: Zone) -> list[dict[str, str]]:
    """Return the results of each mail, as `verify` does; none of them holds a NUL."""
    need("perl", "/usr/share/perl5/Mail/DKIM/Verifier.pm")
    port = zone.address.rpartition(":")[2]
    done = subprocess.run(
        ["perl", str(SCRIPT), port],
        input=b"\0".join(contents),
        capture_output=True,
        check=True,
        timeout=60,
    )
    return [_results(said) for said in done.stdout.decode().split("\n\n")[:-1]]


def _results(said: str) -> dict[str, str]:
    lines = [line.split(" ", 2) for line in said.splitlines()]
    return {f"{algorithm} {domain}": result for algorithm, domain, result in lines}
