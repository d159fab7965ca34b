"""`gateway secrets`: the key that seals them."""

from __future__ import annotations

from gateway.cli.opening import Config, Json, Verbs, opened
from gateway.cli.output import counted, print_json, print_line, print_next
from gateway.store import tenants


def rotate(*, config: Config = None, as_json: Json = False) -> None:
    """Make a new key and seal every secret by it; nobody has to sign in again."""
    with opened(config) as gateway:
        seal = gateway.load_seal()
        seal.rotate()
        resealed = gateway.store.write_now(tenants.reseal, seal)
        path = gateway.settings.state / "secret.key"
    if as_json:
        print_json({"resealed": resealed})
        return
    print_line(f"{counted(resealed, 'secret')} sealed by a new key")
    print_next(f"back up {path} together with a copy of gateway.db, as README tells")


VERBS: Verbs = {"rotate": rotate}
