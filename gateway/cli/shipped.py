"""Where the files that we ship lie: in the wheel, or in the root of a checkout."""

from __future__ import annotations

from pathlib import Path

import gateway
from gateway.cli.refusal import Refusal

PACKAGE = Path(gateway.__file__).parent


def example_config() -> Path:
    """Return gateway.conf.example; raises Refusal when the installation lacks it."""
    return _find("gateway.conf.example")


def policies() -> Path:
    """Return the directory of the policies we ship; raises Refusal likewise."""
    return _find("policies")


def _find(name: str) -> Path:
    for root in (PACKAGE / "shipped", PACKAGE.parent):
        if (root / name).exists():
            return root / name
    raise Refusal(f"this installation lacks its file {name}; install the gateway again")
