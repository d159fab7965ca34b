"""A chain that was kept runs as it did, whatever became of its files."""

from __future__ import annotations

import json
from pathlib import Path

from gateway.mail.tenant import Tenant
from gateway.policy.chain import Chain
from gateway.policy.compiling import version_of
from gateway.policy.files import Chains, load_chain
from gateway.policy.kept import read_kept, write_kept
from gateway.sieve.interface import CompileError, Limits
from tests.policy.test_files import ACME, Clock, write

FILES = {
    "inbound/10.sieve": 'if header :list "from" "vip" { fileinto :copy "desk"; }\n',
    "inbound/20.sieve": 'include :personal "own";\n',
    "tenants/acme/lib/own.sieve": 'vacation "file:templates/away.txt";\n',
    "templates/away.txt": "We are away.\n",
    "lists/vip.txt": "ann@customer.example\n",
}


def good(directory: Path) -> Chain:
    for name, text in FILES.items():
        write(directory, name, text)
    return load_chain(directory, ACME, "inbound")


def test_a_kept_chain_has_all_that_it_read(tmp_path: Path) -> None:
    chain = good(tmp_path)
    again = read_kept(write_kept(chain), ACME, "inbound", limits=Limits())
    assert again is not None
    assert again.version == chain.version == version_of(chain.texts)
    assert again.lists == chain.lists
    assert [file.path for file in again.files] == ["inbound/10.sieve", "inbound/20.sieve"]


def test_a_route_that_is_gone_since_does_not_break_it(tmp_path: Path) -> None:
    kept = write_kept(good(tmp_path))
    assert read_kept(kept, Tenant(id="acme"), "inbound", limits=Limits()) is not None


def test_what_this_release_cannot_compile_is_nothing() -> None:
    kept = json.dumps({"files": ["a"], "texts": {"a": "no_such_command;"}})
    assert read_kept(kept, ACME, "inbound", limits=Limits()) is None


def test_after_a_restart_with_a_broken_edit_the_kept_chain_runs(tmp_path: Path) -> None:
    kept: dict[str, str] = {}

    def open_chains(reports: list[Chain | None]) -> Chains:
        def recall(tenant: Tenant, kind: str) -> Chain | None:
            return (
                read_kept(kept[kind], tenant, kind, limits=Limits()) if kind in kept else None
            )

        return Chains(
            tmp_path,
            limits=Limits(),
            clock=Clock(),
            report=lambda tenant, kind, error, running: reports.append(running),
            keep=lambda tenant, chain: kept.update({chain.kind: write_kept(chain)}),
            recall=recall,
        )

    write(tmp_path, "inbound/10.sieve", 'fileinto "desk";\n')
    first = open_chains([]).chain_for(ACME, "inbound")
    write(tmp_path, "inbound/10.sieve", "broken\n")
    reports: list[Chain | None] = []
    chains = open_chains(reports)
    running = chains.chain_for(ACME, "inbound")
    assert running.version == first.version
    assert reports == [running]
    assert isinstance(chains.faults()["acme", "inbound"], CompileError)
