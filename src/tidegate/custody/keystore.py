"""A folder of keys: each principal has a current private key, and every public key it ever had.

::

    keys/
      ana/
        current          the key id of the current key
        <key id>.pub     public key, PEM
        <key id>.key     private key file, mode 0600
      <key id>.uri     instead of it: where the private key is, in a token or a service

Rotation adds a key and moves ``current``; the old public key stays for the signatures that it
made, the old private key until :meth:`KeyStore.forget` (a root key still has to sign the trust
root that replaces it).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tidegate.core.errors import UsageError
from tidegate.core.identity.keys import PrivateKey, PublicKey, Scheme
from tidegate.core.identity.refusals import refusal
from tidegate.custody import sealed
from tidegate.custody.signers.uri import SignerUri

_PRINCIPAL = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,127}")
_KEY_ID = re.compile(r"[0-9a-f]{64}")


def check_principal(name: str) -> str:
    """Return the name of a principal, if it may be one.

    Lower case only: two principals never differ by a case that a file system may drop.

    Raises:
        UsageError: It has other characters, or is empty or too long.
    """
    if not _PRINCIPAL.fullmatch(name):
        raise refusal("bad-principal", ascii(name[:140]))
    return name


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What can be told about a kept key without its passphrase."""

    principal: str
    key: PublicKey
    current: bool
    """Whether the principal signs with it now."""
    sealed: bool | None
    """Whether the private half is sealed; ``None`` where it is not here."""
    uri: SignerUri | None = None
    """Where the private half is, where it is kept elsewhere."""

    @property
    def usable(self) -> bool:
        """Whether there is a private half to sign with, here or elsewhere."""
        return self.sealed is not None or self.uri is not None


@dataclass(frozen=True, slots=True)
class KeyStore:
    """Keys of principals in one folder, which is made on first use."""

    folder: Path
    cost: sealed.Cost | None = None
    """What sealing a new key costs, where the default is not wanted."""

    def create(
        self, principal: str, *, scheme: Scheme = Scheme.ED25519, passphrase: bytes | None
    ) -> PrivateKey:
        """Make a principal's first key.

        Raises:
            UsageError: The name is no name, or has a key already.
            AccessError: The folder can't be written.
        """
        home = self._home(principal)
        if (home / "current").exists():
            raise refusal("key-exists", principal)
        return self._add(principal, PrivateKey.generate(scheme), passphrase)

    def rotate(
        self, principal: str, *, scheme: Scheme | None = None, passphrase: bytes | None
    ) -> PrivateKey:
        """Make a new current key; the old public key stays, and the old private one for now.

        Args:
            principal: Whose key.
            scheme: The new key's; the old key's where it is not given.
            passphrase: What seals the new key; ``None`` leaves it unsealed.

        Raises:
            AccessError: There is no key to rotate, or the folder can't be written.
        """
        old = self.public(principal, self.current(principal))
        return self._add(principal, PrivateKey.generate(scheme or old.scheme), passphrase)

    def add(self, principal: str, key: PrivateKey, *, passphrase: bytes | None) -> PrivateKey:
        """Take in a key that was made elsewhere, and make it current.

        Raises:
            UsageError: The name is no name.
            AccessError: The folder can't be written.
        """
        self._home(principal)
        return self._add(principal, key, passphrase)

    def refer(self, principal: str, key: PublicKey, uri: SignerUri) -> None:
        """Take in where a private key is that is kept elsewhere, and make it current.

        Raises:
            UsageError: The name is no name.
            AccessError: The folder can't be written.
        """
        self._home(principal)
        self._keep(principal, key, "uri", f"{uri}\n".encode())

    def elsewhere(self, principal: str, key_id: str) -> SignerUri | None:
        """Return where a private key is, or ``None`` for one that is kept here.

        Raises:
            AccessError: The file that tells it is damaged, or others may change it.
        """
        path = self._path(principal, key_id, "uri")
        if not path.exists():
            return None
        try:
            return SignerUri.parse(sealed.read_private(path).decode().removesuffix("\n"))
        except (UsageError, UnicodeDecodeError):
            raise refusal("bad-key-file", str(path), "it holds no signer's URI") from None

    def list(self) -> tuple[StoredKey, ...]:
        """Return all keys by principal, the current one first; no passphrase is needed.

        Raises:
            AccessError: A key file is damaged or readable by others.
        """
        if not self.folder.is_dir():
            return ()
        names = sorted(home.name for home in self.folder.iterdir() if (home / "current").is_file())
        found = [key for name in names if _PRINCIPAL.fullmatch(name) for key in self._keys(name)]
        return tuple(sorted(found, key=lambda key: (key.principal, not key.current)))

    def current(self, principal: str) -> str:
        """Return the id of the principal's current key.

        Raises:
            AccessError: The principal has none (slug ``no-key``).
        """
        try:
            text = (self._home(principal) / "current").read_text("ascii").strip()
        except (OSError, ValueError):
            text = ""
        if not _KEY_ID.fullmatch(text):
            raise refusal("no-key", f"{principal} in {self.folder}")
        return text

    def load(
        self, principal: str, *, passphrase: bytes | None, key_id: str | None = None
    ) -> PrivateKey:
        """Open a private key: the current one, or an older one by its id.

        Raises:
            AccessError: It is not here, others may read it, it is damaged, or the passphrase is
                missing or wrong.
        """
        wanted = key_id or self.current(principal)
        path = self._path(principal, wanted, "key")
        data = sealed.read_private(path)
        told = sealed.info(data)
        if told.principal != principal or told.key.key_id != wanted:
            raise refusal("bad-key-file", str(path), f"it is {told.principal}'s")
        return sealed.unseal(data, passphrase=passphrase)

    def public(self, principal: str, key_id: str) -> PublicKey:
        """Return a public key, however old.

        Raises:
            AccessError: It is not here, or is not the key that its name says.
        """
        path = self._path(principal, key_id, "pub")
        try:
            key = PublicKey.from_pem(path.read_bytes())
        except OSError as error:
            raise refusal("no-key", str(path), error.strerror) from None
        if key.key_id != key_id:
            raise refusal("bad-key-file", str(path), "it holds another key")
        return key

    def forget(self, principal: str, key_id: str) -> None:
        """Delete the private half of a key that is no longer current.

        Raises:
            UsageError: It is the current key.
        """
        if key_id == self.current(principal):
            raise refusal("key-current", key_id)
        self._path(principal, key_id, "key").unlink(missing_ok=True)
        self._path(principal, key_id, "uri").unlink(missing_ok=True)

    def _add(self, principal: str, key: PrivateKey, passphrase: bytes | None) -> PrivateKey:
        data = sealed.seal(key, principal=principal, passphrase=passphrase, cost=self.cost)
        self._keep(principal, key.verifier, "key", data)
        return replace(key, sealed=passphrase is not None)

    def _keep(self, principal: str, key: PublicKey, suffix: str, data: bytes) -> None:
        key_id = key.key_id
        try:
            self._home(principal).mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise refusal("key-unwritten", str(self.folder), error.strerror) from None
        # `current` comes last: a crash before it leaves the old key current, and nothing lost.
        sealed.write_atomic(self._path(principal, key_id, suffix), data)
        sealed.write_atomic(self._path(principal, key_id, "pub"), key.pem, mode=0o644)
        sealed.write_atomic(self._home(principal) / "current", f"{key_id}\n".encode())

    def _keys(self, principal: str) -> Iterator[StoredKey]:
        current = self.current(principal)
        for path in sorted(self._home(principal).glob("*.pub")):
            kept = self._path(principal, path.stem, "key")
            is_sealed = sealed.info(sealed.read_private(kept)).sealed if kept.exists() else None
            key = self.public(principal, path.stem)
            uri = None if kept.exists() else self.elsewhere(principal, path.stem)
            yield StoredKey(principal, key, path.stem == current, is_sealed, uri)

    def _home(self, principal: str) -> Path:
        return self.folder / check_principal(principal)

    def _path(self, principal: str, key_id: str, suffix: str) -> Path:
        if not _KEY_ID.fullmatch(key_id):
            raise refusal("bad-key-id", ascii(key_id[:100]))
        return self._home(principal) / f"{key_id}.{suffix}"
