"""To which mailbox each buyer at Amazon writes: the address that the seller registered there.

A buyer is known by the alias without its +detail.
"""

from __future__ import annotations

from gateway.mail.address import Address
from gateway.store.sqlite import Db


def learn(db: Db, *, tenant: str, buyer: Address, mailbox: str) -> None:
    """Remember that a buyer wrote to a mailbox; the last one counts."""
    db.execute(
        "INSERT INTO buyers (tenant, buyer, mailbox) VALUES (?,?,?)"
        " ON CONFLICT (tenant, buyer) DO UPDATE SET mailbox = excluded.mailbox",
        (tenant, buyer.base.key, mailbox),
    )


def find_registered(db: Db, *, tenant: str, buyer: Address) -> list[str]:
    """Return the mailbox that a buyer wrote to; of one who never wrote, those of the others."""
    query = "SELECT mailbox FROM buyers WHERE tenant = ? AND buyer = ?"
    if row := db.execute(query, (tenant, buyer.base.key)).fetchone():
        return [row[0]]
    query = "SELECT DISTINCT mailbox FROM buyers WHERE tenant = ? ORDER BY mailbox"
    return [one for (one,) in db.execute(query, (tenant,))]


def forget(db: Db, mailbox: str) -> None:
    """A mailbox is gone: nobody is written to from it any more."""
    db.execute("DELETE FROM buyers WHERE mailbox = ?", (mailbox,))
