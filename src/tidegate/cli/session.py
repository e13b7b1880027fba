"""From the shared options to an open workspace."""

import os
from pathlib import Path

from tidegate.app.workspace import Workspace
from tidegate.cli.options import Place, Unlocking, read_passphrase


def reading(place: Place) -> Workspace:
    """Open the workspace to read it."""
    return Workspace.open(place.workspace, unlock=_Unlock(None, None, place.workspace))


def acting(signing: Unlocking) -> Workspace:
    """Open the workspace to act in it as the principal that was named.

    Raises:
        AccessError: The principal that was named has no key here.
    """
    unlock = _Unlock(signing.passphrase_fd, signing.passphrase_file, signing.workspace)
    workspace = Workspace.open(signing.workspace, act_as=signing.principal, unlock=unlock)
    if signing.principal is not None:
        # Root keys sign some acts, whoever is named: a misspelt name must not go unnoticed.
        workspace.keys.current(signing.principal)
    return workspace


class _Unlock:
    """Reads a passphrase once, and offers it for every key of the workspace.

    A descriptor can be read only once, and the log's key is sealed with the same passphrase.
    """

    def __init__(self, fd: int | None, file: Path | None, root: Path) -> None:
        self._fd = fd
        self._file = file
        self._root = root
        self._known: bytes | None = None
        self._asked = False

    def __call__(self, principal: str) -> bytes | None:
        if not self._asked:
            self._asked = True
            prompt = f"Passphrase of {principal}'s key" if self._sealed() else None
            self._known = read_passphrase(self._fd, self._configured(), prompt=prompt)
        return self._known

    def _configured(self) -> Path | None:
        if self._fd is not None or self._file is not None:
            return self._file
        from tidegate.config import load  # noqa: PLC0415 - only when a key is opened

        return load(self._root, os.environ).settings.signing.passphrase_file

    def _sealed(self) -> bool:
        from tidegate.app.workspace import HOME  # noqa: PLC0415 - same
        from tidegate.custody.keystore import KeyStore  # noqa: PLC0415 - same

        keys = KeyStore(self._root / HOME / "keys").list()
        return any(key.sealed or (key.uri is not None and key.uri.asks) for key in keys)
