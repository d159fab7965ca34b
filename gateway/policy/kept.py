"""The last good chain as text, and back: what outlives a restart with a broken edit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.mail.tenant import Tenant
from gateway.policy.chain import Chain
from gateway.policy.compiling import compile_chain, read_list
from gateway.policy.files import find_included
from gateway.sieve.interface import CompileError, Included, Limits


def write_kept(chain: Chain) -> str:
    """Return the chain as one text: its files in order, and every text that it read."""
    files = [file.path for file in chain.files]
    return json.dumps({"files": files, "texts": dict(chain.texts)})


def read_kept(kept: str, tenant: Tenant, kind: str, *, limits: Limits) -> Chain | None:
    """Return the chain that was written, None when this release cannot compile it any more.

    Names of routes and senders are not checked again: they were known when it was kept.
    """
    found = json.loads(kept)
    texts = _KeptTexts(tenant, found["texts"])
    try:
        return compile_chain(texts, found["files"], kind, limits=limits, strict=False)
    except CompileError:
        return None


@dataclass(slots=True)
class _KeptTexts:
    """The texts of a kept chain (`compiling.ChainTexts`)."""

    tenant: Tenant
    texts: dict[str, str]

    def include(self, location: str, name: str) -> Included | None:
        return find_included(self.text, self.tenant.id, location, name)

    def text(self, path: str) -> str | None:
        return self.texts.get(path)

    def names(self, kind: str) -> Sequence[str] | None:
        return None

    def script(self, shown: str) -> str:
        return self.texts[shown]

    def lists(self) -> dict[str, frozenset[str]]:
        return {
            path.removeprefix("lists/").removesuffix(".txt"): read_list(text)
            for path, text in self.texts.items()
            if path.startswith("lists/")
        }

    def all_read(self) -> dict[str, str]:
        return self.texts
