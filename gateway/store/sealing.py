"""Secrets at rest: sealed by a key file that only we can read.

MultiFernet (AES-128-CBC with HMAC-SHA256) takes the first line of the file to seal and
every line to open, so that a key can be replaced. Submission passwords are random and long,
so a keyed hash is enough for them: no slow derivation in the hot path.
"""

from __future__ import annotations

import hmac
import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from gateway.store.begin import alone_in
from gateway.store.errors import NOT_OURS, StoreError


class Seal:
    """Seals and opens secrets; its key never leaves it."""

    def __init__(self, keys: list[bytes], *, path: Path | None = None) -> None:
        self._path = path
        self._take(keys)

    def _take(self, keys: list[bytes]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])
        self._hash_keys = [sha256(b"gateway credential " + key).digest() for key in keys]
        self._mark_key = sha256(b"gateway mark " + keys[-1]).digest()

    @classmethod
    def load(cls, path: Path) -> Seal:
        """Read the key file, made with mode 0600 on first use; raises StoreError."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with alone_in(path.parent) as folder:
            if not path.exists():
                _write_keys(path, [Fernet.generate_key()], folder=folder)
        return cls(_read_keys(path), path=path)

    def seal(self, secret: str) -> bytes:
        """Return the sealed form of `secret`."""
        return self._fernet.encrypt(secret.encode())

    def reload(self) -> None:
        """Read the key file again: another process may have added a key; raises StoreError."""
        if self._path is not None:
            self._take(_read_keys(self._path))

    def rotate(self) -> None:
        """Put a fresh key before the others; what is sealed from now on is sealed by it.

        The older keys stay: they open what they sealed, and passwords keep their hashes.
        """
        if self._path is None:
            raise StoreError("a seal without a key file cannot be given a new key")
        with alone_in(self._path.parent) as folder:  # each would forget the other's
            keys = [Fernet.generate_key(), *_read_keys(self._path)]
            _write_keys(self._path, keys, folder=folder)
        self._take(keys)

    def reseal(self, sealed: bytes) -> bytes:
        """Return the same secret, sealed by the newest key; raises StoreError like `open`."""
        return self.seal(self.open(sealed))

    def open(self, sealed: bytes) -> str:
        """Return the secret; raises StoreError when no key of the file sealed it."""
        with suppress(InvalidToken):
            return self._fernet.decrypt(sealed).decode()
        self.reload()  # the key may have been added since the file was read
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken as error:
            sentence = (
                "a secret was sealed by another secret.key; restore that file from a backup"
            )
            raise StoreError(sentence) from error

    def hash_password(self, password: str) -> str:
        """Return the keyed hash under which a submission password is kept."""
        return self._hashes(password)[0]

    def matches(self, password: str, hashed: str) -> bool:
        """Whether `password` has this hash, in constant time."""
        return any(hmac.compare_digest(one, hashed) for one in self._hashes(password))

    def mark(self, text: str) -> str:
        """Return a keyed mark of `text`, for return tokens and loop marks: 20 hex digits."""
        return hmac.new(self._mark_key, text.encode(), sha256).hexdigest()[:20]

    def _hashes(self, password: str) -> list[str]:
        data = password.encode()
        return [hmac.new(key, data, sha256).hexdigest() for key in self._hash_keys]


def _write_keys(path: Path, keys: list[bytes], *, folder: int) -> None:
    """Write the file whole or not at all; it is the folder's owner's alone.

    Root may type a verb for a server that runs as another user, who must read the key.
    """
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)  # of a process that was killed
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        if os.geteuid() == 0:
            owner = os.fstat(folder)
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        file.write(b"\n".join(keys) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    os.fsync(folder)  # before anything is sealed by it


def _read_keys(path: Path) -> list[bytes]:
    """Return the keys of the file, the newest first; raises StoreError when there are none."""
    try:
        keys = path.read_bytes().split()
        if keys and all(Fernet(key) for key in keys):
            return keys
    except PermissionError as error:
        raise StoreError(f"{path}: cannot be read: {NOT_OURS}") from error
    except (OSError, ValueError) as error:
        raise StoreError(
            f"{path}: is not a key file of ours; restore it from a backup"
        ) from error
    raise StoreError(f"{path}: holds no key; restore it from a backup")
