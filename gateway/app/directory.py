"""Tenants, credentials and secrets as the store has them, at hand without waiting.

The store is looked at twice a second, so that what the command line changes is in use within
one. `PRAGMA data_version` says whether another process wrote anything; the revision, whether
it was a tenant.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from gateway import events
from gateway.mail.address import Address
from gateway.mail.suppression import Suppression
from gateway.mail.tenant import Tenant
from gateway.store import suppressions
from gateway.store import tenants as stored
from gateway.store.sealing import Seal
from gateway.store.sqlite import Db, Store
from gateway.store.tenants import StoredCredential


class Directory:
    """What the running server knows of its tenants."""

    def __init__(self, store: Store, seal: Seal) -> None:
        self.tenants: Mapping[str, Tenant] = {}
        self.revision = -1
        self._store = store
        self._seal = seal
        self._credentials: Mapping[str, StoredCredential] = {}
        self._secrets: dict[tuple[str, str, str], str | None] = {}
        self._data_version = -1
        self._suppressions: Mapping[tuple[str, str], Suppression] = {}
        self._suppressions_revision = 0

    def know(self, tenant: Tenant, secrets: Mapping[tuple[str, str], str]) -> None:
        """Have a tenant at hand as it will be, to try that before it is saved; nothing is.

        `secrets` by (kind, name). The next look that finds a change forgets it.
        """
        self.tenants = {**self.tenants, tenant.id: tenant}
        self._secrets.update({(tenant.id, *key): one for key, one in secrets.items()})

    def find_tenant(self, id_: str) -> Tenant | None:
        """Return a tenant, None when there is none of that id."""
        return self.tenants.get(id_)

    async def find_credential(self, username: str) -> StoredCredential | None:
        """Return a submission login by its user name."""
        return self._credentials.get(username)

    def find_suppression(self, tenant: str, address: Address) -> Suppression | None:
        """Return why a tenant's mail is not sent to an address; None: it is."""
        found = self._suppressions.get((tenant, address.key))
        return found if found and found.is_in_force(datetime.now(UTC).date()) else None

    async def secret(self, tenant: str, kind: str, name: str) -> str | None:
        """Return a secret, None when none is kept."""
        key = (tenant, kind, name)
        if key not in self._secrets:
            self._secrets[key] = await self._store.read(stored.open_secret, self._seal, *key)
        return self._secrets[key]

    def expect_change(self) -> None:
        """Have the next look read the tenants, though no other process wrote."""
        self._data_version = -1

    async def look(self) -> bool:
        """Return whether the store was written by another process; changed tenants are read.

        What could not be read is read by the next look. Raises StoreError.
        """
        version, suppressions_revision = await self._store.read(_versions)
        if suppressions_revision != self._suppressions_revision:
            await self._read_suppressions(suppressions_revision)
        written, self._data_version = version != self._data_version, version
        if not written:
            return False
        try:
            await self._read_changed()
        except BaseException:
            self.expect_change()
            raise
        return True

    async def _read_changed(self) -> None:
        """Read the tenants if they are others than those at hand."""
        revision = await self._store.read(stored.revision)
        if revision == self.revision:
            return
        self._seal.reload()  # it may have been given a new key
        self.tenants = await self._store.read(stored.load_all)
        self._credentials = await self._store.read(stored.credentials)
        self._secrets.clear()
        self.revision = revision
        events.tenants_read(tenants=len(self.tenants), revision=revision)

    async def _read_suppressions(self, revision: int) -> None:
        found = await self._store.read(suppressions.entries, now=datetime.now(UTC))
        self._suppressions = {(one.tenant, one.address): one for one in found}
        self._suppressions_revision = revision


def _versions(db: Db) -> tuple[int, int]:
    data_version = db.execute("PRAGMA data_version").fetchone()[0]
    return int(data_version), suppressions.revision(db)
