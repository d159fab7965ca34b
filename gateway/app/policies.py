"""The policy files joined: one set of chains for both journeys."""

from __future__ import annotations

import time

from gateway import events
from gateway.config import Settings
from gateway.mail.tenant import Tenant
from gateway.policy.files import Chains
from gateway.sieve.interface import CompileError


def open_chains(settings: Settings) -> Chains:
    """Return the chains of all tenants, compiled when they are first asked for."""
    directory = settings.resolve(settings.policies.directory)
    return Chains(directory, clock=time.monotonic, report=_report_broken_chain)


def _report_broken_chain(tenant: Tenant, kind: str, error: CompileError) -> None:
    for one in error.diagnostics:
        fault = f"{one.file}:{one.line}:{one.column}: {one.message}"
        events.policy_refused(tenant=tenant.id, chain=kind, fault=fault)
