"""The policies as a testsuite script runs them: `test_chain_run "inbound"`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gateway.mail.tenant import Tenant
from gateway.policy.chain import Chain, run_files
from gateway.policy.files import load_chain
from gateway.sieve.interface import Limits, Outside, Result


def chain_runner(
    directory: Path, tenant: Tenant, *, limits: Limits
) -> Callable[[str, bytes, Outside], Result]:
    """Return what runs a tenant's chain on a message; it raises CompileError.

    The chain is compiled when it is first asked for and kept.
    """
    kept: dict[str, Chain] = {}

    def run(kind: str, content: bytes, outside: Outside) -> Result:
        if kind not in kept:
            kept[kind] = load_chain(directory, tenant, kind, limits=limits)
        return run_files(kept[kind], content, outside, limits=limits)

    return run


def suites(directory: Path) -> list[Path]:
    """Return the admin's own testsuites, in order."""
    return sorted(directory.glob("tests/**/*.svtest"))
