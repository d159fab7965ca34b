"""Which keys sign a message: those of the domain in its From, if that is the tenant's.

Keys are read when a domain signs for the first time and again after a change of tenants.
What was read for a message signs it, though tenants change before it is at its final dot,
unless the domain is the tenant's no more: no mail leaves unsigned for any other change.
"""

from __future__ import annotations

from gateway.app.directory import Directory
from gateway.authenticity.dkim import MESSAGE_ID_AND_DATE, NOTHING, Signer, sign
from gateway.mail.delivery import Batch
from gateway.store import tenants
from gateway.store.sealing import Seal
from gateway.store.sqlite import Store


class Signing:
    """Signs what leaves; never for the domain of another tenant, or of a provider."""

    def __init__(self, store: Store, seal: Seal, directory: Directory) -> None:
        self._store = store
        self._seal = seal
        self._directory = directory
        self._signers: dict[tuple[str, str], tuple[int, tuple[Signer, ...]]] = {}

    async def prepare(self, tenant: str, header_from: str) -> None:
        """Read the keys that `sign` will need."""
        key, revision = _key(tenant, header_from), self._directory.revision
        known = self._signers.get(key)
        if known is None or known[0] != revision:
            self._signers[key] = revision, await self._load(*key)

    def sign(self, content: bytes, batch: Batch, profile: str) -> bytes:
        """Return the content as it leaves, signed at this moment."""
        key = _key(batch.lane.tenant, batch.header_from)
        _, signers = self._signers.get(key, (0, ()))
        if not signers or not self._may_sign(*key):
            return content
        omit = MESSAGE_ID_AND_DATE if profile == "without-ids" else NOTHING
        return sign(content, signers, omit=omit) + content

    async def _load(self, tenant: str, domain: str) -> tuple[Signer, ...]:
        if not self._may_sign(tenant, domain):
            return ()
        found = await self._store.read(tenants.dkim_keys, self._seal, tenant, domain)
        return tuple(Signer(domain, selector, pem=pem) for selector, pem in found)

    def _may_sign(self, tenant: str, domain: str) -> bool:
        """Keys outlive a domain's removal, the right to sign for it does not."""
        owner = self._directory.find_tenant(tenant)
        return owner is not None and domain in owner.domains


def _key(tenant: str, header_from: str) -> tuple[str, str]:
    return tenant, header_from.rpartition("@")[2].lower()
