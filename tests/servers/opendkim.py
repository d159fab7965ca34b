"""What OpenDKIM says of a signed message."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.servers.need import PATH, need


def verify(content: bytes, *, keys: Mapping[str, str]) -> str:
    """Return what OpenDKIM prints of a message; `keys` are TXT records by their full name.

    Debian's OpenDKIM knows no Ed25519: of such a signature it says nothing.
    """
    need("opendkim")
    program = shutil.which("opendkim", path=PATH)
    assert program is not None
    with tempfile.TemporaryDirectory() as home:
        published, message, settings = (Path(home) / one for one in ("keys", "mail", "conf"))
        published.write_text("".join(f"{name} {value}\n" for name, value in keys.items()))
        message.write_bytes(content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
        settings.write_text(f"Mode v\nTestDNSData {published}\n")
        words = [program, "-v", "-x", str(settings), "-t", str(message)]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout + done.stderr
